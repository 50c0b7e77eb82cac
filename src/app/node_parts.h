// The inside of Node: what one shard holds, and the state that node.cc, listeners.cc and
// node_calls.cc share.
#pragma once
#include <future>
#include <mutex>
#include <thread>

#include "accounts/directory.h"
#include "accounts/login.h"
#include "accounts/mailbox.h"
#include "accounts/verify_cache.h"
#include "api/call.h"
#include "app/node.h"
#include "app/options.h"
#include "duties/maillog.h"
#include "duties/notices.h"
#include "duties/sweeps.h"
#include "inbound/acceptor.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/resolver.h"
#include "net/tcp.h"
#include "outbound/dispatcher.h"
#include "outbound/recipient_probe.h"
#include "reading/pop3_acceptor.h"
#include "run/disk.h"
#include "run/offload.h"
#include "run/shard.h"
#include "run/system.h"
#include "store/committer.h"

namespace goniec {

// One thread and all that lives on its loop. The order is the order of making.
struct NodeShard {
  Shard loop;
  SystemNetwork network;
  std::unique_ptr<UnboundResolver> resolver;
  std::unique_ptr<HttpClient> http;
  std::optional<World> world;
  std::unique_ptr<Hosts> hosts;
  std::unique_ptr<LocalDelivery> local;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<RecipientProbe> probe;
  std::optional<InboundParts> inbound;
  std::unique_ptr<Acceptor> acceptor;
  std::optional<Pop3Parts> pop3;
  std::unique_ptr<Pop3Acceptor> pop3_acceptor;
  std::unique_ptr<HttpServer> web;
  std::thread thread;

  NodeShard() : network(loop) {}
  // Runs `work` on the loop and waits for it. Not from the loop itself.
  template <class F>
  auto run(F work) {
    std::promise<std::invoke_result_t<F>> done;
    auto future = done.get_future();
    loop.post([&] {
      if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
        work();
        done.set_value();
      } else {
        done.set_value(work());
      }
    });
    return future.get();
  }
};

// A listener that is bound and not yet accepting.
struct BoundListener {
  ListenerOption option;
  std::vector<std::unique_ptr<Listener>> per_shard;  // mail; http and admin: the first shard's only
  Endpoint address;                                  // as bound
};

struct Node::State {
  LoadedConfig config;             // replaced by a reload, under the mutex
  const std::string storage_path;  // never changes while the node lives
  LogSink& log;
  Metrics& metrics;
  SystemDisk disk;
  SystemClock clock;
  SystemRandom random;

  std::unique_ptr<Store> store;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<ReaderPool> readers;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<Logins> logins;
  std::unique_ptr<Mailboxes> mailboxes;
  std::unique_ptr<Admission> admission;
  VerifyCache verified_recipients;
  std::unique_ptr<OffloadPool> offload;
  std::unique_ptr<Queue> queue;
  std::unique_ptr<Notices> notices;
  IntakeOptions intake;
  std::vector<std::unique_ptr<NodeShard>> shards;
  std::vector<BoundListener> bound;
  std::unique_ptr<ApiContext> api;
  std::unique_ptr<EventLog> event_log;  // on the first shard, and:
  std::unique_ptr<Sweeps> sweeps;

  mutable std::mutex mutex;  // what a reload replaces
  std::shared_ptr<const InboundOptions> inbound_now;
  std::shared_ptr<const Pop3Options> pop3_now;
  std::shared_ptr<const TlsContext> client_tls;
  std::promise<void> stop_asked;
  bool stop_was_asked = false;

  State(LoadedConfig loaded, LogSink& sink, Metrics& registry)
      : config(std::move(loaded)),
        storage_path(config.config.storage.path),
        log(sink),
        metrics(registry) {}

  const Config& settings() const { return config.config; }
  std::shared_ptr<const InboundOptions> inbound_options_now() const {
    std::lock_guard lock(mutex);
    return inbound_now;
  }
  std::shared_ptr<const Pop3Options> pop3_options_now() const {
    std::lock_guard lock(mutex);
    return pop3_now;
  }
  void say(LogLevel level, std::string event, std::string text);

  // node.cc
  Result<void> open_store();
  Result<void> make_parts();
  Result<void> make_shard();
  Result<void> load_tls();
  Pop3Admission admit_reader(const IpAddress& address);
  Task<bool> is_over_quota(Loop& loop, Address mailbox, std::uint64_t octets);
  void run_shards();
  Result<void> reload();
  void drain();
  void end_shards();
  // listeners.cc
  Result<void> own_storage();  // root: the folder belongs to the user it will run as
  Result<void> bind_listeners();
  Result<void> drop_privileges();
  void serve_listeners();
  Result<void> open_sockets();
  Result<void> write_listeners_file() const;
  std::string listeners_json() const;
  // node_calls.cc
  std::unique_ptr<ApiContext> make_api();
  HttpHandler handler(ApiDoor door);
  Task<HttpReply> answer_http(ApiDoor door, HttpCall call);
  Task<std::string> explain_route(Address address);
};

bool same_listeners(const Config& a, const Config& b);
// Becomes `user` for good (groups too). not_permitted with the reason.
Result<void> become_user(const std::string& user);
// Tells the service manager (sd_notify), when there is one.
void notify_service_manager(std::string_view state);

}  // namespace goniec
