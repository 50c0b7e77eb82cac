// The server side of SMTP and LMTP without I/O (RFC 5321, 2033, 1870, 2920, 2034, 3030, 3207, 3461,
// 4954, 6152, 6531, 9422). Bytes in, one Step out; every Step must be handled before the next is
// asked.
//
//   receive(bytes)    what the wire brought; all of it is consumed or buffered (at most the input
//                     limit: the pump reads only after NeedInput, and once while AskGreeting is
//                     open,
//                     so that talk before the greeting is seen)
//   next() -> Step    exactly one of
//     Send{bytes}     write it (replies are gathered: several answers in one Send)
//     NeedInput       read more; `wait` says which deadline applies to a silent client
//     Ask{question}   answer*(token, …) before any further input is looked at. A late answer (after
//                     a close) is dropped by its token
//     Body{chunk}     octets of the message, unstuffed, CRLF line ends; valid until the next call;
//                     the consumer is back-pressure: nothing is parsed before next() is called
//                     again
//     DiscardBody     the message being received will not end in AskMessage: forget its octets;
//     never
//                     after AskMessage
//     StartTls        start the handshake, no plaintext is kept; then tls_started() or tls_failed()
//     Close           write nothing more; close the stream (everything to send was in Send before)
//
// The session promises: grammar and order of commands, limits with their replies, line-end rules,
// exact octet counts of BDAT, forgetting at STARTTLS. It decides no policy: who may relay, which
// recipient exists, what a password is worth, is asked. 250 to a message is only ever the answer to
// AskMessage.
//
// State table in server.cc. Times are not known here: the pump keeps the clock.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mail/journey.h"
#include "proto/sasl.h"
#include "proto/smtp/data.h"

namespace goniec::smtp {

struct ServerLimits {
  std::size_t command_octets =
      2048;                         // 500 5.5.2; with CRLF (512 + parameters; RFC 5321 §4.5.3.1.4)
  std::size_t auth_octets = 12288;  // 500 5.5.6 (RFC 4954 §4)
  std::uint64_t message_octets = 50u << 20;  // 552 5.3.4
  std::size_t recipients = 1000;             // 452 4.5.3 beyond
  std::size_t envelope_octets = 256 * 1024;  // 452 4.5.3: addresses and ORCPT of a message together
  std::size_t errors = 20;  // 421 4.7.0 after so many 5xx to commands (unknown, order, grammar)
  std::size_t refused_recipients = 100;  // 421 4.7.0 after so many in one session
  std::size_t logins_failed = 5;         // 421 4.7.0
  std::size_t transactions = 1000;       // 421 4.7.0: messages a session
  std::size_t commands = 20000;          // 421 4.7.0: a session
  std::size_t input_octets = 16 * 1024;  // buffered at most
};

struct ServerOptions {
  std::string hostname;
  ListenerKind listener = ListenerKind::mx;  // mx, submission, submissions, lmtp
  bool tls_offered = false;                  // a certificate is there
  bool tls_active = false;                   // implicit TLS
  bool login_offered = false;                // submission listeners; only after TLS
  bool login_without_tls = false;  // never on the wire; for the unix socket and laboratories
  bool login_required = false;     // MAIL answers 530 before AUTH
  std::vector<std::string> mechanisms = {"PLAIN", "LOGIN", "SCRAM-SHA-256"};
  LineEndPolicy line_ends = LineEndPolicy::reject;
  std::string scram_nonce;  // server part of the nonce, from the Random door
  ServerLimits limits;
};

// ---------------------------------------------------------------- questions
struct AskGreeting {};  // may this caller speak at all? answer: 220 or 421/554
struct AskHelo {
  std::string name;
  bool extended = false;
};  // answer: 250 or 5xx/4xx
struct AskPassword {
  PlainCredentials credentials;
  std::string mechanism;
};  // answer_login
struct AskScramKeys {
  std::string user;
};  // answer_scram, then AskScramDone on success
struct AskScramDone {
  std::string user;
  bool proved = false;
};  // proved or not: answer_login
struct AskSender {
  Sender sender;
};  // answer: 250 or refusal
struct AskRecipient {
  Recipient recipient;
  bool postmaster = false;
};  // <postmaster> without domain
struct AskData {};  // DATA or first BDAT: room for a message? 354 or refusal
struct AskMessage {
  std::uint64_t octets = 0;
};  // all octets were given: commit, then the final reply
struct AskVerify {
  std::string text;
  bool expand = false;
};  // VRFY, EXPN
using Question = std::variant<AskGreeting, AskHelo, AskPassword, AskScramKeys, AskScramDone,
                              AskSender, AskRecipient, AskData, AskMessage, AskVerify>;

struct Send {
  std::string bytes;
};
enum class Wait { greeting_talk, command, data, tls };  // which deadline applies
struct NeedInput {
  Wait wait = Wait::command;
};
struct Ask {
  Question question;
  std::uint64_t token = 0;
};
struct Body {
  std::string_view chunk;
};
struct DiscardBody {
  std::string rule;
};  // "line_end", "size", "aborted"
struct StartTls {};
struct Close {
  std::string reason;
};  // "quit", "errors", "policy"…
using Step = std::variant<Send, NeedInput, Ask, Body, DiscardBody, StartTls, Close>;

// What a session counted, for the disconnect line of the log.
struct SessionCounts {
  struct Verb {
    std::string name;
    std::uint32_t accepted = 0, total = 0;
  };
  std::vector<Verb> verbs;
  std::uint32_t commands = 0, errors = 0;
};
// A refusal that the session decided itself (grammar, order, limit), for notices.
struct Refusal {
  std::string phase;  // "connect", "MAIL", "RCPT", "DATA", "AUTH"…
  Reply reply;
  std::string rule;
};

class ServerSession {
 public:
  explicit ServerSession(ServerOptions options);
  ~ServerSession();
  ServerSession(ServerSession&&) noexcept;
  ServerSession& operator=(ServerSession&&) noexcept;

  Step next();
  void receive(std::string_view bytes);  // after NeedInput
  void receive_end();                    // the client closed its side
  void tls_started();
  void tls_failed();
  void answer(std::uint64_t token, Reply reply);
  // LMTP: one reply for each accepted recipient (RFC 2033 §4.2); SMTP: exactly one.
  void answer_message(std::uint64_t token, std::vector<Reply> replies);
  void answer_login(std::uint64_t token, std::optional<Login> login, Reply reply);
  void answer_scram(std::uint64_t token, ScramKeys keys);
  // The pump ends the session in words: 421 with `text` (timeout, shutdown, pressure), then Close.
  void close_with(Reply reply, std::string reason);

  const Transaction& transaction() const;  // helo, login, sender and accepted recipients so far
  bool tls_active() const;
  bool idle() const;  // between transactions with nothing buffered
  const SessionCounts& counts() const;
  std::vector<Refusal> take_refusals();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec::smtp
