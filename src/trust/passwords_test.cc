// Passwords: what is right, what is wrong, and that nobody costs as much as somebody.
#include "trust/passwords.h"

#include <gtest/gtest.h>

#include <chrono>

namespace goniec {
namespace {

TEST(Passwords, are_kept_as_argon2id_with_the_promised_cost) {
  const auto hash = hash_password("correct horse");
  ASSERT_TRUE(hash.has_value());
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *hash;
  EXPECT_TRUE(is_password_hash(*hash));
  EXPECT_TRUE(verify_password(*hash, "correct horse"));
  EXPECT_FALSE(verify_password(*hash, "correct horsf"));
  EXPECT_FALSE(verify_password(*hash, ""));
  EXPECT_NE(*hash, *hash_password("correct horse")) << "the salt is new each time";
}

TEST(Passwords, of_any_octets_are_whole_passwords) {
  const std::string with_nul("a\0b", 3);
  const auto hash = hash_password(with_nul);
  ASSERT_TRUE(hash.has_value());
  EXPECT_TRUE(verify_password(*hash, with_nul));
  EXPECT_FALSE(verify_password(*hash, "a"));
}

TEST(Passwords, empty_or_endless_are_refused) {
  EXPECT_EQ(hash_password("").error().kind, ErrorKind::bad_data);
  EXPECT_EQ(hash_password(std::string(1025, 'x')).error().kind, ErrorKind::bad_data);
  EXPECT_FALSE(verify_password(*hash_password("x"), std::string(1 << 20, 'x')));
}

TEST(Passwords, of_a_broken_hash_are_false) {
  for (const char* hash : {"", "plain", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$"})
    EXPECT_FALSE(verify_password(hash, "plain")) << hash;
}

TEST(Passwords, of_nobody_cost_as_much_as_of_somebody) {
  using Steady = std::chrono::steady_clock;
  const std::string hash = *hash_password("x");
  verify_nobody("warm");
  auto fastest = [](auto&& call) {
    auto least = Steady::duration::max();
    for (int i = 0; i < 5; ++i) {
      const auto start = Steady::now();
      EXPECT_FALSE(call());
      least = std::min(least, Steady::now() - start);
    }
    return std::chrono::duration<double>(least).count();
  };
  const double somebody = fastest([&] { return verify_password(hash, "y"); });
  for (const double other : {fastest([] { return verify_nobody("y"); }),
                             fastest([] { return verify_password("", "y"); }),
                             fastest([&] { return verify_password(hash, ""); })}) {
    EXPECT_GT(other, somebody * 0.5);
    EXPECT_LT(other, somebody * 2);
  }
}

TEST(Secrets, are_never_the_same) {
  EXPECT_EQ(random_secret(32).size(), 32u);
  EXPECT_NE(random_secret(32), random_secret(32));
}

}  // namespace
}  // namespace goniec
