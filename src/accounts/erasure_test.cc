// What is left of a person in the event log after being erased.
#include "accounts/erasure.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

const Address jan = *Address::parse("Jan@o2.pl");
constexpr std::string_view by = "erased-1@erased.invalid";

Event event_of(EventKind kind, std::string data, std::string recipient = {}) {
  Event event;
  event.sequence = 1;
  event.kind = kind;
  event.message = MessageId{7};
  event.recipient = std::move(recipient);
  event.data = std::move(data);
  return event;
}

TEST(erasure, the_address_goes_wherever_it_stands_and_nothing_else_does) {
  struct Case {
    Event event;
    const char* recipient;
    const char* data;  // nullptr: unchanged
  };
  const Case cases[] = {
      {event_of(
           EventKind::received,
           R"({"from":"a@b.pl","subject":"Do Jana","metadata":{"n":"1"},"client":"192.0.2.1:1",)"
           R"("recipients":["jan@O2.pl","x@y.pl"],"stages":[{"recipient":"jan@o2.pl"}]})"),
       "",
       R"({"from":"a@b.pl","client":"192.0.2.1:1","recipients":["erased-1@erased.invalid","x@y.pl"],)"
       R"("stages":[{"recipient":"erased-1@erased.invalid"}]})"},
      {event_of(
           EventKind::received,
           R"({"client":"192.0.2.1:1","helo":"pc-jana","login":"jan@o2.pl","from":"jan@o2.pl"})"),
       "", R"({"from":"erased-1@erased.invalid"})"},
      {event_of(EventKind::failed,
                R"({"reply":"550 5.1.1 <jan@o2.pl>: Jan Kowalski unknown","site":"mx.o2.pl"})",
                "jan@o2.pl"),
       "erased-1@erased.invalid", R"x({"reply":"550 5.1.1 (erased)","site":"mx.o2.pl"})x"},
      {event_of(EventKind::clicked, R"({"link":"https://x","ip":"192.0.2.9","user_agent":"z"})",
                "JAN@o2.pl"),
       "erased-1@erased.invalid", R"({"link":"https://x"})"},
      {event_of(EventKind::held, R"({"reason":"asked by jan@o2.pl."})"), "",
       R"({"reason":"asked by erased-1@erased.invalid."})"},
      {event_of(EventKind::failed, R"({"reply":"550 no ajan@o2.pl, jan@o2.plus, jan@o2.pl.x"})",
                "ajan@o2.pl"),
       "", nullptr},
      {event_of(EventKind::delivered, "{}", "x@o2.pl"), "", nullptr},
      {event_of(EventKind::failed, "{\"broken jan@o2.pl", "x@y.pl"), "x@y.pl", ""},
  };
  for (const auto& [event, recipient, data] : cases) {
    const auto without = event_without(event, jan, by);
    ASSERT_EQ(without.has_value(), data != nullptr) << event.data;
    if (!without) continue;
    EXPECT_EQ(without->recipient, recipient) << event.data;
    EXPECT_EQ(without->data, data) << event.data;
    EXPECT_FALSE(event_without(*without, jan, by)) << "twice is as once";
  }
}

TEST(erasure, a_pseudonym_is_the_same_each_time_and_another_with_another_key) {
  const auto one = pseudonym_of("key", jan);
  EXPECT_EQ(one, pseudonym_of("key", *Address::parse("jan@o2.pl")));
  EXPECT_NE(one, pseudonym_of("other", jan));
  EXPECT_NE(one, pseudonym_of("key", *Address::parse("anna@o2.pl")));
  EXPECT_TRUE(Address::parse(one).has_value());
}

TEST(erasure, the_log_loses_the_address_and_says_how_often_it_stood_there) {
  test::TestHouse house;
  FactsRequest facts;
  for (int at = 0; at < 5; ++at) {
    facts.events.push_back(event_of(EventKind::delivered, "{}", at == 2 ? "jan@o2.pl" : "x@y.pl"));
  }
  ASSERT_TRUE(house.wait(house.committer.record(house.shard, std::move(facts))));
  std::vector<std::string> asked;
  ErasureParts parts{house.committer, house.readers,
                     [&asked](std::string address, std::string pseudonym,
                              bool dry) -> Task<Result<std::uint64_t>> {
                       asked.push_back(address + (dry ? " dry " : " ") + pseudonym);
                       co_return std::uint64_t{3};
                     }};
  const auto events = [&house] { return *(*house.store->reader())->events_after(0, 10); };
  auto report = house.wait(erase_person(house.shard, parts, {jan, true, true}));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->events, 1u);
  EXPECT_EQ(events()[2].recipient, "jan@o2.pl");
  report = house.wait(erase_person(house.shard, parts, {jan, false, false}));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->events, 1u);
  EXPECT_EQ(report->messages, 3u);
  EXPECT_EQ(events()[2].recipient, report->pseudonym);
  EXPECT_EQ(events()[1].recipient, "x@y.pl");
  EXPECT_EQ(house.wait(erase_person(house.shard, parts, {jan, false, false}))->events, 0u);
  EXPECT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[1], "Jan@o2.pl " + report->pseudonym);
}

}  // namespace
}  // namespace goniec
