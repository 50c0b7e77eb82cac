// Looks how deep the queue is and keeps the last day of it in memory, for the dashboard's chart.
//
//   waiting --interval--> counting --> waiting
//
// Lives on one loop; samples() may be called by any thread. A restart begins anew: metrics are for
// those who want longer. A count that fails leaves a gap and is not told: who asks for the queue
// hears of it anyway.
#pragma once
#include <deque>
#include <mutex>
#include <vector>

#include "queue/depth.h"
#include "queue/queue.h"

namespace goniec {

struct DepthWatchOptions {
  Duration interval = std::chrono::minutes(5);
  std::size_t most = 288;  // samples kept
};

class DepthWatch {
 public:
  DepthWatch(Loop& loop, Queue& queue, DepthWatchOptions options);
  void start();                              // spawns run(); stop() before the end
  Task<void> stop();                         // after the count under way
  std::vector<DepthSample> samples() const;  // oldest first

 private:
  Task<void> run();
  Task<void> look();
  Loop& loop_;
  Queue& queue_;
  DepthWatchOptions options_;
  mutable std::mutex mutex_;
  std::deque<DepthSample> samples_;
  bool stopping_ = false, running_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
