// The facade over the memory engine: content is kept beside entries only while there is room for
// it. What becomes of entries is proved with the dispatcher (outbound/dispatcher_test.cc); times
// and routes by their own tests.
#include "queue/queue.h"

#include <gtest/gtest.h>

#include "run/shard.h"

namespace goniec {
namespace {

class Collector final : public Carrier {
 public:
  void carry(ReadyEntry entry) override { entries.push_back(std::move(entry)); }
  void give_back_all(Queue& queue) {
    for (ReadyEntry& entry : entries) queue.give_back(std::move(entry));
    entries.clear();
  }
  std::vector<ReadyEntry> entries;
};

struct House {
  Shard shard;
  Metrics metrics;
  std::unique_ptr<Store> store = make_memory_store({}, shard.clock());
  Committer committer{*store, {.settle_linger = Duration(0)}, metrics, null_log()};
  ReaderPool readers{*store, 1};
  Queue queue;
  Collector collector;

  explicit House(QueueLimits limits)
      : queue({.limits = limits, .hostname = "me.test"}, committer, readers, metrics, null_log()) {
    queue.add_shard(shard, collector);
    queue.start();
  }

  Task<> accept(std::string body) {
    SpoolRequest request;
    request.message.id = queue.next_id(shard.clock(), shard.random());
    request.message.received_at = shard.clock().now();
    request.message.content.header = "Subject: x\r\n\r\n";
    request.message.content.body_octets = body.size();
    request.message.content.body_chunks = 1;
    request.chunks = {body};
    Entry entry;
    entry.domain = *Domain::parse("b.test");
    entry.recipients.push_back({.recipient = {.address = *Address::parse("x@b.test")}});
    request.entries = {std::move(entry)};
    auto content =
        std::make_shared<LoadedContent>(LoadedContent{"", "Subject: x\r\n\r\n", std::move(body)});
    auto accepted = co_await queue.accept(shard, std::move(request), std::move(content));
    EXPECT_TRUE(accepted.has_value());
  }
};

Task<> fills_the_window(House& house) {
  const std::string body(600, 'x');
  co_await house.accept(body);
  co_await house.accept(body);
  auto& entries = house.collector.entries;
  EXPECT_EQ(entries.size(), 2u);
  EXPECT_NE(entries.at(0).content, nullptr);
  EXPECT_EQ(entries.at(1).content, nullptr) << "no room: it is read back from the store";
  EXPECT_EQ(entries.at(1).octets, 614u);
  house.collector.give_back_all(house.queue);
  co_await house.accept(body);
  EXPECT_NE(entries.at(0).content, nullptr) << "room again";
  house.collector.give_back_all(house.queue);
  co_await house.queue.stop(house.shard);
}

TEST(Queue, KeepsContentInMemoryOnlyWhileThereIsRoom) {
  House house({.window_octets = 1000});
  run_until_done(house.shard, fills_the_window(house));
}

}  // namespace
}  // namespace goniec
