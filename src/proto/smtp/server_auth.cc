// AUTH of the server session: PLAIN, LOGIN, SCRAM-SHA-256 (RFC 4954, 4616, 5802, 7677).
//
//   step            client sends                  then
//   plain           NUL user NUL password         AskPassword
//   login_user      user                          challenge "Password:", login_password
//   login_password  password                      AskPassword
//   scram_first     client-first                  AskScramKeys; its answer: server-first,
//   scram_final
//   scram_final     client-final                  proved: server-final, scram_empty; else
//   AskScramDone
//   scram_empty     nothing                       AskScramDone
//
// Promises: never in clear, once a session, not inside a transaction; every failure ends the
// exchange; the words of a refusal come from the answer, so that they are the same whatever was
// wrong. Refuses: "*" 501 5.7.0, what is no base64 501 5.5.2, to act for another user (authzid) 535
// 5.7.8.
#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/text.h"
#include "proto/smtp/server_state.h"

namespace goniec::smtp {

namespace {
Reply bad_credentials() {
  return Reply(535, {5, 7, 8}, "authentication failed");
}
Reply malformed(std::string_view what) {
  return Reply(501, {5, 5, 2}, fmt::format("{} cannot be read", what));
}
}  // namespace

void ServerSession::State::auth(std::string_view arguments) {
  auto out_of_order = [&](std::uint16_t code, EnhancedCode enhanced, std::string text) {
    fail_command(Reply(code, enhanced, std::move(text)), "auth.order");
  };
  if (!options.login_offered) return out_of_order(502, {5, 5, 1}, "AUTH is not offered here");
  if (transaction.login) return out_of_order(503, {5, 5, 1}, "you are logged in already");
  if (in_transaction) return out_of_order(503, {5, 5, 1}, "AUTH comes before MAIL: RSET first");
  if (!login_possible()) {  // RFC 4954 §4, RFC 6409 §4.3
    return out_of_order(538, {5, 7, 11}, "encryption required: STARTTLS comes first");
  }
  if (!transaction.extended) return out_of_order(503, {5, 5, 1}, "EHLO comes first");

  std::size_t end = std::min(arguments.find_first_of(" \t"), arguments.size());
  std::string_view initial = trim(arguments.substr(end));
  login = {};
  for (char c : arguments.substr(0, end)) {
    login.mechanism.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  }
  if (std::ranges::find(options.mechanisms, login.mechanism) == options.mechanisms.end()) {
    return fail_command(
        Reply(504, {5, 5, 4}, fmt::format("use one of: {}", fmt::join(options.mechanisms, " "))),
        "auth.mechanism");
  }
  std::optional<std::string> message;
  if (initial == "=") {  // RFC 4954 §4: an empty initial response
    message.emplace();
  } else if (!initial.empty()) {
    message = from_base64(initial);
    if (!message) return fail_command(malformed("the initial response"), "auth.grammar");
  }
  start_mechanism(std::move(message));
}

void ServerSession::State::start_mechanism(std::optional<std::string> initial) {
  phase = Phase::login;
  if (login.mechanism == "PLAIN") {
    login.step = LoginStep::plain;
  } else if (login.mechanism == "LOGIN") {
    login.step = LoginStep::login_user;
  } else {
    login.step = LoginStep::scram_first;
    // A nonce is used once, also when a login is tried again.
    login.scram.emplace(fmt::format("{}{}", options.scram_nonce, counts.commands));
  }
  if (initial) return login_message(std::move(*initial));
  challenge(login.step == LoginStep::login_user ? "Username:" : "");
}

void ServerSession::State::challenge(std::string_view message) {
  out += fmt::format("334 {}\r\n", to_base64(message));
}

void ServerSession::State::end_login(Reply reply, std::string rule) {
  phase = Phase::command;
  login = {};
  fail_command(std::move(reply), std::move(rule));
}

void ServerSession::State::login_line(std::string_view line) {
  if (line == "*") return end_login(Reply(501, {5, 7, 0}, "login cancelled"), "auth.cancelled");
  std::optional<std::string> message = from_base64(line);
  if (!message) return end_login(malformed("the response"), "auth.grammar");
  login_message(std::move(*message));
}

void ServerSession::State::login_message(std::string message) {
  switch (login.step) {
    case LoginStep::plain:
      return plain_message(message);
    case LoginStep::login_user: {
      Result<std::string> user = saslprep(message);
      if (!user || user->empty()) return end_login(malformed("the user name"), "auth.grammar");
      login.user = std::move(*user);
      login.step = LoginStep::login_password;
      return challenge("Password:");
    }
    case LoginStep::login_password: {
      Result<std::string> password = saslprep(message);
      if (!password || password->empty())
        return end_login(malformed("the password"), "auth.grammar");
      return ask(AskPassword{{"", login.user, Secret(std::move(*password))}, login.mechanism});
    }
    case LoginStep::scram_first:
    case LoginStep::scram_keys:
    case LoginStep::scram_final:
    case LoginStep::scram_empty:
      return scram_message(message);
  }
}

void ServerSession::State::plain_message(std::string_view message) {
  Result<PlainCredentials> credentials = parse_plain(message);
  if (!credentials) return end_login(malformed("the PLAIN message"), "auth.grammar");
  if (!credentials->authorisation.empty() && credentials->authorisation != credentials->user) {
    ++logins_failed;  // nobody acts for another here (RFC 4616 §2)
    return end_login(bad_credentials(), "auth.authzid");
  }
  ask(AskPassword{std::move(*credentials), login.mechanism});
}

void ServerSession::State::scram_message(std::string_view message) {
  if (login.step == LoginStep::scram_first) {
    Result<std::string> user = login.scram->client_first(message);
    if (!user) return end_login(malformed("the SCRAM message"), "auth.grammar");
    login.user = std::move(*user);
    login.step = LoginStep::scram_keys;
    return ask(AskScramKeys{login.user});
  }
  if (login.step == LoginStep::scram_final) {
    Result<std::string> final = login.scram->client_final(message);
    if (!final) return ask(AskScramDone{login.user, false});
    login.step = LoginStep::scram_empty;
    return challenge(*final);  // RFC 4954 §4: data with success is a challenge
  }
  if (!message.empty()) return end_login(malformed("the last response"), "auth.grammar");
  ask(AskScramDone{login.user, true});
}

void ServerSession::State::answered_scram(const ScramKeys& keys) {
  if (keys.iterations == 0) return ask(AskScramDone{login.user, false});
  std::string first = login.scram->server_first(keys);
  login.step = LoginStep::scram_final;
  challenge(first);
}

void ServerSession::State::answered_login(std::optional<Login> user, const Reply& reply) {
  phase = Phase::command;
  login = {};
  if (user && reply.is_positive()) {
    transaction.login = std::move(user);
    return accept(reply);
  }
  if (++logins_failed >= options.limits.logins_failed) {
    return refuse(Reply(421, {4, 7, 0}, "too many failed logins, goodbye"), "session.logins");
  }
  say(reply.is_positive() ? bad_credentials() : reply);
}

}  // namespace goniec::smtp
