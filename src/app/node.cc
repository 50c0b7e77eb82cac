// See node.h. Making in the order of the arrows, ending in the opposite order.
#include "app/node.h"

#include <sys/stat.h>
#include <unistd.h>

#include "app/node_parts.h"
#include "base/text.h"
#include "base/thread_name.h"

namespace goniec {
namespace {

constexpr Duration drain_time = std::chrono::seconds(10);
constexpr std::size_t reader_threads = 2;

std::size_t shard_count(const Config& config) {
  return config.shards > 0 ? config.shards : std::max(1u, std::thread::hardware_concurrency());
}

ResolverOptions resolver_options(const Config& config) {
  ResolverOptions options;
  for (const Endpoint& server : config.resolver.servers) options.servers.push_back(server.text());
  options.trust_anchor_file = config.resolver.trust_anchor;
  switch (config.resolver.dnssec) {
    case DnssecMode::automatic:
      options.dnssec = Dnssec::automatic;
      break;
    case DnssecMode::require:
      options.dnssec = Dnssec::required;
      break;
    case DnssecMode::off:
      options.dnssec = Dnssec::off;
      break;
  }
  return options;
}

}  // namespace

void Node::State::say(LogLevel level, std::string event, std::string text) {
  LogRecord record;
  record.at = clock.now();
  record.level = level;
  record.event = std::move(event);
  record.program = "master";
  record.text = std::move(text);
  log.write(std::move(record));
}

// ---------------------------------------------------------------- making
Result<void> Node::State::open_store() {
  StoreOptions options;
  options.path = storage_path;
  options.log = &log;
  options.apply = ApplyMode::own_thread;
  TRY(disk.make_directory(options.path));
  store = TRY(open_sqlite_store(options, disk, clock));
  return {};
}

Result<void> Node::State::load_tls() {
  std::shared_ptr<const TlsContext> server;
  if (settings().tls.given()) {
    TlsCertificate certificate =
        TRY(read_certificate(disk, settings().tls.certificate, settings().tls.key));
    server = TRY(TlsContext::server({std::move(certificate)}));
  }
  TlsClientTrust trust;
  trust.roots = TlsTrust::system;
  auto client = TRY(TlsContext::client(trust));
  std::lock_guard lock(mutex);
  pop3_now = std::make_shared<const Pop3Options>(pop3_options(settings(), server));
  inbound_now =
      std::make_shared<const InboundOptions>(inbound_options(settings(), std::move(server)));
  if (!client_tls) client_tls = std::move(client);
  return {};
}

Result<void> Node::State::make_parts() {
  committer = std::make_unique<Committer>(*store, CommitterLimits{}, metrics, log);
  readers = std::make_unique<ReaderPool>(*store, reader_threads);
  auto reader = TRY(store->reader());
  directory = TRY(Directory::open(directory_options(settings()), *committer, *reader));
  logins = std::make_unique<Logins>(*directory, login_limits(settings()), metrics, random);
  mailboxes = std::make_unique<Mailboxes>(*directory, *committer, *readers);
  admission = std::make_unique<Admission>(admission_limits(settings()), metrics);
  OffloadOptions offload_options;
  offload_options.threads = std::max(2u, std::thread::hardware_concurrency());
  offload = std::make_unique<OffloadPool>(offload_options);
  queue = std::make_unique<Queue>(queue_options(settings()), *committer, *readers, metrics, log);
  intake = intake_options(settings());
  notices = std::make_unique<Notices>(*queue, *directory, intake, metrics, log);
  queue->set_notice_maker(*notices);
  return {};
}

Result<void> Node::State::make_shard() {
  auto shard = std::make_unique<NodeShard>();
  NodeShard& parts = *shard;
  parts.resolver = TRY(UnboundResolver::make(parts.loop, resolver_options(settings())));
  parts.http = std::make_unique<HttpClient>(parts.network, parts.resolver.get());
  parts.world.emplace(World{parts.loop, parts.network, *parts.resolver, *parts.http, *offload});
  parts.hosts = std::make_unique<Hosts>(hosts_options(settings()), *parts.world);
  parts.local = std::make_unique<LocalDelivery>(*directory, *readers, *queue, parts.loop);
  parts.dispatcher =
      std::make_unique<Dispatcher>(dispatcher_options(settings()), *parts.hosts, *queue,
                                   *parts.local, client_tls, *parts.world, metrics, log);
  parts.probe = std::make_unique<RecipientProbe>(dispatcher_options(settings()), *parts.hosts,
                                                 verified_recipients, client_tls, *parts.world);
  queue->add_shard(parts.loop, *parts.dispatcher);
  Loop& loop = parts.loop;
  parts.inbound.emplace(InboundParts{
      .world = *parts.world,
      .queue = *queue,
      .directory = *directory,
      .logins = *logins,
      .admission = *admission,
      .metrics = metrics,
      .log = log,
      .options = [this] { return inbound_options_now(); },
      .store_health = [this] { return store->health(); },
      .is_over_quota =
          [this, &loop](Address mailbox, std::uint64_t octets) {
            return is_over_quota(loop, std::move(mailbox), octets);
          },
      .verify_recipient =
          [&parts](Address recipient) { return parts.probe->ask(std::move(recipient)); },
  });
  parts.acceptor = std::make_unique<Acceptor>(*parts.inbound);
  parts.pop3.emplace(Pop3Parts{
      .world = *parts.world,
      .mailboxes = *mailboxes,
      .logins = *logins,
      .metrics = metrics,
      .log = log,
      .options = [this] { return pop3_options_now(); },
      .admit = [this](const IpAddress& address) { return admit_reader(address); },
  });
  parts.pop3_acceptor = std::make_unique<Pop3Acceptor>(*parts.pop3);
  parts.web = std::make_unique<HttpServer>(parts.loop, HttpServerOptions{});
  shards.push_back(std::move(shard));
  return {};
}

Pop3Admission Node::State::admit_reader(const IpAddress& address) {
  Admission::Answer answer = admission->admit(address, store->health().sealed);
  if (answer.refusal) return Pop3Admission{nullptr, answer.refusal->lines.at(0)};
  return Pop3Admission{std::make_shared<Admission::Ticket>(std::move(answer.ticket)), {}};
}

Task<bool> Node::State::is_over_quota(Loop& loop, Address mailbox, std::uint64_t octets) {
  auto user = directory->user(mailbox);
  if (!user || user->quota_octets == 0) co_return false;
  auto answer = co_await mailboxes->check_quota(loop, std::move(mailbox), octets);
  co_return answer && *answer == QuotaAnswer::full;
}

void Node::State::run_shards() {
  for (auto& shard : shards)
    shard->thread = std::thread([loop = &shard->loop] {
      name_this_thread("shard");
      loop->run();
    });
  queue->start();
}

Result<std::unique_ptr<Node>> Node::start(LoadedConfig config, LogSink& log, Metrics& metrics) {
  auto state = std::make_unique<State>(std::move(config), log, metrics);
  TRY(state->load_tls());
  TRY(state->own_storage());
  TRY(state->open_store());
  TRY(state->make_parts());
  const std::size_t count = shard_count(state->settings());
  for (std::size_t i = 0; i < count; ++i) TRY(state->make_shard());
  TRY(state->bind_listeners());
  TRY(state->drop_privileges());
  state->run_shards();
  state->api = state->make_api();
  NodeShard& first = *state->shards.front();
  state->event_log = std::make_unique<EventLog>(first.loop, *state->readers, log);
  SweepOptions sweep;
  sweep.keep_events = [state = state.get()] {
    std::lock_guard lock(state->mutex);
    return state->settings().retention.events;
  };
  state->sweeps = std::make_unique<Sweeps>(first.loop, *state->committer, sweep, metrics, log);
  first.run([&] {
    state->event_log->start();
    state->sweeps->start();
  });
  Result<void> opened = state->open_sockets();
  if (opened) {
    state->serve_listeners();
    opened = state->write_listeners_file();
  }
  std::unique_ptr<Node> node(new Node(std::move(state)));
  if (!opened) {
    node->stop();
    node->wait();
    return std::unexpected(opened.error());
  }
  return node;
}

// ---------------------------------------------------------------- ending
void Node::State::drain() {
  const Moment deadline = clock.moment() + drain_time - std::chrono::seconds(1);
  std::vector<std::future<void>> ends;
  struct End {
    static Task<void> run(State& state, NodeShard& shard, Moment until,
                          std::shared_ptr<std::promise<void>> done) {
      co_await shard.acceptor->stop(until - std::chrono::seconds(1));
      co_await shard.pop3_acceptor->stop(until - std::chrono::seconds(1));
      co_await shard.web->stop();
      co_await shard.dispatcher->stop(until);
      if (&shard == state.shards.front().get()) {
        co_await state.sweeps->stop();
        co_await state.queue->stop(shard.loop);
        co_await state.event_log->stop();
      }
      done->set_value();
    }
  };
  for (auto& shard : shards) {
    auto done = std::make_shared<std::promise<void>>();
    ends.push_back(done->get_future());
    shard->loop.post([this, part = shard.get(), deadline, done] {
      spawn(End::run(*this, *part, deadline, done));
    });
  }
  const auto limit = std::chrono::steady_clock::now() + drain_time;
  for (auto& end : ends) {
    if (end.wait_until(limit) == std::future_status::ready) continue;
    // What still runs is in the queue, durable: a restart takes it up. Nothing is lost by leaving
    // now.
    say(LogLevel::warning, "drain.cut",
        "stopping with deliveries under way; they stay in the queue");
    log.flush();
    ::unlink((storage_path + "/listeners.json").c_str());
    std::_Exit(0);
  }
}

void Node::State::end_shards() {
  for (auto& shard : shards) shard->loop.stop();
  for (auto& shard : shards)
    if (shard->thread.joinable()) shard->thread.join();
}

Node::Node(std::unique_ptr<State> state) : state_(std::move(state)) {}

// Answers of the pools go to loops: the pools end while the loops still stand.
Node::~Node() {
  if (!state_) return;
  state_->api.reset();
  state_->offload.reset();
  state_->readers.reset();
  state_->committer.reset();
  state_->shards.clear();
}

void Node::wait() {
  state_->stop_asked.get_future().wait();
  state_->drain();
  ::unlink((state_->storage_path + "/listeners.json").c_str());
  state_->end_shards();
}

void Node::stop() {
  std::lock_guard lock(state_->mutex);
  if (!std::exchange(state_->stop_was_asked, true)) state_->stop_asked.set_value();
}

std::string Node::listeners_json() const {
  return state_->listeners_json();
}

// ---------------------------------------------------------------- reload
Result<void> Node::State::reload() {
  auto loaded = load_config(settings().file);
  if (!loaded) return fail(ErrorKind::config, text_of(loaded.error()));
  if (auto problems = check_config(loaded->config); !problems.empty())
    return fail(ErrorKind::config, text_of(problems));
  const Config& fresh = loaded->config;
  std::shared_ptr<const TlsContext> server;
  if (fresh.tls.given()) {
    TlsCertificate certificate = TRY(read_certificate(disk, fresh.tls.certificate, fresh.tls.key));
    server = TRY(TlsContext::server({std::move(certificate)}));
  }
  TRY(directory->reload_alias_files(fresh.local.aliases));
  // From here nothing can fail: the old config is replaced as a whole.
  {
    std::lock_guard lock(mutex);
    pop3_now = std::make_shared<const Pop3Options>(pop3_options(fresh, server));
    inbound_now = std::make_shared<const InboundOptions>(inbound_options(fresh, std::move(server)));
  }
  queue->set_options(queue_options(fresh));
  logins->set_limits(login_limits(fresh));
  admission->set_limits(admission_limits(fresh));
  for (auto& shard : shards) {
    NodeShard& parts = *shard;
    parts.loop.post(
        [&parts, hosts = hosts_options(fresh), dispatch = dispatcher_options(fresh)]() mutable {
          parts.hosts->set_options(std::move(hosts));
          parts.probe->set_options(dispatch);
          parts.dispatcher->set_options(std::move(dispatch));
        });
  }
  if (!same_listeners(fresh, settings()))
    say(LogLevel::warning, "reload.listeners",
        "warning: listeners changed in the config; they take effect at a restart");
  std::lock_guard lock(mutex);
  config = std::move(*loaded);
  say(LogLevel::info, "reload.done", "configuration reloaded");
  return {};
}

Config Node::config() const {
  std::lock_guard lock(state_->mutex);
  return state_->settings();
}

Result<void> Node::reload() {
  return state_->reload();
}

}  // namespace goniec
