// The sender of the benchmarks: smtp_load PORT SESSIONS MESSAGES OCTETS [pipelined|lockstep].
// One thread, epoll, many sessions on loopback, one recipient a message. Lockstep waits for each
// reply, as most programs do; pipelined sends MAIL, RCPT and DATA in one write. Prints one JSON
// object: seconds from the first connection to the last 250, and the time from the final dot to its
// 250 (p50, p99, milliseconds). Any reply but the expected one ends the run with status 1.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
  std::uint16_t port = 0;
  int sessions = 1, messages = 1;
  bool pipelined = false;
  std::string body;  // with its dot
  std::string envelope = "MAIL FROM:<a@load.test>\r\nRCPT TO:<b@dest.test>\r\nDATA\r\n";
};

enum class At { greeting, helo, mail, rcpt, data, dot, quit };

struct Session {
  int fd = -1;
  At at = At::greeting;
  std::string input, output;
  Clock::time_point sent{};
  bool waits_to_write = false;
  int messages = 0;
};

struct Run {
  const Plan& plan;
  int epoll = -1, begun = 0, done = 0, open = 0;
  std::vector<double> waits;  // milliseconds
  Clock::time_point last{};

  [[noreturn]] void give_up(const std::string& why) const {
    std::fprintf(stderr, "smtp_load: %s\n", why.c_str());
    std::exit(1);
  }
  void connect_one();
  void write(Session& session, std::string_view octets);
  void flush(Session& session);
  void begin_message(Session& session);
  void on_reply(Session& session, std::string_view line);
  bool read(Session& session);  // false: over
};

void Run::connect_one() {
  auto* session = new Session;
  session->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(session->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    give_up("cannot connect");
  const int on = 1;
  ::setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = session;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, session->fd, &event);
  ++open;
}

void Run::flush(Session& session) {
  while (!session.output.empty()) {
    const ssize_t put = ::send(session.fd, session.output.data(), session.output.size(),
                               MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EAGAIN) break;
    if (put < 0) give_up("the connection broke");
    session.output.erase(0, static_cast<std::size_t>(put));
  }
  if (session.waits_to_write == !session.output.empty()) return;
  session.waits_to_write = !session.output.empty();
  epoll_event event{};
  event.events = EPOLLIN | (session.waits_to_write ? EPOLLOUT : 0u);
  event.data.ptr = &session;
  ::epoll_ctl(epoll, EPOLL_CTL_MOD, session.fd, &event);
}

void Run::write(Session& session, std::string_view octets) {
  session.output += octets;
  flush(session);
}

void Run::begin_message(Session& session) {
  constexpr int messages_a_session = 900;  // servers end a session after a thousand or so
  if (begun == plan.messages || session.messages == messages_a_session) {
    session.at = At::quit;
    return write(session, "QUIT\r\n");
  }
  ++begun;
  ++session.messages;
  session.at = At::mail;
  write(session, plan.pipelined ? std::string_view(plan.envelope) : "MAIL FROM:<a@load.test>\r\n");
}

void Run::on_reply(Session& session, std::string_view line) {
  const bool right = session.at == At::data ? line.starts_with("354") : line.starts_with('2');
  if (!right) give_up("unexpected reply: " + std::string(line));
  switch (session.at) {
    case At::greeting:
      session.at = At::helo;
      return write(session, "EHLO load.test\r\n");
    case At::helo:
      return begin_message(session);
    case At::mail:
      session.at = At::rcpt;
      if (!plan.pipelined) write(session, "RCPT TO:<b@dest.test>\r\n");
      return;
    case At::rcpt:
      session.at = At::data;
      if (!plan.pipelined) write(session, "DATA\r\n");
      return;
    case At::data:
      session.at = At::dot;
      session.sent = Clock::now();
      return write(session, plan.body);
    case At::dot:
      last = Clock::now();
      waits.push_back(std::chrono::duration<double, std::milli>(last - session.sent).count());
      ++done;
      return begin_message(session);
    case At::quit:
      return;
  }
}

bool Run::read(Session& session) {
  std::array<char, 16384> buffer;
  const ssize_t got = ::recv(session.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) {
    if (session.at != At::quit) give_up("the server closed the connection");
    return false;
  }
  session.input.append(buffer.data(), static_cast<std::size_t>(got));
  std::size_t begin = 0;
  for (std::size_t end; (end = session.input.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string_view line = std::string_view(session.input).substr(begin, end - begin);
    if (line.size() > 3 && line[3] == '-') continue;
    on_reply(session, line);
  }
  session.input.erase(0, begin);
  return true;
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
  while (run.open > 0) {
    const int ready =
        ::epoll_wait(run.epoll, events.data(), static_cast<int>(events.size()), 60000);
    if (ready == 0) run.give_up("nothing happened for a minute");
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      auto* session = static_cast<Session*>(event.data.ptr);
      if (event.events & EPOLLOUT) run.flush(*session);
      if ((event.events & ~EPOLLOUT) == 0 || run.read(*session)) continue;
      ::close(session->fd);
      delete session;
      --run.open;
      if (run.begun < run.plan.messages) run.connect_one();
    }
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 5) {
    std::fputs("usage: smtp_load PORT SESSIONS MESSAGES OCTETS [pipelined]\n", stderr);
    return 64;
  }
  Plan plan;
  plan.port = static_cast<std::uint16_t>(std::atoi(words[1]));
  plan.sessions = std::atoi(words[2]);
  plan.messages = std::atoi(words[3]);
  plan.body = make_body(static_cast<std::size_t>(std::atoi(words[4])));
  plan.pipelined = count > 5 && std::string_view(words[5]) == "pipelined";
  Run run{.plan = plan, .epoll = ::epoll_create1(EPOLL_CLOEXEC), .waits = {}};
  const auto began = Clock::now();
  for (int i = 0; i < plan.sessions; ++i) run.connect_one();
  run_all(run);
  std::sort(run.waits.begin(), run.waits.end());
  auto part = [&](double share) {
    return run.waits.at(
        static_cast<std::size_t>(share * static_cast<double>(run.waits.size() - 1)));
  };
  std::printf("{\"messages\": %d, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
              run.done, std::chrono::duration<double>(run.last - began).count(), part(0.5),
              part(0.99));
  return 0;
}
