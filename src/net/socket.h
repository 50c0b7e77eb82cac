// Internal to net/: one non-blocking descriptor in the reactor of a Shard, with its watchdog.
// Shared by the stream or listener that owns it and by the operations that wait on it, so that
// either may end first. Whoever waits is resumed by readiness, by close() or by the deadline, and
// then asks failure().
#pragma once
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <coroutine>
#include <memory>

#include "run/asio_loop.h"

namespace goniec {

class Socket final : private Timer {
 public:
  enum class Ready { to_read, to_write };

  // Takes the descriptor, which is non-blocking already.
  Socket(Shard& shard, int fd) : shard_(shard), descriptor_(io_context_of(shard), fd), fd_(fd) {}
  ~Socket() override { close(); }

  int fd() const { return fd_; }
  void close();
  void set_deadline(Moment deadline);

  // What forbids further operations: closed or timed out.
  std::optional<Error> failure() const;

  // co_await socket.wait(Ready::to_read); the socket must be kept by a shared_ptr of the coroutine.
  auto wait(Ready ready) { return Wait{*this, ready}; }
  // Lets the loop turn once.
  auto yield() { return Yield{shard_}; }
  // True every 16th time: an operation that never waits must yield now and then.
  bool should_yield() { return ++immediate_ % 16 == 0; }

 private:
  struct Wait {
    Socket& socket;
    Ready ready;
    bool await_ready() const { return socket.failure().has_value(); }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const {}
  };
  struct Yield {
    Shard& shard;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      shard.post([waiter] { waiter.resume(); });
    }
    void await_resume() const {}
  };
  void fire() override;

  Shard& shard_;
  boost::asio::posix::basic_stream_descriptor<Executor> descriptor_;
  int fd_;
  Moment deadline_ = Moment::max();
  bool timed_out_ = false;
  unsigned immediate_ = 0;
};

}  // namespace goniec
