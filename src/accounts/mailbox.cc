// Thin: the store has the verbs. Locks are a set of addresses under a mutex, shared by the holders
// so that a lock may outlive Mailboxes at shutdown.
#include "accounts/mailbox.h"

#include <mutex>
#include <unordered_set>

#include "accounts/directory_tables.h"

namespace goniec {
namespace {

struct HeldMailboxes {
  std::mutex mutex;
  std::unordered_set<Address> addresses;
};

}  // namespace

struct MailboxLock::Held {
  Held(std::shared_ptr<HeldMailboxes> of, Address held) : all(std::move(of)), address(held) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    std::lock_guard lock(all->mutex);
    all->addresses.erase(address);
  }
  std::shared_ptr<HeldMailboxes> all;
  Address address;
};

MailboxLock::MailboxLock(std::unique_ptr<Held> held) : held_(std::move(held)) {}
MailboxLock::MailboxLock(MailboxLock&&) noexcept = default;
MailboxLock& MailboxLock::operator=(MailboxLock&&) noexcept = default;
MailboxLock::~MailboxLock() = default;

struct Mailboxes::State {
  const Directory& directory;
  Committer& committer;
  ReaderPool& readers;
  std::shared_ptr<HeldMailboxes> held = std::make_shared<HeldMailboxes>();
};

Mailboxes::Mailboxes(const Directory& directory, Committer& committer, ReaderPool& readers)
    : state_(new State{directory, committer, readers}) {}
Mailboxes::~Mailboxes() = default;

std::optional<MailboxLock> Mailboxes::try_lock(const Address& mailbox) {
  const Address address = canonical(mailbox);
  {
    std::lock_guard lock(state_->held->mutex);
    if (!state_->held->addresses.insert(address).second) return {};
  }
  return MailboxLock(std::make_unique<MailboxLock::Held>(state_->held, address));
}

Task<Result<std::vector<MailboxMessage>>> Mailboxes::list(Loop& loop, Address mailbox,
                                                          std::string folder) {
  co_return co_await state_->readers.read(
      loop, [mailbox = canonical(mailbox), folder = std::move(folder)](Reader& reader) {
        return reader.mailbox(mailbox, folder);
      });
}

Task<Result<MailboxUsage>> Mailboxes::usage(Loop& loop, Address mailbox, std::string folder) {
  co_return co_await state_->readers.read(
      loop, [mailbox = canonical(mailbox), folder = std::move(folder)](Reader& reader) {
        return reader.mailbox_usage(mailbox, folder);
      });
}

Task<Result<std::uint64_t>> Mailboxes::octets(Loop& loop, Address mailbox) {
  co_return co_await state_->readers.read(loop, [mailbox = canonical(mailbox)](Reader& reader) {
    return reader.mailbox_octets(mailbox);
  });
}

Task<Result<QuotaAnswer>> Mailboxes::check_quota(Loop& loop, Address mailbox, std::uint64_t more) {
  const auto user = state_->directory.user(mailbox);
  if (!user) co_return fail(ErrorKind::not_found, "there is no user " + mailbox.text());
  const std::uint64_t quota = user->quota_octets;
  if (quota == 0) co_return QuotaAnswer::fits;
  if (more > quota) co_return QuotaAnswer::full;
  const std::uint64_t used = CO_TRY(co_await octets(loop, user->address));
  co_return used <= quota - more ? QuotaAnswer::fits : QuotaAnswer::full;
}

MailboxReading Mailboxes::open(MailboxMessage message) {
  return MailboxReading(state_->readers, std::move(message));
}

Task<Result<void>> Mailboxes::remove(Loop& loop, MailboxRemove request) {
  request.mailbox = canonical(request.mailbox);
  co_return co_await state_->committer.remove_from_mailbox(loop, std::move(request));
}

MailboxReading::MailboxReading(ReaderPool& readers, MailboxMessage message)
    : readers_(readers), message_(std::move(message)) {}

Task<Result<std::string>> MailboxReading::next(Loop& loop) {
  const MessageId id = message_.content;
  if (!started_) {
    const Content content =
        CO_TRY(co_await readers_.read(loop, [id](Reader& reader) { return reader.content(id); }));
    started_ = true;
    chunks_ = content.body_chunks;
    co_return message_.prepend + content.prepend + content.header;
  }
  if (next_chunk_ == chunks_) co_return std::string();
  const std::uint32_t number = next_chunk_++;
  std::string chunk = CO_TRY(co_await readers_.read(
      loop, [id, number](Reader& reader) { return reader.chunk(id, number); }));
  if (chunk.empty())
    co_return fail(ErrorKind::damaged, "a body chunk of message " + id.text() + " is empty");
  co_return chunk;
}

}  // namespace goniec
