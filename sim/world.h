// The false world: one simulated thread with virtual time, and false twins of the doors Clock,
// Random, Offload, Resolver and HttpFetch (sim/disk.h and sim/network.h have the others).
// Everything that happens follows from one seed: the same seed gives the same history.
//
// It promises: posts run in order; time stands still while work runs and leaps to the next timer
// when none is left, so that five days of retries take milliseconds. post() may come from another
// thread (a commit thread under test); all else belongs to the thread that turns the loop.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "run/system.h"
#include "run/timers.h"
#include "run/world.h"

namespace goniec {

// 2026-01-01 00:00:00 UTC: where wall time begins.
inline constexpr Instant sim_start{Duration(1'767'225'600'000'000)};

class SimClock final : public Clock {
 public:
  Instant now() const override {
    return sim_start + moment_.time_since_epoch() - epoch + wall_shift_;
  }
  Moment moment() const override { return moment_; }
  void advance_to(Moment moment) { moment_ = std::max(moment_, moment); }
  void jump_wall(Duration by) { wall_shift_ += by; }  // monotonic time does not notice

 private:
  static constexpr Duration epoch = std::chrono::hours(1);  // a Moment of 0 is long ago
  Moment moment_{epoch};
  Duration wall_shift_{};
};

class SimLoop final : public Loop {
 public:
  explicit SimLoop(std::uint64_t seed) : random_(seed) {}
  SimClock& clock() override { return clock_; }
  SystemRandom& random() override { return random_; }
  void post(Work work) override;
  void at(Moment when, Work work) override;
  bool is_current() const override { return turning_; }

  void arm(Timer& timer, Moment when) { timers_.arm(timer, when); }
  void disarm(Timer& timer) { timers_.disarm(timer); }

  void (*before_step)() = nullptr;
  bool step();            // one post, or a leap to the next timer; false: nothing is left
  void run_until_idle();  // REQUIRES that the world comes to rest: CHECKs at 100 million steps
  void run_for(Duration span);  // everything due in this span; time ends at its end
  // Until `done()`. When nothing is left it waits for a post of another thread, at most `patience`
  // of true time; false: it did not come.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds patience = {});

  template <class T>
  T run(Task<T> task) {  // REQUIRES that the task comes to its end
    std::optional<T> result;
    struct Body {
      static Task<> keep(Task<T> inner, std::optional<T>& into) {
        into.emplace(co_await std::move(inner));
      }
    };
    post([&result, moved = std::move(task)]() mutable {
      spawn(Body::keep(std::move(moved), result));
    });
    CHECK(run_until([&] { return result.has_value(); }));
    return std::move(*result);
  }
  void run(Task<> task);

  std::uint64_t steps() const { return steps_; }

 private:
  Work next_post();

  SimClock clock_;
  SystemRandom random_;
  TimerHeap timers_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Work> posts_;
  bool turning_ = false;
  std::uint64_t steps_ = 0;
};

// Work takes `cost` of virtual time, one job after another.
class SimOffload final : public Offload {
 public:
  explicit SimOffload(SimLoop& loop) : loop_(loop) {}
  bool submit(Work work) override;
  Duration cost = std::chrono::milliseconds(1);
  std::size_t queue_limit = 256;

 private:
  SimLoop& loop_;
  Moment busy_until_{};
  std::size_t waiting_ = 0;
};

// A table of names. A name that is nowhere in it does not exist; one that is, without the type, has
// no data.
class SimResolver final : public Resolver {
 public:
  explicit SimResolver(SimLoop& loop) : loop_(loop) {}
  Task<DnsAnswer> lookup(std::string name, DnsType type, Moment deadline) override;

  void add(std::string_view name, DnsType type, DnsRecord record);
  void add_address(std::string_view name, std::string_view address);
  void add_mx(std::string_view name, std::uint16_t preference, std::string_view exchange);
  void alias(std::string_view name, std::string_view target);
  void set(std::string_view name, DnsType type, DnsAnswer answer);  // any answer, as it is
  void fail(std::string_view name, DnsType type, DnsStatus status);
  void clear() { answers_.clear(); }

  Duration latency = std::chrono::milliseconds(5);
  bool authenticated = false;  // of what add() adds, and of denials
  std::size_t lookups = 0;

 private:
  DnsAnswer find(const std::string& name, DnsType type) const;
  SimLoop& loop_;
  std::map<std::pair<std::string, DnsType>, DnsAnswer> answers_;
  std::map<std::string, std::string> aliases_;
};

class SimHttp final : public HttpFetch {
 public:
  using Handler = std::function<Result<HttpResponse>(const HttpRequest&)>;
  explicit SimHttp(SimLoop& loop) : loop_(loop) {}
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment deadline) override;
  void on(std::string url, Handler handler) { handlers_[std::move(url)] = std::move(handler); }
  Duration latency = std::chrono::milliseconds(20);
  std::vector<HttpRequest> requests;  // as they came

 private:
  SimLoop& loop_;
  std::map<std::string, Handler> handlers_;
};

}  // namespace goniec
