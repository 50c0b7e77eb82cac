// The pages that links in mail lead to: what unsubscribes, what never does, and no open redirect.
#include "api/public_pages.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "api/unsubscribe_page.h"

namespace goniec::test {
namespace {

class PublicPagesTest : public testing::Test {
 protected:
  PublicPagesTest() {
    auto reader = house.store->reader();
    EXPECT_TRUE(links.open(house.committer, **reader));
    EXPECT_TRUE(suppressions.open(house.committer, house.readers, **reader));
    EXPECT_TRUE(house.wait(links.make_secret(house.shard)));
  }
  std::string word(LinkKind kind, std::string target = {}) {
    LinkToken token;
    token.kind = kind;
    token.message = MessageId{1ull << 40};
    token.stream = "bulk";
    token.address = address("anna@wp.pl");
    token.target = std::move(target);
    return *links.tokens()->write(token);
  }
  HttpReply call(std::string method, std::string target, std::string body = {},
                 std::string language = "en") {
    HttpCall made;
    made.method = std::move(method);
    made.target = std::move(target);
    made.body = std::move(body);
    made.headers = {{"accept-language", std::move(language)},
                    {"user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"}};
    made.remote.address = *IpAddress::parse("203.0.113.9");
    return house.wait(pages.answer(std::move(made)));
  }
  bool is_out() { return suppressions.may_hold("bulk", address("anna@wp.pl")); }
  std::vector<Event> events(EventKind kind) {
    auto all = *(*house.store->reader())->events_after(0, 1000);
    std::erase_if(all, [kind](const Event& event) { return event.kind != kind; });
    return all;
  }
  static std::string header(const HttpReply& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers)
      if (key == name) return value;
    return {};
  }

  // What was spawned ends on the loop after its event is in the log.
  void TearDown() override { house.wait(links.rotate(house.shard)); }

  TestHouse house;
  TestWorld world{house};
  Streams streams;
  Suppressions suppressions;
  Links links;
  PublicPages pages{{.world = world.world,
                     .committer = house.committer,
                     .readers = house.readers,
                     .streams = streams,
                     .suppressions = suppressions,
                     .links = links,
                     .metrics = house.metrics}};
};

TEST_F(PublicPagesTest, LookingAtThePageUnsubscribesNobody) {
  const std::string path = "/u/" + word(LinkKind::unsubscribe);
  const auto page = call("GET", path);
  EXPECT_EQ(page.status, 200u);
  EXPECT_NE(page.body.find("anna@wp.pl"), std::string::npos);
  EXPECT_NE(page.body.find("value=\"unsubscribe\""), std::string::npos);
  EXPECT_EQ(page.body.find("<script"), std::string::npos);
  EXPECT_EQ(call("HEAD", path).status, 200u);
  EXPECT_FALSE(is_out());
  EXPECT_NE(header(page, "Content-Security-Policy").find("default-src 'none'"), std::string::npos);
}

TEST_F(PublicPagesTest, OneClickUnsubscribesAtOnceAndWithoutARedirect) {
  const std::string path = "/u/" + word(LinkKind::unsubscribe);
  const auto done = call("POST", path, "List-Unsubscribe=One-Click");
  EXPECT_EQ(done.status, 200u);
  EXPECT_EQ(header(done, "Location"), "");
  EXPECT_TRUE(is_out());
  EXPECT_EQ(call("POST", path, "List-Unsubscribe=One-Click").status, 200u);
  EXPECT_EQ(events(EventKind::unsubscribed).size(), 1u);
  EXPECT_EQ(events(EventKind::suppression_added).size(), 1u);
  const auto entry =
      *house.wait(suppressions.find(house.shard, std::string("bulk"), address("anna@wp.pl")));
  EXPECT_EQ(entry->origin, "one_click");
}

TEST_F(PublicPagesTest, ThePageTakesItBackAndNothingElse) {
  const std::string path = "/u/" + word(LinkKind::unsubscribe);
  EXPECT_NE(call("POST", path, "action=unsubscribe").body.find("value=\"resubscribe\""),
            std::string::npos);
  EXPECT_TRUE(is_out());
  EXPECT_NE(call("POST", path, "action=resubscribe").body.find("value=\"unsubscribe\""),
            std::string::npos);
  EXPECT_FALSE(is_out());
  Suppression complained;
  complained.stream = "bulk";
  complained.address = address("anna@wp.pl");
  complained.reason = SuppressionReason::complained;
  ASSERT_TRUE(house.wait(suppressions.add(house.shard, {complained})));
  const auto page = call("POST", path, "action=resubscribe");
  EXPECT_TRUE(is_out());
  EXPECT_EQ(page.body.find("<button"), std::string::npos);
}

TEST_F(PublicPagesTest, AWordThatIsNotOursIsNotFound) {
  std::string forged = word(LinkKind::unsubscribe);
  forged[10] = forged[10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(call("POST", "/u/" + forged, "List-Unsubscribe=One-Click").status, 404u);
  EXPECT_EQ(call("POST", "/u/" + word(LinkKind::open)).status, 404u);
  EXPECT_EQ(call("GET", "/c/" + word(LinkKind::unsubscribe)).status, 404u);
  EXPECT_EQ(call("GET", "/c/aHR0cHM6Ly9ldmlsLnBs").status, 404u);
  EXPECT_FALSE(is_out());
}

TEST_F(PublicPagesTest, AClickLeadsWhereTheSenderSaidAndIsToldOnce) {
  const auto reply = call("GET", "/c/" + word(LinkKind::click, "https://example.pl/?a=1"));
  EXPECT_EQ(reply.status, 303u);
  EXPECT_EQ(header(reply, "Location"), "https://example.pl/?a=1");
  const auto image = call("GET", "/o/" + word(LinkKind::open) + ".gif");
  EXPECT_EQ(image.content_type, "image/gif");
  EXPECT_TRUE(image.body.starts_with("GIF89a"));
  EXPECT_EQ(image.body.size(), 43u);
  house.wait(links.make_secret(house.shard));  // a turn of the loop: what was spawned is committed
  while (events(EventKind::opened).empty()) house.wait(links.rotate(house.shard));
  const auto clicked = events(EventKind::clicked);
  ASSERT_EQ(clicked.size(), 1u);
  EXPECT_EQ(clicked[0].recipient, "anna@wp.pl");
  EXPECT_NE(clicked[0].data.find("\"machine\":false"), std::string::npos) << clicked[0].data;
}

TEST_F(PublicPagesTest, TheFirstOpeningOfARecipientSaysSoAndNoOther) {
  for (std::size_t times = 1; times <= 2; ++times) {
    call("GET", "/o/" + word(LinkKind::open) + ".gif");
    while (events(EventKind::opened).size() < times) house.wait(links.rotate(house.shard));
  }
  const auto opened = events(EventKind::opened);
  EXPECT_NE(opened[0].data.find("\"first\":true"), std::string::npos) << opened[0].data;
  EXPECT_EQ(opened[1].data.find("first"), std::string::npos) << opened[1].data;
}

TEST_F(PublicPagesTest, WhoReplaysALinkCannotFillTheLog) {
  const std::string path = "/u/" + word(LinkKind::unsubscribe);
  unsigned refused = 0;
  for (int i = 0; i < 120; ++i)
    refused +=
        call("POST", path, i % 2 ? "action=resubscribe" : "action=unsubscribe").status == 429u;
  EXPECT_GE(refused, 60u);
}

TEST(UnsubscribePage, SpeaksTheLanguageThatIsAskedFor) {
  const std::pair<const char*, bool> cases[] = {{"", false},
                                                {"pl", true},
                                                {"pl-PL,en;q=0.8", true},
                                                {"en,pl;q=0.9", false},
                                                {"de,pl;q=0.5", true},
                                                {"pl;q=0", false},
                                                {"en-GB;q=0.3, PL;q=0.7", true},
                                                {"*", false}};
  for (const auto& [header, polish] : cases) EXPECT_EQ(prefers_polish(header), polish) << header;
  UnsubscribePage facts{"<script>@wp.pl", "a&b", true, UnsubscribeState::subscribed};
  const std::string page = unsubscribe_page(facts);
  EXPECT_NE(page.find("lang=\"pl\""), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;@wp.pl"), std::string::npos);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
}

}  // namespace
}  // namespace goniec::test
