// What suppresses by itself, and what never does: bounces, notifications to our return paths,
// complaints, wishes by mail.
#include "duties/suppressing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
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
  // A report of the server that refused these, to that return path.
  void notify(std::string to, std::initializer_list<std::string_view> refused) {
    DraftHouse::Order order;
    order.source = Source::smtp;
    order.from = "";
    order.to = {std::move(to)};
    order.message =
        "From: mailer-daemon@wp.pl\r\nContent-Type: multipart/report; "
        "report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nsorry\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.wp.pl\r\n\r\n";
    for (const std::string_view each : refused)
      order.message += "Final-Recipient: rfc822; " + std::string(each) +
                       "\r\nAction: failed\r\nStatus: 5.1.1\r\n"
                       "Diagnostic-Code: smtp; 550 5.1.1 gone\r\n\r\n";
    order.message += "--b--\r\n";
    ASSERT_EQ(house.send(std::move(order)).reply.code, 250);
  }
  // A mail to two, and the notification that neither is there.
  DraftHouse::Sent send_to_two_who_are_gone() {
    DraftHouse::Order order;
    order.to = {"anna@wp.pl", "ola@wp.pl"};
    order.options.stream = "bulk";  // has return paths
    order.message =
        "From: shop@example.pl\r\nList-Unsubscribe: <https://example.pl/>\r\n\r\nhi\r\n";
    const auto sent = house.send(std::move(order));
    EXPECT_EQ(house.kept.mails.size(), 1u);
    notify(house.kept.mails.at(0).mail_from, {"anna@wp.pl", "ola@wp.pl"});
    return sent;
  }
  std::size_t failures_of(MessageId message) {
    const auto failed = house.events(EventKind::failed);
    return static_cast<std::size_t>(std::ranges::count(failed, message, &Event::message));
  }
  bool may_hold(std::string_view name, std::string_view stream = "transactional") {
    return house.suppressions.may_hold(stream, address(name));
  }
  bool has_position() {
    const auto reader = house.base.store->reader();
    return (*reader)->object({"suppressing", "position"})->has_value();
  }
  // Of a mail that is known by its Message-ID alone.
  DraftHouse::Sent send_and_complain() {
    DraftHouse::Order order;
    order.message = "From: shop@example.pl\r\nMessage-ID: <known@example.pl>\r\n\r\nhello\r\n";
    const auto sent = house.send(std::move(order));
    DraftHouse::Order report;
    report.source = Source::smtp;
    report.from = "fbl@wp.pl";
    report.to = {"shop@example.pl"};
    report.message =
        "From: fbl@wp.pl\r\nContent-Type: multipart/report; report-type=feedback-report; "
        "boundary=b\r\n\r\nREPORTED\r\nMessage-ID: <known@example.pl>\r\n\r\n";
    EXPECT_EQ(house.send(std::move(report)).reply.code, 250);
    return sent;
  }
  std::string complaints(std::string_view result) {
    const std::string name = fmt::format("goniec_complaints_total{{result=\"{}\"}} ", result);
    const std::string all = house.base.metrics.exposition();
    const std::size_t at = all.find(name);
    return at == std::string::npos ? "" : all.substr(at + name.size(), 1);
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
  notify("shop@example.pl", {"anna@wp.pl"});  // anybody can write that
  notify(path, {"ola@wp.pl"});                // not one of its recipients
  follow_all();
  EXPECT_EQ(house.suppressions.size(), 1u);
  notify(path, {"Anna@wp.pl"});
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

TEST_F(SuppressingTest, ANotificationWhoseSecondWriteFailsIsToldOfEachRecipientOnce) {
  begin();
  const auto sent = send_to_two_who_are_gone();
  house.base.store->fail("record", {.after = 1});
  follow([this] { return may_hold("anna@wp.pl", "bulk") && may_hold("ola@wp.pl", "bulk"); });
  EXPECT_TRUE(house.base.store->all_failed());
  EXPECT_EQ(failures_of(sent.id), 2u);
  EXPECT_EQ(house.suppressions.size(), 2u);
}

TEST_F(SuppressingTest, ANotificationThatIsReadAgainAfterACrashIsToldOfNobodyTwice) {
  begin();
  const auto sent = send_to_two_who_are_gone();
  follow_all();
  EXPECT_EQ(failures_of(sent.id), 2u);
  begin();  // a crash before the position was written
  follow_all();
  EXPECT_EQ(failures_of(sent.id), 2u);
  const std::string path = house.kept.mails.at(0).mail_from;
  notify(path, {"ola@wp.pl", "ola@wp.pl"});
  follow_all();
  EXPECT_EQ(failures_of(sent.id), 3u) << "another notification is another event, one a recipient";
}

TEST_F(SuppressingTest, APositionThatCannotBeReadNowIsLookedForAgainAndNothingIsSkipped) {
  begin();
  fail_with(house.send({}).id, "anna@wp.pl", "550 5.1.1 no such user", "rcpt");
  house.base.store->fail("object", {.times = 3});
  follow([this] { return may_hold("anna@wp.pl"); });
  EXPECT_TRUE(house.base.store->all_failed());
  EXPECT_TRUE(may_hold("anna@wp.pl"));
}

TEST_F(SuppressingTest, TheEndOfTheLogThatCannotBeReadNowIsLookedForAgain) {
  fail_with(house.send({}).id, "anna@wp.pl", "550 5.1.1 no such user", "rcpt");
  house.base.store->fail("events_after", {.times = 2});
  follow([this] { return has_position(); });
  EXPECT_TRUE(house.base.store->all_failed());
  follow_all();
  EXPECT_FALSE(may_hold("anna@wp.pl")) << "the first time it begins at the end";
}

TEST_F(SuppressingTest, TheFirstPositionIsWrittenAlsoWhereNothingHappenedYet) {
  ASSERT_TRUE(house.events().empty());
  follow([this] { return has_position(); });
  EXPECT_TRUE(has_position());
}

TEST_F(SuppressingTest, AComplaintWaitsUntilItsMessageCanBeFound) {
  begin();
  const auto sent = send_and_complain();
  house.base.store->fail("find_by_message_id", {.times = 2});
  follow([this] { return may_hold("anna@wp.pl"); });
  EXPECT_TRUE(house.base.store->all_failed());
  const auto events = house.events(EventKind::complained);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].message, sent.id);
  EXPECT_EQ(complaints("unknown"), "") << "it was not counted as one of strangers' mail";
  EXPECT_EQ(complaints("matched"), "1");
}

TEST_F(SuppressingTest, AComplaintWhoseWriteFailsOrThatIsReadAgainCountsOnce) {
  begin();
  send_and_complain();
  house.base.store->fail("record");
  follow([this] { return may_hold("anna@wp.pl"); });
  EXPECT_TRUE(house.base.store->all_failed());
  EXPECT_EQ(complaints("matched"), "1");
  begin();
  follow_all();
  EXPECT_EQ(house.events(EventKind::complained).size(), 1u);
  EXPECT_EQ(complaints("matched"), "1");
}

TEST_F(SuppressingTest, ASuppressionThatCouldNotBeWrittenIsWrittenLater) {
  begin();
  fail_with(house.send({}).id, "anna@wp.pl", "550 5.1.1 no such user", "rcpt");
  house.base.store->fail("record", {.times = 2});
  follow([this] { return may_hold("anna@wp.pl"); });
  EXPECT_TRUE(house.base.store->all_failed());
  ASSERT_TRUE(entry("transactional", "anna@wp.pl").has_value());
}

TEST_F(SuppressingTest, WhatCanNeverBeWrittenHoldsUpNothing) {
  begin();
  fail_with(house.send({}).id, "anna@wp.pl", "550 5.1.1 no such user", "rcpt");
  fail_with(house.send({}).id, "ola@wp.pl", "550 5.1.1 no such user", "rcpt");
  house.base.store->fail("record", {.kind = ErrorKind::not_permitted});
  follow([this] { return may_hold("ola@wp.pl"); });
  EXPECT_TRUE(may_hold("ola@wp.pl"));
  EXPECT_FALSE(may_hold("anna@wp.pl"));
}

}  // namespace
}  // namespace goniec::test
