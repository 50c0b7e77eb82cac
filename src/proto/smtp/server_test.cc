// Tests of the SMTP server session: tables of dialogues, and the property that cuts of the input
// change nothing. The rules are those of RFC 5321, 3030, 3207, 3461, 4954, 2033 as server.cc cites.
#include "proto/smtp/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <regex>

#include "base/digest.h"
#include "base/text.h"
#include "proto/smtp/server_drive.h"
#include "proto/vector_files.h"

namespace goniec::smtp {
namespace {

using namespace std::string_literals;

ServerOptions mx_options() {
  ServerOptions options;
  options.hostname = "mx.example.test";
  options.tls_offered = true;
  options.scram_nonce = "servernonce";
  options.limits.message_octets = 1048576;
  return options;
}
ServerOptions submission_options() {
  ServerOptions options = mx_options();
  options.listener = ListenerKind::submission;
  options.login_offered = options.login_required = true;
  options.line_ends = LineEndPolicy::normalise;
  return options;
}
ServerOptions lmtp_options() {
  ServerOptions options = mx_options();
  options.listener = ListenerKind::lmtp;
  return options;
}

const char* const kEhlo = "EHLO c.test\r\n";
const char* const kMail = "MAIL FROM:<sender@remote.test>\r\n";
const char* const kRcpt = "RCPT TO:<user@example.test>\r\n";

enum class At { none, helo, ehlo, mail, rcpt, data, tls, auth };

Drive reach(At at, ServerOptions options = mx_options()) {
  Drive drive(std::move(options));
  drive.take_sent();  // the greeting
  if (at == At::none) return drive;
  drive.feed(at == At::helo ? "HELO c.test\r\n" : kEhlo);
  if (at == At::tls || at == At::auth) {
    drive.feed("STARTTLS\r\n");
    drive.start_tls();
    drive.feed(kEhlo);
    if (at == At::auth) {
      drive.feed("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3b25kZXJsYW5k\r\n");
    }
  }
  if (at == At::mail || at == At::rcpt || at == At::data) drive.feed(kMail);
  if (at == At::rcpt || at == At::data) drive.feed(kRcpt);
  if (at == At::data) drive.feed("DATA\r\n");
  drive.take_sent();
  return drive;
}

// "250 2.1.5 x\r\n500 y\r\n" -> "250 500": codes of whole replies.
std::string codes(std::string_view text) {
  std::string result;
  for (std::string_view line : split(text, '\n')) {
    if (line.size() < 4 || line[3] == '-') continue;
    if (!result.empty()) result += ' ';
    result += line.substr(0, 3);
  }
  return result;
}

struct Case {
  At at;
  std::string input;
  std::string reply;  // a regular expression for the beginning of the whole output
};

void expect_replies(const std::vector<Case>& cases, const ServerOptions& options) {
  for (const Case& each : cases) {
    Drive drive = reach(each.at, options);
    std::string got = drive.feed(each.input);
    EXPECT_TRUE(
        std::regex_search(got, std::regex(each.reply), std::regex_constants::match_continuous))
        << printable(each.input) << " gave " << printable(got) << ", not " << each.reply;
  }
}

TEST(ServerGreeting, NamesTheHost) {
  Drive drive(mx_options());
  EXPECT_EQ(drive.take_sent(), "220 mx.example.test ESMTP Goniec\r\n");
  Drive lmtp(lmtp_options());
  EXPECT_EQ(lmtp.take_sent(), "220 mx.example.test LMTP Goniec\r\n");
}

TEST(ServerGreeting, RefusesWhoSpeaksBeforeItOnMx) {
  for (bool mx : {true, false}) {
    ServerSession session(mx ? mx_options() : submission_options());
    Step step = session.next();
    auto* ask = std::get_if<Ask>(&step);
    ASSERT_TRUE(ask != nullptr);
    session.receive("EHLO early\r\n");
    session.answer(ask->token, Reply(220, {}, ""));
    step = session.next();
    if (mx) {
      EXPECT_EQ(codes(std::get<Send>(step).bytes), "554");
      EXPECT_EQ(std::get<Close>(session.next()).reason, "early_talk");
    } else {
      EXPECT_TRUE(std::holds_alternative<Ask>(step));
    }
  }
}

TEST(ServerGreeting, GivesTheRefusalOfAdmissionAndCloses) {
  ServerSession session(mx_options());
  Step step = session.next();
  session.answer(std::get<Ask>(step).token, Reply(554, {5, 7, 1}, "not you"));
  EXPECT_EQ(std::get<Send>(session.next()).bytes, "554 5.7.1 not you\r\n");
  EXPECT_TRUE(std::holds_alternative<Close>(session.next()));
}

TEST(ServerHelo, OffersWhatTheListenerHas) {
  Drive mx(mx_options());
  mx.take_sent();
  EXPECT_EQ(mx.feed(kEhlo),
            "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n"
            "250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
            "250-STARTTLS\r\n250 LIMITS MAILMAX=1000 RCPTMAX=1000\r\n");
  Drive submission(submission_options());
  EXPECT_EQ(submission.feed(kEhlo).find("AUTH"), std::string::npos) << "never in clear";
  submission.feed("STARTTLS\r\n");
  ASSERT_TRUE(submission.wants_tls);
  submission.start_tls();
  std::string offers = submission.feed(kEhlo);
  EXPECT_NE(offers.find("250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"), std::string::npos);
  EXPECT_EQ(offers.find("STARTTLS"), std::string::npos);
}

TEST(ServerCommands, AreAnsweredByTheTable) {
  expect_replies(
      {
          {At::none, "EHLO [192.0.2.1]\r\n", "250"},
          {At::none, "EHLO [IPv6:2001:db8::1]\r\n", "250"},
          {At::none, "EHLO [999.1.1.1]\r\n", "501 5.5.4"},
          {At::none, "EHLO my_pc\r\n", "250"},
          {At::none, "EHLO a b c\r\n", "501"},
          {At::none, "EHLO\r\n", "501"},
          {At::none, "EHLO " + std::string(300, 'a') + "\r\n", "501"},
          {At::none, "EHLO x(y)\r\n", "501"},
          {At::none, "eHlO c.test\r\n", "250-"},
          {At::none, "HELO c.test\r\n", "250 mx.example.test\r\n$"},
          {At::none, "LHLO c.test\r\n", "500 5.5.1"},
          {At::none, "STARTTLS\r\n", "503 5.5.1"},
          {At::none, "MAIL FROM:<a@remote.test>\r\n", "503 5.5.1"},
          {At::none, "EHLO c.test\r\nMAIL FROM:<a@remote.test>\r\n", "250[^]*250 2.1.0"},
          {At::ehlo, "NOOP\r\n", "250"},
          {At::ehlo, "NOOP   \r\n", "250"},
          {At::ehlo, " NOOP\r\n", "500 5.5.2"},
          {At::ehlo, "\r\nNOOP\r\n", "500[^]*250"},
          {At::ehlo, "NOOP\nNOOP\r\n", "500 5.5.2[^]*250"},
          {At::ehlo, "NOOP " + std::string(505, 'x') + "\r\n", "250"},
          {At::ehlo, "NOOP " + std::string(8000, 'x') + "\r\nNOOP\r\n", "500 5.5.2[^]*250"},
          {At::ehlo, "RSET\r\n", "250"},
          {At::ehlo, "RSET now\r\n", "501"},
          {At::ehlo, "HELP\r\n", "214"},
          {At::ehlo, "VRFY user\r\n", "252 2.5.2"},
          {At::ehlo, "EXPN staff\r\n", "502"},
          {At::ehlo, "BOGUS\r\nNOOP\r\n", "500 5.5.1[^]*250"},
          {At::ehlo, "TURN\r\n", "502"},
          {At::ehlo, "SEND FROM:<a@remote.test>\r\n", "502"},
          {At::ehlo, "ETRN x';DROP TABLE t--\r\n", "502"},
          {At::ehlo, "XCLIENT ADDR=127.0.0.1\r\nNOOP\r\n", "500[^]*250"},
          {At::ehlo, "BURL imap://x/ LAST\r\n", "500"},
          {At::ehlo, "\xff\xfe\r\nNOOP\r\n", "500[^]*250"},
          {At::ehlo, "NO\0OP\r\nNOOP\r\n"s, "500[^]*250"},
          {At::ehlo, "AUTH PLAIN x\r\n", "502 5.5.1"},
          {At::ehlo, "STARTTLS now\r\n", "501"},
          {At::ehlo, "STARTTLS\r\n", "220"},
          {At::ehlo, "DATA\r\n", "503 5.5.1"},
          {At::ehlo, kRcpt, "503 5.5.1"},
          {At::mail, "STARTTLS\r\n", "503"},
          {At::mail, kMail, "503 5.5.1"},
          {At::mail, "DATA\r\n", "503"},
          {At::rcpt, "EHLO c.test\r\nDATA\r\n", "250[^]*503"},
          {At::rcpt, "RSET\r\nDATA\r\n", "250[^]*503"},
          {At::ehlo, "QUIT\r\nNOOP\r\n", "221 2.0.0 mx.example.test goodbye\r\n$"},
      },
      mx_options());
}

TEST(ServerMail, ParsesPathsAndParameters) {
  auto mail = [](const std::string& rest, const std::string& reply) {
    return Case{At::ehlo, "MAIL FROM:" + rest + "\r\n", reply};
  };
  expect_replies(
      {
          mail("<>", "250 2.1.0"),
          mail(" <a@remote.test>", "250"),
          mail("a@remote.test", "501 5.1.7"),
          mail("<a@@remote.test>", "501"),
          mail("<\"john doe\"@remote.test>", "250"),
          mail("<\"a>b\"@remote.test>", "250"),
          mail("<@relay.test:a@remote.test>", "250"),
          mail("<a@[192.0.2.1]>", "250"),
          mail("<a@[999.1.1.1]>", "501"),
          mail("<a@remote.test> FOO=1", "555 5.5.4 [^]*FOO"),
          mail("<a@remote.test>SIZE=1", "501 5.5.4"),
          mail("<a@remote.test> SIZE=1048576", "250"),
          mail("<a@remote.test> SIZE=1048577", "552 5.3.4 message of 1048577 octets is over"),
          mail("<a@remote.test> SIZE=99999999999999999999", "552 5.3.4"),
          mail("<a@remote.test> SIZE=18446744073709551617", "552 5.3.4"),
          mail("<a@remote.test> SIZE=x", "501 5.5.4"),
          mail("<a@remote.test> SIZE=", "501 5.5.4"),
          mail("<a@remote.test> SIZE=10 SIZE=20", "501 5.5.4"),
          mail("<a@remote.test> body=8bitmime", "250"),
          mail("<a@remote.test> BODY=BINARYMIME", "501"),
          mail("<d\xc3\xb6rte@remote.test>", "553 5.6.7"),
          mail("<d\xc3\xb6rte@remote.test> SMTPUTF8", "250"),
          mail("<a@remote.test> SMTPUTF8=1", "501"),
          mail("<a\xc0\xaf@remote.test> SMTPUTF8", "501"),
          mail("<a@remote.test> RET=FULL ENVID=QQ314159", "250"),
          mail("<a@remote.test> RET=SOME", "501"),
          mail("<a@remote.test> ENVID=" + std::string(100, 'e'), "250"),
          mail("<a@remote.test> ENVID=" + std::string(101, 'e'), "501"),
          mail("<a@remote.test> ENVID=a+0Ab", "501"),
          mail("<a@remote.test> AUTH=<>", "555"),
          mail("<a@remote.test> REQUIRETLS", "555"),
          mail("<a@remote.test> MT-PRIORITY=9", "555"),
          mail("<a@remote.test> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x1", "250"),
          {At::ehlo, "MAIL\r\n", "501"},
          {At::ehlo, "MAIL TO:<a@b>\r\n", "501"},
          {At::helo, "MAIL FROM:<a@remote.test> SIZE=10\r\n", "555"},
      },
      mx_options());
}

TEST(ServerMail, KeepsWhatTheParametersSaid) {
  Drive drive = reach(At::ehlo);
  drive.feed("MAIL FROM:<a@remote.test> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=E+2B1\r\n");
  drive.feed(
      "RCPT TO:<user@example.test> NOTIFY=success,DELAY ORCPT=rfc822;u+2Bt@example.test\r\n");
  const Transaction& transaction = drive.session.transaction();
  EXPECT_EQ(transaction.sender.declared_size, 1000u);
  EXPECT_EQ(transaction.sender.body, BodyType::eight_bit);
  EXPECT_EQ(transaction.sender.ret, DsnReturn::headers);
  EXPECT_EQ(transaction.sender.envelope_id, "E+2B1") << "raw, never decoded";
  ASSERT_EQ(transaction.recipients.size(), 1u);
  EXPECT_EQ(transaction.recipients[0].original_recipient, "rfc822;u+2Bt@example.test");
  EXPECT_TRUE(transaction.recipients[0].notify.success && transaction.recipients[0].notify.delay);
}

TEST(ServerRcpt, ParsesPathsAndParameters) {
  auto rcpt = [](const std::string& rest, const std::string& reply) {
    return Case{At::mail, "RCPT TO:" + rest + "\r\n", reply};
  };
  expect_replies(
      {
          rcpt("<nosuch@example.test>", "550 5.1.1"),
          rcpt("<PostMaster>", "250 2.1.5"),
          rcpt("<POSTMASTER@example.test>", "250"),
          rcpt("<>", "501 5.1.3"),
          rcpt("<user@example.test>x", "501"),
          rcpt("<user@EXAMPLE.TEST>", "250"),
          rcpt("<\"user\"@example.test>", "250"),
          rcpt("<user@example.test> FOO=BAR", "555 5.5.4"),
          rcpt("<user@example.test> NOTIFY=SUCCESS,FAILURE,DELAY", "250"),
          rcpt("<user@example.test> NOTIFY=SOMETIMES", "501"),
          rcpt("<user@example.test> NOTIFY=", "501"),
          rcpt("<user@example.test> NOTIFY=NEVER,DELAY", "501"),
          rcpt("<user@example.test> NOTIFY=FAILURE NOTIFY=NEVER", "501"),
          rcpt("<user@example.test> ORCPT=user@example.test", "501"),
          rcpt("<user@example.test> ORCPT=rfc822;a+0Ab", "501"),
          rcpt("<user@example.test> ORCPT=rfc822;" + std::string(600, 'a'), "501"),
          rcpt("<user@example.test> ORCPT=utf-8;d\\x{F6}rte@remote.test", "250"),
          rcpt("<user@example.test> ORCPT=utf-8;d\\x{0A}rte@remote.test", "501"),
          rcpt("<us\0er@example.test>"s, "500"),
          rcpt("<user@example.test\0.remote.test>"s, "500"),
          rcpt("<d\xc3\xb6rte@example.test>", "553 5.6.7"),
          rcpt("<victim@remote.test@example.test>", "501"),
          rcpt("<victim@remote.test>", "550 5.7.1"),
          {At::mail, "RCPT\r\n", "501"},
      },
      mx_options());
}

TEST(ServerRcpt, KeepsTheSameRecipientOnce) {
  Drive drive = reach(At::rcpt);
  EXPECT_EQ(codes(drive.feed(kRcpt)), "250");
  EXPECT_EQ(drive.session.transaction().recipients.size(), 1u);
}

TEST(ServerRcpt, RefusesEachRecipientOverTheLimitAndKeepsTheOthers) {
  Drive drive = reach(At::mail);
  std::string all;
  for (int i = 0; i < 1100; ++i) all += fmt::format("RCPT TO:<user+{}@example.test>\r\n", i);
  std::string replies = drive.feed(all);
  EXPECT_EQ(drive.session.transaction().recipients.size(), 1000u);
  EXPECT_NE(codes(replies).find("250 452 452"), std::string::npos);
  EXPECT_FALSE(drive.closed);
}

TEST(ServerRcpt, BoundsTheOctetsOfAnEnvelope) {
  ServerOptions options = mx_options();
  options.limits.envelope_octets = 100;
  Drive drive = reach(At::rcpt, options);
  std::string long_recipient = "RCPT TO:<user+" + std::string(55, 'x') + "@example.test>\r\n";
  EXPECT_EQ(codes(drive.feed(long_recipient)), "250");
  EXPECT_EQ(codes(drive.feed("RCPT TO:<bob@example.test>\r\n")), "452");
}

TEST(ServerData, UnstuffsAndEndsOnlyAtTheEndMark) {
  struct Content {
    std::string wire, body;
  };
  for (const Content& each : std::vector<Content>{
           {"S: x\r\n\r\n..one\r\n...two\r\n.. \r\n.\r\n", "S: x\r\n\r\n.one\r\n..two\r\n. \r\n"},
           {"S: x\r\n\r\n.one\r\n.\r\n", "S: x\r\n\r\none\r\n"},
           {".\r\n", ""},
           {"\r\nb\r\n.\r\n", "\r\nb\r\n"},
           {"a\r\n..\r\n.\r\n", "a\r\n.\r\n"},
           {"S: x\r\n\r\n" + std::string(200000, 'y') + "\r\n.\r\n",
            "S: x\r\n\r\n" + std::string(200000, 'y') + "\r\n"},
       }) {
    Drive drive = reach(At::data);
    EXPECT_EQ(codes(drive.feed(each.wire)), "250") << printable(each.wire);
    ASSERT_EQ(drive.kept.size(), 1u);
    EXPECT_EQ(drive.kept[0].body, each.body);
    EXPECT_EQ(codes(drive.feed(kRcpt)), "503") << "the transaction is over";
  }
}

TEST(ServerData, RefusesAmbiguousLineEndsAndTheSessionLives) {
  for (std::string sequence :
       {"\n.\n"s, "\r.\r"s, "\n.\r\n"s, "\r.\n"s, "\r.\r\n"s, "\r\n\0.\r\n"s, "\r\n.\n"s,
        "\r\n.\r"s, "\r\n.\0\r\n"s, "\r\n.\r\r\n"s, "\r\r\n.\r\r\n"s, "a\nb"s, "a\0b"s}) {
    for (LineEndPolicy policy : {LineEndPolicy::reject, LineEndPolicy::normalise}) {
      ServerOptions options = mx_options();
      options.line_ends = policy;
      Drive drive = reach(At::data, options);
      std::string smuggled = "S: first\r\n\r\ntext" + sequence +
                             "MAIL FROM:<smuggled@remote.test>\r\nRCPT TO:<user@example.test>\r\n"
                             "DATA\r\nSubject: SMUGGLED\r\n\r\nx\r\n.\r\n";
      std::string replies = drive.feed(smuggled);
      EXPECT_EQ(codes(drive.feed("NOOP\r\n")), "250");
      if (policy == LineEndPolicy::reject) {
        EXPECT_EQ(replies.substr(0, 9), "550 5.5.2") << printable(sequence);
        EXPECT_EQ(codes(replies), "550");
        EXPECT_TRUE(drive.kept.empty());
        EXPECT_EQ(drive.discards, std::vector<std::string>{"line_end"});
        continue;
      }
      EXPECT_EQ(codes(replies), "250") << printable(sequence);
      ASSERT_EQ(drive.kept.size(), 1u);
      const std::string& body = drive.kept[0].body;
      EXPECT_EQ(body.find('\0'), std::string::npos);
      for (std::size_t i = 0; i < body.size(); ++i) {
        if (body[i] == '\n') EXPECT_TRUE(i > 0 && body[i - 1] == '\r');
        if (body[i] == '\r') EXPECT_TRUE(i + 1 < body.size() && body[i + 1] == '\n');
      }
    }
  }
}

TEST(ServerData, NeverTakesASmuggledSequenceForTheEnd) {
  for (const VectorRow& row : read_vectors("smuggling/sequences.tsv")) {
    for (LineEndPolicy policy : {LineEndPolicy::reject, LineEndPolicy::normalise}) {
      ServerOptions options = mx_options();
      options.line_ends = policy;
      Drive drive = reach(At::data, options);
      std::string replies =
          drive.feed("S: first\r\n\r\nfirst" + unescape(row[1]) +
                     "MAIL FROM:<smuggled@remote.test>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n"
                     "Subject: SMUGGLED\r\n\r\nx\r\n.\r\n");
      EXPECT_EQ(codes(replies).size(), 3u) << row[0] << ": one message, one reply";
      EXPECT_LE(drive.kept.size(), 1u) << row[0];
    }
  }
}

TEST(ServerData, CountsTheLimitExactly) {
  ServerOptions options = mx_options();
  options.limits.message_octets = 100;
  for (std::size_t size : {std::size_t{100}, std::size_t{101}, std::size_t{5000}}) {
    Drive drive = reach(At::data, options);
    // A stuffed dot does not count, the CRLF does (RFC 1870 §6.3).
    std::string wire = ".." + std::string(size - 3, 'x') + "\r\n.\r\n";
    EXPECT_EQ(codes(drive.feed(wire)), size == 100 ? "250" : "552");
    EXPECT_EQ(drive.discards.size(), size == 100 ? 0u : 1u);
    EXPECT_EQ(codes(drive.feed(kMail)), "250");
  }
}

TEST(ServerData, CutsOffWhoNeverStopsAfterARefusal) {
  ServerOptions options = mx_options();
  options.limits.message_octets = 100;
  Drive drive = reach(At::data, options);
  std::string line = std::string(1 << 20, 'x');
  for (int i = 0; i < 20 && !drive.closed; ++i) drive.feed(line);
  EXPECT_TRUE(drive.closed);
}

TEST(ServerData, ForgetsAMessageThatWasNotEnded) {
  Drive drive = reach(At::data);
  drive.feed("S: x\r\n\r\npartial\r\n.");
  drive.end_input();
  EXPECT_TRUE(drive.closed);
  EXPECT_TRUE(drive.kept.empty());
  EXPECT_EQ(drive.discards, std::vector<std::string>{"aborted"});
}

TEST(ServerBdat, CountsChunksExactly) {
  struct Dialogue {
    At at;
    std::string wire, replies;
    std::size_t kept;
    std::string body;
  };
  std::string message = "S: t\r\n\r\nbody\r\n";
  for (const Dialogue& each : std::vector<Dialogue>{
           {At::rcpt, "BDAT 14 LAST\r\n" + message, "250", 1, message},
           {At::rcpt, "BDAT 8\r\nS: t\r\n\r\nBDAT 6 LAST\r\nbody\r\n", "250 250", 1, message},
           {At::rcpt, "BDAT 14\r\n" + message + "BDAT 0 LAST\r\n", "250 250", 1, message},
           {At::rcpt, "BDAT 5\r\nS: t\rBDAT 9 LAST\r\n\n\r\nbody\r\n", "250 250", 1, message},
           {At::rcpt, "BDAT 14\r\n" + message + "DATA\r\n", "250 503", 0, ""},
           {At::rcpt, "BDAT 14\r\n" + message + "RCPT TO:<bob@example.test>\r\n", "250 503", 0, ""},
           {At::rcpt, "BDAT 14\r\n" + message + kMail, "250 503", 0, ""},
           {At::rcpt, "BDAT 14\r\n" + message + "RSET\r\nBDAT 0 LAST\r\n", "250 250 503", 0, ""},
           {At::ehlo, "BDAT 14 LAST\r\n" + message + "NOOP\r\n", "503 250", 0, ""},
           {At::mail, "BDAT 30 LAST\r\nMAIL FROM:<evil@remote.test>\r\nNOOP\r\n", "503 250", 0, ""},
           {At::rcpt, "BDAT abc LAST\r\nNOOP\r\n", "501", 0, ""},
           {At::rcpt, "BDAT 5 FIRST\r\nNOOP\r\n", "501", 0, ""},
           {At::rcpt, "BDAT\r\nNOOP\r\n", "501", 0, ""},
           {At::rcpt, "BDAT 18446744073709551617\r\nNOOP\r\n", "501", 0, ""},
           {At::rcpt, "BDAT 18446744073709551615\r\nNOOP\r\n", "552", 0, ""},
           {At::rcpt, "BDAT 0\r\nBDAT 0 LAST\r\n", "250 250", 1, ""},
           {At::rcpt, "BDAT 27 LAST\r\nS: t\r\n\r\na\r\n.\r\n..b\r\nMAIL x\r\n", "250", 1,
            "S: t\r\n\r\na\r\n.\r\n..b\r\nMAIL x\r\n"},
           {At::rcpt, "BDAT 3 LAST\r\na\nbNOOP\r\n", "550 250", 0, ""},
           {At::rcpt, "BDAT 3 LAST\r\nab\rNOOP\r\n", "550 250", 0, ""},
           {At::rcpt, "BDAT 3\r\na\nbBDAT 2 LAST\r\ncdNOOP\r\n", "550 503 250", 0, ""},
           {At::rcpt,
            "BDAT 14 LAST\r\n" + message + kMail + kRcpt + "BDAT 6 LAST\r\nS: u\r\nQUIT\r\n",
            "250 250 250 250 221", 2, message},
       }) {
    Drive drive = reach(each.at);
    EXPECT_EQ(codes(drive.feed(each.wire)), each.replies) << printable(each.wire);
    ASSERT_EQ(drive.kept.size(), each.kept) << printable(each.wire);
    if (each.kept > 0) EXPECT_EQ(drive.kept[0].body, each.body);
  }
}

TEST(ServerBdat, TurnsBareLineEndsIntoCrlfWhenItNormalises) {
  ServerOptions options = mx_options();
  options.line_ends = LineEndPolicy::normalise;
  Drive drive = reach(At::rcpt, options);
  EXPECT_EQ(codes(drive.feed("BDAT 6 LAST\r\na\nb\0c\r"s)), "250");
  ASSERT_EQ(drive.kept.size(), 1u);
  EXPECT_EQ(drive.kept[0].body, "a\r\nbc\r\n");
}

TEST(ServerBdat, SwallowsTheChunksOfATooLargeMessage) {
  ServerOptions options = mx_options();
  options.limits.message_octets = 10;
  Drive drive = reach(At::rcpt, options);
  std::string chunk(20, 'x');
  EXPECT_EQ(codes(drive.feed("BDAT 20\r\n" + chunk + "BDAT 20 LAST\r\n" + chunk + "NOOP\r\n")),
            "552 503 250");
}

TEST(ServerBdat, GivesTheRefusalOfTheStoreAfterTheChunk) {
  Drive drive = reach(At::rcpt);
  drive.full = true;
  EXPECT_EQ(codes(drive.feed("BDAT 4 LAST\r\nQUITNOOP\r\n")), "452 250");
}

TEST(ServerTls, NeverObeysWhatCameInClear) {
  Drive drive = reach(At::ehlo, submission_options());
  EXPECT_EQ(codes(drive.feed("STARTTLS\r\nAUTH PLAIN AGV2aWwAZXZpbA==\r\n")), "220");
  ASSERT_TRUE(drive.wants_tls);
  drive.session.receive("MAIL FROM:<evil@remote.test>\r\n");
  drive.start_tls();
  EXPECT_EQ(drive.take_sent(), "");
  EXPECT_TRUE(drive.session.transaction().helo.empty());
  EXPECT_EQ(codes(drive.feed("MAIL FROM:<a@remote.test>\r\n")), "503");
  EXPECT_EQ(codes(drive.feed("EHLO c.test\r\nSTARTTLS\r\n")), "250 503");
}

TEST(ServerTls, OffersAndTakesRequireTlsOverTlsAlone) {
  const std::string asks = "MAIL FROM:<a@remote.test> REQUIRETLS\r\n";
  for (const ServerOptions& options : {mx_options(), submission_options()}) {
    Drive drive(options);
    EXPECT_EQ(drive.feed(kEhlo).find("REQUIRETLS"), std::string::npos);
    if (!options.login_required) EXPECT_EQ(codes(drive.feed(asks)), "555");
    drive.feed("STARTTLS\r\n");
    drive.start_tls();
    EXPECT_NE(drive.feed(kEhlo).find("250-REQUIRETLS\r\n"), std::string::npos);
    if (options.login_required)
      drive.feed("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3b25kZXJsYW5k\r\n");
    EXPECT_EQ(codes(drive.feed("MAIL FROM:<a@remote.test> REQUIRETLS=1\r\n")), "501");
    EXPECT_EQ(codes(drive.feed(asks)), "250");
    EXPECT_TRUE(drive.session.transaction().sender.requiretls);
    EXPECT_EQ(codes(drive.feed("RSET\r\nMAIL FROM:<a@remote.test>\r\n")), "250 250");
    EXPECT_FALSE(drive.session.transaction().sender.requiretls) << "of one message";
  }
}

TEST(ServerAuth, IsAnsweredByTheTable) {
  const std::string right = "AGFsaWNlQGV4YW1wbGUudGVzdAB3b25kZXJsYW5k";
  expect_replies(
      {
          {At::ehlo, "AUTH PLAIN " + right + "\r\n", "538 5.7.11"},
          {At::ehlo, kMail, "530 5.7.0"},
          {At::tls, kMail, "530 5.7.0"},
          {At::tls, "AUTH\r\n", "501"},
          {At::tls, "AUTH PLAIN " + right + "\r\n", "235 2.7.0"},
          {At::tls, "AUTH PLAIN\r\n" + right + "\r\n", "334 \r\n235"},
          {At::tls, "AUTH PLAIN\r\n*\r\n", "334 \r\n501 5.7.0"},
          {At::tls, "AUTH PLAIN =\r\n", "501 5.5.2"},
          {At::tls, "AUTH PLAIN !!!!\r\n", "501 5.5.2"},
          {At::tls, "AUTH PLAIN\r\n" + right + " \r\n", "334 \r\n501"},
          {At::tls, "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAA=\r\n", "501"},
          {At::tls, "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==\r\n", "535 5.7.8"},
          {At::tls, "AUTH PLAIN cm9vdAB0ZXN0AHRlc3Q=\r\n", "535 5.7.8"},
          {At::tls, "AUTH CRAM-MD5\r\n", "504 5.5.4"},
          {At::tls, "AUTH PLAIN " + std::string(20000, 'A') + "\r\nNOOP\r\n", "500[^]*250"},
          {At::tls, "AUTH PLAIN\r\n" + std::string(20000, 'A') + "\r\nNOOP\r\n",
           "334 \r\n500 5.5.6[^]*250"},
          {At::tls,
           "auth login\r\n" + to_base64("alice@example.test") + "\r\n" + to_base64("wonderland") +
               "\r\n",
           "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235"},
          {At::tls,
           "AUTH LOGIN " + to_base64("alice@example.test") + "\r\n" + to_base64("no") + "\r\n",
           "334 UGFzc3dvcmQ6\r\n535"},
          {At::auth, "AUTH PLAIN " + right + "\r\n", "503"},
          {At::auth, "EHLO c.test\r\nAUTH PLAIN " + right + "\r\n", "250[^]*503"},
          {At::auth, "MAIL FROM:<alice@example.test>\r\nAUTH PLAIN " + right + "\r\n",
           "250[^]*503"},
          {At::auth, "RSET\r\nMAIL FROM:<alice@example.test>\r\n", "250[^]*250"},
          {At::auth, "MAIL FROM:<alice@example.test> AUTH=<>\r\n", "250"},
          {At::auth, "MAIL FROM:<alice@example.test> AUTH=bad+\r\n", "501"},
          {At::auth, "MAIL FROM:<alice@example.test> AUTH=a+0A-x\r\n", "501"},
      },
      submission_options());
}

TEST(ServerAuth, ProvesBothSidesByScram) {
  for (bool right : {true, false}) {
    Drive drive = reach(At::tls, submission_options());
    ScramClient client("alice@example.test", Secret(right ? "wonderland" : "wrong"), "clientnonce");
    std::string reply =
        drive.feed("AUTH SCRAM-SHA-256 " + to_base64(client.client_first()) + "\r\n");
    ASSERT_EQ(reply.substr(0, 4), "334 ");
    auto server_first = from_base64(reply.substr(4, reply.size() - 6));
    auto final = client.client_final(server_first.value());
    ASSERT_TRUE(final.has_value()) << final.error().message;
    reply = drive.feed(to_base64(*final) + "\r\n");
    if (!right) {
      EXPECT_EQ(reply.substr(0, 9), "535 5.7.8");
      continue;
    }
    ASSERT_EQ(reply.substr(0, 4), "334 ");
    auto server_final = from_base64(reply.substr(4, reply.size() - 6));
    EXPECT_TRUE(client.check_server_final(server_final.value()).has_value());
    EXPECT_EQ(codes(drive.feed("\r\n")), "235");
    EXPECT_EQ(drive.session.transaction().login->mechanism, "SCRAM-SHA-256");
  }
}

TEST(ServerAuth, ClosesAfterTooManyFailures) {
  Drive drive = reach(At::tls, submission_options());
  std::string replies;
  for (int i = 0; i < 5; ++i) {
    replies += drive.feed("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==\r\n");
  }
  EXPECT_EQ(codes(replies), "535 535 535 535 421");
  EXPECT_TRUE(drive.closed);
}

TEST(ServerLmtp, AnswersOnceForEachAcceptedRecipient) {
  auto begin = [] {
    Drive drive(lmtp_options());
    drive.lmtp_ = true;
    EXPECT_EQ(codes(drive.feed(kEhlo)), "220 500");
    EXPECT_EQ(codes(drive.feed("LHLO c.test\r\n")), "250");
    EXPECT_EQ(codes(drive.feed("MAIL FROM:<a@remote.test>\r\nRCPT TO:<user@example.test>\r\n"
                               "RCPT TO:<nosuch@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
                               "RCPT TO:<user@example.test>\r\n")),
              "250 250 550 250 250");
    return drive;
  };
  Drive data = begin();
  EXPECT_EQ(data.feed("DATA\r\nx\r\n.\r\n"),
            "354 end with <CRLF>.<CRLF>\r\n250 2.0.0 kept 0\r\n250 2.0.0 kept 1\r\n"
            "250 2.0.0 kept 0\r\n");
  Drive chunks = begin();
  EXPECT_EQ(codes(chunks.feed("BDAT 3 LAST\r\nx\r\n")), "250 250 250");
  Drive refused = begin();
  EXPECT_EQ(codes(refused.feed("DATA\r\nx\n\r\n.\r\n")), "354 550 550 550");
  Drive nobody(lmtp_options());
  nobody.feed("LHLO c.test\r\n");
  EXPECT_EQ(codes(nobody.feed("MAIL FROM:<a@remote.test>\r\nRCPT TO:<nosuch@example.test>\r\n"
                              "DATA\r\n")),
            "250 550 503");
}

TEST(ServerLimits, EndTheSessionIn421) {
  Drive errors = reach(At::ehlo);
  std::string replies;
  for (int i = 0; i < 30; ++i) replies += errors.feed("BOGUS\r\n");
  EXPECT_TRUE(errors.closed);
  EXPECT_EQ(codes(replies).substr(codes(replies).size() - 7), "500 421");

  ServerOptions few = mx_options();
  few.limits.commands = 3;
  Drive commands = reach(At::ehlo, few);
  EXPECT_EQ(codes(commands.feed("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n")), "250 250 421");

  few = mx_options();
  few.limits.refused_recipients = 1;
  Drive refused = reach(At::mail, few);
  EXPECT_EQ(codes(refused.feed("RCPT TO:<x@example.test>\r\nRCPT TO:<y@example.test>\r\nNOOP\r\n")),
            "550 421");

  few = mx_options();
  few.limits.transactions = 1;
  Drive one = reach(At::mail, few);
  EXPECT_EQ(codes(one.feed("RSET\r\nMAIL FROM:<>\r\n")), "250 421");
}

TEST(ServerLimits, HoldALineWithoutEndInBoundedMemory) {
  Drive drive = reach(At::ehlo);
  std::string replies;
  for (int i = 0; i < 200 && !drive.closed; ++i) replies += drive.feed(std::string(10000, 'x'));
  EXPECT_EQ(codes(replies), "421");
  EXPECT_TRUE(drive.closed);
}

TEST(ServerForeign, ClosesOnHttpAndTls) {
  for (std::string hello : {"POST / HTTP/1.1\r\nContent-Length: 60\r\n\r\nEHLO c.test\r\n"s,
                            "GET / HTTP/1.0\r\n\r\n"s, "\x16\x03\x01\x02\x00"s}) {
    Drive drive = reach(At::none);
    EXPECT_EQ(codes(drive.feed(hello)), "554");
    EXPECT_TRUE(drive.closed);
  }
}

TEST(ServerPipelining, AnswersAGroupByOneSendInOrder) {
  Drive drive = reach(At::ehlo);
  std::string group;
  for (int i = 0; i < 50; ++i) group += "NOOP\r\n";
  EXPECT_EQ(codes(drive.feed(group)).size(), 50u * 4 - 1);
  EXPECT_EQ(codes(drive.feed("MAIL FROM:<a@remote.test>\r\nRCPT TO:<nosuch@example.test>\r\n"
                             "RCPT TO:<user@example.test>\r\nDATA\r\n")),
            "250 550 250 354");
}

TEST(ServerQuestions, DropLateAnswers) {
  ServerSession session(mx_options());
  std::uint64_t token = std::get<Ask>(session.next()).token;
  session.answer(token + 7, Reply(220, {}, ""));
  session.close_with(Reply(421, {4, 3, 2}, "shutting down"), "shutdown");
  session.answer(token, Reply(220, {}, ""));
  EXPECT_EQ(std::get<Send>(session.next()).bytes, "421 4.3.2 shutting down\r\n");
  EXPECT_EQ(std::get<Close>(session.next()).reason, "shutdown");
}

TEST(ServerCounts, TellVerbsAndRefusals) {
  Drive drive = reach(At::rcpt);
  drive.feed("RCPT TO:<nosuch@example.test>\r\nBOGUS\r\nDATA\r\nx\r\n.\r\n");
  std::string line;
  for (const auto& verb : drive.session.counts().verbs) {
    line += fmt::format("{}={}/{} ", verb.name, verb.accepted, verb.total);
  }
  EXPECT_EQ(line, "EHLO=1/1 MAIL=1/1 RCPT=1/2 unknown=0/1 DATA=1/1 ");
  std::vector<Refusal> refusals = drive.session.take_refusals();
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(refusals[0].rule, "command.unknown");
}

// The same dialogue, cut anywhere, says and keeps the same.
TEST(ServerProperty, CutsOfTheInputChangeNothing) {
  const std::string dialogue =
      "EHLO c.test\r\nMAIL FROM:<a@remote.test> SIZE=100\r\nRCPT TO:<user@example.test>\r\n"
      "RCPT TO:<nosuch@example.test>\r\nDATA\r\nS: x\r\n\r\n..dot\r\n.x\r\n\r\n.\r\n"
      "MAIL FROM:<b@remote.test>\r\nRCPT TO:<bob@example.test>\r\nBDAT 7\r\nS: y\r\n\rBDAT 3 "
      "LAST\r\n"
      "\n\r\nNOOP " +
      std::string(3000, 'x') +
      "\r\nMAIL FROM:<c@remote.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\na\nb\r\n..\r\n.\r\n"
      "MAIL FROM:<d@remote.test>\r\nBDAT 6 LAST\r\nNOOP\r\nVRFY x\r\nRCPT "
      "TO:<user@example.test>\r\n"
      "DATA\r\nlast\r\r\n.\r\nQUIT\r\n";
  for (LineEndPolicy policy : {LineEndPolicy::reject, LineEndPolicy::normalise}) {
    ServerOptions options = mx_options();
    options.line_ends = policy;
    Drive whole(options);
    std::string replies = whole.feed(dialogue);
    EXPECT_TRUE(whole.closed);
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
      Drive drive(options);
      unsigned largest = 1 + random() % 40;
      std::string got = drive.feed_in_pieces(dialogue, [&] { return 1 + random() % largest; });
      ASSERT_EQ(got, replies);
      ASSERT_EQ(drive.kept.size(), whole.kept.size());
      for (std::size_t i = 0; i < drive.kept.size(); ++i) {
        ASSERT_EQ(drive.kept[i].body, whole.kept[i].body);
      }
    }
  }
}

}  // namespace
}  // namespace goniec::smtp
