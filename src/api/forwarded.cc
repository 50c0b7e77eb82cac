// See forwarded.h.
#include "api/forwarded.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr ForwardedLimits limits;

bool holds(std::span<const IpNetwork> networks, const IpAddress& address) {
  return std::ranges::any_of(
      networks, [&address](const IpNetwork& network) { return network.contains(address); });
}

// All fields of that name, as one list.
std::string joined(const HttpCall& call, std::string_view wanted) {
  std::string all;
  for (const auto& [name, value] : call.headers)
    if (name == wanted) all += (all.empty() ? "" : ",") + value;
  return all;
}

// At `mark` outside of quotes; nothing at all where a quote stays open.
std::vector<std::string_view> split_quoted(std::string_view text, char mark) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && quoted) {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == mark && !quoted) {
      parts.push_back(trim(text.substr(begin, at - begin)));
      begin = at + 1;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  if (quoted) parts.clear();
  return parts;
}

std::string_view unquoted(std::string_view text) {
  const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return is_quoted ? text.substr(1, text.size() - 2) : text;
}

// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", and a bare IPv6 address as
// X-Forwarded-For has it. nullopt: a name, or nothing of the kind.
std::optional<IpAddress> node_of(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return IpAddress::parse(text.substr(1, end - 1));
  }
  if (std::ranges::count(text, ':') == 1) text = text.substr(0, text.find(':'));
  return IpAddress::parse(text);
}

struct Hop {
  std::optional<IpAddress> from;
  std::string proto;
};

// RFC 7239 §4: for=…;proto=…, for=…
Hop hop_of(std::string_view element) {
  Hop hop;
  for (const auto pair : split_quoted(element, ';')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = trim(pair.substr(0, equals));
    const auto value = unquoted(trim(pair.substr(equals + 1)));
    if (equal_ignoring_case(name, "for")) hop.from = node_of(value);
    if (equal_ignoring_case(name, "proto")) hop.proto = to_lower(value);
  }
  return hop;
}

std::vector<Hop> hops_of(const HttpCall& call) {
  std::vector<Hop> hops;
  const auto addresses = joined(call, "x-forwarded-for");
  const auto forwarded = joined(call, "forwarded");
  if (addresses.empty() && !forwarded.empty()) {
    for (const auto element : split_quoted(forwarded, ',')) hops.push_back(hop_of(element));
    if (hops.empty()) hops.emplace_back();
    return hops;
  }
  if (!addresses.empty())
    for (const auto each : split(addresses, ',')) hops.push_back({node_of(trim(each)), {}});
  const auto protocols = joined(call, "x-forwarded-proto");
  const auto last = trim(std::string_view(protocols).substr(protocols.rfind(',') + 1));
  if (last.empty()) return hops;
  if (hops.empty()) hops.emplace_back(call.remote.address, std::string());
  hops.back().proto = to_lower(last);
  return hops;
}

}  // namespace

ForwardedClient take_forwarded(HttpCall& call, std::span<const IpNetwork> trust) {
  using enum ForwardedClient;
  if (!holds(trust, call.remote.address)) return caller;
  const auto hops = hops_of(call);
  if (hops.empty()) return caller;
  if (!hops.back().proto.empty()) call.secure = hops.back().proto == "https";
  std::size_t looked_at = 0;
  for (auto hop = hops.rbegin(); hop != hops.rend() && looked_at < limits.hops; ++hop) {
    ++looked_at;
    if (!hop->from) return unknown;
    call.remote.address = *hop->from;
    if (!holds(trust, *hop->from)) return named;
  }
  return looked_at < limits.hops ? named : unknown;
}

}  // namespace goniec
