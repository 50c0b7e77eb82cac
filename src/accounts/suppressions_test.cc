// Who gets no mail: scope, reasons, restarts, and an index that holds a million in little memory.
#include "accounts/suppressions.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec::test {
namespace {

class SuppressionsTest : public testing::Test {
 protected:
  SuppressionsTest() { reopen(); }
  void reopen() {
    all = std::make_unique<Suppressions>();
    ASSERT_TRUE(all->open(house.committer, house.readers, **house.store->reader()));
  }
  static Suppression entry(std::string stream, std::string_view name,
                           SuppressionReason reason = SuppressionReason::unsubscribed) {
    Suppression made;
    made.stream = std::move(stream);
    made.address = address(name);
    made.reason = reason;
    made.origin = "api";
    return made;
  }
  bool add(Suppression one) {
    const auto added = house.wait(all->add(house.shard, {std::move(one)}));
    EXPECT_TRUE(added.has_value()) << (added ? "" : added.error().message);
    return added && added->at(0);
  }
  std::optional<Suppression> find(std::string stream, std::string_view name) {
    return *house.wait(all->find(house.shard, std::move(stream), address(name)));
  }
  std::vector<Event> events() { return *(*house.store->reader())->events_after(0, 1000); }
  TestHouse house;
  std::unique_ptr<Suppressions> all;
};

TEST_F(SuppressionsTest, AnUnsubscribeFromBulkLeavesTransactionalMailAlone) {
  EXPECT_TRUE(add(entry("bulk", "Anna@Example.pl")));
  EXPECT_TRUE(find("bulk", "anna@example.pl").has_value());
  EXPECT_FALSE(find("transactional", "anna@example.pl").has_value());
  EXPECT_FALSE(all->may_hold("transactional", address("anna@example.pl")));
  EXPECT_FALSE(find("bulk", "anna+shop@example.pl").has_value());
}

TEST_F(SuppressionsTest, AllStreamsAreForDecisionsByHand) {
  EXPECT_TRUE(add(entry("*", "jan@example.pl", SuppressionReason::manual)));
  EXPECT_EQ(find("transactional", "jan@example.pl")->stream, "*");
  EXPECT_EQ(find("news", "jan@example.pl")->reason, SuppressionReason::manual);
  const auto refused = house.wait(all->add(house.shard, {entry("*", "ola@example.pl")}));
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_data);
}

TEST_F(SuppressionsTest, WhatIsThereStaysUnlessTheRecipientSaysSo) {
  EXPECT_TRUE(add(entry("bulk", "a@example.pl", SuppressionReason::bad_mailbox)));
  EXPECT_FALSE(add(entry("bulk", "a@example.pl", SuppressionReason::manual)));
  EXPECT_TRUE(add(entry("bulk", "a@example.pl", SuppressionReason::complained)));
  EXPECT_FALSE(add(entry("bulk", "a@example.pl", SuppressionReason::unsubscribed)));
  EXPECT_EQ(find("bulk", "a@example.pl")->reason, SuppressionReason::complained);
}

TEST_F(SuppressionsTest, OneThatIsOverHoldsNobodyAndIsSwept) {
  Suppression over = entry("bulk", "a@example.pl", SuppressionReason::manual);
  over.expires = house.shard.clock().now() - std::chrono::hours(1);
  EXPECT_TRUE(add(over));
  EXPECT_FALSE(find("bulk", "a@example.pl").has_value());
  EXPECT_TRUE(add(entry("bulk", "a@example.pl", SuppressionReason::manual)));
  EXPECT_TRUE(find("bulk", "a@example.pl").has_value());
  over.address = address("b@example.pl");
  EXPECT_TRUE(add(over));
  EXPECT_EQ(*house.wait(all->sweep(house.shard, house.shard.clock().now())), 1u);
  EXPECT_EQ(all->size(), 1u);
}

TEST_F(SuppressionsTest, ARestartKnowsAllWithReasonsAndEvidence) {
  Suppression one = entry("bulk", "a@example.pl", SuppressionReason::bad_mailbox);
  one.evidence = "evt_0000000000007";
  one.message = MessageId{77};
  one.note = "550 5.1.1";
  EXPECT_TRUE(add(one));
  reopen();
  const auto found = find("bulk", "a@example.pl");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->evidence, one.evidence);
  EXPECT_EQ(found->message, one.message);
  EXPECT_EQ(found->note, one.note);
  EXPECT_NE(found->created, Instant{});
}

TEST_F(SuppressionsTest, EachChangeIsAnEventOfItsOwn) {
  EXPECT_TRUE(add(entry("bulk", "a@example.pl")));
  const auto removed =
      house.wait(all->remove(house.shard, {{"bulk", address("A@example.pl")}}, "cli"));
  EXPECT_TRUE(removed->at(0));
  EXPECT_FALSE(all->may_hold("bulk", address("a@example.pl")));
  const auto told = events();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].kind, EventKind::suppression_added);
  EXPECT_EQ(told[0].recipient, "a@example.pl");
  EXPECT_EQ(told[1].kind, EventKind::suppression_removed);
  EXPECT_NE(told[1].data.find("\"cli\""), std::string::npos);
}

TEST_F(SuppressionsTest, ListsGoByPagesAndFilters) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(add(entry("bulk", "b" + std::to_string(i) + "@example.pl")));
    EXPECT_TRUE(add(entry("news", "n" + std::to_string(i) + "@example.pl")));
  }
  SuppressionFilter filter{.stream = "bulk", .limit = 3};
  auto page = *house.wait(all->list(house.shard, filter));
  ASSERT_EQ(page.entries.size(), 3u);
  filter.after = page.next;
  page = *house.wait(all->list(house.shard, filter));
  EXPECT_EQ(page.entries.size(), 2u);
  EXPECT_EQ(page.next, "");
  page = *house.wait(all->list(house.shard, {.address = "N3@", .limit = 10}));
  ASSERT_EQ(page.entries.size(), 1u);
  EXPECT_EQ(page.entries[0].stream, "news");
}

TEST(FingerprintSet, KnowsWhatWasPutInAndNothingThatWasTakenOut) {
  FingerprintSet set;
  std::uint64_t value = 88172645463325252ull;
  std::vector<std::uint64_t> kept, gone;
  for (int i = 0; i < 400; ++i) {
    value ^= value << 13, value ^= value >> 7, value ^= value << 17;
    // Many of one home: runs are long, and removing has to mend them.
    const std::uint64_t each = i % 2 == 0 ? value : (value & ~std::uint64_t{0xFFFF}) | 7;
    ASSERT_TRUE(set.insert(each));
    (i % 3 == 0 ? gone : kept).push_back(each);
  }
  for (const std::uint64_t each : gone) EXPECT_TRUE(set.erase(each));
  for (const std::uint64_t each : gone) EXPECT_FALSE(set.contains(each));
  for (const std::uint64_t each : kept) EXPECT_TRUE(set.contains(each));
  EXPECT_EQ(set.size(), kept.size());
}

TEST(FingerprintSet, AMillionTakeSixteenMebibytes) {
  FingerprintSet set;
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) set.insert(i * 0x9E3779B97F4A7C15ull);
  EXPECT_EQ(set.size(), 1'000'000u);
  EXPECT_LE(set.octets(), 16u << 20);
}

}  // namespace
}  // namespace goniec::test
