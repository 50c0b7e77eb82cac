// Sockets by system calls. Every operation is a coroutine over a shared Socket, never over the
// stream object, so that a stream may end while its operation waits.
#include "net/tcp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/socket.h"

namespace goniec {
namespace {

// ---------------------------------------------------------------- addresses
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_system(const Endpoint& endpoint) {
  SocketAddress result;
  if (endpoint.address.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::memcpy(&address.sin6_addr, endpoint.address.octets.data(), 16);
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.address.octets.data(), 4);
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  }
  return result;
}

Endpoint from_system(const SocketAddress& system) {
  Endpoint result;
  if (system.storage.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &system.storage, sizeof address);
    result.port = ntohs(address.sin6_port);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
    result.address.v6 = !mapped;
    std::memcpy(result.address.octets.data(), address.sin6_addr.s6_addr + (mapped ? 12 : 0),
                mapped ? 4 : 16);
  } else if (system.storage.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &system.storage, sizeof address);
    result.port = ntohs(address.sin_port);
    std::memcpy(result.address.octets.data(), &address.sin_addr, 4);
  }
  return result;
}

Endpoint local_of(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.length) < 0) return {};
  return from_system(address);
}

Endpoint remote_of(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getpeername(fd, address.get(), &address.length) < 0) return {};
  return from_system(address);
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::config, "the path of a unix socket has 1 to 107 octets: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

void set_option(int fd, int level, int name, int value) {
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

std::optional<PeerCredentials> credentials_of(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return std::nullopt;
  return PeerCredentials{peer.uid, peer.gid, peer.pid};
}

// ---------------------------------------------------------------- streams
bool would_block(int number) {
  return number == EAGAIN || number == EWOULDBLOCK;
}

std::unexpected<Error> fail_stream(std::string_view what, int number) {
  auto failure = fail_errno(what, number);
  if (number == ECONNRESET || number == EPIPE || number == ENOTCONN) {
    failure.error().kind = ErrorKind::closed;
  } else if (number == ETIMEDOUT) {
    failure.error().kind = ErrorKind::timed_out;
  }
  return failure;
}

Task<Result<void>> wait_readable(std::shared_ptr<Socket> socket) {
  co_await socket->wait(Socket::Ready::to_read);
  if (auto failure = socket->failure()) co_return std::unexpected(std::move(*failure));
  co_return Result<void>{};
}

// Of TCP a read that leaves room took all there was (epoll(7)); a local socket may stop earlier, at
// what came with descriptors.
enum class Family { tcp, unix_socket };

Task<Result<std::size_t>> read_some(std::shared_ptr<Socket> socket, std::span<char> into,
                                    Family family) {
  if (socket->should_yield()) co_await socket->yield();
  for (;;) {
    co_await socket->wait(Socket::Ready::to_read);
    if (auto failure = socket->failure()) co_return std::unexpected(std::move(*failure));
    const ssize_t got = ::recv(socket->fd(), into.data(), into.size(), MSG_DONTWAIT);
    if (got >= 0) {
      const auto octets = static_cast<std::size_t>(got);
      if (family == Family::tcp && octets < into.size()) socket->took_all();
      co_return octets;
    }
    if (errno == EINTR) continue;
    if (!would_block(errno)) co_return fail_stream("read", errno);
    socket->exhausted(Socket::Ready::to_read);
  }
}

Task<Result<void>> write_all(std::shared_ptr<Socket> socket, std::string_view bytes) {
  while (!bytes.empty()) {
    if (auto failure = socket->failure()) co_return std::unexpected(std::move(*failure));
    const ssize_t put =
        ::send(socket->fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (would_block(errno)) {
      socket->exhausted(Socket::Ready::to_write);
      co_await socket->wait(Socket::Ready::to_write);
    } else if (errno != EINTR) {
      co_return fail_stream("write", errno);
    }
  }
  co_return Result<void>{};
}

class SystemStream final : public Stream {
 public:
  SystemStream(std::shared_ptr<Socket> socket, Family family)
      : socket_(std::move(socket)), family_(family) {
    const int fd = socket_->fd();
    if (family == Family::tcp) {
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      local_ = local_of(fd);
      remote_ = remote_of(fd);
    } else {
      credentials_ = credentials_of(fd);
    }
  }
  ~SystemStream() override { socket_->close(); }
  SystemStream(const SystemStream&) = delete;
  SystemStream& operator=(const SystemStream&) = delete;

  Task<Result<void>> readable() override { return wait_readable(socket_); }
  Task<Result<std::size_t>> read(std::span<char> into) override {
    return read_some(socket_, into, family_);
  }
  Task<Result<void>> write(std::string_view bytes) override { return write_all(socket_, bytes); }
  void set_deadline(Moment deadline) override { socket_->set_deadline(deadline); }
  void shutdown_write() override {
    if (socket_->fd() >= 0) ::shutdown(socket_->fd(), SHUT_WR);
  }
  void close() override { socket_->close(); }
  Endpoint local() const override { return local_; }
  Endpoint remote() const override { return remote_; }
  std::optional<PeerCredentials> credentials() const override { return credentials_; }

 private:
  std::shared_ptr<Socket> socket_;
  Family family_;
  Endpoint local_, remote_;
  std::optional<PeerCredentials> credentials_;
};

// ---------------------------------------------------------------- listeners
Task<Result<std::unique_ptr<Stream>>> accept_one(Shard& shard, std::shared_ptr<Socket> socket,
                                                 Family family) {
  if (socket->should_yield()) co_await socket->yield();
  for (;;) {
    if (auto failure = socket->failure()) co_return std::unexpected(std::move(*failure));
    const int fd = ::accept4(socket->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      co_return std::make_unique<SystemStream>(std::make_shared<Socket>(shard, fd), family);
    }
    switch (errno) {
      case EAGAIN:
        socket->exhausted(Socket::Ready::to_read);
        co_await socket->wait(Socket::Ready::to_read);
        break;
      // accept(2): errors of the new connection, which is gone already.
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case ENETDOWN:
      case EHOSTDOWN:
      case EHOSTUNREACH:
      case ENETUNREACH:
        break;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        co_return fail(ErrorKind::try_later, "no file descriptor for a connection", errno);
      default:
        co_return fail_errno("accept", errno);
    }
  }
}

class SystemListener final : public Listener {
 public:
  SystemListener(Shard& shard, int fd, Family family, std::string path)
      : shard_(shard),
        socket_(std::make_shared<Socket>(shard, fd)),
        family_(family),
        path_(std::move(path)) {
    if (family == Family::tcp) local_ = local_of(fd);
    if (!path_.empty()) (void)::lstat(path_.c_str(), &file_);
  }
  ~SystemListener() override { close(); }
  SystemListener(const SystemListener&) = delete;
  SystemListener& operator=(const SystemListener&) = delete;

  Task<Result<std::unique_ptr<Stream>>> accept() override {
    return accept_one(shard_, socket_, family_);
  }
  void close() override {
    socket_->close();
    if (path_.empty()) return;
    struct stat now{};  // only the file that is ours: a successor may have taken the name
    if (::lstat(path_.c_str(), &now) == 0 && now.st_ino == file_.st_ino &&
        now.st_dev == file_.st_dev) {
      ::unlink(path_.c_str());
    }
    path_.clear();
  }
  Endpoint local() const override { return local_; }

 private:
  Shard& shard_;
  std::shared_ptr<Socket> socket_;
  Family family_;
  std::string path_;
  struct stat file_{};
  Endpoint local_;
};

// Closes the descriptor unless it is released.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::unexpected<Error> fail_listen(const std::string& where, int number) {
  auto failure = fail_errno("listen on " + where, number);
  if (number == EADDRINUSE) failure.error().kind = ErrorKind::conflict;
  if (number == EACCES || number == EPERM) failure.error().kind = ErrorKind::not_permitted;
  return failure;
}

int open_socket(int family) {
  return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// Is somebody there? A socket file without a listener is what a killed process leaves.
bool answers(const sockaddr_un& address) {
  OwnedFd probe(open_socket(AF_UNIX));
  if (probe.get() < 0) return true;
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return true;
  }
  return errno != ECONNREFUSED && errno != ENOENT;
}

// ---------------------------------------------------------------- connecting
Result<std::shared_ptr<Socket>> begin_connect(Shard& shard, const SocketAddress& to,
                                              const std::optional<IpAddress>& from,
                                              const std::string& where) {
  OwnedFd fd(open_socket(to.storage.ss_family));
  if (fd.get() < 0) return fail_errno("connect to " + where, errno);
  if (from) {
    const SocketAddress source = to_system(Endpoint{*from, 0});
    set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (::bind(fd.get(), source.get(), source.length) < 0) {
      return fail_errno("use the source address " + from->text(), errno);
    }
  }
  int result;
  do {
    result = ::connect(fd.get(), to.get(), to.length);
  } while (result < 0 && errno == EINTR);
  if (result < 0 && errno != EINPROGRESS && errno != EALREADY)
    return fail_errno("connect to " + where, errno);
  return std::make_shared<Socket>(shard, fd.release());
}

Task<Result<std::shared_ptr<Socket>>> connect_socket(Shard& shard, SocketAddress to,
                                                     std::optional<IpAddress> from,
                                                     std::string where, Moment deadline) {
  auto socket = CO_TRY(begin_connect(shard, to, from, where));
  socket->set_deadline(deadline);
  // Ready to write, and no error: connected. A wake without either is possible: ask for the peer.
  for (;;) {
    co_await socket->wait(Socket::Ready::to_write);
    if (auto failure = socket->failure()) {
      failure->message = "connect to " + where + ": no answer in time";
      co_return std::unexpected(std::move(*failure));
    }
    int number = 0;
    socklen_t length = sizeof number;
    if (::getsockopt(socket->fd(), SOL_SOCKET, SO_ERROR, &number, &length) < 0) number = errno;
    if (number) co_return fail_errno("connect to " + where, number);
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    if (::getpeername(socket->fd(), peer.get(), &peer.length) == 0) break;
    if (errno != ENOTCONN) co_return fail_errno("connect to " + where, errno);
    socket->exhausted(Socket::Ready::to_write);
  }
  socket->set_deadline(Moment::max());
  co_return socket;
}

Task<Result<std::unique_ptr<Stream>>> connect_tcp(Shard& shard, Endpoint to,
                                                  std::optional<IpAddress> from, Moment deadline) {
  auto socket = CO_TRY(co_await connect_socket(shard, to_system(to), from, to.text(), deadline));
  co_return std::make_unique<SystemStream>(std::move(socket), Family::tcp);
}

Task<Result<std::unique_ptr<Stream>>> connect_path(Shard& shard, std::string path,
                                                   Moment deadline) {
  const sockaddr_un address = CO_TRY(unix_address(path));
  SocketAddress to;
  std::memcpy(&to.storage, &address, sizeof address);
  to.length = sizeof address;
  auto socket = co_await connect_socket(shard, to, std::nullopt, path, deadline);
  if (!socket) {
    Error error = std::move(socket).error();
    const int number = error.system_errno;
    // EAGAIN: the backlog of a unix listener is full.
    if (number == EAGAIN) error.kind = ErrorKind::try_later;
    if (number == ENOENT || number == ECONNREFUSED) error.kind = ErrorKind::not_running;
    if (number == EACCES || number == EPERM) error.kind = ErrorKind::not_permitted;
    co_return std::unexpected(std::move(error));
  }
  co_return std::make_unique<SystemStream>(std::move(*socket), Family::unix_socket);
}

}  // namespace

Result<std::unique_ptr<Listener>> SystemNetwork::listen(ListenOptions options) {
  const SocketAddress address = to_system(options.endpoint);
  const std::string where = options.endpoint.text();
  OwnedFd fd(open_socket(address.storage.ss_family));
  if (fd.get() < 0) return fail_listen(where, errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (options.endpoint.address.v6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), address.get(), address.length) < 0) return fail_listen(where, errno);
  if (::listen(fd.get(), options.backlog) < 0) return fail_listen(where, errno);
  return std::make_unique<SystemListener>(shard_, fd.release(), Family::tcp, "");
}

Result<std::unique_ptr<Listener>> SystemNetwork::listen_unix(std::string path, unsigned mode) {
  const sockaddr_un target = TRY(unix_address(path));
  if (answers(target)) {
    return fail(ErrorKind::conflict, "listen on " + path + ": another process listens there");
  }
  // Made under another name, so that the file never exists with a wider mode or without a listener.
  const std::string fresh = path + ".new";
  const sockaddr_un address = TRY(unix_address(fresh));
  OwnedFd fd(open_socket(AF_UNIX));
  if (fd.get() < 0) return fail_listen(path, errno);
  ::unlink(fresh.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return fail_listen(path, errno);
  }
  if (::chmod(fresh.c_str(), mode) < 0 || ::listen(fd.get(), 1024) < 0 ||
      ::rename(fresh.c_str(), path.c_str()) < 0) {
    const int number = errno;
    ::unlink(fresh.c_str());
    return fail_listen(path, number);
  }
  return std::make_unique<SystemListener>(shard_, fd.release(), Family::unix_socket,
                                          std::move(path));
}

Task<Result<std::unique_ptr<Stream>>> SystemNetwork::connect(Endpoint to,
                                                             std::optional<IpAddress> from,
                                                             Moment deadline) {
  return connect_tcp(shard_, to, from, deadline);
}

Task<Result<std::unique_ptr<Stream>>> SystemNetwork::connect_unix(std::string path,
                                                                  Moment deadline) {
  return connect_path(shard_, std::move(path), deadline);
}

}  // namespace goniec
