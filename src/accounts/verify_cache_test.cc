// What the next hop said is remembered as long as it is worth, and never without end.
#include "accounts/verify_cache.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

using std::chrono::minutes;

Address address(const std::string& text) {
  return *Address::parse(text);
}
const Moment start{Duration(1)};

TEST(VerifyCache, remembers_each_kind_of_answer_for_its_own_time) {
  struct Case {
    std::uint16_t code;
    Duration life;
  };
  for (const Case& one : {Case{250, std::chrono::hours(6)}, Case{550, minutes(15)},
                          Case{451, minutes(1)}, Case{0, minutes(1)}}) {
    VerifyCache cache;
    cache.remember(address("a@b.pl"), Reply(one.code, {}, "said"), start);
    ASSERT_TRUE(cache.find(address("a@b.pl"), start).has_value());
    EXPECT_EQ(cache.find(address("a@b.pl"), start + one.life - Duration(1))->code, one.code);
    EXPECT_FALSE(cache.find(address("a@b.pl"), start + one.life).has_value()) << one.code;
  }
}

TEST(VerifyCache, tells_local_parts_apart_by_case_and_domains_not) {
  VerifyCache cache;
  cache.remember(address("Ann@B.pl"), Reply(250, {}, "ok"), start);
  EXPECT_TRUE(cache.find(address("Ann@b.PL"), start).has_value());
  EXPECT_FALSE(cache.find(address("ann@b.pl"), start).has_value());
  cache.forget_all();
  EXPECT_FALSE(cache.find(address("Ann@b.pl"), start).has_value());
}

TEST(VerifyCache, drops_what_was_seen_least_recently_when_it_is_full) {
  VerifyCache cache({.entries = 2});
  cache.remember(address("a@b.pl"), Reply(250, {}, "ok"), start);
  cache.remember(address("b@b.pl"), Reply(250, {}, "ok"), start);
  EXPECT_TRUE(cache.find(address("a@b.pl"), start).has_value());
  cache.remember(address("c@b.pl"), Reply(250, {}, "ok"), start);
  EXPECT_TRUE(cache.find(address("a@b.pl"), start).has_value());
  EXPECT_FALSE(cache.find(address("b@b.pl"), start).has_value());
  EXPECT_TRUE(cache.find(address("c@b.pl"), start).has_value());
}

}  // namespace
}  // namespace goniec
