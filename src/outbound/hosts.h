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
// and limits. Cached by TTL (60 s .. 1 h), single flight, bounded.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "mail/journey.h"
#include "queue/route.h"
#include "run/world.h"

namespace goniec {

struct HostsOptions {
  std::string hostname;                  // ours, for loops
  std::vector<IpAddress> own_addresses;  // of the mx listeners
  bool private_targets = false;
  std::size_t addresses = 20;
  Duration lookup_deadline = std::chrono::seconds(30);
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
  bool authenticated = false;  // DNSSEC, for DANE later
};

class Hosts {
 public:
  Hosts(HostsOptions options, World& world);
  ~Hosts();
  // Never fails: see HostList::failure. Transport mx, smtp, smtps, submission, lmtp. Not local,
  // sink, lmtp_unix.
  Task<HostList> find(Route route);
  void set_options(HostsOptions options);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
