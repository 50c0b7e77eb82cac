// Internal to run/ and net/: one non-blocking descriptor in the reactor of a Shard. All other rooms
// see a Shard as a Loop, and no header that they include may include this.
//
// It is watched once, edge-triggered, from its construction to forget(): no system call is made to
// wait. What the kernel last said is remembered, and whoever reads or writes says when there was
// nothing left (`exhausted`): may_be() false spares a call that would find nothing.
// At most one waits for each kind of readiness. The descriptor itself is the owner's to close,
// after forget(). Loop thread only.
#pragma once
#include <coroutine>
#include <cstdint>
#include <utility>

#include "run/shard.h"

namespace goniec {

class Descriptor {
 public:
  enum class Ready { to_read, to_write };

  Descriptor(Shard& shard, int fd);
  virtual ~Descriptor() { forget(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool is_watched() const { return fd_ >= 0; }  // false also when the kernel refused
  // Nothing that was told of since the last exhausted(): an operation would find nothing.
  bool may_be(Ready ready) const { return ready == Ready::to_read ? readable_ : writable_; }
  // An operation found nothing, or (`took_all`) took less than it had room for. After an end, an
  // error or urgent data the latter proves nothing.
  void exhausted(Ready ready);
  void took_all() { readable_ = readable_ && is_unsure_; }

  // co_await descriptor.wait(Ready::to_read): until the kernel says so, or wake(). Whoever waits
  // asks again whether it may, and keeps this alive.
  struct Wait {
    Descriptor& descriptor;
    Ready ready;
    bool await_ready() const { return descriptor.may_be(ready); }
    void await_suspend(std::coroutine_handle<> waiter) {
      auto& place = ready == Ready::to_read ? descriptor.reader_ : descriptor.writer_;
      CHECK(!place);
      place = waiter;
    }
    void await_resume() const {}
  };
  Wait wait(Ready ready) { return Wait{*this, ready}; }

  void wake();    // all who wait are resumed, by way of the loop's queue
  void forget();  // is not watched any more; all who wait are resumed like that

 protected:
  virtual void became_readable();  // resumes who waits to read; may end with this destroyed

 private:
  friend class Shard;
  void told(std::uint32_t events);  // may end with this destroyed

  Shard& shard_;
  int fd_;
  bool readable_ = false, writable_ = false;
  bool is_unsure_ = false;
  std::coroutine_handle<> reader_, writer_;
};

}  // namespace goniec
