// Changes are checked, durable, and seen at once; a restart reads the same directory.
#include "accounts/directory.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

using test::address;
using test::TestHouse;

ErrorKind kind_of(const Result<void>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorKind::usage : result.error().kind;
}

TEST(DirectoryChanges, are_seen_at_once_and_after_a_restart) {
  TestHouse house;
  house.add_domain("example.pl");
  house.add_user({.address = address("Ann@example.pl"), .password_hash = "$argon2id$x"});
  house.add_alias("info@example.pl", {"ann@example.pl"});
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_TRUE(house.directory->is_local_domain(*Domain::parse("example.pl")));
    EXPECT_EQ(house.directory->resolve(address("ANN@example.pl")).kind, RecipientKind::mailbox);
    EXPECT_EQ(house.directory->resolve(address("info@example.pl")).kind, RecipientKind::alias);
    EXPECT_EQ(house.directory->user(address("ann@example.pl"))->password_hash, "$argon2id$x");
    EXPECT_EQ(house.directory->domains().size(), 1u);
    EXPECT_EQ(house.directory->users().size(), 1u);
    EXPECT_EQ(house.directory->aliases().size(), 1u);
    EXPECT_EQ(house.directory->admin(), address("postmaster@example.pl"));
    house.reopen();
  }
  Directory& directory = *house.directory;
  ASSERT_TRUE(house.wait(directory.remove_alias(house.shard, address("INFO@example.pl"))));
  ASSERT_TRUE(house.wait(directory.remove_user(house.shard, address("ann@example.pl"))));
  ASSERT_TRUE(house.wait(directory.remove_domain(house.shard, *Domain::parse("example.pl"))));
  house.reopen();
  EXPECT_EQ(house.directory->resolve(address("ann@example.pl")).kind, RecipientKind::remote);
  EXPECT_TRUE(house.directory->users().empty());
}

TEST(DirectoryChanges, that_make_no_sense_are_refused) {
  TestHouse house;
  house.add_domain("a.pl");
  house.add_user({.address = address("ann@a.pl")});
  house.add_alias("info@a.pl", {"ann@a.pl"});
  Directory& directory = *house.directory;
  Shard& loop = house.shard;
  const auto user = [&](const char* name, std::vector<std::string> send_as = {}) {
    return house.wait(
        directory.add_user(loop, {.address = address(name), .send_as = std::move(send_as)}));
  };
  const auto alias = [&](const char* name, std::vector<Address> targets) {
    return house.wait(directory.add_alias(loop, {address(name), std::move(targets)}));
  };
  EXPECT_EQ(kind_of(house.wait(directory.add_domain(loop, {.domain = *Domain::parse("A.pl")}))),
            ErrorKind::conflict);
  EXPECT_EQ(
      kind_of(house.wait(directory.add_domain(loop, {.domain = *Domain::parse("[127.0.0.1]")}))),
      ErrorKind::bad_data);
  EXPECT_EQ(kind_of(user("bob@other.pl")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(user("ANN@a.pl")), ErrorKind::conflict);
  EXPECT_EQ(kind_of(user("info@a.pl")), ErrorKind::conflict);
  EXPECT_EQ(kind_of(user("*@a.pl")), ErrorKind::bad_data);
  EXPECT_EQ(kind_of(user("bob@a.pl", {"no pattern"})), ErrorKind::bad_data);
  EXPECT_EQ(kind_of(alias("ann@a.pl", {address("x@y.pl")})), ErrorKind::conflict);
  EXPECT_EQ(kind_of(alias("info@a.pl", {address("x@y.pl")})), ErrorKind::conflict);
  EXPECT_EQ(kind_of(alias("x@y.pl", {address("ann@a.pl")})), ErrorKind::not_found);
  EXPECT_EQ(kind_of(alias("new@a.pl", {})), ErrorKind::bad_data);
  EXPECT_EQ(kind_of(alias("new@a.pl", {address("new@a.pl")})), ErrorKind::conflict);
  EXPECT_EQ(kind_of(house.wait(
                directory.replace_alias(loop, {address("info@a.pl"), {address("info@a.pl")}}))),
            ErrorKind::conflict);
  EXPECT_EQ(kind_of(house.wait(directory.replace_user(loop, {.address = address("x@a.pl")}))),
            ErrorKind::not_found);
  EXPECT_EQ(kind_of(house.wait(directory.remove_user(loop, address("x@a.pl")))),
            ErrorKind::not_found);
  EXPECT_EQ(kind_of(house.wait(directory.remove_alias(loop, address("x@a.pl")))),
            ErrorKind::not_found);
  const auto removed = house.wait(directory.remove_domain(loop, *Domain::parse("a.pl")));
  EXPECT_EQ(kind_of(removed), ErrorKind::conflict);
  EXPECT_NE(removed.error().message.find("ann@a.pl, info@a.pl"), std::string::npos);
}

Task<> add_one(Directory& directory, Loop& loop, int number, int& good, int& left) {
  const auto added = co_await directory.add_user(
      loop, {.address = address("user" + std::to_string(number % 50) + "@a.pl")});
  good += added.has_value() ? 1 : 0;
  --left;
}

Task<int> add_many(TestHouse& house) {
  int good = 0, left = 100;
  for (int number = 0; number < 100; ++number)
    spawn(add_one(*house.directory, house.shard, number, good, left));
  while (left > 0) co_await house.shard.sleep(std::chrono::milliseconds(1));
  co_return good;
}

TEST(DirectoryChanges, at_the_same_time_run_one_after_another) {
  TestHouse house;
  house.add_domain("a.pl");
  EXPECT_EQ(house.wait(add_many(house)), 50) << "each name once";
  EXPECT_EQ(house.directory->users().size(), 50u);
}

TEST(DirectoryChanges, of_a_user_keep_the_day_it_was_made) {
  TestHouse house;
  house.add_domain("a.pl");
  house.add_user({.address = address("ann@a.pl")});
  const Instant made = house.directory->user(address("ann@a.pl"))->created;
  EXPECT_NE(made, Instant{});
  ASSERT_TRUE(house.wait(house.directory->replace_user(
      house.shard, {.address = address("ann@a.pl"), .quota_octets = 5})));
  house.reopen();
  EXPECT_EQ(house.directory->user(address("ann@a.pl"))->quota_octets, 5u);
  EXPECT_EQ(house.directory->user(address("ann@a.pl"))->created, made);
}

}  // namespace
}  // namespace goniec
