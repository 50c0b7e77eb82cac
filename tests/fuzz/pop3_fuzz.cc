// Any client against the POP3 session: the first octet chooses TLS and who may log in, the rest is
// what the client says, cut into pieces by its own octets.
//
// Laws: the session always ends; nothing of a message goes out and nothing is removed before a
// login; no login is asked for in clear; removal is asked for once, at the end; each line sent ends
// in CRLF, and no dot of a message stands alone; what is buffered is bounded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proto/pop3.h"

namespace {

using namespace goniec;
namespace p = goniec::pop3;

constexpr std::string_view message("Subject: secret-content\r\n\r\n.\r\n..two\r\nend\r\n");

struct Harness {
  Harness(std::uint8_t flags, std::string_view said) : client(said), flags_(flags) {}

  p::Options options() const {
    p::Options options{.hostname = "fuzz.test"};
    options.tls_offered = (flags_ & 1) != 0;
    options.tls_active = (flags_ & 2) != 0;
    options.scram_nonce = (flags_ & 4) != 0 ? "nonce" : "";
    options.limits = {
        .command_octets = 80, .auth_octets = 300, .errors = 5, .logins_failed = 3, .commands = 200};
    return options;
  }

  void feed(p::Session& session) {
    if (client.empty()) return session.receive_end();
    const auto octet = static_cast<std::uint8_t>(client[0]);
    const std::size_t piece = octet < 128 ? client.size() : 1 + octet % 16;
    session.receive(client.substr(0, piece));
    client.remove_prefix(std::min(piece, client.size()));
  }

  void answer(p::Session& session, const p::Ask& ask) {
    const Login login{*Address::parse("u@a.test"), "PLAIN"};
    const bool well = (flags_ & 8) == 0;
    const p::Denial denial{"AUTH", "no"};
    if (std::holds_alternative<p::AskGreeting>(ask.question)) return session.grant(ask.token);
    if (std::holds_alternative<p::AskPassword>(ask.question)) {
      CHECK(session.tls_active());
      return well ? session.grant_login(ask.token, login) : session.deny(ask.token, denial);
    }
    if (std::holds_alternative<p::AskScramKeys>(ask.question))
      return session.deny(ask.token, denial);
    if (std::holds_alternative<p::AskScramDone>(ask.question))
      return session.deny(ask.token, denial);
    if (std::holds_alternative<p::AskOpen>(ask.question)) {
      opened = true;
      return session.open(ask.token, {{"1.1", message.size()}, {"1.2", message.size()}});
    }
    CHECK(opened && !removed);
    removed = true;
    for (const std::size_t index : std::get<p::AskRemove>(ask.question).messages) CHECK(index < 2);
    session.grant(ask.token);
  }

  void give_body(p::Session& session, const p::NeedBody& wanted) {
    CHECK(opened && wanted.message < 2);
    if (wanted.first) given = 0;
    if (given == message.size()) {
      if ((flags_ & 16) != 0) return session.body_failed();
      return session.body_end();
    }
    const std::size_t piece = std::min<std::size_t>(1 + (flags_ >> 5) * 5, message.size() - given);
    session.body(message.substr(given, piece));
    given += piece;
  }

  void check_sent(std::string_view bytes) {
    sent += bytes;
    if (!opened) CHECK(sent.find("secret-content") == std::string::npos);
    CHECK(sent.size() < 10'000'000);
  }

  void run() {
    p::Session session(options());
    for (int steps = 0;; ++steps) {
      CHECK(steps < 100'000);
      p::Step step = session.next();
      if (const auto* send = std::get_if<p::Send>(&step)) {
        check_sent(send->bytes);
      } else if (std::holds_alternative<p::NeedInput>(step)) {
        feed(session);
      } else if (const auto* ask = std::get_if<p::Ask>(&step)) {
        answer(session, *ask);
      } else if (const auto* body = std::get_if<p::NeedBody>(&step)) {
        give_body(session, *body);
      } else if (std::holds_alternative<p::StartTls>(step)) {
        CHECK((flags_ & 1) != 0);
        session.tls_started();
      } else {
        return;
      }
    }
  }

  std::string_view client;
  std::string sent;
  std::uint8_t flags_;
  std::size_t given = 0;
  bool opened = false, removed = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  Harness harness(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  harness.run();
  for (std::size_t at = 0; (at = harness.sent.find('\n', at)) != std::string::npos; ++at)
    CHECK(at > 0 && harness.sent[at - 1] == '\r');
  return 0;
}
