// Fills the search projection (store/search.h) out of the event log.
//
//   event log --applied_events_after()--> change_of() --> Search::apply() --> files of days
//
// One thread of low priority (nice), with a reader of its own. It reads only what has come into the
// database anyway, so that it never makes the commit thread wait; a batch of events is all that it
// holds in memory, however far behind it is. How far that is: goniec_projection_lag_events and
// goniec_projection_lag_seconds (the age of the last event it took, 0 when there is none behind
// it). What cannot be written (a full disk) is said once in the log and tried again.
//
// It goes on from Search::settled(). Where the log does not hold what the projection has (an older
// store was restored), or when asked to (rebuild()), it begins anew with the log's first event.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/metrics.h"
#include "mail/bounce.h"
#include "store/search.h"
#include "store/store.h"

namespace goniec {

struct ProjectorRetention {
  Duration rows = std::chrono::days(90), statistics = std::chrono::days(730);
};
struct ProjectorOptions {
  std::size_t batch = 2000;                          // events
  Duration idle = std::chrono::milliseconds(250);    // between looks for new events
  std::size_t settle_events = 100000;                // synced after so many,
  Duration settle_after = std::chrono::seconds(10);  // or so long
  Duration retention_step = std::chrono::hours(1);
  int niceness = 10;
  // As in force.
  std::function<ProjectorRetention()> keep = [] { return ProjectorRetention{}; };
  std::function<std::shared_ptr<const BounceRules>()> rules = [] {
    return std::make_shared<const BounceRules>();
  };
};

class Projector {
 public:
  Projector(Store& store, Search& search, Clock& clock, ProjectorOptions options, Metrics& metrics,
            LogSink& log);
  ~Projector();  // stop()
  void start();  // its thread
  void stop();   // after the batch under way; settles
  // Any thread, while it runs: on its thread, between two batches.
  void post(std::move_only_function<void(Search&)> work);
  void rebuild();  // any thread: soon, from the log's first event

  // One batch, here; for tests and for rebuilding without a server. true: there may be more.
  Result<bool> step();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
