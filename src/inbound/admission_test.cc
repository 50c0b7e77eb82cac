// Budgets refuse with their reply, give back what was taken, and follow the memory there is.
#include "inbound/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace goniec {
namespace {

const IpAddress somebody = *IpAddress::parse("192.0.2.1");
const IpAddress another = *IpAddress::parse("192.0.2.2");

struct Door {
  Metrics metrics;
  std::uint64_t resident = 0, kept_by_allocator = 0;
  Admission admission;
  explicit Door(AdmissionLimits limits)
      : admission(
            limits, metrics, [this] { return resident + kept_by_allocator; },
            [this] { kept_by_allocator = 0; }) {}
  std::string refused_rule(const IpAddress& address) {
    auto answer = admission.admit(address, false);
    if (!answer.refusal) open.push_back(std::move(answer.ticket));
    return answer.refusal ? answer.rule : "";
  }
  std::vector<Admission::Ticket> open;
};

TEST(Admission, every_budget_refuses_with_its_own_rule_and_gives_back) {
  Door door({.connections_per_address = 2, .connections = 3});
  EXPECT_EQ(door.refused_rule(somebody), "");
  EXPECT_EQ(door.refused_rule(somebody), "");
  EXPECT_EQ(door.refused_rule(somebody), "limit.connections_per_address");
  EXPECT_EQ(door.refused_rule(another), "");
  EXPECT_EQ(door.refused_rule(another), "pressure.resources");
  door.open.clear();
  EXPECT_EQ(door.admission.connections(), 0u);
  EXPECT_EQ(door.refused_rule(another), "");
}

TEST(Admission, sessions_before_login_share_a_budget_that_login_leaves) {
  Door door({.connections_per_address = 9, .session_octets = 100, .waiting_octets = 200});
  EXPECT_EQ(door.refused_rule(somebody), "");
  EXPECT_EQ(door.refused_rule(somebody), "");
  EXPECT_EQ(door.refused_rule(somebody), "pressure.waiting");
  door.open[0].logged_in();
  EXPECT_EQ(door.refused_rule(somebody), "");
}

TEST(Admission, messages_being_received_share_a_budget) {
  Door door({.drafts_octets = 300, .draft_octets = 100});
  {
    const auto first = door.admission.take_draft(), second = door.admission.take_draft();
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(door.admission.take_draft());
    EXPECT_EQ(door.admission.drafts(), 2u);
  }
  EXPECT_EQ(door.admission.drafts(), 0u);
  EXPECT_TRUE(door.admission.take_draft());
}

TEST(Admission, a_message_is_charged_what_it_holds_and_its_last_quarter_is_for_those_that_grow) {
  constexpr std::size_t kib = 1024;
  Door door({.drafts_octets = 400 * kib, .draft_octets = 100 * kib});
  auto first = door.admission.take_draft();
  EXPECT_TRUE(first.cover(0));
  auto second = door.admission.take_draft();
  EXPECT_TRUE(second);
  EXPECT_TRUE(first.cover(96 * kib));  // 296 of 400 in all
  EXPECT_FALSE(door.admission.take_draft()) << "new ones leave a quarter";
  EXPECT_TRUE(second.cover(96 * kib));
  EXPECT_FALSE(second.cover(144 * kib));
  EXPECT_TRUE(first.cover(0)) << "what it wrote to the store it no longer holds";
  EXPECT_TRUE(second.cover(144 * kib)) << "a refused growth has charged nothing";
  second = {};
  EXPECT_TRUE(door.admission.take_draft());
}

TEST(Admission, an_announced_size_is_refused_before_it_is_sent) {
  Door door({.drafts_octets = 400, .draft_octets = 100});
  const auto alone = door.admission.take_draft(1000);
  EXPECT_TRUE(alone) << "nothing smaller will ever be left of the budget";
  EXPECT_FALSE(door.admission.take_draft(150));
  EXPECT_TRUE(door.admission.take_draft(50));
}

TEST(Admission, thousands_that_send_nothing_after_DATA_leave_room_for_others) {
  Door door({});
  std::vector<Admission::Charge> slow;
  for (int i = 0; i < 10000; ++i) slow.push_back(door.admission.take_draft());
  EXPECT_TRUE(slow.back());
  EXPECT_TRUE(door.admission.take_draft(512 * 1024));
}

TEST(Admission, above_its_memory_the_process_takes_no_connection_and_no_message) {
  Door door({.connections_per_address = 1000, .memory_octets = 1000});
  EXPECT_EQ(door.refused_rule(somebody), "");
  EXPECT_TRUE(door.admission.take_draft());
  door.resident = 1001;
  std::string rule;
  for (int i = 0; i < 16; ++i) rule = door.refused_rule(somebody);  // it does not look every time
  EXPECT_EQ(rule, "pressure.resources");
  EXPECT_FALSE(door.admission.take_draft());
  door.resident = 900;
  for (int i = 0; i < 16; ++i) rule = door.refused_rule(somebody);
  EXPECT_EQ(rule, "");
  EXPECT_TRUE(door.admission.take_draft());
}

TEST(Admission, freed_memory_that_the_allocator_kept_is_given_back_before_anybody_is_refused) {
  Door door({.connections_per_address = 1000, .memory_octets = 1000});
  door.resident = 900;
  door.kept_by_allocator = 500;
  for (int i = 0; i < 40; ++i) EXPECT_EQ(door.refused_rule(somebody), "");
  EXPECT_EQ(door.kept_by_allocator, 0u);
}

TEST(Admission, budgets_follow_the_memory_there_is) {
  const AdmissionLimits small = limits_for(256u << 20), large = limits_for(64ull << 30);
  EXPECT_EQ(small.memory_octets, 192u << 20);
  EXPECT_EQ(small.drafts_octets, 64u << 20);
  EXPECT_EQ(small.waiting_octets, 128u << 20);
  EXPECT_EQ(large.drafts_octets, AdmissionLimits{}.drafts_octets);
  EXPECT_EQ(large.waiting_octets, AdmissionLimits{}.waiting_octets);
  EXPECT_GE(large.waiting_octets / large.session_octets, large.connections);
}

}  // namespace
}  // namespace goniec
