// The server side of POP3 without I/O (RFC 1939, 2449 CAPA, 2595 STLS, 3206 AUTH and SYS codes,
// 5034 SASL). In the manner of proto/smtp/server.h: bytes in, one Step out, every Step is handled
// before the next is asked.
//
//   Send{bytes}        write it (answers to a pipelined group are gathered)
//   NeedInput{wait}    read; receive() or receive_end()
//   Ask{question}      grant, deny or one of the answers below, by its token; a late one is dropped
//   NeedBody           octets of a message, from its beginning when `first`: body(), body_end() or
//                      body_failed(). When the session asks no more for a message, drop its reading
//                      (TOP)
//   StartTls           the handshake, then tls_started() or tls_failed()
//   Close              everything to send was in Send before
//
// Promises: no password in clear, nothing of the mailbox before AskOpen was granted, message
// numbers that hold for the session; a message is dot-stuffed with CRLF line ends; deletion is
// asked for only at QUIT (RFC 1939 §6), never after a lost connection. Bounded memory: lists go out
// in pieces. Refuses: APOP and LAST (unknown), what is out of its state, a second login.
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

namespace goniec::pop3 {

struct Limits {
  std::size_t command_octets = 512;  // RFC 2449 §4 asks for 255
  std::size_t auth_octets = 12288;   // RFC 5034 §4
  std::size_t errors = 20;           // then the session is closed
  std::size_t logins_failed = 5;
  std::size_t commands = 1'000'000;
};

struct Options {
  std::string hostname;
  bool tls_offered = false;
  bool tls_active = false;         // pop3s
  bool login_without_tls = false;  // laboratories only
  std::string scram_nonce;         // from the Random door; "": no SCRAM
  std::string version;             // for IMPLEMENTATION, "" hides it
  Limits limits;
};

struct Listed {
  std::string uid;  // 1 to 70 printable octets, for life (RFC 1939 §7)
  std::uint64_t octets = 0;
};

struct AskGreeting {};  // grant or deny
struct AskPassword {
  PlainCredentials credentials;
  std::string mechanism;
};  // grant_login or deny
struct AskScramKeys {
  std::string user;
};  // give_keys or deny
struct AskScramDone {
  std::string user;
  bool proved = false;
};  // grant_login or deny
struct AskOpen {
  Login login;
};  // open (list and lock) or deny
struct AskRemove {
  std::vector<std::size_t> messages;
};  // indices in the list; grant or deny
using Question =
    std::variant<AskGreeting, AskPassword, AskScramKeys, AskScramDone, AskOpen, AskRemove>;

enum class Wait { command, tls };
struct Send {
  std::string bytes;
};
struct NeedInput {
  Wait wait = Wait::command;
};
struct Ask {
  Question question;
  std::uint64_t token = 0;
};
struct NeedBody {
  std::size_t message = 0;
  bool first = false;
};  // index in the list
struct StartTls {};
struct Close {
  std::string reason;
};  // "quit", "lost", "errors", "refused"…
using Step = std::variant<Send, NeedInput, Ask, NeedBody, StartTls, Close>;

// Why not; `code` without brackets: "AUTH", "IN-USE", "SYS/TEMP", "SYS/PERM", "LOGIN-DELAY" or "".
struct Denial {
  std::string code, text;
};

struct Counts {
  std::uint32_t commands = 0, errors = 0, retrieved = 0, deleted = 0;
  std::uint64_t octets = 0;  // of messages sent
};

class Session {
 public:
  explicit Session(Options options);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  Step next();
  void receive(std::string_view bytes);
  void receive_end();
  void tls_started();
  void tls_failed();

  void grant(std::uint64_t token);
  void grant_login(std::uint64_t token, Login login);
  void give_keys(std::uint64_t token, ScramKeys keys);
  void open(std::uint64_t token, std::vector<Listed> messages);
  void deny(std::uint64_t token, Denial denial);

  void body(std::string_view chunk);  // after NeedBody
  void body_end();
  void body_failed();

  void close_with(Denial denial, std::string reason);  // in words when nothing is half said

  const std::optional<Login>& login() const;  // of the open mailbox
  bool tls_active() const;
  bool idle() const;
  const Counts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec::pop3
