// A Shard is one thread's Loop: one reactor (epoll), one heap of timers, the true clock, its own
// chance.
// It promises: posted work runs on its thread in order; at() work runs not before its moment, and a
// thousand waiting timers cost nothing. A post from another thread costs a system call only when
// this one sleeps. It refuses: at() and arm() from another thread (CHECK).
//
// Life: construct anywhere, run() on the thread that shall own it, stop() from anywhere. Work and
// tasks that still wait when the Shard is destroyed never run: end sessions first, then stop.
#pragma once
#include <memory>

#include "run/timers.h"
#include "run/world.h"

namespace goniec {

class Shard final : public Loop {
 public:
  Shard();
  ~Shard() override;
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  Clock& clock() override;
  Random& random() override;
  void post(Work work) override;
  void at(Moment when, Work work) override;
  bool is_current() const override;

  void run();   // until stop()
  void stop();  // any thread; run() returns after the work under way

  void arm(Timer& timer, Moment when);  // loop thread
  void disarm(Timer& timer);            // loop thread

 private:
  friend class Descriptor;
  struct State;
  std::unique_ptr<State> state_;
};

// Runs the shard on this thread until `task` ends: for tests and small programs.
template <class T>
T run_until_done(Shard& shard, Task<T> task) {
  std::optional<T> result;
  struct Body {
    static Task<> run(Shard& loop, Task<T> inner, std::optional<T>& into) {
      into.emplace(co_await std::move(inner));
      loop.stop();
    }
  };
  shard.post([&shard, &result, moved = std::move(task)]() mutable {
    spawn(Body::run(shard, std::move(moved), result));
  });
  shard.run();
  return std::move(*result);
}
void run_until_done(Shard& shard, Task<> task);

}  // namespace goniec
