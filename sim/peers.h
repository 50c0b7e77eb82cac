// The other side of the false wire: sites of every temper with their DNS, and clients that submit
// mail and try again until it was acknowledged.
//
// Site N is domain sN.example, host mx.sN.example, address 20.x.y.z. Every tenth shares its host
// with the site before (one site, two domains). The senders' domain (sender.example, site 0) is of
// good temper always, for it hears of failures.
#pragma once
#include <memory>
#include <vector>

#include "sim/laws.h"
#include "sim/network.h"
#include "sim/world.h"

namespace goniec {

enum class Temper {
  good,
  slow,            // seconds for each answer
  greylisting,     // 451 to the first tries of a sender and recipient
  cutting,         // 421 anywhere, then the end
  closing,         // ends the connection instead of the final reply, with or without the message
  lying,           // offers extensions and refuses their parameters
  breaking_tls,    // offers STARTTLS and answers the handshake with noise
  rejecting,       // 550 to recipients
  busy,            // 450 to some recipients, 452 after data
  silent,          // never greets
  refusing,        // connection refused
  unreachable,     // packets vanish
  dns_failing,     // SERVFAIL and answers that do not come
  dns_looping,     // its MX is an alias of itself, its best MX is us
  dns_changing,    // another host each time
  no_such_domain,  // NXDOMAIN
};
inline constexpr std::size_t tempers = 16;

struct PeersOptions {
  std::uint64_t seed = 1;
  std::size_t sites = 30;
};

class Peers {
 public:
  Peers(SimLoop& loop, SimNetwork& network, Laws& laws, PeersOptions options);
  ~Peers();
  Resolver& resolver();
  void calm();  // the faults stop: every site is good, but those that reject
  // A site of the address; a domain's recipients are u0@ to u9@.
  std::size_t site_of(const IpAddress& address) const;
  std::string recipient(std::uint64_t chance) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

struct Letter {
  std::string token;  // its Message-ID
  std::vector<std::string> recipients;
  std::string content;  // header and body, dots doubled, with the final dot
};
Letter make_letter(std::uint64_t number, std::vector<std::string> recipients, std::size_t octets,
                   Random& random);

// Submits until it was acknowledged, or `until`.
Task<void> submit(SimLoop& loop, SimNetwork& network, Laws& laws, Letter letter, Moment until);

}  // namespace goniec
