// Which conversation belongs to which attempt.
#include "api/attempts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace goniec {
namespace {

using std::chrono::seconds;

constexpr std::string_view host = "mx.far.pl[192.0.2.9]:25";

Event tried(Instant at, EventKind kind, std::string recipient, std::string reply, int tries) {
  Event event;
  event.kind = kind;
  event.at = at;
  event.recipient = std::move(recipient);
  JsonWriter w;
  w.object().key("site").text(host).key("reply").text(reply).key("tries").number(tries).end();
  event.data = std::move(w).take();
  return event;
}

KeptTranscript said(Instant at, std::string text) {
  return {MessageId{1}, at, std::string(host), std::move(text)};
}

std::vector<std::string> told(std::vector<Attempt> attempts,
                              const std::vector<KeptTranscript>& kept) {
  find_conversations(attempts, kept);
  std::vector<std::string> out;
  for (const auto& each : attempts)
    out.push_back(fmt::format("{}:{}", each.recipients.size(), each.said ? each.said->text : "-"));
  return out;
}

TEST(Attempts, a_neighbours_conversation_does_not_pass_for_one_that_was_dropped) {
  const Instant noon = Instant(std::chrono::sys_days(std::chrono::year(2026) / 11 / 27));
  const auto attempts = attempts_of({
      tried(noon, EventKind::deferred, "a@far.pl", "421 later", 1),
      tried(noon + seconds(60), EventKind::deferred, "a@far.pl", "450 later", 2),
      tried(noon + seconds(100), EventKind::relayed, "a@far.pl", "250 ok", 3),
  });
  ASSERT_EQ(attempts.size(), 3u);
  using Texts = std::vector<std::string>;
  const auto second = said(noon + seconds(59), "second");
  EXPECT_EQ(told(attempts, {second}), (Texts{"1:-", "1:second", "1:-"}));
  EXPECT_EQ(told(attempts, {said(noon, "first"), second, said(noon + seconds(99), "third")}),
            (Texts{"1:first", "1:second", "1:third"}));
  EXPECT_EQ(told(attempts, {said(noon + seconds(600), "another's")}), (Texts{"1:-", "1:-", "1:-"}));
}

TEST(Attempts, recipients_who_were_answered_differently_in_one_conversation_stand_together) {
  const Instant noon = Instant(std::chrono::sys_days(std::chrono::year(2026) / 11 / 27));
  const auto attempts = attempts_of({
      tried(noon, EventKind::failed, "nobody@far.pl", "550 no such user", 1),
      tried(noon, EventKind::relayed, "a@far.pl", "250 ok", 1),
      tried(noon, EventKind::relayed, "b@far.pl", "250 ok", 1),
  });
  ASSERT_EQ(attempts.size(), 2u);
  using Texts = std::vector<std::string>;
  EXPECT_EQ(told(attempts, {said(noon + seconds(1), "it")}), (Texts{"3:it"}));
  EXPECT_EQ(told(attempts, {}), (Texts{"1:-", "2:-"}));
}

}  // namespace
}  // namespace goniec
