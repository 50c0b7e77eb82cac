// See api_upkeep.h.
#include "duties/api_upkeep.h"

namespace goniec {

ApiUpkeep::ApiUpkeep(Loop& loop, Committer& committer, ApiKeys& keys, Idempotency& idempotency,
                     ApiUpkeepOptions options, Metrics& metrics)
    : loop_(loop),
      committer_(committer),
      keys_(keys),
      idempotency_(idempotency),
      options_(options),
      swept_(metrics.counter("goniec_idempotency_swept_total",
                             "Idempotency-Keys forgotten after their time")) {}

void ApiUpkeep::start() {
  running_ = true;
  spawn(run());
}

Task<void> ApiUpkeep::run() {
  Moment next_write = loop_.clock().moment() + options_.write_use;
  for (unsigned part = 0; !stopping_; part = (part + 1) % Idempotency::parts) {
    const auto went = co_await idempotency_.sweep(loop_, committer_, part);
    if (went) swept_.add(*went);
    if (loop_.clock().moment() >= next_write) {
      co_await keys_.flush_use(loop_);
      next_write = loop_.clock().moment() + options_.write_use;
    }
    const Moment next = loop_.clock().moment() + options_.interval;
    loop_.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && loop_.clock().moment() < next) co_await woken_->wait();
  }
  co_await keys_.flush_use(loop_);
  running_ = false;
  ended_.notify_all();
}

Task<void> ApiUpkeep::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
