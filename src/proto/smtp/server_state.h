// The inside of ServerSession, for server*.cc only: what a session remembers between two Steps.
// The state table and the rules of movement stand in server.cc; commands in server_commands.cc,
// logins in server_auth.cc, DATA and BDAT in server_data.cc.
//
// Promises: one question at a time; nothing is parsed while it is open; memory is bounded by the
// limits whatever the client sends.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/smtp/command.h"
#include "proto/smtp/data.h"
#include "proto/smtp/extensions.h"
#include "proto/smtp/server.h"

namespace goniec::smtp {

// Mechanism and step of a running AUTH (RFC 4954 §4).
enum class LoginStep {
  plain,           // waits for the PLAIN message
  login_user,      // LOGIN: waits for the name
  login_password,  // LOGIN: waits for the password
  scram_first,     // waits for client-first
  scram_keys,      // keys were asked for
  scram_final,     // waits for client-final
  scram_empty,     // server-final was sent: waits for the empty answer
};

struct LoginExchange {
  LoginStep step = LoginStep::plain;
  std::string mechanism;
  std::string user;
  std::optional<ScramServer> scram;
};

enum class Arguments { none, optional, required };

struct ServerSession::State {
  enum class Phase { greeting, command, login, content, swallow, tls, closed };

  struct Verb {  // one row of the table of verbs
    std::string_view name;
    Arguments arguments;
    void (State::*run)(std::string_view);
    std::string_view usage;
  };
  static const Verb* find_verb(std::string_view name);

  explicit State(ServerOptions given);

  // server.cc: the machine
  Step next();
  bool advance(std::optional<Step>& step);  // false: more input is needed
  void ask(Question question);
  void say(const Reply& reply);
  void accept(const Reply& reply);  // says it; counts the command as accepted when it is positive
  void refuse(Reply reply, std::string rule);        // a refusal of our own that is no client error
  void fail_command(Reply reply, std::string rule);  // a client error: counts towards the limit
  void close(std::string reason);
  void note_refusal(const Reply& reply, std::string rule);
  void forget_transaction();
  void drop_body(std::string rule);
  bool is_lmtp() const { return options.listener == ListenerKind::lmtp; }
  bool login_possible() const;
  std::string_view pending_input() const { return std::string_view(input).substr(at); }
  void consume(std::size_t octets) { at += octets; }

  // server.cc: lines
  enum class Line { none, taken, refused };
  Line take_line(std::string& line);
  Line discard_long_line();
  std::size_t line_limit() const;
  bool is_foreign_protocol();  // HTTP or TLS on a clear port

  // server.cc: answers
  void answered(Reply reply);
  void answered_greeting(const Reply& reply);

  // server_commands.cc
  void run_command(std::string_view line);
  void helo(std::string_view arguments);
  void ehlo(std::string_view arguments);
  void lhlo(std::string_view arguments);
  void greet(std::string_view arguments, bool extended);
  void answered_helo(const Reply& reply);
  void mail(std::string_view arguments);
  std::optional<Reply> mail_out_of_order() const;
  void answered_sender(const Reply& reply);
  void rcpt(std::string_view arguments);
  void answered_recipient(const Reply& reply);
  void keep_recipient(std::size_t index);
  void rset(std::string_view arguments);
  void noop(std::string_view arguments);
  void help(std::string_view arguments);
  void vrfy(std::string_view arguments);
  void expn(std::string_view arguments);
  void quit(std::string_view arguments);
  void etrn(std::string_view arguments);
  void obsolete(std::string_view arguments);  // TURN, SEND, SOML, SAML
  void foreign(std::string_view arguments);   // GET, POST…: ALPACA
  void starttls(std::string_view arguments);

  // server_auth.cc
  void auth(std::string_view arguments);
  void start_mechanism(std::optional<std::string> initial);
  void login_line(std::string_view line);
  void login_message(std::string message);
  void plain_message(std::string_view message);
  void scram_message(std::string_view message);
  void challenge(std::string_view message);
  void end_login(Reply reply, std::string rule);
  void answered_login(std::optional<Login> login, const Reply& reply);
  void answered_scram(const ScramKeys& keys);

  // server_data.cc
  void data(std::string_view arguments);
  void bdat(std::string_view arguments);
  void answered_data(const Reply& reply);
  bool advance_content(std::optional<Step>& step);
  bool advance_swallow();
  void take_piece(std::string_view piece, std::optional<Step>& step);
  void end_content();
  void end_chunk(std::optional<Step>& step);
  void swallow(std::uint64_t octets, Reply reply, std::string rule);
  void refuse_message(const Reply& reply, std::string rule);
  void answered_message(std::vector<Reply> replies);

  ServerOptions options;
  Phase phase = Phase::greeting;
  Transaction transaction;
  bool in_transaction = false;  // MAIL was accepted
  bool tls_active = false;
  bool greeted = false;  // the greeting question was asked
  bool ended = false;    // the client closed its side
  std::string close_reason;

  // input
  std::string input;
  std::size_t at = 0;        // octets of input that are done with
  std::size_t searched = 0;  // from `at`: no LF in here
  bool discarding_line = false;
  bool discarded_cr = false;
  std::size_t discarded = 0;

  // output
  std::string out;
  std::optional<std::string> discard_rule;  // a DiscardBody to be told
  bool start_tls = false;

  // the open question
  std::optional<Question> question;  // not yet handed out
  std::size_t asked = std::variant_npos;
  std::uint64_t token = 0;
  std::string asked_helo;
  bool asked_extended = false;
  Sender asked_sender;
  Recipient asked_recipient;

  // content
  ContentDecoder decoder{Framing::dot, LineEndPolicy::reject};
  Framing framing = Framing::dot;
  bool body_open = false;  // AskData was granted, the message has not ended
  bool too_large = false, discarding_body = false;
  std::uint64_t content_octets = 0, read_octets = 0;
  std::uint64_t chunk_octets = 0, chunk_left = 0;
  bool chunk_last = false;
  std::uint64_t swallow_left = 0;
  std::optional<Reply> swallow_reply;
  std::string swallow_rule;
  std::vector<std::size_t> reply_order;  // LMTP: recipient index of each accepted RCPT

  LoginExchange login;

  // counts
  SessionCounts counts;
  std::size_t current_verb = 0;  // index + 1 in counts.verbs; 0: none
  std::size_t envelope_octets = 0;
  std::size_t refused_recipients = 0, logins_failed = 0, transactions = 0;
  std::vector<Refusal> refusals;
};

}  // namespace goniec::smtp
