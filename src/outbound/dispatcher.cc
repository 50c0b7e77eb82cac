// See dispatcher.h. A Line is a site's: waiting entries, its connections, its health.
//
//   unknown   one connection, the first probe; others wait for it, at most `patience`
//   proven    a session was opened: connections as wanted
//   dead      has a verdict: the answer of the last probe. What comes shares it, but for one entry
//             after each `dead_pause`, which is the next probe
#include "outbound/dispatcher.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/text.h"
#include "outbound/attempt.h"
#include "outbound/fair_line.h"

namespace goniec {
namespace {

struct Waiting {
  ReadyEntry ready;
  Route route;
  HostList hosts;
  MessageTlsWish wish;
  bool only_ipv4 = false;
};

struct Line {
  std::string site;
  PriorityLine<Waiting> waiting;  // fair between senders
  std::size_t connections = 0, idle = 0;
  std::size_t unwanted = 0;  // of the idle ones: to end, for a site that has none
  bool proven = false;       // a session was opened, and none failed since
  bool stands_in_turn = false;
  std::string last_reply;
  Signal arrived;
  std::optional<Outcome> verdict;  // the site is dead
  Moment probe_after{}, forget_after{};
  bool has_timer = false;    // at forget_after, or earlier
  std::uint64_t probes = 0;  // numbers them
};

// Who waits for a connection because all are in use: sites, in order, one connection a turn.
using Turns = std::deque<std::string>;

// Whose turn it is: the account that submitted it, else the domain that sent it.
std::string owner_of(const Waiting& waiting) {
  const Message& message = *waiting.ready.message;
  return message.submitter.empty() ? message.sender.address.domain().ascii() : message.submitter;
}

MailPriority priority_of(const Waiting& waiting) {
  return mail_priority_of_number(waiting.ready.entry.priority);
}

void put_back(Line& line, Waiting waiting) {
  const std::string owner = owner_of(waiting);
  const MailPriority priority = priority_of(waiting);
  line.waiting.push_front(priority, owner, std::move(waiting));
}

std::vector<Outcome> same_outcome(const ReadyEntry& ready, const Outcome& model) {
  std::vector<Outcome> outcomes;
  for (std::uint32_t i = 0; i < ready.entry.recipients.size(); ++i) {
    if (ready.entry.recipients[i].state != RecipientState::queued) continue;
    Outcome outcome = model;
    outcome.recipient = i;
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

// Given up before the peer decided anything: it counts as not tried.
bool nothing_said(const AttemptResult& result) {
  return std::ranges::all_of(result.outcomes, [](const Outcome& outcome) {
    return outcome.state == RecipientState::queued && outcome.reply.code == 0;
  });
}

bool has_ipv4(const HostList& hosts) {
  return std::ranges::any_of(hosts.hosts,
                             [](const HostAddress& host) { return !host.endpoint.address.v6; });
}

}  // namespace

struct Dispatcher::State {
  std::shared_ptr<const DispatcherOptions> options;
  Hosts& hosts;
  Queue& queue;
  LocalDelivery& local;
  std::shared_ptr<const OutboundTls> tls;
  World& world;
  LogSink& log;
  Gauge& open;
  Counter& attempts_ok;
  Counter& attempts_failed;

  std::map<std::string, std::unique_ptr<Line>> lines;
  OpenConnections open_connections;
  std::size_t connections = 0;
  std::size_t probing = 0;  // of them: to sites that are not proven
  std::size_t dead = 0;     // lines with a verdict
  std::set<std::string> idle_sites;
  Turns proven_turns, unproven_turns;
  std::size_t working = 0;  // tasks that will settle or give back
  bool stopping = false;
  Signal changed;

  State(DispatcherOptions dispatcher_options, Hosts& dispatcher_hosts, Queue& dispatcher_queue,
        LocalDelivery& local_delivery, std::shared_ptr<const OutboundTls> outbound_tls,
        World& dispatcher_world, Metrics& metrics, LogSink& sink)
      : options(std::make_shared<const DispatcherOptions>(std::move(dispatcher_options))),
        hosts(dispatcher_hosts),
        queue(dispatcher_queue),
        local(local_delivery),
        tls(std::move(outbound_tls)),
        world(dispatcher_world),
        log(sink),
        open(metrics.gauge("goniec_connections_open", "Connections open now",
                           {{"direction", "out"}})),
        attempts_ok(metrics.counter("goniec_delivery_attempts_total", "Attempts of entries",
                                    {{"result", "spoken"}})),
        attempts_failed(metrics.counter("goniec_delivery_attempts_total", "Attempts of entries",
                                        {{"result", "no_connection"}})) {}

  Task<void> carry(ReadyEntry ready);
  Task<void> deliver_locally(ReadyEntry ready);
  Task<void> settle(ReadyEntry ready, std::vector<Outcome> outcomes);
  void settle_in_background(ReadyEntry ready, std::vector<Outcome> outcomes);
  void join(Waiting waiting);
  void open_more(const std::string& site);
  void open_one(Line& line);
  void open_for_next_in_turn();
  void stand_in_turn(Line& line);
  bool others_wait() const {
    return connections >= options->connections && !(proven_turns.empty() && unproven_turns.empty());
  }
  bool wants_connection(const Line& line) const;
  bool has_room_for(const Line& line) const;
  Task<void> run_connection(Line& line);
  Task<void> carry_over(Line& line, OutgoingConnection& connection, Waiting first);
  Task<std::optional<Waiting>> next_for(Line& line);
  void fail_line(Line& line, Waiting first, const Outcome& failure);
  void fail_one(Waiting waiting, const Outcome& failure);
  void fail_waiting(Line& line, const Outcome& failure);
  bool shares_verdict(const Line& line) const;
  void declare_dead(Line& line, const Outcome& failure);
  void declare_alive(Line& line);
  void watch_memory(Line& line);
  void watch_probe(Line& line);
  void lose_patience(const std::string& site, std::uint64_t probe);
  void forget_if_empty(const std::string& site);
  void done() {
    --working;
    changed.notify_all();
  }
};

// ---------------------------------------------------------------- from entry to line
Task<void> Dispatcher::State::deliver_locally(ReadyEntry ready) {
  co_await local.deliver(std::move(ready));
  done();
}

Task<void> Dispatcher::State::settle(ReadyEntry ready, std::vector<Outcome> outcomes) {
  (void)co_await queue.settle(world.loop, std::move(ready), std::move(outcomes));
  done();
}

void Dispatcher::State::settle_in_background(ReadyEntry ready, std::vector<Outcome> outcomes) {
  ++working;
  spawn(settle(std::move(ready), std::move(outcomes)));
}

Task<void> Dispatcher::State::carry(ReadyEntry ready) {
  Waiting waiting{
      .ready = std::move(ready), .route = {}, .hosts = {}, .wish = {}, .only_ipv4 = false};
  waiting.wish = tls_wish_of(*waiting.ready.message);
  waiting.route = options->routes.route(waiting.ready.entry.domain);
  if (waiting.route.transport == Transport::sink) {
    Outcome swallowed;
    swallowed.state = RecipientState::delivered;
    swallowed.reply = Reply(250, {2, 0, 0}, "taken by the sink");
    swallowed.site = "sink";
    swallowed.route = waiting.route.rule;
    swallowed.phase = "dot";
    auto outcomes = same_outcome(waiting.ready, swallowed);
    settle_in_background(std::move(waiting.ready), std::move(outcomes));
  } else if (waiting.route.transport == Transport::lmtp_unix) {
    waiting.hosts = unix_hosts(waiting.route);
    join(std::move(waiting));
  } else {
    waiting.hosts = co_await hosts.find(waiting.route);
    if (waiting.hosts.failure && !stopping) {  // else it was cut, and is given back
      Outcome failure = *waiting.hosts.failure;
      failure.route = waiting.route.rule;
      auto outcomes = same_outcome(waiting.ready, failure);
      settle_in_background(std::move(waiting.ready), std::move(outcomes));
    } else {
      join(std::move(waiting));
    }
  }
  done();
}

void Dispatcher::State::join(Waiting waiting) {
  if (stopping) return queue.give_back(std::move(waiting.ready));
  // Who wants another login or other TLS never shares a connection.
  std::string key =
      fmt::format("{}|{}|{}{}", waiting.hosts.site, static_cast<int>(waiting.route.tls),
                  waiting.route.user, tls_key_of(waiting.route, waiting.hosts, waiting.wish));
  if (waiting.only_ipv4) key += "|ipv4";
  auto& line = lines[key];
  if (!line) {
    line = std::make_unique<Line>();
    line->site = key;
  }
  if (shares_verdict(*line)) {
    const Outcome verdict = *line->verdict;
    return fail_one(std::move(waiting), verdict);
  }
  const std::string owner = owner_of(waiting);
  const MailPriority priority = priority_of(waiting);
  line->waiting.push(priority, owner, std::move(waiting));
  if (line->idle > 0)
    line->arrived.notify_all();
  else
    open_more(key);
}

// ---------------------------------------------------------------- who may have a connection
void Dispatcher::State::open_more(const std::string& site) {
  // A connection takes its first entry at once, so each turn of the loop makes the line shorter.
  // One that fails without waiting may have ended, and forgotten its line, before spawn() returns:
  // hence the search.
  for (auto found = lines.find(site); found != lines.end() && wants_connection(*found->second);
       found = lines.find(site)) {
    if (!has_room_for(*found->second)) return stand_in_turn(*found->second);
    open_one(*found->second);
  }
}

void Dispatcher::State::open_one(Line& line) {
  ++line.connections;
  ++connections;
  ++working;
  open.add(1);
  spawn(run_connection(line));
}

bool Dispatcher::State::wants_connection(const Line& line) const {
  const std::size_t limit = line.proven ? options->connections_per_site : 1;
  return !stopping && !line.waiting.empty() && line.idle == 0 && line.connections < limit;
}

bool Dispatcher::State::has_room_for(const Line& line) const {
  const std::size_t for_probes = std::max<std::size_t>(1, options->connections / 2);
  return connections < options->connections && (line.proven || probing < for_probes);
}

void Dispatcher::State::stand_in_turn(Line& line) {
  if (!std::exchange(line.stands_in_turn, true))
    (line.proven ? proven_turns : unproven_turns).push_back(line.site);
  if (connections < options->connections || idle_sites.empty()) return;
  Line& idle = *lines.at(*idle_sites.begin());
  ++idle.unwanted;
  idle.arrived.notify_all();
}

// A connection has ended: each kind of sites in turn.
void Dispatcher::State::open_for_next_in_turn() {
  for (Turns* turns : {&unproven_turns, &proven_turns}) {
    while (!turns->empty()) {
      const auto found = lines.find(turns->front());
      if (found != lines.end() && wants_connection(*found->second)) {
        Line& line = *found->second;
        if (!has_room_for(line)) break;
        turns->pop_front();
        line.stands_in_turn = false;
        const std::string site = line.site;
        open_one(line);
        open_more(site);  // stands in turn again when it wants more
      } else {
        if (found != lines.end()) found->second->stands_in_turn = false;
        turns->pop_front();
      }
    }
  }
}

void Dispatcher::State::forget_if_empty(const std::string& site) {
  auto found = lines.find(site);
  if (found == lines.end()) return;
  Line& line = *found->second;
  if (line.connections > 0 || !line.waiting.empty()) return;
  if (line.verdict) {
    if (world.loop.clock().moment() < line.forget_after) return;
    declare_alive(line);
  }
  lines.erase(found);
}

// ---------------------------------------------------------------- sites that do not answer
bool Dispatcher::State::shares_verdict(const Line& line) const {
  if (!line.verdict) return false;
  return line.connections > 0 || world.loop.clock().moment() < line.probe_after;
}

void Dispatcher::State::declare_dead(Line& line, const Outcome& failure) {
  if (!line.verdict && dead >= options->dead_sites) return;
  if (!line.verdict) ++dead;
  line.verdict = failure;
  const Moment now = world.loop.clock().moment();
  line.probe_after = now + options->dead_pause;
  line.forget_after = line.probe_after + options->dead_memory;
  if (!std::exchange(line.has_timer, true)) watch_memory(line);
}

void Dispatcher::State::declare_alive(Line& line) {
  if (line.verdict) --dead;
  line.verdict.reset();
}

void Dispatcher::State::watch_memory(Line& line) {
  world.loop.at(line.forget_after, [this, site = line.site] {
    const auto found = lines.find(site);
    if (found == lines.end() || !found->second->has_timer) return;
    Line& known = *found->second;
    known.has_timer = known.verdict && world.loop.clock().moment() < known.forget_after;
    if (known.has_timer) return watch_memory(known);
    forget_if_empty(site);
  });
}

void Dispatcher::State::watch_probe(Line& line) {
  world.loop.at(world.loop.clock().moment() + options->patience,
                [this, site = line.site, probe = ++line.probes] { lose_patience(site, probe); });
}

// The first probe goes on, and may yet find the site alive; nobody waits for it any longer.
void Dispatcher::State::lose_patience(const std::string& site, std::uint64_t probe) {
  const auto found = lines.find(site);
  if (found == lines.end()) return;
  Line& line = *found->second;
  if (stopping || line.probes != probe || line.proven || line.verdict || line.connections == 0)
    return;
  Outcome silent;
  silent.state = RecipientState::queued;
  silent.reply = Reply(0, {4, 4, 1}, "the site has not answered yet");
  silent.phase = "connect";
  declare_dead(line, silent);
  fail_waiting(line, silent);
}

// ---------------------------------------------------------------- one connection
void Dispatcher::State::fail_one(Waiting waiting, const Outcome& failure) {
  Outcome outcome = failure;
  outcome.route = waiting.route.rule;
  outcome.delay_queue = std::chrono::duration_cast<Duration>(world.loop.clock().now() -
                                                             waiting.ready.message->received_at);
  auto outcomes = same_outcome(waiting.ready, outcome);
  settle_in_background(std::move(waiting.ready), std::move(outcomes));
}

void Dispatcher::State::fail_waiting(Line& line, const Outcome& failure) {
  PriorityLine<Waiting> rest = std::exchange(line.waiting, {});
  while (!rest.empty()) fail_one(rest.pop(), failure);
}

void Dispatcher::State::fail_line(Line& line, Waiting first, const Outcome& failure) {
  line.proven = false;
  line.last_reply = failure.reply.one_line();
  attempts_failed.add();
  if (failure.phase == "tls") hosts.forget(first.route);  // its policy may have changed
  fail_one(std::move(first), failure);
  // What waits behind a probe that failed shares its fate; other connections may still be good.
  if (line.connections > 1) return;
  if (failure.state == RecipientState::queued) declare_dead(line, failure);
  fail_waiting(line, failure);
}

Task<std::optional<Waiting>> Dispatcher::State::next_for(Line& line) {
  const Moment until = world.loop.clock().moment() + options->keep;
  if (line.waiting.empty() && !stopping && !others_wait()) {
    if (++line.idle == 1) idle_sites.insert(line.site);
    // The timer may outlive the line: it looks the line up again.
    world.loop.at(until, [this, site = line.site] {
      if (auto found = lines.find(site); found != lines.end()) found->second->arrived.notify_all();
    });
    while (line.waiting.empty() && !stopping && line.unwanted == 0 &&
           world.loop.clock().moment() < until)
      co_await line.arrived.wait();
    if (--line.idle == 0) idle_sites.erase(line.site);
    if (line.unwanted > 0) --line.unwanted;
  }
  if (line.waiting.empty() || stopping) co_return std::nullopt;
  co_return line.waiting.pop();
}

Task<void> Dispatcher::State::run_connection(Line& line) {
  std::optional<Waiting> first;
  if (!line.waiting.empty()) first.emplace(line.waiting.pop());
  if (first) {
    Outcome failure;
    std::string said;
    const ConnectPlan plan{first->route, first->hosts, first->wish, first->only_ipv4, &said};
    const bool is_probe = !line.proven;
    if (is_probe) ++probing;
    if (is_probe && !line.verdict) watch_probe(line);
    auto connection =
        co_await connect_to_first(world, options, plan, tls, open_connections, failure);
    if (is_probe) --probing;
    if (connection) {
      line.proven = true;
      declare_alive(line);
      open_more(line.site);
      if (is_probe) open_for_next_in_turn();
      co_await carry_over(line, *connection, std::move(*first));
    } else if (stopping) {
      queue.give_back(std::move(first->ready));
    } else {
      if (options->keep_transcript)
        options->keep_transcript(first->ready.message->id, failure.site, std::move(said));
      fail_line(line, std::move(*first), failure);
    }
  }
  --line.connections;
  --connections;
  open.add(-1);
  const std::string site = line.site;
  open_for_next_in_turn();
  open_more(site);
  forget_if_empty(site);
  done();
}

Task<void> Dispatcher::State::carry_over(Line& line, OutgoingConnection& connection,
                                         Waiting first) {
  std::optional<Waiting> current(std::move(first));
  std::size_t carried = 0;
  bool usable = true;
  while (current) {
    AttemptPlan plan;
    plan.route = current->route.rule;
    plan.reused = carried > 0;
    plan.queued = std::chrono::duration_cast<Duration>(world.loop.clock().now() -
                                                       current->ready.message->received_at);
    connection.transcript().begin_message(world.loop.clock().moment(), plan.reused);
    AttemptResult result =
        co_await attempt_entry(world.loop, queue, connection, current->ready, plan);
    attempts_ok.add();
    usable = result.connection_usable;
    if (stopping && (result.stale || (connection.was_given_up() && nothing_said(result)))) {
      queue.give_back(std::move(current->ready));
      co_return;
    }
    if (result.stale) {  // not tried: another connection takes it
      put_back(line, std::move(*current));
      break;
    }
    if (options->keep_transcript)
      options->keep_transcript(current->ready.message->id, connection.site(),
                               connection.transcript().text());
    if (result.retry_ipv4 && !current->only_ipv4 && connection.host().endpoint.address.v6 &&
        has_ipv4(current->hosts)) {
      current->only_ipv4 = true;
      join(std::move(*current));
    } else {
      if (!result.outcomes.empty()) line.last_reply = result.outcomes.back().reply.one_line();
      settle_in_background(std::move(current->ready), std::move(result.outcomes));
    }
    current.reset();
    if (!usable || ++carried >= options->messages_per_connection) break;
    current = co_await next_for(line);
  }
  if (usable && !current) co_await connection.quit();
}

// ---------------------------------------------------------------- life
Dispatcher::Dispatcher(DispatcherOptions options, Hosts& hosts, Queue& queue, LocalDelivery& local,
                       std::shared_ptr<const OutboundTls> tls, World& world, Metrics& metrics,
                       LogSink& log)
    : state_(std::make_unique<State>(std::move(options), hosts, queue, local, std::move(tls), world,
                                     metrics, log)) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::carry(ReadyEntry entry) {
  State& state = *state_;
  if (state.stopping) return state.queue.give_back(std::move(entry));
  ++state.working;
  if (entry.entry.local)
    spawn(state.deliver_locally(std::move(entry)));
  else
    spawn(state.carry(std::move(entry)));
}

Task<void> Dispatcher::stop(Moment deadline) {
  State& state = *state_;
  state.stopping = true;
  std::vector<std::string> sites;  // a connection that ends at once takes its line out of the map
  for (auto& [site, line] : state.lines) sites.push_back(site);
  for (const std::string& site : sites) {
    auto found = state.lines.find(site);
    if (found == state.lines.end()) continue;
    PriorityLine<Waiting> rest = std::exchange(found->second->waiting, {});
    while (!rest.empty()) state.queue.give_back(rest.pop().ready);
    found->second->arrived.notify_all();
  }
  state.open_connections.give_up();
  state.world.loop.at(deadline, [&state] { state.changed.notify_all(); });
  while (state.working > 0 && state.world.loop.clock().moment() < deadline)
    co_await state.changed.wait();
}

void Dispatcher::set_options(DispatcherOptions options) {
  state_->options = std::make_shared<const DispatcherOptions>(std::move(options));
  look_again();
}

void Dispatcher::look_again() {
  for (auto& [site, line] : state_->lines) state_->declare_alive(*line);
}

std::vector<Dispatcher::SiteStatus> Dispatcher::sites() const {
  std::vector<SiteStatus> sites;
  for (const auto& [name, line] : state_->lines)
    sites.push_back(SiteStatus{name, line->connections, line->waiting.size(), line->last_reply});
  return sites;
}

}  // namespace goniec
