// The count of a domain's leases follows what a group does and what is undone of it; who may lease
// what is in the contract (store_contract_test.cc).
#include "store/lease_table.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

StoredEntry entry_of(const char* domain, std::uint64_t id) {
  StoredEntry stored;
  stored.entry.id = {MessageId{id}, 0};
  stored.entry.domain = *Domain::parse(domain);
  return stored;
}

TEST(LeaseTable, CountsTheLeasesOfADomainAlsoWhenAGroupIsUndone) {
  const std::uint64_t lane = domain_lane("a.test");
  LeaseTable table(1);
  const Lease kept = table.add(entry_of("a.test", 1));
  table.add(entry_of("b.test", 2));
  table.keep_group();
  EXPECT_EQ(table.of_lane(lane), 1u);
  table.remove(kept.entry);
  table.add(entry_of("a.test", 3));
  table.add(entry_of("a.test", 4));
  EXPECT_EQ(table.of_lane(lane), 2u);
  table.undo_group();
  EXPECT_EQ(table.of_lane(lane), 1u);
  EXPECT_TRUE(table.is_leased(kept.entry));
  StoredEntry given;
  EXPECT_TRUE(table.give_back(kept, given));
  EXPECT_EQ(table.of_lane(lane), 0u);
}

}  // namespace
}  // namespace goniec
