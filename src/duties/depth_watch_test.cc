// The depth of the queue on a real loop and the memory store: looked at once at the start and at
// each interval, the oldest looks forgotten, and a stop does not wait for the interval.
#include "duties/depth_watch.h"

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

struct Watched {
  Shard shard;
  Metrics metrics;
  std::unique_ptr<Store> store = make_memory_store({}, shard.clock());
  Committer committer{*store, {}, metrics, null_log()};
  ReaderPool readers{*store, 1};
  Queue queue{{.hostname = "mx.us.test"}, committer, readers, metrics, null_log()};

  Task<> spool(std::string domain) {
    SpoolRequest request;
    request.message.id = MessageId{store->highest_id().value + 1};
    request.message.sender.address = *Address::parse("s@a.test");
    request.message.received_at = shard.clock().now();
    request.message.content.header = "Subject: x\r\n\r\n";
    Entry entry;
    entry.id.message = request.message.id;
    entry.domain = Address::parse("x@" + domain)->domain();
    entry.recipients.push_back({.recipient = {.address = *Address::parse("x@" + domain)}});
    request.entries = {std::move(entry)};
    const auto spooled = co_await committer.spool(shard, std::move(request));
    EXPECT_TRUE(spooled.has_value()) << spooled.error().message;
  }
  Task<> until_samples(const DepthWatch& watch, std::size_t count) {
    const Moment limit = shard.clock().moment() + std::chrono::seconds(20);
    while (watch.samples().size() < count && shard.clock().moment() < limit) co_await Turn{shard};
  }
};

Task<> looks(Watched& watched) {
  DepthWatch watch(watched.shard, watched.queue,
                   {.interval = std::chrono::milliseconds(1), .most = 3});
  watch.start();
  co_await watched.until_samples(watch, 2);
  EXPECT_EQ(watch.samples().at(0).waiting, 0u);
  co_await watched.spool("b.test");
  co_await watched.spool("c.test");
  const Moment limit = watched.shard.clock().moment() + std::chrono::seconds(20);
  while (watch.samples().back().waiting < 2 && watched.shard.clock().moment() < limit)
    co_await Turn{watched.shard};
  EXPECT_EQ(watch.samples().back().waiting, 2u);
  co_await watched.until_samples(watch, 3);
  EXPECT_EQ(watch.samples().size(), 3u) << "the oldest go";
  EXPECT_LE(watch.samples().front().at, watch.samples().back().at);
  co_await watch.stop();
}
TEST(DepthWatch, CountsWhatWaitsAndForgetsTheOldest) {
  Watched watched;
  run_until_done(watched.shard, looks(watched));
}

Task<> stops(Watched& watched) {
  DepthWatch watch(watched.shard, watched.queue, {.interval = std::chrono::hours(1)});
  watch.start();
  co_await watched.until_samples(watch, 1);
  const Moment limit = watched.shard.clock().moment() + std::chrono::minutes(1);
  co_await watch.stop();
  EXPECT_LT(watched.shard.clock().moment(), limit);
  EXPECT_EQ(watch.samples().size(), 1u);
}
TEST(DepthWatch, StopsWithoutWaitingForItsInterval) {
  Watched watched;
  run_until_done(watched.shard, stops(watched));
}

}  // namespace
}  // namespace goniec
