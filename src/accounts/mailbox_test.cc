// Mailboxes: held alone, read piece by piece, counted against the quota.
#include "accounts/mailbox.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

using test::address;

class MailboxTest : public testing::Test {
 protected:
  MailboxTest() {
    house_.add_domain("a.pl");
    house_.add_user({.address = ann_, .quota_octets = 1000});
    house_.add_user({.address = address("bob@a.pl")});
  }
  std::string read_all(MailboxMessage message, std::vector<std::size_t>* pieces = nullptr) {
    MailboxReading reading = mailboxes_.open(std::move(message));
    std::string whole;
    for (;;) {
      auto piece = house_.wait(reading.next(house_.shard));
      if (!piece) return "error: " + piece.error().message;
      if (piece->empty()) return whole;
      if (pieces) pieces->push_back(piece->size());
      whole += *piece;
    }
  }

  const Address ann_ = address("ann@a.pl");
  test::TestHouse house_;
  Mailboxes mailboxes_{*house_.directory, house_.committer, house_.readers};
};

TEST_F(MailboxTest, is_held_by_one_at_a_time) {
  auto first = mailboxes_.try_lock(ann_);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(mailboxes_.try_lock(address("ANN@a.pl")).has_value());
  EXPECT_TRUE(mailboxes_.try_lock(address("bob@a.pl")).has_value());
  auto moved = std::move(first);
  first.reset();
  EXPECT_FALSE(mailboxes_.try_lock(ann_).has_value()) << "moved, not given back";
  moved.reset();
  EXPECT_TRUE(mailboxes_.try_lock(ann_).has_value());
}

TEST_F(MailboxTest, gives_a_message_whole_in_bounded_pieces) {
  const std::string chunk(65536, 'x');
  const auto uid = house_.deliver(ann_, "Subject: s\r\n\r\n", {chunk, chunk, "end\r\n"});
  auto list = house_.wait(mailboxes_.list(house_.shard, address("Ann@a.pl")));
  ASSERT_TRUE(list.has_value());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().uid, uid);
  std::vector<std::size_t> pieces;
  const std::string whole = read_all(list->front(), &pieces);
  EXPECT_EQ(whole, "Delivered-To: ann@a.pl\r\nReceived: here\r\nSubject: s\r\n\r\n" + chunk +
                       chunk + "end\r\n");
  EXPECT_EQ(whole.size(), list->front().octets);
  for (const std::size_t octets : pieces) EXPECT_LE(octets, 65536u);
}

TEST_F(MailboxTest, forgets_what_was_removed_and_never_gives_its_uid_again) {
  const auto first = house_.deliver(ann_, "A: 1\r\n\r\n", {"x\r\n"});
  const auto second = house_.deliver(ann_, "A: 2\r\n\r\n", {"x\r\n"});
  ASSERT_TRUE(
      house_.wait(mailboxes_.remove(house_.shard, {address("ANN@a.pl"), "INBOX", {second}})));
  const auto third = house_.deliver(ann_, "A: 3\r\n\r\n", {});
  EXPECT_GT(third, second);
  auto list = house_.wait(mailboxes_.list(house_.shard, ann_));
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].uid, first);
  EXPECT_EQ((*list)[1].uid, third);
  EXPECT_EQ(read_all((*list)[1]), "Delivered-To: ann@a.pl\r\nReceived: here\r\nA: 3\r\n\r\n");
}

TEST_F(MailboxTest, is_full_when_its_quota_is_used) {
  const auto check = [&](const Address& mailbox, std::uint64_t octets) {
    return house_.wait(mailboxes_.check_quota(house_.shard, mailbox, octets));
  };
  EXPECT_EQ(*check(ann_, 1000), QuotaAnswer::fits);
  EXPECT_EQ(*check(ann_, 1001), QuotaAnswer::full);
  house_.deliver(ann_, "A: 1\r\n\r\n", {std::string(500, 'x')});
  const std::uint64_t used = *house_.wait(mailboxes_.octets(house_.shard, ann_));
  EXPECT_GT(used, 500u);
  EXPECT_EQ(*check(ann_, 1000 - used), QuotaAnswer::fits);
  EXPECT_EQ(*check(ann_, 1001 - used), QuotaAnswer::full);
  EXPECT_EQ(*check(address("bob@a.pl"), 1ull << 60), QuotaAnswer::fits);
  EXPECT_EQ(check(address("gone@a.pl"), 1).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace goniec
