// Logins: who gets in, what strangers learn (nothing), and who has to wait.
#include "accounts/login.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

using test::address;

const IpAddress home = *IpAddress::parse("192.0.2.1");
const IpAddress neighbour = *IpAddress::parse("192.0.2.77");
const IpAddress elsewhere = *IpAddress::parse("198.51.100.1");

class LoginTest : public testing::Test {
 protected:
  LoginTest() {
    house_.add_domain("a.pl");
    UserObject ann{.address = address("ann@a.pl"), .password_hash = *hash_password("right")};
    ann.scram = derive_scram_keys("right", "salt", 100000);
    house_.add_user(ann);
    house_.add_user({.address = address("nologin@a.pl")});
  }

  LoginAnswer log_in(std::string user, std::string password, IpAddress from = home,
                     std::string authorisation = {}) {
    return house_.wait(logins_.check_password(
        world_.world, from,
        {std::move(authorisation), std::move(user), Secret(std::move(password))}, "PLAIN"));
  }
  std::uint64_t passwords_checked() { return counting_.submitted; }

  // Counts what costs: the argon2 runs.
  struct CountingOffload final : Offload {
    explicit CountingOffload(Offload& given) : pool(given) {}
    bool submit(Work work) override {
      ++submitted;
      return !full && pool.submit(std::move(work));
    }
    Offload& pool;
    std::uint64_t submitted = 0;
    bool full = false;
  };

  test::TestHouse house_;
  CountingOffload counting_{house_.offload};
  test::TestWorld world_{house_.shard, counting_};
  LoginLimits limits_{.failures_per_address = 4, .failures_per_account = 3};
  Logins logins_{*house_.directory, limits_, house_.metrics, house_.shard.random()};
};

TEST_F(LoginTest, lets_in_who_knows_the_password) {
  const auto answer = log_in("Ann@A.pl", "right");
  ASSERT_TRUE(answer.login.has_value());
  EXPECT_EQ(answer.login->user, address("ann@a.pl"));
  EXPECT_EQ(answer.login->mechanism, "PLAIN");
  EXPECT_EQ(answer.reply.one_line(), "235 2.7.0 Authentication successful");
  EXPECT_EQ(answer.rule, "login.ok");
  EXPECT_TRUE(log_in("ann@a.pl", "right", home, "ANN@a.pl").login.has_value());
}

TEST_F(LoginTest, answers_all_who_are_wrong_alike_and_at_the_same_cost) {
  const struct {
    const char *user, *password, *authorisation;
  } cases[] = {
      {"ann@a.pl", "wrong", ""},
      {"ann@a.pl", "", ""},
      {"gone@a.pl", "right", ""},
      {"ann@b.pl", "right", ""},
      {"nologin@a.pl", "right", ""},
      {"nologin@a.pl", "", ""},
      {"ann", "right", ""},
      {"", "right", ""},
      {"ann@a.pl", "right", "bob@a.pl"},
      {"ann+x@a.pl", "right", ""},
  };
  std::uint64_t checked = 0;
  unsigned number = 0;
  for (const auto& one : cases) {
    const auto from = *IpAddress::parse("203.0.113." + std::to_string(++number));
    const auto answer = log_in(one.user, one.password, from, one.authorisation);
    EXPECT_FALSE(answer.login.has_value()) << one.user;
    EXPECT_EQ(answer.reply.one_line(), "535 5.7.8 Authentication credentials invalid") << one.user;
    EXPECT_EQ(passwords_checked(), ++checked) << one.user;
  }
}

TEST_F(LoginTest, remembers_a_success_until_the_password_changes) {
  ASSERT_TRUE(log_in("ann@a.pl", "right").login.has_value());
  ASSERT_TRUE(log_in("ANN@a.pl", "right").login.has_value());
  EXPECT_EQ(passwords_checked(), 1u);
  EXPECT_FALSE(log_in("ann@a.pl", "wrong").login.has_value());
  EXPECT_EQ(passwords_checked(), 2u);
  UserObject ann = *house_.directory->user(address("ann@a.pl"));
  ann.password_hash = *hash_password("new");
  ASSERT_TRUE(house_.wait(house_.directory->replace_user(house_.shard, ann)));
  EXPECT_FALSE(log_in("ann@a.pl", "right").login.has_value());
  EXPECT_TRUE(log_in("ann@a.pl", "new").login.has_value());
  ASSERT_TRUE(house_.wait(house_.directory->remove_user(house_.shard, ann.address)));
  EXPECT_FALSE(log_in("ann@a.pl", "new").login.has_value());
}

TEST_F(LoginTest, blocks_guesses_at_an_account_but_not_its_owner_elsewhere) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(log_in("ann@a.pl", "wrong").reply.code, 535);
  const auto blocked = log_in("ann@a.pl", "right");
  EXPECT_FALSE(blocked.login.has_value()) << "the right password is refused too";
  EXPECT_EQ(blocked.reply.code, 454);
  EXPECT_EQ(blocked.rule, "login.throttled");
  EXPECT_NE(blocked.reply.one_line().find("try again in "), std::string::npos);
  EXPECT_EQ(log_in("ann@a.pl", "right", neighbour).reply.code, 454) << "the same network";
  EXPECT_TRUE(log_in("ann@a.pl", "right", elsewhere).login.has_value());
  EXPECT_EQ(log_in("ANN@a.pl", "right").reply.code, 454) << "case is no way around";
}

TEST_F(LoginTest, blocks_an_address_that_tries_many_accounts_known_or_not) {
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(log_in("user" + std::to_string(i) + "@a.pl", "x").reply.code, 535);
  EXPECT_EQ(log_in("ann@a.pl", "right").reply.code, 454);
  EXPECT_TRUE(log_in("ann@a.pl", "right", neighbour).login.has_value());
}

TEST_F(LoginTest, says_try_later_when_the_pool_is_full) {
  counting_.full = true;
  const auto answer = log_in("ann@a.pl", "right");
  EXPECT_EQ(answer.reply.code, 454);
  EXPECT_EQ(answer.rule, "login.busy");
}

TEST_F(LoginTest, gives_nobody_scram_keys_that_look_like_somebodys) {
  const ScramKeys known = logins_.scram_keys("Ann@a.pl");
  EXPECT_EQ(known.salt, "salt");
  const ScramKeys made = logins_.scram_keys("gone@a.pl");
  EXPECT_EQ(made.salt.size(), 16u);
  EXPECT_EQ(made.iterations, known.iterations);
  EXPECT_EQ(made.stored_key.size(), known.stored_key.size());
  EXPECT_EQ(logins_.scram_keys("GONE@a.pl").salt, made.salt) << "the same each time";
  EXPECT_NE(logins_.scram_keys("other@a.pl").salt, made.salt);
  EXPECT_NE(logins_.scram_keys("nologin@a.pl").salt, made.salt);
}

TEST_F(LoginTest, counts_scram_failures_like_others) {
  Clock& clock = house_.shard.clock();
  EXPECT_EQ(logins_.scram_done(clock, home, "ann@a.pl", true).login->mechanism, "SCRAM-SHA-256");
  EXPECT_FALSE(logins_.scram_done(clock, home, "gone@a.pl", true).login.has_value());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(logins_.scram_done(clock, home, "ann@a.pl", false).reply.code, 535);
  EXPECT_EQ(logins_.scram_done(clock, home, "ann@a.pl", true).reply.code, 454);
}

TEST_F(LoginTest, limits_the_messages_of_an_hour) {
  limits_.messages_per_account_hour = 2;
  logins_.set_limits(limits_);
  Clock& clock = house_.shard.clock();
  EXPECT_FALSE(logins_.count_message(clock, address("ann@a.pl")).has_value());
  EXPECT_FALSE(logins_.count_message(clock, address("Ann@a.pl")).has_value());
  const auto refused = logins_.count_message(clock, address("ann@a.pl"));
  ASSERT_TRUE(refused.has_value());
  EXPECT_TRUE(refused->one_line().starts_with("450 4.7.1 2 messages in an hour"))
      << refused->one_line();
  EXPECT_FALSE(logins_.count_message(clock, address("bob@a.pl")).has_value());
  limits_.messages_per_account_hour = 0;
  logins_.set_limits(limits_);
  EXPECT_FALSE(logins_.count_message(clock, address("ann@a.pl")).has_value());
}

}  // namespace
}  // namespace goniec
