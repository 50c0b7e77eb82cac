// A stranger's message through Checks, over a false DNS: what a private caller is spared, and how
// long a silent DNS may hold a message.
#include "inbound/checks.h"

#include <gtest/gtest.h>

#include "sim/world.h"

namespace goniec {
namespace {

using namespace std::chrono_literals;

struct Desk {
  SimLoop loop{1};
  Metrics metrics;
  DnsSilence silence;
  std::vector<std::string> told;  // rules of what is reported on
  CheckOptions options{.check = true, .hostname = "mx.example", .policy = {}};

  struct Got {
    ArrivalResult result;
    Duration took;
  };
  Got bring(Resolver& resolver, std::string_view client, std::string helo, std::string_view sender,
            std::string_view author) {
    return loop.run(session(resolver, *IpAddress::parse(client), std::move(helo),
                            std::string(sender), std::string(author)));
  }

 private:
  Task<Got> session(Resolver& resolver, IpAddress client, std::string helo, std::string sender,
                    std::string author) {
    Checks checks(CheckParts{loop, resolver, metrics,
                             [this](const JudgedMessage& message) {
                               told.push_back(message.verdict.verdict.rule);
                             },
                             silence},
                  std::make_shared<CheckOptions>(options), client);
    checks.begin(std::move(helo), sender.empty() ? Address() : *Address::parse(sender));
    checks.header("From: <" + author + ">\r\n\r\n");
    checks.body("text\r\n");
    const Moment ended = loop.clock().moment();
    Got got{co_await checks.finish(), {}};
    got.took = std::chrono::duration_cast<Duration>(loop.clock().moment() - ended);
    co_await checks.settled();
    co_return got;
  }
};

void add_sender(SimResolver& resolver) {
  resolver.add("reject.example", DnsType::txt, std::string("v=spf1 ip4:192.0.2.1 -all"));
  resolver.add("_dmarc.reject.example", DnsType::txt, std::string("v=DMARC1; p=reject"));
}

TEST(Checks, APrivateCallerIsJudgedAndNothingComesOfItUnlessItIsSaid) {
  Desk desk;
  SimResolver resolver(desk.loop);
  add_sender(resolver);
  const auto seen =
      desk.bring(resolver, "127.0.0.1", "client", "a@reject.example", "a@reject.example");
  EXPECT_FALSE(seen.result.refusal);
  EXPECT_EQ(seen.result.rule, "private.observed");
  EXPECT_NE(seen.result.results.find("spf=fail"), std::string::npos) << seen.result.results;
  EXPECT_NE(seen.result.results.find("dmarc=fail (p=reject dis=none)"), std::string::npos)
      << seen.result.results;
  EXPECT_TRUE(desk.told.empty());  // whom would a report with such an address help
  desk.options.policy.private_callers = PrivateWay::apply;
  const auto refused =
      desk.bring(resolver, "127.0.0.1", "client", "a@reject.example", "a@reject.example");
  ASSERT_TRUE(refused.result.refusal);
  EXPECT_EQ(refused.result.refusal->code, 550);
  EXPECT_EQ(desk.told, std::vector<std::string>{"dmarc.reject"});
}

TEST(Checks, ASenderIsDisprovedBySpfAloneAndNeverForAPrivateCallerWhoIsOnlyObserved) {
  Desk desk;
  SimResolver resolver(desk.loop);
  resolver.add("soft.example", DnsType::txt, std::string("v=spf1 ip4:192.0.2.1 ~all"));
  const auto disproved = [&](std::string_view client) {
    return desk.bring(resolver, client, "client", "a@soft.example", "a@other.example")
        .result.sender_disproved;
  };
  EXPECT_FALSE(disproved("192.0.2.1"));
  EXPECT_TRUE(disproved("192.0.2.2"));
  // Who is only observed may be a proxy: its address disproves nobody, who is told of a failure.
  for (const char* client : {"127.0.0.1", "10.0.0.7", "fd00::1"}) EXPECT_FALSE(disproved(client));
  desk.options.policy.private_callers = PrivateWay::apply;
  EXPECT_TRUE(disproved("10.0.0.7"));
}

TEST(Checks, NoRecordOfAStrangerBringsALineIntoTheHeader) {
  Desk desk;
  const std::string evil = "\r\nX-Evil: 1\r\n\r\nbody";
  for (const std::string& dmarc : {"v=DMARC1; p=reject" + evil, "v=DMARC1; p=none; sp=" + evil,
                                   "v=DMARC1; p=none" + evil + "; np=x", "v=DMARC1" + evil}) {
    for (const std::string& spf :
         {"v=spf1 exists:" + evil, "v=spf1 exp=" + evil + " -all", "v=spf1 -all" + evil}) {
      SimResolver fresh(desk.loop);
      fresh.add("evil.example", DnsType::txt, spf);
      fresh.add("_dmarc.evil.example", DnsType::txt, dmarc);
      fresh.add("2.2.0.192.in-addr.arpa", DnsType::ptr, "evil.example" + evil);
      const auto got =
          desk.bring(fresh, "192.0.2.2", "evil.example", "a@evil.example", "a@evil.example");
      const std::string& fields = got.result.fields;
      for (auto at = fields.find("\r\n"); at != std::string::npos; at = fields.find("\r\n", at + 2))
        EXPECT_TRUE(at + 2 == fields.size() || fields[at + 2] == '\t' || fields[at + 2] == ' ' ||
                    fields.substr(at + 2).starts_with("X-Goniec-Junk"))
            << fields;
      EXPECT_EQ(got.result.results.find_first_of("\r\n"), std::string::npos) << got.result.results;
      if (got.result.refusal)
        for (const std::string& line : got.result.refusal->lines)
          EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos) << line;
      for (const StageFact& stage : got.result.stages)
        EXPECT_EQ(stage.reply.find_first_of("\r\n"), std::string::npos) << stage.reply;
    }
  }
}

TEST(Checks, SilentDnsHoldsAStrangersMailForCheckTimeAndAnObservedOneForASecondAndNotEachTime) {
  Desk desk;
  SimResolver deaf(desk.loop);
  deaf.latency = 1h;
  const auto bring = [&](std::string_view client) {
    return desk.bring(deaf, client, "client", "a@reject.example", "a@reject.example");
  };
  const auto stranger = bring("192.0.2.1");
  EXPECT_EQ(stranger.took, 10s);
  EXPECT_EQ(stranger.result.rule, "dmarc.temporary");
  const auto first = bring("127.0.0.1");
  EXPECT_LE(first.took, 1s);
  EXPECT_NE(first.result.results.find("spf=temperror"), std::string::npos) << first.result.results;
  EXPECT_NE(first.result.results.find("dmarc=temperror"), std::string::npos);
  (void)bring("127.0.0.1");
  const std::size_t asked = deaf.lookups;
  for (int more = 0; more < 100; ++more) {
    const auto next = bring("127.0.0.1");
    EXPECT_EQ(next.took, 0s);
    EXPECT_NE(next.result.results.find("dmarc=temperror"), std::string::npos);
  }
  EXPECT_EQ(deaf.lookups, asked);
  // DNS comes back: seen after the pause at the latest.
  SimResolver resolver(desk.loop);
  add_sender(resolver);
  desk.loop.run([](Loop& loop) -> Task<void> { co_await loop.sleep(6s); }(desk.loop));
  const auto back =
      desk.bring(resolver, "127.0.0.1", "client", "a@reject.example", "a@reject.example");
  EXPECT_NE(back.result.results.find("spf=fail"), std::string::npos) << back.result.results;
}

}  // namespace
}  // namespace goniec
