// See node.h. Making in the order of the arrows, ending in the opposite order.
#include "app/node.h"

#include <sys/stat.h>
#include <unistd.h>

#include "app/node_parts.h"
#include "base/text.h"
#include "base/thread_name.h"

namespace goniec {
namespace {

// Of the ten seconds that an end may take; the rest is for what comes after the deliveries.
constexpr Duration drain_time = std::chrono::seconds(9);
// What DNS and the web answer by then is of use yet; who is silent is waited for no longer.
constexpr Duration last_lookups = std::chrono::seconds(1);
constexpr std::size_t reader_threads = 2;
constexpr unsigned threads_for_search = 2;

std::size_t shard_count(const Config& config) {
  return config.shards > 0 ? config.shards : std::max(1u, std::thread::hardware_concurrency());
}

// Whoever is fetched from by https is who the URL names, or nobody.
Task<Result<std::unique_ptr<Stream>>> secure_web(std::shared_ptr<const TlsContext> context,
                                                 std::unique_ptr<Stream> plain, std::string host,
                                                 Moment deadline) {
  TlsOptions options;
  options.protocol = "http/1.1";
  options.server_name = std::move(host);
  options.verify = TlsVerify::pkix;
  auto secured =
      co_await start_tls_client(std::move(plain), std::move(context), std::move(options), deadline);
  if (secured) co_return std::move(*secured);
  const bool by_tls = secured.error().kind == ErrorKind::bad_data;
  co_return fail(by_tls ? ErrorKind::not_permitted : secured.error().kind, secured.error().message);
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
Result<void> Node::State::make_shard() {
  auto shard = std::make_unique<NodeShard>();
  NodeShard& made = *shard;
  made.resolver = TRY(UnboundResolver::make(made.loop, resolver_options(settings())));
  made.http = std::make_unique<HttpClient>(
      made.network, made.resolver.get(),
      [context = client_tls](std::unique_ptr<Stream> plain, std::string host, Moment deadline) {
        return secure_web(context, std::move(plain), std::move(host), deadline);
      });
  made.http->bound_connects(made.loop.clock());
  NodeCore::make_shard(made, World{made.loop, made.network, *made.resolver, *made.http, *offload});
  shards.push_back(std::move(shard));
  return {};
}

Result<void> Node::State::open_store() {
  StoreOptions options = store_options(settings(), log);
  options.apply = ApplyMode::own_thread;
  TRY(disk.make_directory(options.path));
  store = TRY(open_sqlite_store(options, disk, clock));
  return {};
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
  OffloadOptions offload_options;
  offload_options.threads = std::max(2u, std::thread::hardware_concurrency());
  state->offload = std::make_unique<OffloadPool>(offload_options);
  state->offload_door = state->offload.get();
  state->search_threads = std::make_unique<OffloadPool>(
      OffloadOptions{.threads = threads_for_search, .queue_limit = 64, .name = "search"});
  auto certificates = TRY(state->load_tls());
  TRY(state->own_storage());
  TRY(state->open_store());
  state->keep_transcript = [raw = state.get()](MessageId id, std::string site, std::string text) {
    if (raw->transcripts)
      raw->transcripts->keep({id, raw->clock.now(), std::move(site), std::move(text)});
  };
  state->bounces = TRY(read_bounce_rules(state->settings()));
  TRY(state->make_parts(reader_threads, nullptr));
  const std::size_t count = shard_count(state->settings());
  for (std::size_t i = 0; i < count; ++i) TRY(state->make_shard());
  TRY(state->bind_listeners());
  TRY(state->drop_privileges());
  state->make_reports();
  TRY(state->make_hooks());
  state->make_streams();
  state->open_transcripts();
  state->run_shards();
  state->start_projection();
  state->api = state->make_api();
  NodeShard& first = *state->shards.front();
  first.run([&] {
    state->start_duties(first);
    state->start_certificates(std::move(certificates));
    state->start_reports();
    state->hooks->start();
    state->start_streams();
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
      const bool is_first = &shard == state.shards.front().get();
      shard.resolver->end_by(shard.loop.clock().moment() + last_lookups);
      shard.http->end_by(shard.loop.clock().moment() + last_lookups);
      if (is_first) {
        state.live_tails.stop();
        co_await state.certificates->stop();
        co_await state.report_intake->stop();
        co_await state.report_sending->stop();
        co_await state.hooks->stop();
        co_await state.stop_streams();
      }
      co_await state.NodeCore::stop(shard, is_first ? ShardRole::first : ShardRole::other, until);
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
  state_->search_threads.reset();
  state_->offload.reset();
  state_->projector.reset();
  state_->readers.reset();
  state_->committer.reset();
  state_->shards.clear();
}

void Node::wait() {
  state_->stop_asked.get_future().wait();
  state_->drain();
  state_->stop_projection();
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
  LoadedCertificates loaded_pairs = TRY(load_certificates(disk, certificate_files(fresh)));
  std::shared_ptr<const TlsContext> server = loaded_pairs.context;
  const auto rules = TRY(read_bounce_rules(fresh));
  TRY(directory->reload_alias_files(fresh.local.aliases));
  // From here nothing can fail: the old config is replaced as a whole.
  {
    std::lock_guard lock(mutex);
    server_tls = server;
    certificates_in_use = loaded_pairs.in_use;
    bounces = rules;
    pop3_now = std::make_shared<const Pop3Options>(pop3_options(fresh, server));
    inbound_now = std::make_shared<const InboundOptions>(inbound_for(fresh, std::move(server)));
  }
  shards.front()->loop.post(
      [this, pairs = std::move(loaded_pairs)]() mutable { certificates->set(std::move(pairs)); });
  queue->set_options(queue_options(fresh, rules));
  logins->set_limits(login_limits(fresh));
  admission->set_limits(admission_limits(fresh));
  for (auto& shard : shards) {
    NodeShard& parts = *shard;
    parts.loop.post([&parts, hosts = hosts_options(fresh), dispatch = dispatch_options(fresh),
                     ask = dispatcher_options(fresh)]() mutable {
      parts.hosts->set_options(std::move(hosts));
      parts.probe->set_options(std::move(ask));
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
