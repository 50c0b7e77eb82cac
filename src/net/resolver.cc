// Queue, single flight, cache, deadlines and the probe. A Flight is one question on its way with
// all who wait for it; a Waiter is one lookup with its own deadline. When the last waiter gives up,
// the flight is cancelled.
#include "net/resolver.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/text.h"
#include "net/dns_context.h"
#include "net/dns_decode.h"

namespace goniec {
namespace {

constexpr Duration probe_again = std::chrono::minutes(10);
constexpr Duration probe_after_silence = std::chrono::seconds(30);
constexpr Duration probe_after_bogus = std::chrono::minutes(1);
constexpr Duration keep_failure = std::chrono::seconds(2);  // a storm of equal questions

struct Flight;

struct Waiter final : Timer {
  Waiter(std::shared_ptr<Flight> joined, Moment by) : flight(std::move(joined)), deadline(by) {}
  void fire() override;
  std::shared_ptr<Flight> flight;
  Moment deadline;
  Completion<DnsAnswer> done;
};

struct Flight {
  std::string key, name;
  DnsType type = DnsType::a;
  std::vector<Waiter*> waiters;
  std::shared_ptr<DnsContext> context;        // once it is on its way
  DnsContext::Question* question = nullptr;   // then
  std::move_only_function<void()> abandoned;  // the last waiter gave up
};

DnsAnswer too_late() {
  DnsAnswer answer;
  answer.why = "no DNS answer in time";
  return answer;
}

void Waiter::fire() {
  std::erase(flight->waiters, this);
  if (flight->waiters.empty()) flight->abandoned();
  done.complete(too_late());  // this coroutine, and this waiter, may end here
}

std::string key_of(const std::string& name, DnsType type) {
  return fmt::format("{} {}", static_cast<unsigned>(type), name);
}

}  // namespace

struct UnboundResolver::State : std::enable_shared_from_this<State> {
  State(Shard& loop, ResolverOptions given) : shard(loop), options(std::move(given)) {}

  Shard& shard;
  ResolverOptions options;
  std::shared_ptr<DnsContext> validating, plain;

  enum class Trust { unknown, probing, validated, stripped };
  Trust trust = Trust::unknown;
  std::string why_not = "not probed yet";
  Moment probe_due{};
  Signal probed;

  std::unordered_map<std::string, std::shared_ptr<Flight>> flights;
  std::deque<std::shared_ptr<Flight>> queue;
  std::size_t under_way = 0, waiters = 0;
  Moment end = Moment::max();  // of all lookups

  struct Kept {
    DnsAnswer answer;
    Moment until;
    std::uint64_t serial;
  };
  std::unordered_map<std::string, Kept> cache;
  std::deque<std::pair<std::string, std::uint64_t>> ages;
  std::uint64_t serial = 0;

  Result<void> open();
  Task<> settle_trust();
  static Task<> probe(std::shared_ptr<State> state);
  void start_probe() { spawn(probe(shared_from_this())); }
  std::shared_ptr<DnsContext> context();

  std::optional<DnsAnswer> recall(const std::string& key);
  void keep(const std::string& key, const DnsAnswer& answer);
  std::shared_ptr<Flight> join(const std::string& name, DnsType type);
  void start_waiting_flights();
  void start(const std::shared_ptr<Flight>& flight);
  void land(const std::shared_ptr<Flight>& flight, DnsAnswer answer);
  void abandon(Flight* flight);
  void doubt();
};

// ---------------------------------------------------------------- trust
Result<void> UnboundResolver::State::open() {
  if (options.dnssec != Dnssec::off) {
    validating = TRY(DnsContext::open(shard, options, DnsContext::Validation::on));
  }
  if (options.dnssec != Dnssec::required) {
    plain = TRY(DnsContext::open(shard, options, DnsContext::Validation::off));
  }
  switch (options.dnssec) {
    case Dnssec::automatic:
      break;
    case Dnssec::required:
      trust = Trust::validated;
      break;
    case Dnssec::off:
      trust = Trust::stripped;
      why_not = "dnssec is off";
      probe_due = Moment::max();
      break;
  }
  return {};
}

std::shared_ptr<DnsContext> UnboundResolver::State::context() {
  return trust == Trust::validated ? validating : plain;
}

// A bogus answer: one broken domain, or a server that has begun to strip signatures?
void UnboundResolver::State::doubt() {
  const Moment now = shard.clock().moment();
  if (options.dnssec != Dnssec::automatic || trust != Trust::validated || now < probe_due) return;
  probe_due = now + probe_after_bogus;
  start_probe();
}

// Ends when it is known whether to validate. A later probe runs beside the lookups.
Task<> UnboundResolver::State::settle_trust() {
  if (trust == Trust::stripped && shard.clock().moment() >= probe_due) {
    probe_due = Moment::max();
    start_probe();
  }
  if (trust == Trust::unknown) {
    trust = Trust::probing;
    start_probe();
  }
  while (trust == Trust::probing && shard.clock().moment() < end) co_await probed.wait();
}

namespace {
struct ProbeWait final : Timer {
  void fire() override {
    context->cancel(question);
    done.complete(too_late());
  }
  std::shared_ptr<DnsContext> context;
  DnsContext::Question* question = nullptr;
  Completion<DnsAnswer> done;
};

Task<DnsAnswer> ask_once(Shard& shard, std::shared_ptr<DnsContext> context, std::string name,
                         DnsType type, Duration patience) {
  ProbeWait wait;
  wait.context = context;
  wait.question = context->ask(name, type, [&shard, &wait](DnsAnswer answer) {
    shard.disarm(wait);
    wait.done.complete(std::move(answer));
  });
  shard.arm(wait, shard.clock().moment() + patience);
  co_return co_await wait.done;
}
}  // namespace

Task<> UnboundResolver::State::probe(std::shared_ptr<State> state) {
  // A new context: libunbound remembers a failed anchor. SOA of each anchor's zone, signed or
  // denied.
  const ResolverOptions& options = state->options;
  auto fresh = DnsContext::open(state->shard, options, DnsContext::Validation::on);
  DnsAnswer answer;
  if (fresh) {
    for (const std::string& name : anchor_names(options.trust_anchor_file)) {
      answer = co_await ask_once(state->shard, *fresh, name, DnsType::soa, options.probe_time);
      if (!answer.authenticated) break;
    }
  } else {
    answer.why = fresh.error().message;
  }
  const Moment now = state->shard.clock().moment();
  const Trust before = state->trust;
  if (answer.authenticated) {
    state->validating = *fresh;
    state->trust = Trust::validated;
    state->why_not.clear();
    state->probe_due = now + probe_after_bogus;
  } else if (before == Trust::validated && answer.status == DnsStatus::temporary) {
    // Silence proves nothing: who drops packets shall not switch validation off (RFC 7672 §2.1.2).
    state->probe_due = now + probe_after_bogus;
  } else {
    const bool silent = answer.status == DnsStatus::temporary;
    state->trust = Trust::stripped;
    state->why_not = "the DNS server does not pass signatures on: " + answer.why;
    state->probe_due = now + (silent ? probe_after_silence : probe_again);
  }
  if (before != state->trust) state->cache.clear();
  state->probed.notify_all();
}

// ---------------------------------------------------------------- cache
std::optional<DnsAnswer> UnboundResolver::State::recall(const std::string& key) {
  const auto found = cache.find(key);
  if (found == cache.end()) return std::nullopt;
  const Moment now = shard.clock().moment();
  if (found->second.until <= now) {
    cache.erase(found);
    return std::nullopt;
  }
  DnsAnswer answer = found->second.answer;
  answer.ttl_seconds = static_cast<std::uint32_t>(
      std::chrono::ceil<std::chrono::seconds>(found->second.until - now).count());
  return answer;
}

void UnboundResolver::State::keep(const std::string& key, const DnsAnswer& answer) {
  const bool known = answer.status != DnsStatus::temporary && answer.status != DnsStatus::bogus;
  const Duration life =
      known ? std::min<Duration>(std::chrono::seconds(answer.ttl_seconds), options.longest_ttl)
            : keep_failure;
  if (life <= Duration::zero() || options.cache_entries == 0) return;
  cache.insert_or_assign(key, Kept{answer, shard.clock().moment() + life, ++serial});
  ages.emplace_back(key, serial);
  // The oldest first; an age whose entry was renewed or is gone only falls off.
  while (cache.size() > options.cache_entries || ages.size() > 2 * options.cache_entries) {
    const auto entry = cache.find(ages.front().first);
    if (entry != cache.end() && entry->second.serial == ages.front().second) cache.erase(entry);
    ages.pop_front();
  }
}

// ---------------------------------------------------------------- flights
std::shared_ptr<Flight> UnboundResolver::State::join(const std::string& name, DnsType type) {
  std::string key = key_of(name, type);
  if (auto found = flights.find(key); found != flights.end()) return found->second;
  auto flight = std::make_shared<Flight>();
  flight->key = key;
  flight->name = name;
  flight->type = type;
  flight->abandoned = [this, raw = flight.get()] { abandon(raw); };
  flights.emplace(std::move(key), flight);
  queue.push_back(flight);
  return flight;
}

void UnboundResolver::State::start_waiting_flights() {
  while (under_way < options.in_flight && !queue.empty()) {
    auto flight = std::move(queue.front());
    queue.pop_front();
    start(flight);
  }
}

void UnboundResolver::State::start(const std::shared_ptr<Flight>& flight) {
  ++under_way;
  flight->context = context();
  flight->question =
      flight->context->ask(flight->name, flight->type,
                           [this, flight](DnsAnswer answer) { land(flight, std::move(answer)); });
}

void UnboundResolver::State::land(const std::shared_ptr<Flight>& flight, DnsAnswer answer) {
  flight->question = nullptr;
  --under_way;
  flights.erase(flight->key);
  keep(flight->key, answer);
  if (answer.status == DnsStatus::bogus) doubt();
  start_waiting_flights();
  const auto waiting = std::exchange(flight->waiters, {});
  for (Waiter* waiter : waiting) shard.disarm(*waiter);
  for (Waiter* waiter : waiting) waiter->done.complete(answer);
}

void UnboundResolver::State::abandon(Flight* flight) {
  const auto found = flights.find(flight->key);
  CHECK(found != flights.end() && found->second.get() == flight);
  const auto keep_alive = found->second;
  flights.erase(found);
  if (flight->question) {
    flight->context->cancel(std::exchange(flight->question, nullptr));
    --under_way;
    start_waiting_flights();
  } else {
    std::erase_if(queue, [flight](const auto& each) { return each.get() == flight; });
  }
}

// ---------------------------------------------------------------- the door
UnboundResolver::UnboundResolver(std::shared_ptr<State> state) : state_(std::move(state)) {}

UnboundResolver::~UnboundResolver() {
  CHECK(state_->waiters == 0);
}

Result<std::unique_ptr<UnboundResolver>> UnboundResolver::make(Shard& shard,
                                                               ResolverOptions options) {
  CHECK(options.in_flight > 0);
  auto state = std::make_shared<State>(shard, std::move(options));
  TRY(state->open());
  return std::unique_ptr<UnboundResolver>(new UnboundResolver(std::move(state)));
}

Task<DnsAnswer> UnboundResolver::lookup(std::string name, DnsType type, Moment deadline) {
  State& state = *state_;
  DnsAnswer refused;
  const auto normal = normal_name(name);
  if (!normal) {
    refused.status = DnsStatus::no_such_domain;
    refused.why = "not a domain name: " + printable(name, 80);
    co_return refused;
  }
  if (state.waiters >= state.options.waiting) {
    refused.why = "too many DNS lookups wait";
    co_return refused;
  }
  ++state.waiters;
  co_await state.settle_trust();
  deadline = std::min(deadline, state.end);
  auto kept = state.recall(key_of(*normal, type));
  if (kept || state.shard.clock().moment() >= deadline) {
    --state.waiters;
    co_return kept ? std::move(*kept) : too_late();
  }
  Waiter waiter(state.join(*normal, type), deadline);
  waiter.flight->waiters.push_back(&waiter);
  state.shard.arm(waiter, deadline);
  state.start_waiting_flights();
  DnsAnswer answer = co_await waiter.done;
  --state.waiters;
  co_return answer;
}

void UnboundResolver::end_by(Moment moment) {
  State& state = *state_;
  state.end = moment;
  state.shard.at(moment, [kept = state_] { kept->probed.notify_all(); });
  for (const auto& [key, flight] : state.flights) {
    for (Waiter* waiter : flight->waiters) {
      if (waiter->deadline <= moment) continue;
      waiter->deadline = moment;
      state.shard.disarm(*waiter);
      state.shard.arm(*waiter, moment);
    }
  }
}

bool UnboundResolver::validates() const {
  return state_->trust == State::Trust::validated;
}
std::string UnboundResolver::why_not() const {
  return state_->why_not;
}
void UnboundResolver::forget() {
  state_->cache.clear();
}

}  // namespace goniec
