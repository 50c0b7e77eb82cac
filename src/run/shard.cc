// The Shard on one epoll descriptor. A turn of the loop:
//
//   sleep      until a descriptor is ready, the first timer is due (in milliseconds, rounded up:
//              never early), or another thread posts; not at all while work is posted
//   ready      each descriptor that the kernel named resumes who waits for it
//   timers     what is due at this moment; what arms itself again waits for the next turn
//   posts      what was posted before this phase; what is posted in it waits for the next turn
//
// Posts of the loop's own thread need no lock. Another thread's go through a line under a mutex,
// and it rings (an eventfd) only when the loop has said, under the same mutex, that it sleeps.
#include "run/shard.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "run/descriptor.h"
#include "run/system.h"

namespace goniec {
namespace {

constexpr std::size_t events_a_turn = 256;
constexpr auto longest_sleep = std::chrono::hours(1);

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

struct OwnedDescriptor {
  explicit OwnedDescriptor(int fd) : number(fd) { CHECK(fd >= 0); }
  ~OwnedDescriptor() { ::close(number); }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  const int number;
};

}  // namespace

struct Shard::State {
  State() {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // each ring is an edge: nobody needs to read the bell
    CHECK(::epoll_ctl(epoll.number, EPOLL_CTL_ADD, bell.number, &event) == 0);
  }

  const OwnedDescriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
  const OwnedDescriptor bell{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

  SystemClock clock;
  SystemRandom random;
  TimerHeap timers;
  std::atomic<std::thread::id> owner{};
  bool stopped = false;

  std::array<epoll_event, events_a_turn> events{};
  std::span<epoll_event> told;  // of this turn, not looked at yet

  std::deque<Work> posts;  // loop thread
  std::mutex mutex;
  std::vector<Work> from_outside;  // under mutex
  bool asleep = false;             // under mutex: whoever posts rings

  bool is_current() const {
    return owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  bool may_touch() const {
    const auto id = owner.load(std::memory_order_relaxed);
    return id == std::thread::id{} || id == std::this_thread::get_id();
  }
  void post(Work work);
  void take_posts();
  int sleep_milliseconds() const;
  void sleep();
  void ring_timers();
  void run_posts();
};

void Shard::State::post(Work work) {
  if (is_current()) {
    posts.push_back(std::move(work));
    return;
  }
  bool rings = false;
  {
    const std::lock_guard lock(mutex);
    from_outside.push_back(std::move(work));
    rings = std::exchange(asleep, false);
  }
  if (!rings) return;
  const std::uint64_t once = 1;
  static_cast<void>(::write(bell.number, &once, sizeof once));  // full: it rings already
}

// REQUIRES mutex.
void Shard::State::take_posts() {
  std::ranges::move(from_outside, std::back_inserter(posts));
  from_outside.clear();
}

int Shard::State::sleep_milliseconds() const {
  if (!posts.empty()) return 0;
  const auto next = timers.next();
  if (!next) return -1;
  const Moment now = clock.moment();
  if (*next <= now) return 0;
  const auto wait = std::min<Duration>(*next - now, longest_sleep);
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
}

void Shard::State::sleep() {
  {
    const std::lock_guard lock(mutex);
    take_posts();
    asleep = posts.empty();
  }
  int count = ::epoll_wait(epoll.number, events.data(), static_cast<int>(events.size()),
                           sleep_milliseconds());
  CHECK(count >= 0 || errno == EINTR);
  told = std::span(events).first(static_cast<std::size_t>(std::max(count, 0)));
  const std::lock_guard lock(mutex);
  asleep = false;
  take_posts();
}

// Only what is due at this moment: work that arms itself again for now waits for the next turn.
void Shard::State::ring_timers() {
  if (!timers.next()) return;
  const Moment now = clock.moment();
  while (Timer* due = timers.take_due(now)) due->fire();
}

void Shard::State::run_posts() {
  for (std::size_t left = posts.size(); left > 0 && !stopped; --left) {
    Work work = std::move(posts.front());
    posts.pop_front();
    work();
  }
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
  state_->post(std::move(work));
}

void Shard::at(Moment when, Work work) {
  arm(*new OneShot(std::move(work)), when);
}

bool Shard::is_current() const {
  return state_->is_current();
}

void Shard::run() {
  State& state = *state_;
  CHECK(state.owner.load() == std::thread::id{});
  state.owner = std::this_thread::get_id();
  state.stopped = false;
  while (!state.stopped) {
    state.sleep();
    while (!state.told.empty()) {
      const epoll_event event = state.told.front();
      state.told = state.told.subspan(1);
      if (event.data.ptr) static_cast<Descriptor*>(event.data.ptr)->told(event.events);
    }
    state.ring_timers();
    state.run_posts();
  }
  state.owner = std::thread::id{};
}

void Shard::stop() {
  // By way of the queue: what was posted before still runs.
  post([this] { state_->stopped = true; });
}

void Shard::arm(Timer& timer, Moment when) {
  CHECK(state_->may_touch());
  state_->timers.arm(timer, when);
}

void Shard::disarm(Timer& timer) {
  CHECK(state_->may_touch());
  state_->timers.disarm(timer);
}

// ---------------------------------------------------------------- descriptors
Descriptor::Descriptor(Shard& shard, int fd) : shard_(shard), fd_(fd) {
  CHECK(shard_.state_->may_touch());
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.ptr = this;
  if (::epoll_ctl(shard_.state_->epoll.number, EPOLL_CTL_ADD, fd, &event) < 0) fd_ = -1;
}

void Descriptor::exhausted(Ready ready) {
  (ready == Ready::to_read ? readable_ : writable_) = false;
}

void Descriptor::told(std::uint32_t events) {
  const bool is_over = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  if (is_over || (events & EPOLLPRI)) is_unsure_ = true;
  if (is_over || (events & (EPOLLIN | EPOLLPRI))) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  const auto writer = writable_ ? std::exchange(writer_, {}) : std::coroutine_handle<>{};
  if (readable_) became_readable();
  if (writer) writer.resume();
}

void Descriptor::became_readable() {
  if (auto reader = std::exchange(reader_, {})) reader.resume();
}

void Descriptor::wake() {
  for (auto* place : {&reader_, &writer_}) {
    if (auto waiter = std::exchange(*place, {})) shard_.post([waiter] { waiter.resume(); });
  }
}

void Descriptor::forget() {
  if (fd_ < 0) return;
  static_cast<void>(
      ::epoll_ctl(shard_.state_->epoll.number, EPOLL_CTL_DEL, std::exchange(fd_, -1), nullptr));
  for (epoll_event& event : shard_.state_->told) {
    if (event.data.ptr == this) event.data.ptr = nullptr;
  }
  wake();
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
