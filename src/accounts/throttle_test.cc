// Failures block for a while; an hour has room for so many messages.
#include "accounts/throttle.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
const Moment start{std::chrono::hours(1000)};

TEST(FailureTable, blocks_at_the_limit_and_lets_go_after_the_block) {
  FailureTable table(100);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(table.blocked_until("a", start).has_value());
    table.failed("a", start, 3, minutes(10), minutes(5));
  }
  EXPECT_EQ(table.blocked_until("a", start), start + minutes(5));
  EXPECT_FALSE(table.blocked_until("b", start).has_value());
  table.failed("a", start + minutes(4), 3, minutes(10), minutes(5));  // does not prolong it
  EXPECT_FALSE(table.blocked_until("a", start + minutes(5)).has_value());
  table.failed("a", start + minutes(5), 3, minutes(10), minutes(5));
  EXPECT_FALSE(table.blocked_until("a", start + minutes(5)).has_value()) << "counts from one again";
}

TEST(FailureTable, forgets_failures_after_the_window) {
  FailureTable table(100);
  table.failed("a", start, 2, minutes(10), minutes(5));
  table.failed("a", start + minutes(10), 2, minutes(10), minutes(5));
  EXPECT_FALSE(table.blocked_until("a", start + minutes(10)).has_value());
  table.failed("a", start + minutes(11), 2, minutes(10), minutes(5));
  EXPECT_TRUE(table.blocked_until("a", start + minutes(11)).has_value());
}

TEST(HourCount, counts_the_last_hour_and_says_when_there_is_room) {
  HourCount count;
  EXPECT_FALSE(count.add(start, 3).has_value());
  EXPECT_FALSE(count.add(start + minutes(30), 3).has_value());
  EXPECT_FALSE(count.add(start + minutes(59), 3).has_value());
  const auto room_at = count.add(start + minutes(59), 3);
  ASSERT_TRUE(room_at.has_value());
  EXPECT_EQ(*room_at, start + minutes(60));
  EXPECT_TRUE(count.add(*room_at - seconds(1), 3).has_value());
  EXPECT_FALSE(count.add(*room_at, 3).has_value());
  EXPECT_TRUE(count.add(*room_at, 3).has_value());
  EXPECT_FALSE(count.add(start + std::chrono::hours(50), 1).has_value());
}

}  // namespace
}  // namespace goniec
