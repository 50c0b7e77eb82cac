// See hosts.h. Pure parts (order, loops, private targets) are in mx_rules.h; here are the
// questions.
#include "outbound/hosts.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/text.h"
#include "outbound/mx_rules.h"

namespace goniec {
namespace {

constexpr std::size_t cache_limit = 20000;

HostList failed(RecipientState state, std::uint16_t code, EnhancedCode enhanced, std::string text,
                std::string source) {
  HostList list;
  Outcome outcome;
  outcome.state = state;
  outcome.reply = Reply(code, enhanced, std::move(text));
  outcome.phase = "route";
  list.failure = std::move(outcome);
  list.source = std::move(source);
  return list;
}

}  // namespace

struct Hosts::State {
  HostsOptions options;
  World& world;
  struct Cached {
    HostList list;
    Moment until{};
  };
  std::unordered_map<std::string, Cached> cache;
  // Single flight: those who ask while the answer is on its way wait for it.
  std::map<std::string, std::shared_ptr<Signal>> in_flight;

  Task<HostList> look_up(Route route, std::uint32_t& ttl);
  Task<HostList> by_mx(Route route, std::uint32_t& ttl);
  Task<bool> add_addresses(HostList& list, MxHost host, std::uint16_t port, bool check_private,
                           std::uint32_t& ttl);
};

// Both families of one host. False: the question could not be answered now.
Task<bool> Hosts::State::add_addresses(HostList& list, MxHost host, std::uint16_t port,
                                       bool check_private, std::uint32_t& ttl) {
  bool answered = true;
  std::vector<IpAddress> found;
  if (auto literal = IpAddress::parse(host.name)) {
    found.push_back(*literal);
  } else {
    for (DnsType type : {DnsType::aaaa, DnsType::a}) {
      DnsAnswer answer = co_await world.resolver.lookup(
          host.name, type, world.loop.clock().moment() + options.lookup_deadline);
      if (answer.status == DnsStatus::temporary || answer.status == DnsStatus::bogus) {
        answered = false;
        list.notes.push_back(fmt::format("{}: {}", host.name, answer.why));
      }
      if (answer.status != DnsStatus::found) continue;
      ttl = std::min(ttl, answer.ttl_seconds);
      for (const DnsRecord& record : answer.records)
        if (auto* address = std::get_if<IpAddress>(&record)) found.push_back(*address);
    }
  }
  for (const IpAddress& address : found) {
    if (check_private && !options.private_targets && address.is_private()) {
      list.notes.push_back(
          fmt::format("{} ({}): private target, refused (delivery.private_targets)", host.name,
                      address.text()));
      continue;
    }
    list.hosts.push_back(HostAddress{host.name, Endpoint{address, port}, host.preference});
  }
  co_return answered;
}

Task<HostList> Hosts::State::by_mx(Route route, std::uint32_t& ttl) {
  const std::string name = route.domain.ascii();
  if (route.domain.is_literal()) {
    HostList list;
    list.source = "literal";
    (void)co_await add_addresses(list, MxHost{std::string(route.domain.literal_ip()), 0},
                                 route.port, true, ttl);
    if (list.hosts.empty())
      co_return failed(RecipientState::failed, 550, {5, 4, 4},
                       fmt::format("{}: this address may not be reached", name), "literal");
    co_return list;
  }
  DnsAnswer answer = co_await world.resolver.lookup(
      name, DnsType::mx, world.loop.clock().moment() + options.lookup_deadline);
  ttl = answer.ttl_seconds;
  switch (answer.status) {
    case DnsStatus::no_such_domain:
      co_return failed(RecipientState::failed, 550, {5, 1, 2},
                       fmt::format("the domain {} does not exist", name), "mx");
    case DnsStatus::temporary:
    case DnsStatus::bogus:  // an error is not "no MX" (RFC 5321 §5.1)
      co_return failed(RecipientState::queued, 451, {4, 4, 3},
                       fmt::format("the MX of {} cannot be looked up now: {}", name, answer.why),
                       "mx");
    case DnsStatus::no_data:
    case DnsStatus::found:
      break;
  }
  MxPlan plan = plan_mx(name, answer, options.hostname, world.loop.random());
  HostList list;
  list.source = plan.implicit ? "implicit mx" : "mx";
  list.authenticated = answer.authenticated;
  list.notes = plan.notes;
  if (plan.null_mx)  // RFC 7505 §4.1
    co_return failed(RecipientState::failed, 556, {5, 1, 10},
                     fmt::format("{} takes no mail (null MX)", name), "mx");
  if (plan.loops)
    co_return failed(RecipientState::failed, 554, {5, 4, 6},
                     fmt::format("mail for {} loops back to this host: its best MX is {}; add the "
                                 "domain here, or a route",
                                 name, options.hostname),
                     "mx");
  bool all_answered = true;
  for (const MxHost& host : plan.hosts) {
    if (list.hosts.size() >= options.addresses) break;
    all_answered = co_await add_addresses(list, host, route.port, true, ttl) && all_answered;
  }
  if (drop_own_addresses(list.hosts, options.own_addresses, route.port) && list.hosts.empty())
    co_return failed(
        RecipientState::failed, 554, {5, 4, 6},
        fmt::format("mail for {} loops back to this host: its best MX has our address", name),
        "mx");
  if (list.hosts.empty()) {
    std::string notes;
    for (const std::string& note : list.notes) notes += "; " + note;
    if (!all_answered)
      co_return failed(RecipientState::queued, 451, {4, 4, 3},
                       fmt::format("no MX host of {} can be resolved now{}", name, notes), "mx");
    co_return failed(RecipientState::failed, 550, {5, 4, 4},
                     fmt::format("no MX host of {} has a usable address{}", name, notes), "mx");
  }
  order_addresses(list.hosts, options.addresses);
  co_return list;
}

Task<HostList> Hosts::State::look_up(Route route, std::uint32_t& ttl) {
  HostList list;
  if (route.transport == Transport::mx) {
    list = co_await by_mx(route, ttl);
  } else {
    list.source = route.rule;
    const bool answered =
        co_await add_addresses(list, MxHost{route.host, 0}, route.port, false, ttl);
    if (list.hosts.empty()) {
      const bool transient = !answered;
      list = failed(RecipientState::queued, 451,
                    EnhancedCode{4, 4, static_cast<std::uint16_t>(transient ? 3 : 4)},
                    fmt::format("the relay {} of {} has no address now", route.host, route.rule),
                    route.rule);
    }
    order_addresses(list.hosts, options.addresses);
  }
  // The site: the same hosts on the same ports are one site, in whatever order they came.
  std::vector<std::string> names;
  for (const HostAddress& host : list.hosts)
    names.push_back(host.host + ":" + std::to_string(host.endpoint.port));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  list.site = std::string(name_of(route.transport));
  for (const std::string& name : names) list.site += " " + name;
  co_return list;
}

Task<HostList> Hosts::find(Route route) {
  State& state = *state_;
  const std::string key =
      fmt::format("{} {} {}:{}", name_of(route.transport),
                  route.transport == Transport::mx ? route.domain.ascii() : std::string(),
                  route.host, route.port);
  for (;;) {
    auto cached = state.cache.find(key);
    if (cached != state.cache.end() && cached->second.until > state.world.loop.clock().moment())
      co_return cached->second.list;
    auto flight = state.in_flight.find(key);
    if (flight == state.in_flight.end()) break;
    auto signal = flight->second;
    co_await signal->wait();
  }
  auto signal = std::make_shared<Signal>();
  state.in_flight[key] = signal;
  std::uint32_t ttl = 3600;
  HostList list = co_await state.look_up(std::move(route), ttl);
  // A failure is asked again soon; a good answer lives by its TTL, within 60 s .. 1 h.
  const Duration life =
      list.failure ? Duration(std::chrono::seconds(1))
                   : Duration(std::chrono::seconds(std::clamp<std::uint32_t>(ttl, 60, 3600)));
  if (state.cache.size() >= cache_limit) state.cache.clear();
  state.cache[key] = State::Cached{list, state.world.loop.clock().moment() + life};
  state.in_flight.erase(key);
  signal->notify_all();
  co_return list;
}

Hosts::Hosts(HostsOptions options, World& world)
    : state_(std::make_unique<State>(State{std::move(options), world, {}, {}})) {}
Hosts::~Hosts() = default;

void Hosts::set_options(HostsOptions options) {
  state_->options = std::move(options);
  state_->cache.clear();
}

}  // namespace goniec
