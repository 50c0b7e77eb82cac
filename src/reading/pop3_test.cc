// A person reads mail: true loopback connections, a memory store, and a client that speaks line by
// line.
#include "reading/pop3.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "base/digest.h"
#include "base/text.h"
#include "net/tcp.h"
#include "reading/pop3_acceptor.h"

namespace goniec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::address;

class CollectingLog final : public LogSink {
 public:
  void write(LogRecord record) override { text += record.event + ": " + record.text + "\n"; }
  std::string text;
};

class Client {
 public:
  explicit Client(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  // "" when the connection ended.
  Task<std::string> line() {
    for (;;) {
      const std::size_t end = input_.find("\r\n");
      if (end != std::string::npos) {
        std::string text = input_.substr(0, end);
        input_.erase(0, end + 2);
        co_return text;
      }
      char buffer[4096];
      const auto got = co_await stream_->read(buffer);
      ended_ = !got || *got == 0;
      if (ended_) co_return std::string();
      input_.append(buffer, *got);
    }
  }
  Task<bool> say(std::string text) {
    text += "\r\n";
    co_return (co_await stream_->write(text)).has_value();
  }
  Task<std::string> ask(std::string text) {
    (void)co_await say(std::move(text));
    co_return co_await line();
  }
  // The lines after +OK, unstuffed, joined by CRLF; or the refusal.
  Task<std::string> ask_lines(std::string text) {
    std::string first = co_await ask(std::move(text));
    if (!first.starts_with("+OK")) co_return first;
    std::string all;
    for (;;) {
      std::string next = co_await line();
      if (next == ".") co_return all;
      if (ended_) co_return "lost";
      if (next.starts_with("..")) next.erase(0, 1);
      all += next + "\r\n";
    }
  }
  Task<bool> start_tls() {
    auto secured =
        co_await start_tls_client(std::move(stream_), TlsContext::client().value(), {}, deadline);
    if (!secured) co_return false;
    stream_ = std::move(*secured);
    co_return true;
  }
  Moment deadline{};

 private:
  std::unique_ptr<Stream> stream_;
  std::string input_;
  bool ended_ = false;
};

class Pop3Test : public testing::Test {
 protected:
  Pop3Test() {
    house_.add_domain("a.pl");
    house_.add_user_with_password("ann@a.pl", "secret");
    house_.add_user_with_password("bob@a.pl", "secret");
    options_->hostname = "mail.a.pl";
    options_->tls = TlsContext::server({make_self_signed({"mail.a.pl"}, 1).value()}).value();
  }
  ~Pop3Test() override { house_.wait(stop()); }

  Task<int> stop() {
    co_await acceptor_.stop(house_.shard.clock().moment() + seconds(2));
    co_return 0;
  }

  Task<std::unique_ptr<Client>> connect(ListenerKind kind = ListenerKind::pop3) {
    Endpoint& endpoint = kind == ListenerKind::pop3 ? plain_ : implicit_;
    if (endpoint.port == 0) {
      auto listener = network_.listen({.endpoint = {*IpAddress::parse("127.0.0.1"), 0}});
      CHECK(listener.has_value());
      endpoint = (*listener)->local();
      acceptor_.add(std::move(*listener), {.kind = kind});
    }
    const Moment deadline = house_.shard.clock().moment() + seconds(20);
    auto stream = co_await network_.connect(endpoint, {}, deadline);
    CHECK(stream.has_value());
    (*stream)->set_deadline(deadline);
    auto client = std::make_unique<Client>(std::move(*stream));
    client->deadline = deadline;
    if (kind == ListenerKind::pop3s) CHECK(co_await client->start_tls());
    co_return client;
  }

  // After the greeting and a login over pop3s.
  Task<std::unique_ptr<Client>> log_in(std::string user = "Ann@a.pl") {
    auto client = co_await connect(ListenerKind::pop3s);
    EXPECT_EQ(co_await client->line(), "+OK mail.a.pl POP3 ready");
    EXPECT_TRUE((co_await client->ask("USER " + user)).starts_with("+OK"));
    EXPECT_TRUE((co_await client->ask("PASS secret")).starts_with("+OK"));
    co_return client;
  }

  const Address ann_ = address("ann@a.pl");
  test::TestHouse house_;
  test::TestWorld world_{house_};
  SystemNetwork network_{house_.shard};
  CollectingLog log_;
  Mailboxes mailboxes_{*house_.directory, house_.committer, house_.readers};
  Logins logins_{
      *house_.directory, {.failures_per_account = 3}, house_.metrics, house_.shard.random()};
  std::shared_ptr<Pop3Options> options_ = std::make_shared<Pop3Options>();
  std::string refusal_;
  Pop3Parts parts_{world_.world,
                   mailboxes_,
                   logins_,
                   house_.metrics,
                   log_,
                   [this] { return options_; },
                   [this](const IpAddress&) { return Pop3Admission{nullptr, refusal_}; }};
  Pop3Acceptor acceptor_{parts_};
  Endpoint plain_{}, implicit_{};

  Task<int> read_and_delete();
  Task<int> compare_uids(std::vector<std::string>& uids);
  Task<int> given_back();
  Task<int> exclusive();
  Task<int> stls();
  Task<int> wrong_passwords();
  Task<int> large();
  Task<int> refused();
  Task<int> idle();
  Task<int> shut_down();
  Task<int> lost_message();
};

Task<int> Pop3Test::read_and_delete() {
  auto client = co_await log_in();
  const std::string first =
      "Delivered-To: ann@a.pl\r\nReceived: here\r\nSubject: 1\r\n\r\n.one\r\n..\r\nend\r\n";
  const std::string second = "Delivered-To: ann@a.pl\r\nReceived: here\r\nSubject: 2\r\n\r\n";
  EXPECT_EQ(co_await client->ask("STAT"), fmt::format("+OK 2 {}", first.size() + second.size()));
  EXPECT_EQ(co_await client->ask_lines("LIST"),
            fmt::format("1 {}\r\n2 {}\r\n", first.size(), second.size()));
  EXPECT_EQ(co_await client->ask_lines("RETR 1"), first);
  EXPECT_EQ(co_await client->ask_lines("RETR 2"), second);
  EXPECT_EQ(co_await client->ask_lines("TOP 1 1"), first.substr(0, first.find("..\r\n")));
  EXPECT_TRUE((co_await client->ask("DELE 1")).starts_with("+OK"));
  EXPECT_TRUE((co_await client->ask("RETR 1")).starts_with("-ERR"));
  EXPECT_EQ((*co_await mailboxes_.list(house_.shard, ann_)).size(), 2u) << "not before QUIT";
  EXPECT_TRUE((co_await client->ask("QUIT")).starts_with("+OK"));
  EXPECT_EQ((*co_await mailboxes_.list(house_.shard, ann_)).size(), 1u) << "removed before +OK";
  EXPECT_TRUE(mailboxes_.try_lock(ann_).has_value());
  EXPECT_EQ(co_await client->line(), "") << "the connection ends";
  co_return 0;
}

TEST_F(Pop3Test, gives_messages_whole_and_removes_at_quit) {
  house_.deliver(ann_, "Subject: 1\r\n\r\n", {".one\r\n..\r\n", "end\r\n"});
  house_.deliver(ann_, "Subject: 2\r\n\r\n", {});
  house_.wait(read_and_delete());
  EXPECT_NE(log_.text.find("Disconnected (quit): user=<ann@a.pl>, retr="), std::string::npos)
      << log_.text;
}

Task<int> Pop3Test::given_back() {
  while (!mailboxes_.try_lock(ann_)) co_await house_.shard.sleep(milliseconds(1));
  co_return 0;
}

Task<int> Pop3Test::compare_uids(std::vector<std::string>& uids) {
  auto client = co_await log_in();
  uids.push_back(co_await client->ask_lines("UIDL"));
  (void)co_await client->ask("DELE 1");
  if (uids.size() == 1) co_return 0;  // lost, without QUIT
  EXPECT_TRUE((co_await client->ask("QUIT")).starts_with("+OK"));
  co_return 0;
}

TEST_F(Pop3Test, keeps_uids_for_life_and_forgets_marks_without_quit) {
  house_.deliver(ann_, "A: 1\r\n\r\n", {});
  house_.deliver(ann_, "A: 2\r\n\r\n", {});
  std::vector<std::string> uids;
  house_.wait(compare_uids(uids));
  // The session of the lost connection may need a moment to notice and to give the mailbox back.
  house_.wait(given_back());
  house_.wait(compare_uids(uids));
  ASSERT_EQ(uids.size(), 2u);
  EXPECT_EQ(uids[0], uids[1]);
  EXPECT_EQ(house_.wait(mailboxes_.list(house_.shard, ann_))->size(), 1u);
}

Task<int> Pop3Test::exclusive() {
  auto first = co_await log_in();
  auto second = co_await connect(ListenerKind::pop3s);
  (void)co_await second->line();
  (void)co_await second->ask("USER ann@a.pl");
  EXPECT_TRUE((co_await second->ask("PASS secret")).starts_with("-ERR [IN-USE] "));
  EXPECT_TRUE((co_await log_in("bob@a.pl")) != nullptr);
  EXPECT_TRUE((co_await first->ask("QUIT")).starts_with("+OK"));
  (void)co_await second->ask("USER ann@a.pl");
  EXPECT_TRUE((co_await second->ask("PASS secret")).starts_with("+OK"));
  co_return 0;
}

TEST_F(Pop3Test, holds_a_mailbox_alone) {
  house_.wait(exclusive());
}

Task<int> Pop3Test::stls() {
  auto client = co_await connect();
  (void)co_await client->line();
  EXPECT_TRUE((co_await client->ask("USER ann@a.pl")).starts_with("-ERR"));
  const std::string before = co_await client->ask_lines("CAPA");
  EXPECT_NE(before.find("STLS\r\n"), std::string::npos) << before;
  EXPECT_EQ(before.find("USER\r\n"), std::string::npos) << before;
  EXPECT_TRUE((co_await client->ask("STLS")).starts_with("+OK"));
  EXPECT_TRUE(co_await client->start_tls());
  const std::string after = co_await client->ask_lines("CAPA");
  EXPECT_NE(after.find("USER\r\n"), std::string::npos) << after;
  EXPECT_EQ(after.find("STLS\r\n"), std::string::npos) << after;
  const std::string plain = to_base64(std::string("\0ann@a.pl\0secret", 16));
  EXPECT_TRUE((co_await client->ask("AUTH PLAIN " + plain)).starts_with("+OK"));
  EXPECT_TRUE((co_await client->ask("QUIT")).starts_with("+OK"));
  co_return 0;
}

TEST_F(Pop3Test, takes_passwords_after_stls_only) {
  house_.wait(stls());
}

Task<int> Pop3Test::wrong_passwords() {
  auto client = co_await connect(ListenerKind::pop3s);
  (void)co_await client->line();
  std::string wrong, unknown;
  for (int i = 0; i < 3; ++i) {
    (void)co_await client->ask("USER ann@a.pl");
    wrong = co_await client->ask("PASS wrong");
  }
  (void)co_await client->ask("USER a>,rip=6.6.6.6@a.pl");
  unknown = co_await client->ask("PASS wrong");
  EXPECT_TRUE(wrong.starts_with("-ERR [AUTH] ")) << wrong;
  EXPECT_EQ(wrong, unknown);
  auto again = co_await connect(ListenerKind::pop3s);
  (void)co_await again->line();
  (void)co_await again->ask("USER ann@a.pl");
  const std::string late = co_await again->ask("PASS secret");
  EXPECT_TRUE(late.starts_with("-ERR [SYS/TEMP] Too many failed logins")) << late;
  co_return 0;
}

TEST_F(Pop3Test, slows_down_who_guesses_and_tells_the_log) {
  house_.wait(wrong_passwords());
  EXPECT_NE(log_.text.find("login.failed: Aborted login (auth failed, 1 attempts): "
                           "user=<ann@a.pl>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, TLS"),
            std::string::npos)
      << log_.text;
  EXPECT_EQ(log_.text.find(",rip=6.6.6.6"), std::string::npos) << log_.text;
}

Task<int> Pop3Test::large() {
  auto client = co_await log_in();
  const std::string text = co_await client->ask_lines("RETR 1");
  EXPECT_EQ(text.size(), (*co_await mailboxes_.list(house_.shard, ann_)).front().octets);
  EXPECT_TRUE((co_await client->ask("QUIT")).starts_with("+OK"));
  co_return 0;
}

TEST_F(Pop3Test, sends_large_messages) {
  std::string chunk;
  while (chunk.size() < 65530) chunk += ".a line of text that goes on for a while\r\n";
  chunk.resize(65534);
  chunk += "\r\n";
  house_.deliver(ann_, "A: 1\r\n\r\n", std::vector<std::string>(40, chunk));
  house_.wait(large());
}

Task<int> Pop3Test::refused() {
  auto client = co_await connect();
  EXPECT_EQ(co_await client->line(), "-ERR [SYS/TEMP] too many connections");
  EXPECT_EQ(co_await client->line(), "");
  co_return 0;
}

TEST_F(Pop3Test, says_why_a_connection_is_refused) {
  refusal_ = "too many connections";
  house_.wait(refused());
}

Task<int> Pop3Test::idle() {
  auto client = co_await log_in();
  EXPECT_TRUE((co_await client->ask("DELE 1")).starts_with("+OK"));
  (void)co_await client->say("NO");
  const std::string said = co_await client->line();
  EXPECT_TRUE(said.starts_with("+OK") || said.starts_with("-ERR")) << said;
  EXPECT_TRUE((co_await client->line()).starts_with("-ERR idle"));
  EXPECT_EQ(co_await client->line(), "");
  co_return 0;
}

TEST_F(Pop3Test, ends_idle_sessions_without_removing) {
  house_.deliver(ann_, "A: 1\r\n\r\n", {});
  options_->idle = milliseconds(300);
  house_.wait(idle());
  EXPECT_EQ(house_.wait(mailboxes_.list(house_.shard, ann_))->size(), 1u);
}

Task<int> Pop3Test::shut_down() {
  auto client = co_await log_in();
  const Moment start = house_.shard.clock().moment();
  (void)co_await stop();
  EXPECT_LT(house_.shard.clock().moment() - start, seconds(1));
  EXPECT_EQ(co_await client->line(), "-ERR [SYS/TEMP] shutting down, try again later");
  EXPECT_EQ(acceptor_.sessions(), 0u);
  co_return 0;
}

TEST_F(Pop3Test, tells_idle_clients_that_the_server_stops) {
  house_.wait(shut_down());
}

Task<int> Pop3Test::lost_message() {
  auto client = co_await log_in();
  EXPECT_TRUE(co_await mailboxes_.remove(house_.shard, {ann_, "INBOX", {1}}));
  EXPECT_TRUE(co_await house_.committer.sweep(house_.shard, house_.shard.clock().now(), {}, 100));
  EXPECT_TRUE((co_await client->ask("RETR 1")).starts_with("-ERR [SYS/TEMP]"));
  EXPECT_TRUE((co_await client->ask("NOOP")).starts_with("+OK")) << "the session goes on";
  co_return 0;
}

TEST_F(Pop3Test, goes_on_when_a_message_is_gone) {
  house_.deliver(ann_, "A: 1\r\n\r\n", {"x\r\n"});
  house_.wait(lost_message());
}

}  // namespace
}  // namespace goniec
