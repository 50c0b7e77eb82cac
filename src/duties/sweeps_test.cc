// Retention on a real loop and the memory store: what is old goes batch by batch, what is young
// stays, and a stop does not wait for the interval.
#include "duties/sweeps.h"

#include <gtest/gtest.h>

#include "run/shard.h"

namespace goniec {
namespace {

struct Turn {  // the loop's next turn
  Loop& loop;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const {
    loop.post([waiter] { waiter.resume(); });
  }
  void await_resume() const {}
};

struct Kept {
  Shard shard;
  Metrics metrics;
  std::unique_ptr<Store> store = make_memory_store({}, shard.clock());
  Committer committer{*store, {}, metrics, null_log()};
  std::unique_ptr<Reader> reader = std::move(*store->reader());

  std::size_t events() { return reader->events_after(0, 1000)->size(); }
  Task<> spool_many(int count) {
    for (int i = 1; i <= count; ++i) {
      SpoolRequest request;
      request.message.id = MessageId{store->highest_id().value + 1};
      request.message.sender.address = *Address::parse("s@a.test");
      request.message.received_at = shard.clock().now();
      request.message.content.header = "Subject: x\r\n\r\n";
      Entry entry;
      entry.id.message = request.message.id;
      entry.domain = Address::parse("x@b.test")->domain();
      entry.recipients.push_back({.recipient = {.address = *Address::parse("x@b.test")}});
      request.entries = {std::move(entry)};
      Event event;
      event.kind = EventKind::received;
      event.message = request.message.id;
      event.at = shard.clock().now();
      request.events = {std::move(event)};
      const auto spooled = co_await committer.spool(shard, std::move(request));
      EXPECT_TRUE(spooled.has_value()) << spooled.error().message;
    }
  }
};

Task<> forgets(Kept& kept) {
  co_await kept.spool_many(7);
  EXPECT_EQ(kept.events(), 7u);
  Duration keep = std::chrono::hours(1);
  Sweeps sweeps(kept.shard, kept.committer,
                {.interval = std::chrono::milliseconds(1),
                 .batch = 2,
                 .keep_events = [&keep] { return keep; }},
                kept.metrics, null_log());
  sweeps.start();
  for (int turn = 0; turn < 100; ++turn) co_await Turn{kept.shard};
  EXPECT_EQ(kept.events(), 7u) << "young events stay";
  keep = -std::chrono::hours(1);
  const Moment limit = kept.shard.clock().moment() + std::chrono::seconds(20);
  while (kept.events() > 0 && kept.shard.clock().moment() < limit) co_await Turn{kept.shard};
  EXPECT_EQ(kept.events(), 0u);
  co_await sweeps.stop();
}
TEST(Sweeps, ForgetsOldEventsInBatchesAndKeepsYoungOnes) {
  Kept kept;
  run_until_done(kept.shard, forgets(kept));
}

Task<> stops(Kept& kept) {
  Sweeps sweeps(kept.shard, kept.committer, {.interval = std::chrono::hours(1)}, kept.metrics,
                null_log());
  sweeps.start();
  for (int turn = 0; turn < 10; ++turn) co_await Turn{kept.shard};
  const Moment limit = kept.shard.clock().moment() + std::chrono::minutes(1);
  co_await sweeps.stop();
  EXPECT_LT(kept.shard.clock().moment(), limit);
}
TEST(Sweeps, AStopDoesNotWaitForTheInterval) {
  Kept kept;
  run_until_done(kept.shard, stops(kept));
}

}  // namespace
}  // namespace goniec
