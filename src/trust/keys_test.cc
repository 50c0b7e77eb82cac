// Keys: what they make, what they refuse.
#include "trust/keys.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Keys, what_is_signed_verifies_by_the_public_key_and_nothing_else_does) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::rsa, KeyAlgorithm::ed25519}) {
    const auto made = PrivateKey::generate(algorithm);
    ASSERT_TRUE(made.has_value());
    const auto read = PrivateKey::from_pem(made->pem());
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(read->algorithm(), algorithm);
    EXPECT_EQ(read->bits(), algorithm == KeyAlgorithm::rsa ? 2048u : 256u);
    EXPECT_EQ(read->public_data(), made->public_data());
    const auto known = PublicKey::from_data(algorithm, made->public_data());
    ASSERT_TRUE(known.has_value()) << known.error().message;
    const Sha256 digest = sha256("octets");
    std::string signature = read->sign(digest);
    EXPECT_TRUE(known->verify(digest, signature));
    EXPECT_FALSE(known->verify(sha256("others"), signature));
    signature[3] = static_cast<char>(signature[3] ^ 1);
    EXPECT_FALSE(known->verify(digest, signature));
    EXPECT_FALSE(known->verify(digest, ""));
    EXPECT_FALSE(known->verify(digest, std::string(100'000, 'x')));
  }
}

TEST(Keys, what_is_no_key_is_refused) {
  EXPECT_FALSE(PrivateKey::from_pem(""));
  EXPECT_FALSE(
      PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"));
  EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::rsa, ""));
  EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::rsa, "abc"));
  EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::ed25519, std::string(31, 'x')));
  const auto ed25519 = PrivateKey::generate(KeyAlgorithm::ed25519);
  EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::rsa, ed25519->public_data()));
}

TEST(Keys, a_weak_key_is_not_made_and_octets_behind_a_key_are_not_read_over) {
  EXPECT_FALSE(PrivateKey::generate(KeyAlgorithm::rsa, 1024));
  EXPECT_FALSE(PrivateKey::generate(KeyAlgorithm::rsa, 16384));
  const auto key = PrivateKey::generate(KeyAlgorithm::rsa);
  EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::rsa, key->public_data() + "x"));
  EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::rsa, key->public_data(), {.valid_bits = 4096}));
  EXPECT_FALSE(PrivateKey::from_pem(key->pem(), {.valid_bits = 4096}));
}

TEST(Keys, an_rsa_key_cut_anywhere_or_with_a_changed_length_is_no_key_and_nothing_breaks) {
  const std::string data = PrivateKey::generate(KeyAlgorithm::rsa)->public_data();
  ASSERT_TRUE(PublicKey::from_data(KeyAlgorithm::rsa, data));
  // The RSAPublicKey alone is one too (RFC 6376 §3.6.1).
  EXPECT_TRUE(PublicKey::from_data(KeyAlgorithm::rsa, data.substr(24)));
  for (std::size_t length = 0; length < data.size(); ++length)
    EXPECT_FALSE(PublicKey::from_data(KeyAlgorithm::rsa, data.substr(0, length))) << length;
  for (std::size_t at = 0; at < 33; ++at) {
    std::string changed = data;
    changed[at] = static_cast<char>(changed[at] ^ 0x7f);
    (void)PublicKey::from_data(KeyAlgorithm::rsa, changed);
  }
}

}  // namespace
}  // namespace goniec
