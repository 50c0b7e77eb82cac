// See hosts.h. Pure parts (order, loops, private targets) are in mx_rules.h; here are the
// questions.
#include "outbound/hosts.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/text.h"
#include "net/ask.h"
#include "outbound/mta_sts_cache.h"
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
  MtaStsCache* mta_sts;
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
  Task<void> add_tls(HostList& list, Route route, std::uint32_t& ttl);
  Moment deadline() const { return world.loop.clock().moment() + options.lookup_deadline; }
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
    const Endpoint endpoint{address, port};
    const bool is_known = std::ranges::any_of(list.hosts, [&](const HostAddress& known) {
      return known.host == host.name && known.endpoint == endpoint;
    });
    if (!is_known) list.hosts.push_back(HostAddress{host.name, endpoint, host.preference});
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

namespace {

bool may_have_tlsa(const Route& route) {
  switch (route.transport) {
    case Transport::mx:
    case Transport::smtp:
    case Transport::smtps:
    case Transport::submission:
      return route.tls != RouteTls::none;
    case Transport::lmtp:
    case Transport::lmtp_unix:
    case Transport::sink:
    case Transport::local:
      return false;
  }
  return false;
}

std::vector<DaneTarget> dane_targets(const Route& route, const HostList& list) {
  std::vector<DaneTarget> targets;
  const bool by_mx = route.transport == Transport::mx;
  for (const HostAddress& host : list.hosts) {
    const bool is_known = std::ranges::any_of(
        targets, [&](const DaneTarget& each) { return each.host == host.host; });
    if (is_known || IpAddress::parse(host.host)) continue;
    // RFC 7672 §2.2.1: MX hosts of an answer that is not signed have no TLSA; §2.2.2: a host that a
    // route names needs no MX.
    targets.push_back({host.host, host.endpoint.port, by_mx ? route.domain.ascii() : std::string(),
                       !by_mx || list.authenticated});
  }
  return targets;
}

using DaneByHost = std::map<std::string, DaneFinding>;

std::optional<DaneByHost> judge_hosts(Findings& findings, const std::vector<DaneTarget>& targets) {
  DaneByHost found;
  bool complete = true;
  for (const DaneTarget& target : targets) {
    auto finding = look_up_dane(findings, target);
    complete = complete && finding.has_value();
    if (finding) found.emplace(target.host, *std::move(finding));
  }
  if (!complete) return std::nullopt;
  return found;
}

}  // namespace

// DANE first; MTA-STS only where a host is left that DANE does not vouch for (RFC 8461 §2).
Task<void> Hosts::State::add_tls(HostList& list, Route route, std::uint32_t& ttl) {
  auto tls = std::make_shared<HostTls>();
  const bool by_mx = route.transport == Transport::mx;
  tls->domain = route.domain.ascii();
  if (!by_mx)
    tls->way = TlsSituation::Way::route;
  else if (list.authenticated)
    tls->way = TlsSituation::Way::signed_mx;
  if (options.dane && may_have_tlsa(route)) {
    const auto targets = dane_targets(route, list);
    Findings findings;
    const auto judge = [&targets](Findings& known) { return judge_hosts(known, targets); };
    tls->dane = co_await ask(world.loop, world.resolver, findings, deadline(), judge);
    for (const auto& [host, finding] : tls->dane) ttl = std::min(ttl, finding.ttl_seconds);
  }
  const bool all_by_dane = std::ranges::all_of(list.hosts, [&](const HostAddress& host) {
    const auto found = tls->dane.find(host.host);
    return found != tls->dane.end() && found->second.state == DaneState::usable;
  });
  const bool asks_mta_sts = by_mx && mta_sts && options.mta_sts && !all_by_dane &&
                            !route.domain.is_literal() && route.tls != RouteTls::none;
  if (asks_mta_sts) {
    MtaStsAnswer answer = co_await mta_sts->find(world, route.domain, deadline());
    tls->mta_sts = std::move(answer.policy);
    tls->mta_sts_fault = answer.fault;
    tls->mta_sts_why = std::move(answer.why);
    if (answer.cannot_tell)
      list = failed(RecipientState::queued, 451, {4, 4, 3},
                    fmt::format("whether MTA-STS of {} asks for TLS cannot be told now: {}",
                                tls->domain, tls->mta_sts_why),
                    list.source);
  }
  list.tls = std::move(tls);
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
  if (!list.failure) co_await add_tls(list, route, ttl);
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

namespace {

std::string cache_key(const Route& route) {
  return fmt::format("{} {} {}:{}{}", name_of(route.transport),
                     route.transport == Transport::mx ? route.domain.ascii() : std::string(),
                     route.host, route.port, route.tls == RouteTls::none ? " clear" : "");
}

RouteTlsWish wish_of(const Route& route) {
  switch (route.tls) {
    case RouteTls::none:
      return route.transport == Transport::smtps ? RouteTlsWish::required : RouteTlsWish::none;
    case RouteTls::required:
      return RouteTlsWish::required;
    case RouteTls::opportunistic:
      return RouteTlsWish::opportunistic;
  }
  return RouteTlsWish::opportunistic;
}

}  // namespace

TlsRequirement requirement_of(const Route& route, const HostList& list, const std::string& host,
                              const MessageTlsWish& wish) {
  if (route.transport == Transport::lmtp_unix) return {};  // it does not leave this machine
  TlsSituation situation;
  situation.host = host;
  situation.domain = route.domain.ascii();
  situation.route = wish_of(route);
  situation.route_rule = route.rule;
  situation.way =
      route.transport == Transport::mx ? TlsSituation::Way::mx : TlsSituation::Way::route;
  situation.wish = wish;
  if (list.tls) {
    situation.way = list.tls->way;
    situation.mta_sts = list.tls->mta_sts;
    if (auto found = list.tls->dane.find(host); found != list.tls->dane.end())
      situation.dane = found->second;
  }
  TlsRequirement need = require_tls(situation);
  if (list.tls) need.policy_fault = list.tls->mta_sts_fault;
  return need;
}

std::string tls_key_of(const Route& route, const HostList& list, const MessageTlsWish& wish) {
  std::map<std::string, std::string> keys;  // in whatever order the hosts are tried
  for (const HostAddress& host : list.hosts)
    if (!keys.contains(host.host))
      keys[host.host] = requirement_of(route, list, host.host, wish).key();
  std::string text;
  for (const auto& [host, key] : keys)
    if (!key.empty()) text += fmt::format(" {}={}", host, key);
  return text;
}

void Hosts::forget(const Route& route) {
  state_->cache.erase(cache_key(route));
}

Task<HostList> Hosts::find(Route route) {
  State& state = *state_;
  const std::string key = cache_key(route);
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

Hosts::Hosts(HostsOptions options, World& world, MtaStsCache* mta_sts)
    : state_(std::make_unique<State>(State{std::move(options), world, mta_sts, {}, {}})) {}
Hosts::~Hosts() = default;

void Hosts::set_options(HostsOptions options) {
  state_->options = std::move(options);
  state_->cache.clear();
}

}  // namespace goniec
