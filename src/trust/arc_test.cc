// ARC: chains that are sealed here verify here; what a stranger writes ends in a reason. The tables
// of cases are the vectors (tests/vectors/run arc).
#include "trust/arc.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "proto/dns_for_tests.h"

namespace goniec {
namespace {

const std::string header_text =
    "From: Anna <anna@example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\n";
const std::string body_text = "Hello  Bob\r\n";

std::shared_ptr<const PrivateKey> key() {
  static const auto made =
      std::make_shared<PrivateKey>(*PrivateKey::generate(KeyAlgorithm::ed25519));
  return made;
}

FakeDns zone() {
  FakeDns dns;
  dns.add("s._domainkey.example.org", DnsType::txt,
          key_record_text(KeyAlgorithm::ed25519, key()->public_data()));
  return dns;
}

std::string seal(const std::string& header, ArcStatus received,
                 const std::string& body = body_text) {
  ArcSealer sealer({*Domain::parse("example.org"), {"s", key()}});
  sealer.add_body(body);
  return sealer.seal(header, received, "mx.example.org; arc=none; spf=pass",
                     from_microseconds(1'000'000'000));
}

ArcResult verify(const FakeDns& dns, const std::string& header,
                 const std::string& body = body_text) {
  ArcVerifier verifier(header);
  verifier.add_body(body);
  verifier.end_body();
  return dns.solve(
      [&](Findings& findings) { return verifier.judge(findings, from_microseconds(0)); });
}

std::string chain_of(unsigned length) {
  std::string header = header_text;
  for (unsigned each = 0; each < length; ++each)
    header = seal(header, each == 0 ? ArcStatus::none : ArcStatus::pass) + header;
  return header;
}

TEST(Arc, a_message_without_a_chain_is_none) {
  EXPECT_EQ(verify(zone(), header_text).status, ArcStatus::none);
}

TEST(Arc, chains_that_are_sealed_here_verify_here_up_to_fifty_and_then_nothing_is_added) {
  std::string header = header_text;
  for (unsigned each = 1; each <= 50; ++each) {
    header = seal(header, each == 1 ? ArcStatus::none : ArcStatus::pass) + header;
    if (each != 1 && each != 2 && each != 9 && each != 50) continue;
    const auto result = verify(zone(), header);
    ASSERT_EQ(result.status, ArcStatus::pass) << each << result.reason;
    ASSERT_EQ(result.sets.size(), each);
    EXPECT_EQ(result.sets[0].domain.ascii(), "example.org");
    EXPECT_EQ(result.sets[0].results, "mx.example.org; arc=none; spf=pass");
    EXPECT_EQ(result.oldest_pass, each <= 8 ? 0 : each - 7);  // eight are tried
  }
  EXPECT_EQ(seal(header, ArcStatus::pass), "");
}

TEST(Arc, the_oldest_instance_that_still_fits_is_told_when_the_message_was_changed_on_its_way) {
  std::string header = chain_of(2);
  const std::string changed = "a list's footer\r\n";
  header = seal(header, ArcStatus::pass, changed) + header;
  const auto result = verify(zone(), header, changed);
  EXPECT_EQ(result.status, ArcStatus::pass) << result.reason;
  EXPECT_EQ(result.oldest_pass, 3u);
  EXPECT_EQ(verify(zone(), header, "other\r\n").status, ArcStatus::fail);
}

TEST(Arc, a_failed_chain_is_sealed_as_failed_once_and_never_again) {
  const std::string header = chain_of(1);
  const std::string failed = seal(header, ArcStatus::fail) + header;
  EXPECT_NE(failed.find("cv=fail"), std::string::npos);
  EXPECT_EQ(verify(zone(), failed).status, ArcStatus::fail);
  EXPECT_EQ(seal(failed, ArcStatus::fail), "");
}

// What nobody looked at is not called none or pass: a set that is not whole, an instance that is
// none.
TEST(Arc, remains_of_a_chain_are_sealed_as_failed) {
  for (const char* remains :
       {"ARC-Authentication-Results: i=1; x; none\r\n", "ARC-Message-Signature: i=1; a=b\r\n",
        "ARC-Seal: i=0; a=rsa-sha256; cv=none; d=a.example; s=s; b=AAAA\r\n"}) {
    for (const ArcStatus received : {ArcStatus::none, ArcStatus::pass, ArcStatus::fail}) {
      if (received == ArcStatus::pass && std::string_view(remains).find("i=0") == std::string::npos)
        continue;
      const std::string made = seal(std::string(remains) + header_text, received);
      EXPECT_NE(made.find("cv=fail"), std::string::npos) << remains << name_of(received) << made;
    }
  }
}

TEST(Arc, a_key_that_cannot_be_looked_up_is_a_temporary_fail) {
  FakeDns dns;
  dns.set("s._domainkey.example.org", DnsType::txt, DnsStatus::temporary);
  const auto result = verify(dns, chain_of(1));
  EXPECT_EQ(result.status, ArcStatus::fail);
  EXPECT_TRUE(result.temporary);
}

TEST(Arc, broken_chains_ask_nothing) {
  const std::string sets[] = {
      "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.example; s=s; b=AAAA\r\n",
      "ARC-Authentication-Results: i=51; x; none\r\n",
      "ARC-Authentication-Results: i=4000000000; x; none\r\n",
      "ARC-Message-Signature: i=1; i=2; a=b\r\n",
  };
  for (const std::string& set : sets) {
    ArcVerifier verifier(set + header_text);
    EXPECT_TRUE(verifier.questions().empty());
    EXPECT_FALSE(verifier.wants_body());
    const auto result = verify(zone(), set + header_text);
    EXPECT_EQ(result.status, ArcStatus::fail) << set;
    EXPECT_NE(result.reason, "");
  }
}

}  // namespace
}  // namespace goniec
