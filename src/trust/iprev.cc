// See iprev.h, reverse_name.h. One question for the names, then one for each name, all together.
#include "trust/iprev.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "trust/reverse_name.h"

namespace goniec {

std::string reverse_name(const IpAddress& address) {
  std::string name;
  if (!address.v6) {
    const auto& o = address.octets;
    return fmt::format("{}.{}.{}.{}.in-addr.arpa", o[3], o[2], o[1], o[0]);
  }
  for (std::size_t at = address.octets.size(); at-- > 0;)
    name += fmt::format("{:x}.{:x}.", address.octets[at] & 15, address.octets[at] >> 4);
  return name + "ip6.arpa";
}

std::string_view name_of(IprevResult result) {
  switch (result) {
    case IprevResult::pass:
      return "pass";
    case IprevResult::fail:
      return "fail";
    case IprevResult::temp_error:
      return "temperror";
    case IprevResult::perm_error:
      return "permerror";
  }
  check_failed("an iprev result without a name", __FILE__, __LINE__);
}

std::optional<IprevVerdict> check_iprev(Findings& findings, const IpAddress& client,
                                        const IprevLimits& limits) {
  const DnsAnswer* names = findings.find(reverse_name(client), DnsType::ptr);
  if (!names) return std::nullopt;
  if (names->status == DnsStatus::temporary || names->status == DnsStatus::bogus)
    return IprevVerdict{IprevResult::temp_error, {}};
  std::vector<std::pair<std::string, const DnsAnswer*>> candidates;
  bool lacking = false;
  for (const DnsRecord& record : names->records) {
    if (candidates.size() == limits.names) break;
    const auto* name = std::get_if<std::string>(&record);
    if (!name || name->empty()) continue;
    candidates.emplace_back(*name, findings.find(*name, client.v6 ? DnsType::aaaa : DnsType::a));
    lacking = lacking || !candidates.back().second;
  }
  if (lacking) return std::nullopt;
  if (candidates.empty()) return IprevVerdict{IprevResult::perm_error, {}};
  bool unknown = false;
  for (const auto& [name, answer] : candidates) {
    for (const DnsRecord& record : answer->records) {
      const auto* address = std::get_if<IpAddress>(&record);
      if (!address || *address != client) continue;
      std::string shown = to_lower(name);
      if (shown.ends_with('.')) shown.pop_back();
      return IprevVerdict{IprevResult::pass, std::move(shown)};
    }
    unknown =
        unknown || answer->status == DnsStatus::temporary || answer->status == DnsStatus::bogus;
  }
  return IprevVerdict{unknown ? IprevResult::temp_error : IprevResult::fail, {}};
}

}  // namespace goniec
