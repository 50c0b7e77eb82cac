// Timers of one loop in a binary heap that knows where each one is: arming, moving and disarming
// cost O(log n), without allocation. Thousands of sessions share one system timer this way. Timers
// of the same moment fire in the order they were armed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"

namespace goniec {

class TimerHeap;

// REQUIRES: disarmed before it is destroyed. fire() may arm it again or destroy it.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() = default;
  virtual void fire() = 0;   // already disarmed when called
  virtual void abandon() {}  // the heap ends while this is armed
  bool is_armed() const { return place_ != nowhere; }
  Moment when() const { return when_; }

 private:
  friend class TimerHeap;
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  Moment when_{};
  std::uint64_t order_ = 0;
  std::size_t place_ = nowhere;
};

class TimerHeap {
 public:
  TimerHeap() = default;
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;
  ~TimerHeap();
  void arm(Timer& timer, Moment when);  // moves it when it is armed
  void disarm(Timer& timer);            // no effect when it is not
  std::optional<Moment> next() const;
  Timer* take_due(Moment now);  // disarmed; nullptr: none is due
  std::size_t size() const { return heap_.size(); }

 private:
  static bool before(const Timer& a, const Timer& b) {
    return a.when_ != b.when_ ? a.when_ < b.when_ : a.order_ < b.order_;
  }
  void put(std::size_t place, Timer* timer);
  void rise(std::size_t place);
  void sink(std::size_t place);
  std::vector<Timer*> heap_;
  std::uint64_t order_ = 0;
};

}  // namespace goniec
