// The mail log: each event as its lines, the prefix, JSON, the ring and the file.
#include "duties/maillog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

const MessageId id = *MessageId::parse("06ABCDEFGHJKM");
const Instant noon{std::chrono::seconds(1'795'435'801)};  // 2026-11-23

Event event(EventKind kind, std::string data, std::string recipient = {}) {
  return {1, kind, id, noon, std::move(recipient), std::move(data)};
}

std::vector<std::string> lines_of(const Event& of) {
  std::vector<std::string> lines;
  for (const auto& record : records_of(of))
    lines.push_back(record.program + ": " + postfix_text(record));
  return lines;
}

TEST(Maillog, every_event_is_written_in_the_grammar_of_postfix) {
  struct Case {
    Event event;
    std::vector<std::string> expected;
  };
  const std::string q = id.text() + ": ";
  for (
      const auto& each : std::vector<Case>{
          {event(
               EventKind::received,
               R"({"source":"submission","listener":"submission","client":"192.0.2.10:4444","login":"shop@example.pl",)"
               R"("mechanism":"PLAIN","from":"sklep@example.pl","size":1832,"message_id":"a.1@example.pl",)"
               R"("recipients":["anna@wp.pl","jan@o2.pl"]})"),
           {"submission/smtpd: " + q +
                "client=unknown[192.0.2.10], sasl_method=PLAIN, sasl_username=shop@example.pl",
            "cleanup: " + q + "message-id=<a.1@example.pl>",
            "qmgr: " + q + "from=<sklep@example.pl>, size=1832, nrcpt=2 (queue active)"}},
          {event(
               EventKind::received,
               R"({"source":"smtp","listener":"mx","client":"[2001:db8::7]:25","from":"","size":1,"message_id":"",)"
               R"("recipients":["a@b.pl"]})"),
           {"smtpd: " + q + "client=unknown[2001:db8::7]", "cleanup: " + q + "message-id=<>",
            "qmgr: " + q + "from=<>, size=1, nrcpt=1 (queue active)"}},
          {event(
               EventKind::received,
               R"({"source":"sendmail","submitter":"uid=33","from":"www-data@b.pl","size":1,"message_id":"m@b.pl",)"
               R"("recipients":["a@b.pl"]})"),
           {"pickup: " + q + "uid=33 from=<www-data@b.pl>", "cleanup: " + q + "message-id=<m@b.pl>",
            "qmgr: " + q + "from=<www-data@b.pl>, size=1, nrcpt=1 (queue active)"}},
          {event(
               EventKind::relayed,
               R"({"site":"mx.wp.pl[212.77.101.4]:25","phase":"dot","reply":"250 2.0.0 Ok: queued as AB12","dsn":"2.0.0",)"
               R"("delay":1.2,"delays":[0.02,0.5,0.68]})",
               "anna@wp.pl"),
           {"smtp: " + q +
            "to=<anna@wp.pl>, relay=mx.wp.pl[212.77.101.4]:25, delay=1.2, delays=0.02/0/0.5/0.68, "
            "dsn=2.0.0, "
            "status=sent (250 2.0.0 Ok: queued as AB12)"}},
          {event(
               EventKind::deferred,
               R"({"site":"mx.o2.pl[193.17.41.99]:25","phase":"rcpt","reply":"451 4.7.1 Greylisted","dsn":"4.7.1",)"
               R"("delay":2.2,"delays":[0,0,2]})",
               "jan@o2.pl"),
           {"smtp: " + q +
            "to=<jan@o2.pl>, relay=mx.o2.pl[193.17.41.99]:25, delay=2.2, delays=0/0/0/2, "
            "dsn=4.7.1, "
            "status=deferred (host mx.o2.pl[193.17.41.99] said: 451 4.7.1 Greylisted (in reply to "
            "RCPT TO command))"}},
          {event(
               EventKind::failed,
               R"({"site":"","phase":"route","reply":"no such domain","dsn":"5.1.2","delay":0,"delays":[0,0,0]})",
               "x@nowhere.test"),
           {"smtp: " + q +
            "to=<x@nowhere.test>, relay=none, delay=0, delays=0/0/0/0, dsn=5.1.2, status=bounced "
            "(no such domain)"}},
          {event(
               EventKind::delivered,
               R"({"route":"local","site":"mailbox","phase":"local","reply":"250 2.0.0 ok","dsn":"2.0.0","delay":0.01,"delays":[0,0,0.01]})",
               "anna@example.pl"),
           {"local: " + q +
            "to=<anna@example.pl>, relay=mailbox, delay=0.01, delays=0/0/0/0.01, dsn=2.0.0, "
            "status=sent "
            "(delivered to mailbox)"}},
          {event(
               EventKind::expired,
               R"({"site":"","reply":"timed out","dsn":"4.4.7","delay":432000,"delays":[0,0,0],"from":"a@b.pl"})",
               "x@y.pl"),
           {"qmgr: " + q + "from=<a@b.pl>, status=expired, returned to sender",
            "smtp: " + q +
                "to=<x@y.pl>, relay=none, delay=432000, delays=0/0/0/0, dsn=4.4.7, status=bounced "
                "(timed out)"}},
          {event(EventKind::dsn_sent, R"({"message":"06ABCDEFGHJKN","action":"failed"})"),
           {"bounce: " + q + "sender non-delivery notification: 06ABCDEFGHJKN"}},
          {event(EventKind::delay_notice, R"({"message":"06ABCDEFGHJKN","action":"delayed"})"),
           {"bounce: " + q + "sender delay notification: 06ABCDEFGHJKN"}},
          {event(EventKind::held, R"({"reason":"by hand"})"),
           {"postsuper: " + q + "placed on hold: by hand"}},
          {event(EventKind::deleted, "{}"), {"postsuper: " + q + "removed"}},
      }) {
    EXPECT_EQ(lines_of(each.event), each.expected);
  }
}

TEST(Maillog, a_peer_cannot_forge_a_line) {
  const auto lines = lines_of(event(
      EventKind::relayed,
      R"({"site":"mx[192.0.2.1]:25","reply":"250 ok\nNov 23 smtpd[1]: forged","dsn":"2.0.0","delay":0,"delays":[0,0,0]})",
      "a@b.pl"));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].find('\n'), std::string::npos);
}

TEST(Maillog, removed_comes_after_the_last_recipient) {
  RemovedLines removed;
  EXPECT_TRUE(removed.after(event(EventKind::received, R"({"recipients":["a@b.pl","list@b.pl"]})"))
                  .empty());
  EXPECT_TRUE(
      removed.after(event(EventKind::expanded, R"({"to":["c@d.pl","e@f.pl"]})", "list@b.pl"))
          .empty());
  EXPECT_TRUE(removed.after(event(EventKind::delivered, "{}", "a@b.pl")).empty());
  EXPECT_TRUE(removed.after(event(EventKind::deferred, "{}", "c@d.pl")).empty());
  EXPECT_TRUE(removed.after(event(EventKind::relayed, "{}", "c@d.pl")).empty());
  const auto last = removed.after(event(EventKind::failed, "{}", "e@f.pl"));
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].text, id.text() + ": removed");
}

TEST(Maillog, a_line_has_the_prefix_of_syslog) {
  MaillogOptions options;
  options.hostname = "mail.example.pl";
  options.pid = 901;
  const LogRecord record{
      noon, LogLevel::info, "smtp.connect", "smtpd", "connect from unknown[192.0.2.1]", {}};
  const auto line = postfix_line(record, options);
  EXPECT_TRUE(std::regex_match(
      line,
      std::regex(
          R"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d mail goniec/smtpd\[901\]: connect from unknown\[192\.0\.2\.1\])")))
      << line;
}

TEST(Maillog, a_json_line_is_one_object_with_the_fields) {
  LogRecord record{noon,    LogLevel::warning,  "smtp.reject",
                   "smtpd", "NOQUEUE: \"x\"\n", {{"rule", "relay.denied"}}};
  MaillogOptions options;
  options.pid = 7;
  const auto line = json_line(record, options);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = JsonValue::parse(line);
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->text_at("lvl"), "warning");
  EXPECT_EQ(json->text_at("rule"), "relay.denied");
  EXPECT_EQ(json->integer_at("pid"), 7);
}

class MaillogFile : public testing::Test {
 protected:
  MaillogFile()
      : folder_(std::filesystem::temp_directory_path() /
                fmt::format("goniec_maillog_{}", ::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~MaillogFile() override { std::filesystem::remove_all(folder_); }
  MaillogOptions options(std::string_view name) const {
    MaillogOptions out;
    out.to = (folder_ / name).string();
    out.hostname = "mail.example.pl";
    return out;
  }
  std::string text(std::string_view name) const {
    std::ifstream in(folder_ / name);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static LogRecord record(std::string line) {
    return {noon, LogLevel::info, "test", "smtpd", std::move(line), {}};
  }
  std::filesystem::path folder_;
};

TEST_F(MaillogFile, everything_written_before_the_end_is_in_the_file) {
  {
    auto log = Maillog::open(options("mail.log"));
    ASSERT_TRUE(log.has_value());
    for (int i = 0; i < 1000; ++i) (*log)->write(record(fmt::format("line {}", i)));
  }
  const auto all = text("mail.log");
  EXPECT_NE(all.find("line 0\n"), std::string::npos);
  EXPECT_NE(all.find("line 999\n"), std::string::npos);
}

TEST_F(MaillogFile, a_full_ring_drops_and_counts) {
  auto small = options("mail.log");
  small.ring_records = 0;
  auto log = Maillog::open(small);
  ASSERT_TRUE(log.has_value());
  (*log)->write(record("one"));
  EXPECT_EQ((*log)->dropped(), 1u);
}

TEST_F(MaillogFile, after_reopen_lines_go_to_the_new_file) {
  auto log = Maillog::open(options("one.log"));
  ASSERT_TRUE(log.has_value());
  ASSERT_TRUE((*log)->reopen(options("two.log")).has_value());
  (*log)->write(record("after"));
  log->reset();
  EXPECT_NE(text("two.log").find("after"), std::string::npos);
  EXPECT_FALSE(Maillog::open(options("no/such/folder.log")).has_value());
}

}  // namespace
}  // namespace goniec
