// The commands of the POP3 session: a table of verbs and a small handler for each (RFC 1939 §5-§7,
// RFC 2449, RFC 2595). APOP and LAST are not in it: unknown, as everything else.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proto/pop3_state.h"

namespace goniec::pop3 {

namespace {
constexpr std::size_t kOutputOctets = 8 * 1024;  // a list pauses here, and goes on when it was sent
}

const Session::State::Verb* Session::State::find_verb(std::string_view name) {
  static constexpr Phase kLogin = Phase::authorisation, kMail = Phase::transaction,
                         kBoth = Phase::closed;
  static constexpr Verb kVerbs[] = {
      {"CAPA", kBoth, 0, 0, &State::capa, "CAPA"},
      {"QUIT", kBoth, 0, 0, &State::quit, "QUIT"},
      {"STLS", kLogin, 0, 0, &State::stls, "STLS"},
      {"USER", kLogin, 1, 1, &State::user, "USER name"},
      {"PASS", kLogin, 1, 1, &State::pass, "PASS password"},
      {"AUTH", kLogin, 0, 2, &State::auth, "AUTH mechanism [response]"},
      {"STAT", kMail, 0, 0, &State::stat, "STAT"},
      {"LIST", kMail, 0, 1, &State::list, "LIST [number]"},
      {"UIDL", kMail, 0, 1, &State::uidl, "UIDL [number]"},
      {"RETR", kMail, 1, 1, &State::retr, "RETR number"},
      {"TOP", kMail, 2, 2, &State::top, "TOP number lines"},
      {"DELE", kMail, 1, 1, &State::dele, "DELE number"},
      {"RSET", kMail, 0, 0, &State::rset, "RSET"},
      {"NOOP", kMail, 0, 0, &State::noop, "NOOP"},
  };
  const Verb* row = std::ranges::find_if(
      kVerbs, [&](const Verb& verb) { return equal_ignoring_case(verb.name, name); });
  return row == std::end(kVerbs) ? nullptr : row;
}

void Session::State::capa() {
  ok("what there is");
  for (std::string_view line :
       {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"}) {
    out += fmt::format("{}\r\n", line);
  }
  if (login_possible()) {
    out += fmt::format("USER\r\nSASL PLAIN{}\r\n",
                       options.scram_nonce.empty() ? "" : " SCRAM-SHA-256");
  }
  bool before_login = phase == Phase::authorisation;
  if (options.tls_offered && !tls_active && before_login) out += "STLS\r\n";
  // RFC 2449 §6.9: which program this is need not be told before the login.
  if (!options.version.empty() && !before_login) {
    out += fmt::format("IMPLEMENTATION Goniec {}\r\n", options.version);
  }
  out += ".\r\n";
}

void Session::State::stls() {
  if (tls_active) return fail("", "TLS is active already");
  if (!options.tls_offered) return fail("", "STLS is not offered");
  ok("begin TLS");
  phase = Phase::tls;
  start_tls = true;
  input = {};  // what was pipelined in clear is never obeyed
  at = searched = 0;
}

void Session::State::quit() {
  if (phase == Phase::transaction) {
    AskRemove remove;
    for (std::size_t i = 0; i < deleted.size(); ++i) {
      if (deleted[i]) remove.messages.push_back(i);
    }
    if (!remove.messages.empty()) return ask(std::move(remove));
  }
  ok("goodbye");
  close("quit");
}

// ---------------------------------------------------------------- the mailbox
void Session::State::stat() {
  std::uint64_t count = 0, octets = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (deleted[i]) continue;
    ++count;
    octets += messages[i].octets;
  }
  ok(fmt::format("{} {}", count, octets));
}

std::optional<std::size_t> Session::State::message_of(std::string_view number) {
  auto value = parse_unsigned(number);
  if (!value || *value == 0 || *value > messages.size() || deleted[*value - 1]) {
    fail("", "no such message");
    return std::nullopt;
  }
  return static_cast<std::size_t>(*value - 1);
}

std::string Session::State::list_line(std::size_t index) const {
  return listing == List::sizes ? fmt::format("{} {}", index + 1, messages[index].octets)
                                : fmt::format("{} {}", index + 1, messages[index].uid);
}

void Session::State::list() {
  list_or_uidl(List::sizes);
}
void Session::State::uidl() {
  list_or_uidl(List::uids);
}

void Session::State::list_or_uidl(List kind) {
  listing = kind;
  if (!arguments.empty()) {
    if (auto index = message_of(arguments[0])) ok(list_line(*index));
    return;
  }
  ok("list follows");
  listed = 0;
  phase = Phase::listing;
}

void Session::State::continue_list() {
  for (; listed < messages.size() && out.size() < kOutputOctets; ++listed) {
    if (!deleted[listed]) out += list_line(listed) + "\r\n";
  }
  if (listed < messages.size()) return;
  out += ".\r\n";
  phase = Phase::transaction;
}

void Session::State::retr() {
  if (auto index = message_of(arguments[0])) begin_content(*index, std::nullopt);
}

void Session::State::top() {
  auto lines = parse_unsigned(arguments[1]);
  if (!lines) return fail("", "use TOP number lines");
  if (auto index = message_of(arguments[0])) begin_content(*index, *lines);
}

void Session::State::dele() {
  auto index = message_of(arguments[0]);
  if (!index) return;
  deleted[*index] = true;
  ok("marked");
}

void Session::State::rset() {
  deleted.assign(messages.size(), false);
  ok("nothing is marked");
}

void Session::State::noop() {
  ok();
}

// ---------------------------------------------------------------- RETR and TOP
void Session::State::begin_content(std::size_t index, std::optional<std::uint64_t> lines) {
  phase = Phase::content;
  reading = index;
  content_first = true;
  content_done = false;
  lines_left = lines;
  in_header = line_empty = true;
  outgoing = smtp::OutgoingBody(smtp::OutgoingBody::Framing::dots);
}

// TOP ends after the empty line and `lines_left` lines of the body (RFC 1939 §7).
void Session::State::content(std::string_view chunk) {
  if (phase != Phase::content || content_done) return;
  if (std::exchange(content_first, false)) ok("message follows");
  std::size_t end = chunk.size();
  if (lines_left) {
    if (!in_header && *lines_left == 0) end = 0;
    for (std::size_t i = 0; i < end; ++i) {
      if (chunk[i] == '\r') continue;
      if (chunk[i] != '\n') {
        line_empty = false;
        continue;
      }
      if (!in_header) {
        --*lines_left;
      } else if (line_empty) {
        in_header = false;
      }
      line_empty = true;
      if (!in_header && *lines_left == 0) end = i + 1;
    }
    content_done = !in_header && *lines_left == 0;
  }
  counts.octets += end;
  outgoing.write(chunk.substr(0, end), out);
}

void Session::State::end_content() {
  outgoing.finish(out);
  out += ".\r\n";
  ++counts.retrieved;
  phase = Phase::transaction;
}

}  // namespace goniec::pop3
