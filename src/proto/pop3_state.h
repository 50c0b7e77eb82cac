// The inside of pop3::Session, for pop3*.cc only. The state table is in pop3.cc.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/pop3.h"
#include "proto/smtp/outgoing_body.h"

namespace goniec::pop3 {

struct Session::State {
  enum class Phase { greeting, authorisation, login, transaction, listing, content, tls, closed };
  enum class LoginStep { plain, scram_first, scram_final, scram_empty };
  enum class List { sizes, uids };

  struct Verb {
    std::string_view name;
    Phase phase;              // authorisation or transaction; closed: both
    std::size_t least, most;  // arguments
    void (State::*run)();
    std::string_view usage;
  };
  static const Verb* find_verb(std::string_view name);

  explicit State(Options given);

  // pop3.cc: the machine
  Step next();
  bool advance();
  bool take_line(std::string& line);
  bool discard_long_line();
  void run_command(std::string_view line);
  void ask(Question asking);
  bool answers(std::uint64_t given);
  void ok(std::string_view text = {});
  void err(std::string_view code, std::string_view text);
  void fail(std::string_view code, std::string_view text);  // a client error: counted
  void close(std::string reason);
  bool login_possible() const { return tls_active || options.login_without_tls; }
  std::string_view pending_input() const { return std::string_view(input).substr(at); }

  // pop3_commands.cc
  void capa();
  void stls();
  void user();
  void pass();
  void auth();
  void quit();
  void stat();
  void list();
  void uidl();
  void retr();
  void top();
  void dele();
  void noop();
  void rset();
  void list_or_uidl(List kind);
  void continue_list();
  std::string list_line(std::size_t index) const;
  std::optional<std::size_t> message_of(std::string_view number);  // says -ERR when there is none
  void begin_content(std::size_t index, std::optional<std::uint64_t> lines);
  void content(std::string_view chunk);
  void end_content();

  // pop3_login.cc
  void login_line(std::string_view line);
  void login_message(const std::string& message);
  void challenge(std::string_view message);
  void login_failed(const Denial& denial);
  bool is_login_question() const;

  Options options;
  Phase phase = Phase::greeting;
  bool greeted = false, tls_active = false, start_tls = false, ended = false;
  std::string close_reason;

  std::string input, out;
  std::size_t at = 0, searched = 0, discarded = 0;
  bool discarding_line = false;
  std::vector<std::string_view> arguments;

  std::optional<Question> question;
  std::size_t asked = std::variant_npos;
  std::uint64_t token = 0;

  std::string user_name;
  std::string mechanism, sasl_user;
  LoginStep step = LoginStep::plain;
  std::optional<ScramServer> scram;
  std::size_t logins_failed = 0;
  std::optional<Login> login;

  std::vector<Listed> messages;
  std::vector<bool> deleted;
  List listing = List::sizes;
  std::size_t listed = 0;

  std::size_t reading = 0;     // the message that is sent
  bool content_first = false;  // nothing of it came yet: +OK is not said
  bool content_done = false;
  std::optional<std::uint64_t> lines_left;  // TOP
  bool in_header = true, line_empty = true;
  smtp::OutgoingBody outgoing{smtp::OutgoingBody::Framing::dots};

  Counts counts;
};

}  // namespace goniec::pop3
