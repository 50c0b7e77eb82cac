// The sender of the benchmarks: smtp_load PORT SESSIONS MESSAGES OCTETS [options].
//   pipelined        MAIL, RCPT and DATA in one write; else each waits for its reply
//   tls              STARTTLS first; a new connection resumes the session of one before
//   a_session=N      messages before QUIT and a new connection (900)
//   recipients=N     recipients a message (1)
//   to=DOMAIN        the recipients' domain (dest.test)
//   domains=N:NAME   the recipients' domains are d0.NAME … dN-1.NAME in turn
//   patient          a 4xx reply or a closed connection is counted and the message tried again
// One thread, epoll, many sessions on loopback. Prints one JSON object: messages, seconds from the
// first connection to the last 250, the time from the final dot to its 250 (p50, p99,
// milliseconds), what was refused for now, and how many handshakes were resumed. Any other
// unexpected reply ends the run with status 1.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/listening.h"
#include "bench/wire.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
  std::uint16_t port = 0;
  int sessions = 1, messages = 1, a_session = 900, recipients = 1, domains = 0;
  bool pipelined = false, tls = false, patient = false;
  std::string domain = "dest.test";
  std::string body;  // with its dot

  std::string recipient(int number) const {
    if (domains == 0) return "RCPT TO:<b" + std::to_string(number) + "@" + domain + ">\r\n";
    return "RCPT TO:<b" + std::to_string(number) + "@d" + std::to_string(number % domains) + "." +
           domain + ">\r\n";
  }
};

enum class At { greeting, helo, tls, mail, rcpt, data, dot, quit };

struct Session {
  explicit Session(int fd) : wire(fd) {}
  bench::Wire wire;
  At at = At::greeting;
  std::string input, output;
  Clock::time_point sent{};
  bool waits_to_write = false, in_message = false;
  int messages = 0, first_recipient = 0, recipients = 0;
};

constexpr std::string_view mail_command = "MAIL FROM:<a@load.test>\r\n";

struct Run {
  const Plan& plan;
  int epoll = -1, begun = 0, done = 0, open = 0, put_off = 0, refused = 0, handshakes = 0,
      resumed = 0;
  int next_recipient = 0;
  std::vector<double> waits;  // milliseconds
  Clock::time_point last{};
  SSL_CTX* context = nullptr;
  std::vector<SSL_SESSION*> tickets;  // each is used once (RFC 8446 §C.4)

  [[noreturn]] void give_up(const std::string& why) const {
    std::fprintf(stderr, "smtp_load: %s (%d of %d done)\n", why.c_str(), done, plan.messages);
    std::exit(1);
  }
  void connect_one();
  void write(Session& session, std::string_view octets);
  void flush(Session& session);
  void begin_message(Session& session);
  void next_recipient_of(Session& session);
  void start_tls(Session& session);
  bool on_reply(Session& session, std::string_view line);  // false: close
  bool read(Session& session);                             // false: over
  bool take_lines(Session& session);
  void end(Session* session);
};

void Run::connect_one() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto* session = new Session(fd);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    give_up(std::string("cannot connect: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bench::watch(epoll, fd, session);
  ++open;
}

void Run::flush(Session& session) {
  while (!session.output.empty()) {
    std::size_t put = 0;
    const bench::Io io = session.wire.write(session.output, put);
    if (io == bench::Io::again) break;
    if (io == bench::Io::over) {
      if (!plan.patient) give_up("the connection broke");
      session.output.clear();  // the read finds the end
      break;
    }
    session.output.erase(0, put);
  }
  // In a handshake what is missing is the server's turn, not room for ours.
  SSL* ssl = session.wire.ssl();
  const bool stuck = !session.output.empty() && !(ssl && SSL_want_read(ssl));
  if (session.waits_to_write == stuck) return;
  session.waits_to_write = stuck;
  epoll_event event{};
  event.events = EPOLLIN | (session.waits_to_write ? EPOLLOUT : 0u);
  event.data.ptr = &session;
  ::epoll_ctl(epoll, EPOLL_CTL_MOD, session.wire.fd(), &event);
}

void Run::write(Session& session, std::string_view octets) {
  session.output += octets;
  flush(session);
}

void Run::begin_message(Session& session) {
  if (begun >= plan.messages || session.messages == plan.a_session) {
    session.at = At::quit;
    return write(session, "QUIT\r\n");
  }
  ++begun;
  ++session.messages;
  session.in_message = true;
  session.at = At::mail;
  session.recipients = 0;
  session.first_recipient = next_recipient;
  next_recipient += plan.recipients;
  if (!plan.pipelined) return write(session, mail_command);
  std::string envelope(mail_command);
  for (int i = 0; i < plan.recipients; ++i) envelope += plan.recipient(session.first_recipient + i);
  write(session, envelope + "DATA\r\n");
}

void Run::next_recipient_of(Session& session) {
  const bool more = session.recipients < plan.recipients;
  session.at = more ? At::rcpt : At::data;
  const int number = session.first_recipient + session.recipients++;
  if (!plan.pipelined) write(session, more ? plan.recipient(number) : "DATA\r\n");
}

void Run::start_tls(Session& session) {
  SSL_SESSION* ticket = tickets.empty() ? nullptr : tickets.back();
  if (ticket) tickets.pop_back();
  session.wire.start_tls(context, false, ticket);
  if (ticket) SSL_SESSION_free(ticket);  // the connection has its own hold of it
}

bool Run::on_reply(Session& session, std::string_view line) {
  const bool right = session.at == At::data ? line.starts_with("354") : line.starts_with('2');
  if (!right && plan.patient && line.starts_with('4')) return false;
  if (!right) give_up("unexpected reply: " + std::string(line));
  switch (session.at) {
    case At::greeting:
      session.at = At::helo;
      write(session, "EHLO load.test\r\n");
      break;
    case At::helo:
      if (!plan.tls || session.wire.ssl()) {
        begin_message(session);
        break;
      }
      session.at = At::tls;
      write(session, "STARTTLS\r\n");
      break;
    case At::tls:
      start_tls(session);
      session.at = At::helo;
      write(session, "EHLO load.test\r\n");
      break;
    case At::mail:
    case At::rcpt:
      next_recipient_of(session);
      break;
    case At::data:
      session.at = At::dot;
      session.sent = Clock::now();
      write(session, plan.body);
      break;
    case At::dot:
      last = Clock::now();
      waits.push_back(std::chrono::duration<double, std::milli>(last - session.sent).count());
      ++done;
      session.in_message = false;
      begin_message(session);
      break;
    case At::quit:
      break;
  }
  return true;
}

bool Run::take_lines(Session& session) {
  std::size_t begin = 0;
  bool well = true;
  for (std::size_t end; well && (end = session.input.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string_view line = std::string_view(session.input).substr(begin, end - begin);
    if (line.size() > 3 && line[3] == '-') continue;
    well = on_reply(session, line);
  }
  session.input.erase(0, begin);
  return well;
}

bool Run::read(Session& session) {
  std::array<char, 16384> buffer;
  do {
    std::size_t got = 0;
    const bench::Io io = session.wire.read(buffer.data(), buffer.size(), got);
    if (session.wire.ssl()) flush(session);  // the handshake may have let it through
    if (io == bench::Io::again) return true;
    if (io == bench::Io::over) {
      if (session.at != At::quit && !plan.patient) give_up("the server closed the connection");
      return false;
    }
    session.input.append(buffer.data(), got);
    if (!take_lines(session)) return false;
  } while (session.wire.has_pending());
  return true;
}

void Run::end(Session* session) {
  if (session->in_message) --begun;
  if (session->in_message || session->at < At::mail) ++refused;
  if (SSL* ssl = session->wire.ssl()) {
    ++handshakes;
    resumed += SSL_session_reused(ssl);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  delete session;
  --open;
  if (begun >= plan.messages || open + put_off >= plan.sessions) return;
  if (!plan.patient)
    connect_one();
  else
    ++put_off;
}

std::string make_body(std::size_t octets) {
  std::string body =
      "From: <a@load.test>\r\nTo: <b@dest.test>\r\nSubject: load\r\nDate: Mon, 23 "
      "Nov 2026 06:10:00 +0000\r\nMessage-ID: <1@load.test>\r\n\r\n";
  while (body.size() < octets)
    body += "0123456789012345678901234567890123456789012345678901234567890123456789\r\n";
  return body + ".\r\n";
}

void run_all(Run& run) {
  std::array<epoll_event, 256> events;
  constexpr int patience_milliseconds = 20;
  auto last_retry = Clock::now();
  while (run.open + run.put_off > 0) {
    const int ready = ::epoll_wait(run.epoll, events.data(), static_cast<int>(events.size()),
                                   run.plan.patient ? patience_milliseconds : 60000);
    if (ready == 0 && !run.plan.patient) run.give_up("nothing happened for a minute");
    if (Clock::now() - last_retry > std::chrono::milliseconds(patience_milliseconds)) {
      last_retry = Clock::now();
      for (; run.put_off > 0; --run.put_off)
        if (run.begun < run.plan.messages) run.connect_one();
    }
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      auto* session = static_cast<Session*>(event.data.ptr);
      if (event.events & EPOLLOUT) run.flush(*session);
      if ((event.events & ~EPOLLOUT) == 0 || run.read(*session)) continue;
      run.end(session);
    }
  }
}

Run* running = nullptr;  // for OpenSSL's callback, which knows no other way

int keep_ticket(SSL*, SSL_SESSION* session) {
  running->tickets.push_back(session);
  return 1;
}

void read_option(Plan& plan, std::string_view word) {
  const auto equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string value(equals == std::string_view::npos ? "" : word.substr(equals + 1));
  if (name == "pipelined") plan.pipelined = true;
  if (name == "tls") plan.tls = true;
  if (name == "patient") plan.patient = true;
  if (name == "a_session") plan.a_session = std::atoi(value.c_str());
  if (name == "recipients") plan.recipients = std::atoi(value.c_str());
  if (name == "to") plan.domain = value;
  if (name == "domains") {
    plan.domains = std::atoi(value.c_str());
    plan.domain = value.substr(value.find(':') + 1);
  }
}

SSL_CTX* client_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_ticket);
  return context;
}

}  // namespace

int main(int count, char** words) {
  if (count < 5) {
    std::fputs("usage: smtp_load PORT SESSIONS MESSAGES OCTETS [options]\n", stderr);
    return 64;
  }
  bench::raise_descriptor_limit();
  Plan plan;
  plan.port = static_cast<std::uint16_t>(std::atoi(words[1]));
  plan.sessions = std::atoi(words[2]);
  plan.messages = std::atoi(words[3]);
  plan.body = make_body(static_cast<std::size_t>(std::atoi(words[4])));
  for (int i = 5; i < count; ++i) read_option(plan, words[i]);
  Run run{.plan = plan, .epoll = ::epoll_create1(EPOLL_CLOEXEC), .waits = {}};
  running = &run;
  if (plan.tls) run.context = client_context();
  const auto began = Clock::now();
  for (int i = 0; i < plan.sessions; ++i) run.connect_one();
  run_all(run);
  std::sort(run.waits.begin(), run.waits.end());
  auto part = [&](double share) {
    return run.waits.empty() ? 0
                             : run.waits[static_cast<std::size_t>(
                                   share * static_cast<double>(run.waits.size() - 1))];
  };
  std::printf(
      "{\"messages\": %d, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"refused\": %d, "
      "\"handshakes\": %d, \"resumed\": %d}\n",
      run.done, std::chrono::duration<double>(run.last - began).count(), part(0.5), part(0.99),
      run.refused, run.handshakes, run.resumed);
  return 0;
}
