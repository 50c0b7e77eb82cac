// Every verb goes on to the real store; what is watched is written down around it.
#include "sim/watched_store.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace goniec {
namespace {

struct Known {
  const char* name;
  Mutation mutation;
  const char* law;  // that has to see it
};
constexpr std::array mutations = {
    Known{"lost-spool", Mutation::lost_spool, "acknowledged"},
    Known{"lying-sync", Mutation::lying_sync, "acknowledged"},
    Known{"two-leases", Mutation::two_leases, "leases"},
    Known{"early-retry", Mutation::early_retry, "retries"},
    Known{"early-after-start", Mutation::early_after_start, "retries"},
    Known{"no-jitter", Mutation::no_jitter, "retries"},
    Known{"event-twice", Mutation::event_twice, "events"},
    Known{"event-lost", Mutation::event_lost, "events"},
    Known{"no-notice", Mutation::no_notice, "acknowledged"},
    Known{"stuck", Mutation::stuck, "drain"},
    Known{"too-many", Mutation::too_many, "concurrency"},
    Known{"too-many-in-all", Mutation::too_many_in_all, "concurrency"},
    Known{"too-many-messages", Mutation::too_many_messages, "concurrency"},
    Known{"too-many-sessions", Mutation::too_many_sessions, "memory"},
    Known{"too-many-drafts", Mutation::too_many_drafts, "memory"},
    Known{"too-often", Mutation::too_often, "rate"},
    Known{"too-wide", Mutation::too_wide, "leases"},
    Known{"stampede", Mutation::stampede, "stampede"},
    Known{"hoarding", Mutation::hoarding, "memory"},
    Known{"another-reopening", Mutation::another_reopening, "reopening"},
};

constexpr std::size_t hoarded_octets = 128 * 1024;
constexpr std::uint64_t every = 7;  // that many right, then one wrong

class WatchedReader final : public Reader {
 public:
  WatchedReader(std::shared_ptr<Reader> reader, Mutation mutation)
      : reader_(std::move(reader)), mutation_(mutation) {}
  Result<std::vector<QueueItem>> list(const QueueFilter& filter) override {
    return reader_->list(filter);
  }
  Result<QueueStats> stats() override { return reader_->stats(); }
  Result<Content> content(MessageId message) override { return reader_->content(message); }
  Result<std::string> chunk(MessageId message, std::uint32_t number) override {
    return reader_->chunk(message, number);
  }
  Result<std::vector<Event>> events_of(MessageId message) override {
    return reader_->events_of(message);
  }
  Result<std::vector<Event>> events_after(std::uint64_t sequence, std::size_t limit) override {
    auto events = reader_->events_after(sequence, limit);
    if (!events || events->empty()) return events;
    if (mutation_ == Mutation::event_twice) events->push_back(events->back());
    if (mutation_ == Mutation::event_lost) events->erase(events->begin());
    return events;
  }
  Result<AppliedEvents> applied_events_after(std::uint64_t sequence, std::size_t limit) override {
    return reader_->applied_events_after(sequence, limit);
  }
  Result<std::vector<MessageId>> find_by_message_id(std::string_view message_id) override {
    return reader_->find_by_message_id(message_id);
  }
  Result<std::vector<MailboxMessage>> mailbox(const Address& mailbox,
                                              std::string_view folder) override {
    return reader_->mailbox(mailbox, folder);
  }
  Result<MailboxUsage> mailbox_usage(const Address& mailbox, std::string_view folder) override {
    return reader_->mailbox_usage(mailbox, folder);
  }
  Result<std::uint64_t> mailbox_octets(const Address& mailbox) override {
    return reader_->mailbox_octets(mailbox);
  }
  Result<std::optional<std::string>> object(const ObjectKey& key) override {
    return reader_->object(key);
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects(std::string_view kind) override {
    return reader_->objects(kind);
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects_after(
      const ObjectKey& after, std::size_t limit) override {
    return reader_->objects_after(after, limit);
  }

 private:
  std::shared_ptr<Reader> reader_;
  Mutation mutation_;
};

class WatchedStore final : public Store {
 public:
  WatchedStore(std::unique_ptr<Store> store, Laws& laws, const Clock& clock, Mutation mutation)
      : store_(std::move(store)), laws_(laws), clock_(clock), mutation_(mutation) {}

  std::vector<Result<void>> write_chunks(std::span<const ChunkWrite> batch) override {
    return store_->write_chunks(batch);
  }
  std::vector<Result<void>> discard_chunks(std::span<const MessageId> batch) override {
    return store_->discard_chunks(batch);
  }
  std::vector<Result<SpoolResult>> spool(std::span<const SpoolRequest> batch) override;
  std::vector<Result<SettleResult>> settle(std::span<const SettleRequest> batch) override;
  std::vector<Result<Entry>> change(std::span<const QueueChange> batch) override {
    for (const QueueChange& each : batch) laws_.changed(each.entry);
    return store_->change(batch);
  }
  Result<LeaseResult> lease(const LeaseRequest& request) override;
  void give_back(std::span<const Lease> leases) override {
    for (const Lease& each : leases) left(each.entry);
    store_->give_back(leases);
  }
  std::optional<Instant> next_due() override { return store_->next_due(); }
  std::vector<Result<void>> remove_from_mailbox(std::span<const MailboxRemove> batch) override {
    return store_->remove_from_mailbox(batch);
  }
  std::vector<Result<void>> put_objects(std::span<const ObjectPut> batch) override {
    return store_->put_objects(batch);
  }
  std::vector<Result<bool>> remove_objects(std::span<const ObjectKey> batch) override {
    return store_->remove_objects(batch);
  }
  std::vector<Result<void>> record(std::span<const FactsRequest> batch) override {
    return store_->record(batch);
  }
  Result<void> replace_events(std::span<const Event> events) override {
    return store_->replace_events(events);
  }
  Result<std::size_t> sweep(Instant now, Instant events_before, std::size_t limit) override {
    return store_->sweep(now, events_before, limit);
  }
  Result<std::uint64_t> commit() override {
    auto mark = store_->commit();
    if (mark) laws_.synced();
    return mark;
  }
  std::uint64_t synced() const override { return store_->synced(); }
  StoreHealth health() const override { return store_->health(); }
  Result<std::unique_ptr<Reader>> reader() override {
    if (!reader_) reader_ = std::shared_ptr<Reader>(TRY(store_->reader()));
    return std::make_unique<WatchedReader>(reader_, mutation_);
  }
  MessageId highest_id() const override { return store_->highest_id(); }
  Result<void> backup(const std::string& directory) override { return store_->backup(directory); }

 private:
  bool is_wrong_now(Mutation mutation) { return mutation_ == mutation && ++count_ % every == 0; }
  void left(const EntryId& entry) {
    laws_.left(entry);
    if (last_leased_ && last_leased_->entry.id == entry) last_leased_.reset();
  }
  void watch(const SpoolRequest& request, const SpoolResult& result);
  Result<SettleResult> settle_one(SettleRequest request);

  std::unique_ptr<Store> store_;
  Laws& laws_;
  const Clock& clock_;
  Mutation mutation_;
  std::uint64_t count_ = 0;
  std::shared_ptr<Reader> reader_;
  std::optional<LeasedEntry> last_leased_;
  std::vector<std::string> hoard_;
  bool is_fresh_ = true;  // nothing was leased yet
};

void WatchedStore::watch(const SpoolRequest& request, const SpoolResult& result) {
  laws_.spooled(request.message);
  for (std::size_t i = 0; i < result.leases.size() && i < request.entries.size(); ++i) {
    if (result.leases[i].fence != 0)
      laws_.leased(result.leases[i], request.entries[i], clock_.now());
  }
}

std::vector<Result<SpoolResult>> WatchedStore::spool(std::span<const SpoolRequest> batch) {
  std::vector<Result<SpoolResult>> results;
  for (const SpoolRequest& request : batch) {
    if (mutation_ == Mutation::hoarding) hoard_.emplace_back(hoarded_octets, 'x');
    if (is_wrong_now(Mutation::lost_spool)) {
      SpoolResult nothing;
      nothing.leases.resize(request.entries.size());
      results.emplace_back(std::move(nothing));
      continue;
    }
    results.push_back(std::move(store_->spool(std::span<const SpoolRequest>(&request, 1))[0]));
    if (results.back()) watch(request, *results.back());
  }
  return results;
}

Result<SettleResult> WatchedStore::settle_one(SettleRequest request) {
  const Instant planned = request.next_due;
  if (mutation_ == Mutation::early_retry) request.next_due -= (planned - request.now) / 2;
  if (mutation_ == Mutation::no_notice) request.notices.clear();
  if (mutation_ == Mutation::stuck)
    request.next_due = std::max(request.next_due, request.now + std::chrono::days(300));
  left(request.lease.entry);
  auto settled = std::move(store_->settle(std::span<const SettleRequest>(&request, 1))[0]);
  if (!settled) return settled;
  if (settled->entry.state != EntryState::due) laws_.changed(settled->entry.id);
  if (settled->entry.state == EntryState::due && request.counts_as_try) {
    Entry after = settled->entry;
    after.due = planned;
    laws_.planned(after, request.now, planned);
  }
  for (std::size_t i = 0; i < request.notices.size() && i < settled->notices.size(); ++i)
    watch(request.notices[i], settled->notices[i]);
  return settled;
}

std::vector<Result<SettleResult>> WatchedStore::settle(std::span<const SettleRequest> batch) {
  std::vector<Result<SettleResult>> results;
  for (SettleRequest request : batch) {
    if (mutation_ == Mutation::no_jitter) {
      // The middle of the shortest steps: no time of its own for anybody.
      const auto wait = request.next_due - request.now;
      constexpr std::array steps = {60, 300, 900, 1800, 3600, 7200, 14400};
      for (const int step : steps) {
        const auto whole = std::chrono::seconds(step);
        if (wait >= whole * 9 / 10 && wait <= whole * 11 / 10)
          request.next_due = request.now + whole;
      }
    }
    results.push_back(settle_one(std::move(request)));
  }
  return results;
}

Result<LeaseResult> WatchedStore::lease(const LeaseRequest& request) {
  LeaseRequest asked = request;
  if (mutation_ == Mutation::early_after_start && is_fresh_) asked.now += std::chrono::hours(10);
  is_fresh_ = false;
  auto leased = store_->lease(asked);
  if (!leased) return leased;
  auto& entries = leased->entries;
  if (mutation_ == Mutation::two_leases && last_leased_) entries.push_back(*last_leased_);
  for (const LeasedEntry& each : entries) laws_.leased(each.lease, each.entry, request.now);
  if (!entries.empty()) last_leased_ = entries.back();
  return leased;
}

}  // namespace

std::optional<Mutation> mutation_of(std::string_view name) {
  for (const Known& known : mutations) {
    if (name == known.name) return known.mutation;
  }
  return std::nullopt;
}

std::vector<std::string> mutation_names() {
  std::vector<std::string> names;
  for (const Known& known : mutations) names.emplace_back(known.name);
  return names;
}

bool is_seen(Mutation mutation, const std::vector<std::string>& broken) {
  const auto known = std::ranges::find(mutations, mutation, &Known::mutation);
  CHECK(known != mutations.end());
  const std::string start = fmt::format("law {} ", known->law);
  return std::ranges::any_of(broken,
                             [&](const std::string& line) { return line.starts_with(start); });
}

std::unique_ptr<Store> watch_store(std::unique_ptr<Store> store, Laws& laws, const Clock& clock,
                                   Mutation mutation) {
  return std::make_unique<WatchedStore>(std::move(store), laws, clock, mutation);
}

}  // namespace goniec
