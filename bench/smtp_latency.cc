// How long a message takes when the server has time:
//   smtp_latency PORT SINK_PORT MESSAGES A_SECOND OCTETS
// An open loop: each message begins at its own time, whatever became of the one before (a session
// that still waits is passed over for another or a new one). The sink is in the same thread, so
// that both ends have one clock. Lockstep, sessions stay open. Prints one JSON object of
// milliseconds: from the end of data to the 250 (ack) and to the sink's receipt (relay), p50, p95,
// p99 and the most. Any reply but the expected one, or a minute of silence, ends it with status 1.
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bench/conversation.h"
#include "bench/listening.h"
#include "bench/wire.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view mark = "Subject: latency ";

struct Timings {
  std::vector<Clock::time_point> sent;
  std::vector<double> ack, relay;  // milliseconds

  void add(std::vector<double>& to, std::size_t number) const {
    to.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent.at(number)).count());
  }
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "smtp_latency: %s\n", why.c_str());
  std::exit(1);
}

struct Peer {
  explicit Peer(int fd) : wire(fd) {}
  virtual ~Peer() = default;
  virtual bool on_octets(std::string_view octets) = 0;  // false: over
  bool ready() {
    static std::array<char, 256 * 1024> buffer;
    std::size_t got = 0;
    const bench::Io io = wire.read(buffer.data(), buffer.size(), got);
    return io == bench::Io::done ? on_octets({buffer.data(), got}) : io == bench::Io::again;
  }
  void send(std::string_view octets) {
    std::size_t put = 0;
    if (wire.write(octets, put) != bench::Io::done || put != octets.size())
      give_up("a write did not fit");
  }
  bench::Wire wire;
};

struct Receiver final : Peer {
  Receiver(int fd, Timings& all) : Peer(fd), timings(all) {}
  bool on_octets(std::string_view octets) override {
    conversation.take(octets, *this);
    send(conversation.replies);
    conversation.replies.clear();
    return !conversation.ended;
  }
  void body(std::string_view octets) { text += octets; }
  void message(bench::Conversation& spoken) {
    const auto at = text.find(mark);
    std::size_t number = 0;
    if (at == std::string::npos) give_up("a message without its number came");
    std::from_chars(text.data() + at + mark.size(), text.data() + text.size(), number);
    timings.add(timings.relay, number);
    text.clear();
    spoken.replies += "250 2.0.0 ok\r\n";
  }
  Timings& timings;
  bench::Conversation conversation;
  std::string text;
};

enum class At { greeting, helo, idle, mail, rcpt, data, dot };

struct Sender final : Peer {
  Sender(int fd, Timings& all, const std::string& filler)
      : Peer(fd), timings(all), filling(filler) {}

  void begin(std::size_t which) {
    number = which;
    wanted = true;
    if (at == At::idle) go();
  }
  void go() {
    at = At::mail;
    send("MAIL FROM:<a@load.test>\r\n");
  }
  bool on_octets(std::string_view octets) override {
    input += octets;
    for (std::size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) {
      if (input.size() > 3 && input[3] == '-') continue;
      if (input[0] != (at == At::data ? '3' : '2')) give_up("unexpected reply: " + input);
      on_reply();
    }
    return true;
  }
  void on_reply() {
    switch (at) {
      case At::greeting:
        at = At::helo;
        return send("EHLO load.test\r\n");
      case At::helo:
        at = At::idle;
        if (wanted) go();
        return;
      case At::idle:
        give_up("a reply that was not asked for: " + input);
      case At::mail:
        at = At::rcpt;
        return send("RCPT TO:<b@dest.test>\r\n");
      case At::rcpt:
        at = At::data;
        return send("DATA\r\n");
      case At::data: {
        const std::string message = "From: <a@load.test>\r\nTo: <b@dest.test>\r\n" +
                                    std::string(mark) + std::to_string(number) + "\r\n" + filling;
        at = At::dot;
        timings.sent.at(number) = Clock::now();
        return send(message);
      }
      case At::dot:
        timings.add(timings.ack, number);
        wanted = false;
        at = At::idle;
        return;
    }
  }
  bool free() const { return !wanted; }

  Timings& timings;
  const std::string& filling;
  At at = At::greeting;
  std::string input;
  std::size_t number = 0;
  bool wanted = false;
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    give_up("cannot connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void tell(const char* name, std::vector<double>& times, const char* end) {
  std::sort(times.begin(), times.end());
  auto part = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::printf(
      "\"%s_p50_ms\": %.3f, \"%s_p95_ms\": %.3f, \"%s_p99_ms\": %.3f, \"%s_most_ms\": %.3f%s", name,
      part(0.5), name, part(0.95), name, part(0.99), name, part(1), end);
}

struct Run {
  std::uint16_t port = 0;
  std::size_t messages = 0, begun = 0;
  Timings timings;
  std::string filling;
  std::vector<Sender*> senders;
  int epoll = ::epoll_create1(EPOLL_CLOEXEC), listener = -1, timer = -1;

  void begin_one() {
    std::uint64_t due = 0;
    if (::read(timer, &due, sizeof due) != sizeof due) return;
    for (; due > 0 && begun < messages; --due) {
      auto found = std::ranges::find_if(senders, &Sender::free);
      if (found == senders.end()) {
        senders.push_back(new Sender(connect_to(port), timings, filling));
        bench::watch(epoll, senders.back()->wire.fd(), static_cast<Peer*>(senders.back()));
        found = senders.end() - 1;
      }
      (*found)->begin(begun++);
    }
  }
  void accept_all() {
    for (int fd; (fd = bench::accept_one(listener)) >= 0;) {
      auto* receiver = new Receiver(fd, timings);
      receiver->send("220 sink.test ESMTP\r\n");
      bench::watch(epoll, fd, static_cast<Peer*>(receiver));
    }
  }
  void run() {
    std::array<epoll_event, 64> events;
    while (timings.ack.size() < messages || timings.relay.size() < messages) {
      const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 60000);
      if (ready == 0) give_up("nothing happened for a minute");
      for (int i = 0; i < ready; ++i) {
        void* what = events[static_cast<std::size_t>(i)].data.ptr;
        if (what == &timer)
          begin_one();
        else if (what == &listener)
          accept_all();
        else if (auto* peer = static_cast<Peer*>(what); !peer->ready()) {
          if (dynamic_cast<Sender*>(peer)) give_up("the server closed the connection");
          delete peer;
        }
      }
    }
  }
};

}  // namespace

int main(int count, char** words) {
  if (count < 6) {
    std::fputs("usage: smtp_latency PORT SINK_PORT MESSAGES A_SECOND OCTETS\n", stderr);
    return 64;
  }
  Run run;
  run.port = static_cast<std::uint16_t>(std::atoi(words[1]));
  run.messages = static_cast<std::size_t>(std::atoi(words[3]));
  run.timings.sent.resize(run.messages);
  run.filling = "\r\n";
  while (run.filling.size() < static_cast<std::size_t>(std::atoi(words[5])))
    run.filling += "0123456789012345678901234567890123456789012345678901234567890123456789\r\n";
  run.filling += ".\r\n";
  run.listener = bench::listen_on(static_cast<std::uint16_t>(std::atoi(words[2])));
  bench::watch(run.epoll, run.listener, &run.listener);
  run.timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  const long pause = 1'000'000'000l / std::atoi(words[4]);
  const timespec every{pause / 1'000'000'000l, pause % 1'000'000'000l};
  const itimerspec times{every, every};
  ::timerfd_settime(run.timer, 0, &times, nullptr);
  bench::watch(run.epoll, run.timer, &run.timer);
  run.run();
  std::printf("{\"messages\": %zu, ", run.messages);
  tell("ack", run.timings.ack, ", ");
  tell("relay", run.timings.relay, "}\n");
  return 0;
}
