// The table for the content of a stranger: each rule by a case, first match wins.
#include "inbound/policy.h"

#include <gtest/gtest.h>

#include "intake/fixups.h"

namespace goniec {
namespace {

DmarcVerdict dmarc(DmarcResult result, std::optional<DmarcPolicy> policy = {},
                   std::string author = "example.org") {
  DmarcVerdict verdict;
  verdict.result = result;
  verdict.author = author;
  verdict.record_domain = std::move(author);
  verdict.policy = verdict.published = policy;
  verdict.policy_tag = "p";
  return verdict;
}

SpfVerdict spf(SpfResult result) {
  SpfVerdict verdict;
  verdict.result = result;
  verdict.domain = "bounce.example";
  verdict.mechanism = "-all";
  verdict.explanation = "ask us";
  return verdict;
}

struct Row {
  std::string name, rule;
  std::uint16_t code;
  bool junk;
  SpfVerdict spf;
  std::vector<DmarcVerdict> dmarc;
  TrustPolicy policy = {};
  std::string sealer = {};
  bool too_many = false, no_author = false;
};

TEST(ContentPolicy, IsATableWhoseFirstMatchWins) {
  const auto none = DmarcPolicy::none, quarantine = DmarcPolicy::quarantine,
             reject = DmarcPolicy::reject;
  using R = DmarcResult;
  const TrustPolicy observing{.dmarc = DmarcWay::observe};
  const TrustPolicy strict{.spf = SpfWay::reject, .temporary = TemporaryWay::defer};
  TrustPolicy mild;
  mild.overrides = {{{"other.example"}, DmarcWay::off, {}},
                    {{"*.org", "example.org"}, DmarcWay::observe, {}}};
  const Row rows[] = {
      {"pass", "dmarc.pass", 250, false, spf(SpfResult::pass), {dmarc(R::pass, reject)}},
      {"reject", "dmarc.reject", 550, false, spf(SpfResult::fail), {dmarc(R::fail, reject)}},
      {"quarantine",
       "dmarc.quarantine",
       250,
       true,
       spf(SpfResult::none),
       {dmarc(R::fail, quarantine)}},
      {"p=none", "dmarc.fail", 250, false, spf(SpfResult::fail), {dmarc(R::fail, none)}},
      {"no record", "dmarc.none", 250, false, spf(SpfResult::fail), {dmarc(R::none)}},
      {"nobody", "dmarc.no_author", 250, false, spf(SpfResult::none), {}, {}, {}, false, true},
      {"asked nobody", "dmarc.off", 250, false, spf(SpfResult::none), {}},
      {"too many", "dmarc.authors", 550, false, spf(SpfResult::none), {}, {}, {}, true},
      {"strictest of two",
       "dmarc.reject",
       550,
       false,
       spf(SpfResult::none),
       {dmarc(R::fail, quarantine), dmarc(R::fail, reject, "other.example")}},
      {"a pass beside",
       "dmarc.quarantine",
       250,
       true,
       spf(SpfResult::pass),
       {dmarc(R::pass, reject), dmarc(R::fail, quarantine, "other.example")}},
      {"observed",
       "dmarc.observed",
       250,
       false,
       spf(SpfResult::none),
       {dmarc(R::fail, reject)},
       observing},
      {"override",
       "dmarc.observed",
       250,
       false,
       spf(SpfResult::none),
       {dmarc(R::fail, reject)},
       mild},
      {"override of another",
       "dmarc.reject",
       550,
       false,
       spf(SpfResult::none),
       {dmarc(R::fail, reject, "third.example")},
       mild},
      {"trusted sealer",
       "dmarc.arc",
       250,
       false,
       spf(SpfResult::fail),
       {dmarc(R::fail, reject)},
       {},
       "lists.example"},
      {"unknown now",
       "dmarc.temporary",
       250,
       false,
       spf(SpfResult::temp_error),
       {dmarc(R::temp_error)}},
      {"unknown now, strict",
       "dmarc.temporary",
       451,
       false,
       spf(SpfResult::temp_error),
       {dmarc(R::temp_error)},
       strict},
      {"SPF alone", "spf.fail", 550, false, spf(SpfResult::fail), {dmarc(R::none)}, strict},
      {"SPF beside a pass",
       "dmarc.pass",
       250,
       false,
       spf(SpfResult::fail),
       {dmarc(R::pass, none)},
       strict},
      {"SPF softly", "dmarc.none", 250, false, spf(SpfResult::soft_fail), {dmarc(R::none)}, strict},
  };
  for (const Row& row : rows) {
    const ContentFacts facts{.client = *IpAddress::parse("192.0.2.1"),
                             .spf = row.spf,
                             .dmarc = row.dmarc,
                             .too_many_authors = row.too_many,
                             .no_author = row.no_author,
                             .dkim = "no signature",
                             .trusted_sealer = row.sealer};
    const auto got = judge_content(facts, row.policy);
    EXPECT_EQ(got.verdict.rule, row.rule) << row.name;
    EXPECT_EQ(got.verdict.reply.code, row.code) << row.name;
    EXPECT_EQ(got.junk, row.junk) << row.name;
  }
}

TEST(ContentPolicy, NothingComesOfAPrivateCallersMailUnlessItIsSaid) {
  struct Case {
    std::string_view client;
    PrivateWay way;
    bool looked_at;
    std::string_view rule;
    std::uint16_t code;
  };
  const auto reject = dmarc(DmarcResult::fail, DmarcPolicy::reject);
  for (const Case& each : {
           Case{"127.0.0.1", PrivateWay::observe, true, "private.observed", 250},
           Case{"10.0.0.1", PrivateWay::observe, true, "private.observed", 250},
           Case{"::1", PrivateWay::apply, true, "dmarc.reject", 550},
           Case{"192.168.7.7", PrivateWay::skip, false, "dmarc.reject", 550},
           Case{"192.0.2.1", PrivateWay::skip, true, "dmarc.reject", 550},
           Case{"192.0.2.1", PrivateWay::observe, true, "dmarc.reject", 550},
       }) {
    TrustPolicy policy;
    policy.private_callers = each.way;
    const IpAddress client = *IpAddress::parse(each.client);
    EXPECT_EQ(policy.looks_at(client), each.looked_at) << each.client;
    const ContentFacts facts{.client = client,
                             .spf = spf(SpfResult::fail),
                             .dmarc = {reject},
                             .dkim = "",
                             .trusted_sealer = {}};
    const auto got = judge_content(facts, policy);
    EXPECT_EQ(got.verdict.rule, each.rule) << each.client;
    EXPECT_EQ(got.verdict.reply.code, each.code) << each.client;
    EXPECT_EQ(got.domain, "example.org") << each.client;
  }
  ContentFacts facts{.client = *IpAddress::parse("10.0.0.1"),
                     .spf = spf(SpfResult::temp_error),
                     .dmarc = {dmarc(DmarcResult::fail, DmarcPolicy::quarantine)},
                     .dkim = "",
                     .trusted_sealer = {}};
  EXPECT_FALSE(judge_content(facts, {}).junk);
  facts.dmarc = {dmarc(DmarcResult::pass)};
  EXPECT_EQ(judge_content(facts, {}).verdict.rule, "dmarc.pass");  // said as of all others
}

TEST(ContentPolicy, ARefusalNamesTheCheckTheDomainAndTheFix) {
  const ContentFacts facts{.client = *IpAddress::parse("192.0.2.1"),
                           .spf = spf(SpfResult::fail),
                           .dmarc = {dmarc(DmarcResult::fail, DmarcPolicy::reject)},
                           .dkim = "no signature",
                           .trusted_sealer = {}};
  const auto reply = judge_content(facts, {}).verdict.reply.wire();
  for (const char* part :
       {"550 5.7.1 DMARC: example.org", "p=reject", "SPF: fail for bounce.example", "192.0.2.1",
        "DKIM: no signature", "d=example.org"})
    EXPECT_NE(reply.find(part), std::string::npos) << part << " in " << reply;
  EXPECT_LE(reply.size(), 512u);
}

TEST(Fixups, ForgedResultsAreRemovedInEverySpellingAndOthersStay) {
  const auto fixed = [](std::string field) {
    const FixupOptions options{.hostname = "mx.bücher.example"};
    return fix_header("From: a@example.org\r\n" + field + "\r\n\r\n", options).header;
  };
  for (const char* forged :
       {"Authentication-Results: mx.xn--bcher-kva.example; dmarc=pass",
        "authentication-results : MX.xn--bcher-KVA.example 1; dmarc=pass",
        "Authentication-Results:\r\n\t(a (b) \\) c) \"mx.xn--bcher-kva.example\"\r\n ; dmarc=pass",
        "AUTHENTICATION-RESULTS: mx.bücher.example.; dmarc=pass",
        "Authentication-Results: mx.xn--bcher-kva.example/1 (v); dmarc=pass",
        "Authentication-Results:mx.xn--bcher-kva.example(c)(c)\r\n\t1;none"})
    EXPECT_EQ(fixed(forged), "From: a@example.org\r\n\r\n") << forged;
  for (const char* other :
       {"Authentication-Results: mx.example; dmarc=pass",
        "Authentication-Results: mx.example (mx.xn--bcher-kva.example); dmarc=pass",
        "Authentication-Results: \"\"; x", "X-Authentication-Results: mx.xn--bcher-kva.example; x"})
    EXPECT_NE(fixed(other).find("esults"), std::string::npos) << other;
}

TEST(RecipientPolicy, AReturnAddressIsTakenForItsSenderOrRefusedWithTheReason) {
  const struct {
    SrsStatus status;
    std::uint16_t code;
    std::string rule, words;
  } rows[] = {
      {SrsStatus::good, 250, "srs.return", "Ok"},
      {SrsStatus::forged, 550, "srs.forged", "5.1.1"},
      {SrsStatus::expired, 550, "srs.expired", "expired"},
      {SrsStatus::malformed, 550, "srs.malformed", "5.1.3"},
  };
  const Address address = *Address::parse("SRS0=HASHHASH=AA=a.test=x@ours.test");
  for (const auto& row : rows) {
    // A catch-all would take it.
    const Verdict verdict = judge_recipient({.address = address,
                                             .listener = ListenerKind::mx,
                                             .kind = RecipientKind::alias,
                                             .verified = {},
                                             .srs = row.status,
                                             .store_silent = false});
    EXPECT_EQ(verdict.rule, row.rule);
    EXPECT_EQ(verdict.reply.code, row.code);
    EXPECT_NE(verdict.reply.one_line().find(row.words), std::string::npos)
        << verdict.reply.one_line();
  }
  const Verdict silent = judge_recipient({.address = address,
                                          .listener = ListenerKind::mx,
                                          .kind = RecipientKind::unknown,
                                          .verified = {},
                                          .srs = SrsStatus::good,
                                          .store_silent = true});
  EXPECT_EQ(silent.reply.code, 451);
  EXPECT_EQ(silent.rule, "srs.wait");
}

}  // namespace
}  // namespace goniec
