// The memory engine: the same verbs over maps, for tests and for trying a configuration without a
// disk.
//
// Promises what store.h says but two things: nothing survives the process, and a Reader of the same
// process sees the open group at once (there is nothing that could be lost). commit() only counts.
#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/text.h"
#include "store/lease_table.h"
#include "store/rules.h"
#include "store/store.h"

namespace goniec {
namespace {

struct Kept {  // a message with its content
  StoredMessage stored;
  std::string prepend, header;
  std::vector<std::string> chunks;
};

struct Folder {
  MailboxUsage usage;
  std::map<std::uint64_t, MailboxMessage> letters;
};

using DueKey = std::pair<Instant, EntryId>;
using FolderKey = std::pair<Address, std::string>;

struct Memory {
  explicit Memory(StoreLimits store_limits, Clock& store_clock)
      : limits(store_limits), clock(store_clock) {}
  std::mutex mutex;
  StoreLimits limits;
  Clock& clock;
  std::map<MessageId, Kept> messages;
  std::map<MessageId, std::map<std::uint32_t, std::string>> unspooled;
  std::map<EntryId, StoredEntry> entries;
  std::set<DueKey> due;
  std::map<std::uint64_t, Event> events;
  std::map<std::string, std::vector<MessageId>, std::less<>> names;
  std::map<FolderKey, Folder> folders;
  std::map<MessageId, std::uint64_t> letters_of;  // how many mailbox messages show a content
  std::map<ObjectKey, std::string> objects;
  LeaseTable leases{1};
  Instant leased_at{};                 // the last lease()
  std::size_t domain_most = SIZE_MAX;  // of it
  std::uint64_t next_sequence = 1, mark = 0, next_validity = 1;
  bool open_group = false;
  MessageId highest;
};

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}

  Result<std::vector<QueueItem>> list(const QueueFilter& filter) override {
    std::lock_guard lock(memory_->mutex);
    std::vector<QueueItem> items;
    auto at = filter.after ? memory_->entries.upper_bound(*filter.after) : memory_->entries.begin();
    for (; at != memory_->entries.end() && items.size() < filter.limit; ++at) {
      if (!filter.ids.empty() &&
          std::ranges::find(filter.ids, at->first.message) == filter.ids.end()) {
        continue;
      }
      const auto& stored = memory_->messages.at(at->first.message).stored;
      QueueItem item{stored.message, at->second.entry, stored.octets};
      if (memory_->leases.is_leased(at->first)) item.entry.state = EntryState::leased;
      if (matches(filter, item.message, item.entry)) items.push_back(std::move(item));
    }
    return items;
  }

  Result<QueueStats> stats() override {
    std::lock_guard lock(memory_->mutex);
    StatsCounter counter;
    for (const auto& [id, stored] : memory_->entries) {
      counter.add(id,
                  {stored.entry.state, stored.entry.tries, stored.received_at, stored.octets,
                   stored.entry.domain.ascii()},
                  memory_->leases.is_leased(id));
    }
    return std::move(counter).take();
  }

  Result<Content> content(MessageId message) override {
    std::lock_guard lock(memory_->mutex);
    const auto found = memory_->messages.find(message);
    if (found == memory_->messages.end()) return std::unexpected(unknown_message(message));
    Content content = found->second.stored.message.content;
    content.prepend = found->second.prepend;
    content.header = found->second.header;
    return content;
  }

  Result<std::string> chunk(MessageId message, std::uint32_t number) override {
    std::lock_guard lock(memory_->mutex);
    const auto found = memory_->messages.find(message);
    if (found == memory_->messages.end()) return std::unexpected(unknown_message(message));
    if (number >= found->second.chunks.size()) {
      return fail(ErrorKind::not_found,
                  fmt::format("message {} has no chunk {}", message.text(), number));
    }
    return found->second.chunks[number];
  }

  Result<std::vector<Event>> events_of(MessageId message) override {
    std::lock_guard lock(memory_->mutex);
    std::vector<Event> events;
    for (const auto& [sequence, event] : memory_->events) {
      if (event.message == message) events.push_back(event);
    }
    return events;
  }

  Result<std::vector<Event>> events_after(std::uint64_t sequence, std::size_t limit) override {
    std::lock_guard lock(memory_->mutex);
    std::vector<Event> events;
    for (auto at = memory_->events.upper_bound(sequence);
         at != memory_->events.end() && events.size() < limit; ++at) {
      events.push_back(at->second);
    }
    return events;
  }

  Result<AppliedEvents> applied_events_after(std::uint64_t sequence, std::size_t limit) override {
    AppliedEvents tail;
    tail.events = TRY(events_after(sequence, limit));
    std::lock_guard lock(memory_->mutex);
    if (!memory_->events.empty()) tail.last = memory_->events.rbegin()->first;
    return tail;
  }

  Result<std::vector<MessageId>> find_by_message_id(std::string_view message_id) override {
    std::lock_guard lock(memory_->mutex);
    const auto found = memory_->names.find(message_id);
    if (found == memory_->names.end()) return std::vector<MessageId>{};
    std::vector<MessageId> ids(found->second.rbegin(), found->second.rend());
    std::ranges::sort(ids, std::greater<>());
    if (ids.size() > 100) ids.resize(100);
    return ids;
  }

  Result<std::vector<MailboxMessage>> mailbox(const Address& mailbox,
                                              std::string_view folder) override {
    std::lock_guard lock(memory_->mutex);
    std::vector<MailboxMessage> messages;
    const auto found = memory_->folders.find(FolderKey{mailbox, std::string(folder)});
    if (found == memory_->folders.end()) return messages;
    for (const auto& [uid, letter] : found->second.letters) messages.push_back(letter);
    return messages;
  }

  Result<MailboxUsage> mailbox_usage(const Address& mailbox, std::string_view folder) override {
    std::lock_guard lock(memory_->mutex);
    const auto found = memory_->folders.find(FolderKey{mailbox, std::string(folder)});
    return found == memory_->folders.end() ? MailboxUsage{} : found->second.usage;
  }

  Result<std::uint64_t> mailbox_octets(const Address& mailbox) override {
    std::lock_guard lock(memory_->mutex);
    std::uint64_t octets = 0;
    for (const auto& [key, folder] : memory_->folders) {
      if (key.first == mailbox) octets += folder.usage.octets;
    }
    return octets;
  }

  Result<std::optional<std::string>> object(const ObjectKey& key) override {
    std::lock_guard lock(memory_->mutex);
    const auto found = memory_->objects.find(key);
    if (found == memory_->objects.end()) return std::optional<std::string>{};
    return std::optional<std::string>{found->second};
  }

  Result<std::vector<std::pair<std::string, std::string>>> objects(std::string_view kind) override {
    std::lock_guard lock(memory_->mutex);
    std::vector<std::pair<std::string, std::string>> objects;
    for (const auto& [key, value] : memory_->objects) {
      if (key.kind == kind) objects.emplace_back(key.key, value);
    }
    return objects;
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects_after(
      const ObjectKey& after, std::size_t limit) override {
    std::lock_guard lock(memory_->mutex);
    std::vector<std::pair<std::string, std::string>> objects;
    for (auto at = memory_->objects.upper_bound(after);
         at != memory_->objects.end() && at->first.kind == after.kind && objects.size() < limit;
         ++at)
      objects.emplace_back(at->first.key, at->second);
    return objects;
  }

 private:
  std::shared_ptr<Memory> memory_;
};

class MemoryStore final : public Store {
 public:
  MemoryStore(StoreLimits limits, Clock& clock)
      : memory_(std::make_shared<Memory>(limits, clock)) {}

  std::vector<Result<void>> write_chunks(std::span<const ChunkWrite> batch) override {
    return each<void>(batch, [this](const ChunkWrite& chunk) { return write_one(chunk); });
  }
  std::vector<Result<void>> discard_chunks(std::span<const MessageId> batch) override {
    return each<void>(batch, [this](const MessageId& id) {
      memory_->unspooled.erase(id);
      return Result<void>{};
    });
  }
  std::vector<Result<SpoolResult>> spool(std::span<const SpoolRequest> batch) override {
    return each<SpoolResult>(batch,
                             [this](const SpoolRequest& request) { return spool_one(request); });
  }
  std::vector<Result<SettleResult>> settle(std::span<const SettleRequest> batch) override {
    return each<SettleResult>(batch,
                              [this](const SettleRequest& request) { return settle_one(request); });
  }
  std::vector<Result<Entry>> change(std::span<const QueueChange> batch) override {
    return each<Entry>(batch, [this](const QueueChange& change) { return change_one(change); });
  }
  std::vector<Result<void>> remove_from_mailbox(std::span<const MailboxRemove> batch) override {
    return each<void>(batch,
                      [this](const MailboxRemove& request) { return remove_letters(request); });
  }
  std::vector<Result<void>> put_objects(std::span<const ObjectPut> batch) override {
    return each<void>(batch, [this](const ObjectPut& put) -> Result<void> {
      if (put.must_be_new && memory_->objects.contains(put.key)) {
        return fail(ErrorKind::conflict, fmt::format("{} {} exists", put.key.kind, put.key.key));
      }
      memory_->objects[put.key] = put.value;
      return {};
    });
  }
  std::vector<Result<bool>> remove_objects(std::span<const ObjectKey> batch) override {
    return each<bool>(batch, [this](const ObjectKey& key) -> Result<bool> {
      return memory_->objects.erase(key) != 0;
    });
  }

  std::vector<Result<void>> record(std::span<const FactsRequest> batch) override {
    return each<void>(batch, [this](const FactsRequest& request) -> Result<void> {
      for (const auto& put : request.puts) {
        if (put.must_be_new && memory_->objects.contains(put.key))
          return fail(ErrorKind::conflict, fmt::format("{} {} exists", put.key.kind, put.key.key));
      }
      for (const auto& put : request.puts) memory_->objects[put.key] = put.value;
      for (const auto& key : request.removes) memory_->objects.erase(key);
      insert_events(request.events);
      return {};
    });
  }

  Result<LeaseResult> lease(const LeaseRequest& request) override {
    std::lock_guard lock(memory_->mutex);
    LeaseResult result;
    std::vector<EntryId> chosen;
    if (!request.only.empty()) {
      for (const auto& id : request.only) {
        const auto found = memory_->entries.find(id);
        if (found == memory_->entries.end() || found->second.entry.state != EntryState::due)
          continue;
        if (found->second.entry.due > request.now || memory_->leases.is_leased(id)) continue;
        if (chosen.size() < request.limit) chosen.push_back(id);
      }
      for (const auto& id : chosen) result.entries.push_back(lease_one(id));
      return result;
    }
    memory_->leased_at = request.now;
    memory_->domain_most = request.domain_most;
    for (const auto& [due, id] : memory_->due) {
      if (due > request.now) break;
      if (memory_->leases.is_leased(id)) continue;
      result.more = result.entries.size() >= request.limit;
      if (result.more) break;
      if (is_full(id, request.domain_most)) {
        result.domain_full = true;
      } else {
        result.entries.push_back(lease_one(id));
      }
    }
    return result;
  }

  void give_back(std::span<const Lease> leases) override {
    std::lock_guard lock(memory_->mutex);
    StoredEntry given;
    for (const auto& lease : leases) memory_->leases.give_back(lease, given);
  }

  std::optional<Instant> next_due() override {
    std::lock_guard lock(memory_->mutex);
    for (const auto& [due, id] : memory_->due) {
      if (memory_->leases.is_leased(id)) continue;
      if (due > memory_->leased_at || !is_full(id, memory_->domain_most)) return due;
    }
    return {};
  }

  Result<void> replace_events(std::span<const Event> events) override {
    std::lock_guard lock(memory_->mutex);
    for (const Event& event : events) {
      const auto found = memory_->events.find(event.sequence);
      if (found == memory_->events.end()) continue;
      found->second.at = event.at;
      found->second.recipient = event.recipient;
      found->second.data = event.data;
      memory_->open_group = true;
    }
    return {};
  }

  Result<std::size_t> sweep(Instant now, Instant events_before, std::size_t limit) override {
    std::lock_guard lock(memory_->mutex);
    std::size_t went = 0;
    auto& events = memory_->events;
    while (went < limit && !events.empty() && events.begin()->second.at < events_before) {
      events.erase(events.begin());
      ++went;
    }
    for (auto at = memory_->messages.begin(); at != memory_->messages.end() && went < limit;) {
      const auto id = (at++)->first;
      const auto until = memory_->messages.at(id).stored.keep_until;
      if (until == Instant{} || until > now) continue;
      memory_->messages.at(id).stored.keep_until = Instant{};
      drop_content_without_holder(id);
      if (!memory_->messages.contains(id)) ++went;
    }
    memory_->open_group = memory_->open_group || went != 0;
    return went;
  }

  Result<std::uint64_t> commit() override {
    std::lock_guard lock(memory_->mutex);
    memory_->leases.keep_group();
    if (std::exchange(memory_->open_group, false)) ++memory_->mark;
    return memory_->mark;
  }
  std::uint64_t synced() const override {
    std::lock_guard lock(memory_->mutex);
    return memory_->mark;
  }
  StoreHealth health() const override { return {}; }
  Result<std::unique_ptr<Reader>> reader() override {
    return std::make_unique<MemoryReader>(memory_);
  }
  MessageId highest_id() const override {
    std::lock_guard lock(memory_->mutex);
    return memory_->highest;
  }
  Result<void> backup(const std::string&) override {
    return fail(ErrorKind::usage, "a store in memory has no backup");
  }

 private:
  template <class Answer, class Request, class Verb>
  std::vector<Result<Answer>> each(std::span<const Request> batch, Verb verb) {
    std::lock_guard lock(memory_->mutex);
    std::vector<Result<Answer>> answers;
    answers.reserve(batch.size());
    for (const auto& request : batch) {
      answers.push_back(verb(request));
      if (answers.back()) memory_->open_group = true;
    }
    return answers;
  }

  bool is_full(const EntryId& id, std::size_t domain_most) const {
    const Domain& domain = memory_->entries.at(id).entry.domain;
    return memory_->leases.of_lane(domain_lane(domain.ascii())) >= domain_most;
  }
  LeasedEntry lease_one(const EntryId& id) {
    const auto& stored = memory_->messages.at(id.message).stored;
    const Lease lease = memory_->leases.add(memory_->entries.at(id));
    return {lease, memory_->leases.find(lease)->entry, stored.message, stored.octets};
  }
  Result<void> write_one(const ChunkWrite& chunk);
  Result<Lease> lease_new(const Entry& entry);
  void insert_events(std::span<const Event> events);
  void append_letter(const StoredEntry& entry, const MailboxAppend& append,
                     std::vector<std::uint64_t>& uids);
  Result<void> check_notices(std::span<const SpoolRequest> notices);
  void erase_entry(const EntryId& id);
  bool has_entries(MessageId id) const;
  void drop_content_without_holder(MessageId id);
  Result<SpoolResult> spool_one(const SpoolRequest& request);
  Result<SettleResult> settle_one(const SettleRequest& request);
  Result<Entry> change_one(const QueueChange& change);
  Result<void> remove_letters(const MailboxRemove& request);

  std::shared_ptr<Memory> memory_;
};

Result<void> MemoryStore::write_one(const ChunkWrite& chunk) {
  TRY(check_chunk(chunk, memory_->limits));
  if (memory_->messages.contains(chunk.message) ||
      !memory_->unspooled[chunk.message].emplace(chunk.number, chunk.octets).second) {
    return fail(ErrorKind::conflict,
                fmt::format("message {} has chunk {} already", chunk.message.text(), chunk.number));
  }
  return {};
}

Result<SpoolResult> MemoryStore::spool_one(const SpoolRequest& request) {
  const MessageId id = request.message.id;
  const auto written = memory_->unspooled.find(id);
  const auto before = written == memory_->unspooled.end() ? 0u : written->second.size();
  TRY(check_spool(request, memory_->limits, static_cast<std::uint32_t>(before)));
  if (memory_->messages.contains(id)) {
    return fail(ErrorKind::conflict, fmt::format("message {} is in the store", id.text()));
  }
  Kept kept{stored_message(request, static_cast<std::uint32_t>(before)),
            request.message.content.prepend,
            request.message.content.header,
            {}};
  if (before != 0) {
    for (auto& [number, octets] : written->second) kept.chunks.push_back(std::move(octets));
    memory_->unspooled.erase(written);
  }
  kept.chunks.insert(kept.chunks.end(), request.chunks.begin(), request.chunks.end());
  SpoolResult result;
  for (const auto& entry : request.entries) {
    StoredEntry stored{entry, request.message.received_at, kept.stored.octets, request.keep_until};
    memory_->entries[entry.id] = stored;
    if (entry.state == EntryState::due) memory_->due.emplace(entry.due, entry.id);
    const bool lease = request.lease && is_due(stored, memory_->clock.now()) &&
                       !is_full(entry.id, request.domain_most);
    result.leases.push_back(lease ? memory_->leases.add(std::move(stored)) : Lease{entry.id, 0});
  }
  if (!request.message.message_id.empty()) {
    memory_->names[request.message.message_id].push_back(id);
  }
  memory_->messages.emplace(id, std::move(kept));
  memory_->highest = std::max(memory_->highest, id);
  for (const auto& put : request.objects) memory_->objects[put.key] = put.value;
  insert_events(request.events);
  return result;
}

void MemoryStore::insert_events(std::span<const Event> events) {
  for (const auto& event : events) {
    Event copy = event;
    copy.sequence = memory_->next_sequence++;
    memory_->events.emplace(copy.sequence, std::move(copy));
  }
}

void MemoryStore::append_letter(const StoredEntry& entry, const MailboxAppend& append,
                                std::vector<std::uint64_t>& uids) {
  auto& folder = memory_->folders[FolderKey{append.mailbox, append.folder}];
  if (folder.usage.uid_validity == 0) folder.usage.uid_validity = memory_->next_validity++;
  MailboxMessage letter;
  letter.uid = folder.usage.uid_next++;
  letter.content = entry.entry.id.message;
  letter.prepend = append.prepend;
  letter.octets = append.prepend.size() + entry.octets;
  letter.at = append.at;
  ++folder.usage.messages;
  folder.usage.octets += letter.octets;
  ++memory_->letters_of[letter.content];
  uids.push_back(letter.uid);
  folder.letters.emplace(letter.uid, std::move(letter));
}

Result<void> MemoryStore::check_notices(std::span<const SpoolRequest> notices) {
  for (const auto& notice : notices) {
    TRY(check_spool(notice, memory_->limits, 0));
    if (memory_->messages.contains(notice.message.id)) {
      return fail(ErrorKind::conflict, "a notice has the id of another message");
    }
  }
  return {};
}

void MemoryStore::erase_entry(const EntryId& id) {
  const auto found = memory_->entries.find(id);
  memory_->due.erase({found->second.entry.due, id});
  memory_->entries.erase(found);
}

bool MemoryStore::has_entries(MessageId id) const {
  const auto found = memory_->entries.lower_bound(EntryId{id, 0});
  return found != memory_->entries.end() && found->first.message == id;
}

void MemoryStore::drop_content_without_holder(MessageId id) {
  const auto found = memory_->messages.find(id);
  if (found == memory_->messages.end() || has_entries(id)) return;
  if (found->second.stored.keep_until != Instant{} || memory_->letters_of.contains(id)) return;
  memory_->messages.erase(found);
}

Result<SettleResult> MemoryStore::settle_one(const SettleRequest& request) {
  const StoredEntry* leased = memory_->leases.find(request.lease);
  if (!leased) return std::unexpected(stale_lease(request.lease.entry));
  TRY(check_outcomes(leased->entry, request.outcomes, request.delay_notified.size()));
  TRY(check_notices(request.notices));
  const StoredEntry before = *leased;
  const EntryId id = before.entry.id;
  memory_->leases.remove(id);
  SettleResult result;
  result.entry = after_settle(before.entry, request);
  erase_entry(id);
  if (result.entry.state == EntryState::due) {
    memory_->entries[id] = {result.entry, before.received_at, before.octets, before.keep_until};
    memory_->due.emplace(result.entry.due, id);
  }
  for (const auto& append : request.appends) append_letter(before, append, result.append_uids);
  insert_events(request.events);
  for (const auto& notice : request.notices) result.notices.push_back(TRY(spool_one(notice)));
  drop_content_without_holder(id.message);
  return result;
}

Result<Entry> MemoryStore::change_one(const QueueChange& change) {
  const auto found = memory_->entries.find(change.entry);
  if (found == memory_->entries.end()) return std::unexpected(unknown_entry(change.entry));
  TRY(check_outcomes(found->second.entry, change.outcomes, 0));
  TRY(check_notices(change.notices));
  const bool leased = memory_->leases.is_leased(change.entry);
  auto changed = TRY(after_change(found->second.entry, change, leased));
  if (leased) changed.entry.state = EntryState::leased;
  if (changed.effect == ChangeEffect::nothing) return changed.entry;
  const StoredEntry before = found->second;
  erase_entry(change.entry);
  if (changed.effect == ChangeEffect::update) {
    memory_->entries[change.entry] = {changed.entry, before.received_at, before.octets,
                                      before.keep_until};
    if (changed.entry.state == EntryState::due) {
      memory_->due.emplace(changed.entry.due, change.entry);
    }
  }
  insert_events(change.events);
  for (const auto& notice : change.notices) TRY(spool_one(notice));
  drop_content_without_holder(change.entry.message);
  return changed.entry;
}

Result<void> MemoryStore::remove_letters(const MailboxRemove& request) {
  const auto found = memory_->folders.find(FolderKey{request.mailbox, request.folder});
  if (found == memory_->folders.end()) return {};
  auto& folder = found->second;
  for (const auto uid : request.uids) {
    const auto letter = folder.letters.find(uid);
    if (letter == folder.letters.end()) continue;
    const MessageId content = letter->second.content;
    --folder.usage.messages;
    folder.usage.octets -= letter->second.octets;
    folder.letters.erase(letter);
    if (--memory_->letters_of[content] == 0) memory_->letters_of.erase(content);
    drop_content_without_holder(content);
  }
  return {};
}

}  // namespace

std::unique_ptr<Store> make_memory_store(StoreLimits limits, Clock& clock) {
  return std::make_unique<MemoryStore>(limits, clock);
}

}  // namespace goniec
