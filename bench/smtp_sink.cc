// The receiver of the benchmarks: smtp_sink PORT COUNTERS [silent]. One thread, epoll, pipelining;
// it reads each message to its dot and forgets it. COUNTERS is a file that others may map: four
// 64-bit numbers: messages, octets of bodies, connections, nanoseconds (monotonic) of the last
// message. `silent` takes connections and never greets: delivery to it waits. It ends by SIGTERM.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

namespace {

struct Counters {
  std::uint64_t messages, octets, connections, last_ns;
};

std::uint64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(time.tv_nsec);
}

struct Session {
  int fd = -1;
  bool in_data = false, ended = false;
  std::string line, replies;  // an unfinished command; what is to be said
  std::string tail = "\r\n";  // the last octets of the body so far, for the search of the dot
};

bool is_verb(std::string_view line, std::string_view verb) {
  return line.size() >= 4 && ::strncasecmp(line.data(), verb.data(), 4) == 0;
}

void answer(Session& session, std::string_view line) {
  if (is_verb(line, "EHLO"))
    session.replies += "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250 8BITMIME\r\n";
  else if (is_verb(line, "DATA")) {
    session.replies += "354 go on\r\n";
    session.in_data = true;
    session.tail = "\r\n";
  } else if (is_verb(line, "QUIT")) {
    session.replies += "221 2.0.0 bye\r\n";
    session.ended = true;
  } else {
    session.replies += "250 2.1.0 ok\r\n";
  }
}

// Body octets up to the dot; how many of `octets` belong to it.
std::size_t take_body(Session& session, std::string_view octets, Counters& counters) {
  constexpr std::string_view end = "\r\n.\r\n";
  const std::size_t kept = session.tail.size();
  std::string joint = session.tail + std::string(octets.substr(0, end.size()));
  std::size_t used = std::string::npos;
  if (const auto at = joint.find(end); at != std::string::npos && at < kept)
    used = at + end.size() - kept;
  else if (const auto inside = octets.find(end); inside != std::string_view::npos)
    used = inside + end.size();
  if (used == std::string::npos) {
    counters.octets += octets.size();
    joint = session.tail +
            std::string(octets.substr(octets.size() - std::min(octets.size(), end.size())));
    session.tail = joint.substr(joint.size() - std::min(joint.size(), end.size() - 1));
    return octets.size();
  }
  counters.octets += used;
  ++counters.messages;
  counters.last_ns = now_ns();
  session.in_data = false;
  session.replies += "250 2.0.0 ok\r\n";
  return used;
}

void take(Session& session, std::string_view octets, Counters& counters) {
  while (!octets.empty() && !session.ended) {
    if (session.in_data) {
      octets.remove_prefix(take_body(session, octets, counters));
      continue;
    }
    const auto end = octets.find('\n');
    session.line += octets.substr(0, end);
    if (end == std::string_view::npos) return;
    octets.remove_prefix(end + 1);
    answer(session, session.line);
    session.line.clear();
  }
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(fd, 4096) < 0) {
    std::perror("smtp_sink: listen");
    std::exit(1);
  }
  return fd;
}

void watch(int epoll, int fd, Session* session) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = session;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void accept_all(int listener, int epoll, bool silent, Counters& counters) {
  for (int fd; (fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++counters.connections;
    auto* session = new Session;
    session->fd = fd;
    watch(epoll, fd, session);
    constexpr std::string_view greeting = "220 sink.test ESMTP\r\n";
    if (!silent) (void)::send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL);
  }
}

void serve_one(Session* session, Counters& counters) {
  static std::array<char, 256 * 1024> buffer;
  const ssize_t got = ::recv(session->fd, buffer.data(), buffer.size(), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 0) take(*session, {buffer.data(), static_cast<std::size_t>(got)}, counters);
  if (!session->replies.empty()) {
    (void)::send(session->fd, session->replies.data(), session->replies.size(), MSG_NOSIGNAL);
    session->replies.clear();
  }
  if (got > 0 && !session->ended) return;
  ::close(session->fd);
  delete session;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fputs("usage: smtp_sink PORT COUNTERS [silent]\n", stderr);
    return 64;
  }
  const bool silent = count > 3 && std::string_view(words[3]) == "silent";
  const int file = ::open(words[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Counters)) < 0) return 1;
  auto* counters = static_cast<Counters*>(
      ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  const int listener = listen_on(static_cast<std::uint16_t>(std::atoi(words[1])));
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener, nullptr);
  std::array<epoll_event, 256> events;
  for (;;) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      auto* session = static_cast<Session*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (session)
        serve_one(session, *counters);
      else
        accept_all(listener, epoll, silent, *counters);
    }
  }
}
