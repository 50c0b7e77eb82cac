// The rules of MX without I/O (RFC 5321 §5.1, RFC 7505): from a DNS answer to hosts in order.
#pragma once
#include <string>
#include <vector>

#include "outbound/hosts.h"
#include "proto/inquiry.h"
#include "run/world.h"

namespace goniec {

struct MxHost {
  std::string name;
  std::uint16_t preference = 0;
};
struct MxPlan {
  std::vector<MxHost> hosts;  // by preference, shuffled inside one
  bool implicit = false;      // no MX: the domain itself
  bool null_mx = false;       // "0 ."
  bool loops = false;         // we are the best MX: nothing is left
  std::vector<std::string> notes;
};
// REQUIRES answer.status found or no_data. `own_name`: we and all at or above our preference go.
MxPlan plan_mx(const std::string& domain, const DnsAnswer& answer, const std::string& own_name,
               Random& random);

// Drops hosts with one of our own addresses on the MX port and all at or above their preference;
// true:
// some were dropped.
bool drop_own_addresses(std::vector<HostAddress>& hosts, const std::vector<IpAddress>& own,
                        std::uint16_t port);

// Within one preference IPv6 and IPv4 take turns, IPv6 first; at most `limit`.
void order_addresses(std::vector<HostAddress>& hosts, std::size_t limit);

}  // namespace goniec
