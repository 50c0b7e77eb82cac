// See projector.h.
#include "duties/projector.h"

#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "base/thread_name.h"
#include "queue/search_change.h"

namespace goniec {
namespace {

constexpr auto wait_after_failure = std::chrono::seconds(2);

}  // namespace

// ---------------------------------------------------------------- the thread
struct Projector::State {
  Store& store;
  Search& search;
  Clock& clock;
  ProjectorOptions options;
  LogSink& log;
  Gauge& lag_events;
  Gauge& lag_seconds;
  Counter& taken;

  std::unique_ptr<Reader> reader;
  bool looked_back = false;  // whether the log holds what the projection has
  bool failing = false;
  std::uint64_t unsettled = 0;  // events
  Moment settled_at{};
  std::optional<Moment> forgot_at;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::move_only_function<void(Search&)>> work;
  bool stopping = false, anew = false;
  std::thread thread;

  void say(LogLevel level, std::string event, std::string text) {
    LogRecord record{clock.now(), level, std::move(event), "master"};
    record.text = std::move(text);
    log.write(std::move(record));
  }
  Result<void> look_back();
  Result<void> begin_anew();
  Result<bool> take_batch();
  Result<void> settle_when_due(bool idle);
  Result<void> forget_when_due();
  Result<bool> step();
  void do_work();
  void run();
};

// The first event of the log, and how far it goes; nullopt: it is empty.
namespace {

struct LogEnds {
  std::optional<Event> first;
  std::uint64_t last = 0;
};

Result<LogEnds> ends_of(Reader& reader) {
  auto tail = TRY(reader.applied_events_after(0, 1));
  LogEnds ends;
  ends.last = tail.last;
  if (!tail.events.empty()) ends.first = std::move(tail.events.front());
  return ends;
}

}  // namespace

Result<void> Projector::State::begin_anew() {
  const auto ends = TRY(ends_of(*reader));
  const auto from = ends.first ? ends.first->at : clock.now();
  TRY(search.start_anew(from, ends.first ? ends.first->sequence - 1 : ends.last));
  say(LogLevel::info, "projection.rebuild",
      fmt::format("the search projection is filled anew from {}", to_rfc3339(from)));
  return {};
}

Result<void> Projector::State::look_back() {
  if (looked_back) return {};
  const auto ends = TRY(ends_of(*reader));
  if (search.position() > ends.last) TRY(begin_anew());
  looked_back = true;
  return {};
}

Result<bool> Projector::State::take_batch() {
  const auto position = search.position();
  auto tail = TRY(reader->applied_events_after(position, options.batch));
  if (tail.events.empty()) {
    lag_events.set(0);
    lag_seconds.set(0);
    return false;
  }
  std::vector<SearchChange> changes;
  changes.reserve(tail.events.size());
  const auto rules = options.rules();
  for (const Event& event : tail.events) changes.push_back(change_of(event, *rules));
  TRY(search.apply(changes));
  taken.add(changes.size());
  unsettled += changes.size();
  const auto& last = changes.back();
  const auto behind = tail.last - std::min(tail.last, last.sequence);
  lag_events.set(static_cast<double>(behind));
  const auto age = std::chrono::duration_cast<Duration>(clock.now() - last.at);
  lag_seconds.set(behind == 0 ? 0 : static_cast<double>(age.count()) / 1e6);
  return tail.events.size() == options.batch;
}

Result<void> Projector::State::settle_when_due(bool idle) {
  const Moment now = clock.moment();
  if (unsettled == 0) {
    settled_at = now;
    return {};
  }
  const bool long_ago = now - settled_at >= options.settle_after;
  if (unsettled < options.settle_events && !(idle && long_ago)) return {};
  TRY(search.settle());
  settled_at = now;
  if (search.settled() == search.position()) unsettled = 0;
  return {};
}

Result<void> Projector::State::forget_when_due() {
  const Moment now = clock.moment();
  if (forgot_at && now - *forgot_at < options.retention_step) return {};
  forgot_at = now;
  const auto keep = options.keep();
  TRY(search.forget(clock.now() - keep.rows, clock.now() - keep.statistics));
  return {};
}

Result<bool> Projector::State::step() {
  // The reserve is for mail.
  if (store.health().full) return fail(ErrorKind::try_later, "the disk is full up to its reserve");
  if (!reader) reader = TRY(store.reader());
  TRY(look_back());
  bool wants_anew = false;
  {
    const std::lock_guard lock(mutex);
    wants_anew = std::exchange(anew, false);
  }
  if (wants_anew) TRY(begin_anew());
  do_work();
  const bool more = TRY(take_batch());
  TRY(settle_when_due(!more));
  if (!more) TRY(forget_when_due());
  return more;
}

void Projector::State::do_work() {
  for (;;) {
    std::move_only_function<void(Search&)> next;
    {
      const std::lock_guard lock(mutex);
      if (work.empty()) return;
      next = std::move(work.front());
      work.pop_front();
    }
    next(search);
  }
}

void Projector::State::run() {
  name_this_thread("projector");
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), options.niceness));
  for (;;) {
    const auto more = step();
    Duration wait = options.idle;
    if (more) {
      failing = false;
      if (*more) wait = {};
    } else {
      if (!std::exchange(failing, true))
        say(LogLevel::warning, "projection.failed",
            "warning: lists and statistics fall behind: " + more.error().message);
      wait = wait_after_failure;
      do_work();
    }
    std::unique_lock lock(mutex);
    if (wait > Duration::zero())
      wake.wait_for(lock, wait, [this] { return stopping || anew || !work.empty(); });
    if (stopping) break;
  }
  do_work();
  static_cast<void>(search.settle());
  reader.reset();
}

Projector::Projector(Store& store, Search& search, Clock& clock, ProjectorOptions options,
                     Metrics& metrics, LogSink& log)
    : state_(new State{
          store, search, clock, std::move(options), log,
          metrics.gauge("goniec_projection_lag_events",
                        "Events that lists and statistics do not show yet"),
          metrics.gauge("goniec_projection_lag_seconds",
                        "Age of the last event that lists and statistics show; 0: they show all"),
          metrics.counter("goniec_projection_events_total",
                          "Events taken into the search projection")}) {}

Projector::~Projector() {
  stop();
}

void Projector::start() {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

void Projector::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

void Projector::post(std::move_only_function<void(Search&)> work) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->work.push_back(std::move(work));
  }
  state_->wake.notify_all();
}

void Projector::rebuild() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->anew = true;
  }
  state_->wake.notify_all();
}

Result<bool> Projector::step() {
  return state_->step();
}

}  // namespace goniec
