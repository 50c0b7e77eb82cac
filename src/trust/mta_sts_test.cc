// MTA-STS: records, policies, names of MX hosts, and how long a policy lives.
#include "trust/mta_sts.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant now = parse_rfc3339("2027-01-01T00:00:00Z").value();

TEST(MtaSts, records_have_an_id_and_nothing_broken) {
  for (const char* good : {"v=STSv1; id=20160831085700Z;", "v=STSv1;id=a", "v=STSv1 ; id=a ; x=1",
                           "v=STSv1; x-y.z=!; id=a", "v=STSv1; id=a; id=b"})
    EXPECT_TRUE(parse_mta_sts_record(good)) << good;
  EXPECT_EQ(parse_mta_sts_record("v=STSv1; id=a; id=b"), "a");
  for (const char* bad :
       {"", "v=STSv1", "v=STSv1;", "v=STSv0; id=a", "v=STSv1 id=a", "V=STSv1; id=a",
        "v=STSv1; id=", "v=STSv1; id=a-b", "v=STSv1; ID=a", "v=STSv1;; id=a", "v=STSv1; id=a; x",
        "v=STSv1; id=a; x==", "v=STSv1; id=a; _x=1",
        "v=STSv1; id=a; x=", "v=STSv1; id=123456789012345678901234567890123"})
    EXPECT_FALSE(parse_mta_sts_record(bad)) << bad;
}

DnsAnswer txt(std::vector<std::string> texts) {
  DnsAnswer answer;
  answer.status = DnsStatus::found;
  for (auto& text : texts) answer.records.emplace_back(std::move(text));
  return answer;
}

TEST(MtaSts, one_record_among_others_counts_and_two_are_none) {
  using Kind = MtaStsRecord::Kind;
  EXPECT_EQ(judge_mta_sts_record(txt({"hello", "v=STSv1; id=a"})).id, "a");
  EXPECT_EQ(judge_mta_sts_record(txt({"v=STSv1; id=a", "v=STSv1; id=b"})).kind, Kind::absent);
  EXPECT_EQ(judge_mta_sts_record(txt({"v=STSv1; id=!"})).kind, Kind::absent);
  DnsAnswer broken;
  broken.status = DnsStatus::temporary;
  EXPECT_EQ(judge_mta_sts_record(broken).kind, Kind::unknown);
  broken.status = DnsStatus::bogus;
  EXPECT_EQ(judge_mta_sts_record(broken).kind, Kind::bogus);
}

TEST(MtaSts, max_age_is_bounded_whatever_is_written) {
  const std::string head = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: ";
  EXPECT_EQ(parse_mta_sts_policy(head + "31557600")->max_age, 31557600u);
  EXPECT_EQ(parse_mta_sts_policy(head + "9999999999")->max_age, 31557600u) << "read, and cut";
  for (const char* bad : {"99999999999", "18446744073709551616", "-1", "1.5", "", "1h", "+1"})
    EXPECT_FALSE(parse_mta_sts_policy(head + bad)) << bad;
}

TEST(MtaSts, policies_are_read_by_their_grammar) {
  EXPECT_TRUE(parse_mta_sts_policy(
      "version:STSv1\r\nmode:\tenforce\r\nmx:  \t*.example.com\nmax_age: 1\nmore:ext e  ns ion"));
  for (const char* bad :
       {"version: STSv1\nmode: none\nmax_age: 1\nno colon\n", "mode: none\nmax_age: 1\n",
        "version: STSv1\nmode: none\nmax_age: 1\next:\n",
        "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: none\nmax_age: 1\n_bad: x",
        "version: STSv1\nmode: other\nmax_age: 1"})
    EXPECT_FALSE(parse_mta_sts_policy(bad)) << bad;
  const auto first = parse_mta_sts_policy(
      "version: STSv1\nmode: testing\nmode: enforce\nmx: a.example\nmax_age: 1\nmax_age: 2\n");
  EXPECT_EQ(first->mode, MtaStsMode::testing) << "a field given again is ignored";
  EXPECT_EQ(first->max_age, 1u);
}

TEST(MtaSts, an_address_in_the_list_matches_nothing_and_breaks_nothing) {
  const auto policy = parse_mta_sts_policy(
      "version: STSv1\nmode: enforce\nmx: 192.0.2.1\nmx: [IPv6:2001:db8::1]\nmx: 2001:db8::1\n"
      "mx: mail.example\nmax_age: 1\n");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->mx, std::vector<std::string>{"mail.example"});
  EXPECT_FALSE(allows_mx(*policy, "192.0.2.1"));
  EXPECT_TRUE(allows_mx(*policy, "mail.example"));
  EXPECT_TRUE(parse_mta_sts_policy("version: STSv1\nmode: enforce\nmx: 192.0.2.1\nmax_age: 1"));
}

TEST(MtaSts, a_star_is_one_label) {
  const MtaStsPolicy policy{MtaStsMode::enforce, {"*.example.com", "xn--bcher-kva.example"}, 1};
  EXPECT_TRUE(allows_mx(policy, "MAIL.Example.COM."));
  EXPECT_TRUE(allows_mx(policy, "bücher.example"));
  for (const char* host : {"example.com", "a.b.example.com", ".example.com", "xexample.com", ""})
    EXPECT_FALSE(allows_mx(policy, host)) << host;
}

TEST(MtaSts, replies_of_the_web_server_that_are_no_policy) {
  const std::string body = "version: STSv1\nmode: none\nmax_age: 1\n";
  EXPECT_TRUE(judge_mta_sts_reply({200, "Text/Plain; charset=utf-8", body}));
  EXPECT_FALSE(judge_mta_sts_reply({200, "text/html", body}));
  EXPECT_FALSE(judge_mta_sts_reply({200, "", body}));
  EXPECT_FALSE(judge_mta_sts_reply({204, "text/plain", body}));
  EXPECT_FALSE(judge_mta_sts_reply({301, "text/plain", body}));
  EXPECT_FALSE(judge_mta_sts_reply({404, "text/plain", body}));
  EXPECT_FALSE(judge_mta_sts_reply({200, "text/plain", body + "x: " + std::string(65536, 'x')}));
}

// ------------------------------------------------------------------------------------ cache
MtaStsKnown known(std::string id, Instant at, std::uint32_t max_age = 604800) {
  return MtaStsKnown{std::move(id), {MtaStsMode::enforce, {"mx.example"}, max_age}, at};
}
MtaStsRecord record(std::string id) {
  return {MtaStsRecord::Kind::found, std::move(id), {}};
}
const MtaStsRecord absent{MtaStsRecord::Kind::absent, {}, "gone"};
const MtaStsRecord unknown{MtaStsRecord::Kind::unknown, {}, "SERVFAIL"};
const MtaStsRecord bogus{MtaStsRecord::Kind::bogus, {}, "bogus"};

TEST(MtaStsCache, a_known_policy_outlives_its_record_and_its_servers) {
  const auto kept = known("a", now - hours(1));
  for (const auto& each : {absent, unknown, bogus, record("a")}) {
    const auto decision = decide_mta_sts(kept, {}, each, now);
    EXPECT_EQ(decision.step, MtaStsStep::apply);
    EXPECT_TRUE(decision.use_known);
  }
}

TEST(MtaStsCache, a_policy_ends_with_its_max_age) {
  const auto old = known("a", now - hours(24 * 7), 604800);
  EXPECT_FALSE(decide_mta_sts(old, {}, absent, now).use_known);
  EXPECT_EQ(decide_mta_sts(old, {}, record("a"), now).step, MtaStsStep::fetch);
  EXPECT_EQ(decide_mta_sts(old, {}, bogus, now).step, MtaStsStep::wait) << "cannot tell";
  EXPECT_FALSE(known("a", now + hours(48)).in_force(now)) << "from the future";
}

TEST(MtaStsCache, another_id_is_fetched_and_a_failure_keeps_the_old_policy) {
  const auto kept = known("a", now - hours(1));
  EXPECT_EQ(decide_mta_sts(kept, {}, record("b"), now).step, MtaStsStep::fetch);
  const Result<MtaStsPolicy> failed = fail(ErrorKind::bad_data, "404");
  EXPECT_EQ(after_fetch(kept, record("b"), failed, now), kept);
  const Result<MtaStsPolicy> fresh = MtaStsPolicy{MtaStsMode::none, {}, 86400};
  EXPECT_EQ(after_fetch(kept, record("b"), fresh, now), (MtaStsKnown{"b", *fresh, now}));
  EXPECT_EQ(after_fetch(known("a", now - hours(24 * 8)), record("b"), failed, now), std::nullopt);
}

TEST(MtaStsCache, a_failing_fetch_is_not_tried_again_at_once) {
  const MtaStsFailure failure{"b", now - minutes(4), "404"};
  EXPECT_EQ(decide_mta_sts({}, failure, record("b"), now).step, MtaStsStep::apply);
  EXPECT_EQ(decide_mta_sts({}, failure, record("c"), now).step, MtaStsStep::fetch);
  EXPECT_EQ(decide_mta_sts({}, failure, record("b"), now + minutes(2)).step, MtaStsStep::fetch);
  EXPECT_TRUE(decide_mta_sts(known("a", now), failure, record("b"), now).use_known);
}

TEST(MtaStsCache, a_policy_is_fetched_again_before_it_ends) {
  EXPECT_EQ(decide_mta_sts(known("a", now - hours(25)), {}, record("a"), now).step,
            MtaStsStep::apply_and_fetch);
  EXPECT_EQ(decide_mta_sts(known("a", now - seconds(400), 600), {}, record("a"), now).step,
            MtaStsStep::apply_and_fetch)
      << "at half of a short life";
}

}  // namespace
}  // namespace goniec
