// Forgets what is past its retention: events older than [retention] events, contents whose last
// holder went longer ago than [retention] bodies (the store knows each one's time).
//
//   waiting --interval--> sweeping (a batch a commit group, until one is not full) --> waiting
//
// Lives on one loop. A batch is small, so that mail never waits for it; a store that is sealed or
// full is told once in the log and tried again at the next interval. Nothing is ever swept that the
// queue or a mailbox holds.
#pragma once
#include <functional>

#include "base/log.h"
#include "base/metrics.h"
#include "store/committer.h"

namespace goniec {

struct SweepOptions {
  Duration interval = std::chrono::minutes(1);
  std::size_t batch = 500;  // rows a commit group
  std::function<Duration()> keep_events = [] { return std::chrono::days(90); };  // as in force
};

class Sweeps {
 public:
  Sweeps(Loop& loop, Committer& committer, SweepOptions options, Metrics& metrics, LogSink& log);
  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // after the batch under way

 private:
  Task<void> run();
  Task<bool> sweep_batch();  // true: there may be more
  Loop& loop_;
  Committer& committer_;
  SweepOptions options_;
  LogSink& log_;
  Counter& swept_;
  bool stopping_ = false, running_ = false, complained_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
