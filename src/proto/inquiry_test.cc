// Findings: what is asked once, and the limit of questions.
#include "proto/inquiry.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Inquiry, WhatIsMissingIsAskedOnceAndThenKnown) {
  Findings findings;
  EXPECT_EQ(findings.find("Example.PL.", DnsType::txt), nullptr);
  EXPECT_EQ(findings.find("example.pl", DnsType::txt), nullptr);
  const auto missing = findings.take_missing();
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0], (DnsQuestion{"example.pl", DnsType::txt}));
  EXPECT_TRUE(findings.take_missing().empty());
  DnsAnswer answer;
  answer.status = DnsStatus::found;
  answer.records.emplace_back(std::string("v=spf1 -all"));
  findings.learn(missing[0], answer);
  const DnsAnswer* known = findings.find("EXAMPLE.pl", DnsType::txt);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->status, DnsStatus::found);
  EXPECT_EQ(findings.find("example.pl", DnsType::mx), nullptr);
}

TEST(Inquiry, BeyondItsLimitEveryQuestionIsTemporaryAndNothingIsAsked) {
  Findings findings(2);
  EXPECT_EQ(findings.find("a.example", DnsType::a), nullptr);
  EXPECT_EQ(findings.find("b.example", DnsType::a), nullptr);
  const DnsAnswer* refused = findings.find("c.example", DnsType::a);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->status, DnsStatus::temporary);
  EXPECT_EQ(findings.take_missing().size(), 2u);
}

}  // namespace
}  // namespace goniec
