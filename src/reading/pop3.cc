// The pump: one Step of the protocol session after another. Log lines are in Dovecot's grammar,
// which log analysers and fail2ban know for POP3.
#include "reading/pop3.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "proto/proxy.h"

namespace goniec {
namespace {

constexpr std::size_t read_octets = 2048;
constexpr Duration last_words = std::chrono::seconds(10);

// A peer's text inside a log line: nothing in it can begin another field.
std::string quoted_for_log(std::string_view text) {
  std::string shown = printable(text, 100);
  std::ranges::replace_if(
      shown, [](char c) { return c == '<' || c == '>' || c == ',' || c == ' '; }, '?');
  return shown;
}

pop3::Denial denial_of(const LoginAnswer& answer) {
  std::string text;
  for (const std::string& line : answer.reply.lines) text += (text.empty() ? "" : " ") + line;
  // RFC 3206: AUTH is "your password is wrong", SYS/TEMP "try again later".
  return {answer.reply.is_permanent() ? "AUTH" : "SYS/TEMP", std::move(text)};
}

pop3::Denial not_now() {
  return {"SYS/TEMP", "the mailbox cannot be reached now, try again"};
}

}  // namespace

struct Pop3Session::State {
  State(Pop3Parts& shared, Pop3Listener where, std::unique_ptr<Stream> wire)
      : parts(shared),
        listener(std::move(where)),
        stream(std::move(wire)),
        options(parts.options()) {
    caller.remote = stream->remote();
    caller.local = stream->local();
    caller.listener = listener.kind;
    caller.connected_at = parts.world.loop.clock().now();
    login_by = moment() + options->before_login;
    ends_at = moment() + options->session;
    quiet_until = moment() + options->idle;
  }

  Moment moment() const { return parts.world.loop.clock().moment(); }

  Task<void> run();
  Task<void> speak();
  Task<bool> read_proxy_header();
  Task<bool> start_tls();
  Task<bool> write(std::string_view bytes);
  Task<bool> read_more();
  Task<void> answer(pop3::Ask ask);
  Task<void> answer_password(std::uint64_t token, pop3::AskPassword asked);
  void answer_scram(std::uint64_t token, const pop3::AskScramDone& asked);
  void answer_login(std::uint64_t token, std::string_view user, const LoginAnswer& answer,
                    std::string_view mechanism);
  Task<void> open_mailbox(std::uint64_t token, Address mailbox);
  Task<void> remove_messages(std::uint64_t token, std::vector<std::size_t> indices);
  Task<void> give_body(pop3::NeedBody wanted);
  void cut(std::string_view reason, pop3::Denial denial);
  void log(LogLevel level, std::string event, std::string text);
  std::string where() const;
  void log_end(std::string_view reason);

  Pop3Parts& parts;
  const Pop3Listener listener;
  std::unique_ptr<Stream> stream;
  Stream* handshaking = nullptr;  // the stream under TLS while the handshake runs
  const std::shared_ptr<const Pop3Options> options;
  std::shared_ptr<void> ticket;
  Caller caller;
  std::optional<pop3::Session> session;
  std::optional<MailboxLock> lock;        // held from login to the end
  std::vector<MailboxMessage> messages;   // as they were at the login
  std::optional<MailboxReading> reading;  // of the message that is sent
  Moment login_by{}, ends_at{}, quiet_until{};
  bool waiting_for_command = false, shutting_down = false;
};

// ---------------------------------------------------------------- from accept to close
Task<void> Pop3Session::State::run() {
  if (!co_await read_proxy_header()) co_return;
  Pop3Admission admission;
  if (parts.admit) admission = parts.admit(caller.remote.address);
  if (!admission.refusal.empty()) {
    log(LogLevel::info, "pop3.refused", "Refused: " + admission.refusal + ", " + where());
    // Before a TLS handshake a plain line would be noise: the close says enough.
    if (listener.kind == ListenerKind::pop3)
      (void)co_await write("-ERR [SYS/TEMP] " + admission.refusal + "\r\n");
    co_return;
  }
  ticket = std::move(admission.ticket);
  parts.metrics
      .counter("goniec_pop3_connections_total", "POP3 connections taken",
               {{"listener", std::string(name_of(listener.kind))}})
      .add();
  if (listener.kind == ListenerKind::pop3s && !co_await start_tls()) co_return;
  pop3::Options session_options{.hostname = options->hostname};
  session_options.tls_offered = options->tls != nullptr;
  session_options.tls_active = listener.kind == ListenerKind::pop3s;
  session_options.login_without_tls = options->login_without_tls;
  Random& random = parts.world.loop.random();
  session_options.scram_nonce = fmt::format("{:016x}{:016x}", random.next(), random.next());
  session_options.version = options->version;
  session_options.limits = options->limits;
  session.emplace(std::move(session_options));
  co_await speak();
  const pop3::Counts& counts = session->counts();
  parts.metrics.counter("goniec_pop3_retrieved_total", "Messages read by POP3")
      .add(counts.retrieved);
  parts.metrics.counter("goniec_pop3_deleted_total", "Messages removed by POP3")
      .add(counts.deleted);
}

Task<void> Pop3Session::State::speak() {
  for (;;) {
    pop3::Step step = session->next();
    if (auto* send = std::get_if<pop3::Send>(&step)) {
      if (!co_await write(send->bytes)) co_return log_end("connection lost");
    } else if (std::holds_alternative<pop3::NeedInput>(step)) {
      reading.reset();
      if (!co_await read_more()) co_return log_end("connection lost");
    } else if (auto* ask = std::get_if<pop3::Ask>(&step)) {
      co_await answer(std::move(*ask));
    } else if (auto* body = std::get_if<pop3::NeedBody>(&step)) {
      co_await give_body(*body);
    } else if (std::holds_alternative<pop3::StartTls>(step)) {
      if (!co_await start_tls()) co_return;
      session->tls_started();
    } else {
      co_return log_end(std::get<pop3::Close>(step).reason);
    }
  }
}

Task<bool> Pop3Session::State::read_proxy_header() {
  const auto holds = [&](const IpNetwork& network) {
    return network.contains(caller.remote.address);
  };
  if (std::ranges::none_of(listener.proxy_from, holds)) co_return true;
  ProxyParser parser;
  stream->set_deadline(login_by);
  auto state = ProxyParser::State::more;
  while (state == ProxyParser::State::more) {
    // One octet at a time: what follows the header belongs to POP3 or TLS.
    char octet = 0;
    const auto got = co_await stream->read(std::span<char>(&octet, 1));
    if (!got || *got == 0) co_return false;
    state = parser.receive(std::string_view(&octet, 1)).state;
  }
  if (state == ProxyParser::State::refused) {
    log(LogLevel::warning, "pop3.proxy", "PROXY header refused: " + printable(parser.reason()));
    co_return false;
  }
  const ProxyHeader& header = parser.header();
  if (header.source && header.destination) {
    caller.proxy = caller.remote;
    caller.remote = *header.source;
    caller.local = *header.destination;
  }
  co_return true;
}

Task<bool> Pop3Session::State::start_tls() {
  TlsOptions tls;
  tls.protocol = "pop3";
  handshaking = stream.get();
  auto secured = co_await start_tls_server(std::move(stream), options->tls, std::move(tls),
                                           std::min(login_by, moment() + options->tls_handshake));
  handshaking = nullptr;
  if (!secured) {
    log(LogLevel::info, "pop3.tls",
        "Disconnected: TLS handshaking: " + printable(secured.error().message) + ", " + where());
    co_return false;
  }
  caller.tls = (*secured)->facts();
  stream = std::move(*secured);
  co_return true;
}

Task<bool> Pop3Session::State::write(std::string_view bytes) {
  stream->set_deadline(std::min(ends_at + last_words, moment() + options->idle));
  const auto written = co_await stream->write(bytes);
  // Only an answered command gives new time: octets of an unfinished one do not.
  quiet_until = moment() + options->idle;
  co_return written.has_value();
}

Task<bool> Pop3Session::State::read_more() {
  if (shutting_down && session->idle()) {
    cut("shutdown", {"SYS/TEMP", "shutting down, try again later"});
    co_return true;
  }
  Moment deadline = std::min(ends_at, quiet_until);
  if (!lock) deadline = std::min(deadline, login_by);
  stream->set_deadline(deadline);
  waiting_for_command = session->idle();
  const auto ready = co_await stream->readable();
  std::array<char, read_octets> buffer;
  auto got =
      ready ? co_await stream->read(buffer) : Result<std::size_t>(std::unexpected(ready.error()));
  waiting_for_command = false;
  if (got && *got > 0) {
    session->receive(std::string_view(buffer.data(), *got));
  } else if (got) {
    session->receive_end();
  } else if (got.error().kind != ErrorKind::timed_out) {
    co_return false;
  } else if (shutting_down) {
    cut("shutdown", {"SYS/TEMP", "shutting down, try again later"});
  } else {
    // RFC 1939 §3: closed without the UPDATE state, nothing is removed.
    cut("timeout", {"", "idle for too long, closing"});
  }
  co_return true;
}

void Pop3Session::State::cut(std::string_view reason, pop3::Denial denial) {
  session->close_with(std::move(denial), std::string(reason));
}

// ---------------------------------------------------------------- answers
Task<void> Pop3Session::State::answer(pop3::Ask ask) {
  const std::uint64_t token = ask.token;
  if (std::holds_alternative<pop3::AskGreeting>(ask.question)) {
    session->grant(token);
  } else if (auto* password = std::get_if<pop3::AskPassword>(&ask.question)) {
    co_await answer_password(token, std::move(*password));
  } else if (auto* keys = std::get_if<pop3::AskScramKeys>(&ask.question)) {
    session->give_keys(token, parts.logins.scram_keys(keys->user));
  } else if (auto* done = std::get_if<pop3::AskScramDone>(&ask.question)) {
    answer_scram(token, *done);
  } else if (auto* open = std::get_if<pop3::AskOpen>(&ask.question)) {
    co_await open_mailbox(token, open->login.user);
  } else {
    co_await remove_messages(token, std::get<pop3::AskRemove>(ask.question).messages);
  }
}

Task<void> Pop3Session::State::answer_password(std::uint64_t token, pop3::AskPassword asked) {
  const std::string user = asked.credentials.user;
  const LoginAnswer answer = co_await parts.logins.check_password(
      parts.world, caller.remote.address, std::move(asked.credentials), asked.mechanism);
  answer_login(token, user, answer, asked.mechanism);
}

void Pop3Session::State::answer_scram(std::uint64_t token, const pop3::AskScramDone& asked) {
  const LoginAnswer answer = parts.logins.scram_done(
      parts.world.loop.clock(), caller.remote.address, asked.user, asked.proved);
  answer_login(token, asked.user, answer, "SCRAM-SHA-256");
}

void Pop3Session::State::answer_login(std::uint64_t token, std::string_view user,
                                      const LoginAnswer& answer, std::string_view mechanism) {
  if (answer.login) return session->grant_login(token, *answer.login);
  // A full pool is our trouble: nothing that fail2ban should count.
  const std::string_view what = answer.rule == "login.busy"
                                    ? "Login not possible now"
                                    : "Aborted login (auth failed, 1 attempts)";
  log(LogLevel::warning, "login.failed",
      fmt::format("{}: user=<{}>, method={}, {}", what, quoted_for_log(user),
                  quoted_for_log(mechanism), where()));
  session->deny(token, denial_of(answer));
}

Task<void> Pop3Session::State::open_mailbox(std::uint64_t token, Address mailbox) {
  auto held = parts.mailboxes.try_lock(mailbox);
  if (!held) {
    // RFC 2449 §8.1.2.
    session->deny(token, {"IN-USE", "another session has this mailbox open"});
    co_return;
  }
  auto usage = co_await parts.mailboxes.usage(parts.world.loop, mailbox);
  auto listed = co_await parts.mailboxes.list(parts.world.loop, mailbox);
  if (!usage || !listed) {
    log(LogLevel::error, "pop3.mailbox",
        "Error: mailbox of " + mailbox.text() + ": " +
            (usage ? listed.error().message : usage.error().message));
    session->deny(token, not_now());
    co_return;
  }
  lock = std::move(held);
  messages = std::move(*listed);
  std::vector<pop3::Listed> list;
  list.reserve(messages.size());
  for (const MailboxMessage& message : messages)
    list.push_back({fmt::format("{:x}.{:x}", usage->uid_validity, message.uid), message.octets});
  log(LogLevel::info, "pop3.login",
      fmt::format("Login: user=<{}>, {}", quoted_for_log(mailbox.text()), where()));
  session->open(token, std::move(list));
}

Task<void> Pop3Session::State::remove_messages(std::uint64_t token,
                                               std::vector<std::size_t> indices) {
  MailboxRemove request{.mailbox = session->login()->user};
  for (const std::size_t index : indices) request.uids.push_back(messages.at(index).uid);
  const auto removed = co_await parts.mailboxes.remove(parts.world.loop, std::move(request));
  lock.reset();  // RFC 1939 §6: released before the connection ends
  if (removed) co_return session->grant(token);
  log(LogLevel::error, "pop3.mailbox", "Error: messages not removed: " + removed.error().message);
  session->deny(token, {"SYS/TEMP", "the messages could not be removed, they are still there"});
}

Task<void> Pop3Session::State::give_body(pop3::NeedBody wanted) {
  if (wanted.first) reading.emplace(parts.mailboxes.open(messages.at(wanted.message)));
  CHECK(reading.has_value());
  const auto piece = co_await reading->next(parts.world.loop);
  if (!piece) {
    log(LogLevel::error, "pop3.mailbox", "Error: " + piece.error().message);
    reading.reset();
    session->body_failed();
  } else if (piece->empty()) {
    reading.reset();
    session->body_end();
  } else {
    session->body(*piece);
  }
}

// ---------------------------------------------------------------- log
std::string Pop3Session::State::where() const {
  return fmt::format("rip={}, lip={}{}", caller.remote.address.text(), caller.local.address.text(),
                     caller.tls ? ", TLS" : "");
}

void Pop3Session::State::log(LogLevel level, std::string event, std::string text) {
  LogRecord record{parts.world.loop.clock().now(), level, std::move(event)};
  record.program = listener.kind == ListenerKind::pop3s ? "pop3s" : "pop3";
  record.text = std::move(text);
  record.fields = {{"ip", caller.remote.address.text()},
                   {"listener", std::string(name_of(listener.kind))}};
  if (session && session->login())
    record.fields.emplace_back("user", session->login()->user.text());
  parts.log.write(std::move(record));
}

void Pop3Session::State::log_end(std::string_view reason) {
  const pop3::Counts& counts = session->counts();
  if (!session->login())
    return log(LogLevel::info, "pop3.disconnect",
               fmt::format("Disconnected ({}, no login): {}", reason, where()));
  log(LogLevel::info, "pop3.disconnect",
      fmt::format("Disconnected ({}): user=<{}>, retr={}/{}, del={}/{}", reason,
                  quoted_for_log(session->login()->user.text()), counts.retrieved, counts.octets,
                  counts.deleted, messages.size()));
}

// ---------------------------------------------------------------- the public face
Pop3Session::Pop3Session(Pop3Parts& parts, Pop3Listener listener, std::unique_ptr<Stream> stream)
    : state_(std::make_unique<State>(parts, std::move(listener), std::move(stream))) {}
Pop3Session::~Pop3Session() = default;

Task<void> Pop3Session::run() {
  co_await state_->run();
  if (state_->stream) {
    state_->stream->shutdown_write();
    state_->stream->close();
  }
  state_->lock.reset();
}

void Pop3Session::shut_down() {
  state_->shutting_down = true;
  if (state_->waiting_for_command && state_->stream) state_->stream->set_deadline(state_->moment());
}

void Pop3Session::abort() {
  if (state_->handshaking) state_->handshaking->close();
  if (state_->stream) state_->stream->close();
}

}  // namespace goniec
