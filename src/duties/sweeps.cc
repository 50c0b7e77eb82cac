// See sweeps.h.
#include "duties/sweeps.h"

namespace goniec {

Sweeps::Sweeps(Loop& loop, Committer& committer, SweepOptions options, Metrics& metrics,
               LogSink& log)
    : loop_(loop),
      committer_(committer),
      options_(std::move(options)),
      log_(log),
      swept_(metrics.counter("goniec_retention_swept_total",
                             "Events and contents forgotten after their retention")) {}

void Sweeps::start() {
  running_ = true;
  spawn(run());
}

Task<bool> Sweeps::sweep_batch() {
  const Instant now = loop_.clock().now();
  const auto went =
      co_await committer_.sweep(loop_, now, now - options_.keep_events(), options_.batch);
  if (went) {
    complained_ = false;
    swept_.add(*went);
    co_return *went == options_.batch;
  }
  if (!std::exchange(complained_, true)) {
    LogRecord record{now, LogLevel::warning, "retention.failed", "master"};
    record.text = "warning: nothing is forgotten after its retention: " + went.error().message;
    log_.write(std::move(record));
  }
  co_return false;
}

Task<void> Sweeps::run() {
  while (!stopping_) {
    if (co_await sweep_batch()) continue;
    const Moment next = loop_.clock().moment() + options_.interval;
    loop_.at(next, [woken = woken_] { woken->notify_all(); });
    while (!stopping_ && loop_.clock().moment() < next) co_await woken_->wait();
  }
  running_ = false;
  ended_.notify_all();
}

Task<void> Sweeps::stop() {
  stopping_ = true;
  woken_->notify_all();
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
