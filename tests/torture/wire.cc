// The log with shared syncs, and blocking sockets.
#include "tests/torture/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/torture/letter.h"

namespace audit {
namespace {

[[noreturn]] void die(const std::string& what) {
  std::perror(what.c_str());
  std::exit(70);
}

void write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0) die("the log");
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void ask_for_arrivals(int fd) {
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

// On loopback this is the moment at which the other side sent it; else now.
std::uint64_t arrival_of(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SO_TIMESTAMPNS) continue;
    timespec at{};
    std::memcpy(&at, CMSG_DATA(each), sizeof at);
    return static_cast<std::uint64_t>(at.tv_sec) * 1000000 +
           static_cast<std::uint64_t>(at.tv_nsec) / 1000;
  }
  return now_us();
}

}  // namespace

SyncedLog::SyncedLog(const std::string& path)
    : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (fd_ < 0) die(path);
}

void SyncedLog::append(const std::string& lines) {
  std::unique_lock lock(mutex_);
  waiting_ += lines;
  const std::uint64_t mine = ++asked_;
  while (done_ < mine) {
    if (syncing_) {
      synced_.wait(lock);
      continue;
    }
    syncing_ = true;
    std::string batch;
    batch.swap(waiting_);
    const std::uint64_t last = asked_;
    lock.unlock();
    write_whole(fd_, batch);
    if (::fdatasync(fd_) < 0) die("sync of the log");
    lock.lock();
    done_ = last;
    syncing_ = false;
    synced_.notify_all();
  }
}

void SyncedLog::remember(const std::string& lines) {
  const std::lock_guard lock(mutex_);
  waiting_ += lines;
}

Wire::Wire(int fd) : fd_(fd) {
  ask_for_arrivals(fd_);
}

bool Wire::connect(std::uint16_t port, int seconds) {
  close();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) die("socket");
  const timeval limit{seconds, 0};
  const int on = 1;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ask_for_arrivals(fd_);
  const sockaddr_in address = loopback(port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  close();
  return false;
}

void Wire::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  at_ = 0;
  input_.clear();
}

bool Wire::write(std::string_view bytes) {
  while (open() && !bytes.empty()) {
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) {
      close();
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return open();
}

bool Wire::fill() {
  if (!open()) return false;
  if (at_ > 0) {
    input_.erase(0, at_);
    at_ = 0;
  }
  char bytes[65536];
  alignas(cmsghdr) char facts[CMSG_SPACE(sizeof(timespec))];
  iovec into{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &into;
  message.msg_iovlen = 1;
  message.msg_control = facts;
  message.msg_controllen = sizeof facts;
  const ssize_t got = ::recvmsg(fd_, &message, 0);
  if (got <= 0) {
    close();
    return false;
  }
  arrived_us_ = arrival_of(message);
  input_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

bool Wire::read_line(std::string& line) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = input_.find("\r\n", at_ + searched);
    if (end != std::string::npos) {
      line.assign(input_, at_, end - at_);
      at_ = end + 2;
      return true;
    }
    searched = input_.size() - at_;
    if (searched > 0) --searched;
    if (!fill()) return false;
  }
}

bool Wire::read_reply(int& code, std::string& text) {
  do {
    if (!read_line(text)) return false;
  } while (text.size() > 3 && text[3] == '-');
  code = std::atoi(text.substr(0, 3).c_str());
  return true;
}

bool Wire::read_data(std::string& text) {
  text.clear();
  std::string line;
  while (read_line(line)) {
    if (line == ".") return true;
    text.append(line, line.starts_with('.') ? 1 : 0);
    text += "\r\n";
  }
  return false;
}

int listen_on(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) < 0) die("bind");
  if (::listen(fd, 512) < 0) die("listen");
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

void pause_ms(int milliseconds) {
  ::poll(nullptr, 0, milliseconds);
}

Options read_options(int count, char** words) {
  Options options;
  for (int i = 0; i + 1 < count; i += 2) {
    const std::string name = words[i];
    if (!name.starts_with("--")) {
      std::fprintf(stderr, "an option begins with --: %s\n", words[i]);
      std::exit(64);
    }
    options[name.substr(2)] = words[i + 1];
  }
  return options;
}

std::uint64_t number(const Options& options, const std::string& name, std::uint64_t otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 10);
}

std::string text(const Options& options, const std::string& name, const std::string& otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : found->second;
}

}  // namespace audit
