// Logins of the POP3 session: USER and PASS (RFC 1939 §7), AUTH PLAIN and SCRAM-SHA-256 (RFC 5034).
//
// Promises: never in clear; every failure says the same words (those of the answer), after it a new
// attempt, until the limit closes the session. Refuses: to act for another user (authzid).
#include <utility>

#include "base/digest.h"
#include "base/text.h"
#include "proto/pop3_state.h"

namespace goniec::pop3 {

bool Session::State::is_login_question() const {
  return asked == Question(AskPassword{}).index() || asked == Question(AskScramDone{}).index();
}

void Session::State::login_failed(const Denial& denial) {
  phase = Phase::authorisation;
  user_name.clear();
  scram.reset();
  err(denial.code, denial.text);
  if (++logins_failed >= options.limits.logins_failed) close("logins");
}

void Session::State::user() {
  if (!login_possible()) return fail("", "no password in clear: STLS comes first");
  auto prepared = saslprep(arguments[0]);
  if (!prepared || prepared->empty() || prepared->size() > 255) {
    return fail("", "the name cannot be read");
  }
  user_name = std::move(*prepared);
  ok("and the password");  // known or not
}

void Session::State::pass() {
  if (!login_possible()) return fail("", "no password in clear: STLS comes first");
  if (user_name.empty()) return fail("", "USER comes first");
  auto password = saslprep(arguments[0]);
  if (!password || password->empty()) return login_failed({"AUTH", "authentication failed"});
  ask(AskPassword{{"", std::exchange(user_name, {}), Secret(std::move(*password))}, "PLAIN"});
}

void Session::State::auth() {
  if (arguments.empty()) {  // the list, as old clients ask for it (RFC 1734)
    ok("mechanisms");
    if (login_possible()) {
      out += options.scram_nonce.empty() ? "PLAIN\r\n" : "PLAIN\r\nSCRAM-SHA-256\r\n";
    }
    out += ".\r\n";
    return;
  }
  if (!login_possible()) return fail("", "no login in clear: STLS comes first");
  if (equal_ignoring_case(arguments[0], "PLAIN")) {
    mechanism = "PLAIN";
    step = LoginStep::plain;
  } else if (equal_ignoring_case(arguments[0], "SCRAM-SHA-256") && !options.scram_nonce.empty()) {
    mechanism = "SCRAM-SHA-256";
    step = LoginStep::scram_first;
    scram.emplace(fmt::format("{}{}", options.scram_nonce, counts.commands));
  } else {
    return fail("", "unknown mechanism; see CAPA");
  }
  phase = Phase::login;
  if (arguments.size() == 1) return challenge("");
  // RFC 5034 §4: "=" is an empty initial response.
  if (arguments[1] == "=") return login_message("");
  auto message = from_base64(arguments[1]);
  if (message) return login_message(*message);
  phase = Phase::authorisation;
  fail("", "the initial response is no base64");
}

void Session::State::challenge(std::string_view message) {
  out += fmt::format("+ {}\r\n", to_base64(message));
}

void Session::State::login_line(std::string_view line) {
  auto message = from_base64(line);
  if (message && line != "*") return login_message(*message);
  phase = Phase::authorisation;
  fail("", line == "*" ? "login cancelled" : "the response is no base64");
}

void Session::State::login_message(const std::string& message) {
  auto malformed = [&] {
    phase = Phase::authorisation;
    fail("", "the login message cannot be read");
  };
  switch (step) {
    case LoginStep::plain: {
      auto credentials = parse_plain(message);
      if (!credentials) return malformed();
      if (!credentials->authorisation.empty() && credentials->authorisation != credentials->user) {
        return login_failed({"AUTH", "authentication failed"});
      }
      return ask(AskPassword{std::move(*credentials), mechanism});
    }
    case LoginStep::scram_first: {
      auto user = scram->client_first(message);
      if (!user) return malformed();
      sasl_user = std::move(*user);
      return ask(AskScramKeys{sasl_user});
    }
    case LoginStep::scram_final: {
      auto final = scram->client_final(message);
      if (!final) return ask(AskScramDone{sasl_user, false});
      step = LoginStep::scram_empty;
      return challenge(*final);
    }
    case LoginStep::scram_empty:
      if (!message.empty()) return malformed();
      return ask(AskScramDone{sasl_user, true});
  }
}

}  // namespace goniec::pop3
