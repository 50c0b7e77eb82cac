// The machine of the server session: what comes next, lines, output, answers. RFC 5321 §4.3,
// §4.1.4.
//
// A session is in one phase; besides, one question may be open, and then nothing moves.
//
//   phase      waits for             moves on
//   greeting   answer(AskGreeting)   220 -> command; else, or talk before it on mx -> closed
//   command    a line                a row of the table of verbs (server_commands.cc)
//   login      a line of base64      the mechanism's step (server_auth.cc) -> command
//   content    octets                DATA: CRLF.CRLF; BDAT: the count -> AskMessage or reply ->
//   command
//   swallow    octets                a refused chunk is over -> its reply -> command
//   tls        tls_started()         -> command, everything forgotten; tls_failed() -> closed
//   closed     nothing               Close is said again and again
//
//   command    needs                              forgets the transaction
//   HELO EHLO  argument; LHLO on lmtp only        yes, when it is accepted
//   STARTTLS   EHLO, no TLS yet, no transaction   yes, and the name and the login
//   AUTH       EHLO, TLS, no login, no transaction
//   MAIL       a name, a login where required, no transaction
//   RCPT       MAIL, no chunk yet
//   DATA       a recipient, no chunk yet          at its end, kept or not
//   BDAT       a recipient                        after LAST, or when it fails
//   RSET       -                                  yes
//   QUIT NOOP HELP VRFY EXPN                      -
//
// Order of what next() gives: a DiscardBody before all; output when it is long; the open question;
// then a step of the phase; output before the session waits. So a pipelined group of commands is
// answered by one Send (RFC 2920 §3.2), and nothing is parsed before a question is answered.
//
// Errors of the client (grammar, order, unknown words) are counted, and end the session at the
// limit. 421 ends it from wherever it comes (RFC 5321 §3.8).
#include "proto/smtp/server.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proto/smtp/server_state.h"

namespace goniec::smtp {

namespace {
constexpr std::size_t kOutputOctets = 8 * 1024;     // gathered before it is sent
constexpr std::size_t kLongLineOctets = 64 * 1024;  // a line is followed so far, then 421
constexpr std::size_t kRefusals = 32;               // kept for take_refusals(); more are not told
constexpr std::size_t kKeptInput = 1024;            // a waiting session keeps no larger buffer
}  // namespace

ServerSession::State::State(ServerOptions given)
    : options(std::move(given)), tls_active(options.tls_active) {
  counts.verbs.reserve(8);
  // Without chance there is no SCRAM: a nonce that can be foretold proves nothing.
  if (options.scram_nonce.empty()) std::erase(options.mechanisms, "SCRAM-SHA-256");
}

// ---------------------------------------------------------------- the machine
Step ServerSession::State::next() {
  CHECK(asked == std::variant_npos);  // the pump answers before it goes on
  if (!greeted) {
    greeted = true;
    ask(AskGreeting{});
  }
  for (;;) {
    if (discard_rule) return DiscardBody{*std::exchange(discard_rule, std::nullopt)};
    if (out.size() >= kOutputOctets) return Send{std::exchange(out, {})};
    if (question) {
      asked = question->index();
      return Ask{*std::exchange(question, std::nullopt), ++token};
    }
    std::optional<Step> step;
    if (advance(step)) {
      if (step) return std::move(*step);
      continue;
    }
    if (!out.empty()) return Send{std::exchange(out, {})};
    if (phase == Phase::closed) return Close{close_reason};
    if (start_tls) {
      start_tls = false;
      return StartTls{};
    }
    if (ended) {  // half a command, half a message: nothing of it counts
      drop_body("aborted");
      close("lost");
      continue;
    }
    if (phase == Phase::content || phase == Phase::swallow) return NeedInput{Wait::data};
    if (phase == Phase::tls) return NeedInput{Wait::tls};
    if (pending_input().empty() && input.capacity() > kKeptInput) {
      input = {};
      at = searched = 0;
    }
    return NeedInput{transaction.helo.empty() ? Wait::greeting_talk : Wait::command};
  }
}

bool ServerSession::State::advance(std::optional<Step>& step) {
  switch (phase) {
    case Phase::greeting:
    case Phase::tls:
    case Phase::closed:
      return false;
    case Phase::content:
      return advance_content(step);
    case Phase::swallow:
      return advance_swallow();
    case Phase::command:
    case Phase::login:
      break;
  }
  if (is_foreign_protocol()) {
    foreign({});
    return true;
  }
  std::string line;
  switch (take_line(line)) {
    case Line::none:
      return false;
    case Line::refused:
      return true;
    case Line::taken:
      break;
  }
  if (phase == Phase::login) {
    login_line(line);
  } else {
    run_command(line);
  }
  return true;
}

void ServerSession::State::ask(Question asking) {
  CHECK(!question && asked == std::variant_npos);
  question = std::move(asking);
}

void ServerSession::State::say(const Reply& reply) {
  out += reply.wire();
  if (reply.code == 421) close("unavailable");  // RFC 5321 §3.8
}

void ServerSession::State::accept(const Reply& reply) {
  if (reply.is_positive() && current_verb != 0) ++counts.verbs[current_verb - 1].accepted;
  if (reply.is_positive()) current_verb = 0;  // once a command
  say(reply);
}

void ServerSession::State::note_refusal(const Reply& reply, std::string rule) {
  if (refusals.size() == kRefusals) return;
  std::string phase_name = current_verb == 0 ? "connect" : counts.verbs[current_verb - 1].name;
  refusals.push_back({std::move(phase_name), reply, std::move(rule)});
}

void ServerSession::State::refuse(Reply reply, std::string rule) {
  note_refusal(reply, std::move(rule));
  say(reply);
}

void ServerSession::State::fail_command(Reply reply, std::string rule) {
  if (++counts.errors >= options.limits.errors) {
    reply = Reply(421, {4, 7, 0}, "too many errors, goodbye");
    rule = "session.errors";
  }
  refuse(std::move(reply), std::move(rule));
}

void ServerSession::State::close(std::string reason) {
  if (phase == Phase::closed) return;
  drop_body("aborted");
  question.reset();
  phase = Phase::closed;
  close_reason = std::move(reason);
  start_tls = false;
  input = {};
  at = searched = 0;
}

void ServerSession::State::drop_body(std::string rule) {
  if (!body_open) return;
  body_open = false;
  if (!discarding_body) discard_rule = std::move(rule);
  discarding_body = false;
}

void ServerSession::State::forget_transaction() {
  drop_body("aborted");
  transaction.sender = {};
  transaction.recipients = {};
  reply_order = {};
  envelope_octets = 0;
  in_transaction = false;
}

bool ServerSession::State::login_possible() const {
  return options.login_offered && (tls_active || options.login_without_tls);
}

// ---------------------------------------------------------------- lines
std::size_t ServerSession::State::line_limit() const {
  bool auth_line = phase == Phase::login || starts_with_ignoring_case(pending_input(), "AUTH ");
  return auth_line ? options.limits.auth_octets : options.limits.command_octets;
}

// A line ends with CRLF (RFC 5321 §2.3.8). A bare LF ends it too, so that nobody waits for nothing,
// but with LineEndPolicy::reject such a line is not obeyed.
ServerSession::State::Line ServerSession::State::take_line(std::string& line) {
  if (discarding_line) return discard_long_line();
  std::string_view text = pending_input();
  std::size_t line_feed = text.find('\n', searched);
  if (line_feed == std::string_view::npos) {
    searched = text.size();
    if (text.size() < line_limit()) return Line::none;
    discarding_line = true;
    discarded = 0;
    return discard_long_line();
  }
  searched = 0;
  bool crlf = line_feed > 0 && text[line_feed - 1] == '\r';
  bool too_long = line_feed + 1 > line_limit();
  if (too_long) {
    discarding_line = true;
    discarded = 0;
    return discard_long_line();
  }
  line.assign(text.substr(0, crlf ? line_feed - 1 : line_feed));
  consume(line_feed + 1);
  if (crlf || options.line_ends == LineEndPolicy::normalise) return Line::taken;
  if (phase == Phase::login) phase = Phase::command;
  fail_command(Reply(500, {5, 5, 2}, "a line must end with CR LF"), "command.line_end");
  return Line::refused;
}

// Reads a line that is too long to its end, keeping nothing of it; one reply, and none before its
// end, so that what was pipelined after it stays in step.
ServerSession::State::Line ServerSession::State::discard_long_line() {
  std::string_view text = pending_input();
  std::size_t line_feed = text.find('\n');
  std::size_t octets = line_feed == std::string_view::npos ? text.size() : line_feed + 1;
  consume(octets);
  searched = 0;
  discarded += octets;
  if (line_feed == std::string_view::npos) {
    if (discarded < kLongLineOctets) return Line::none;
    refuse(Reply(421, {4, 7, 0}, "a line without end, goodbye"), "command.too_long");
    return Line::refused;
  }
  discarding_line = false;
  if (phase == Phase::login) {
    phase = Phase::command;
    login = {};
    fail_command(
        Reply(500, {5, 5, 6},
              fmt::format("login line is over the limit of {} octets", options.limits.auth_octets)),
        "auth.too_long");  // RFC 4954 §4
  } else {
    current_verb = 0;
    fail_command(
        Reply(500, {5, 5, 2},
              fmt::format("line is over the limit of {} octets", options.limits.command_octets)),
        "command.too_long");
  }
  return Line::refused;
}

// A TLS ClientHello begins with 0x16 0x03: a client took this for the port of implicit TLS.
bool ServerSession::State::is_foreign_protocol() {
  std::string_view text = pending_input();
  return phase == Phase::command && !discarding_line && !text.empty() && text[0] == '\x16';
}

// ---------------------------------------------------------------- answers
void ServerSession::State::answered_greeting(const Reply& reply) {
  if (reply.code != 220) {
    say(reply);
    close("refused");
    return;
  }
  bool talked = !pending_input().empty();
  if (talked && options.listener == ListenerKind::mx) {  // RFC 5321 §3.1: the server speaks first
    refuse(Reply(554, {5, 5, 1}, "you spoke before the greeting, goodbye"), "connect.early_talk");
    close("early_talk");
    return;
  }
  phase = Phase::command;
  // RFC 5321 §4.2: the greeting begins with the host name.
  say(Reply(220, {}, fmt::format("{} {} Goniec", options.hostname, is_lmtp() ? "LMTP" : "ESMTP")));
}

namespace {
template <class Wanted>
constexpr std::size_t index_of() {
  std::size_t index = 0;
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    ((std::is_same_v<std::variant_alternative_t<i, Question>, Wanted> ? (index = i) : 0), ...);
  }(std::make_index_sequence<std::variant_size_v<Question>>());
  return index;
}
}  // namespace

void ServerSession::State::answered(Reply reply) {
  switch (std::exchange(asked, std::variant_npos)) {
    case index_of<AskGreeting>():
      return answered_greeting(reply);
    case index_of<AskHelo>():
      return answered_helo(reply);
    case index_of<AskSender>():
      return answered_sender(reply);
    case index_of<AskRecipient>():
      return answered_recipient(reply);
    case index_of<AskData>():
      return answered_data(reply);
    case index_of<AskMessage>():
      return answered_message({std::move(reply)});
    case index_of<AskVerify>():
      return accept(reply);
    case index_of<AskPassword>():
    case index_of<AskScramDone>():
      return answered_login(std::nullopt, reply);
    case index_of<AskScramKeys>():
      return end_login(std::move(reply), "auth.refused");
    default:
      CHECK(false);  // every question has its row
  }
}

// ---------------------------------------------------------------- the public face
ServerSession::ServerSession(ServerOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
ServerSession::~ServerSession() = default;
ServerSession::ServerSession(ServerSession&&) noexcept = default;
ServerSession& ServerSession::operator=(ServerSession&&) noexcept = default;

Step ServerSession::next() {
  return state_->next();
}

void ServerSession::receive(std::string_view bytes) {
  State& state = *state_;
  // What comes in clear after STARTTLS is never looked at (RFC 3207 §6, CVE-2011-0411).
  if (state.phase == State::Phase::closed || state.phase == State::Phase::tls) return;
  if (state.at == state.input.size()) {
    state.input.assign(bytes);
  } else {
    state.input.erase(0, state.at);
    state.input.append(bytes);
  }
  state.at = 0;
}

void ServerSession::receive_end() {
  state_->ended = true;
}

void ServerSession::tls_started() {
  State& state = *state_;
  if (state.phase != State::Phase::tls) return;
  state.tls_active = true;
  // RFC 3207 §4.2: what was learnt in clear is forgotten.
  state.forget_transaction();
  state.transaction = {};
  state.input = {};
  state.at = state.searched = 0;
  state.phase = State::Phase::command;
}

void ServerSession::tls_failed() {
  state_->close("tls");
}

void ServerSession::answer(std::uint64_t token, Reply reply) {
  if (state_->asked == std::variant_npos || token != state_->token) return;
  state_->answered(std::move(reply));
}

void ServerSession::answer_message(std::uint64_t token, std::vector<Reply> replies) {
  if (state_->asked != index_of<AskMessage>() || token != state_->token) return;
  state_->asked = std::variant_npos;
  state_->answered_message(std::move(replies));
}

void ServerSession::answer_login(std::uint64_t token, std::optional<Login> login, Reply reply) {
  bool asked =
      state_->asked == index_of<AskPassword>() || state_->asked == index_of<AskScramDone>();
  if (!asked || token != state_->token) return;
  state_->asked = std::variant_npos;
  state_->answered_login(std::move(login), reply);
}

void ServerSession::answer_scram(std::uint64_t token, ScramKeys keys) {
  if (state_->asked != index_of<AskScramKeys>() || token != state_->token) return;
  state_->asked = std::variant_npos;
  state_->answered_scram(keys);
}

void ServerSession::close_with(Reply reply, std::string reason) {
  State& state = *state_;
  if (state.phase == State::Phase::closed) return;
  state.asked = std::variant_npos;
  ++state.token;  // a late answer finds no question
  // In the middle of a handshake there is nobody who could read it.
  if (state.phase != State::Phase::tls) state.out += reply.wire();
  state.close(std::move(reason));
}

const Transaction& ServerSession::transaction() const {
  return state_->transaction;
}
bool ServerSession::tls_active() const {
  return state_->tls_active;
}

bool ServerSession::idle() const {
  const State& state = *state_;
  return state.phase == State::Phase::command && !state.in_transaction && !state.question &&
         state.asked == std::variant_npos && state.pending_input().empty() && state.out.empty();
}

const SessionCounts& ServerSession::counts() const {
  return state_->counts;
}
std::vector<Refusal> ServerSession::take_refusals() {
  return std::exchange(state_->refusals, {});
}

}  // namespace goniec::smtp
