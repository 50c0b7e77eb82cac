// DANE: which TLSA records count, where they are looked for, and which chains they match. The
// cases of tests/data/dane run through tests/vectors/run dane; here are the ways between them.
#include "trust/dane.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/digest.h"

namespace goniec {
namespace {

std::vector<std::string> chain_of(const std::string& name) {
  std::ifstream file(GONIEC_SOURCE_DIR "/tests/data/dane/chain-" + name + ".pem");
  const std::string pem{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return certificates_of_pem(pem);
}

const Instant in_2027 = parse_rfc3339("2027-01-01T00:00:00Z").value();
constexpr const char* mx = "mx1.open-vectors.example";

DnsAnswer answer(DnsStatus status, std::vector<DnsRecord> records = {}, bool secure = true) {
  DnsAnswer made;
  made.status = status;
  made.records = std::move(records);
  made.authenticated = secure;
  made.ttl_seconds = 300;
  made.why = "said so";
  return made;
}

DnsTlsa tlsa(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching, std::string data) {
  return DnsTlsa{usage, selector, matching, std::move(data)};
}
DnsTlsa digest_of(std::uint8_t usage, const std::string& der) {
  return tlsa(usage, 0, 1, std::string(view(sha256(der))));
}

DaneFinding finding_of(std::vector<DnsRecord> records) {
  DaneFinding finding = judge_tlsa(records);
  finding.base = mx;
  finding.names = {mx, "next-hop.example"};
  return finding;
}

const DnsRecord address = *IpAddress::parse("192.0.2.1");

struct Lookup {
  Findings findings;
  DaneTarget target{mx, 25, "next-hop.example", true};
  Lookup() {
    findings.learn({mx, DnsType::a}, answer(DnsStatus::found, {address}));
    findings.learn({mx, DnsType::aaaa}, answer(DnsStatus::no_data));
  }
  void tlsa_is(DnsAnswer what, const std::string& base = mx) {
    findings.learn({"_25._tcp." + base, DnsType::tlsa}, std::move(what));
  }
  DaneFinding find() { return look_up_dane(findings, target).value(); }
};

TEST(Dane, is_not_asked_for_where_the_way_or_the_address_is_not_signed) {
  Lookup by_plain_mx;
  by_plain_mx.target.secure_way = false;
  EXPECT_EQ(by_plain_mx.find().state, DaneState::does_not_apply);
  Lookup by_plain_address;
  by_plain_address.findings = Findings();
  by_plain_address.findings.learn({mx, DnsType::a}, answer(DnsStatus::found, {address}, false));
  by_plain_address.findings.learn({mx, DnsType::aaaa}, answer(DnsStatus::no_data, {}, false));
  EXPECT_EQ(by_plain_address.find().state, DaneState::does_not_apply);
  EXPECT_TRUE(by_plain_address.findings.take_missing().empty()) << "no TLSA is asked";
}

TEST(Dane, asks_addresses_first_and_then_tlsa) {
  Findings findings;
  const DaneTarget target{mx, 25, {}, true};
  EXPECT_FALSE(look_up_dane(findings, target).has_value());
  EXPECT_EQ(findings.take_missing().size(), 2u);
  findings.learn({mx, DnsType::a}, answer(DnsStatus::found, {address}));
  findings.learn({mx, DnsType::aaaa}, answer(DnsStatus::no_data));
  EXPECT_FALSE(look_up_dane(findings, target).has_value());
  const auto missing = findings.take_missing();
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].name, "_25._tcp.mx1.open-vectors.example");
}

TEST(Dane, a_failing_lookup_of_tlsa_is_no_no) {
  for (DnsStatus status : {DnsStatus::temporary, DnsStatus::bogus}) {
    Lookup lookup;
    lookup.tlsa_is(answer(status));
    EXPECT_EQ(lookup.find().state, DaneState::failed);
  }
  Lookup absent;
  absent.tlsa_is(answer(DnsStatus::no_such_domain));
  EXPECT_EQ(absent.find().state, DaneState::does_not_apply);
}

TEST(Dane, follows_a_signed_alias_and_falls_back_to_the_name_itself) {
  const std::string real = "real.example";
  const DnsTlsa record = digest_of(3, chain_of("full")[0]);
  Lookup lookup;
  lookup.findings = Findings();
  DnsAnswer aliased = answer(DnsStatus::found, {address});
  aliased.canonical_name = real;
  lookup.findings.learn({mx, DnsType::a}, aliased);
  lookup.findings.learn({mx, DnsType::aaaa}, answer(DnsStatus::no_data));
  Lookup second = lookup;
  lookup.tlsa_is(answer(DnsStatus::found, {record}), real);
  EXPECT_EQ(lookup.find().base, real);
  EXPECT_EQ(lookup.find().names, (std::vector<std::string>{real, mx, "next-hop.example"}));
  second.tlsa_is(answer(DnsStatus::no_data), real);
  second.tlsa_is(answer(DnsStatus::found, {record}));
  EXPECT_EQ(second.find().state, DaneState::usable);
  EXPECT_EQ(second.find().base, mx);
}

TEST(Dane, of_an_alias_into_an_unsigned_zone_only_the_name_itself_counts) {
  for (bool secure : {true, false}) {
    Lookup lookup;
    lookup.findings = Findings();
    DnsAnswer aliased = answer(DnsStatus::found, {address}, false);
    aliased.canonical_name = "elsewhere.example";
    lookup.findings.learn({mx, DnsType::a}, aliased);
    lookup.findings.learn({mx, DnsType::aaaa}, answer(DnsStatus::no_data, {}, false));
    lookup.findings.learn({mx, DnsType::cname},
                          answer(DnsStatus::found, {std::string("elsewhere.example")}, secure));
    lookup.tlsa_is(answer(DnsStatus::found, {digest_of(3, chain_of("full")[0])}));
    EXPECT_EQ(lookup.find().state, secure ? DaneState::usable : DaneState::does_not_apply);
  }
}

TEST(Dane, records_that_cannot_be_used_are_as_if_they_were_not_there) {
  const std::string digest(32, 'x');
  for (const DnsTlsa& record :
       {tlsa(0, 0, 1, digest), tlsa(1, 1, 1, digest), tlsa(4, 0, 1, digest),
        tlsa(255, 0, 1, digest), tlsa(3, 2, 1, digest), tlsa(3, 1, 3, digest),
        tlsa(3, 1, 1, "short"), tlsa(3, 1, 2, digest), tlsa(3, 0, 0, "no certificate"),
        tlsa(2, 1, 0, "no key"), tlsa(3, 1, 1, "")})
    EXPECT_EQ(finding_of({record}).state, DaneState::unusable) << text_of(record);
  EXPECT_EQ(finding_of({tlsa(0, 0, 1, digest), tlsa(3, 1, 1, digest)}).state, DaneState::usable);
}

TEST(Dane, of_two_digests_the_stronger_decides) {
  const auto chain = chain_of("full");
  const DaneFinding finding =
      finding_of({digest_of(3, chain[0]), tlsa(3, 0, 2, std::string(64, 'x'))});
  ASSERT_EQ(finding.records.size(), 1u);
  EXPECT_FALSE(match_dane(finding, chain, in_2027).matches);
  EXPECT_TRUE(match_dane(finding_of({digest_of(3, chain[0]), tlsa(3, 1, 2, std::string(64, 'x'))}),
                         chain, in_2027)
                  .matches)
      << "another selector is another matter";
}

TEST(Dane, an_end_entity_is_matched_whatever_its_name_and_dates) {
  for (const char* name : {"expired", "wrong-name", "self-signed", "leaf-only"}) {
    const auto chain = chain_of(name);
    const DaneVerdict verdict = match_dane(finding_of({digest_of(3, chain[0])}), chain, in_2027);
    EXPECT_TRUE(verdict.matches) << name;
    EXPECT_TRUE(verdict.record.starts_with("3 0 1 "));
  }
}

TEST(Dane, an_end_entity_record_says_nothing_of_certificates_above) {
  const auto chain = chain_of("full");
  EXPECT_FALSE(match_dane(finding_of({digest_of(3, chain[1])}), chain, in_2027).matches);
  EXPECT_FALSE(match_dane(finding_of({digest_of(2, chain[0])}), chain, in_2027).matches)
      << "and an anchor is not the first one";
}

TEST(Dane, an_anchor_needs_a_chain_and_a_name) {
  const auto full = chain_of("full");
  const auto finding = finding_of({digest_of(2, full[2])});
  EXPECT_TRUE(match_dane(finding, full, in_2027).matches);
  EXPECT_TRUE(match_dane(finding, chain_of("shuffled"), in_2027).matches);
  EXPECT_TRUE(match_dane(finding, chain_of("nexthop-name"), in_2027).matches);
  EXPECT_EQ(match_dane(finding, chain_of("expired"), in_2027).fault, ChainFault::expired);
  EXPECT_EQ(match_dane(finding, chain_of("wrong-name"), in_2027).fault, ChainFault::host_mismatch);
  EXPECT_EQ(match_dane(finding, chain_of("no-root"), in_2027).fault, ChainFault::not_trusted);
  EXPECT_TRUE(match_dane(finding_of({digest_of(2, full[1])}), chain_of("no-root"), in_2027).matches)
      << "an intermediate is an anchor too";
  // An anchor that is shown beside a chain that does not lead to it.
  auto beside = chain_of("self-signed");
  beside.push_back(full[2]);
  EXPECT_EQ(match_dane(finding, beside, in_2027).fault, ChainFault::not_trusted);
}

TEST(Dane, an_anchor_in_the_record_itself_need_not_be_sent) {
  const auto full = chain_of("full");
  EXPECT_TRUE(
      match_dane(finding_of({tlsa(2, 0, 0, full[2])}), chain_of("no-root"), in_2027).matches);
  EXPECT_TRUE(
      match_dane(finding_of({tlsa(2, 0, 0, full[1])}), chain_of("leaf-only"), in_2027).matches);
  EXPECT_FALSE(
      match_dane(finding_of({tlsa(2, 0, 0, full[2])}), chain_of("wrong-name"), in_2027).matches);
}

TEST(Dane, chains_without_end_are_refused) {
  const auto full = chain_of("full");
  const auto finding = finding_of({digest_of(3, full[0])});
  EXPECT_EQ(match_dane(finding, {}, in_2027).fault, ChainFault::unreadable);
  EXPECT_EQ(match_dane(finding, std::vector(100, full[0]), in_2027).fault, ChainFault::unreadable);
  EXPECT_EQ(match_dane(finding, {"no certificate"}, in_2027).fault, ChainFault::unreadable);
}

}  // namespace
}  // namespace goniec
