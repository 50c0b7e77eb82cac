// DKIM: what is signed here verifies here, what strangers write stays inside the limits. The tables
// of cases are the vectors (tests/vectors/run dkim).
#include "trust/dkim.h"

#include <gtest/gtest.h>

#include <set>

#include "base/text.h"
#include "trust/dkim_signer.h"

namespace goniec {
namespace {

const std::string header_text =
    "From: Anna <anna@example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\n world\r\n"
    "Date: Thu, 26 Nov 2026 01:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n";
const std::string body_text = "Hello,  Bob \r\n\r\nsee you\r\n\r\n\r\n";

Instant at(std::int64_t seconds) {
  return from_microseconds(seconds * 1'000'000);
}

std::shared_ptr<const PrivateKey> key_of(KeyAlgorithm algorithm) {
  static const auto rsa = std::make_shared<PrivateKey>(*PrivateKey::generate(KeyAlgorithm::rsa));
  static const auto ed25519 =
      std::make_shared<PrivateKey>(*PrivateKey::generate(KeyAlgorithm::ed25519));
  return algorithm == KeyAlgorithm::rsa ? rsa : ed25519;
}

DkimSigning both_keys() {
  DkimSigning signing;
  signing.domain = *Domain::parse("example.com");
  signing.keys = {{"r1", key_of(KeyAlgorithm::rsa)}, {"e1", key_of(KeyAlgorithm::ed25519)}};
  return signing;
}

std::string sign(DkimSigning signing, const std::string& header, const std::string& body) {
  DkimSigner signer(std::move(signing));
  for (std::size_t place = 0; place < body.size(); place += 5)
    signer.add_body(std::string_view(body).substr(place, 5));
  std::string fields;
  for (const auto& prepared : signer.prepare(header, at(1000))) fields += complete(prepared);
  return fields;
}

void answer(Findings& findings) {
  for (const DnsQuestion& question : findings.take_missing()) {
    DnsAnswer reply;
    reply.status = DnsStatus::no_such_domain;
    for (const auto& [selector, key] :
         {std::pair("r1", key_of(KeyAlgorithm::rsa)), {"e1", key_of(KeyAlgorithm::ed25519)}}) {
      if (question.name != std::string(selector) + "._domainkey.example.com") continue;
      reply.status = DnsStatus::found;
      reply.records = {key_record_text(key->algorithm(), key->public_data())};
    }
    findings.learn(question, reply);
  }
}

std::vector<DkimResult> verify(const std::string& header, const std::string& body,
                               std::size_t* questions = nullptr) {
  DkimVerifier verifier(header);
  verifier.add_body(body);
  verifier.end_body();
  Findings findings;
  for (;;) {
    if (auto results = verifier.judge(findings, at(2000))) {
      if (questions) *questions = findings.size();
      return *results;
    }
    answer(findings);
  }
}

TEST(DkimSigner, what_is_signed_here_verifies_here_by_both_keys_and_in_each_form) {
  for (const Canonical header : {Canonical::simple, Canonical::relaxed}) {
    for (const Canonical body : {Canonical::simple, Canonical::relaxed}) {
      DkimSigning signing = both_keys();
      signing.header_form = header;
      signing.body_form = body;
      const std::string fields = sign(signing, header_text, body_text);
      const auto results = verify(fields + header_text, body_text);
      ASSERT_EQ(results.size(), 2u);
      for (const auto& result : results)
        EXPECT_EQ(result.status, DkimStatus::pass) << result.reason;
      EXPECT_EQ(results[0].algorithm, "rsa-sha256");
      EXPECT_EQ(results[1].algorithm, "ed25519-sha256");
      EXPECT_EQ(results[0].identity, "@example.com");
    }
  }
}

TEST(DkimSigner, its_field_has_short_lines_and_covers_one_more_of_each_field_than_there_is) {
  const std::string fields = sign(both_keys(), header_text, body_text);
  for (std::string_view line : split(fields, '\n')) EXPECT_LE(line.size(), 79u) << line;
  EXPECT_EQ(fields.find("l="), std::string::npos);
  for (const std::string added :
       {"From: x@example.org\r\n", "Subject: other\r\n", "Cc: c@d.example\r\n",
        "Reply-To: e@f.example\r\n", "List-Unsubscribe: <mailto:a@b>\r\n",
        "Content-Type: text/html\r\n"}) {
    for (const auto& result : verify(fields + added + header_text, body_text))
      EXPECT_EQ(result.status, DkimStatus::fail) << added;
  }
  for (const auto& result :
       verify(fields + "X-Other: 1\r\nReceived: here\r\n" + header_text, body_text))
    EXPECT_EQ(result.status, DkimStatus::pass);
}

TEST(Dkim, hundreds_of_signatures_cost_eight) {
  std::string header;
  for (int each = 0; each < 300; ++each) {
    header += "DKIM-Signature: v=1; a=rsa-sha256; d=d" + std::to_string(each) +
              ".example; s=s; h=from; bh=" + to_base64(view(sha256("\r\n"))) + "; b=AAAA\r\n";
  }
  std::size_t questions = 0;
  const auto results = verify(header + header_text, "", &questions);
  ASSERT_EQ(results.size(), 300u);
  EXPECT_EQ(questions, 8u);
  EXPECT_EQ(results[7].status, DkimStatus::permerror);
  EXPECT_EQ(results[8].status, DkimStatus::policy);
  EXPECT_NE(results[299].reason.find("first 8"), std::string::npos);
}

TEST(Dkim, signatures_with_a_short_b_are_told_apart_or_not_and_nothing_breaks) {
  const std::string bh = to_base64(view(sha256("\r\n")));
  const auto field = [&](std::string_view b) {
    return fmt::format(
        "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh={}; b={}\r\n", bh, b);
  };
  const auto results = verify(field("AA") + field("AA") + field("AAAA") + field("") +
                                  field("AAAAAAAAAAAA") + field("AAAAAAAAAABB") + header_text,
                              "");
  ASSERT_EQ(results.size(), 6u);
  EXPECT_EQ(results[0].signature, "AA");
  EXPECT_EQ(results[2].signature, "AAAA");
  EXPECT_EQ(results[3].signature, "");
  EXPECT_EQ(results[4].signature, "AAAAAAAAAAA");
  EXPECT_EQ(results[5].signature, "AAAAAAAAAAB");
}

TEST(Dkim, what_a_result_says_cannot_bring_a_line_into_a_header) {
  const auto results = verify(
      "DKIM-Signature: v=1; a=rsa\r\n sha256; d=a.example; s=s\r\n\tt; i=a\r\n b=0D=0AX: "
      "y@a.example;"
      " h=from; bh=AA; b=\r\n <x>;\r\n" +
          header_text,
      "");
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].status, DkimStatus::permerror);
  for (const std::string& text : {results[0].reason, results[0].selector, results[0].identity,
                                  results[0].algorithm, results[0].signature}) {
    EXPECT_EQ(text.find_first_of("\r\n"), std::string::npos) << text;
  }
}

TEST(Dkim, a_header_of_many_fields_and_names_is_linear) {
  std::string header, names;
  for (int each = 0; each < 900; ++each) {
    header += "X-A: " + std::string(100, 'a') + "\r\n";
    names += ":x-a";
  }
  for (int each = 0; each < 8; ++each)
    header += "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=r1; h=from" + names +
              "; bh=" + to_base64(view(sha256("\r\n"))) + "; b=AAAA\r\n";
  const auto results = verify(header + header_text, "");
  ASSERT_EQ(results.size(), 8u);
  EXPECT_EQ(results[0].status, DkimStatus::fail) << results[0].reason;
}

TEST(Dkim, octets_behind_a_length_are_counted) {
  const std::string bh = to_base64(view(sha256("ab")));
  DkimVerifier verifier("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=r1; h=from; l=2; bh=" +
                        bh + "; b=AAAA\r\n" + header_text);
  verifier.add_body("abcd\r\n");
  verifier.end_body();
  Findings findings;
  while (!verifier.judge(findings, at(0))) answer(findings);
  EXPECT_EQ(verifier.judge(findings, at(0))->front().status, DkimStatus::fail);  // b= is none
}

TEST(Dkim, a_key_that_cannot_be_looked_up_is_never_no_key) {
  for (const DnsStatus status : {DnsStatus::temporary, DnsStatus::bogus}) {
    DkimVerifier verifier(sign(both_keys(), header_text, body_text) + header_text);
    verifier.add_body(body_text);
    verifier.end_body();
    Findings findings;
    while (!verifier.judge(findings, at(0))) {
      for (const auto& question : findings.take_missing()) {
        DnsAnswer reply;
        reply.status = status;
        findings.learn(question, reply);
      }
    }
    const auto results = verifier.judge(findings, at(0));
    for (const auto& result : *results) EXPECT_EQ(result.status, DkimStatus::temperror);
  }
}

}  // namespace
}  // namespace goniec
