// ServerSession and ClientSession joined in memory: any split of the bytes, any refusal, any place
// where the wire breaks, STARTTLS, LMTP, several transactions. One seed is one history; a failure
// names it.
//
// Laws. A recipient is reported delivered exactly when the server committed the message for it, but
// for a wire that broke after the final dot (uncertain). Results come one a recipient, in order.
// What is committed is the content with its line ends made right, for the recipients that were
// accepted, once. Somebody can always go on (no deadlock), and every session ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "proto/smtp/client.h"
#include "proto/smtp/server.h"

namespace goniec::smtp {
namespace {

// The simplest reading of "line ends made right", apart from the code under test.
std::string normalised(std::string_view content) {
  std::string kept, out;
  for (char c : content) {
    if (c != '\0') kept += c;
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] == '\r') {
      out += "\r\n";
      if (i + 1 < kept.size() && kept[i + 1] == '\n') ++i;
    } else if (kept[i] == '\n') {
      out += "\r\n";
    } else {
      out += kept[i];
    }
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  return out;
}

struct Sent {  // one transaction of the client
  ClientTransaction transaction;
  std::string content;
  std::optional<std::vector<ClientResult>> results;
};

class Joined {
 public:
  explicit Joined(std::uint64_t seed)
      : chance_(seed),
        lmtp_(one_in(4)),
        breaks_(one_in(3)),
        refusal_(one_in(3) ? 0 : 2 + below(12)),
        client_(client_options()),
        server_(server_options()) {}

  void run();

 private:
  std::uint64_t below(std::uint64_t bound) { return chance_() % bound; }
  bool one_in(std::uint64_t odds) { return below(odds) == 0; }

  ClientOptions client_options();
  ServerOptions server_options();
  void step_client();
  void step_server();
  bool client_waits_in_vain() const { return client_waits_ && to_client_.empty(); }
  bool server_waits_in_vain() const { return server_waits_ && to_server_.empty(); }
  void break_wire();
  std::string piece_of(std::string& stream);
  Reply random_reply(Reply yes);
  void answer(const Ask& ask);
  void commit(std::uint64_t token);
  void begin();
  std::string random_content();
  void check_laws() const;

  std::mt19937_64 chance_;
  bool lmtp_, breaks_;
  std::uint64_t refusal_;  // one answer in so many is a refusal; 0: none
  ClientSession client_;
  ServerSession server_;
  std::string to_server_, to_client_;
  bool client_waits_ = false, server_waits_ = false, client_closed_ = false, server_closed_ = false;
  bool broken_ = false;
  bool aborted_ = false;                            // the content could not be read
  bool client_told_ = false, server_told_ = false;  // that the wire broke
  std::vector<Sent> sent_;
  std::size_t given_ = 0;                         // octets of the content of the last transaction
  std::string body_;                              // that the server collected
  std::map<std::string, std::string> committed_;  // recipient -> body
};

ClientOptions Joined::client_options() {
  ClientOptions options{.hostname = "client.test", .lmtp = lmtp_};
  options.tls = one_in(2) ? ClientTls::opportunistic : ClientTls::none;
  options.limits.recipients_transaction = 6;
  return options;
}

ServerOptions Joined::server_options() {
  ServerOptions options{.hostname = "server.test"};
  options.listener = lmtp_ ? ListenerKind::lmtp : ListenerKind::mx;
  options.tls_offered = one_in(2);
  if (one_in(3)) options.limits.message_octets = 500;
  if (one_in(4)) options.limits.recipients = 2;
  return options;
}

std::string Joined::piece_of(std::string& stream) {
  const auto length = one_in(3) ? 1 : 1 + below(std::min<std::uint64_t>(4096, stream.size()));
  auto piece = stream.substr(0, length);
  stream.erase(0, piece.size());
  return piece;
}

Reply Joined::random_reply(Reply yes) {
  if (refusal_ == 0 || !one_in(refusal_)) return yes;
  switch (below(4)) {
    case 0:
      return Reply(450, {4, 2, 0}, "later");
    case 1:
      return Reply(451, {4, 3, 0}, "trouble");
    case 2:
      return Reply(552, {5, 2, 2}, "full");
    default:
      return Reply(550, {5, 7, 1}, "no\nnever");
  }
}

std::string Joined::random_content() {
  constexpr std::string_view alphabet("a.\r\n\0\xC5\r\n b", 10);
  std::string content;
  for (auto length = one_in(5) ? 0 : below(one_in(4) ? 40000 : 400); length > 0; --length) {
    if (one_in(2))
      content += alphabet[below(alphabet.size())];
    else
      content += one_in(30) ? "\r\n" : "x";
  }
  return content;
}

void Joined::begin() {
  if (sent_.size() >= 4 || one_in(6)) return client_.quit();
  const auto number = std::to_string(sent_.size());
  Sent sent;
  sent.content = random_content();
  auto& transaction = sent.transaction;
  if (!one_in(5)) transaction.sender.address = *Address::parse("s" + number + "@a.test");
  for (auto i = 1 + below(client_.capacity()); i > 0; --i) {
    const auto name = one_in(10) ? "ż" : "r";
    transaction.recipients.push_back(
        {.address = *Address::parse(name + number + "-" + std::to_string(i) + "@b.test")});
    if (one_in(4)) transaction.recipients.back().notify.success = true;
  }
  transaction.size = sent.content.size();
  transaction.eight_bit = sent.content.contains('\xC5');
  given_ = 0;
  client_.begin(transaction);
  sent_.push_back(std::move(sent));
}

void Joined::step_client() {
  if (client_waits_) {
    if (!to_client_.empty()) {
      client_.receive(piece_of(to_client_));
    } else if ((broken_ || server_closed_) && !client_told_) {
      client_told_ = true;
      client_.receive_end("the wire broke");
    } else {
      return;
    }
    client_waits_ = false;
  }
  auto step = client_.next();
  if (auto* send = std::get_if<client::Send>(&step)) {
    if (!broken_ && !server_closed_) to_server_ += send->bytes;
  } else if (std::holds_alternative<client::NeedInput>(step)) {
    client_waits_ = true;
  } else if (std::holds_alternative<client::StartTls>(step)) {
    client_.tls_started({.version = "TLSv1.3"});
  } else if (std::holds_alternative<client::Ready>(step)) {
    begin();
  } else if (std::holds_alternative<client::NeedBody>(step)) {
    const auto& content = sent_.back().content;
    if (one_in(200)) {
      aborted_ = true;
      return client_.abort_body();
    }
    const auto length = std::min<std::size_t>(content.size() - given_, below(5000));
    const bool last = given_ + length == content.size() && !one_in(4);
    client_.body(std::string_view(content).substr(given_, length), last);
    given_ += length;
  } else if (auto* done = std::get_if<client::Done>(&step)) {
    ASSERT_FALSE(sent_.back().results.has_value()) << "two Done for one transaction";
    sent_.back().results = std::move(done->results);
  } else if (std::holds_alternative<client::Close>(step)) {
    client_closed_ = true;
  }
}

void Joined::commit(std::uint64_t token) {
  const auto& recipients = server_.transaction().recipients;
  std::vector<Reply> replies;
  for (std::size_t i = 0; i < (lmtp_ ? recipients.size() : 1); ++i) {
    replies.push_back(random_reply(Reply(250, {2, 0, 0}, "kept")));
  }
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    if (!replies[lmtp_ ? i : 0].is_positive()) continue;
    const auto fresh = committed_.emplace(recipients[i].address.text(), body_).second;
    EXPECT_TRUE(fresh) << "committed twice";
  }
  server_.answer_message(token, std::move(replies));
}

void Joined::answer(const Ask& ask) {
  const auto token = ask.token;
  if (std::holds_alternative<AskMessage>(ask.question)) return commit(token);
  if (std::holds_alternative<AskGreeting>(ask.question)) {
    Reply reply(220, {}, "server.test ESMTP");
    if (refusal_ > 0 && one_in(30)) reply = Reply(one_in(2) ? 554 : 421, {}, "no");
    return server_.answer(token, reply);
  }
  if (std::holds_alternative<AskData>(ask.question)) {
    body_.clear();
    return server_.answer(token, random_reply(Reply(354, {}, "go on")));
  }
  const bool helo = std::holds_alternative<AskHelo>(ask.question);
  server_.answer(token, random_reply(Reply(250, helo ? EnhancedCode{} : EnhancedCode{2, 1, 0},
                                           helo ? "server.test" : "ok")));
}

void Joined::step_server() {
  if (server_waits_) {
    if (!to_server_.empty()) {
      server_.receive(piece_of(to_server_));
    } else if ((broken_ || client_closed_) && !server_told_) {
      server_told_ = true;
      server_.receive_end();
    } else {
      return;
    }
    server_waits_ = false;
  }
  auto step = server_.next();
  if (auto* send = std::get_if<Send>(&step)) {
    if (!broken_ && !client_closed_) to_client_ += send->bytes;
  } else if (std::holds_alternative<NeedInput>(step)) {
    server_waits_ = true;
  } else if (auto* ask = std::get_if<Ask>(&step)) {
    if (refusal_ > 0 && one_in(100)) {
      server_.close_with(Reply(421, {4, 3, 2}, "going down"), "test");
    } else {
      answer(*ask);
    }
  } else if (auto* body = std::get_if<Body>(&step)) {
    body_ += body->chunk;
  } else if (std::holds_alternative<DiscardBody>(step)) {
    body_.clear();
  } else if (std::holds_alternative<StartTls>(step)) {
    server_.tls_started();
  } else if (std::holds_alternative<Close>(step)) {
    server_closed_ = true;
  }
}

void Joined::break_wire() {
  broken_ = true;
  if (one_in(2)) to_client_.resize(below(to_client_.size() + 1));
  if (one_in(2)) to_server_.resize(below(to_server_.size() + 1));
}

void Joined::run() {
  const auto break_at = breaks_ ? below(300) : UINT64_MAX;
  for (std::uint64_t steps = 0; !client_closed_ || !server_closed_; ++steps) {
    ASSERT_LT(steps, 2'000'000u) << "the sessions do not end";
    if (steps == break_at) break_wire();
    const bool client_can = !client_closed_ && (!client_waits_in_vain() ||
                                                ((broken_ || server_closed_) && !client_told_));
    const bool server_can = !server_closed_ && (!server_waits_in_vain() ||
                                                ((broken_ || client_closed_) && !server_told_));
    ASSERT_TRUE(client_can || server_can) << "deadlock";
    if (client_can && (!server_can || one_in(2)))
      step_client();
    else
      step_server();
    if (testing::Test::HasFatalFailure()) return;
  }
  check_laws();
}

void Joined::check_laws() const {
  for (const auto& sent : sent_) {
    ASSERT_TRUE(sent.results.has_value()) << "a transaction without results";
    const auto& recipients = sent.transaction.recipients;
    ASSERT_EQ(sent.results->size(), recipients.size());
    for (std::size_t i = 0; i < recipients.size(); ++i) {
      const auto& result = (*sent.results)[i];
      const auto name = recipients[i].address.text();
      const auto kept = committed_.find(name);
      const bool delivered =
          result.state == RecipientState::delivered || result.state == RecipientState::relayed;
      const auto said = name + ": " + result.reply.one_line() + " at " + result.phase;
      if (delivered) {
        EXPECT_NE(kept, committed_.end()) << "reported, not committed: " << said;
        EXPECT_TRUE(result.reply.is_positive()) << said;
      } else if (!result.uncertain) {
        EXPECT_EQ(kept, committed_.end()) << "committed, not reported: " << said;
      }
      if (result.uncertain) EXPECT_TRUE(broken_ || refusal_ > 0) << said;
      if (kept != committed_.end()) EXPECT_EQ(kept->second, normalised(sent.content)) << said;
      if (!broken_ && !aborted_ && refusal_ == 0 && !delivered)
        EXPECT_NE(result.reply.code, 0) << said;
    }
  }
}

TEST(Joined, TheClientReportsWhatTheServerCommitted) {
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Joined(seed).run();
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace goniec::smtp
