// Tests of the POP3 session: dialogues with a mailbox in memory, and cuts that change nothing.
#include "proto/pop3.h"

#include <gtest/gtest.h>

#include <random>

#include "base/digest.h"
#include "base/text.h"

namespace goniec::pop3 {
namespace {

struct Mail {
  std::string uid, content;
};

struct Drive {
  explicit Drive(Options options, std::vector<Mail> mails = {})
      : session(std::move(options)), mailbox(std::move(mails)) {
    run();
  }

  std::string feed(std::string_view bytes) {
    if (!closed && !wants_tls) session.receive(bytes);
    run();
    return std::exchange(sent, {});
  }

  void run() {
    while (!wants_tls) {
      Step step = session.next();
      if (std::holds_alternative<NeedInput>(step)) return;
      if (auto* send = std::get_if<Send>(&step)) {
        largest_send = std::max(largest_send, send->bytes.size());
        sent += send->bytes;
      } else if (auto* asked = std::get_if<Ask>(&step)) {
        answer(*asked);
      } else if (auto* need = std::get_if<NeedBody>(&step)) {
        give_body(*need);
      } else if (std::holds_alternative<StartTls>(step)) {
        wants_tls = true;
      } else if (auto* close = std::get_if<Close>(&step)) {
        closed = true;
        close_reason = close->reason;
        return;
      }
    }
  }

  void answer(const Ask& asked) {
    if (std::holds_alternative<AskGreeting>(asked.question)) return session.grant(asked.token);
    if (auto* password = std::get_if<AskPassword>(&asked.question)) {
      return login(asked.token, password->credentials.user,
                   password->credentials.password.reveal() == "wonder land");
    }
    if (std::holds_alternative<AskScramKeys>(asked.question)) {
      return session.give_keys(asked.token, derive_scram_keys("wonder land", "salt", 4096));
    }
    if (auto* done = std::get_if<AskScramDone>(&asked.question)) {
      return login(asked.token, done->user, done->proved);
    }
    if (std::holds_alternative<AskOpen>(asked.question)) {
      if (in_use) return session.deny(asked.token, {"IN-USE", "somebody reads it"});
      std::vector<Listed> list;
      for (const Mail& mail : mailbox) list.push_back({mail.uid, mail.content.size()});
      return session.open(asked.token, std::move(list));
    }
    removed = std::get<AskRemove>(asked.question).messages;
    if (removal_fails) return session.deny(asked.token, {"SYS/TEMP", "not removed"});
    session.grant(asked.token);
  }

  void login(std::uint64_t token, const std::string& user, bool right) {
    if (!right || user != "alice@example.test") {
      return session.deny(token, {"AUTH", "authentication failed"});
    }
    session.grant_login(token, {Address::parse(user).value(), "PLAIN"});
  }

  void give_body(const NeedBody& need) {
    const std::string& content = mailbox[need.message].content;
    if (need.first) body_at = 0;
    if (reading_fails_at && body_at >= *reading_fails_at) return session.body_failed();
    if (body_at == content.size()) return session.body_end();
    std::string chunk = content.substr(body_at, body_piece);
    body_at += chunk.size();
    session.body(chunk);
  }

  Session session;
  std::vector<Mail> mailbox;
  std::string sent, close_reason;
  std::vector<std::size_t> removed;
  std::optional<std::size_t> reading_fails_at;
  std::size_t body_at = 0, body_piece = 5, largest_send = 0;
  bool closed = false, wants_tls = false, in_use = false, removal_fails = false;
};

Options options_in_tls() {
  Options options;
  options.hostname = "mx.example.test";
  options.tls_offered = options.tls_active = true;
  options.scram_nonce = "servernonce";
  options.version = "0.1";
  return options;
}

const std::vector<Mail> kMails = {
    {"UID1", "Subject: one\r\n\r\n.dot\r\nline two\r\nline three\r\n"},
    {"UID2", "Subject: two\r\n\r\n"},
    {"UID3", "Subject: three\r\n\r\nbody\r\n"},
};

const char* const kLogin = "USER alice@example.test\r\nPASS wonder land\r\n";

Drive logged_in(std::vector<Mail> mails = kMails) {
  Drive drive(options_in_tls(), std::move(mails));
  EXPECT_EQ(drive.feed(kLogin), "+OK mx.example.test POP3 ready\r\n+OK and the password\r\n" +
                                    fmt::format("+OK {} messages\r\n", drive.mailbox.size()));
  return drive;
}

TEST(Pop3, ListsAndReads) {
  Drive drive = logged_in();
  EXPECT_EQ(drive.feed("STAT\r\n"), fmt::format("+OK 3 {}\r\n", 44 + 16 + 24));
  EXPECT_EQ(drive.feed("LIST\r\n"), "+OK list follows\r\n1 44\r\n2 16\r\n3 24\r\n.\r\n");
  EXPECT_EQ(drive.feed("uidl 2\r\n"), "+OK 2 UID2\r\n");
  EXPECT_EQ(drive.feed("UIDL\r\n"), "+OK list follows\r\n1 UID1\r\n2 UID2\r\n3 UID3\r\n.\r\n");
  EXPECT_EQ(drive.feed("RETR 1\r\n"),
            "+OK message follows\r\nSubject: one\r\n\r\n..dot\r\nline two\r\nline three\r\n.\r\n");
  EXPECT_EQ(drive.feed("RETR 2\r\n"), "+OK message follows\r\nSubject: two\r\n\r\n.\r\n");
  for (std::string wrong : {"RETR 0", "RETR 4", "RETR x", "RETR", "RETR 1 2", "LIST 9", "LAST",
                            "APOP a b", "USER x", "STLS", ""}) {
    EXPECT_EQ(drive.feed(wrong + "\r\n").substr(0, 4), "-ERR") << wrong;
  }
}

TEST(Pop3, SendsTheTopOfAMessageAndReadsNoFurther) {
  Drive drive = logged_in();
  EXPECT_EQ(drive.feed("TOP 1 0\r\n"), "+OK message follows\r\nSubject: one\r\n\r\n.\r\n");
  EXPECT_LT(drive.body_at, kMails[0].content.size());
  EXPECT_EQ(drive.feed("TOP 1 2\r\n"),
            "+OK message follows\r\nSubject: one\r\n\r\n..dot\r\nline two\r\n.\r\n");
  EXPECT_EQ(drive.feed("TOP 3 99\r\n"),
            "+OK message follows\r\nSubject: three\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(drive.feed("TOP 3\r\n").substr(0, 4), "-ERR");
}

TEST(Pop3, DeletesOnlyAtQuit) {
  Drive drive = logged_in();
  EXPECT_EQ(drive.feed("DELE 1\r\nDELE 3\r\nRETR 1\r\nDELE 1\r\nSTAT\r\nLIST\r\n"),
            "+OK marked\r\n+OK marked\r\n-ERR no such message\r\n-ERR no such message\r\n"
            "+OK 1 16\r\n+OK list follows\r\n2 16\r\n.\r\n");
  EXPECT_TRUE(drive.removed.empty());
  EXPECT_EQ(drive.feed("QUIT\r\nNOOP\r\n"), "+OK goodbye\r\n");
  EXPECT_EQ(drive.removed, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(drive.close_reason, "quit");

  Drive reset = logged_in();
  reset.feed("DELE 1\r\nRSET\r\nQUIT\r\n");
  EXPECT_TRUE(reset.removed.empty());

  Drive lost = logged_in();
  lost.feed("DELE 1\r\n");
  lost.session.receive_end();
  lost.run();
  EXPECT_TRUE(lost.closed && lost.removed.empty());

  Drive fails = logged_in();
  fails.removal_fails = true;
  EXPECT_EQ(fails.feed("DELE 1\r\nQUIT\r\n"), "+OK marked\r\n-ERR [SYS/TEMP] not removed\r\n");
}

TEST(Pop3, TakesNoPasswordInClearAndForgetsWhatCameBeforeTls) {
  Options options = options_in_tls();
  options.tls_active = false;
  Drive drive(options, kMails);
  drive.feed("");
  EXPECT_EQ(drive.feed("CAPA\r\n").find("SASL"), std::string::npos);
  EXPECT_EQ(drive.feed(kLogin).substr(0, 4), "-ERR");
  EXPECT_EQ(drive.feed("AUTH PLAIN\r\n").substr(0, 4), "-ERR");
  EXPECT_EQ(drive.feed("STAT\r\n").substr(0, 4), "-ERR");
  EXPECT_EQ(drive.feed("STLS\r\nUSER evil\r\n"), "+OK begin TLS\r\n");
  ASSERT_TRUE(drive.wants_tls);
  drive.session.receive("USER evil\r\n");
  drive.wants_tls = false;
  drive.session.tls_started();
  EXPECT_EQ(drive.feed("PASS x\r\n"), "-ERR USER comes first\r\n");
  std::string offers = drive.feed("CAPA\r\n");
  EXPECT_NE(offers.find("SASL PLAIN SCRAM-SHA-256\r\n"), std::string::npos);
  EXPECT_EQ(offers.find("STLS"), std::string::npos);
  EXPECT_EQ(drive.feed(kLogin), "+OK and the password\r\n+OK 3 messages\r\n");
}

TEST(Pop3, LogsInBySasl) {
  std::string right = to_base64(std::string("\0alice@example.test\0wonder land", 31));
  for (std::string dialogue : {"AUTH PLAIN " + right + "\r\n", "auth plain\r\n" + right + "\r\n"}) {
    Drive drive(options_in_tls(), kMails);
    std::string said = drive.feed(dialogue);
    EXPECT_TRUE(said.ends_with("+OK 3 messages\r\n")) << said;
  }
  Drive drive(options_in_tls(), kMails);
  ScramClient client("alice@example.test", Secret("wonder land"), "clientnonce");
  drive.feed("");
  std::string said =
      drive.feed("AUTH SCRAM-SHA-256\r\n" + to_base64(client.client_first()) + "\r\n");
  ASSERT_EQ(said.substr(0, 6), "+ \r\n+ ");
  auto final = client.client_final(from_base64(said.substr(6, said.size() - 8)).value());
  ASSERT_TRUE(final);
  said = drive.feed(to_base64(*final) + "\r\n");
  EXPECT_TRUE(client.check_server_final(from_base64(said.substr(2, said.size() - 4)).value()));
  EXPECT_EQ(drive.feed("\r\n"), "+OK 3 messages\r\n");
}

TEST(Pop3, RefusesLoginsInTheSameWordsAndClosesAfterTheLimit) {
  Drive drive(options_in_tls(), kMails);
  drive.feed("");
  std::string wrong = "USER alice@example.test\r\nPASS no\r\n",
              nobody = "USER nobody\r\nPASS x\r\n";
  EXPECT_EQ(drive.feed(wrong), "+OK and the password\r\n-ERR [AUTH] authentication failed\r\n");
  EXPECT_EQ(drive.feed(nobody), "+OK and the password\r\n-ERR [AUTH] authentication failed\r\n");
  EXPECT_EQ(drive.feed("AUTH PLAIN\r\n*\r\n"), "+ \r\n-ERR login cancelled\r\n");
  EXPECT_EQ(drive.feed("AUTH PLAIN !!\r\n").substr(0, 4), "-ERR");
  EXPECT_EQ(drive.feed("AUTH CRAM-MD5\r\n").substr(0, 4), "-ERR");
  for (int i = 0; i < 3; ++i) drive.feed(wrong);
  EXPECT_TRUE(drive.closed);

  Drive in_use(options_in_tls(), kMails);
  in_use.in_use = true;
  EXPECT_TRUE(in_use.feed(kLogin).ends_with("-ERR [IN-USE] somebody reads it\r\n"));
  EXPECT_FALSE(in_use.session.login());
  EXPECT_EQ(in_use.feed("STAT\r\n").substr(0, 4), "-ERR");
}

TEST(Pop3, NeverEndsAMessageThatCouldNotBeRead) {
  Drive first = logged_in();
  first.reading_fails_at = 0;
  EXPECT_EQ(first.feed("RETR 1\r\nNOOP\r\n"),
            "-ERR [SYS/TEMP] the message cannot be read now\r\n+OK\r\n");
  Drive middle = logged_in();
  middle.reading_fails_at = 10;
  std::string said = middle.feed("RETR 1\r\n");
  EXPECT_TRUE(middle.closed);
  EXPECT_EQ(said.find("\r\n.\r\n"), std::string::npos);
}

TEST(Pop3, HoldsItsLimits) {
  Drive drive = logged_in();
  EXPECT_EQ(drive.feed("NOOP" + std::string(1000, ' ') + "\r\nNOOP\r\n"),
            "-ERR the line is too long\r\n+OK\r\n");
  std::string said;
  for (int i = 0; i < 30 && !drive.closed; ++i) said += drive.feed("BOGUS\r\n");
  EXPECT_TRUE(drive.closed);

  Drive endless = logged_in();
  for (int i = 0; i < 100 && !endless.closed; ++i) endless.feed(std::string(1000, 'x'));
  EXPECT_TRUE(endless.closed);

  std::vector<Mail> many;
  for (int i = 0; i < 5000; ++i) many.push_back({"UID" + std::to_string(i), "x\r\n"});
  Drive large = logged_in(many);
  EXPECT_TRUE(large.feed("UIDL\r\n").ends_with("5000 UID4999\r\n.\r\n"));
  EXPECT_LT(large.largest_send, 10000u) << "a list goes out in pieces";
}

TEST(Pop3, CutsOfTheInputChangeNothing) {
  std::string dialogue = std::string("CAPA\r\n") + kLogin +
                         "STAT\r\nLIST\r\nUIDL\r\nTOP 1 1\r\nRETR 1\r\nNOOP " +
                         std::string(600, 'x') + "\r\nDELE 2\r\nRETR 2\r\nRETR 3\r\nQUIT\r\n";
  Drive whole(options_in_tls(), kMails);
  std::string expected = whole.feed(dialogue);
  EXPECT_EQ(whole.removed, std::vector<std::size_t>{1});
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Drive drive(options_in_tls(), kMails);
    drive.body_piece = 1 + random() % 20;
    std::string said = std::exchange(drive.sent, {});
    std::string_view rest = dialogue;
    while (!rest.empty()) {
      std::size_t size = std::min<std::size_t>(1 + random() % 30, rest.size());
      said += drive.feed(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    ASSERT_EQ(said, expected);
  }
}

}  // namespace
}  // namespace goniec::pop3
