// What a connection must be, who says so, and what becomes of it: every way of the table, and every
// downgrade that an attacker can try.
#include "trust/tls_requirement.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/digest.h"

namespace goniec {
namespace {

const Instant now = parse_rfc3339("2027-01-01T00:00:00Z").value();
constexpr const char* mx = "mx1.open-vectors.example";

std::string pem_of(const std::string& name) {
  std::ifstream file(GONIEC_SOURCE_DIR "/tests/data/dane/chain-" + name + ".pem");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
TlsSeen shown(const std::string& name) {
  return {TlsSeen::Kind::up, {}, certificates_of_pem(pem_of(name))};
}
const TlsSeen without_starttls{TlsSeen::Kind::not_offered, {}, {}};
const TlsSeen refused{TlsSeen::Kind::refused, "454 4.7.0 no", {}};
const TlsSeen broken{TlsSeen::Kind::broken, "bad record", {}};

DaneFinding dane_of(const std::string& digest, std::uint8_t usage = 3) {
  DaneFinding finding = judge_tlsa({DnsTlsa{usage, 0, 1, digest}});
  finding.base = mx;
  finding.names = {mx};
  return finding;
}
DaneFinding dane_of_full() {
  return dane_of(std::string(view(sha256(shown("full").chain[0]))));
}

MtaStsKnown sts(MtaStsMode mode, std::string pattern = mx) {
  return {"7", {mode, {std::move(pattern)}, 86400}, now};
}

TlsSituation situation() {
  TlsSituation made;
  made.host = mx;
  made.domain = "open-vectors.example";
  made.route_rule = "route 1";
  return made;
}

TlsJudgement judge(const TlsRequirement& need, const TlsSeen& seen) {
  const auto roots = TrustRoots::of_pem(pem_of("full"));
  return judge_tls(need, seen, roots->get(), now);
}

void expect_never_clear(const TlsRequirement& need) {
  EXPECT_FALSE(need.may_be_clear());
  for (const TlsSeen& attack : {without_starttls, refused, broken}) {
    const auto judged = judge(need, attack);
    ASSERT_TRUE(judged.refused) << need.text();
    EXPECT_NE(judged.refused->why.find(need.who), std::string::npos) << judged.refused->why;
    EXPECT_FALSE(judged.refused->permanent);
  }
}

TEST(TlsRequirement, nobody_asks_and_anything_goes) {
  const auto need = require_tls(situation());
  EXPECT_EQ(need.level, TlsLevel::opportunistic);
  EXPECT_EQ(need.key(), "");
  EXPECT_EQ(need.policy_type, "no-policy-found");
  EXPECT_FALSE(judge(need, without_starttls).refused);
  EXPECT_EQ(judge(need, without_starttls).fault, TlsFault::starttls_not_supported);
  EXPECT_FALSE(judge(need, broken).refused);
  EXPECT_EQ(judge(need, shown("self-signed")).verified, TlsProof::nothing);
}

TEST(TlsRequirement, dane_decides_alone_where_it_is_usable) {
  auto with = situation();
  with.dane = dane_of_full();
  with.mta_sts = sts(MtaStsMode::enforce, "other.example");
  auto need = require_tls(with);
  EXPECT_EQ(need.by, TlsAsker::dane);
  EXPECT_EQ(need.proof, TlsProof::dane);
  EXPECT_EQ(judge(need, shown("full")).verified, TlsProof::dane);
  expect_never_clear(need);
  with.dane = dane_of(std::string(32, 'x'));
  with.mta_sts = sts(MtaStsMode::enforce);  // which the chain satisfies
  const auto judged = judge(require_tls(with), shown("full"));
  ASSERT_TRUE(judged.refused) << "MTA-STS makes no failing DANE good";
  EXPECT_EQ(judged.fault, TlsFault::certificate_not_trusted);
}

TEST(TlsRequirement, unusable_records_ask_for_encryption_and_leave_the_rest_to_mta_sts) {
  auto with = situation();
  with.dane = dane_of("short");
  auto need = require_tls(with);
  EXPECT_EQ(need.level, TlsLevel::encrypted);
  expect_never_clear(need);
  EXPECT_FALSE(judge(need, shown("self-signed")).refused);
  EXPECT_EQ(judge(need, shown("full")).fault, TlsFault::tlsa_invalid);
  with.mta_sts = sts(MtaStsMode::enforce);
  need = require_tls(with);
  EXPECT_EQ(need.proof, TlsProof::mta_sts);
  EXPECT_TRUE(judge(need, shown("self-signed")).refused);
}

TEST(TlsRequirement, a_failed_lookup_of_tlsa_blocks_the_host) {
  auto with = situation();
  with.dane.state = DaneState::failed;
  with.dane.base = mx;
  with.mta_sts = sts(MtaStsMode::enforce);
  const auto need = require_tls(with);
  ASSERT_TRUE(need.blocked);
  EXPECT_EQ(need.blocked->fault, TlsFault::dnssec_invalid);
  EXPECT_FALSE(need.blocked->permanent);
}

TEST(TlsRequirement, mta_sts_enforce_wants_a_listed_host_and_a_certificate) {
  auto with = situation();
  with.mta_sts = sts(MtaStsMode::enforce);
  const auto need = require_tls(with);
  expect_never_clear(need);
  EXPECT_EQ(judge(need, shown("full")).verified, TlsProof::mta_sts);
  EXPECT_EQ(judge(need, shown("wrong-name")).fault, TlsFault::certificate_host_mismatch);
  EXPECT_EQ(judge(need, shown("expired")).fault, TlsFault::certificate_expired);
  EXPECT_EQ(judge(need, shown("self-signed")).fault, TlsFault::certificate_not_trusted);
  EXPECT_TRUE(judge_tls(need, shown("full"), nullptr, now).refused) << "no roots, no proof";
  with.mta_sts = sts(MtaStsMode::enforce, "other.example");
  EXPECT_TRUE(require_tls(with).blocked);
}

TEST(TlsRequirement, mta_sts_testing_only_reports) {
  auto with = situation();
  with.mta_sts = sts(MtaStsMode::testing);
  const auto need = require_tls(with);
  EXPECT_TRUE(need.may_be_clear());
  EXPECT_EQ(need.policy_type, "sts");
  EXPECT_FALSE(judge(need, shown("wrong-name")).refused);
  EXPECT_EQ(judge(need, shown("wrong-name")).fault, TlsFault::certificate_host_mismatch);
  EXPECT_FALSE(judge(need, without_starttls).refused);
  with.mta_sts = sts(MtaStsMode::testing, "other.example");
  EXPECT_FALSE(require_tls(with).blocked);
  EXPECT_EQ(judge(require_tls(with), shown("full")).fault, TlsFault::certificate_host_mismatch);
}

TEST(TlsRequirement, routes_may_ask_for_more_and_switch_off) {
  auto with = situation();
  with.route = RouteTlsWish::required;
  expect_never_clear(require_tls(with));
  EXPECT_FALSE(judge(require_tls(with), shown("self-signed")).refused);
  with.route = RouteTlsWish::none;
  with.dane = dane_of_full();
  EXPECT_EQ(require_tls(with).level, TlsLevel::none);
}

TEST(TlsRequirement, of_a_message_can_lift_what_the_domain_asks_but_not_the_route) {
  auto with = situation();
  with.dane = dane_of_full();
  with.mta_sts = sts(MtaStsMode::enforce);
  with.wish.policies_off = true;
  EXPECT_EQ(require_tls(with).level, TlsLevel::opportunistic);
  with.route = RouteTlsWish::required;
  EXPECT_EQ(require_tls(with).level, TlsLevel::encrypted);
  with.wish.requiretls = true;
  EXPECT_EQ(require_tls(with).proof, TlsProof::dane) << "REQUIRETLS wins";
}

TEST(TlsRequirement, requiretls_needs_a_way_that_can_be_trusted) {
  auto with = situation();
  with.wish.requiretls = true;
  ASSERT_TRUE(require_tls(with).blocked);
  EXPECT_TRUE(require_tls(with).blocked->permanent);
  for (auto way : {TlsSituation::Way::signed_mx, TlsSituation::Way::route}) {
    with.way = way;
    const auto need = require_tls(with);
    EXPECT_EQ(need.proof, TlsProof::pkix);
    EXPECT_EQ(judge(need, shown("full")).verified, TlsProof::pkix);
    EXPECT_TRUE(judge(need, shown("self-signed")).refused);
    EXPECT_TRUE(judge_requiretls_offer(need, mx, false)->permanent);
    EXPECT_FALSE(judge_requiretls_offer(need, mx, true));
  }
  with.way = TlsSituation::Way::mx;
  with.mta_sts = sts(MtaStsMode::enforce);
  EXPECT_EQ(require_tls(with).proof, TlsProof::mta_sts);
  with.mta_sts = sts(MtaStsMode::testing);
  EXPECT_TRUE(require_tls(with).blocked);
}

TEST(TlsRequirement, of_a_null_sender_stops_no_report) {
  Message message;
  message.sender.requiretls = true;
  EXPECT_FALSE(tls_wish_of(message).requiretls) << "RFC 8689 §5";
  message.sender.address = *Address::parse("a@example.com");
  EXPECT_TRUE(tls_wish_of(message).requiretls);
  EXPECT_FALSE(tls_wish_of(message).policies_off);
  message.tls_policies_off = true;
  EXPECT_TRUE(tls_wish_of(message).policies_off);
}

TEST(TlsRequirement, keys_are_equal_exactly_where_a_connection_may_be_shared) {
  auto a = situation(), b = situation();
  b.domain = "second.example";
  a.mta_sts = b.mta_sts = sts(MtaStsMode::enforce);
  EXPECT_EQ(require_tls(a).key(), require_tls(b).key()) << "the same host, the same proof";
  b.mta_sts.reset();
  EXPECT_NE(require_tls(a).key(), require_tls(b).key());
  b.dane = a.dane = dane_of_full();
  EXPECT_EQ(require_tls(a).key(), require_tls(b).key()) << "DANE alone decides in both";
  b.dane = dane_of(std::string(32, 'x'));
  EXPECT_NE(require_tls(a).key(), require_tls(b).key());
  b.dane = a.dane;
  b.wish.requiretls = true;
  EXPECT_NE(require_tls(a).key(), require_tls(b).key());
  a.dane = b.dane = dane_of(std::string(32, 'x'), 2);
  b.wish = {};
  b.dane.names.push_back("second.example");
  EXPECT_NE(require_tls(a).key(), require_tls(b).key()) << "an anchor is for names";
}

TEST(TlsRequirement, a_header_asks_once_and_says_no) {
  EXPECT_TRUE(asks_policies_off("From: a\r\nTLS-Required: No\r\n\r\n"));
  EXPECT_TRUE(asks_policies_off("tls-required:no\r\n"));
  for (const char* other :
       {"", "From: a\r\n\r\n", "TLS-Required: Yes\r\n", "TLS-Required:\r\n",
        "X-TLS-Required: No\r\n", "TLS-Required: No\r\nTLS-Required: No\r\n",
        "TLS-Required: No\r\n indeed\r\n", "Subject: a\r\n TLS-Required: No\r\n"})
    EXPECT_FALSE(asks_policies_off(other)) << other;
}

}  // namespace
}  // namespace goniec
