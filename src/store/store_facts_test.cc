// The verb `record` and the objects of a spool, on the memory engine and on SQLite over a false
// disk, with groups that reach the database late or at once: one transaction, one order, and what
// was committed is there after a power cut.
#include <gtest/gtest.h>

#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

enum class Engine { memory, late, at_once };

class StoreFacts : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override { open(); }
  void open() {
    store_.reset();
    if (GetParam() == Engine::memory) {
      store_ = make_memory_store({}, clock_);
      return;
    }
    StoreOptions options{"/store", small_journal()};
    if (GetParam() == Engine::at_once) options.limits.apply_octets = 0;
    auto opened = open_sqlite_store(options, disk_, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  // REQUIRES an engine that survives.
  void cut_power() {
    store_.reset();
    disk_.crash(1);
    open();
  }
  Result<void> record(const FactsRequest& request) {
    return std::move(store_->record({&request, 1})[0]);
  }
  void commit() { ASSERT_TRUE(store_->commit()); }
  std::optional<std::string> value(const std::string& key) {
    auto reader = store_->reader();
    auto found = (*reader)->object({"fact", key});
    EXPECT_TRUE(found);
    return *found;
  }
  std::vector<Event> events() {
    auto reader = store_->reader();
    return *(*reader)->events_after(0, 100);
  }
  FactsRequest put(std::string key, std::string text, bool must_be_new = false) const {
    return {{{{"fact", std::move(key)}, std::move(text), must_be_new}},
            {},
            {event(MessageId{}, EventKind::object_changed, clock_.now())}};
  }

  FalseClock clock_;
  FaultDisk disk_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Engines, StoreFacts,
                         ::testing::Values(Engine::memory, Engine::late, Engine::at_once));

TEST_P(StoreFacts, ObjectsAndEventsOfARequestComeTogether) {
  ASSERT_TRUE(record(put("a", "1")));
  commit();
  EXPECT_EQ(value("a"), "1");
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(events()[0].kind, EventKind::object_changed);
  ASSERT_TRUE(record({{}, {{"fact", "a"}}, {}}));
  commit();
  EXPECT_EQ(value("a"), std::nullopt);
}

TEST_P(StoreFacts, WhatMustBeNewAndIsThereRefusesAllOfTheRequest) {
  ASSERT_TRUE(record(put("a", "1", true)));
  FactsRequest both = put("b", "2");
  both.puts.push_back({{"fact", "a"}, "2", true});
  const auto refused = record(both);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  commit();
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(value("b"), std::nullopt);
  EXPECT_EQ(events().size(), 1u);
}

TEST_P(StoreFacts, TheLastWordOfAGroupHoldsWhateverVerbSaidIt) {
  ASSERT_TRUE(record(put("a", "1")));
  const ObjectPut plain{{"fact", "a"}, "2"};
  ASSERT_TRUE(store_->put_objects({&plain, 1})[0]);
  ASSERT_TRUE(record(put("a", "3")));
  commit();
  EXPECT_EQ(value("a"), "3");
  ASSERT_TRUE(record(put("a", "4")));
  ASSERT_TRUE(store_->put_objects({&plain, 1})[0]);
  commit();
  EXPECT_EQ(value("a"), "2");
}

TEST_P(StoreFacts, AnObjectRidesWithASpool) {
  SpoolRequest request = letter(7, clock_.now());
  request.objects.push_back({{"fact", "key"}, "7"});
  ASSERT_TRUE(spool(*store_, request));
  commit();
  EXPECT_EQ(value("key"), "7");
  SpoolRequest again = letter(7, clock_.now());
  again.objects.push_back({{"fact", "key"}, "8"});
  ASSERT_FALSE(spool(*store_, again));
  commit();
  EXPECT_EQ(value("key"), "7") << "a spool that is refused writes nothing";
}

TEST_P(StoreFacts, WhatWasCommittedIsThereAfterAPowerCut) {
  if (GetParam() == Engine::memory) GTEST_SKIP() << "the memory engine survives nothing";
  ASSERT_TRUE(record(put("a", "1")));
  SpoolRequest request = letter(7, clock_.now());
  request.objects.push_back({{"fact", "key"}, "7"});
  ASSERT_TRUE(spool(*store_, request));
  commit();
  ASSERT_TRUE(record(put("a", "2")));
  cut_power();
  EXPECT_EQ(value("a"), "1");
  EXPECT_EQ(value("key"), "7");
  EXPECT_EQ(events().size(), 1 + letter(7, clock_.now()).events.size());
}

// ---------------------------------------------------------------- events read late, and replaced

TEST_P(StoreFacts, EventsAreReplacedInTheirPlaceAndStaySo) {
  for (int at = 0; at < 3; ++at) ASSERT_TRUE(record(put(std::to_string(at), "x")));
  commit();
  Event other = event(MessageId{99}, EventKind::failed, clock_.now(), "nobody@erased.invalid");
  other.sequence = 2;
  other.data = "{}";
  Event unknown = other;
  unknown.sequence = 77;
  ASSERT_TRUE(store_->replace_events(std::vector{other, unknown}));
  commit();
  if (GetParam() != Engine::memory) cut_power();
  const auto kept = events();
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[1].recipient, "nobody@erased.invalid");
  EXPECT_EQ(kept[1].data, "{}");
  EXPECT_EQ(kept[1].kind, EventKind::object_changed);
  EXPECT_EQ(kept[1].message, MessageId{});
  EXPECT_NE(kept[0].recipient, "nobody@erased.invalid");
}

// A cold verb brings all that is pending where it is read without bringing anything there.
TEST_P(StoreFacts, EventsThatAreAppliedComeWithHowFarTheLogGoes) {
  for (int at = 0; at < 5; ++at) ASSERT_TRUE(record(put(std::to_string(at), "x")));
  ASSERT_TRUE(store_->sweep(clock_.now(), clock_.now() - std::chrono::hours(1), 10));
  commit();
  auto reader = *store_->reader();
  const auto applied = *reader->applied_events_after(2, 2);
  ASSERT_EQ(applied.events.size(), 2u);
  EXPECT_EQ(applied.events[0].sequence, 3u);
  EXPECT_EQ(applied.last, 5u);
  EXPECT_TRUE(reader->applied_events_after(5, 2)->events.empty());
  EXPECT_EQ(reader->applied_events_after(9, 2)->last, 5u);
}

}  // namespace
}  // namespace goniec::test
