// A connection of the benchmarks' programs, in clear text or TLS, that does not block: what their
// epoll loops read and write by. TLS is OpenSSL on the descriptor itself; certificates are not
// checked (the measure is of the server's work). Not for anything but measuring.
#pragma once
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {

enum class Io { done, again, over };

class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {}
  Wire(const Wire&) = delete;
  ~Wire() {
    if (ssl_) SSL_free(ssl_);
    ::close(fd_);
  }
  int fd() const { return fd_; }
  SSL* ssl() const { return ssl_; }

  // The handshake goes on inside read() and write().
  void start_tls(SSL_CTX* context, bool as_server, SSL_SESSION* session = nullptr) {
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (session) SSL_set_session(ssl_, session);
    as_server ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
  }

  Io read(char* buffer, std::size_t size, std::size_t& got) {
    if (!ssl_) {
      const ssize_t octets = ::recv(fd_, buffer, size, MSG_DONTWAIT);
      if (octets > 0) got = static_cast<std::size_t>(octets);
      return octets > 0 ? Io::done : octets < 0 && errno == EAGAIN ? Io::again : Io::over;
    }
    return judge(SSL_read_ex(ssl_, buffer, size, &got));
  }

  Io write(std::string_view octets, std::size_t& put) {
    if (!ssl_) {
      const ssize_t count = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) put = static_cast<std::size_t>(count);
      return count >= 0 ? Io::done : errno == EAGAIN ? Io::again : Io::over;
    }
    return judge(SSL_write_ex(ssl_, octets.data(), octets.size(), &put));
  }

  bool has_pending() const { return ssl_ && SSL_pending(ssl_) > 0; }

 private:
  Io judge(int result) const {
    if (result == 1) return Io::done;
    const int why = SSL_get_error(ssl_, result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? Io::again : Io::over;
  }

  int fd_;
  SSL* ssl_ = nullptr;
};

inline SSL_CTX* server_context(const char* certificate, const char* key) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    std::fputs("no certificate\n", stderr);
    std::exit(1);
  }
  return context;
}

}  // namespace bench
