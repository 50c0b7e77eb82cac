// Requests are made once and given to both engines; a lease is kept as the pair of what each gave.
#include "sim/mixed_groups.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "store/codec.h"
#include "store/store_for_tests.h"

namespace goniec {
namespace {

const std::vector<std::string> recipients = {"a@one.example",   "b@one.example", "c@two.example",
                                             "d@three.example", "e@local.test",  "f@local.test"};
constexpr std::size_t remote_recipients = 4;  // of them

std::string event_line(const Event& event) {
  std::string row;
  encode_event(event, row);
  return fmt::format("event {} {} {} {:08x}", event.sequence, event.message.text(),
                     name_of(event.kind), crc32c(row));
}

std::string entry_line(QueueItem item) {
  if (item.entry.state == EntryState::leased) item.entry.state = EntryState::due;
  std::string row;
  encode_entry({item.entry, item.message.received_at, item.octets, {}, false}, row);
  std::string recipients_of;
  for (const auto& each : item.entry.recipients) recipients_of += name_of(each.state)[0];
  return fmt::format("entry {} {} {} held={} tries={} {} {:08x}", item.entry.id.message.text(),
                     item.entry.id.number, item.entry.domain.ascii(),
                     item.entry.state == EntryState::held, item.entry.tries, recipients_of,
                     crc32c(row));
}

std::string content_line(Reader& reader, MessageId id) {
  const auto content = reader.content(id);
  if (!content) return fmt::format("content {} ERROR {}", id.text(), content.error().message);
  std::uint32_t sum = crc32c(content->header);
  for (std::uint32_t i = 0; i < content->body_chunks; ++i) {
    const auto chunk = reader.chunk(id, i);
    if (!chunk) return fmt::format("chunk {} {} ERROR {}", id.text(), i, chunk.error().message);
    sum = crc32c(*chunk, sum);
  }
  return fmt::format("content {} {} octets {:08x} prepend {:08x}{}", id.text(), content->size(),
                     sum, crc32c(content->prepend), sum == content->crc32c ? "" : " ERROR body");
}

template <class T>
bool take(std::vector<std::string>& lines, const char* what, const Result<T>& result) {
  if (!result) lines.push_back(fmt::format("{} ERROR {}", what, result.error().message));
  return result.has_value();
}

void tell_mailboxes(Reader& reader, std::vector<std::string>& lines) {
  for (const auto& name : recipients) {
    if (!name.ends_with("local.test")) continue;
    const Address address = test::address(name);
    const auto letters = reader.mailbox(address, "INBOX");
    const auto usage = reader.mailbox_usage(address, "INBOX");
    if (!take(lines, "mailbox", letters) || !take(lines, "usage", usage)) continue;
    lines.push_back(fmt::format("mailbox {} {} {} next {}", name, usage->messages, usage->octets,
                                usage->uid_next));
    for (const auto& letter : *letters) {
      lines.push_back(fmt::format("letter {} {} {} {} {:08x}", name, letter.uid,
                                  letter.content.text(), letter.octets, crc32c(letter.prepend)));
      lines.push_back(content_line(reader, letter.content));
    }
  }
}

// One life on two engines.
class Life {
 public:
  Life(const MixedOptions& options, MixedRun& run)
      : options_(options),
        run_(run),
        random_(options.seed * 2 + 1),
        oracle_(make_memory_store(options.limits, clock_)),
        oracle_reader_(*oracle_->reader()) {}

  void live();

 private:
  template <class Request, class Answer>
  std::pair<Result<Answer>, Result<Answer>> both(
      std::vector<Result<Answer>> (Store::*verb)(std::span<const Request>), const Request& request);
  void do_something();
  void do_something_hot();
  void spool();
  void spool_large();
  void abandon_large();
  void settle();
  void change();
  void lease();
  Result<std::size_t> lease_some(std::size_t limit);
  void give_back();
  void mailbox();
  void objects();
  void sweep();
  void read();
  void end_group();
  SpoolRequest new_letter(std::size_t most_octets);
  std::optional<QueueItem> any_entry();
  std::string text(std::size_t octets);
  void differ(std::string what) {
    if (run_.wrong.empty()) run_.wrong = fmt::format("group {}: {}", run_.groups.size(), what);
  }

  const MixedOptions& options_;
  MixedRun& run_;
  SystemRandom random_;
  SimClock clock_;
  std::unique_ptr<Store> store_, oracle_;
  std::unique_ptr<Reader> oracle_reader_;
  MessageIdMaker ids_;
  bool hot_ = false;
  std::map<EntryId, std::pair<Lease, Lease>> leases_;  // of the store, of the oracle
};

template <class Request, class Answer>
std::pair<Result<Answer>, Result<Answer>> Life::both(
    std::vector<Result<Answer>> (Store::*verb)(std::span<const Request>), const Request& request) {
  auto one = std::move(((*store_).*verb)(std::span<const Request>(&request, 1))[0]);
  auto two = std::move(((*oracle_).*verb)(std::span<const Request>(&request, 1))[0]);
  if (one.has_value() != two.has_value()) {
    differ(fmt::format("the engine says {}, the oracle {}", one ? "ok" : one.error().message,
                       two ? "ok" : two.error().message));
  }
  return {std::move(one), std::move(two)};
}

std::string Life::text(std::size_t octets) {
  std::string made;
  made.reserve(octets + 8);
  while (made.size() < octets) made += fmt::format("{:x}\r\n", random_.next());
  return made;
}

SpoolRequest Life::new_letter(std::size_t most_octets) {
  std::vector<std::string> to;
  for (std::uint64_t count = 1 + random_.below(3); count > 0; --count) {
    const auto& one = recipients[random_.below(hot_ ? remote_recipients : recipients.size())];
    if (std::ranges::find(to, one) == to.end()) to.push_back(one);
  }
  const MessageId id = ids_.next(clock_.now(), random_.next());
  SpoolRequest request = test::letter(id.value, clock_.now(), to, text(random_.below(most_octets)));
  request.lease = random_.below(3) != 0;
  if (random_.below(8) == 0)
    request.keep_until = clock_.now() + std::chrono::seconds(random_.below(100));
  for (Entry& entry : request.entries) {
    if (random_.below(10) == 0) entry.state = EntryState::held;
    if (random_.below(10) == 0) entry.due = clock_.now() + std::chrono::seconds(20);
  }
  // test::letter cuts at 64 KiB.
  std::string body;
  for (const auto& chunk : request.chunks) body += chunk;
  request.chunks.clear();
  for (std::size_t at = 0; at < body.size(); at += options_.limits.chunk_octets)
    request.chunks.push_back(body.substr(at, options_.limits.chunk_octets));
  request.message.content.body_chunks = static_cast<std::uint32_t>(request.chunks.size());
  return request;
}

void Life::spool() {
  const SpoolRequest request = new_letter(random_.below(4) == 0 ? 9000 : 800);
  const auto [one, two] = both(&Store::spool, request);
  if (!one || !two) return;
  ++run_.acknowledged;
  for (std::size_t i = 0; i < one->leases.size() && i < two->leases.size(); ++i) {
    if ((one->leases[i].fence == 0) != (two->leases[i].fence == 0)) differ("leases of a spool");
    if (one->leases[i].fence != 0)
      leases_[request.entries[i].id] = {one->leases[i], two->leases[i]};
  }
}

// Chunks in earlier groups than the envelope.
void Life::spool_large() {
  SpoolRequest request = new_letter(60000);
  std::uint32_t number = 0;
  while (request.chunks.size() > 1) {
    (void)both(&Store::write_chunks, ChunkWrite{request.message.id, number++, request.chunks[0]});
    request.chunks.erase(request.chunks.begin());
    if (random_.below(4) == 0) end_group();
  }
  const auto [one, two] = both(&Store::spool, request);
  if (!one || !two) return;
  ++run_.acknowledged;
  for (std::size_t i = 0; i < one->leases.size() && i < two->leases.size(); ++i) {
    if (one->leases[i].fence != 0)
      leases_[request.entries[i].id] = {one->leases[i], two->leases[i]};
  }
}

void Life::abandon_large() {
  const MessageId id = ids_.next(clock_.now(), random_.next());
  (void)both(&Store::write_chunks, ChunkWrite{id, 0, text(2000)});
  if (random_.below(2)) end_group();
  if (random_.below(2)) (void)both(&Store::discard_chunks, id);
}

void Life::settle() {
  if (leases_.empty()) return lease();
  const std::size_t newest = hot_ ? std::min<std::size_t>(leases_.size(), 6) : leases_.size();
  auto at = std::prev(leases_.end(), static_cast<std::ptrdiff_t>(1 + random_.below(newest)));
  const auto [id, pair] = *at;
  leases_.erase(at);
  auto items = oracle_reader_->list({.ids = {id.message}});
  const auto found =
      std::ranges::find(*items, id, [](const QueueItem& each) { return each.entry.id; });
  if (found == items->end()) return differ("a leased entry is gone");
  const Entry& entry = found->entry;
  SettleRequest request;
  request.now = clock_.now();
  request.next_due = clock_.now() + std::chrono::seconds(1 + random_.below(60));
  request.counts_as_try = random_.below(5) != 0;
  for (std::uint32_t i = 0; i < entry.recipients.size(); ++i) {
    constexpr RecipientState states[] = {RecipientState::delivered, RecipientState::relayed,
                                         RecipientState::queued, RecipientState::failed};
    request.outcomes.push_back(test::outcome(i, states[random_.below(4)]));
    const auto& state = request.outcomes.back().state;
    request.events.push_back(test::event(
        id.message, state == RecipientState::queued ? EventKind::deferred : EventKind::delivered,
        clock_.now(), entry.recipients[i].recipient.address.text()));
    const bool local = entry.domain.ascii() == "local.test";
    if (local && state == RecipientState::delivered)
      request.appends.push_back(
          {entry.recipients[i].recipient.address, "INBOX", "Delivered-To: x\r\n", clock_.now()});
    if (state == RecipientState::failed && random_.below(2)) {
      request.notices.push_back(new_letter(600));
      request.notices.back().message.parent = id.message;
    }
  }
  SettleRequest twin = request;
  request.lease = pair.first;
  twin.lease = pair.second;
  auto one = std::move(store_->settle(std::span<const SettleRequest>(&request, 1))[0]);
  auto two = std::move(oracle_->settle(std::span<const SettleRequest>(&twin, 1))[0]);
  if (one.has_value() != two.has_value())
    return differ(fmt::format("settle: {} / {}", one ? "ok" : one.error().message,
                              two ? "ok" : two.error().message));
  if (!one) return;
  for (std::size_t n = 0; n < one->notices.size(); ++n) {
    for (std::size_t i = 0; i < one->notices[n].leases.size(); ++i) {
      if (one->notices[n].leases[i].fence != 0)
        leases_[request.notices[n].entries[i].id] = {one->notices[n].leases[i],
                                                     two->notices[n].leases[i]};
    }
  }
}

std::optional<QueueItem> Life::any_entry() {
  auto items = oracle_reader_->list({.limit = 10000});
  if (!items || items->empty()) return std::nullopt;
  return (*items)[random_.below(items->size())];
}

void Life::change() {
  const auto item = any_entry();
  if (!item) return spool();
  QueueChange request;
  request.entry = item->entry.id;
  request.now = clock_.now();
  request.reason = "by hand";
  constexpr QueueAction actions[] = {QueueAction::retry,   QueueAction::hold,
                                     QueueAction::release, QueueAction::release,
                                     QueueAction::expire,  QueueAction::remove};
  request.action = actions[random_.below(std::size(actions))];
  request.events.push_back(test::event(request.entry.message, EventKind::retried, request.now));
  if (request.action == QueueAction::expire && random_.below(2)) {
    request.notices.push_back(new_letter(500));
    request.notices.back().lease = false;
  }
  (void)both(&Store::change, request);
}

// The engine chooses, the oracle says whether it may: an entry that was retried by hand may keep
// its old place in the engine's order.
void Life::lease() {
  const std::size_t limit = 1 + random_.below(5);
  std::size_t got = 0;
  for (int round = 0; round < 3 && got < limit; ++round) {  // an old key may take a place of one
    const auto count = lease_some(limit - got);
    if (!count) return differ("lease: " + count.error().message);
    got += *count;
  }
  if (got == limit) return;
  if (const auto due = oracle_->next_due(); due && *due <= clock_.now())
    differ("an entry is due and was not leased");
}

Result<std::size_t> Life::lease_some(std::size_t limit) {
  const auto one = TRY(store_->lease({.now = clock_.now(), .limit = limit})).entries;
  if (one.empty()) return std::size_t{0};
  std::vector<EntryId> ids;
  for (const LeasedEntry& each : one) ids.push_back(each.entry.id);
  const auto two = TRY(oracle_->lease({clock_.now(), limit, ids})).entries;
  if (two.size() != ids.size()) return fail(ErrorKind::damaged, "what is not due");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!leases_.emplace(ids[i], std::pair{one[i].lease, two[i].lease}).second)
      return fail(ErrorKind::damaged, "TWO LEASES of one entry");
  }
  return ids.size();
}

void Life::give_back() {
  if (leases_.empty()) return;
  const auto at =
      std::next(leases_.begin(), static_cast<std::ptrdiff_t>(random_.below(leases_.size())));
  store_->give_back(std::span<const Lease>(&at->second.first, 1));
  oracle_->give_back(std::span<const Lease>(&at->second.second, 1));
  leases_.erase(at);
}

void Life::mailbox() {
  const Address address = test::address(random_.below(2) ? "e@local.test" : "f@local.test");
  const auto letters = oracle_reader_->mailbox(address, "INBOX");
  if (!letters || letters->empty()) return spool();
  const auto uid = (*letters)[random_.below(letters->size())].uid;
  (void)both(&Store::remove_from_mailbox, MailboxRemove{address, "INBOX", {uid}});
}

void Life::objects() {
  const ObjectKey key{"user", fmt::format("user{}@local.test", random_.below(8))};
  if (random_.below(3) == 0) {
    (void)both(&Store::remove_objects, key);
  } else {
    (void)both(&Store::put_objects, ObjectPut{key, text(50), random_.below(4) == 0});
  }
}

void Life::sweep() {
  const Instant now = clock_.now(), before = now - std::chrono::seconds(random_.below(120));
  const auto one = store_->sweep(now, before, 1000), two = oracle_->sweep(now, before, 1000);
  if (one.has_value() != two.has_value()) differ("sweep");
}

// A reader that looks between groups, as the event log does.
void Life::read() {
  auto reader = store_->reader();
  if (!reader) return differ("reader");
  (void)(*reader)->events_after(0, 10);
  (void)(*reader)->list({.limit = 3});
}

void Life::do_something() {
  const std::uint64_t what = random_.below(100);
  if (what < 38) return spool();
  if (what < 68) return settle();
  if (what < 75) return lease();
  if (what < 79) return give_back();
  if (what < 84) return change();
  if (what < 87) return spool_large();
  if (what < 89) return abandon_large();
  if (what < 92) return mailbox();
  if (what < 95) return objects();
  if (what < 97) return read();
  sweep();
}

// Mail that comes and is carried on, nothing else: as most of life is.
void Life::do_something_hot() {
  const std::uint64_t what = random_.below(100);
  if (what < 45) return spool();
  if (what < 90) return settle();
  if (what < 94) return lease();
  if (what < 98) return give_back();
  read();
}

void Life::end_group() {
  const std::size_t before = run_.disk.operations();
  const auto mark = store_->commit();
  if (!mark) return differ("commit: " + mark.error().message);
  (void)oracle_->commit();
  if (*mark > store_->synced()) differ("a mark above what is synced");
  run_.groups.push_back({options_.answer_early ? before : run_.disk.operations(), *mark,
                         clock_.moment(), state_of(*oracle_)});
  clock_.advance_to(clock_.moment() + std::chrono::milliseconds(random_.below(700)));
}

void Life::live() {
  auto opened = open_sqlite_store({mixed_store_path, options_.limits}, run_.disk, clock_);
  if (!opened) return differ("open: " + opened.error().message);
  store_ = std::move(*opened);
  run_.disk.lie(options_.lie);
  run_.groups.push_back({run_.disk.operations(), 0, clock_.moment(), state_of(*oracle_)});
  while (run_.groups.size() <= options_.groups && run_.wrong.empty()) {
    hot_ = random_.below(3) != 0;
    for (std::uint64_t group = 1 + random_.below(hot_ ? 16 : 5); group > 0; --group) {
      for (std::uint64_t count = 1 + random_.below(5); count > 0; --count)
        hot_ ? do_something_hot() : do_something();
      end_group();
    }
  }
  store_.reset();
}

}  // namespace

StoreLimits MixedOptions::small_limits() {
  StoreLimits limits;
  limits.chunk_octets = 4096;
  limits.checkpoint_octets = 128 * 1024;
  // Files that fill up and are used again within a life.
  limits.journal_file_octets = 48 * 1024;
  limits.apply_after = std::chrono::milliseconds(1500);
  return limits;
}

std::vector<std::string> state_of(Store& store, std::uint64_t events_after) {
  std::vector<std::string> lines;
  auto opened = store.reader();
  if (!take(lines, "reader", opened)) return lines;
  Reader& reader = **opened;
  const auto items = reader.list({.limit = 1'000'000});
  if (!take(lines, "list", items)) return lines;
  MessageId last;
  for (const QueueItem& item : *items) {
    lines.push_back(entry_line(item));
    if (item.message.id != last) lines.push_back(content_line(reader, item.message.id));
    last = item.message.id;
  }
  const auto events = reader.events_after(events_after, 1'000'000);
  if (!take(lines, "events", events)) return lines;
  for (const Event& event : *events) lines.push_back(event_line(event));
  tell_mailboxes(reader, lines);
  const auto objects = reader.objects("user");
  if (!take(lines, "objects", objects)) return lines;
  for (const auto& [key, value] : *objects)
    lines.push_back(fmt::format("object {} {:08x}", key, crc32c(value)));
  return lines;
}

MixedRun run_mixed_groups(const MixedOptions& options) {
  MixedRun run;
  if (options.lie == PagedDisk::Lie::sync_directory) run.disk.lie(options.lie);
  Life life(options, run);
  life.live();
  return run;
}

}  // namespace goniec
