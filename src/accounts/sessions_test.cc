// Sessions end: by hand, after a time unused, after a time at all, and when there are too many.
#include "accounts/sessions.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

using std::chrono::hours;
const Instant start{std::chrono::days(20000)};
const Address anna = test::address("anna@us.test"), jan = test::address("jan@us.test");

TEST(Sessions, EndUnusedOrAfterTheirWholeTime) {
  Sessions sessions({.idle = hours(2), .whole = hours(5)});
  const auto token = sessions.open(anna, start);
  EXPECT_EQ(token.size(), 64u);
  EXPECT_FALSE(sessions.find("", start));
  for (int hour = 1; hour < 5; ++hour) ASSERT_TRUE(sessions.find(token, start + hours(hour)));
  EXPECT_FALSE(sessions.find(token, start + hours(5)));
  const auto other = sessions.open(anna, start);
  EXPECT_FALSE(sessions.find(other, start + hours(2)));
}

TEST(Sessions, CloseByTokenAndByUser) {
  Sessions sessions;
  const auto one = sessions.open(anna, start), two = sessions.open(anna, start),
             three = sessions.open(jan, start);
  EXPECT_NE(sessions.find(one, start)->csrf, sessions.find(two, start)->csrf);
  sessions.close(one);
  EXPECT_FALSE(sessions.find(one, start));
  sessions.close_all_of(anna);
  EXPECT_FALSE(sessions.find(two, start));
  EXPECT_TRUE(sessions.find(three, start));
}

TEST(Sessions, AreBoundedAndTheLongestUnusedGoes) {
  Sessions sessions({.sessions = 2});
  const auto one = sessions.open(anna, start), two = sessions.open(anna, start + hours(1));
  ASSERT_TRUE(sessions.find(one, start + hours(2)));
  const auto three = sessions.open(jan, start + hours(3));
  EXPECT_TRUE(sessions.find(one, start + hours(3)));
  EXPECT_FALSE(sessions.find(two, start + hours(3)));
  EXPECT_TRUE(sessions.find(three, start + hours(3)));
}

}  // namespace
}  // namespace goniec
