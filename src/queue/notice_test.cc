// Who is told what: the table of RFC 3461 §5.2 by outcome, NOTIFY and kind of sender; and when an
// entry is tried again. Each case is a sentence; a plan that tells a forged sender about a failure
// (backscatter) fails here.
#include "queue/notice.h"

#include <gtest/gtest.h>

#include "queue/route.h"
#include "queue/schedule.h"

namespace goniec {
namespace {

struct Given {
  bool verified = true, null_sender = false, local = false, forwarded = false;
  NotifyOptions notify;
  RecipientState state = RecipientState::failed;
  Duration age = std::chrono::hours(5);
};

NoticePlan plan_of(const Given& given) {
  Message message;
  if (!given.null_sender) message.sender.address = *Address::parse("a@example.test");
  message.verified_sender = given.verified;
  const Instant now = from_microseconds(1'800'000'000'000'000);
  message.received_at = now - given.age;
  Entry entry;
  entry.local = given.local;
  if (given.forwarded) entry.sender = *Address::parse("SRS0=A=B=example.test=a@ours.test");
  entry.recipients.resize(1);
  entry.recipients[0].recipient.notify = given.notify;
  Outcome outcome;
  outcome.state = given.state;
  return plan_notices(message, entry, {outcome}, RetryPolicy{}, now);
}

NotifyOptions success() {
  NotifyOptions notify;
  notify.success = true;
  return notify;
}
NotifyOptions never() {
  NotifyOptions notify;
  notify.never = true;
  return notify;
}

TEST(Notices, AFailureIsToldToAVerifiedSender) {
  EXPECT_EQ(plan_of({}).failed.size(), 1u);
}

TEST(Notices, AFailureIsNeverToldToTheNullSender) {
  EXPECT_TRUE(plan_of({.null_sender = true}).empty());
}

TEST(Notices, AFailureIsNotToldToASenderNobodyVerified) {
  EXPECT_TRUE(plan_of({.verified = false}).empty());
}

TEST(Notices, AFailureOfWhatWasForwardedIsToldToItsSender) {
  EXPECT_EQ(plan_of({.verified = false, .forwarded = true}).failed.size(), 1u);
  EXPECT_EQ(plan_of({.verified = false, .forwarded = true, .state = RecipientState::expired})
                .failed.size(),
            1u);
  // Whom SPF disproves is not told: intake asks so by NOTIFY.
  EXPECT_TRUE(plan_of({.verified = false, .forwarded = true, .notify = never()}).empty());
  EXPECT_TRUE(plan_of({.null_sender = true, .forwarded = true}).empty());
}

TEST(Notices, NotifyNeverIsSilent) {
  EXPECT_TRUE(plan_of({.notify = never()}).empty());
}

TEST(Notices, NotifySuccessAloneAsksForNoFailure) {
  EXPECT_TRUE(plan_of({.notify = success()}).empty());
}

TEST(Notices, AMailboxDeliveryIsToldWhenAskedFor) {
  const Given given{
      .verified = false, .local = true, .notify = success(), .state = RecipientState::delivered};
  ASSERT_EQ(plan_of(given).success.size(), 1u);
  EXPECT_EQ(plan_of(given).success[0].action, DsnAction::delivered);
}

TEST(Notices, ADeliveryToAPeerWithDsnIsThePeersToTell) {
  EXPECT_TRUE(plan_of({.notify = success(), .state = RecipientState::delivered}).empty());
}

TEST(Notices, ARelayWithoutDsnIsToldAsRelayed) {
  const NoticePlan plan = plan_of({.notify = success(), .state = RecipientState::relayed});
  ASSERT_EQ(plan.success.size(), 1u);
  EXPECT_EQ(plan.success[0].action, DsnAction::relayed);
}

TEST(Notices, AnExpansionIsToldToWhoAskedForSuccessAlone) {
  Recipient list{.address = *Address::parse("all@here.test"), .notify = success()};
  Recipient quiet{.address = *Address::parse("team@here.test"), .notify = {}};
  Message message;
  message.sender.address = *Address::parse("s@a.test");
  const NoticePlan plan = plan_expanded(message, {quiet, list}, from_microseconds(0));
  ASSERT_EQ(plan.success.size(), 1u);
  EXPECT_EQ(plan.success[0].action, DsnAction::expanded);
  EXPECT_EQ(plan.success[0].recipient.recipient.address.text(), "all@here.test");
  message.sender.address = {};
  EXPECT_TRUE(plan_expanded(message, {list}, from_microseconds(0)).empty());
}

TEST(Notices, ADelayIsToldOnceAfterFourHours) {
  EXPECT_TRUE(plan_of({.state = RecipientState::queued, .age = std::chrono::hours(3)}).empty());
  const NoticePlan plan = plan_of({.state = RecipientState::queued});
  ASSERT_EQ(plan.delayed.size(), 1u);
  EXPECT_TRUE(plan.delay_notified.at(0));
}

TEST(Schedule, TheLastStepRepeatsAndJitterStaysWithinTenPercent) {
  const RetryPolicy policy;
  const Instant now = from_microseconds(0), expires = now + std::chrono::hours(1000);
  for (std::uint64_t chance : {0ull, 10000ull, 20000ull, 777777ull}) {
    const auto first = next_try(policy, 1, now, expires, chance) - now;
    EXPECT_GE(first, std::chrono::seconds(54));
    EXPECT_LE(first, std::chrono::seconds(66));
    const auto late = next_try(policy, 50, now, expires, chance) - now;
    EXPECT_GE(late, std::chrono::minutes(216));
    EXPECT_LE(late, std::chrono::minutes(264));
  }
}

TEST(Schedule, TheLastTryComesWhenTheEntryExpires) {
  const Instant now = from_microseconds(0), expires = now + std::chrono::seconds(5);
  EXPECT_EQ(next_try(RetryPolicy{}, 1, now, expires, 10000), expires);
}

TEST(Routes, TheFirstMatchWinsAndAWildcardIsNotTheApex) {
  const RouteRule sub{.domains = {"*.example.test"}, .transport = Transport::sink, .name = "one"};
  const RouteRule all{.domains = {"*"}, .transport = Transport::smtp, .name = "two"};
  const RouteTable table({sub, all}, 25);
  EXPECT_EQ(table.route(*Domain::parse("a.example.test")).rule, "one");
  EXPECT_EQ(table.route(*Domain::parse("example.test")).rule, "two");
  EXPECT_EQ(table.route(*Domain::parse("xexample.test")).rule, "two");
  EXPECT_EQ(RouteTable({}, 2525).route(*Domain::parse("x.test")).port, 2525);
}

}  // namespace
}  // namespace goniec
