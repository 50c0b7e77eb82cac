// The least that a durable receiver can do, as the measure for goniec's accept:
//   durable_sink PORT LOG
// One thread, epoll. The bodies that came in one round of epoll are appended to a log whose blocks
// were written before (so that a sync writes data and no metadata), one fdatasync makes them
// durable, then their 250s go out. No grammar, policy, queue, events or delivery: nobody can be
// faster on this machine by much, and a mail server must do all of that beside. The log is written
// over from its start when it is full. Any failed write or sync ends the program. SIGTERM ends it.
#include <fcntl.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bench/conversation.h"
#include "bench/listening.h"
#include "bench/wire.h"

namespace {

constexpr std::size_t log_octets = 64u << 20;

[[noreturn]] void give_up(const char* why) {
  std::perror(why);
  std::exit(1);
}

class Log {
 public:
  explicit Log(const char* path)
      : file_(::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    if (file_ < 0) give_up(path);
    const std::string zeros(1u << 20, '\0');
    for (std::size_t at = 0; at < log_octets; at += zeros.size()) put(zeros, at);
    if (::fsync(file_) < 0) give_up("fsync");
  }
  void append(std::string_view octets) {
    if (at_ + octets.size() > log_octets) at_ = 0;
    put(octets, at_);
    at_ += octets.size();
    if (::fdatasync(file_) < 0) give_up("fdatasync");
  }

 private:
  void put(std::string_view octets, std::size_t at) const {
    while (!octets.empty()) {
      const ssize_t count = ::pwrite(file_, octets.data(), octets.size(), static_cast<off_t>(at));
      if (count <= 0) give_up("pwrite");
      octets.remove_prefix(static_cast<std::size_t>(count));
      at += static_cast<std::size_t>(count);
    }
  }
  int file_;
  std::size_t at_ = 0;
};

struct Session {
  explicit Session(int fd) : wire(fd) {}
  bench::Wire wire;
  bench::Conversation conversation;
  std::string body;
  bool waits_for_sync = false;

  bool send() {
    std::size_t put = 0;
    auto& replies = conversation.replies;
    const bool well = replies.empty() || wire.write(replies, put) == bench::Io::done;
    replies.clear();
    return well && !conversation.ended;
  }
};

// The messages of one round of epoll.
struct Round {
  std::string octets;
  std::vector<Session*> waiting;
  Session* now = nullptr;

  void body(std::string_view part) { now->body += part; }
  void message(bench::Conversation& conversation) {
    octets += now->body;
    now->body.clear();
    conversation.replies += "250 2.0.0 ok\r\n";
    if (!now->waits_for_sync) waiting.push_back(now);
    now->waits_for_sync = true;
  }
};

void accept_all(int listener, int epoll) {
  for (int fd; (fd = bench::accept_one(listener)) >= 0;) {
    auto session = std::make_unique<Session>(fd);
    session->conversation.replies = "220 durable.test ESMTP\r\n";
    if (session->send()) bench::watch(epoll, fd, session.release());
  }
}

// False: over.
bool serve(Session& session, Round& round) {
  static std::array<char, 256 * 1024> buffer;
  std::size_t got = 0;
  const bench::Io io = session.wire.read(buffer.data(), buffer.size(), got);
  if (io != bench::Io::done) return io == bench::Io::again;
  round.now = &session;
  session.conversation.take({buffer.data(), got}, round);
  return session.waits_for_sync || session.send();
}

void finish(Round& round, Log& log) {
  if (round.waiting.empty()) return;
  log.append(round.octets);
  for (Session* session : round.waiting) {
    session->waits_for_sync = false;
    if (!session->send()) delete session;
  }
  round.octets.clear();
  round.waiting.clear();
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fputs("usage: durable_sink PORT LOG\n", stderr);
    return 64;
  }
  bench::raise_descriptor_limit();
  Log log(words[2]);
  const int listener = bench::listen_on(static_cast<std::uint16_t>(std::atoi(words[1])));
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  bench::watch(epoll, listener, nullptr);
  std::array<epoll_event, 256> events;
  Round round;
  for (;;) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      auto* session = static_cast<Session*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!session)
        accept_all(listener, epoll);
      else if (!serve(*session, round))
        delete session;
    }
    finish(round, log);
  }
}
