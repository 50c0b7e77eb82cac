// One queue of posts, one heap of timers, and tables.
#include "sim/world.h"

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::uint64_t step_limit = 100'000'000;

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

std::string key_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

}  // namespace

// ---------------------------------------------------------------- loop
void SimLoop::post(Work work) {
  {
    std::lock_guard lock(mutex_);
    posts_.push_back(std::move(work));
  }
  posted_.notify_one();
}

void SimLoop::at(Moment when, Work work) {
  timers_.arm(*new OneShot(std::move(work)), when);
}

Work SimLoop::next_post() {
  std::lock_guard lock(mutex_);
  if (posts_.empty()) return nullptr;
  Work work = std::move(posts_.front());
  posts_.pop_front();
  return work;
}

bool SimLoop::step() {
  ++steps_;
  if (before_step) before_step();
  const bool outer = std::exchange(turning_, true);
  bool worked = true;
  if (Work work = next_post()) {
    work();
  } else if (const auto next = timers_.next(); next && *next != Moment::max()) {
    clock_.advance_to(*next);
    timers_.take_due(*next)->fire();
  } else {
    worked = false;
  }
  turning_ = outer;
  return worked;
}

void SimLoop::run_until_idle() {
  const std::uint64_t limit = steps_ + step_limit;
  while (step()) CHECK(steps_ < limit);
}

void SimLoop::run_for(Duration span) {
  const Moment end = clock_.moment() + span;
  auto something_is_due = [&] {
    const auto next = timers_.next();
    if (next && *next <= end) return true;
    std::lock_guard lock(mutex_);
    return !posts_.empty();
  };
  while (something_is_due()) step();
  clock_.advance_to(end);
}

bool SimLoop::run_until(const std::function<bool()>& done, std::chrono::milliseconds patience) {
  const std::uint64_t limit = steps_ + step_limit;
  while (!done()) {
    if (step()) {
      CHECK(steps_ < limit);
      continue;
    }
    std::unique_lock lock(mutex_);
    if (!posted_.wait_for(lock, patience, [this] { return !posts_.empty(); })) return done();
  }
  return true;
}

void SimLoop::run(Task<> task) {
  struct Body {
    static Task<> keep(Task<> inner, bool& into) {
      co_await std::move(inner);
      into = true;
    }
  };
  bool ended = false;
  post([&ended, moved = std::move(task)]() mutable { spawn(Body::keep(std::move(moved), ended)); });
  CHECK(run_until([&] { return ended; }));
}

// ---------------------------------------------------------------- offload
bool SimOffload::submit(Work work) {
  if (waiting_ >= queue_limit) return false;
  ++waiting_;
  busy_until_ = std::max(busy_until_, loop_.clock().moment()) + cost;
  loop_.at(busy_until_, [this, job = std::move(work)]() mutable {
    --waiting_;
    job();
  });
  return true;
}

// ---------------------------------------------------------------- names
Task<DnsAnswer> SimResolver::lookup(std::string name, DnsType type, Moment deadline) {
  ++lookups;
  const Moment arrives = loop_.clock().moment() + latency;
  if (arrives > deadline) {
    co_await loop_.sleep_until(deadline);
    DnsAnswer late;
    late.why = "no DNS answer in time";
    co_return late;
  }
  co_await loop_.sleep_until(arrives);
  co_return find(key_name(name), type);
}

DnsAnswer SimResolver::find(const std::string& name, DnsType type) const {
  std::string at = name;
  for (int hops = 0; hops < 10; ++hops) {
    const auto alias = aliases_.find(at);
    if (alias == aliases_.end() || type == DnsType::cname) break;
    at = alias->second;
  }
  DnsAnswer answer;
  if (const auto found = answers_.find({at, type}); found != answers_.end()) {
    answer = found->second;
  } else {
    bool exists = false;
    for (const auto& [key, value] : answers_) exists = exists || key.first == at;
    answer.status = exists ? DnsStatus::no_data : DnsStatus::no_such_domain;
    answer.why = exists ? "the name has no such record" : "no such domain (NXDOMAIN)";
    answer.authenticated = authenticated;
    answer.ttl_seconds = 60;
  }
  if (at != name) answer.canonical_name = at;
  return answer;
}

void SimResolver::add(std::string_view name, DnsType type, DnsRecord record) {
  DnsAnswer& answer = answers_[{key_name(name), type}];
  answer.status = DnsStatus::found;
  answer.authenticated = authenticated;
  answer.ttl_seconds = 300;
  answer.records.push_back(std::move(record));
}

void SimResolver::add_address(std::string_view name, std::string_view address) {
  const auto parsed = IpAddress::parse(address);
  CHECK(parsed.has_value());
  add(name, parsed->v6 ? DnsType::aaaa : DnsType::a, *parsed);
}

void SimResolver::add_mx(std::string_view name, std::uint16_t preference,
                         std::string_view exchange) {
  add(name, DnsType::mx, DnsMx{preference, key_name(exchange)});
}

void SimResolver::alias(std::string_view name, std::string_view target) {
  aliases_[key_name(name)] = key_name(target);
  add(name, DnsType::cname, key_name(target));
}

void SimResolver::set(std::string_view name, DnsType type, DnsAnswer answer) {
  answers_[{key_name(name), type}] = std::move(answer);
}

void SimResolver::fail(std::string_view name, DnsType type, DnsStatus status) {
  DnsAnswer answer;
  answer.status = status;
  answer.why = "made to fail";
  set(name, type, std::move(answer));
}

// ---------------------------------------------------------------- web
Task<Result<HttpResponse>> SimHttp::fetch(HttpRequest request, Moment deadline) {
  requests.push_back(request);
  const Moment arrives = loop_.clock().moment() + latency;
  co_await loop_.sleep_until(std::min(arrives, deadline));
  if (arrives > deadline) co_return fail(ErrorKind::timed_out, "no HTTP answer in time");
  const auto found = handlers_.find(request.url);
  if (found == handlers_.end()) co_return fail(ErrorKind::io, "nobody serves " + request.url);
  co_return found->second(request);
}

}  // namespace goniec
