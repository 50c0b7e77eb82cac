// Internal to net/: one non-blocking socket in the reactor of a Shard, with its watchdog.
// Shared by the stream or listener that owns it and by the operations that wait on it, so that
// either may end first. Whoever waits is resumed by readiness, by close() or by the deadline, and
// then asks failure().
#pragma once
#include <coroutine>
#include <memory>

#include "run/descriptor.h"

namespace goniec {

class Socket final : private Timer {
 public:
  using Ready = Descriptor::Ready;

  // Takes the descriptor, which is non-blocking already.
  Socket(Shard& shard, int fd) : shard_(shard), descriptor_(shard, fd), fd_(fd) {}
  ~Socket() override { close(); }

  int fd() const { return fd_; }
  void close();
  void set_deadline(Moment deadline);

  // What forbids further operations: closed or timed out.
  std::optional<Error> failure() const;

  bool may_be(Ready ready) const { return descriptor_.may_be(ready); }
  void exhausted(Ready ready) { descriptor_.exhausted(ready); }
  void took_all() { descriptor_.took_all(); }

  // co_await socket.wait(Ready::to_read); the socket must be kept by a shared_ptr of the coroutine.
  auto wait(Ready ready) { return Wait{*this, descriptor_.wait(ready)}; }
  // Lets the loop turn once.
  auto yield() { return Yield{shard_}; }
  // True every 16th time: an operation that never waits must yield now and then.
  bool should_yield() { return ++immediate_ % 16 == 0; }

 private:
  struct Wait {
    Socket& socket;
    Descriptor::Wait inner;
    bool await_ready() const { return socket.failure().has_value() || inner.await_ready(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      socket.immediate_ = 0;
      inner.await_suspend(waiter);
    }
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
  Descriptor descriptor_;
  int fd_;
  Moment deadline_ = Moment::max();
  bool timed_out_ = false;
  unsigned immediate_ = 0;  // operations that did not wait
};

}  // namespace goniec
