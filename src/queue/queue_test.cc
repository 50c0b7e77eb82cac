// The facade over the memory engine: content is kept beside entries only while there is room for
// it, and no domain takes all of the window. What becomes of entries is proved with the dispatcher
// (outbound/dispatcher_test.cc); times and routes by their own tests.
#include "queue/queue.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "run/shard.h"
#include "sim/world.h"
#include "store/store_for_tests.h"

namespace goniec {
namespace {

class Collector final : public Carrier {
 public:
  void carry(ReadyEntry entry) override { entries.push_back(std::move(entry)); }
  std::size_t of(std::string_view domain) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        entries, [&](const ReadyEntry& each) { return each.entry.domain.ascii() == domain; }));
  }
  void give_back_all(Queue& queue) {
    for (ReadyEntry& entry : entries) queue.give_back(std::move(entry));
    entries.clear();
  }
  std::vector<ReadyEntry> entries;
};

SpoolRequest request_to(const std::string& domain, const std::string& body, MessageId id,
                        Instant now) {
  SpoolRequest request;
  request.message.id = id;
  request.message.received_at = now;
  request.message.content.header = "Subject: x\r\n\r\n";
  request.message.content.body_octets = body.size();
  request.message.content.body_chunks = 1;
  request.chunks = {body};
  Entry entry;
  entry.id.message = id;
  entry.domain = *Domain::parse(domain);
  entry.due = now;
  entry.expires = entry.due + std::chrono::hours(1);
  entry.recipients.push_back({.recipient = {.address = *Address::parse("x@" + domain)}});
  request.entries = {std::move(entry)};
  return request;
}

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
  }

  // Due in the store before the queue looks.
  Task<> spool(std::string domain) {
    auto spooled = co_await committer.spool(shard, request_to(domain, "text\r\n", Lease::later));
    EXPECT_TRUE(spooled.has_value());
  }
  Task<> accept(std::string body, std::string domain = "b.test") {
    auto request = request_to(domain, body, Lease::at_once);
    auto content =
        std::make_shared<LoadedContent>(LoadedContent{"", "Subject: x\r\n\r\n", std::move(body)});
    auto accepted = co_await queue.accept(shard, std::move(request), std::move(content));
    EXPECT_TRUE(accepted.has_value());
  }

 private:
  enum class Lease { at_once, later };
  SpoolRequest request_to(const std::string& domain, const std::string& body, Lease lease) {
    auto request = goniec::request_to(domain, body, queue.next_id(shard.clock(), shard.random()),
                                      shard.clock().now());
    request.lease = lease == Lease::at_once;
    return request;
  }
};

struct Turn {  // the loop's next turn
  Loop& loop;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const {
    loop.post([waiter] { waiter.resume(); });
  }
  void await_resume() const {}
};

template <class Condition>
Task<bool> happens(Loop& loop, const Condition& condition) {
  const Moment deadline = loop.clock().moment() + std::chrono::seconds(10);
  while (!condition()) {
    if (loop.clock().moment() > deadline) co_return false;
    co_await Turn{loop};
  }
  co_return true;
}

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
  house.queue.start();
  run_until_done(house.shard, fills_the_window(house));
}

// ---------------------------------------------------------------- shares of the window

constexpr QueueLimits small_window = {.window_entries = 40, .domain_share = 4, .domain_least = 3};

Task<> settle_one(House& house) {
  ReadyEntry entry = std::move(house.collector.entries.back());
  house.collector.entries.pop_back();
  Outcome done;
  done.state = RecipientState::delivered;
  std::vector<Outcome> outcomes;
  outcomes.push_back(std::move(done));
  auto settled = co_await house.queue.settle(house.shard, std::move(entry), std::move(outcomes));
  EXPECT_TRUE(settled.has_value());
}

Task<> settle_all(House& house, std::size_t wanted) {
  std::size_t done = 0;
  while (done < wanted) {
    const bool came =
        co_await happens(house.shard, [&house] { return !house.collector.entries.empty(); });
    EXPECT_TRUE(came) << done << " of " << wanted;
    if (!came) break;
    co_await settle_one(house);
    ++done;
  }
  co_await house.queue.stop(house.shard);
}

Task<> stuck_in_the_store(House& house) {
  for (int i = 0; i < 60; ++i) co_await house.spool("stuck.test");
  for (int i = 0; i < 60; ++i) co_await house.spool("also-stuck.test");
  co_await house.spool("good.test");
  house.queue.start();
  auto& collector = house.collector;
  const bool came =
      co_await happens(house.shard, [&collector] { return collector.of("good.test") == 1; });
  EXPECT_TRUE(came) << "what is due longer takes the whole window";
  EXPECT_GE(collector.of("stuck.test"), 8u);
  EXPECT_GE(collector.of("also-stuck.test"), 6u);
  EXPECT_LT(collector.entries.size(), 25u);
  co_await settle_all(house, 121);
}
TEST(Queue, ADomainThatStandsStillLeavesRoomInTheWindow) {
  House house(small_window);
  run_until_done(house.shard, stuck_in_the_store(house));
}

Task<> stuck_new_mail(House& house) {
  house.queue.start();
  for (int i = 0; i < 60; ++i) co_await house.accept("text\r\n", "stuck.test");
  co_await house.accept("text\r\n", "good.test");
  EXPECT_EQ(house.collector.of("good.test"), 1u) << "leased with its spool";
  EXPECT_LE(house.collector.of("stuck.test"), 10u);
  co_await settle_all(house, 61);
}
TEST(Queue, NewMailOfADomainThatStandsStillWaitsOnDisk) {
  House house(small_window);
  run_until_done(house.shard, stuck_new_mail(house));
}

Task<> full_window(House& house) {
  house.queue.start();
  co_await house.accept("text\r\n", "a.test");
  co_await house.accept("text\r\n", "b.test");
  co_await house.accept("text\r\n", "c.test");
  EXPECT_EQ(house.collector.entries.size(), 2u);
  co_await settle_all(house, 3);
}
TEST(Queue, AFullWindowOfTheConfiguredSizeIsFilledAgainWhenSomethingLeaves) {
  House house({.window_entries = 2});
  run_until_done(house.shard, full_window(house));
}

// ---------------------------------------------------------------- sleep

struct Refuser final : Carrier {  // as one that stops
  void carry(ReadyEntry entry) override {
    ++handed;
    queue->give_back(std::move(entry));
  }
  Queue* queue = nullptr;
  std::size_t handed = 0;
};

TEST(Queue, HandsNothingMoreToCarriersThatAreGoingToStop) {
  SimLoop loop(1);
  Metrics metrics;
  auto store = make_memory_store({}, loop.clock());
  Committer committer(*store, {.settle_linger = Duration(0)}, metrics, null_log(), &loop);
  ReaderPool readers(*store, 0);
  Queue queue({.limits = {.window_entries = 2}, .hostname = "me.test"}, committer, readers, metrics,
              null_log());
  Refuser refuser;
  refuser.queue = &queue;
  queue.add_shard(loop, refuser);
  for (int number = 0; number < 10; ++number) {
    auto request = request_to("b.test", "text\r\n", queue.next_id(loop.clock(), loop.random()),
                              loop.clock().now());
    request.lease = false;
    EXPECT_TRUE(loop.run(committer.spool(loop, std::move(request))).has_value());
  }
  queue.start();
  const auto turn = [&loop] {
    for (int step = 0; step < 1000; ++step) loop.step();
  };
  turn();
  EXPECT_GT(refuser.handed, 0u);
  queue.stop_leasing();
  turn();  // what was under way
  const std::size_t handed = refuser.handed;
  turn();
  EXPECT_EQ(refuser.handed, handed);
  loop.run(queue.stop(loop));
}

// Settles one recipient of b.test with this answer, and gives what was kept of it.
struct Settled {
  std::string data, metrics;
};
Settled settle_with(Reply reply, RecipientState state) {
  SimLoop loop{1};
  Metrics metrics;
  std::unique_ptr<Store> store = make_memory_store({}, loop.clock());
  Committer committer{*store, {.settle_linger = Duration(0)}, metrics, null_log(), &loop};
  ReaderPool readers{*store, 0};
  BounceRule rule;
  rule.name = "b.quota";
  rule.providers = {"b"};
  rule.texts = {"quota"};
  rule.klass = BounceClass::mailbox_full;
  std::vector<BounceProvider> providers{{"b", "B", {}, {"b.test"}}};
  Queue queue{{.hostname = "me.test",
               .bounces = std::make_shared<const BounceRules>(std::move(providers),
                                                              std::vector<BounceRule>{rule})},
              committer,
              readers,
              metrics,
              null_log()};
  Collector collector;
  queue.add_shard(loop, collector);
  auto request = request_to("b.test", "text\r\n", queue.next_id(loop.clock(), loop.random()),
                            loop.clock().now());
  const MessageId id = request.message.id;
  EXPECT_TRUE(loop.run(queue.accept(loop, std::move(request), nullptr)).has_value());
  Outcome outcome;
  outcome.state = state;
  outcome.reply = std::move(reply);
  EXPECT_TRUE(
      loop.run(queue.settle(loop, std::move(collector.entries.at(0)), {outcome})).has_value());
  const auto events = (*store->reader())->events_of(id);
  EXPECT_TRUE(events && !events->empty());
  Settled settled{events && !events->empty() ? events->back().data : "", metrics.exposition()};
  loop.run(queue.stop(loop));
  return settled;
}

TEST(Queue, WhatWasRefusedSaysWhatItMeansAndCounts) {
  const auto full = settle_with(Reply(552, {5, 2, 2}, "over quota"), RecipientState::failed);
  EXPECT_NE(full.data.find("\"class\":\"mailbox_full\",\"permanent\":false,\"hint\":"
                           "\"bounce.mailbox_full\",\"provider\":\"b\",\"class_rule\":"
                           "\"b.quota\""),
            std::string::npos)
      << full.data;
  EXPECT_NE(full.metrics.find("goniec_refusals_total{class=\"mailbox_full\",provider=\"b\","
                              "status=\"bounced\"} 1"),
            std::string::npos)
      << full.metrics;
  const auto later = settle_with(Reply(450, {4, 2, 0}, "later"), RecipientState::queued);
  EXPECT_NE(later.data.find("\"class\":\"other\""), std::string::npos) << later.data;
  const auto good = settle_with(Reply(250, {2, 0, 0}, "quota"), RecipientState::delivered);
  EXPECT_EQ(good.data.find("class"), std::string::npos) << good.data;
  EXPECT_EQ(good.metrics.find("goniec_refusals_total"), std::string::npos);
}

// The SQLite engine on a disk that can fail, and one entry that was handed to its carrier.
struct FaultyHouse {
  SimLoop loop{1};
  Metrics metrics;
  test::CountingLog log;
  test::FaultDisk disk;
  std::unique_ptr<Store> store = std::move(
      *open_sqlite_store({"/false/store", test::small_journal(), &log}, disk, loop.clock()));
  Committer committer{*store, {.settle_linger = Duration(0)}, metrics, log, &loop};
  ReaderPool readers{*store, 0};
  Queue queue{{.hostname = "me.test"}, committer, readers, metrics, log};
  Collector collector;
  std::optional<Result<void>> settled;

  FaultyHouse() {
    queue.add_shard(loop, collector);
    auto request = request_to("b.test", "text\r\n", queue.next_id(loop.clock(), loop.random()),
                              loop.clock().now());
    EXPECT_TRUE(loop.run(queue.accept(loop, std::move(request), nullptr)).has_value());
    EXPECT_EQ(collector.entries.size(), 1u);
    queue.start();
  }
  Task<> settle() {
    Outcome delivered = test::outcome(0, RecipientState::delivered);
    settled = co_await queue.settle(loop, std::move(collector.entries.at(0)), {delivered});
  }
  std::size_t waiting() {
    const auto listed = (*store->reader())->list({});
    return listed ? listed->size() : SIZE_MAX;
  }
  double gauge() { return metrics.gauge("goniec_queue_unsettled_entries", "", {}).value(); }
};

TEST(Queue, AnOutcomeThatTheStoreRefusesIsStoredLaterAndNeverDeliveredAgain) {
  FaultyHouse house;
  house.disk.refuse_writes();
  spawn(house.settle());
  house.loop.run_for(std::chrono::seconds(20));
  EXPECT_EQ(house.log.count("queue.settle_failed"), 5u) << "after 0, 1, 3, 7 and 15 seconds";
  EXPECT_FALSE(house.settled.has_value());
  EXPECT_EQ(house.gauge(), 1);
  EXPECT_FALSE(house.store->health().sealed);
  house.disk.fail_never();
  house.loop.run_for(std::chrono::seconds(12));
  EXPECT_TRUE(house.settled && house.settled->has_value());
  EXPECT_EQ(house.waiting(), 0u);
  EXPECT_EQ(house.gauge(), 0);
  EXPECT_EQ(house.collector.entries.size(), 1u) << "handed over once";
  house.loop.run(house.queue.stop(house.loop));
}

TEST(Queue, AStopDoesNotWaitForAnOutcomeThatCannotBeStored) {
  FaultyHouse house;
  house.disk.refuse_writes();
  spawn(house.settle());
  house.loop.run_for(std::chrono::milliseconds(500));
  EXPECT_EQ(house.log.count("queue.settle_failed"), 1u);
  const Moment before = house.loop.clock().moment();
  house.loop.run(house.queue.stop(house.loop));
  EXPECT_LE(house.loop.clock().moment() - before, std::chrono::seconds(2));
  EXPECT_TRUE(house.settled && !house.settled->has_value());
}

TEST(Queue, WakesNoOftenerForHavingBeenWoken) {
  SimLoop loop(1);
  Metrics metrics;
  auto store = make_memory_store({}, loop.clock());
  Committer committer(*store, {.settle_linger = Duration(0)}, metrics, null_log(), &loop);
  ReaderPool readers(*store, 0);
  Queue queue({.hostname = "me.test"}, committer, readers, metrics, null_log());
  Collector collector;
  queue.add_shard(loop, collector);
  const auto steps_of_an_hour = [&loop] {
    const std::uint64_t before = loop.steps();
    loop.run_for(std::chrono::hours(1));
    return loop.steps() - before;
  };
  SpoolRequest request = request_to("later.test", "text\r\n",
                                    queue.next_id(loop.clock(), loop.random()), loop.clock().now());
  request.lease = false;
  request.entries[0].due += std::chrono::days(1);
  request.entries[0].expires += std::chrono::days(2);
  const QueueItem item{request.message, request.entries[0], 0};
  EXPECT_TRUE(loop.run(committer.spool(loop, std::move(request))).has_value());
  queue.start();
  const std::uint64_t quiet = steps_of_an_hour();
  for (int times = 0; times < 50; ++times) {
    loop.run_for(std::chrono::seconds(1));
    const auto action = times % 2 ? QueueAction::release : QueueAction::hold;
    EXPECT_TRUE(loop.run(queue.change(loop, item, action, "by hand")).has_value());
  }
  loop.run_for(std::chrono::minutes(1));
  EXPECT_LE(steps_of_an_hour(), 2 * quiet) << "each that woke it left a timer that wakes it again";
  loop.run(queue.stop(loop));
}

}  // namespace
}  // namespace goniec
