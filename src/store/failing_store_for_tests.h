// A store that refuses what a test tells it to: fail("events_of", {.times = 2}) makes the next two
// such questions or requests end with an error, whoever asks; all else is the real store's.
// Included by tests only.
#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "store/store.h"

namespace goniec::test {

struct Failing {
  unsigned after = 0;  // so many go well before
  unsigned times = 1;
  ErrorKind kind = ErrorKind::try_later;
};

class Failures {
 public:
  void set(std::string verb, Failing failing) {
    std::lock_guard lock(mutex_);
    plans_[std::move(verb)] = failing;
  }
  Result<void> next(const std::string& verb) {
    std::lock_guard lock(mutex_);
    const auto found = plans_.find(verb);
    if (found == plans_.end() || found->second.times == 0) return {};
    Failing& plan = found->second;
    if (plan.after > 0) {
      --plan.after;
      return {};
    }
    --plan.times;
    return goniec::fail(plan.kind, verb + " fails on purpose");
  }
  bool all_met() const {
    std::lock_guard lock(mutex_);
    for (const auto& [verb, plan] : plans_)
      if (plan.times > 0) return false;
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Failing> plans_;
};

class FailingReader final : public Reader {
 public:
  FailingReader(std::unique_ptr<Reader> real, Failures& failures)
      : real_(std::move(real)), failures_(failures) {}
  Result<std::vector<QueueItem>> list(const QueueFilter& filter) override {
    return real_->list(filter);
  }
  Result<QueueStats> stats() override { return real_->stats(); }
  Result<Content> content(MessageId message) override {
    TRY(failures_.next("content"));
    return real_->content(message);
  }
  Result<std::string> chunk(MessageId message, std::uint32_t number) override {
    return real_->chunk(message, number);
  }
  Result<std::vector<Event>> events_of(MessageId message) override {
    TRY(failures_.next("events_of"));
    return real_->events_of(message);
  }
  Result<std::vector<Event>> events_after(std::uint64_t sequence, std::size_t limit) override {
    TRY(failures_.next("events_after"));
    return real_->events_after(sequence, limit);
  }
  Result<AppliedEvents> applied_events_after(std::uint64_t sequence, std::size_t limit) override {
    return real_->applied_events_after(sequence, limit);
  }
  Result<std::vector<MessageId>> find_by_message_id(std::string_view message_id) override {
    TRY(failures_.next("find_by_message_id"));
    return real_->find_by_message_id(message_id);
  }
  Result<std::vector<MailboxMessage>> mailbox(const Address& mailbox,
                                              std::string_view folder) override {
    return real_->mailbox(mailbox, folder);
  }
  Result<MailboxUsage> mailbox_usage(const Address& mailbox, std::string_view folder) override {
    return real_->mailbox_usage(mailbox, folder);
  }
  Result<std::uint64_t> mailbox_octets(const Address& mailbox) override {
    return real_->mailbox_octets(mailbox);
  }
  Result<std::optional<std::string>> object(const ObjectKey& key) override {
    TRY(failures_.next("object"));
    return real_->object(key);
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects(std::string_view kind) override {
    return real_->objects(kind);
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects_after(
      const ObjectKey& after, std::size_t limit) override {
    return real_->objects_after(after, limit);
  }

 private:
  std::unique_ptr<Reader> real_;
  Failures& failures_;
};

class FailingStore final : public Store {
 public:
  explicit FailingStore(std::unique_ptr<Store> real) : real_(std::move(real)) {}
  // Of "content", "events_of", "events_after", "find_by_message_id", "object", and "record".
  void fail(std::string verb, Failing failing = {}) { failures_.set(std::move(verb), failing); }
  bool all_failed() const { return failures_.all_met(); }

  std::vector<Result<void>> write_chunks(std::span<const ChunkWrite> batch) override {
    return real_->write_chunks(batch);
  }
  std::vector<Result<void>> discard_chunks(std::span<const MessageId> batch) override {
    return real_->discard_chunks(batch);
  }
  std::vector<Result<SpoolResult>> spool(std::span<const SpoolRequest> batch) override {
    return real_->spool(batch);
  }
  std::vector<Result<SettleResult>> settle(std::span<const SettleRequest> batch) override {
    return real_->settle(batch);
  }
  std::vector<Result<Entry>> change(std::span<const QueueChange> batch) override {
    return real_->change(batch);
  }
  Result<LeaseResult> lease(const LeaseRequest& request) override { return real_->lease(request); }
  void give_back(std::span<const Lease> leases) override { real_->give_back(leases); }
  std::optional<Instant> next_due() override { return real_->next_due(); }
  std::vector<Result<void>> remove_from_mailbox(std::span<const MailboxRemove> batch) override {
    return real_->remove_from_mailbox(batch);
  }
  std::vector<Result<void>> put_objects(std::span<const ObjectPut> batch) override {
    return real_->put_objects(batch);
  }
  std::vector<Result<bool>> remove_objects(std::span<const ObjectKey> batch) override {
    return real_->remove_objects(batch);
  }
  std::vector<Result<void>> record(std::span<const FactsRequest> batch) override {
    std::vector<Result<void>> results;
    for (const FactsRequest& request : batch) {
      auto result = failures_.next("record");
      if (result) result = std::move(real_->record({&request, 1}).front());
      results.push_back(std::move(result));
    }
    return results;
  }
  Result<void> replace_events(std::span<const Event> events) override {
    return real_->replace_events(events);
  }
  Result<std::size_t> sweep(Instant now, Instant events_before, std::size_t limit) override {
    return real_->sweep(now, events_before, limit);
  }
  Result<std::uint64_t> commit() override { return real_->commit(); }
  std::uint64_t synced() const override { return real_->synced(); }
  StoreHealth health() const override { return real_->health(); }
  Result<std::unique_ptr<Reader>> reader() override {
    return std::make_unique<FailingReader>(TRY(real_->reader()), failures_);
  }
  MessageId highest_id() const override { return real_->highest_id(); }
  Result<void> backup(const std::string& directory) override { return real_->backup(directory); }

 private:
  Failures failures_;
  std::unique_ptr<Store> real_;
};

}  // namespace goniec::test
