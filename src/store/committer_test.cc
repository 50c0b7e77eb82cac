// The commit thread: groups, linger, bounds, blame, and the promise that no answer comes before its
// sync. On a Loop of the test's own, driven by hand; once with the thread.
#include "store/committer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

using std::chrono::milliseconds;

class HandLoop final : public Loop {
 public:
  explicit HandLoop(FalseClock& clock) : clock_(clock) {}
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  void post(Work work) override {
    std::lock_guard lock(mutex_);
    works_.push_back(std::move(work));
  }
  void at(Moment when, Work work) override {
    std::lock_guard lock(mutex_);
    timers_.emplace(when, std::move(work));
  }
  bool is_current() const override { return true; }
  bool step() {
    Work work;
    {
      std::lock_guard lock(mutex_);
      if (!works_.empty()) {
        work = std::move(works_.front());
        works_.pop_front();
      } else if (!timers_.empty() && timers_.begin()->first <= clock_.moment()) {
        work = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
      }
    }
    if (!work) return false;
    work();
    return true;
  }
  void run() {
    while (step()) {
    }
  }

 private:
  class Counting final : public Random {
    std::uint64_t next() override { return ++value_; }
    std::uint64_t value_ = 0;
  };
  FalseClock& clock_;
  Counting random_;
  std::mutex mutex_;
  std::deque<Work> works_;
  std::multimap<Moment, Work> timers_;
};

struct Bench {
  FalseClock clock;
  CountingLog log;
  FaultDisk disk;
  Metrics metrics;
  HandLoop loop{clock};
  std::unique_ptr<Store> store =
      std::move(*open_sqlite_store({"/false/store", {}, &log}, disk, clock));
};

template <class Value>
Task<void> keep(Task<Value> task, std::optional<Value>& into) {
  into.emplace(co_await std::move(task));
}

TEST(Committer, AnAnswerComesAfterItsGroupIsDurable) {
  Bench bench;
  Committer committer(*bench.store, {}, bench.metrics, bench.log, &bench.loop);
  std::optional<Result<SpoolResult>> first, second;
  spawn(keep(committer.spool(bench.loop, letter(1, bench.clock.now())), first));
  spawn(keep(committer.spool(bench.loop, letter(2, bench.clock.now())), second));
  EXPECT_FALSE(first);
  EXPECT_EQ(bench.store->synced(), 0u);
  bench.loop.run();
  ASSERT_TRUE(first && *first && second && *second);
  EXPECT_EQ(bench.store->synced(), 1u) << "one group for both";
}

TEST(Committer, ASettleAloneLingersAndRidesWithASpool) {
  Bench bench;
  Committer committer(*bench.store, {}, bench.metrics, bench.log, &bench.loop);
  std::optional<Result<SpoolResult>> spooled[2];
  spawn(keep(committer.spool(bench.loop, letter(1, bench.clock.now())), spooled[0]));
  spawn(keep(committer.spool(bench.loop, letter(2, bench.clock.now())), spooled[1]));
  bench.loop.run();
  std::optional<Result<SettleResult>> first, second;
  spawn(
      keep(committer.settle(bench.loop, delivered((*spooled[0])->leases[0], 1, bench.clock.now())),
           first));
  bench.loop.run();
  EXPECT_FALSE(first);
  bench.clock.advance(milliseconds(49));
  bench.loop.run();
  EXPECT_FALSE(first);
  bench.clock.advance(milliseconds(1));
  bench.loop.run();
  ASSERT_TRUE(first && *first);
  spawn(
      keep(committer.settle(bench.loop, delivered((*spooled[1])->leases[0], 1, bench.clock.now())),
           second));
  bench.loop.run();
  EXPECT_FALSE(second);
  std::optional<Result<SpoolResult>> company;
  spawn(keep(committer.spool(bench.loop, letter(3, bench.clock.now())), company));
  bench.loop.run();
  ASSERT_TRUE(second && *second && company && *company);
  EXPECT_EQ(bench.store->synced(), 3u);
}

TEST(Committer, AFailedSyncRefusesTheGroupAndSeals) {
  Bench bench;
  Committer committer(*bench.store, {}, bench.metrics, bench.log, &bench.loop);
  bench.disk.fail_at(2, EIO);  // the write of the WAL is one, its sync the next
  std::optional<Result<SpoolResult>> answers[3];
  for (std::uint64_t id = 1; id <= 3; ++id) {
    spawn(keep(committer.spool(bench.loop, letter(id, bench.clock.now())), answers[id - 1]));
  }
  bench.loop.run();
  for (auto& answer : answers) {
    ASSERT_TRUE(answer);
    EXPECT_FALSE(*answer);
  }
  EXPECT_TRUE(bench.store->health().sealed);
  std::optional<Result<SpoolResult>> later;
  spawn(keep(committer.spool(bench.loop, letter(9, bench.clock.now())), later));
  bench.loop.run();
  EXPECT_EQ((*later).error().kind, ErrorKind::try_later);
}

TEST(Committer, AWriteWithoutRoomFailsWithoutSealAndMailGoesOn) {
  Bench bench;
  Committer committer(*bench.store, {}, bench.metrics, bench.log, &bench.loop);
  bench.disk.fail_at(1, ENOSPC);
  std::optional<Result<SpoolResult>> answers[2];
  for (std::uint64_t id = 1; id <= 2; ++id) {
    spawn(keep(committer.spool(bench.loop, letter(id, bench.clock.now())), answers[id - 1]));
  }
  bench.loop.run();
  EXPECT_TRUE(*answers[0] && *answers[1]) << "done again one by one";
  EXPECT_FALSE(bench.store->health().sealed);
}

TEST(Committer, WhatWaitsIsBoundedButASettleAlwaysGetsIn) {
  Bench bench;
  CommitterLimits limits;
  limits.waiting_items = 2;
  Committer committer(*bench.store, limits, bench.metrics, bench.log, &bench.loop);
  std::optional<Result<SpoolResult>> answers[3];
  for (std::uint64_t id = 1; id <= 3; ++id) {
    spawn(keep(committer.spool(bench.loop, letter(id, bench.clock.now())), answers[id - 1]));
  }
  ASSERT_TRUE(answers[2]);
  EXPECT_EQ(answers[2]->error().kind, ErrorKind::try_later);
  std::optional<Result<SettleResult>> settled;
  spawn(keep(committer.settle(bench.loop, delivered({{MessageId{7}, 0}, 1}, 1, bench.clock.now())),
             settled));
  EXPECT_FALSE(settled);
  bench.loop.run();
  EXPECT_EQ(settled->error().kind, ErrorKind::conflict);
}

TEST(Committer, LeasesAndObjectsAndReaders) {
  Bench bench;
  Committer committer(*bench.store, {}, bench.metrics, bench.log, &bench.loop);
  ReaderPool readers(*bench.store, 0);
  auto request = letter(1, bench.clock.now());
  request.lease = false;
  std::optional<Result<SpoolResult>> spooled;
  spawn(keep(committer.spool(bench.loop, std::move(request)), spooled));
  std::optional<Result<void>> put;
  spawn(keep(committer.put_object(bench.loop, {{"user", "a"}, "1", true}), put));
  bench.loop.run();
  std::optional<std::optional<Instant>> due;
  spawn(keep(committer.next_due(bench.loop), due));
  std::optional<Result<LeaseResult>> leased;
  spawn(keep(committer.lease(bench.loop, {.now = bench.clock.now()}), leased));
  std::optional<Result<std::optional<std::string>>> object;
  spawn(keep(readers.read(bench.loop, [](Reader& reader) { return reader.object({"user", "a"}); }),
             object));
  std::optional<Result<bool>> removed;
  spawn(keep(committer.remove_object(bench.loop, {"user", "a"}), removed));
  bench.loop.run();
  EXPECT_TRUE(*put);
  EXPECT_EQ(**due, bench.clock.now());
  ASSERT_EQ((*leased)->entries.size(), 1u);
  EXPECT_EQ(**object, "1");
  EXPECT_EQ(**removed, true);
}

TEST(Committer, WithItsThreadManyProducersAreAllAnsweredAndGrouped) {
  Bench bench;
  std::size_t done = 0;
  constexpr std::size_t messages = 300;
  {
    Committer committer(*bench.store, {}, bench.metrics, bench.log);
    std::optional<Result<SpoolResult>> answers[messages];
    for (std::uint64_t id = 1; id <= messages; ++id) {
      spawn(keep(committer.spool(bench.loop, letter(id, bench.clock.now())), answers[id - 1]));
    }
    while (done < messages) {
      bench.loop.run();
      done = static_cast<std::size_t>(
          std::ranges::count_if(answers, [](auto& answer) { return answer.has_value(); }));
      std::this_thread::yield();
    }
    for (auto& answer : answers) EXPECT_TRUE(*answer);
  }
  EXPECT_LE(bench.store->synced(), messages);
  EXPECT_NE(bench.metrics.exposition().find("goniec_spool_fsync_total"), std::string::npos);
}

// One settle was enough to hold up every spool behind it: the thread had been called for it,
// lingered, and was not called again.
TEST(Committer, WithItsThreadASpoolEndsTheLingerOfASettle) {
  Bench bench;
  CommitterLimits limits;
  limits.settle_linger = std::chrono::hours(1);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto wait_for = [&](const auto& answer) {
    while (!answer && std::chrono::steady_clock::now() < until) {
      bench.loop.run();
      std::this_thread::yield();
    }
    return answer.has_value() && answer->has_value();
  };
  std::optional<Result<SpoolResult>> spooled[4];
  std::optional<Result<SettleResult>> settled[2];
  Committer committer(*bench.store, limits, bench.metrics, bench.log);
  for (std::uint64_t id = 1; id <= 2; ++id) {
    auto& answer = spooled[id - 1];
    spawn(keep(committer.spool(bench.loop, letter(id, bench.clock.now())), answer));
    ASSERT_TRUE(wait_for(answer));
  }
  for (std::uint64_t i = 0; i < 2; ++i) {  // the second joins the first
    const auto& lease = (*spooled[i])->leases[0];
    spawn(keep(committer.settle(bench.loop, delivered(lease, 1, bench.clock.now())), settled[i]));
    std::optional<Result<void>> seen;  // the thread has turned since it was asked
    bench.loop.run();
    spawn(keep(committer.run(bench.loop, [](Store&) { return Result<void>{}; }), seen));
    ASSERT_TRUE(wait_for(seen));
  }
  EXPECT_FALSE(settled[0] || settled[1]);
  spawn(keep(committer.spool(bench.loop, letter(3, bench.clock.now())), spooled[2]));
  EXPECT_TRUE(wait_for(spooled[2]));
  EXPECT_TRUE(wait_for(settled[0]) && wait_for(settled[1]));
}

}  // namespace
}  // namespace goniec::test
