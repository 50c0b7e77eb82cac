// Signing keys: states, what signs for whom, and that a restart finds them.
#include "accounts/signing_keys.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

class SigningKeysTest : public testing::Test {
 protected:
  SigningKeysTest() { open(keys_); }
  void open(SigningKeys& keys) {
    auto reader = house_.store->reader();
    CHECK(reader.has_value());
    const auto opened = keys.open(house_.committer, **reader);
    CHECK(opened.has_value());
  }
  Result<void> add(const std::string& domain, const std::string& selector,
                   SigningKeyState state = SigningKeyState::active) {
    SigningKey key;
    key.domain = *Domain::parse(domain);
    key.selector = selector;
    key.state = state;
    key.key = std::make_shared<const PrivateKey>(*PrivateKey::generate(KeyAlgorithm::ed25519));
    return house_.wait(keys_.add(house_.shard, std::move(key)));
  }
  Result<void> set(const std::string& domain, const std::string& selector, SigningKeyState state) {
    return house_.wait(keys_.set_state(house_.shard, *Domain::parse(domain), selector, state));
  }
  std::string signer(const std::string& author) const {
    const auto signing = keys_.signing_for(*Domain::parse(author));
    return signing ? signing->keys.at(0).selector + " " + signing->domain.ascii() : "none";
  }

  test::TestHouse house_;
  SigningKeys keys_;
};

TEST_F(SigningKeysTest, mail_is_signed_by_its_own_domain_or_the_nearest_above_and_by_no_other) {
  ASSERT_TRUE(add("example.pl", "a"));
  ASSERT_TRUE(add("news.example.pl", "b"));
  EXPECT_EQ(signer("example.pl"), "a example.pl");
  EXPECT_EQ(signer("mx.example.pl"), "a example.pl");
  EXPECT_EQ(signer("x.y.news.example.pl"), "b news.example.pl");
  EXPECT_EQ(signer("notexample.pl"), "none");
  EXPECT_EQ(signer("example.pl.other.org"), "none");
  EXPECT_EQ(signer("pl"), "none");
  EXPECT_EQ(signer("[192.0.2.1]"), "none");
}

TEST_F(SigningKeysTest, a_pending_key_signs_nothing_and_takes_over_when_it_becomes_active) {
  ASSERT_TRUE(add("example.pl", "old"));
  ASSERT_TRUE(add("example.pl", "new", SigningKeyState::pending));
  EXPECT_EQ(signer("example.pl"), "old example.pl");
  ASSERT_TRUE(set("example.pl", "new", SigningKeyState::active));
  EXPECT_EQ(signer("example.pl"), "new example.pl");
  const auto all = keys_.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state == SigningKeyState::retiring, all[0].selector == "old");

  ASSERT_TRUE(set("example.pl", "old", SigningKeyState::retired));
  EXPECT_FALSE(set("example.pl", "old", SigningKeyState::active));
  EXPECT_FALSE(set("example.pl", "none", SigningKeyState::active));
  EXPECT_FALSE(add("example.pl", "new"));  // the selector is taken

  SigningKeys again;
  open(again);
  ASSERT_EQ(again.all().size(), 2u);
  for (const SigningKey& key : again.all()) {
    EXPECT_EQ(key.key == nullptr, key.selector == "old");
    EXPECT_EQ(key.record().ends_with("p="), key.selector == "old");
  }
  EXPECT_EQ(again.signing_for(*Domain::parse("example.pl"))->keys.at(0).selector, "new");
}

}  // namespace
}  // namespace goniec
