// See depth_watch.h.
#include "duties/depth_watch.h"

namespace goniec {

DepthWatch::DepthWatch(Loop& loop, Queue& queue, DepthWatchOptions options)
    : loop_(loop), queue_(queue), options_(options) {}

void DepthWatch::start() {
  running_ = true;
  spawn(run());
}

Task<void> DepthWatch::look() {
  const auto stats = co_await queue_.stats(loop_);
  if (!stats) co_return;
  std::lock_guard lock(mutex_);
  samples_.push_back({loop_.clock().now(), stats->messages, stats->deferred});
  while (samples_.size() > options_.most) samples_.pop_front();
}

Task<void> DepthWatch::run() {
  while (!stopping_) {
    co_await look();
    const Moment next = loop_.clock().moment() + options_.interval;
    loop_.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && loop_.clock().moment() < next) co_await woken_->wait();
  }
  running_ = false;
  ended_.notify_all();
}

Task<void> DepthWatch::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

std::vector<DepthSample> DepthWatch::samples() const {
  std::lock_guard lock(mutex_);
  return {samples_.begin(), samples_.end()};
}

}  // namespace goniec
