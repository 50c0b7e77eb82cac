// Doors with a gate: each operation of a door ends at the gate of its node.
#include "sim/false_node.h"

#include <list>

#include "config/bounce_rules.h"
#include "net/tls.h"
#include "sim/heap.h"

namespace goniec {
namespace {

constexpr const char* own_address = "10.0.0.1";

struct Life {
  HeapOwner heap = new_heap_owner();
  bool over = false;
};
using LifePtr = std::shared_ptr<Life>;

struct Gate {  // lets the living through
  const Life& life;
  bool await_ready() const { return !life.over; }
  void await_suspend(std::coroutine_handle<>) const {}
  void await_resume() const { set_heap_owner(life.heap); }
};

// ---------------------------------------------------------------- loop
class MortalLoop final : public Loop {
 public:
  MortalLoop(SimLoop& loop, LifePtr life) : loop_(loop), life_(std::move(life)) {}
  Clock& clock() override { return loop_.clock(); }
  Random& random() override { return loop_.random(); }
  void post(Work work) override { loop_.post(gated(std::move(work))); }
  void at(Moment when, Work work) override { loop_.at(when, gated(std::move(work))); }
  bool is_current() const override { return loop_.is_current(); }

 private:
  Work gated(Work work) {
    return [life = life_, job = std::move(work)]() mutable {
      const HeapScope scope(life->heap);
      if (!life->over) job();
    };
  }
  SimLoop& loop_;
  LifePtr life_;
};

class MortalOffload final : public Offload {
 public:
  explicit MortalOffload(Loop& loop) : loop_(loop) {}
  bool submit(Work work) override {
    loop_.at(loop_.clock().moment() + std::chrono::milliseconds(1), std::move(work));
    return true;
  }

 private:
  Loop& loop_;
};

// ---------------------------------------------------------------- wire
struct Held {  // a stream and what its end is told to
  std::unique_ptr<Stream> stream;
  std::function<void()> ended;
  std::function<void()> worked;
  void end() {
    stream->close();
    if (auto tell = std::exchange(ended, nullptr)) tell();
  }
};
using HeldPtr = std::shared_ptr<Held>;

Task<Result<void>> wait_readable(HeldPtr held, LifePtr life) {
  auto result = co_await held->stream->readable();
  co_await Gate{*life};
  co_return result;
}

Task<Result<std::size_t>> read(HeldPtr held, LifePtr life, std::span<char> into) {
  auto result = co_await held->stream->read(into);
  co_await Gate{*life};
  held->worked();
  co_return result;
}

Task<Result<void>> write(HeldPtr held, LifePtr life, std::string_view bytes) {
  auto result = co_await held->stream->write(bytes);
  co_await Gate{*life};
  co_return result;
}

class MortalStream final : public Stream {
 public:
  MortalStream(HeldPtr held, LifePtr life) : held_(std::move(held)), life_(std::move(life)) {}
  ~MortalStream() override { held_->end(); }
  MortalStream(const MortalStream&) = delete;
  MortalStream& operator=(const MortalStream&) = delete;
  Task<Result<void>> readable() override { return wait_readable(held_, life_); }
  Task<Result<std::size_t>> read(std::span<char> into) override {
    return goniec::read(held_, life_, into);
  }
  Task<Result<void>> write(std::string_view bytes) override {
    return goniec::write(held_, life_, bytes);
  }
  void set_deadline(Moment deadline) override { held_->stream->set_deadline(deadline); }
  void shutdown_write() override { held_->stream->shutdown_write(); }
  void close() override { held_->end(); }
  Endpoint local() const override { return held_->stream->local(); }
  Endpoint remote() const override { return held_->stream->remote(); }

 private:
  HeldPtr held_;
  LifePtr life_;
};

struct Wire {  // what is open, so that a death closes it
  LifePtr life;
  ConnectionWatch watch;
  std::list<std::weak_ptr<Held>> streams;
  std::vector<std::weak_ptr<Listener>> listeners;

  std::unique_ptr<Stream> hold(std::unique_ptr<Stream> stream, std::function<void()> ended) {
    streams.remove_if([](const auto& each) { return each.expired(); });
    auto held = std::make_shared<Held>(std::move(stream), std::move(ended), watch.worked);
    streams.push_back(held);
    return std::make_unique<MortalStream>(std::move(held), life);
  }
};

Task<Result<std::unique_ptr<Stream>>> accept(std::shared_ptr<Listener> listener,
                                             std::shared_ptr<Wire> wire) {
  auto stream = co_await listener->accept();
  co_await Gate{*wire->life};
  if (!stream) co_return std::unexpected(stream.error());
  co_return wire->hold(std::move(*stream), nullptr);
}

class MortalListener final : public Listener {
 public:
  MortalListener(std::shared_ptr<Listener> listener, std::shared_ptr<Wire> wire)
      : listener_(std::move(listener)), wire_(std::move(wire)) {}
  Task<Result<std::unique_ptr<Stream>>> accept() override {
    return goniec::accept(listener_, wire_);
  }
  void close() override { listener_->close(); }
  Endpoint local() const override { return listener_->local(); }

 private:
  std::shared_ptr<Listener> listener_;
  std::shared_ptr<Wire> wire_;
};

Task<Result<std::unique_ptr<Stream>>> connect(SimNetwork& network, std::shared_ptr<Wire> wire,
                                              Endpoint to, std::optional<IpAddress> from,
                                              Moment deadline) {
  for (std::size_t call = 0; call < wire->watch.calls_at_once; ++call)
    wire->watch.calling(to.address);
  auto stream = co_await network.connect(to, from, deadline);
  if (wire->life->over && stream) (*stream)->close();
  co_await Gate{*wire->life};
  for (std::size_t call = stream ? 1 : 0; call < wire->watch.calls_at_once; ++call)
    wire->watch.given_up(to.address);
  if (!stream) co_return std::unexpected(stream.error());
  wire->watch.opened(to.address);
  co_return wire->hold(std::move(*stream), [watch = wire->watch, to] { watch.closed(to.address); });
}

class MortalNetwork final : public Network {
 public:
  MortalNetwork(SimNetwork& network, std::shared_ptr<Wire> wire)
      : network_(network), wire_(std::move(wire)) {}
  Result<std::unique_ptr<Listener>> listen(ListenOptions options) override {
    std::shared_ptr<Listener> listener = TRY(network_.listen(options));
    wire_->listeners.push_back(listener);
    return std::make_unique<MortalListener>(std::move(listener), wire_);
  }
  Result<std::unique_ptr<Listener>> listen_unix(std::string, unsigned) override {
    return fail(ErrorKind::not_permitted, "no unix sockets in this world");
  }
  Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, std::optional<IpAddress> from,
                                                Moment deadline) override {
    return goniec::connect(network_, wire_, to, from, deadline);
  }
  Task<Result<std::unique_ptr<Stream>>> connect_unix(std::string path, Moment) override {
    co_return fail(ErrorKind::not_running, "nobody listens at " + path);
  }

 private:
  SimNetwork& network_;
  std::shared_ptr<Wire> wire_;
};

// ---------------------------------------------------------------- names, web
Task<DnsAnswer> look_up(Resolver& resolver, LifePtr life, std::string name, DnsType type,
                        Moment deadline) {
  auto answer = co_await resolver.lookup(std::move(name), type, deadline);
  co_await Gate{*life};
  co_return answer;
}

class MortalResolver final : public Resolver {
 public:
  MortalResolver(Resolver& resolver, LifePtr life) : resolver_(resolver), life_(std::move(life)) {}
  Task<DnsAnswer> lookup(std::string name, DnsType type, Moment deadline) override {
    return look_up(resolver_, life_, std::move(name), type, deadline);
  }

 private:
  Resolver& resolver_;
  LifePtr life_;
};

class NoWeb final : public HttpFetch {
 public:
  Task<Result<HttpResponse>> fetch(HttpRequest, Moment) override {
    co_return fail(ErrorKind::closed, "no web in this world");
  }
};

// Read once: the roots of the system do not change a history.
std::shared_ptr<const TlsContext> client_context() {
  static const std::shared_ptr<const TlsContext> context = *TlsContext::client();
  return context;
}

}  // namespace

struct FalseNode::State {
  State(Config config, FalseWorld world, LogSink& log, ConnectionWatch watch)
      : life(std::make_shared<Life>()),
        wire(std::make_shared<Wire>(life, std::move(watch), std::list<std::weak_ptr<Held>>{},
                                    std::vector<std::weak_ptr<Listener>>{})),
        loop(world.loop, life),
        network(world.network, wire),
        resolver(world.resolver, life),
        offload(loop),
        core(LoadedConfig{std::move(config), {}}, log, metrics,
             NodeDoors{world.disk, loop.clock(), loop.random()}) {}

  LifePtr life;
  std::shared_ptr<Wire> wire;
  MortalLoop loop;
  MortalNetwork network;
  MortalResolver resolver;
  NoWeb web;
  MortalOffload offload;
  Metrics metrics;
  NodeCore core;
  ShardParts parts;
};

FalseNode::FalseNode(std::unique_ptr<State> state) : state_(std::move(state)) {}

void FalseNode::prepare() {
  (void)client_context();
}

FalseNode::~FalseNode() {
  kill();
}

Store& FalseNode::store() {
  return *state_->core.store;
}

NodeLoad FalseNode::load() {
  Admission& admission = *state_->core.admission;
  return {admission.connections(), admission.drafts(), heap_octets_of(state_->life->heap)};
}

void FalseNode::kill() {
  if (!state_) return;
  // Never destroyed: frames of tasks that wait for ever point into it.
  static std::vector<State*> graveyard;
  State* dead = graveyard.emplace_back(state_.release());
  dead->life->over = true;
  for (const auto& each : std::exchange(dead->wire->listeners, {})) {
    if (const auto listener = each.lock()) listener->close();
  }
  for (const auto& each : std::exchange(dead->wire->streams, {})) {
    if (const auto held = each.lock()) held->stream->close();
  }
  dead->core.store.reset();
}

Task<void> FalseNode::stop() {
  State& state = *state_;
  const Moment until = state.loop.clock().moment() + std::chrono::seconds(9);
  co_await state.core.stop(state.parts, NodeCore::ShardRole::first, until);
}

namespace {

// The rules that are built in, read once: they never change.
std::shared_ptr<const BounceRules> built_in_rules() {
  static const auto rules = [] {
    auto loaded = load_bounce_rules("");
    CHECK(loaded);
    return std::make_shared<const BounceRules>(std::move(*loaded));
  }();
  return rules;
}

void set_limits(NodeCore& core, ShardParts& parts, const FalseLimits& limits) {
  QueueOptions queue = queue_options(core.settings(), core.bounces);
  queue.limits = limits.queue;
  core.queue->set_options(std::move(queue));
  core.admission->set_limits(limits.admission);
  DispatcherOptions dispatcher = dispatcher_options(core.settings());
  dispatcher.connections = limits.connections;
  dispatcher.messages_per_connection = limits.messages_per_connection;
  dispatcher.dead_pause = limits.dead_pause;
  parts.dispatcher->set_options(std::move(dispatcher));
}

}  // namespace

Result<std::unique_ptr<FalseNode>> FalseNode::start(Config config, FalseWorld world,
                                                    std::unique_ptr<Store> store, LogSink& log,
                                                    ConnectionWatch watch,
                                                    const FalseLimits& limits) {
  auto state = std::make_unique<State>(std::move(config), world, log, std::move(watch));
  const HeapScope scope(state->life->heap);
  NodeCore& core = state->core;
  core.store = std::move(store);
  core.inbound_now =
      std::make_shared<const InboundOptions>(inbound_options(core.settings(), nullptr));
  core.pop3_now = std::make_shared<const Pop3Options>(pop3_options(core.settings(), nullptr));
  core.client_tls = client_context();
  core.bounces = built_in_rules();
  TRY(core.make_parts(0, &state->loop));
  static NoWeb no_web;
  core.make_shard(state->parts,
                  World{state->loop, state->network, state->resolver, no_web, state->offload});
  set_limits(core, state->parts, limits);
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const ListenerOption& option : core.settings().listeners)
    listeners.push_back(TRY(state->network.listen({option.address, false, 1024})));
  core.queue->start();
  // The event log asks ten times a second, for months: the laws have a cursor of their own.
  core.event_log = std::make_unique<EventLog>(state->loop, *core.readers, log);
  core.sweeps =
      std::make_unique<Sweeps>(state->loop, *core.committer, SweepOptions{}, state->metrics, log);
  core.sweeps->start();
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    const ListenerOption& option = core.settings().listeners[i];
    state->parts.acceptor->add(std::move(listeners[i]), {option.kind, option.trust, {}});
  }
  return std::unique_ptr<FalseNode>(new FalseNode(std::move(state)));
}

Endpoint false_node_address() {
  return {*IpAddress::parse(own_address), 25};
}

Config false_config() {
  auto parsed = parse_config(
      "hostname = \"mx.goniec.example\"\n[storage]\npath = \"/store\"\n[[listener]]\n"
      "kind = \"mx\"\naddress = \"10.0.0.1:25\"\ntrust = [\"10.0.0.0/8\"]\n",
      "false.toml");
  if (!parsed) std::fputs((text_of(parsed.error()) + "\n").c_str(), stderr);
  CHECK(parsed.has_value());
  Config config = std::move(parsed->config);
  config.local.aliases.clear();
  config.storage.path = "/store";
  config.limits.connections_per_address = 1000;
  return config;
}

}  // namespace goniec
