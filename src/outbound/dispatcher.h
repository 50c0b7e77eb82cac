// Carries ready entries of one shard to their sites: the Carrier of queue/queue.h.
//
//   carry(entry) -> route -> hosts (site) -> ready line of the site -> connection (kept or new)
//                -> transactions -> queue.settle -> next entry of the site on the same connection
//
// A site gets one connection; when that one is ready, more follow while entries wait, at most
// `connections_per_site`. So a dead site costs one connection at a time, and what waits behind the
// probe shares its answer (SEMANTICS: a dead site is probed with one message): at the latest after
// `patience`, and what comes later too, until a probe, of which there is one each `dead_pause`,
// reaches the site again. Waiting entries take turns by sender (fair_line.h). Sites share nothing
// but the connection total: one slow or dead site never delays another. At most half of it is for
// sites that nobody has reached yet; who finds none left takes its turn, and an idle one ends for
// it. Connections stay open `keep` after the last message, at most `messages_per_connection` each.
// 421, or any failure of the session, ends it; the recipients not yet done are deferred.
// Recipients of one entry go in one transaction up to the peer's capacity.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "outbound/hosts.h"
#include "outbound/local.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "run/world.h"

namespace goniec {

struct OutboundTls;  // outbound_tls.h

struct DispatcherOptions {
  std::string hostname;
  std::size_t connections_per_site = 20;
  std::size_t connections = 1000;  // a shard, in all
  std::size_t messages_per_connection = 100;
  Duration keep = std::chrono::seconds(5);
  Duration patience = std::chrono::minutes(1);      // of what waits behind a first probe
  Duration dead_pause = std::chrono::seconds(150);  // between probes of a dead site
  Duration dead_memory = std::chrono::minutes(30);  // what is known of it, after the last one
  std::size_t dead_sites = 10000;                   // known at a time, a shard
  Duration connect = std::chrono::seconds(30);      // an address
  Duration greeting = std::chrono::minutes(5);      // RFC 5321 §4.5.3.2.1
  Duration command = std::chrono::minutes(5);       // MAIL, RCPT, EHLO (§4.5.3.2.2-3)
  Duration data = std::chrono::minutes(2);          // DATA (§4.5.3.2.4)
  Duration body = std::chrono::minutes(3);          // each block (§4.5.3.2.5)
  Duration dot = std::chrono::minutes(10);          // final dot (§4.5.3.2.6, RFC 1047)
  Duration tls = std::chrono::seconds(60);
  RouteTable routes;
  // What was said in an attempt (transcript.h), when it ended. Unset: nothing is written down.
  std::function<void(MessageId, std::string site, std::string text)> keep_transcript;
};

class Dispatcher : public Carrier {
 public:
  Dispatcher(DispatcherOptions options, Hosts& hosts, Queue& queue, LocalDelivery& local,
             std::shared_ptr<const OutboundTls> tls, World& world, Metrics& metrics, LogSink& log);
  ~Dispatcher() override;
  void carry(ReadyEntry entry) override;
  void look_again() override;  // what is known of dead sites is forgotten
  // No new connection; what waits is given back, and what no content was sent for; ends when every
  // other attempt settled (or `deadline`).
  Task<void> stop(Moment deadline);
  void set_options(DispatcherOptions options);  // reload
  struct SiteStatus {
    std::string site;
    std::size_t connections = 0, waiting = 0;
    std::string last_reply;
  };
  std::vector<SiteStatus> sites() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
