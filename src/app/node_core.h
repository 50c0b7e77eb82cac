// What a node is made of, apart from what it stands on: the parts that all shards share, and those
// that live on one loop. Node (node.h) gives them threads, the kernel's doors and privileges; the
// simulation (sim/) a false world. No logic: a part gets its Options from the config (options.cc)
// and its neighbours by reference.
//
//   store -> make_parts() -> make_shard() a loop -> queue->start() -> start_duties() -> listeners
//   stop() a shard -> reset in the opposite order
#pragma once
#include <memory>
#include <mutex>

#include "accounts/api_keys.h"
#include "accounts/directory.h"
#include "accounts/forwarding.h"
#include "accounts/links.h"
#include "accounts/login.h"
#include "accounts/mailbox.h"
#include "accounts/signing_keys.h"
#include "accounts/streams.h"
#include "accounts/suppressions.h"
#include "accounts/templates.h"
#include "accounts/verify_cache.h"
#include "app/options.h"
#include "duties/api_upkeep.h"
#include "duties/depth_watch.h"
#include "duties/key_watch.h"
#include "duties/maillog.h"
#include "duties/notices.h"
#include "duties/sweeps.h"
#include "inbound/acceptor.h"
#include "intake/idempotency.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "outbound/dispatcher.h"
#include "outbound/mta_sts_cache.h"
#include "outbound/outbound_tls.h"
#include "outbound/recipient_probe.h"
#include "reading/pop3_acceptor.h"
#include "store/committer.h"

namespace goniec {

// What lives on one loop, in the order of making.
struct ShardParts {
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
};

struct NodeDoors {
  Disk& disk;
  Clock& clock;
  Random& random;
};

struct NodeCore {
  LoadedConfig config;             // replaced by a reload, under the mutex
  const std::string storage_path;  // never changes while the node lives
  LogSink& log;
  Metrics& metrics;
  NodeDoors doors;

  std::unique_ptr<Store> store;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<ReaderPool> readers;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<Logins> logins;
  std::unique_ptr<Mailboxes> mailboxes;
  std::unique_ptr<Admission> admission;
  VerifyCache verified_recipients;
  // Set before make_parts(); a reload replaces it, under the mutex.
  std::shared_ptr<const BounceRules> bounces = std::make_shared<const BounceRules>();
  std::unique_ptr<Queue> queue;
  std::unique_ptr<Notices> notices;
  SigningKeys signing_keys;
  Templates templates;
  Streams streams;
  Suppressions suppressions;
  ApiKeys api_keys;
  Idempotency idempotency;
  Forwarding forwarding;
  Links links;
  IntakeOptions intake;
  std::unique_ptr<EventLog> event_log;  // on the first shard, and:
  std::unique_ptr<Sweeps> sweeps;
  std::unique_ptr<DepthWatch> depth_watch;
  std::unique_ptr<KeyWatch> key_watch;
  std::unique_ptr<ApiUpkeep> api_upkeep;

  Offload* offload_door = nullptr;  // of the first shard

  mutable std::mutex mutex;  // what a reload replaces
  std::shared_ptr<const InboundOptions> inbound_now;
  std::shared_ptr<const Pop3Options> pop3_now;
  std::shared_ptr<const TlsContext> client_tls, server_tls;
  std::vector<CertificateInUse> certificates_in_use;
  std::shared_ptr<const TrustRoots> roots;  // null: nobody vouches for other servers

  std::unique_ptr<MtaStsCache> mta_sts;
  std::shared_ptr<const OutboundTls> outbound_tls;
  // Hears of each TLS session with another server, on its shard's loop. Set before the shards run.
  std::function<void(const TlsSession&)> tls_session_heard;
  // Hears of each judged message, on its shard's loop. Set before the shards run.
  std::function<void(const JudgedMessage&)> message_judged;

  // Where conversations with other servers go, from any shard's loop. Set before the shards are
  // made; unset: nowhere.
  std::function<void(MessageId, std::string site, std::string text)> keep_transcript;

  NodeCore(LoadedConfig loaded, LogSink& sink, Metrics& registry, NodeDoors given)
      : config(std::move(loaded)),
        storage_path(config.config.storage.path),
        log(sink),
        metrics(registry),
        doors(given) {}

  const Config& settings() const { return config.config; }
  std::shared_ptr<const InboundOptions> inbound_options_now() const {
    std::lock_guard lock(mutex);
    return inbound_now;
  }
  std::shared_ptr<const BounceRules> bounces_now() const {
    std::lock_guard lock(mutex);
    return bounces;
  }
  std::shared_ptr<const Pop3Options> pop3_options_now() const {
    std::lock_guard lock(mutex);
    return pop3_now;
  }

  Result<LoadedCertificates> load_tls();
  // New connections get these.
  void use_certificates(std::shared_ptr<const TlsContext> context);
  // What a session is given by this configuration, with the keys and where to use them.
  DispatcherOptions dispatch_options(const Config& of) const;
  InboundOptions inbound_for(const Config& of, std::shared_ptr<const TlsContext> tls);
  StreamDoors stream_doors(const Config& of);
  Result<std::string> load_roots();  // gives what is to be trusted beside the system's, as PEM
  // REQUIRES the store. `driver`: the loop on which groups are made; null: a thread of its own.
  Result<void> make_parts(std::size_t reader_threads, Loop* driver);
  void make_shard(ShardParts& parts, World world);  // `parts` stay where they are
  void start_duties(ShardParts& parts);             // on the first shard's loop
  // On its loop: no new work, then waits for what is under way. With the first shard goes what
  // lives on it.
  enum class ShardRole { first, other };
  Task<void> stop(ShardParts& parts, ShardRole role, Moment until);

 private:
  std::shared_ptr<const OutboundTls> make_outbound_tls();
  std::unique_ptr<HttpVisit> admit_visitor(const IpAddress& address);
  Pop3Admission admit_reader(const IpAddress& address);
  Task<bool> is_over_quota(Loop& loop, Address mailbox, std::uint64_t octets);
};

}  // namespace goniec
