// What the API leaves to be done later: writes down when keys were used last, and forgets
// Idempotency-Keys that are over (intake/idempotency.h), a part of them at a time, so that all were
// looked at within the hour.
//
// Lives on one loop. What fails is tried again at the next interval. stop() writes what is known.
#pragma once
#include "accounts/api_keys.h"
#include "base/metrics.h"
#include "intake/idempotency.h"

namespace goniec {

struct ApiUpkeepOptions {
  Duration interval = std::chrono::seconds(14);  // of a part: 256 of them in an hour
  Duration write_use = std::chrono::minutes(10);
};

class ApiUpkeep {
 public:
  ApiUpkeep(Loop& loop, Committer& committer, ApiKeys& keys, Idempotency& idempotency,
            ApiUpkeepOptions options, Metrics& metrics);
  void start();  // spawns run(); stop() before the end
  Task<void> stop();

 private:
  Task<void> run();
  Loop& loop_;
  Committer& committer_;
  ApiKeys& keys_;
  Idempotency& idempotency_;
  ApiUpkeepOptions options_;
  Counter& swept_;
  bool stopping_ = false, running_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
