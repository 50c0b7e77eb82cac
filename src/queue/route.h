// Which way a recipient domain goes: [[route]] rules (first match wins), else DNS MX. Pure.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mail/address.h"
#include "mail/journey.h"

namespace goniec {

enum class Transport { mx, smtp, smtps, submission, lmtp, lmtp_unix, sink, local };
std::string_view name_of(Transport transport);
enum class RouteTls { opportunistic, required, none };

struct RouteRule {
  std::vector<std::string> domains;  // "example.pl", "*.example.pl" (not the apex), "*" all
  Transport transport = Transport::mx;
  std::string host;  // name or IP; path for lmtp_unix
  std::uint16_t port = 0;
  RouteTls tls = RouteTls::opportunistic;
  std::string user, password_file;
  std::string name;  // "route 2 (goniec.toml:41)" for explain
};

struct Route {
  Domain domain;
  Transport transport = Transport::mx;
  std::string host;
  std::uint16_t port = 25;
  RouteTls tls = RouteTls::opportunistic;
  std::string user, password_file;
  std::string rule;  // which rule decided, for `goniec route` and the timeline
};

// "example.pl", "*.example.pl" (not example.pl itself), "*": lower case, A-labels.
bool domain_matches(std::string_view pattern, std::string_view domain);

class RouteTable {
 public:
  RouteTable() = default;
  RouteTable(std::vector<RouteRule> rules, std::uint16_t mx_port)
      : rules_(std::move(rules)), mx_port_(mx_port) {}
  Route route(const Domain& domain) const;
  std::uint16_t mx_port() const { return mx_port_; }

 private:
  std::vector<RouteRule> rules_;
  std::uint16_t mx_port_ = 25;
};

}  // namespace goniec
