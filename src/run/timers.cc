// A textbook binary heap of pointers; every timer carries its place.
#include "run/timers.h"

#include "base/result.h"

namespace goniec {

TimerHeap::~TimerHeap() {
  while (!heap_.empty()) {
    Timer* last = heap_.back();
    heap_.pop_back();
    last->place_ = Timer::nowhere;
    last->abandon();
  }
}

void TimerHeap::arm(Timer& timer, Moment when) {
  disarm(timer);
  timer.when_ = when;
  timer.order_ = ++order_;
  heap_.push_back(&timer);
  timer.place_ = heap_.size() - 1;
  rise(timer.place_);
}

void TimerHeap::disarm(Timer& timer) {
  if (!timer.is_armed()) return;
  const std::size_t place = timer.place_;
  CHECK(place < heap_.size() && heap_[place] == &timer);
  timer.place_ = Timer::nowhere;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  put(place, last);
  rise(place);
  sink(last->place_);
}

std::optional<Moment> TimerHeap::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->when_;
}

Timer* TimerHeap::take_due(Moment now) {
  if (heap_.empty() || heap_.front()->when_ > now) return nullptr;
  Timer* first = heap_.front();
  disarm(*first);
  return first;
}

void TimerHeap::put(std::size_t place, Timer* timer) {
  heap_[place] = timer;
  timer->place_ = place;
}

void TimerHeap::rise(std::size_t place) {
  Timer* timer = heap_[place];
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (!before(*timer, *heap_[parent])) break;
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, timer);
}

void TimerHeap::sink(std::size_t place) {
  Timer* timer = heap_[place];
  for (;;) {
    std::size_t child = place * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(*heap_[child + 1], *heap_[child])) ++child;
    if (!before(*heap_[child], *timer)) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, timer);
}

}  // namespace goniec
