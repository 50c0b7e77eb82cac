// Who is signed for, and that what was signed verifies: on the loop, and by way of the pool.
#include "intake/sign.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "trust/dkim.h"

namespace goniec {
namespace {

class Sign : public testing::Test {
 protected:
  Sign() {
    auto reader = house_.store->reader();
    CHECK(reader && keys_.open(house_.committer, **reader));
    for (const KeyAlgorithm algorithm : {KeyAlgorithm::rsa, KeyAlgorithm::ed25519}) {
      SigningKey key;
      key.domain = *Domain::parse("example.pl");
      key.selector = name_of(algorithm);
      key.state = SigningKeyState::active;
      key.key = std::make_shared<const PrivateKey>(*PrivateKey::generate(algorithm));
      CHECK(house_.wait(keys_.add(house_.shard, std::move(key))));
    }
  }
  MessageSigner begin(Source source, std::string_view submitter, const std::string& header) {
    return MessageSigner::begin({&keys_, &house_.offload}, source, submitter, header);
  }
  Findings published() const {  // the keys, as DNS tells them
    Findings findings;
    for (const SigningKey& key : keys_.all()) {
      DnsAnswer answer;
      answer.status = DnsStatus::found;
      answer.records.emplace_back(key.record());
      findings.learn({key.record_name(), DnsType::txt}, std::move(answer));
    }
    return findings;
  }
  int passes(const std::string& header, const std::string& body) {
    DkimVerifier verifier(header);
    verifier.add_body(body);
    verifier.end_body();
    Findings findings = published();
    int count = 0;
    const auto results = verifier.judge(findings, house_.shard.clock().now());
    for (const auto& result : *results) count += result.status == DkimStatus::pass;
    return count;
  }

  test::TestHouse house_;
  SigningKeys keys_;
};

TEST_F(Sign, what_was_submitted_is_signed_by_every_key_of_the_author) {
  const std::string header = "From: Anna <anna@mx.example.pl>\r\nSubject: a\r\n\r\n";
  MessageSigner pool = begin(Source::submission, "anna@example.pl", header);
  pool.add_body("hello ");
  pool.add_body("world\r\n");
  const SignedHeader made = house_.wait(pool.finish(house_.shard, header));
  ASSERT_EQ(made.names.size(), 2u);
  EXPECT_EQ(made.names[0], "rsa._domainkey.example.pl");
  EXPECT_EQ(passes(made.fields + header, "hello world\r\n"), 2);

  MessageSigner here = begin(Source::dsn, "", header);
  EXPECT_EQ(passes(here.finish_here(house_.shard.clock().now(), header).fields + header, ""), 2);
}

// The key of the house, and what the next server finds in the message.
TEST_F(Sign, what_an_alias_leads_out_is_sealed_by_its_domain_and_not_signed) {
  const std::string header = "From: Zoe <zoe@far.org>\r\nSubject: a\r\n\r\n";
  const SigningDoors doors{&keys_, &house_.offload};
  MessageSealer sealer = MessageSealer::begin(doors, *Domain::parse("mail.example.pl"));
  ASSERT_TRUE(sealer.seals());
  sealer.add_body("hello\r\n");
  const SignedHeader made = house_.wait(
      sealer.finish(house_.shard, header, {ArcStatus::none, "mx.example.pl; spf=pass"}));
  ASSERT_EQ(made.names, std::vector<std::string>{"rsa._domainkey.example.pl"});
  EXPECT_EQ(made.fields.find("DKIM-Signature"), std::string::npos);

  ArcVerifier verifier(made.fields + header);
  verifier.add_body("hello\r\n");
  verifier.end_body();
  Findings findings = published();
  const auto result = verifier.judge(findings, house_.shard.clock().now());
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->status, ArcStatus::pass) << result->reason;
  EXPECT_EQ(result->sets.at(0).domain.ascii(), "example.pl");
  EXPECT_EQ(result->sets.at(0).results, "mx.example.pl; spf=pass");

  EXPECT_FALSE(MessageSealer::begin(doors, *Domain::parse("other.org")).seals());
  EXPECT_FALSE(MessageSealer::begin(doors, Domain()).seals());
  EXPECT_FALSE(MessageSealer::begin({}, *Domain::parse("example.pl")).seals());
  MessageSealer none;
  EXPECT_EQ(house_.wait(none.finish(house_.shard, header, {})).fields, "");
}

TEST_F(Sign, strangers_and_domains_without_keys_are_not_signed_for) {
  const std::string ours = "From: anna@example.pl\r\n\r\n";
  EXPECT_TRUE(begin(Source::smtp, "anna@example.pl", ours).signs());
  EXPECT_FALSE(begin(Source::smtp, "", ours).signs());
  EXPECT_FALSE(begin(Source::lmtp, "", ours).signs());
  EXPECT_FALSE(begin(Source::submission, "a", "From: b@other.org\r\n\r\n").signs());
  EXPECT_FALSE(begin(Source::submission, "a", "From: broken\r\n\r\n").signs());
  EXPECT_FALSE(begin(Source::submission, "a", "Subject: no author\r\n\r\n").signs());
  EXPECT_FALSE(MessageSigner::begin({}, Source::submission, "a", ours).signs());
  MessageSigner none;
  EXPECT_EQ(house_.wait(none.finish(house_.shard, ours)).fields, "");
}

}  // namespace
}  // namespace goniec
