// Owners take turns, each in its own order; what goes back to the front comes out next; and a line
// that was emptied starts afresh.
#include "outbound/fair_line.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

std::string drain(FairLine<std::string>& line) {
  std::string all;
  while (!line.empty()) all += line.pop() + " ";
  return all;
}

TEST(FairLine, OwnersTakeTurnsEachInItsOwnOrder) {
  FairLine<std::string> line;
  for (const char* thing : {"a1", "a2", "a3", "a4"}) line.push("a", thing);
  line.push("b", "b1");
  line.push("c", "c1");
  line.push("c", "c2");
  EXPECT_EQ(line.size(), 7u);
  EXPECT_EQ(drain(line), "a1 b1 c1 a2 c2 a3 a4 ");
}

TEST(FairLine, WhatWasAtItsTurnComesNextAgain) {
  FairLine<std::string> line;
  line.push("a", "a1");
  line.push("b", "b1");
  line.push("b", "b2");
  const std::string first = line.pop();
  line.push_front("a", first);
  EXPECT_EQ(line.pop(), "a1");
  const std::string second = line.pop();
  line.push_front("b", second);
  EXPECT_EQ(drain(line), "b1 b2 ");
}

TEST(FairLine, AnEmptiedLineStartsAfresh) {
  FairLine<std::string> line;
  line.push("a", "a1");
  EXPECT_EQ(drain(line), "a1 ");
  EXPECT_TRUE(line.empty());
  line.push("a", "a2");
  line.push("b", "b1");
  EXPECT_EQ(drain(line), "a2 b1 ");
}

TEST(PriorityLine, AHigherPriorityGoesFirstAndNoneWaitsForEver) {
  PriorityLine<std::string> line;
  for (int i = 0; i < 2; ++i) line.push(MailPriority::bulk, "a", "b");
  for (int i = 0; i < 4; ++i) line.push(MailPriority::normal, "a", "n");
  for (int i = 0; i < 9; ++i) line.push(MailPriority::high, i % 2 ? "a" : "c", "h");
  std::string order;
  while (!line.empty()) order += line.pop();
  EXPECT_EQ(order, "hhhhhhhbhhnnnnb");
}

TEST(PriorityLine, WhatGoesBackIsTheFirstOfItsPriority) {
  PriorityLine<std::string> line;
  line.push(MailPriority::normal, "a", "n1");
  line.push(MailPriority::normal, "b", "n2");
  line.push_front(MailPriority::normal, "a", line.pop());
  line.push(MailPriority::high, "b", "h1");
  EXPECT_EQ(line.pop() + line.pop() + line.pop(), "h1n1n2");
  EXPECT_TRUE(line.empty());
}

}  // namespace
}  // namespace goniec
