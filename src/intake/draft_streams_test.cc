// What a stream means for mail that is submitted: who is left out, what is added, what is
// rewritten.
#include <gtest/gtest.h>

#include "intake/drafts_for_tests.h"

namespace goniec::test {
namespace {

using Order = DraftHouse::Order;

Order bulk(std::vector<std::string> to = {"anna@wp.pl"}) {
  Order order;
  order.to = std::move(to);
  order.options.stream = "bulk";
  return order;
}

std::string url_in(std::string_view header, std::string_view before) {
  const std::size_t at = header.find(before);
  if (at == std::string_view::npos) return {};
  const auto rest = header.substr(at + before.size());
  return std::string(rest.substr(0, rest.find_first_of("\">")));
}

TEST(DraftStreams, WhoIsSuppressedInTheStreamIsLeftOutAndTheOthersGetIt) {
  DraftHouse house;
  ASSERT_TRUE(house.suppress("transactional", "Anna@wp.pl", SuppressionReason::bad_mailbox));
  Order order;
  order.to = {"anna@wp.pl", "jan@onet.pl"};
  const auto sent = house.send(order);
  EXPECT_EQ(sent.reply.code, 250);
  ASSERT_EQ(sent.left_out.size(), 1u);
  EXPECT_EQ(sent.left_out[0].recipient.address.text(), "anna@wp.pl");
  ASSERT_EQ(house.kept.mails.size(), 1u);
  EXPECT_EQ(house.kept.mails[0].recipients, std::vector<std::string>{"jan@onet.pl"});
  const auto told = house.events(EventKind::suppressed);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].message, sent.id);
  EXPECT_EQ(told[0].recipient, "anna@wp.pl");
  EXPECT_NE(told[0].data.find("\"bad_mailbox\""), std::string::npos);
}

TEST(DraftStreams, AnUnsubscribeFromBulkDoesNotStopAnInvoice) {
  DraftHouse house;
  ASSERT_TRUE(house.suppress("bulk", "anna@wp.pl"));
  EXPECT_TRUE(house.send({}).left_out.empty());
  EXPECT_EQ(house.send(bulk()).left_out.size(), 1u);
  ASSERT_EQ(house.kept.mails.size(), 1u);
}

TEST(DraftStreams, AMessageThatIsLeftWithNobodyIsRecordedAndNotQueued) {
  DraftHouse house;
  ASSERT_TRUE(house.suppress("*", "anna@wp.pl", SuppressionReason::manual));
  const auto sent = house.send({});
  EXPECT_EQ(sent.reply.code, 250);
  EXPECT_TRUE(house.kept.mails.empty());
  EXPECT_EQ(house.events(EventKind::received).size(), 1u);
  EXPECT_EQ(house.events(EventKind::suppressed).size(), 1u);
  EXPECT_TRUE((*house.base.store->reader())->list({})->empty());
}

TEST(DraftStreams, APersonIsToldThatItsMailWasNotSent) {
  DraftHouse house;
  ASSERT_TRUE(house.suppress("transactional", "anna@wp.pl", SuppressionReason::bad_mailbox));
  struct Maker final : NoticeMaker {
    Task<std::vector<SpoolRequest>> make(Loop&, std::shared_ptr<const Message>, NoticePlan plan,
                                         Instant) override {
      failed += plan.failed.size();
      co_return std::vector<SpoolRequest>{};
    }
    std::size_t failed = 0;
  } maker;
  house.queue.set_notice_maker(maker);
  house.send({});
  EXPECT_EQ(maker.failed, 0u);  // a program reads the events
  Order order;
  order.source = Source::submission;
  house.send(order);
  EXPECT_EQ(maker.failed, 1u);
}

TEST(DraftStreams, MailFromStrangersAndNotificationsAreNeverSuppressed) {
  DraftHouse house;
  ASSERT_TRUE(house.suppress("*", "shop@example.pl", SuppressionReason::manual));
  Order order;
  order.source = Source::smtp;
  order.from = "";
  order.to = {"shop@example.pl"};
  house.send(order);
  EXPECT_EQ(house.kept.mails.size(), 1u);
}

TEST(DraftStreams, AnAliasLeadsToNobodyWhoIsSuppressed) {
  DraftHouse house;
  house.base.add_alias("team@example.pl", {"anna@wp.pl", "jan@onet.pl"});
  ASSERT_TRUE(house.suppress("transactional", "anna@wp.pl", SuppressionReason::complained));
  Order order;
  order.to = {"team@example.pl"};
  EXPECT_EQ(house.send(order).left_out.size(), 1u);
  ASSERT_EQ(house.kept.mails.size(), 1u);
  EXPECT_EQ(house.kept.mails[0].recipients, std::vector<std::string>{"jan@onet.pl"});
}

TEST(DraftStreams, BulkMailCarriesAWayToUnsubscribeAndAReturnPathOfItsOwn) {
  DraftHouse house;
  const auto sent = house.send(bulk());
  ASSERT_EQ(sent.reply.code, 250);
  ASSERT_EQ(house.kept.mails.size(), 1u);
  const auto& mail = house.kept.mails[0];
  EXPECT_NE(mail.header.find("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            std::string::npos);
  const std::string word = url_in(mail.header, "<https://mail.example.pl/u/");
  const auto token = house.links.tokens()->read(LinkKind::unsubscribe, word);
  ASSERT_TRUE(token.has_value()) << mail.header;
  EXPECT_EQ(token->message, sent.id);
  EXPECT_EQ(token->stream, "bulk");
  EXPECT_EQ(token->address.text(), "anna@wp.pl");
  const auto by_mail = Address::parse(url_in(mail.header, "<mailto:"));
  ASSERT_TRUE(by_mail.has_value());
  EXPECT_EQ(unsubscribed_message(house.links, *by_mail), sent.id);
  const auto path = Address::parse(mail.mail_from);
  ASSERT_TRUE(path.has_value());
  const auto back = house.forwarding.returned(*path, house.base.directory->resolve(*path), {},
                                              house.base.shard.clock().now());
  ASSERT_TRUE(back.has_value()) << mail.mail_from;
  EXPECT_EQ(back->message, sent.id);
}

TEST(DraftStreams, ASendersOwnUnsubscribeIsLeftAlone) {
  DraftHouse house;
  Order order = bulk({"anna@wp.pl", "jan@onet.pl"});
  order.message =
      "From: shop@example.pl\r\nList-Unsubscribe: <https://example.pl/bye>\r\n\r\nhello\r\n";
  EXPECT_EQ(house.send(order).reply.code, 250);
  EXPECT_EQ(house.kept.mails.size(), 2u);
  EXPECT_EQ(house.kept.mails[0].header.find("/u/"), std::string::npos);
}

TEST(DraftStreams, BulkMailToSeveralIsRefusedWithTheFix) {
  DraftHouse house;
  const auto sent = house.send(bulk({"anna@wp.pl", "jan@onet.pl"}));
  EXPECT_EQ(sent.reply.code, 550);
  EXPECT_EQ(sent.rule, "stream.bulk_recipients");
  EXPECT_NE(sent.reply.one_line().find("send one each"), std::string::npos);
}

TEST(DraftStreams, AStreamThatIsNotThereIsNamed) {
  DraftHouse house;
  Order order;
  order.options.stream = "newsletter";
  const auto sent = house.send(order);
  EXPECT_EQ(sent.reply.code, 550);
  EXPECT_EQ(sent.rule, "stream.unknown");
  EXPECT_NE(sent.reply.one_line().find("bulk"), std::string::npos);
}

TEST(DraftStreams, TransactionalMailGetsNothing) {
  DraftHouse house;
  house.send({});
  ASSERT_EQ(house.kept.mails.size(), 1u);
  EXPECT_EQ(house.kept.mails[0].header.find("List-"), std::string::npos);
  EXPECT_EQ(house.kept.mails[0].mail_from, "shop@example.pl");
}

TEST(DraftStreams, TrackingIsForWhoAsksAndChangesTheBodyOnce) {
  DraftHouse house;
  Order order;
  order.message =
      "From: shop@example.pl\r\nContent-Type: text/html\r\n\r\n"
      "<body><a href=\"https://example.pl/a\">x</a></body>\r\n";
  house.send(order);
  order.options.track_clicks = true;
  order.options.track_opens = true;
  const auto sent = house.send(order);
  ASSERT_EQ(house.kept.mails.size(), 2u);
  EXPECT_NE(house.kept.mails[0].body.find("\"https://example.pl/a\""), std::string::npos);
  const std::string& body = house.kept.mails[1].body;
  EXPECT_EQ(body.find("https://example.pl/a"), std::string::npos);
  const std::string word = url_in(body, "https://mail.example.pl/c/");
  const auto token = house.links.tokens()->read(LinkKind::click, word);
  ASSERT_TRUE(token.has_value()) << body;
  EXPECT_EQ(token->target, "https://example.pl/a");
  EXPECT_EQ(token->message, sent.id);
  EXPECT_NE(body.find("https://mail.example.pl/o/"), std::string::npos);
  const auto content = (*house.base.store->reader())->content(sent.id);
  ASSERT_TRUE(content.has_value());  // the checksum is of the changed body
}

TEST(DraftStreams, ABodyThatIsTooLargeForTrackingIsSentAsItIs) {
  DraftHouse house;
  Order order;
  order.options.track_opens = true;
  order.message = "From: shop@example.pl\r\nContent-Type: text/html\r\n\r\n";
  while (order.message.size() < 300'000) order.message += "<p>" + std::string(70, 'x') + "\r\n";
  const auto sent = house.send(order);
  EXPECT_EQ(sent.reply.code, 250);
  const auto received = house.events(EventKind::received);
  EXPECT_NE(received.at(0).data.find("track.too_large"), std::string::npos);
}

TEST(DraftStreams, AWishByMailIsTakenAndGoesNoFurther) {
  DraftHouse house;
  const auto sent = house.send(bulk());
  Order wish;
  wish.source = Source::smtp;
  wish.from = "anna@wp.pl";
  wish.to = {"unsubscribe+" + house.links.tokens()->write_short(sent.id) + "@example.pl"};
  const auto taken = house.send(wish);
  EXPECT_EQ(taken.reply.code, 250) << taken.reply.one_line();
  EXPECT_EQ(house.kept.mails.size(), 1u);
  wish.to = {"unsubscribe+" + std::string(29, '0') + "@example.pl"};
  house.send(wish);
  EXPECT_EQ(house.kept.mails.size(), 2u);  // no word of ours: mail like any other
}

}  // namespace
}  // namespace goniec::test
