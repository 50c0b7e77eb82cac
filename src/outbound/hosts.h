// From a Route to the hosts to try, in order (RFC 5321 §5.1, RFC 7505, RFC 7504).
//
// MX by preference, shuffled inside one preference; no MX at all: implicit MX (the domain itself);
// an MX that failed to answer is not "no MX". Null MX: permanent 556 5.1.10. NXDOMAIN: permanent
// 5.1.2. Temporary or bogus: 4.4.3. If we are in the set (by name or address), we and everything at
// or above our preference are dropped; nothing left: permanent 5.4.6 loop. Addresses: A and AAAA of
// every host, both families interleaved IPv6 first, at most 20 in all; literal domains
// "[192.0.2.1]" directly. MX to an IP literal text is taken as it is refused by DNS. Private
// targets (loopback, RFC 1918…) are refused unless allowed or named by a [[route]]. The site of a
// domain is the roll-up of its MX set + TLS need: two domains with the same hosts share connections
// and limits where they ask for the same. What a domain asks of TLS is found out with its hosts:
// TLSA of each host (RFC 7672), then MTA-STS where a host has none (RFC 8461). Cached by TTL
// (60 s .. 1 h), single flight, bounded.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mail/journey.h"
#include "queue/route.h"
#include "run/world.h"
#include "trust/tls_requirement.h"

namespace goniec {

struct HostsOptions {
  std::string hostname;                  // ours, for loops
  std::vector<IpAddress> own_addresses;  // of the mx listeners
  bool private_targets = false;
  std::size_t addresses = 20;
  Duration lookup_deadline = std::chrono::seconds(30);
  bool dane = true;     // as far as the resolver validates
  bool mta_sts = true;  // with a cache to ask
};

// What the recipient's domain, or DNS for it, asks of connections to its hosts.
struct HostTls {
  std::string domain;
  TlsSituation::Way way = TlsSituation::Way::mx;
  std::map<std::string, DaneFinding> dane;  // by host
  std::optional<MtaStsKnown> mta_sts;       // in force
  TlsFault mta_sts_fault = TlsFault::none;  // the last fetch failed
  std::string mta_sts_why;
};

struct HostAddress {
  std::string host;  // for SNI, logs: "mx.wp.pl"; the literal where there is no name
  Endpoint endpoint;
  std::uint16_t preference = 0;
};

struct HostList {
  std::string site;                // key of connections and limits; stable for the same host set
  std::vector<HostAddress> hosts;  // in the order to try
  std::optional<Outcome>
      failure;         // set: no host; state queued or failed with reply and phase "route"
  std::string source;  // "mx", "implicit mx", "route 2 (…)", "literal": for explain
  std::vector<std::string>
      notes;  // what was left out and why: "mx3.example (127.0.0.1): private target"
  bool authenticated = false;  // DNSSEC: of the MX
  std::shared_ptr<const HostTls> tls;
};

// What a connection to this host must be, for a message with this wish.
TlsRequirement requirement_of(const Route& route, const HostList& list, const std::string& host,
                              const MessageTlsWish& wish);
// Of all hosts of the list: lines with another key share no connection. "": nothing is asked.
std::string tls_key_of(const Route& route, const HostList& list, const MessageTlsWish& wish);

class MtaStsCache;  // mta_sts_cache.h

class Hosts {
 public:
  Hosts(HostsOptions options, World& world, MtaStsCache* mta_sts = nullptr);
  ~Hosts();
  // Never fails: see HostList::failure. Transport mx, smtp, smtps, submission, lmtp. Not local,
  // sink, lmtp_unix.
  Task<HostList> find(Route route);
  void forget(const Route& route);  // a host was refused for its TLS: look anew
  void set_options(HostsOptions options);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
