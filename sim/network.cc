// A stream is one of two Ends. Bytes written at one end are put into the other's `arrived` by a
// timer.
#include "sim/network.h"

#include <algorithm>
#include <cerrno>
#include <deque>

namespace goniec {
namespace {

struct End;
using EndPtr = std::shared_ptr<End>;

std::unexpected<Error> fail_closed(std::string message) {
  return fail(ErrorKind::closed, std::move(message));
}

}  // namespace

struct SimNetwork::State : std::enable_shared_from_this<State> {
  State(SimLoop& world, std::uint64_t seed, SimNetworkOptions given)
      : loop(world), random(seed), options(given) {}

  struct Queue {  // of one listener
    std::deque<std::unique_ptr<Stream>> waiting;
    bool closed = false;
    bool shared = false;  // reuse_port
    Signal changed;
  };

  SimLoop& loop;
  SystemRandom random;
  SimNetworkOptions options;
  std::multimap<Endpoint, std::shared_ptr<Queue>> listeners;
  std::map<std::string, std::shared_ptr<Queue>> unix_listeners;
  std::set<IpAddress> unreachable, silent;
  std::vector<std::weak_ptr<End>> ends;  // what is gone is swept when there are twice as many
  std::size_t sweep_ends_at = 64;
  std::uint16_t next_port = 40'000;

  Duration latency() {
    const auto span = options.longest - options.shortest;
    const auto extra = random.below(static_cast<std::uint64_t>(span.count()) + 1);
    return options.shortest + Duration(static_cast<Duration::rep>(extra));
  }
  std::shared_ptr<Queue> find(const Endpoint& to);
  std::pair<EndPtr, EndPtr> pair(Endpoint client, Endpoint server);
};

namespace {

struct End final : Timer {
  explicit End(std::shared_ptr<SimNetwork::State> shared) : network(std::move(shared)) {}

  std::shared_ptr<SimNetwork::State> network;
  std::weak_ptr<End> peer;
  Endpoint local, remote;
  std::optional<PeerCredentials> credentials;
  std::string arrived;
  std::size_t on_the_way = 0;  // octets that the peer wrote and this end has not read
  Moment last_arrival{};       // of what this end wrote: nothing overtakes
  Moment deadline = Moment::max();
  bool peer_ended = false, write_ended = false, closed = false, reset = false, timed_out = false;
  Signal changed;

  ~End() override {
    if (is_armed()) network->loop.disarm(*this);
  }
  std::optional<Error> failure() const {
    if (timed_out) return Error{ErrorKind::timed_out, "the time for this step is over", 0};
    if (closed) return Error{ErrorKind::closed, "the connection is closed", 0};
    if (reset) return Error{ErrorKind::closed, "connection reset by peer", ECONNRESET};
    return std::nullopt;
  }
  void set_deadline(Moment moment) {
    if (closed) return;
    deadline = moment;
    timed_out = false;
    network->loop.disarm(*this);
    if (moment != Moment::max()) network->loop.arm(*this, moment);
  }
  void fire() override {
    timed_out = true;
    changed.notify_all();
  }
  void be_reset() {
    if (std::exchange(reset, true)) return;
    arrived.clear();
    changed.notify_all();
  }
};

// Something this end did reaches the other after the latency, in order.
void deliver(const EndPtr& from, std::move_only_function<void(const EndPtr& to)> effect) {
  SimNetwork::State& network = *from->network;
  const Moment arrives =
      std::max(from->last_arrival, network.loop.clock().moment() + network.latency());
  from->last_arrival = arrives;
  // Both ends live until it has arrived.
  network.loop.at(arrives, [from, to = from->peer.lock(), act = std::move(effect)]() mutable {
    if (to) act(to);
  });
}

void reset_peer(const EndPtr& end) {
  deliver(end, [](const EndPtr& to) { to->be_reset(); });
}

void end_writing(const EndPtr& end) {
  if (std::exchange(end->write_ended, true)) return;
  deliver(end, [](const EndPtr& to) {
    to->peer_ended = true;
    to->changed.notify_all();
  });
}

void close_end(const EndPtr& end) {
  if (std::exchange(end->closed, true)) return;
  if (end->is_armed()) end->network->loop.disarm(*end);
  // RFC 9293 §3.6: closing with unread bytes is a reset.
  if (end->arrived.empty()) {
    end_writing(end);
  } else {
    reset_peer(end);
  }
  end->changed.notify_all();
}

struct Yield {
  SimLoop& loop;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    loop.post([waiter] { waiter.resume(); });
  }
  void await_resume() const {}
};

Task<Result<void>> wait_readable(EndPtr end) {
  for (;;) {
    if (auto failure = end->failure()) co_return std::unexpected(std::move(*failure));
    if (!end->arrived.empty() || end->peer_ended) co_return Result<void>{};
    co_await end->changed.wait();
  }
}

Task<Result<std::size_t>> read_some(EndPtr end, std::span<char> into) {
  SimNetwork::State& network = *end->network;
  if (network.random.below(4) == 0) co_await Yield{network.loop};
  for (;;) {
    if (auto failure = end->failure()) co_return std::unexpected(std::move(*failure));
    if (into.empty()) co_return std::size_t{0};
    if (!end->arrived.empty()) break;
    if (end->peer_ended) co_return std::size_t{0};
    co_await end->changed.wait();
  }
  std::size_t count = std::min(into.size(), end->arrived.size());
  if (network.options.partial_reads) count = 1 + network.random.below(count);
  std::copy_n(end->arrived.begin(), count, into.begin());
  end->arrived.erase(0, count);
  end->on_the_way -= count;
  if (const EndPtr peer = end->peer.lock()) peer->changed.notify_all();
  co_return count;
}

void send_piece(const EndPtr& end, const EndPtr& peer, std::string piece) {
  peer->on_the_way += piece.size();
  deliver(end, [end, bytes = std::move(piece)](const EndPtr& to) {
    if (to->closed || to->reset) {
      if (!end->closed) reset_peer(to);
      return;
    }
    to->arrived += bytes;
    to->changed.notify_all();
  });
}

Task<Result<void>> write_all(EndPtr end, std::string_view bytes) {
  SimNetwork::State& network = *end->network;
  const EndPtr peer = end->peer.lock();
  while (!bytes.empty()) {
    if (auto failure = end->failure()) co_return std::unexpected(std::move(*failure));
    if (end->write_ended) co_return fail_closed("this side has ended");
    if (!peer) co_return fail_closed("the peer is gone");
    if (network.random.below(1'000'000) < network.options.resets_a_million) {
      reset_peer(end);
      end->be_reset();
      continue;
    }
    const std::size_t room =
        network.options.window - std::min(network.options.window, peer->on_the_way);
    if (room == 0) {
      co_await end->changed.wait();
      continue;
    }
    const std::size_t count = std::min(room, bytes.size());
    send_piece(end, peer, std::string(bytes.substr(0, count)));
    bytes.remove_prefix(count);
  }
  co_return Result<void>{};
}

class SimStream final : public Stream {
 public:
  explicit SimStream(EndPtr end) : end_(std::move(end)) {}
  ~SimStream() override { close_end(end_); }
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;
  Task<Result<void>> readable() override { return wait_readable(end_); }
  Task<Result<std::size_t>> read(std::span<char> into) override { return read_some(end_, into); }
  Task<Result<void>> write(std::string_view bytes) override { return write_all(end_, bytes); }
  void set_deadline(Moment deadline) override { end_->set_deadline(deadline); }
  void shutdown_write() override {
    if (!end_->closed) end_writing(end_);
  }
  void close() override { close_end(end_); }
  Endpoint local() const override { return end_->local; }
  Endpoint remote() const override { return end_->remote; }
  std::optional<PeerCredentials> credentials() const override { return end_->credentials; }

 private:
  EndPtr end_;
};

using Queue = SimNetwork::State::Queue;

Task<Result<std::unique_ptr<Stream>>> accept_from(std::shared_ptr<Queue> queue) {
  while (queue->waiting.empty() && !queue->closed) co_await queue->changed.wait();
  if (queue->closed) co_return fail_closed("the listener is closed");
  auto stream = std::move(queue->waiting.front());
  queue->waiting.pop_front();
  co_return stream;
}

class SimListener final : public Listener {
 public:
  SimListener(std::shared_ptr<SimNetwork::State> network, std::shared_ptr<Queue> queue,
              Endpoint local)
      : network_(std::move(network)), queue_(std::move(queue)), local_(local) {}
  ~SimListener() override { close(); }
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;
  Task<Result<std::unique_ptr<Stream>>> accept() override { return accept_from(queue_); }
  void close() override {
    if (std::exchange(queue_->closed, true)) return;
    std::erase_if(network_->listeners, [this](const auto& each) { return each.second == queue_; });
    std::erase_if(network_->unix_listeners,
                  [this](const auto& each) { return each.second == queue_; });
    queue_->waiting.clear();
    queue_->changed.notify_all();
  }
  Endpoint local() const override { return local_; }

 private:
  std::shared_ptr<SimNetwork::State> network_;
  std::shared_ptr<Queue> queue_;
  Endpoint local_;
};

Endpoint any_of(const Endpoint& endpoint) {
  Endpoint any;
  any.address.v6 = endpoint.address.v6;
  any.port = endpoint.port;
  return any;
}

// The address a caller has by itself: loopback for loopback, else one of its own.
IpAddress caller_address(const IpAddress& to) {
  if (to.is_loopback()) return to;
  return *IpAddress::parse(to.v6 ? "2001:db8:ffff::1" : "10.255.0.1");
}

Task<Result<std::unique_ptr<Stream>>> enter(std::shared_ptr<SimNetwork::State> network,
                                            std::shared_ptr<Queue> queue, Endpoint from,
                                            Endpoint to,
                                            std::optional<PeerCredentials> credentials) {
  auto [client, server] = network->pair(from, to);
  server->credentials = credentials;
  queue->waiting.push_back(std::make_unique<SimStream>(server));
  queue->changed.notify_all();
  co_return std::make_unique<SimStream>(client);
}

Task<Result<std::unique_ptr<Stream>>> connect_tcp(std::shared_ptr<SimNetwork::State> network,
                                                  Endpoint to, std::optional<IpAddress> from,
                                                  Moment deadline) {
  const std::string what = "connect to " + to.text();
  if (network->unreachable.contains(to.address)) co_return fail_errno(what, ENETUNREACH);
  const Moment arrives = network->silent.contains(to.address)
                             ? Moment::max()
                             : network->loop.clock().moment() + network->latency() * 2;
  co_await network->loop.sleep_until(std::min(arrives, deadline));
  if (arrives > deadline) co_return fail(ErrorKind::timed_out, what + ": no answer in time");
  const auto queue = network->find(to);
  if (!queue) co_return fail_errno(what, ECONNREFUSED);
  const Endpoint self{from ? *from : caller_address(to.address), network->next_port++};
  co_return co_await enter(network, queue, self, to, std::nullopt);
}

Task<Result<std::unique_ptr<Stream>>> connect_path(std::shared_ptr<SimNetwork::State> network,
                                                   std::string path, PeerCredentials credentials) {
  co_await network->loop.sleep(network->options.shortest);
  const auto found = network->unix_listeners.find(path);
  if (found == network->unix_listeners.end()) {
    co_return fail(ErrorKind::not_running, "connect to " + path + ": nobody listens", ECONNREFUSED);
  }
  co_return co_await enter(network, found->second, {}, {}, credentials);
}

}  // namespace

std::shared_ptr<SimNetwork::State::Queue> SimNetwork::State::find(const Endpoint& to) {
  auto range = listeners.equal_range(to);
  if (range.first == range.second) range = listeners.equal_range(any_of(to));
  const auto count = static_cast<std::uint64_t>(std::distance(range.first, range.second));
  if (count == 0) return nullptr;
  return std::next(range.first, static_cast<std::ptrdiff_t>(random.below(count)))->second;
}

std::pair<EndPtr, EndPtr> SimNetwork::State::pair(Endpoint client, Endpoint server) {
  const auto shared = shared_from_this();
  auto near = std::make_shared<End>(shared), far = std::make_shared<End>(shared);
  near->peer = far;
  far->peer = near;
  near->local = far->remote = client;
  near->remote = far->local = server;
  if (ends.size() >= sweep_ends_at) {
    std::erase_if(ends, [](const auto& each) {
      const EndPtr end = each.lock();
      return !end || end->closed;
    });
    sweep_ends_at = std::max<std::size_t>(64, 2 * ends.size());
  }
  ends.push_back(near);
  ends.push_back(far);
  return {near, far};
}

SimNetwork::SimNetwork(SimLoop& loop, std::uint64_t seed, SimNetworkOptions options)
    : state_(std::make_shared<State>(loop, seed, options)) {}
SimNetwork::~SimNetwork() = default;

Result<std::unique_ptr<Listener>> SimNetwork::listen(ListenOptions options) {
  Endpoint endpoint = options.endpoint;
  if (endpoint.port == 0) endpoint.port = state_->next_port++;
  for (auto [at, end] = state_->listeners.equal_range(endpoint); at != end; ++at) {
    if (!options.reuse_port || !at->second->shared) {
      return fail(ErrorKind::conflict, "listen on " + endpoint.text() + ": in use", EADDRINUSE);
    }
  }
  auto queue = std::make_shared<State::Queue>();
  queue->shared = options.reuse_port;
  state_->listeners.emplace(endpoint, queue);
  return std::make_unique<SimListener>(state_, std::move(queue), endpoint);
}

Result<std::unique_ptr<Listener>> SimNetwork::listen_unix(std::string path, unsigned) {
  if (state_->unix_listeners.contains(path)) {
    return fail(ErrorKind::conflict, "listen on " + path + ": another process listens there");
  }
  auto queue = std::make_shared<State::Queue>();
  state_->unix_listeners.emplace(std::move(path), queue);
  return std::make_unique<SimListener>(state_, std::move(queue), Endpoint{});
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect(Endpoint to,
                                                          std::optional<IpAddress> from,
                                                          Moment deadline) {
  ++connects;
  return connect_tcp(state_, to, from, deadline);
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect_unix(std::string path, Moment) {
  ++connects;
  return connect_path(state_, std::move(path), credentials);
}

void SimNetwork::set_options(SimNetworkOptions options) {
  state_->options = options;
}

void SimNetwork::set_unreachable(const IpAddress& host, bool unreachable) {
  if (unreachable) {
    state_->unreachable.insert(host);
  } else {
    state_->unreachable.erase(host);
  }
}

void SimNetwork::set_silent(const IpAddress& host, bool silent) {
  if (silent) {
    state_->silent.insert(host);
  } else {
    state_->silent.erase(host);
  }
}

void SimNetwork::reset_all() {
  for (const auto& weak : std::exchange(state_->ends, {})) {
    if (const EndPtr end = weak.lock()) end->be_reset();
  }
}

}  // namespace goniec
