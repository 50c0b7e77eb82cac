// The receiver of the benchmarks: smtp_sink PORT COUNTERS [silent] [any] [tls=CERTIFICATE,KEY].
// One thread, epoll, pipelining; it reads each message to its dot and forgets it. COUNTERS is a
// file that others may map: four 64-bit numbers: messages, octets of bodies, connections,
// nanoseconds (monotonic) of the last message. `silent` takes connections and never greets:
// delivery to it waits. `any` listens on every address; a connection to 127.2.*.* is then never
// greeted and one to 127.3.*.* is closed at once (dead sites). It ends by SIGTERM.
#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>

#include "bench/conversation.h"
#include "bench/listening.h"
#include "bench/wire.h"

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

struct Mail {
  Counters* counters = nullptr;
  void body(std::string_view octets) const { counters->octets += octets.size(); }
  void message(bench::Conversation& conversation) const {
    ++counters->messages;
    counters->last_ns = now_ns();
    conversation.replies += "250 2.0.0 ok\r\n";
  }
};

struct Session {
  Session(int fd, bool offers_tls) : wire(fd), conversation(offers_tls) {}
  bench::Wire wire;
  bench::Conversation conversation;
};

struct Sink {
  int listener = -1, epoll = -1;
  bool silent = false, any = false;
  SSL_CTX* tls = nullptr;
  Mail mail;

  bool send(Session& session) const {
    auto& replies = session.conversation.replies;
    std::size_t put = 0;
    // A reply is small: it fits, or the connection is over.
    const bool well = replies.empty() || session.wire.write(replies, put) == bench::Io::done;
    replies.clear();
    return well;
  }

  unsigned second_octet(int fd) const {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
    return ntohl(name.sin_addr.s_addr) >> 16 & 0xff;
  }

  void accept_all() const {
    for (int fd; (fd = bench::accept_one(listener)) >= 0;) {
      ++mail.counters->connections;
      const unsigned octet = any ? second_octet(fd) : 0;
      auto session = std::make_unique<Session>(fd, tls != nullptr);
      if (octet == 3) continue;
      session->conversation.replies = "220 sink.test ESMTP\r\n";
      if (!silent && octet != 2 && !send(*session)) continue;
      bench::watch(epoll, fd, session.release());
    }
  }

  // False: over.
  bool serve(Session& session) const {
    static std::array<char, 256 * 1024> buffer;
    do {
      std::size_t got = 0;
      const bench::Io io = session.wire.read(buffer.data(), buffer.size(), got);
      if (io != bench::Io::done) return io == bench::Io::again;
      session.conversation.take({buffer.data(), got}, mail);
      if (!send(session) || session.conversation.ended) return false;
      if (!session.conversation.wants_tls) continue;
      session.conversation.tls_started();
      session.wire.start_tls(tls, true);
    } while (session.wire.has_pending());
    return true;
  }
};

Counters* map_counters(const char* path) {
  const int file = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Counters)) < 0) std::exit(1);
  return static_cast<Counters*>(
      ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fputs("usage: smtp_sink PORT COUNTERS [silent] [any] [tls=CERTIFICATE,KEY]\n", stderr);
    return 64;
  }
  bench::raise_descriptor_limit();
  Sink sink;
  for (int i = 3; i < count; ++i) {
    const std::string word = words[i];
    sink.silent |= word == "silent";
    sink.any |= word == "any";
    if (!word.starts_with("tls=")) continue;
    const auto comma = word.find(',');
    sink.tls =
        bench::server_context(word.substr(4, comma - 4).c_str(), word.substr(comma + 1).c_str());
  }
  sink.mail.counters = map_counters(words[2]);
  sink.listener = bench::listen_on(static_cast<std::uint16_t>(std::atoi(words[1])),
                                   sink.any ? INADDR_ANY : INADDR_LOOPBACK);
  sink.epoll = ::epoll_create1(EPOLL_CLOEXEC);
  bench::watch(sink.epoll, sink.listener, nullptr);
  std::array<epoll_event, 256> events;
  for (;;) {
    const int ready = ::epoll_wait(sink.epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      auto* session = static_cast<Session*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!session)
        sink.accept_all();
      else if (!sink.serve(*session))
        delete session;
    }
  }
}
