// See client.h. The state machine of the client.
//
//   at        waits for                        then
//   greeting  2xx                              EHLO (LHLO) -> helo
//   helo      2xx                              starttls, auth or ready; HELO after 500, 502, 504
//   starttls  220                              tls; refused and opportunistic: auth or ready
//   tls       tls_started                      EHLO -> helo, everything heard in clear forgotten
//   auth      235 (334: the next response)     ready; 5xx: the next mechanism, or the end
//   ready     begin, quit                      envelope, quit
//   envelope  replies to MAIL, RCPT*, DATA     body; nobody accepted: lone_dot, reset
//   body      body() (and replies to BDAT)     dot; a BDAT refused: drain
//   drain     the replies to BDAT in flight    reset
//   dot       2xx (LMTP: one a recipient)      ready; refused: reset
//   lone_dot  any reply                        reset
//   reset     2xx                              ready
//   quit      any reply                        closed
//   closed    nothing                          Close for ever
// A 421, a 221, a lost connection and an unreadable reply end it at any place: fail().
#include "proto/smtp/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/text.h"
#include "proto/smtp/client_extensions.h"
#include "proto/smtp/client_login.h"
#include "proto/smtp/outgoing_body.h"
#include "proto/smtp/reply_parser.h"

namespace goniec::smtp {

namespace {

constexpr std::size_t bdat_in_flight = 8;  // replies to BDAT not read: they must fit in a buffer
constexpr std::size_t parameter_octets = 500;  // RFC 3461 §4.2, §4.4: ENVID 100, ORCPT 500

Reply no_reply(std::string text) {
  return Reply(0, {}, std::move(text));
}

// Parameters reach us as the submitter gave them: what is no esmtp-value (RFC 5321 §4.1.2) is left
// out.
bool is_parameter(std::string_view text, bool utf8) {
  return !text.empty() && text.size() <= parameter_octets &&
         std::ranges::all_of(
             text, [utf8](unsigned char c) { return (c > 32 && c < 127) || (utf8 && c >= 0x80); });
}

// What an unfavourable reply means for a recipient; unknown codes by their first digit (RFC 5321
// §4.3.2).
RecipientState state_of(const Reply& reply) {
  return reply.is_permanent() ? RecipientState::failed : RecipientState::queued;
}

struct OpenTransaction {
  ClientTransaction asked_for;
  std::vector<ClientResult> results;
  std::vector<bool> decided;
  std::vector<std::size_t> asked;      // recipients that RCPT is sent for
  std::vector<std::size_t> accepted;   // of them
  std::size_t sent = 0, answered = 0;  // commands of the envelope: MAIL, RCPT*, DATA
  bool mail_accepted = false;
  bool refused = false;           // something after the envelope was: RSET before the next
  std::size_t final_replies = 0;  // LMTP: how many were given
  std::size_t chunks_awaited = 0;
  bool chunked = false;
  bool utf8 = false;
  OutgoingBody body;

  std::size_t awaited() const { return sent - answered; }
};

}  // namespace

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::greeting:
      return "greeting";
    case Phase::helo:
      return "helo";
    case Phase::starttls:
      return "starttls";
    case Phase::auth:
      return "auth";
    case Phase::mail:
      return "mail";
    case Phase::rcpt:
      return "rcpt";
    case Phase::data:
      return "data";
    case Phase::body:
      return "body";
    case Phase::dot:
      return "dot";
    case Phase::reset:
      return "reset";
    case Phase::quit:
      return "quit";
  }
  return "";
}

enum class Farewell { none, quit };

struct ClientSession::State {
  enum class At {
    greeting,
    helo,
    starttls,
    tls,
    auth,
    ready,
    envelope,
    body,
    drain,
    dot,
    lone_dot,
    reset,
    quit,
    closed
  };

  explicit State(ClientOptions given) : options(std::move(given)) {
    parser = ReplyParser({.octets = options.limits.reply_octets,
                          .lines = options.limits.reply_lines,
                          .line_octets = options.limits.line_octets});
  }

  // the wire
  void advance();
  void wait_for_reply();
  void advance_ready();
  void advance_body();
  std::optional<Reply> take();
  void send(std::string bytes);
  Phase phase() const;
  // endings
  void fail(Reply reply, Farewell farewell = Farewell::none);
  void out_of_turn(const Reply& reply);
  void unexpected_reply(const Reply& reply);
  // opening
  void on_reply(Reply reply);
  void on_greeting(const Reply& reply);
  void say_helo(bool use_extensions);
  void on_helo(Reply reply);
  void after_helo();
  void on_starttls(Reply reply);
  // login
  void start_login();
  void on_auth(Reply reply);
  // transaction
  void begin(ClientTransaction transaction);
  void refuse_here();
  void decide(std::size_t recipient, const Reply& reply, std::string_view at_phase);
  void decide_open(const Reply& reply, std::string_view at_phase);
  std::string mail_command() const;
  std::string rcpt_command(std::size_t recipient) const;
  void send_envelope();
  void on_envelope(const Reply& reply);
  void continue_envelope();
  void on_data(const Reply& reply);
  void send_body(std::string_view chunk, bool last);
  void on_chunk(const Reply& reply);
  void on_dot(const Reply& reply);
  void finish();

  ClientOptions options;
  At at = At::greeting;
  std::deque<client::Step> steps;
  ReplyParser parser;
  std::optional<std::string> ended;  // the connection is lost, and why
  Extensions extensions;
  std::string greeting;
  std::optional<TlsFacts> tls;
  std::optional<Reply> starttls_refused;
  bool starttls_tried = false;
  bool extended = true;  // EHLO; HELO was the fallback
  ClientLoginExchange login;
  std::optional<OpenTransaction> open;
};

// ---------------------------------------------------------------- the wire

void ClientSession::State::advance() {
  switch (at) {
    case At::tls:
      steps.emplace_back(client::StartTls{});
      return;
    case At::closed:
      steps.emplace_back(client::Close{});
      return;
    case At::ready:
      return advance_ready();
    case At::body:
      return advance_body();
    case At::greeting:
    case At::helo:
    case At::starttls:
    case At::auth:
    case At::envelope:
    case At::drain:
    case At::dot:
    case At::lone_dot:
    case At::reset:
    case At::quit:
      return wait_for_reply();
  }
}

// A whole reply, if there is one. What cannot be read ends the session here.
std::optional<Reply> ClientSession::State::take() {
  auto reply = parser.take();
  if (reply) return *std::move(reply);
  if (at == At::quit)
    at = At::closed;
  else
    fail(no_reply(reply.error().message));
  return std::nullopt;
}

void ClientSession::State::wait_for_reply() {
  if (auto reply = take()) return on_reply(*std::move(reply));
  if (at == At::closed || !steps.empty()) return;
  if (!ended) {
    steps.emplace_back(client::NeedInput{phase()});
  } else if (at == At::quit) {
    at = At::closed;
  } else {
    fail(no_reply(fmt::format("{} (at {})", *ended, name_of(phase()))));
  }
}

void ClientSession::State::advance_ready() {
  if (const auto reply = take()) return out_of_turn(*reply);
  if (at == At::closed) return;
  if (ended) return fail(no_reply(fmt::format("{} (idle)", *ended)));
  steps.emplace_back(client::Ready{});
}

void ClientSession::State::advance_body() {
  if (auto reply = take()) {
    if (open->chunks_awaited > 0 || reply->code == 421) return on_reply(*std::move(reply));
    if (reply->code >= 400) decide_open(*reply, "data");  // it refuses what it has not heard out
    return out_of_turn(*reply);
  }
  if (at != At::body) return;
  if (ended) return fail(no_reply(fmt::format("{} (at body)", *ended)));
  const auto window = extensions.pipelining ? bdat_in_flight : 1;
  if (open->chunks_awaited >= window)
    steps.emplace_back(client::NeedInput{Phase::body});
  else
    steps.emplace_back(client::NeedBody{});
}

// Nothing may be in the buffer when we speak and no reply is due: it would be taken for the answer.
void ClientSession::State::send(std::string bytes) {
  const bool reply_due = open && (open->awaited() > 0 || open->chunks_awaited > 0);
  if (!reply_due) {
    if (const auto early = take()) return out_of_turn(*early);
    if (at == At::closed) return;
  }
  steps.emplace_back(client::Send{std::move(bytes)});
}

Phase ClientSession::State::phase() const {
  switch (at) {
    case At::greeting:
      return Phase::greeting;
    case At::helo:
      return Phase::helo;
    case At::starttls:
    case At::tls:
      return Phase::starttls;
    case At::auth:
      return Phase::auth;
    case At::ready:
      return Phase::reset;
    case At::envelope:
      if (open->answered == 0) return Phase::mail;
      return open->answered <= open->asked.size() ? Phase::rcpt : Phase::data;
    case At::body:
    case At::drain:
      return Phase::body;
    case At::dot:
    case At::lone_dot:
      return Phase::dot;
    case At::reset:
      return Phase::reset;
    case At::quit:
    case At::closed:
      return Phase::quit;
  }
  return Phase::quit;
}

// ---------------------------------------------------------------- endings

// The session is over. Recipients of an open transaction that nothing was decided about are
// deferred with this reply; they may have got the message when its last octet was sent and no reply
// came.
void ClientSession::State::fail(Reply reply, Farewell farewell) {
  const auto failed_in = phase();
  if (open) {
    const bool uncertain = at == At::dot && reply.code == 0;
    const auto shown = failed_in == Phase::body ? name_of(Phase::data) : name_of(failed_in);
    for (std::size_t i = 0; i < open->results.size(); ++i) {
      if (open->decided[i]) continue;
      open->results[i] = {RecipientState::queued, reply, std::string(shown), uncertain};
    }
    steps.emplace_back(client::Done{std::move(open->results)});
    open.reset();
  }
  if (farewell == Farewell::quit && !ended) steps.emplace_back(client::Send{"QUIT\r\n"});
  steps.emplace_back(client::Failed{std::move(reply), failed_in});
  at = At::closed;
}

void ClientSession::State::out_of_turn(const Reply& reply) {
  if (reply.code >= 400) return fail(reply);  // 421 to an idle client, a refusal amid the content
  fail(no_reply(fmt::format("the server spoke out of turn: {}", reply.one_line())));
}

void ClientSession::State::unexpected_reply(const Reply& reply) {
  fail(no_reply(
      fmt::format("protocol error at {}: the server said {}", name_of(phase()), reply.one_line())));
}

// ---------------------------------------------------------------- opening

void ClientSession::State::on_reply(Reply reply) {
  if (at == At::quit) {
    at = At::closed;
    return;
  }
  if (reply.code == 421) return fail(std::move(reply));   // RFC 5321 §3.8: it closes the channel
  if (reply.code == 221) return unexpected_reply(reply);  // a farewell that nobody asked for
  switch (at) {
    case At::greeting:
      return on_greeting(reply);
    case At::helo:
      return on_helo(std::move(reply));
    case At::starttls:
      return on_starttls(std::move(reply));
    case At::auth:
      return on_auth(std::move(reply));
    case At::envelope:
      return on_envelope(reply);
    case At::body:
    case At::drain:
      return on_chunk(reply);
    case At::dot:
      return on_dot(reply);
    case At::lone_dot:
      return finish();
    case At::reset:
      if (!reply.is_positive()) return fail(std::move(reply), Farewell::quit);
      at = At::ready;
      return;
    case At::tls:
    case At::ready:
    case At::quit:
    case At::closed:
      return;
  }
}

void ClientSession::State::on_greeting(const Reply& reply) {
  if (reply.is_transient() || reply.is_permanent()) return fail(reply, Farewell::quit);
  if (!reply.is_positive()) return unexpected_reply(reply);
  greeting = reply.lines[0].substr(0, std::min<std::size_t>(255, reply.lines[0].find(' ')));
  say_helo(true);
}

void ClientSession::State::say_helo(bool use_extensions) {
  extended = use_extensions;
  at = At::helo;
  const auto verb = options.lmtp ? "LHLO" : extended ? "EHLO" : "HELO";
  send(fmt::format("{} {}\r\n", verb, options.hostname));
}

void ClientSession::State::on_helo(Reply reply) {
  if (reply.is_positive()) {
    if (extended) extensions = parse_extensions(reply);
    return after_helo();
  }
  const bool unknown = reply.code == 500 || reply.code == 502 || reply.code == 504;
  if (unknown && extended && !options.lmtp) return say_helo(false);  // RFC 5321 §3.2
  if (reply.code < 400) return unexpected_reply(reply);
  fail(std::move(reply), Farewell::quit);
}

void ClientSession::State::after_helo() {
  const bool wanted = options.tls == ClientTls::opportunistic || options.tls == ClientTls::required;
  if (wanted && !tls && !starttls_tried) {
    if (extensions.starttls) {
      starttls_tried = true;
      at = At::starttls;
      return send("STARTTLS\r\n");
    }
    if (options.tls == ClientTls::required) {
      at = At::starttls;
      return fail(no_reply("TLS is required, but the server does not offer STARTTLS"),
                  Farewell::quit);
    }
  }
  if (options.login) return start_login();
  at = At::ready;
}

void ClientSession::State::on_starttls(Reply reply) {
  if (reply.is_positive()) {
    parser.drop();  // RFC 3207 §4.2: what was said in clear is not believed
    at = At::tls;
    return;
  }
  if (reply.code < 400) return unexpected_reply(reply);
  if (options.tls == ClientTls::required) return fail(std::move(reply), Farewell::quit);
  starttls_refused = std::move(reply);
  after_helo();
}

// ---------------------------------------------------------------- login

void ClientSession::State::start_login() {
  at = At::auth;
  const bool encrypted = tls || options.tls == ClientTls::active;
  const bool verified = tls && !tls->verified.empty() && tls->verified != "none";
  if (!encrypted && !options.login_in_clear) {
    return fail(no_reply("no login over a connection in clear"), Farewell::quit);
  }
  if (encrypted && !verified && !options.login_unverified && !options.login_in_clear) {
    return fail(no_reply("no login: the certificate of the server is not verified"),
                Farewell::quit);
  }
  login = ClientLoginExchange(*options.login, options.client_nonce, extensions.mechanisms);
  if (!login.can_go_on()) {
    return fail(no_reply("a login is configured, but the server offers none that is known here"),
                Farewell::quit);
  }
  send(login.next_command() + "\r\n");
}

void ClientSession::State::on_auth(Reply reply) {
  if (!login.broken().empty()) return fail(no_reply("login: " + login.broken()), Farewell::quit);
  if (reply.is_positive()) {
    if (!login.is_proved()) {  // RFC 5802 §3
      return fail(no_reply("login: the server did not prove that it knows the password"),
                  Farewell::quit);
    }
    at = At::ready;
    return;
  }
  if (reply.is_intermediate()) return send(login.respond(reply.lines.front()) + "\r\n");
  if (reply.code < 400) return unexpected_reply(reply);
  if (reply.is_permanent() && login.can_go_on()) return send(login.next_command() + "\r\n");
  fail(std::move(reply), Farewell::quit);
}

// ---------------------------------------------------------------- transaction

void ClientSession::State::decide(std::size_t recipient, const Reply& reply,
                                  std::string_view at_phase) {
  open->decided[recipient] = true;
  open->results[recipient] = {state_of(reply), reply, std::string(at_phase), false};
}

void ClientSession::State::decide_open(const Reply& reply, std::string_view at_phase) {
  for (std::size_t i = 0; i < open->results.size(); ++i) {
    if (!open->decided[i]) decide(i, reply, at_phase);
  }
}

// What the server cannot take by what it offered is not sent (nothing is converted here).
void ClientSession::State::refuse_here() {
  const auto& asked_for = open->asked_for;
  if (extensions.size && *extensions.size > 0 &&
      asked_for.size > *extensions.size) {  // RFC 1870 §6
    decide_open(Reply(552, {5, 3, 4},
                      fmt::format("not sent: the message has {} octets, the server takes {}",
                                  asked_for.size, *extensions.size)),
                "mail");
  }
  if (asked_for.eight_bit && !extensions.eight_bit) {  // RFC 6152 §3
    decide_open(Reply(554, {5, 6, 3}, "not sent: 8-bit content, the server offers no 8BITMIME"),
                "mail");
  }
  const Reply no_utf8(553, {5, 6, 7}, "not sent: the server offers no SMTPUTF8");  // RFC 6531 §3.5
  const bool whole = asked_for.sender.smtputf8 || asked_for.sender.address.needs_smtputf8();
  open->utf8 = whole;
  for (std::size_t i = 0; i < asked_for.recipients.size(); ++i) {
    const bool needed = whole || asked_for.recipients[i].address.needs_smtputf8();
    open->utf8 = open->utf8 || needed;
    if (needed && !extensions.smtputf8 && !open->decided[i]) decide(i, no_utf8, "mail");
    if (!open->decided[i]) open->asked.push_back(i);
  }
  if (!extensions.smtputf8) open->utf8 = false;
}

void ClientSession::State::begin(ClientTransaction transaction) {
  open.emplace();
  open->asked_for = std::move(transaction);
  open->results.resize(open->asked_for.recipients.size());
  open->decided.resize(open->asked_for.recipients.size());
  refuse_here();
  // LMTP answers its final dot once for each recipient, BDAT LAST too: what a failed chunk leaves
  // of that no standard says, so LMTP gets DATA.
  open->chunked = extensions.chunking && !options.lmtp;
  open->body =
      OutgoingBody(open->chunked ? OutgoingBody::Framing::plain : OutgoingBody::Framing::dots);
  at = At::envelope;
  if (open->asked.empty()) return finish();
  send_envelope();
}

std::string ClientSession::State::mail_command() const {
  const auto& asked_for = open->asked_for;
  const auto& sender = asked_for.sender;
  std::string line = "MAIL FROM:<" + sender.address.text() + ">";
  if (extensions.size) line += fmt::format(" SIZE={}", asked_for.size);
  if (asked_for.eight_bit) line += " BODY=8BITMIME";
  if (open->utf8) line += " SMTPUTF8";
  // RFC 8689 §4.2.1; that the peer offers it was looked at before it came to a transaction.
  if (sender.requiretls && extensions.requiretls && tls) line += " REQUIRETLS";
  if (extensions.dsn) {  // RFC 3461 §4.3, §4.4
    if (sender.ret == DsnReturn::full) line += " RET=FULL";
    if (sender.ret == DsnReturn::headers) line += " RET=HDRS";
    if (sender.envelope_id && is_parameter(*sender.envelope_id, false)) {
      line += " ENVID=" + *sender.envelope_id;
    }
  }
  return line + "\r\n";
}

std::string ClientSession::State::rcpt_command(std::size_t recipient) const {
  const auto& to = open->asked_for.recipients[recipient];
  std::string line = "RCPT TO:<" + to.address.text() + ">";
  if (extensions.dsn) {  // RFC 3461 §4.1, §4.2
    if (to.notify.given()) line += " NOTIFY=" + to.notify.text();
    if (to.original_recipient && is_parameter(*to.original_recipient, open->utf8)) {
      line += " ORCPT=" + *to.original_recipient;
    }
  }
  return line + "\r\n";
}

// MAIL alone; where PIPELINING was offered MAIL, RCPT* and (without BDAT) DATA in one write, DATA
// last in its group (RFC 2920 §3.1). LMTP refuses DATA when nobody was accepted, so there it waits.
void ClientSession::State::send_envelope() {
  std::string commands = mail_command();
  std::size_t count = 1;
  if (extensions.pipelining) {
    for (const auto recipient : open->asked) commands += rcpt_command(recipient);
    count += open->asked.size();
    if (!open->chunked && !options.lmtp && !open->asked_for.probe) {
      commands += "DATA\r\n";
      ++count;
    }
  }
  send(std::move(commands));
  if (open) open->sent = count;
}

void ClientSession::State::on_envelope(const Reply& reply) {
  const auto number = open->answered;
  if (number > open->asked.size()) return on_data(reply);
  if (reply.code < 200 || reply.is_intermediate()) return unexpected_reply(reply);
  ++open->answered;
  if (number == 0) {
    open->mail_accepted = reply.is_positive();
    if (!open->mail_accepted) decide_open(reply, "mail");
  } else if (const auto recipient = open->asked[number - 1]; !open->decided[recipient]) {
    if (reply.is_positive() && !open->asked_for.probe) {
      open->accepted.push_back(recipient);
    } else {
      decide(recipient, reply, "rcpt");
      // RFC 5321 §4.5.3.1.10: 552 to RCPT is read as 452. The reply stays as it was said.
      if (reply.code == 552 || reply.is_positive())
        open->results[recipient].state = RecipientState::queued;
    }
  }
  if (open->awaited() == 0) continue_envelope();
}

void ClientSession::State::continue_envelope() {
  if (!open->mail_accepted) return finish();
  const auto rcpt_answered = open->answered - 1;
  std::string command;
  if (rcpt_answered < open->asked.size()) {
    command = rcpt_command(open->asked[rcpt_answered]);
  } else if (open->accepted.empty()) {
    return finish();
  } else if (open->chunked) {
    at = At::body;
    return;
  } else {
    command = "DATA\r\n";
  }
  send(std::move(command));
  if (open) ++open->sent;
}

void ClientSession::State::on_data(const Reply& reply) {
  if (reply.code < 300) return unexpected_reply(reply);
  ++open->answered;
  if (!reply.is_intermediate()) {
    decide_open(reply, "data");
    open->refused = true;
    return finish();
  }
  if (!open->accepted.empty()) {
    at = At::body;
    return;
  }
  at = At::lone_dot;  // RFC 2920 §3.1: 354 though nobody was accepted
  open->refused = true;
  send(".\r\n");
}

void ClientSession::State::send_body(std::string_view chunk, bool last) {
  std::string bytes;
  bytes.reserve(chunk.size() + chunk.size() / 32 + 64);
  open->body.write(chunk, bytes);
  if (last) open->body.finish(bytes);
  if (bytes.empty() && !last) return;
  if (!open->chunked) {
    if (last) bytes += ".\r\n";
    send(std::move(bytes));
  } else {  // RFC 3030 §2
    bytes.insert(0, fmt::format("BDAT {}{}\r\n", bytes.size(), last ? " LAST" : ""));
    send(std::move(bytes));
    if (open && !last) ++open->chunks_awaited;
  }
  if (open && last) at = At::dot;
}

void ClientSession::State::on_chunk(const Reply& reply) {
  if (reply.code < 200 || reply.is_intermediate()) return unexpected_reply(reply);
  --open->chunks_awaited;
  if (!reply.is_positive()) {
    decide_open(reply, "data");
    open->refused = true;
    if (at == At::body) at = At::drain;
  }
  if (at == At::drain && open->chunks_awaited == 0) finish();
}

void ClientSession::State::on_dot(const Reply& reply) {
  if (open->chunks_awaited > 0) return on_chunk(reply);
  if (reply.code < 200 || reply.is_intermediate()) return unexpected_reply(reply);
  if (!reply.is_positive()) open->refused = true;
  const std::size_t first = open->final_replies;
  const std::size_t end = options.lmtp ? first + 1 : open->accepted.size();  // RFC 2033 §4.2
  for (auto i = first; i < end; ++i) {
    const auto recipient = open->accepted[i];
    if (open->decided[recipient]) continue;
    decide(recipient, reply, "dot");
    if (!reply.is_positive()) continue;
    // RFC 3461 §5.2.2: a success DSN that the next hop cannot send is ours: relayed.
    const bool relayed =
        !extensions.dsn && !options.lmtp && open->asked_for.recipients[recipient].notify.success;
    open->results[recipient].state = relayed ? RecipientState::relayed : RecipientState::delivered;
  }
  open->final_replies = end;
  if (end == open->accepted.size()) finish();
}

void ClientSession::State::finish() {
  const bool reset = open->mail_accepted && (open->refused || at == At::envelope);
  steps.emplace_back(client::Done{std::move(open->results)});
  open.reset();
  at = reset ? At::reset : At::ready;
  if (reset) send("RSET\r\n");
}

// ---------------------------------------------------------------- the interface

ClientSession::ClientSession(ClientOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
ClientSession::~ClientSession() = default;
ClientSession::ClientSession(ClientSession&&) noexcept = default;
ClientSession& ClientSession::operator=(ClientSession&&) noexcept = default;

client::Step ClientSession::next() {
  auto& state = *state_;
  while (state.steps.empty()) state.advance();
  auto step = std::move(state.steps.front());
  state.steps.pop_front();
  return step;
}

void ClientSession::receive(std::string_view bytes) {
  if (state_->at != State::At::closed) state_->parser.receive(bytes);
}

void ClientSession::receive_end(std::string why) {
  if (!state_->ended) state_->ended = std::move(why);
}

void ClientSession::tls_started(TlsFacts facts) {
  const bool implicit =
      state_->options.tls == ClientTls::active && state_->at == State::At::greeting;
  CHECK(implicit || state_->at == State::At::tls);
  state_->tls = std::move(facts);
  if (implicit) return;
  state_->parser.drop();
  state_->extensions = {};  // RFC 3207 §4.2
  state_->say_helo(true);
}

void ClientSession::tls_failed(std::string why) {
  CHECK(state_->at == State::At::tls);
  state_->fail(no_reply(fmt::format("TLS: {}", why)));
}

void ClientSession::begin(ClientTransaction transaction) {
  CHECK(state_->at == State::At::ready);
  CHECK(!transaction.recipients.empty() && transaction.recipients.size() <= capacity());
  state_->begin(std::move(transaction));
}

void ClientSession::body(std::string_view chunk, bool last) {
  CHECK(state_->at == State::At::body);
  state_->send_body(chunk, last);
}

void ClientSession::abort_body() {
  CHECK(state_->at == State::At::body);
  state_->fail(no_reply("the content of the message could not be read"));
}

void ClientSession::quit() {
  CHECK(state_->at == State::At::ready);
  state_->at = State::At::quit;
  state_->steps.emplace_back(client::Send{"QUIT\r\n"});
}

const Extensions& ClientSession::extensions() const {
  return state_->extensions;
}
const std::string& ClientSession::greeting() const {
  return state_->greeting;
}
const std::optional<TlsFacts>& ClientSession::tls() const {
  return state_->tls;
}
const std::optional<Reply>& ClientSession::starttls_refused() const {
  return state_->starttls_refused;
}

std::size_t ClientSession::capacity() const {
  auto capacity = state_->options.limits.recipients_transaction;
  if (state_->extensions.max_recipients) {
    capacity = std::min(capacity, *state_->extensions.max_recipients);
  }
  return std::max<std::size_t>(1, capacity);
}

}  // namespace goniec::smtp
