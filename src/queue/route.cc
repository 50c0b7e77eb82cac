// See route.h: first match wins; a rule for "mx" stops the search and goes by DNS.
#include "queue/route.h"

#include "base/text.h"

namespace goniec {

std::string_view name_of(Transport transport) {
  switch (transport) {
    case Transport::mx:
      return "mx";
    case Transport::smtp:
      return "smtp";
    case Transport::smtps:
      return "smtps";
    case Transport::submission:
      return "submission";
    case Transport::lmtp:
      return "lmtp";
    case Transport::lmtp_unix:
      return "lmtp-unix";
    case Transport::sink:
      return "sink";
    case Transport::local:
      return "local";
  }
  return "unknown";
}

bool domain_matches(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  if (pattern.starts_with("*.")) {
    const std::string_view suffix = pattern.substr(1);  // ".example.pl"
    return domain.size() > suffix.size() &&
           equal_ignoring_case(domain.substr(domain.size() - suffix.size()), suffix);
  }
  return equal_ignoring_case(pattern, domain);
}

Route RouteTable::route(const Domain& domain) const {
  for (const RouteRule& rule : rules_) {
    for (const std::string& pattern : rule.domains) {
      if (!domain_matches(pattern, domain.ascii())) continue;
      Route route{.domain = domain,
                  .transport = rule.transport,
                  .host = rule.host,
                  .port = rule.port,
                  .tls = rule.tls,
                  .user = rule.user,
                  .password_file = rule.password_file,
                  .rule = rule.name};
      if (rule.transport == Transport::mx) route.port = mx_port_;
      return route;
    }
  }
  return Route{.domain = domain,
               .transport = Transport::mx,
               .host = {},
               .port = mx_port_,
               .tls = RouteTls::opportunistic,
               .user = {},
               .password_file = {},
               .rule = "mx"};
}

}  // namespace goniec
