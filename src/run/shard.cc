// The Shard on one io_context(1) (one thread: Asio leaves its locks out) and one steady timer,
// which is always armed at or before the first moment of the heap.
#include "run/shard.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <thread>

#include "run/asio_loop.h"
#include "run/system.h"

namespace goniec {

namespace asio = boost::asio;

using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

struct Shard::State {
  State() : timer(io), guard(io.get_executor()) {}

  asio::io_context io{1};
  SystemClock clock;
  SystemRandom random;
  TimerHeap timers;
  SteadyTimer timer;
  std::optional<Moment> alarm;  // what the system timer is set to
  asio::executor_work_guard<Executor> guard;
  std::atomic<std::thread::id> owner{};

  bool may_touch() const {
    const auto id = owner.load(std::memory_order_relaxed);
    return id == std::thread::id{} || id == std::this_thread::get_id();
  }
  void set_alarm();
  void ring();
};

namespace {
struct OneShot final : Timer {
  explicit OneShot(Work job) : work(std::move(job)) {}
  void fire() override {
    Work job = std::move(work);
    delete this;
    job();
  }
  void abandon() override { delete this; }
  Work work;
};
}  // namespace

void Shard::State::set_alarm() {
  auto next = timers.next();
  if (!next || (alarm && *alarm <= *next)) return;
  // At most an hour ahead: Moment::max() is no time the system's clock can be set to.
  alarm = std::min(*next, clock.moment() + std::chrono::hours(1));
  timer.expires_at(std::chrono::steady_clock::time_point(alarm->time_since_epoch()));
  timer.async_wait([this](const boost::system::error_code& error) {
    if (!error) ring();
  });
}

void Shard::State::ring() {
  alarm.reset();
  // Only what is due at this moment: work that arms itself again for now waits for the next round.
  const Moment now = clock.moment();
  while (Timer* due = timers.take_due(now)) due->fire();
  set_alarm();
}

Shard::Shard() : state_(std::make_unique<State>()) {}
Shard::~Shard() {
  CHECK(!is_current());
}

Clock& Shard::clock() {
  return state_->clock;
}
Random& Shard::random() {
  return state_->random;
}

void Shard::post(Work work) {
  asio::post(state_->io, std::move(work));
}

void Shard::at(Moment when, Work work) {
  arm(*new OneShot(std::move(work)), when);
}

bool Shard::is_current() const {
  return state_->owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void Shard::run() {
  CHECK(state_->owner.load() == std::thread::id{});
  state_->owner = std::this_thread::get_id();
  state_->io.restart();
  state_->io.run();
  state_->owner = std::thread::id{};
}

void Shard::stop() {
  // By way of the queue: what was posted before still runs.
  post([this] { state_->io.stop(); });
}

void Shard::arm(Timer& timer, Moment when) {
  CHECK(state_->may_touch());
  state_->timers.arm(timer, when);
  state_->set_alarm();
}

void Shard::disarm(Timer& timer) {
  CHECK(state_->may_touch());
  state_->timers.disarm(timer);
}

asio::io_context& io_context_of(Shard& shard) {
  return shard.state().io;
}

namespace {
Task<> finish(Shard& shard, Task<> task) {
  co_await std::move(task);
  shard.stop();
}
}  // namespace

void run_until_done(Shard& shard, Task<> task) {
  shard.post(
      [&shard, moved = std::move(task)]() mutable { spawn(finish(shard, std::move(moved))); });
  shard.run();
}

}  // namespace goniec
