// Drives a ServerSession in memory, for tests and fuzz targets only: a pump without a wire and a
// house with fixed rules. What it answers:
//   recipients  user, bob, alice, postmaster, any user+tag at example.test; friends at remote.test
//               for who is logged in; else 550
//   senders     all; logins: alice@example.test with "wonderland", also by SCRAM
//   messages    kept with their envelope, "250 2.0.0 kept"; refused when `full`
// It checks what every consumer relies on: no Body outside a message, none after DiscardBody,
// octets of AskMessage equal to those given, nothing after Close.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "proto/smtp/server.h"

namespace goniec::smtp {

struct KeptMessage {
  Transaction transaction;
  std::string body;
};

inline const ScramKeys& alice_keys() {
  static const ScramKeys keys = derive_scram_keys("wonderland", "salt of the house", 4096);
  return keys;
}

class Drive {
 public:
  explicit Drive(ServerOptions options) : session(std::move(options)) { run(); }

  // Everything the session says to these bytes, given in one piece.
  std::string feed(std::string_view bytes) {
    if (!closed) session.receive(bytes);
    run();
    return std::exchange(sent, {});
  }
  // The same, in pieces of the sizes that `next_size` gives.
  template <class NextSize>
  std::string feed_in_pieces(std::string_view bytes, NextSize next_size) {
    std::string all = std::exchange(sent, {});
    while (!bytes.empty() && !closed && !wants_tls) {
      std::size_t size = std::min<std::size_t>(std::max<std::size_t>(next_size(), 1), bytes.size());
      all += feed(bytes.substr(0, size));
      bytes.remove_prefix(size);
    }
    return all;
  }
  std::string take_sent() { return std::exchange(sent, {}); }
  void start_tls() {
    wants_tls = false;
    session.tls_started();
    run();
  }
  void end_input() {
    session.receive_end();
    run();
  }

  void run() {
    while (!wants_tls) {
      Step step = session.next();
      if (std::holds_alternative<NeedInput>(step)) return;
      if (auto* send = std::get_if<Send>(&step)) {
        CHECK(!closed && !send->bytes.empty());
        sent += send->bytes;
      } else if (auto* asked = std::get_if<Ask>(&step)) {
        questions.push_back(asked->question.index());
        answer(*asked);
      } else if (auto* body = std::get_if<Body>(&step)) {
        CHECK(open && !body->chunk.empty());
        octets += body->chunk;
      } else if (auto* discard = std::get_if<DiscardBody>(&step)) {
        CHECK(open);
        open = false;
        octets.clear();
        discards.push_back(discard->rule);
      } else if (std::holds_alternative<StartTls>(step)) {
        wants_tls = true;
      } else if (auto* close = std::get_if<Close>(&step)) {
        closed = true;
        close_reason = close->reason;
        return;
      }
    }
  }

  ServerSession session;
  std::string sent, octets, close_reason;
  std::vector<KeptMessage> kept;
  std::vector<std::string> discards;
  std::vector<std::size_t> questions;
  bool closed = false, wants_tls = false, open = false, full = false;
  Reply greeting{220, {}, ""};

 private:
  void answer(const Ask& asked) {
    std::visit([&](const auto& question) { reply(asked.token, question); }, asked.question);
  }
  void reply(std::uint64_t token, const AskGreeting&) { session.answer(token, greeting); }
  void reply(std::uint64_t token, const AskHelo&) { session.answer(token, Reply(250, {}, "")); }
  void reply(std::uint64_t token, const AskPassword& asked) {
    login(token, asked.credentials.user,
          asked.credentials.user == "alice@example.test" &&
              asked.credentials.password.reveal() == "wonderland",
          asked.mechanism);
  }
  void reply(std::uint64_t token, const AskScramKeys&) {
    session.answer_scram(token, alice_keys());
  }
  void reply(std::uint64_t token, const AskScramDone& asked) {
    login(token, asked.user, asked.proved && asked.user == "alice@example.test", "SCRAM-SHA-256");
  }
  void login(std::uint64_t token, const std::string& user, bool right, std::string mechanism) {
    if (!right) {
      return session.answer_login(token, {}, Reply(535, {5, 7, 8}, "authentication failed"));
    }
    Login granted{Address::parse(user).value(), std::move(mechanism)};
    session.answer_login(token, granted, Reply(235, {2, 7, 0}, "welcome"));
  }
  void reply(std::uint64_t token, const AskSender&) {
    session.answer(token, Reply(250, {2, 1, 0}, "sender ok"));
  }
  void reply(std::uint64_t token, const AskRecipient& asked) {
    const Address& address = asked.recipient.address;
    std::string local = address.local().substr(0, address.local().find('+'));
    bool ours = asked.postmaster || address.domain().ascii() == "example.test";
    bool known = asked.postmaster || local == "user" || local == "bob" || local == "alice" ||
                 local == "POSTMASTER";
    if (ours ? known : session.transaction().login.has_value()) {
      return session.answer(token, Reply(250, {2, 1, 5}, "recipient ok"));
    }
    session.answer(token, ours ? Reply(550, {5, 1, 1}, "no such user")
                               : Reply(550, {5, 7, 1}, "relaying denied"));
  }
  void reply(std::uint64_t token, const AskData&) {
    CHECK(!open);
    if (full) return session.answer(token, Reply(452, {4, 3, 1}, "no room"));
    open = true;
    octets.clear();
    session.answer(token, Reply(354, {}, "go"));
  }
  void reply(std::uint64_t token, const AskMessage& asked) {
    CHECK(open && asked.octets == octets.size());
    open = false;
    kept.push_back({session.transaction(), std::exchange(octets, {})});
    std::vector<Reply> replies;
    bool lmtp = !session.transaction().helo.empty() && lmtp_;
    std::size_t count = lmtp ? session.transaction().recipients.size() : 1;
    for (std::size_t i = 0; i < count; ++i) {
      replies.emplace_back(250, EnhancedCode{2, 0, 0}, "kept " + std::to_string(i));
    }
    session.answer_message(token, std::move(replies));
  }
  void reply(std::uint64_t token, const AskVerify&) {
    session.answer(token, Reply(252, {2, 5, 2}, ""));
  }

 public:
  bool lmtp_ = false;
};

}  // namespace goniec::smtp
