// What DNS says of a key that waits to be published.
#include "duties/key_watch.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(KeyWatch, only_the_key_itself_at_its_place_makes_it_active) {
  SigningKey key;
  key.algorithm = KeyAlgorithm::ed25519;
  key.domain = *Domain::parse("example.pl");
  key.selector = "s";
  key.public_data = PrivateKey::generate(KeyAlgorithm::ed25519)->public_data();
  const auto problem = [&](DnsStatus status, std::vector<DnsRecord> records) {
    DnsAnswer answer;
    answer.status = status;
    answer.records = std::move(records);
    return publication_problem(key, answer);
  };
  const std::string other = key_record_text(
      KeyAlgorithm::ed25519, PrivateKey::generate(KeyAlgorithm::ed25519)->public_data());
  EXPECT_EQ(problem(DnsStatus::found, {key.record()}), "");
  EXPECT_EQ(problem(DnsStatus::found,
                    {other, "v=DKIM1;k=ed25519 ; t=y; p=" + to_base64(key.public_data)}),
            "");
  EXPECT_EQ(problem(DnsStatus::found, {other}), "the record is another one");
  EXPECT_EQ(problem(DnsStatus::found, {"v=DKIM1; p=" + to_base64(key.public_data)}),
            "the record is another one");  // said to be RSA
  EXPECT_EQ(problem(DnsStatus::no_such_domain, {}), "there is no record");
  EXPECT_TRUE(problem(DnsStatus::temporary, {}).starts_with("DNS cannot tell"));
  EXPECT_TRUE(problem(DnsStatus::bogus, {}).starts_with("DNS cannot tell"));
}

}  // namespace
}  // namespace goniec
