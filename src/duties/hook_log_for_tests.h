// A log of deliveries that a test can step into: what it holds is the real one's, but its positions
// fail so often as they are told to, and a test may act between a read or write and its answer.
// Included by tests only.
#pragma once
#include <atomic>
#include <functional>
#include <memory>

#include "store/hook_log.h"

namespace goniec::test {

class WatchedHookLog final : public HookLog {
 public:
  explicit WatchedHookLog(std::unique_ptr<HookLog> real) : real_(std::move(real)) {}

  std::atomic<unsigned> positions_that_fail{0};
  // Once, on the thread that asks: after the deliveries are written, and after those that wait were
  // read, before the asker hears of it. Set while nobody asks.
  std::function<void()> before_advance_ends, after_waiting_read;

  Result<std::map<std::string, HookPosition>> positions() override {
    if (positions_that_fail == 0) return real_->positions();
    --positions_that_fail;
    return fail(ErrorKind::io, "positions fail on purpose");
  }
  Result<std::uint64_t> beginning() override { return real_->beginning(); }
  bool was_set_aside() const override { return real_->was_set_aside(); }
  Result<void> advance(const std::string& hook, std::uint64_t position,
                       const std::vector<HookDelivery>& added) override {
    auto done = real_->advance(hook, position, added);
    if (auto step = std::exchange(before_advance_ends, {})) step();
    return done;
  }
  Result<void> settle(const std::string& hook, const HookDelivery& delivery,
                      const std::optional<HookAttempt>& attempt,
                      std::optional<Instant> failing_since) override {
    return real_->settle(hook, delivery, attempt, failing_since);
  }
  Result<void> forgive(const std::string& hook) override { return real_->forgive(hook); }
  Result<std::vector<HookDelivery>> waiting(const std::string& hook, std::uint64_t after,
                                            std::size_t limit) override {
    auto found = real_->waiting(hook, after, limit);
    if (auto step = std::exchange(after_waiting_read, {})) step();
    return found;
  }
  Result<std::vector<HookDelivery>> list(const std::string& hook,
                                         const HookFilter& filter) override {
    return real_->list(hook, filter);
  }
  Result<std::optional<HookDelivery>> find(const std::string& hook,
                                           std::uint64_t sequence) override {
    return real_->find(hook, sequence);
  }
  Result<std::vector<HookAttempt>> attempts(const std::string& hook,
                                            std::uint64_t sequence) override {
    return real_->attempts(hook, sequence);
  }
  Result<std::vector<HookAttempt>> recent(const std::string& hook, std::size_t limit) override {
    return real_->recent(hook, limit);
  }
  Result<HookCounts> counts(const std::string& hook, Instant since) override {
    return real_->counts(hook, since);
  }
  Result<std::uint64_t> replay(const std::string& hook, HookState state, Instant from, Instant to,
                               Instant now) override {
    return real_->replay(hook, state, from, to, now);
  }
  Result<std::uint64_t> count(const std::string& hook, HookState state, Instant from,
                              Instant to) override {
    return real_->count(hook, state, from, to);
  }
  Result<void> forget(const std::string& hook) override { return real_->forget(hook); }
  Result<std::uint64_t> sweep(Instant before, std::size_t limit) override {
    return real_->sweep(before, limit);
  }

 private:
  std::unique_ptr<HookLog> real_;
};

}  // namespace goniec::test
