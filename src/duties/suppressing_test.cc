// What suppresses by itself, and what never does: bounces, notifications to our return paths,
// complaints, wishes by mail.
#include "duties/suppressing.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "intake/drafts_for_tests.h"

namespace goniec::test {
namespace {

class SuppressingTest : public testing::Test {
 protected:
  // Follows from here on until `done`.
  void follow(std::function<bool()> done) {
    SuppressingOptions options;
    options.step = std::chrono::milliseconds(1);
    options.is_dead_address = [](const Reply& reply, std::string_view, std::string_view,
                                 std::string_view) {
      return reply.enhanced == EnhancedCode{5, 1, 1};
    };
    options.read_complaint = [this](std::string_view mail) -> std::optional<Complaint> {
      const std::size_t at = mail.find("REPORTED\r\n");
      if (at == std::string_view::npos) return std::nullopt;
      return Complaint{std::string(mail.substr(at + 10)), reported_recipient, "abuse",
                       reported_mail_from, reported_ids};
    };
    options.sandbox = *Domain::parse("sandbox.test");
    Suppressing suppressing({.world = house.world.world,
                             .queue = house.queue,
                             .committer = house.base.committer,
                             .readers = house.base.readers,
                             .directory = *house.base.directory,
                             .forwarding = house.forwarding,
                             .links = house.links,
                             .suppressions = house.suppressions,
                             .metrics = house.base.metrics,
                             .log = null_log()},
                            std::move(options));
    house.base.wait(run(suppressing, house.base.shard, std::move(done)));
  }
  static Task<bool> run(Suppressing& suppressing, Loop& loop, std::function<bool()> done) {
    suppressing.start();
    Signal tick;
    const Moment until = loop.clock().moment() + std::chrono::seconds(20);
    while (!done() && loop.clock().moment() < until) {
      loop.at(loop.clock().moment() + std::chrono::milliseconds(1), [&] { tick.notify_all(); });
      co_await tick.wait();
    }
    co_await suppressing.stop();
    co_return true;
  }
  // The position before all: what happens next is seen.
  void begin() {
    ObjectPut put{{"suppressing", "position"}, "{\"sequence\":0}"};
    ASSERT_TRUE(house.base.wait(house.base.committer.put_object(house.base.shard, put)));
  }
  void record(Event event) {
    FactsRequest request;
    event.at = house.base.shard.clock().now();
    request.events.push_back(std::move(event));
    ASSERT_TRUE(house.base.wait(house.base.committer.record(house.base.shard, std::move(request))));
  }
  void fail_with(MessageId message, std::string recipient, std::string reply, std::string phase) {
    JsonWriter w;
    w.object().key("phase").text(phase).key("reply").text(reply).key("site").text("mx.wp.pl");
    w.end();
    Event event;
    event.kind = EventKind::failed;
    event.message = message;
    event.recipient = std::move(recipient);
    event.data = std::move(w).take();
    record(std::move(event));
  }
  // Also the mark that all before it was seen.
  void follow_all() {
    DraftHouse::Order last;
    const std::string mark = "last" + std::to_string(++marks) + "@wp.pl";
    last.to = {mark};
    fail_with(house.send(last).id, mark, "550 5.1.1 gone", "rcpt");
    follow([&] { return house.suppressions.may_hold("transactional", address(mark)); });
  }
  std::optional<Suppression> entry(std::string stream, std::string_view name) {
    return *house.base.wait(
        house.suppressions.find(house.base.shard, std::move(stream), address(name)));
  }
  DraftHouse::Sent send_bulk() {
    DraftHouse::Order order;
    order.options.stream = "bulk";
    return house.send(std::move(order));
  }

  DraftHouse house;
  Address reported_recipient = address("anna@wp.pl");
  std::string reported_mail_from;
  std::vector<std::string> reported_ids;
  unsigned marks = 0;
};

TEST_F(SuppressingTest, OnlyAMailboxThatIsGoneForGoodIsSuppressedInItsStream) {
  begin();
  const auto sent = send_bulk();
  fail_with(sent.id, "anna@wp.pl", "550 5.1.1 no such user", "rcpt");
  DraftHouse::Order other;
  other.to = {"full@wp.pl", "spam@wp.pl", "mail@wp.pl", "x@sandbox.test"};
  const auto second = house.send(other);
  fail_with(second.id, "full@wp.pl", "552 5.2.2 mailbox full", "rcpt");
  fail_with(second.id, "spam@wp.pl", "550 5.7.1 spam", "dot");
  fail_with(second.id, "mail@wp.pl", "550 5.1.1 bad sender", "mail");
  fail_with(second.id, "x@sandbox.test", "550 5.1.1 no such user", "rcpt");
  follow_all();
  const auto gone = entry("bulk", "anna@wp.pl");
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->reason, SuppressionReason::bad_mailbox);
  EXPECT_EQ(gone->origin, "delivery");
  const auto failed = house.events(EventKind::failed);
  EXPECT_EQ(gone->evidence, event_id_of(failed.at(0).sequence));
  EXPECT_EQ(gone->message, sent.id);
  EXPECT_FALSE(entry("transactional", "anna@wp.pl").has_value());
  EXPECT_EQ(house.suppressions.size(), 2u);  // with last@
}

TEST_F(SuppressingTest, MailOfStrangersThatFailsSuppressesNobody) {
  begin();
  house.base.add_alias("away@example.pl", {"anna@wp.pl"});
  DraftHouse::Order order;
  order.source = Source::smtp;
  order.from = "bob@onet.pl";
  order.to = {"away@example.pl"};
  fail_with(house.send(order).id, "anna@wp.pl", "550 5.1.1 no such user", "rcpt");
  follow_all();
  EXPECT_FALSE(entry("transactional", "anna@wp.pl").has_value());
}

TEST_F(SuppressingTest, ANotificationCountsAtTheReturnPathOfItsMessageAlone) {
  begin();
  const auto sent = send_bulk();
  ASSERT_EQ(house.kept.mails.size(), 1u);
  const std::string path = house.kept.mails[0].mail_from;
  const auto notification = [&](std::string to, std::string_view about) {
    DraftHouse::Order order;
    order.source = Source::smtp;
    order.from = "";
    order.to = {std::move(to)};
    order.message =
        "From: mailer-daemon@wp.pl\r\nContent-Type: multipart/report; "
        "report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nsorry\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.wp.pl\r\n\r\n"
        "Final-Recipient: rfc822; " +
        std::string(about) +
        "\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 gone\r\n--b--\r\n";
    return house.send(std::move(order)).reply.code;
  };
  EXPECT_EQ(notification("shop@example.pl", "anna@wp.pl"), 250);  // anybody can write that
  EXPECT_EQ(notification(path, "ola@wp.pl"), 250);                // not one of its recipients
  follow_all();
  EXPECT_EQ(house.suppressions.size(), 1u);
  EXPECT_EQ(notification(path, "Anna@wp.pl"), 250);
  follow([this] { return house.suppressions.may_hold("bulk", address("anna@wp.pl")); });
  const auto gone = entry("bulk", "anna@wp.pl");
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->origin, "dsn");
  EXPECT_EQ(gone->message, sent.id);
}

TEST_F(SuppressingTest, AComplaintIsBelievedByTheLinkThatOnlyTheMailHolds) {
  begin();
  const auto sent = send_bulk();
  const std::string header = house.kept.mails.at(0).header;
  DraftHouse::Order report;
  report.source = Source::smtp;
  report.from = "fbl@wp.pl";
  report.to = {"shop@example.pl"};
  const std::string begin_of_report =
      "From: fbl@wp.pl\r\nContent-Type: multipart/report; report-type=feedback-report; "
      "boundary=b\r\n\r\nREPORTED\r\n";
  std::string forged = header;
  const std::size_t at = forged.find("/u/") + 20;
  forged[at] = forged[at] == 'A' ? 'B' : 'A';
  report.message = begin_of_report + forged.substr(forged.find("List-Unsubscribe"));
  house.send(report);
  follow_all();
  EXPECT_FALSE(entry("bulk", "anna@wp.pl").has_value());
  report.message = begin_of_report + header;
  house.send(report);
  follow([this] { return house.suppressions.may_hold("bulk", address("anna@wp.pl")); });
  const auto complained = entry("bulk", "anna@wp.pl");
  ASSERT_TRUE(complained.has_value());
  EXPECT_EQ(complained->reason, SuppressionReason::complained);
  const auto events = house.events(EventKind::complained);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].message, sent.id);
  EXPECT_EQ(complained->evidence, event_id_of(events[0].sequence));
}

TEST_F(SuppressingTest, AComplaintIsFoundByReturnPathOurQueueIdAndMessageIdAndElseOnlyCounted) {
  begin();
  const auto sent = send_bulk();
  DraftHouse::Order report;
  report.source = Source::smtp;
  report.from = "fbl@wp.pl";
  report.to = {"shop@example.pl"};
  report.message =
      "From: fbl@wp.pl\r\nContent-Type: multipart/report; report-type=feedback-report; "
      "boundary=b\r\n\r\nREPORTED\r\nMessage-ID: <elsewhere@example.pl>\r\n\r\n";
  house.send(report);
  follow_all();
  EXPECT_TRUE(house.events(EventKind::complained).empty());
  EXPECT_NE(house.base.metrics.exposition().find("goniec_complaints_total{result=\"unknown\"} 1"),
            std::string::npos);
  reported_ids = {"not an id", sent.id.text()};
  reported_recipient = {};
  house.send(report);
  follow_all();
  EXPECT_TRUE(house.events(EventKind::complained).empty()) << "an id can be guessed";
  report.message.insert(report.message.size() - 2, "To: Anna <Anna@wp.pl>\r\n");
  house.send(report);
  follow([this] { return house.suppressions.may_hold("bulk", address("anna@wp.pl")); });
  ASSERT_EQ(house.events(EventKind::complained).size(), 1u);
  EXPECT_EQ(house.events(EventKind::complained)[0].message, sent.id);
  reported_ids.clear();
  report.message.resize(report.message.find("To: "));
  report.message += "\r\n";
  reported_mail_from = house.kept.mails.at(0).mail_from;
  house.send(report);
  follow([this] { return house.events(EventKind::complained).size() == 2; });
  EXPECT_EQ(house.events(EventKind::complained)[1].message, sent.id);
}

TEST_F(SuppressingTest, AWishByMailUnsubscribesTheRecipientOfTheMessage) {
  begin();
  const auto sent = send_bulk();
  DraftHouse::Order wish;
  wish.source = Source::smtp;
  wish.from = "someone@else.pl";
  wish.to = {"unsubscribe+" + house.links.tokens()->write_short(sent.id) + "@example.pl"};
  ASSERT_EQ(house.send(wish).reply.code, 250);
  follow([this] { return house.suppressions.may_hold("bulk", address("anna@wp.pl")); });
  const auto gone = entry("bulk", "anna@wp.pl");
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->reason, SuppressionReason::unsubscribed);
  EXPECT_EQ(house.events(EventKind::unsubscribed).size(), 1u);
}

}  // namespace
}  // namespace goniec::test
