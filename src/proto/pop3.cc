// The machine of the POP3 session. RFC 1939 §3-§6, RFC 2449, RFC 2595 §4.
//
//   phase          waits for               moves on
//   greeting       AskGreeting             +OK -> authorisation; -ERR -> closed
//   authorisation  CAPA STLS USER PASS     AskPassword, AskOpen -> transaction
//                  AUTH QUIT
//   login          a line of base64        AskPassword or AskScram… -> AskOpen -> transaction
//   transaction    CAPA STAT LIST UIDL RETR TOP DELE RSET NOOP QUIT
//   listing        -                       lines in pieces -> transaction
//   content        body()                  stuffed lines, then the dot -> transaction
//   tls            tls_started()           -> authorisation, everything forgotten
//   closed         nothing                 Close
//
// QUIT in transaction asks AskRemove for what DELE marked, and says +OK only when that is granted.
// In
// any other end the marks are forgotten (RFC 1939 §6).
#include "proto/pop3.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proto/pop3_state.h"

namespace goniec::pop3 {

namespace {
constexpr std::size_t kOutputOctets = 8 * 1024;
constexpr std::size_t kLongLineOctets = 64 * 1024;

}  // namespace

Session::State::State(Options given) : options(std::move(given)), tls_active(options.tls_active) {}

Step Session::State::next() {
  CHECK(asked == std::variant_npos);
  if (!greeted) {
    greeted = true;
    ask(AskGreeting{});
  }
  for (;;) {
    if (out.size() >= kOutputOctets) return Send{std::exchange(out, {})};
    if (question) {
      asked = question->index();
      return Ask{*std::exchange(question, std::nullopt), ++token};
    }
    if (phase == Phase::content) {
      if (content_done) {
        end_content();
        continue;
      }
      return NeedBody{reading, content_first};
    }
    if (advance()) continue;
    if (!out.empty()) return Send{std::exchange(out, {})};
    if (phase == Phase::closed) return Close{close_reason};
    if (std::exchange(start_tls, false)) return StartTls{};
    if (ended) {
      close("lost");
      continue;
    }
    return NeedInput{phase == Phase::tls ? Wait::tls : Wait::command};
  }
}

bool Session::State::advance() {
  if (phase == Phase::listing) {
    continue_list();
    return true;
  }
  if (phase == Phase::greeting || phase == Phase::tls || phase == Phase::closed) return false;
  std::string line;
  if (discarding_line) return discard_long_line();
  if (!take_line(line)) return discarding_line;
  if (phase == Phase::login) {
    login_line(line);
  } else {
    run_command(line);
  }
  return true;
}

// A line ends with CRLF; a bare LF is taken too: nothing here can be smuggled past another server.
bool Session::State::take_line(std::string& line) {
  bool long_line = phase == Phase::login || starts_with_ignoring_case(pending_input(), "AUTH ");
  std::size_t limit = long_line ? options.limits.auth_octets : options.limits.command_octets;
  std::string_view text = pending_input();
  std::size_t line_feed = text.find('\n', searched);
  bool complete = line_feed != std::string_view::npos;
  if ((complete ? line_feed + 1 : text.size()) > limit) {
    discarding_line = true;
    discarded = searched = 0;
    return false;
  }
  searched = complete ? 0 : text.size();
  if (!complete) return false;
  line.assign(text.substr(0, line_feed));
  if (line.ends_with('\r')) line.pop_back();
  at += line_feed + 1;
  return true;
}

bool Session::State::discard_long_line() {
  std::string_view text = pending_input();
  std::size_t line_feed = text.find('\n');
  bool complete = line_feed != std::string_view::npos;
  std::size_t octets = complete ? line_feed + 1 : text.size();
  at += octets;
  discarded += octets;
  if (complete) {
    discarding_line = false;
    if (phase == Phase::login) phase = Phase::authorisation;
    fail("", "the line is too long");
    return true;
  }
  if (discarded > kLongLineOctets) {
    err("", "a line without end, goodbye");
    close("errors");
    return true;
  }
  return false;
}

void Session::State::run_command(std::string_view line) {
  if (++counts.commands > options.limits.commands) {
    err("", "too many commands");
    return close("errors");
  }
  bool controls = std::ranges::any_of(
      line, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 127; });
  if (controls) return fail("", "control characters are not allowed");
  std::size_t blank = std::min(line.find(' '), line.size());
  const Verb* verb = find_verb(line.substr(0, blank));
  if (verb == nullptr) return fail("", "unknown command; try CAPA");
  bool right_phase = verb->phase == Phase::closed || verb->phase == phase;
  if (!right_phase) {
    return fail("", phase == Phase::transaction ? "not after the login" : "log in first");
  }
  std::string_view rest = line.substr(std::min(blank + 1, line.size()));
  arguments.clear();
  if (verb->run == &State::pass) {
    arguments.push_back(rest);  // RFC 1939 §7: blanks belong to the password
  } else {
    for (std::string_view word : split(trim(rest), ' ')) {
      if (!word.empty()) arguments.push_back(word);
    }
  }
  if (arguments.size() < verb->least || arguments.size() > verb->most) {
    return fail("", fmt::format("use {}", verb->usage));
  }
  (this->*verb->run)();
  arguments.clear();
}

void Session::State::ask(Question asking) {
  CHECK(!question && asked == std::variant_npos);
  question = std::move(asking);
}

bool Session::State::answers(std::uint64_t given) {
  return asked != std::variant_npos && given == token;
}

void Session::State::ok(std::string_view text) {
  out += text.empty() ? "+OK\r\n" : fmt::format("+OK {}\r\n", text);
}

void Session::State::err(std::string_view code, std::string_view text) {
  std::string plain = printable(text, 400);
  out += code.empty() ? fmt::format("-ERR {}\r\n", plain)
                      : fmt::format("-ERR [{}] {}\r\n", code, plain);
}

void Session::State::fail(std::string_view code, std::string_view text) {
  err(code, text);
  if (++counts.errors >= options.limits.errors) close("errors");
}

void Session::State::close(std::string reason) {
  if (phase == Phase::closed) return;
  phase = Phase::closed;
  close_reason = std::move(reason);
  question.reset();
  start_tls = false;
  input = {};
  at = searched = 0;
  messages = {};
  deleted = {};
}

// ---------------------------------------------------------------- the public face
Session::Session(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Step Session::next() {
  return state_->next();
}

void Session::receive(std::string_view bytes) {
  State& state = *state_;
  // RFC 2595 §4: what comes in clear after STLS is never looked at.
  if (state.phase == State::Phase::closed || state.phase == State::Phase::tls) return;
  state.input.erase(0, state.at);
  state.at = 0;
  state.input.append(bytes);
}

void Session::receive_end() {
  state_->ended = true;
}

void Session::tls_started() {
  State& state = *state_;
  if (state.phase != State::Phase::tls) return;
  state.tls_active = true;
  state.user_name.clear();
  state.input = {};
  state.at = state.searched = 0;
  state.phase = State::Phase::authorisation;
}

void Session::tls_failed() {
  state_->close("tls");
}

void Session::grant(std::uint64_t token) {
  State& state = *state_;
  if (!state.answers(token)) return;
  Question greeting = AskGreeting{}, remove = AskRemove{};
  if (state.asked == greeting.index()) {
    state.asked = std::variant_npos;
    state.phase = State::Phase::authorisation;
    state.ok(fmt::format("{} POP3 ready", state.options.hostname));
  } else if (state.asked == remove.index()) {
    state.asked = std::variant_npos;
    state.counts.deleted = static_cast<std::uint32_t>(std::ranges::count(state.deleted, true));
    state.ok("goodbye");
    state.close("quit");
  }
}

void Session::grant_login(std::uint64_t token, Login login) {
  State& state = *state_;
  if (!state.answers(token) || !state.is_login_question()) return;
  state.asked = std::variant_npos;
  state.login = std::move(login);
  state.ask(AskOpen{*state.login});
}

void Session::give_keys(std::uint64_t token, ScramKeys keys) {
  State& state = *state_;
  if (!state.answers(token) || state.asked != Question(AskScramKeys{}).index()) return;
  state.asked = std::variant_npos;
  if (keys.iterations == 0) return state.ask(AskScramDone{state.sasl_user, false});
  state.step = State::LoginStep::scram_final;
  state.challenge(state.scram->server_first(keys));
}

void Session::open(std::uint64_t token, std::vector<Listed> messages) {
  State& state = *state_;
  if (!state.answers(token) || state.asked != Question(AskOpen{}).index()) return;
  state.asked = std::variant_npos;
  state.messages = std::move(messages);
  state.deleted.assign(state.messages.size(), false);
  state.phase = State::Phase::transaction;
  state.ok(fmt::format("{} messages", state.messages.size()));
}

void Session::deny(std::uint64_t token, Denial denial) {
  State& state = *state_;
  if (!state.answers(token)) return;
  std::size_t asked = std::exchange(state.asked, std::variant_npos);
  if (asked == Question(AskGreeting{}).index()) {
    state.err(denial.code, denial.text);
    state.close("refused");
  } else if (asked == Question(AskRemove{}).index()) {
    state.err(denial.code, denial.text);  // RFC 1939 §6: some messages were not removed
    state.close("quit");
  } else if (asked == Question(AskOpen{}).index()) {
    state.login.reset();
    state.phase = State::Phase::authorisation;
    state.err(denial.code, denial.text);  // "IN-USE": the name was right, the client may try again
  } else {
    state.login_failed(denial);
  }
}

void Session::body(std::string_view chunk) {
  state_->content(chunk);
}

void Session::body_end() {
  State& state = *state_;
  if (state.phase != State::Phase::content) return;
  if (std::exchange(state.content_first, false)) state.ok("message follows");
  state.content_done = true;
}

void Session::body_failed() {
  State& state = *state_;
  if (state.phase != State::Phase::content) return;
  if (state.content_first) {
    state.phase = State::Phase::transaction;
    return state.err("SYS/TEMP", "the message cannot be read now");
  }
  // Half a message was said: only the end of the connection tells that it is not whole.
  state.close("unreadable");
}

void Session::close_with(Denial denial, std::string reason) {
  State& state = *state_;
  if (state.phase == State::Phase::closed) return;
  state.asked = std::variant_npos;
  ++state.token;
  bool half_said = state.phase == State::Phase::tls || state.phase == State::Phase::listing ||
                   (state.phase == State::Phase::content && !state.content_first);
  if (!half_said) state.err(denial.code, denial.text);
  state.close(std::move(reason));
}

const std::optional<Login>& Session::login() const {
  return state_->login;
}
bool Session::tls_active() const {
  return state_->tls_active;
}
bool Session::idle() const {
  const State& state = *state_;
  bool waiting =
      state.phase == State::Phase::authorisation || state.phase == State::Phase::transaction;
  return waiting && !state.question && state.asked == std::variant_npos && state.out.empty() &&
         state.pending_input().empty();
}
const Counts& Session::counts() const {
  return state_->counts;
}

}  // namespace goniec::pop3
