// Driving an inquiry over a false resolver: what is asked together, and what is late.
#include "net/ask.h"

#include <gtest/gtest.h>

#include "sim/world.h"

namespace goniec {
namespace {

using namespace std::chrono_literals;

struct TwoThenOne {  // asks two names together, and a third that the first one gave
  std::optional<std::string> operator()(Findings& findings) {
    ++runs;
    const DnsAnswer* first = findings.find("one.example", DnsType::txt);
    const DnsAnswer* second = findings.find("two.example", DnsType::txt);
    if (!first || !second) return std::nullopt;
    if (first->records.empty()) return first->why;
    const DnsAnswer* third =
        findings.find(std::get<std::string>(first->records.at(0)), DnsType::txt);
    if (!third) return std::nullopt;
    return std::get<std::string>(third->records.at(0));
  }
  int runs = 0;
};

TEST(Ask, QuestionsTogetherCostOneRoundAndTheVerdictComes) {
  SimLoop loop(1);
  SimResolver resolver(loop);
  resolver.add("one.example", DnsType::txt, std::string("three.example"));
  resolver.add("two.example", DnsType::txt, std::string("no"));
  resolver.add("three.example", DnsType::txt, std::string("end"));
  Findings findings;
  TwoThenOne judge;
  const Moment began = loop.clock().moment();
  EXPECT_EQ(loop.run(ask(loop, resolver, findings, began + 5s, judge)), "end");
  EXPECT_EQ(judge.runs, 3);
  EXPECT_EQ(loop.clock().moment() - began, 2 * resolver.latency);
}

TEST(Ask, AfterTheDeadlineWhatLacksIsTemporaryAndTheVerdictComesAllTheSame) {
  SimLoop loop(1);
  SimResolver resolver(loop);
  Findings findings;
  TwoThenOne judge;
  EXPECT_EQ(loop.run(ask(loop, resolver, findings, loop.clock().moment(), judge)),
            "no DNS answer in time");
  EXPECT_EQ(resolver.lookups, 0u);
}

}  // namespace
}  // namespace goniec
