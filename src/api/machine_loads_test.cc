// Machines that load images and follow links are told from people, where they can be.
#include "api/machine_loads.h"

#include <gtest/gtest.h>

namespace goniec::test {
namespace {

constexpr std::string_view firefox =
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

struct Case {
  std::string_view rule, method, agent, purpose, from;
  int seconds_after = 600;
  int other_link_before = -1;
};

TEST(MachineLoads, EachRuleHasItsSign) {
  const Case cases[] = {
      {"", "GET", firefox, "", "203.0.113.9"},
      {"head", "HEAD", firefox, "", "203.0.113.9"},
      {"prefetch", "GET", firefox, "prefetch;prerender", "203.0.113.9"},
      {"apple_privacy", "GET", "Mozilla/5.0", "", "203.0.113.9"},
      {"image_proxy", "GET",
       "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
       "", "66.249.93.1"},
      {"gateway", "GET", "", "", "203.0.113.9"},
      {"gateway", "GET", "curl/7.88.1", "", "203.0.113.9"},
      {"gateway", "GET", firefox, "", "17.58.1.2"},
      {"gateway", "GET", firefox, "", "104.47.12.3"},
      {"too_fast", "GET", firefox, "", "203.0.113.9", 1},
      {"", "GET", firefox, "", "203.0.113.9", 3},
      {"burst", "GET", firefox, "", "203.0.113.9", 600, 1},
      {"", "GET", firefox, "", "203.0.113.9", 600, 2},
      {"", "GET", firefox, "", "2001:db8::1"},
  };
  for (const Case& each : cases) {
    LoadFacts facts;
    facts.method = each.method;
    facts.user_agent = each.agent;
    facts.purpose = each.purpose;
    facts.from = *IpAddress::parse(each.from);
    facts.accepted = Instant{} + std::chrono::hours(500'000);
    facts.at = facts.accepted + std::chrono::seconds(each.seconds_after);
    if (each.other_link_before >= 0)
      facts.other_link_at = facts.at - std::chrono::seconds(each.other_link_before);
    EXPECT_EQ(machine_rule(facts), each.rule) << each.agent << " from " << each.from;
  }
}

}  // namespace
}  // namespace goniec::test
