// What tests of rooms above the store share: a shard, a memory store with its commit thread and
// readers, a directory over them, and mail put into a mailbox as local delivery does it. The store
// fails where a test tells it to (store/failing_store_for_tests.h). The doors of a test's World
// that it does not need are shut. Included by tests only.
#pragma once

#include "accounts/directory.h"
#include "base/digest.h"
#include "run/offload.h"
#include "run/shard.h"
#include "run/system.h"
#include "store/committer.h"
#include "store/failing_store_for_tests.h"
#include "trust/passwords.h"

namespace goniec::test {

inline Address address(std::string_view text) {
  auto parsed = Address::parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}

class TestHouse {
 public:
  explicit TestHouse(DirectoryOptions options = {.hostname = "mail.example.pl"})
      : options_(std::move(options)) {
    reopen();
  }

  // As after a restart: the directory is read from the store again.
  void reopen() {
    auto reader = store->reader();
    CHECK(reader.has_value());
    auto opened = Directory::open(options_, committer, **reader);
    CHECK(opened.has_value());
    directory = std::move(*opened);
  }

  template <class T>
  T wait(Task<T> task) {
    return run_until_done(shard, std::move(task));
  }

  void add_domain(std::string_view name) {
    CHECK(wait(directory->add_domain(shard, {.domain = *Domain::parse(name)})).has_value());
  }
  void add_user(UserObject user) {
    CHECK(wait(directory->add_user(shard, std::move(user))).has_value());
  }
  void add_user_with_password(std::string_view name, std::string_view password) {
    add_user({.address = address(name), .password_hash = *hash_password(password)});
  }
  void add_alias(std::string_view name, std::initializer_list<std::string_view> targets) {
    AliasObject alias{address(name), {}};
    for (const auto target : targets) alias.targets.push_back(address(target));
    CHECK(wait(directory->add_alias(shard, std::move(alias))).has_value());
  }

  // A message that lies in `mailbox`; its uid.
  std::uint64_t deliver(const Address& mailbox, std::string header,
                        std::vector<std::string> chunks) {
    const MessageId id = ids_.next(shard.clock().now(), shard.random().next());
    SpoolRequest request;
    request.message.id = id;
    request.message.content.header = std::move(header);
    for (const std::string& chunk : chunks) request.message.content.body_octets += chunk.size();
    request.message.content.body_chunks = static_cast<std::uint32_t>(chunks.size());
    std::string whole = request.message.content.header;
    for (const std::string& chunk : chunks) whole += chunk;
    request.message.content.crc32c = crc32c(whole);
    request.message.content.prepend = "Received: here\r\n";
    request.chunks = std::move(chunks);
    Entry entry;
    entry.id = {id, 0};
    entry.domain = mailbox.domain();
    entry.local = true;
    entry.recipients = {EntryRecipient{.recipient = {.address = mailbox}}};
    request.entries = {entry};
    auto spooled = wait(committer.spool(shard, std::move(request)));
    CHECK(spooled.has_value() && spooled->leases.size() == 1);
    SettleRequest settle;
    settle.lease = spooled->leases.front();
    settle.outcomes = {Outcome{.recipient = 0, .state = RecipientState::delivered}};
    settle.now = shard.clock().now();
    settle.appends = {{mailbox, "INBOX", "Delivered-To: " + mailbox.text() + "\r\n", settle.now}};
    auto settled = wait(committer.settle(shard, std::move(settle)));
    CHECK(settled.has_value() && settled->append_uids.size() == 1);
    return settled->append_uids.front();
  }

  Shard shard;
  Metrics metrics;
  std::unique_ptr<FailingStore> store =
      std::make_unique<FailingStore>(make_memory_store({}, shard.clock()));
  Committer committer{*store, {.settle_linger = Duration(0)}, metrics, null_log()};
  ReaderPool readers{*store, 2};
  OffloadPool offload{{}};
  std::unique_ptr<Directory> directory;

 private:
  DirectoryOptions options_;
  MessageIdMaker ids_;
};

// Doors that a test does not open.
class NoNetwork final : public Network {
 public:
  Result<std::unique_ptr<Listener>> listen(ListenOptions) override { return closed(); }
  Result<std::unique_ptr<Listener>> listen_unix(std::string, unsigned) override { return closed(); }
  Task<Result<std::unique_ptr<Stream>>> connect(Endpoint, std::optional<IpAddress>,
                                                Moment) override {
    co_return closed();
  }
  Task<Result<std::unique_ptr<Stream>>> connect_unix(std::string, Moment) override {
    co_return closed();
  }

 private:
  static std::unexpected<Error> closed() { return fail(ErrorKind::closed, "no network here"); }
};
class NoResolver final : public Resolver {
 public:
  Task<DnsAnswer> lookup(std::string, DnsType, Moment) override { co_return DnsAnswer{}; }
};
class NoHttp final : public HttpFetch {
 public:
  Task<Result<HttpResponse>> fetch(HttpRequest, Moment) override {
    co_return fail(ErrorKind::closed, "no web here");
  }
};

// The world of a TestHouse: its loop and pool, all other doors shut.
class TestWorld {
 public:
  explicit TestWorld(TestHouse& house)
      : world{house.shard, network_, resolver_, http_, house.offload} {}
  TestWorld(Loop& loop, Offload& offload) : world{loop, network_, resolver_, http_, offload} {}

 private:
  NoNetwork network_;
  NoResolver resolver_;
  NoHttp http_;

 public:
  World world;
};

}  // namespace goniec::test
