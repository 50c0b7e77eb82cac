// See mx_rules.h.
#include "outbound/mx_rules.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {

MxPlan plan_mx(const std::string& domain, const DnsAnswer& answer, const std::string& own_name,
               Random& random) {
  MxPlan plan;
  for (const DnsRecord& record : answer.records)
    if (auto* mx = std::get_if<DnsMx>(&record))
      plan.hosts.push_back(MxHost{mx->exchange, mx->preference});
  if (plan.hosts.empty()) {
    plan.implicit = true;
    plan.hosts.push_back(MxHost{domain, 0});
  }
  // RFC 7505 §3: a null MX stands alone; beside others the root is no host.
  const bool only_root = std::all_of(plan.hosts.begin(), plan.hosts.end(),
                                     [](const MxHost& h) { return h.name.empty(); });
  if (only_root) {
    plan.null_mx = true;
    plan.hosts.clear();
    return plan;
  }
  std::erase_if(plan.hosts, [](const MxHost& host) { return host.name.empty(); });
  // RFC 5321 §5.1: equal preference is spread by chance: shuffled, then sorted.
  for (std::size_t i = plan.hosts.size(); i > 1; --i)
    std::swap(plan.hosts[i - 1], plan.hosts[random.below(i)]);
  std::ranges::sort(plan.hosts, {}, &MxHost::preference);
  const auto own = std::find_if(plan.hosts.begin(), plan.hosts.end(), [&](const MxHost& host) {
    return equal_ignoring_case(host.name, own_name);
  });
  if (own != plan.hosts.end()) {
    const std::uint16_t preference = own->preference;
    plan.notes.push_back(
        fmt::format("{} is this host: preference {} and above are left out", own_name, preference));
    std::erase_if(plan.hosts, [&](const MxHost& host) { return host.preference >= preference; });
    plan.loops = plan.hosts.empty();
  }
  return plan;
}

bool drop_own_addresses(std::vector<HostAddress>& hosts, const std::vector<IpAddress>& own,
                        std::uint16_t port) {
  const auto is_own = [&](const HostAddress& host) {
    return host.endpoint.port == port &&
           std::find(own.begin(), own.end(), host.endpoint.address) != own.end();
  };
  const auto found = std::find_if(hosts.begin(), hosts.end(), is_own);
  if (found == hosts.end()) return false;
  const std::uint16_t preference = found->preference;
  std::erase_if(hosts, [&](const HostAddress& host) { return host.preference >= preference; });
  return true;
}

void order_addresses(std::vector<HostAddress>& hosts, std::size_t limit) {
  std::vector<HostAddress> ordered;
  for (std::size_t begin = 0; begin < hosts.size();) {
    std::size_t end = begin;
    while (end < hosts.size() && hosts[end].preference == hosts[begin].preference) ++end;
    std::vector<HostAddress> six, four;
    for (std::size_t i = begin; i < end; ++i)
      (hosts[i].endpoint.address.v6 ? six : four).push_back(hosts[i]);
    for (std::size_t i = 0; i < std::max(six.size(), four.size()); ++i) {
      if (i < six.size()) ordered.push_back(six[i]);
      if (i < four.size()) ordered.push_back(four[i]);
    }
    begin = end;
  }
  if (ordered.size() > limit) ordered.resize(limit);
  hosts = std::move(ordered);
}

}  // namespace goniec
