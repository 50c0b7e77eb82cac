// See session.h. Small steps: wire in and out here, answers in session_answers.cc.
#include <utility>

#include "inbound/session_state.h"

namespace goniec {
namespace {

constexpr std::size_t read_octets = 16 * 1024;
constexpr std::size_t uncharged_recipients = 100;  // RFC 5321 §4.5.3.1.8: so many at least
constexpr std::size_t recipient_octets = 512;      // in memory, with its place in the timeline

}  // namespace

SmtpSession::State::State(InboundParts& inbound_parts, ListenerOptions listener_options,
                          std::unique_ptr<Stream> wire)
    : parts(inbound_parts),
      listener(std::move(listener_options)),
      stream(std::move(wire)),
      options(parts.options()) {
  const Instant now = parts.world.loop.clock().now();
  caller.remote = stream->remote();
  caller.local = stream->local();
  caller.listener = listener.kind;
  caller.connected_at = now;
  const Moment moment = parts.world.loop.clock().moment();
  ends_at = moment + options->session;
  command_deadline = moment + options->idle;
}

// ---------------------------------------------------------------- before the first command
Task<bool> SmtpSession::State::read_proxy_header() {
  const bool listed = std::any_of(
      listener.proxy_from.begin(), listener.proxy_from.end(),
      [&](const IpNetwork& network) { return network.contains(caller.remote.address); });
  if (!listed) co_return true;
  ProxyParser parser;
  stream->set_deadline(command_deadline);
  auto state = ProxyParser::State::more;
  while (state == ProxyParser::State::more) {
    // One octet at a time: what follows the header belongs to SMTP or TLS.
    char octet = 0;
    auto got = co_await stream->read(std::span<char>(&octet, 1));
    if (!got || *got == 0) co_return false;
    state = parser.receive(std::string_view(&octet, 1)).state;
  }
  if (state == ProxyParser::State::refused) {
    log(cut_line(caller, "PROXY header refused: " + printable(parser.reason()), "CONNECT", now()));
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

Task<bool> SmtpSession::State::start_tls() {
  TlsOptions tls;
  tls.protocol = "smtp";
  auto secured = co_await start_tls_server(std::move(stream), options->tls, std::move(tls),
                                           moment() + options->tls_handshake);
  if (!secured) {
    stream.reset();
    log(cut_line(caller, "TLS handshake failed: " + printable(secured.error().message), "STARTTLS",
                 now()));
    co_return false;
  }
  caller.tls = (*secured)->facts();
  stream = std::move(*secured);
  co_return true;
}

smtp::ServerOptions SmtpSession::State::server_options() const {
  smtp::ServerOptions server;
  server.hostname = options->hostname;
  server.listener = listener.kind;
  server.tls_offered = options->tls != nullptr;
  server.tls_active = listener.kind == ListenerKind::submissions;
  const bool submission =
      listener.kind == ListenerKind::submission || listener.kind == ListenerKind::submissions;
  server.login_offered = submission;
  server.login_required = submission && !caller.trusted;
  const bool normalises = submission || listener.kind == ListenerKind::lmtp ||
                          options->bare_lf_on_mx == smtp::LineEndPolicy::normalise ||
                          std::any_of(options->bare_lf_from.begin(), options->bare_lf_from.end(),
                                      [&](const IpNetwork& network) {
                                        return network.contains(caller.remote.address);
                                      });
  server.line_ends = normalises ? smtp::LineEndPolicy::normalise : smtp::LineEndPolicy::reject;
  server.scram_nonce = fmt::format("{:016x}{:016x}", parts.world.loop.random().next(),
                                   parts.world.loop.random().next());
  server.limits = options->limits;
  return server;
}

Task<void> SmtpSession::State::refuse_connection(Reply reply, std::string rule) {
  log(refused_connection_line(caller, reply, rule, now()));
  count_refusal(rule);
  // Implicit TLS: a plain line would be noise, the close says enough.
  if (listener.kind != ListenerKind::submissions && stream) {
    stream->set_deadline(parts.world.loop.clock().moment() + std::chrono::seconds(5));
    (void)co_await stream->write(reply.wire());
  }
}

Task<void> SmtpSession::State::run() {
  if (!co_await read_proxy_header()) co_return;
  caller.trusted = std::any_of(
      listener.trust.begin(), listener.trust.end(),
      [&](const IpNetwork& network) { return network.contains(caller.remote.address); });
  Admission::Answer admitted =
      parts.admission.admit(caller.remote.address, parts.store_health().sealed);
  if (admitted.refusal) {
    co_await refuse_connection(std::move(*admitted.refusal), std::move(admitted.rule));
    co_return;
  }
  ticket = std::move(admitted.ticket);
  log(connect_line(caller, now()));
  parts.metrics
      .counter("goniec_smtp_connections_total", "Connections taken",
               {{"listener", std::string(name_of(listener.kind))}})
      .add();
  start_checks();
  if (listener.kind == ListenerKind::submissions && !co_await start_tls()) co_return;
  session.emplace(server_options());
  co_await speak();
  log(disconnect_line(caller, session->counts(), now()));
}

void SmtpSession::State::start_checks() {
  const bool stranger = listener.kind == ListenerKind::mx && !caller.trusted;
  if (!stranger || !options->checks || !options->checks->check) return;
  if (!options->checks->policy.looks_at(caller.remote.address)) return;
  checks = std::make_unique<Checks>(CheckParts{parts.world.loop, parts.world.resolver,
                                               parts.metrics, parts.judged, parts.dns_silence},
                                    options->checks, caller.remote.address);
}

// ---------------------------------------------------------------- the pump
Task<void> SmtpSession::State::speak() {
  for (;;) {
    smtp::Step step = session->next();
    note_refusals();
    if (auto* send = std::get_if<smtp::Send>(&step)) {
      stream->set_deadline(std::min(ends_at + std::chrono::seconds(30), moment() + options->idle));
      if (!co_await stream->write(send->bytes)) co_return;
    } else if (auto* wait = std::get_if<smtp::NeedInput>(&step)) {
      if (!co_await read_more(wait->wait)) co_return;
    } else if (auto* ask = std::get_if<smtp::Ask>(&step)) {
      co_await answer(std::move(*ask));
    } else if (auto* body = std::get_if<smtp::Body>(&step)) {
      body_octets += body->chunk.size();
      if (!draft) continue;
      make_room_for(body->chunk);
      co_await draft->write(body->chunk);
      charge_what_is_held();
    } else if (auto* discard = std::get_if<smtp::DiscardBody>(&step)) {
      drop_draft();
      (void)discard;
    } else if (std::holds_alternative<smtp::StartTls>(step)) {
      if (!co_await start_tls()) co_return;
      session->tls_started();
    } else {
      co_return;  // Close
    }
  }
}

Moment SmtpSession::State::input_deadline(smtp::Wait wait) {
  if (wait == smtp::Wait::data) {
    if (!data_started) data_started = moment();
    const auto earned =
        std::chrono::seconds(body_octets / std::max<std::uint64_t>(options->minimum_rate, 1));
    return std::min(ends_at, *data_started + options->idle + earned);
  }
  data_started.reset();
  // Octets of an unfinished command do not move the deadline: a slow client is cut like an idle
  // one.
  if (session->counts().commands != seen_commands) {
    seen_commands = session->counts().commands;
    command_deadline = moment() + options->idle;
  }
  return std::min(ends_at, command_deadline);
}

// Into the session. No buffer is held while nothing comes; one read takes all that is there.
Task<Result<std::size_t>> SmtpSession::State::read_some() {
  CO_TRY(co_await stream->readable());
  const auto buffer = std::make_unique_for_overwrite<char[]>(read_octets);
  const std::size_t got = CO_TRY(co_await stream->read({buffer.get(), read_octets}));
  if (got > 0) session->receive({buffer.get(), got});
  co_return got;
}

Task<bool> SmtpSession::State::read_more(smtp::Wait wait) {
  if (shutting_down && session->idle()) {
    session->close_with(
        Reply(421, {4, 3, 2}, options->hostname + " is shutting down, try again later"),
        "shutdown");
    co_return true;
  }
  const bool in_data = wait == smtp::Wait::data;
  if (charge && !draft && session->idle()) drop_draft();  // the transaction was given up
  stream->set_deadline(shutting_down && !in_data
                           ? std::min(moment() + std::chrono::seconds(5), input_deadline(wait))
                           : input_deadline(wait));
  waiting_idle = session->idle();
  auto got = co_await read_some();
  waiting_idle = false;
  if (got && *got > 0) co_return true;
  if (got) {  // the client closed its side
    session->receive_end();
    drop_draft();
    if (!session->idle())
      log(cut_line(caller, "lost connection", in_data ? "DATA" : "command", now()));
    co_return true;
  }
  if (got.error().kind != ErrorKind::timed_out) co_return false;
  if (shutting_down) {
    session->close_with(
        Reply(421, {4, 3, 2}, options->hostname + " is shutting down, try again later"),
        "shutdown");
    co_return true;
  }
  log(cut_line(caller, "timeout", in_data ? "DATA" : "command", now()));
  count_refusal("limit.idle");
  drop_draft();
  session->close_with(Reply(421, {4, 4, 2},
                            fmt::format("{}: too slow or idle for {}, closing", options->hostname,
                                        to_text(options->idle))),
                      "timeout");
  co_return true;
}

void SmtpSession::State::note_refusals() {
  for (const smtp::Refusal& refusal : session->take_refusals()) {
    count_refusal(refusal.rule);
    log(reject_line(caller, session->transaction(), refusal.phase, {}, refusal.reply, refusal.rule,
                    now()));
  }
}

void SmtpSession::State::count_refusal(std::string_view rule) {
  parts.metrics
      .counter("goniec_messages_rejected_total", "Refusals by rule",
               {{"reason", std::string(rule)}})
      .add();
}

// ---------------------------------------------------------------- what a message may hold
// A stranger's session stays small, whatever it says: a long envelope is charged like a message.
std::size_t SmtpSession::State::envelope_octets(std::size_t recipients) const {
  return recipients > uncharged_recipients ? recipients * recipient_octets : 0;
}

bool SmtpSession::State::begin_charge(std::size_t expected) {
  if (!charge) charge = parts.admission.take_draft(expected);
  return static_cast<bool>(charge);
}

// Before a chunk is kept. What a refused message held is free at once; what follows of it is read
// and dropped.
void SmtpSession::State::make_room_for(std::string_view chunk) {
  const std::size_t envelope = envelope_octets(session->transaction().recipients.size());
  if (charge.cover(2 * (envelope + chunk.size()) + draft->held_octets())) return;
  draft->refuse(Reply(452, {4, 3, 1}, "no room for so large a message now, try again later"),
                "pressure.drafts");
}

// After it: whole chunks may have gone to the store. Never more than there was room for.
void SmtpSession::State::charge_what_is_held() {
  const std::size_t envelope = envelope_octets(session->transaction().recipients.size());
  (void)charge.cover(2 * envelope + draft->held_octets());
}

void SmtpSession::State::drop_draft() {
  draft.reset();
  charge = {};
}

SmtpSession::SmtpSession(InboundParts& parts, ListenerOptions listener,
                         std::unique_ptr<Stream> stream)
    : state_(std::make_unique<State>(parts, std::move(listener), std::move(stream))) {}

SmtpSession::~SmtpSession() {
  state_->drop_draft();
}

Task<void> SmtpSession::run() {
  co_await state_->run();
  if (state_->stream) state_->stream->close();
  state_->ticket = {};
  state_->drop_draft();
  if (state_->checks) co_await state_->checks->settled();
}

void SmtpSession::shut_down() {
  state_->shutting_down = true;
  if (state_->waiting_idle && state_->stream) state_->stream->set_deadline(state_->moment());
}

void SmtpSession::abort() {
  if (state_->stream) state_->stream->close();
}

}  // namespace goniec
