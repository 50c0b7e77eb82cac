// Bounds first: every step takes from the front of what is left, and only if it is there.
#include "net/dns_decode.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

std::uint8_t octet_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

std::optional<std::uint16_t> take_u16(std::string_view& rest) {
  if (rest.size() < 2) return std::nullopt;
  const unsigned value = octet_at(rest, 0) * 256u + octet_at(rest, 1);
  rest.remove_prefix(2);
  return static_cast<std::uint16_t>(value);
}

void append_label(std::string& name, std::string_view label) {
  for (char c : label) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= 32 || octet >= 127 || c == '.' || c == '\\') {
      name += fmt::format("\\{:03}", octet);
    } else {
      name += to_lower(c);
    }
  }
}

std::optional<std::string> take_name(std::string_view& rest) {
  std::string name;
  std::size_t wire_octets = 1;
  for (;;) {
    if (rest.empty()) return std::nullopt;
    const std::size_t length = octet_at(rest, 0);
    rest.remove_prefix(1);
    if (length == 0) return name;
    wire_octets += length + 1;
    // RFC 1035 §3.1: labels of 63 octets, names of 255; compression has been undone.
    if (length > 63 || length > rest.size() || wire_octets > 255) return std::nullopt;
    if (!name.empty()) name += '.';
    append_label(name, rest.substr(0, length));
    rest.remove_prefix(length);
  }
}

std::optional<DnsRecord> whole_name(std::string_view rest) {
  auto name = take_name(rest);
  if (!name || !rest.empty()) return std::nullopt;
  return std::move(*name);
}

std::optional<DnsRecord> address(std::string_view rest, std::size_t octets) {
  if (rest.size() != octets) return std::nullopt;
  IpAddress result;
  result.v6 = octets == 16;
  std::transform(rest.begin(), rest.end(), result.octets.begin(),
                 [](char c) { return static_cast<std::uint8_t>(c); });
  return IpAddress::parse(result.text());  // as written elsewhere: a mapped one becomes IPv4
}

std::optional<DnsRecord> mx(std::string_view rest) {
  const auto preference = take_u16(rest);
  if (!preference) return std::nullopt;
  auto exchange = take_name(rest);
  if (!exchange || !rest.empty()) return std::nullopt;
  return DnsMx{*preference, std::move(*exchange)};
}

std::optional<DnsRecord> txt(std::string_view rest) {
  if (rest.empty()) return std::nullopt;  // RFC 1035 §3.3.14: one or more strings
  std::string joined;
  while (!rest.empty()) {
    const std::size_t length = octet_at(rest, 0);
    rest.remove_prefix(1);
    if (length > rest.size()) return std::nullopt;
    joined += rest.substr(0, length);
    rest.remove_prefix(length);
  }
  return joined;
}

std::optional<DnsRecord> tlsa(std::string_view rest) {
  if (rest.size() < 4) return std::nullopt;
  return DnsTlsa{octet_at(rest, 0), octet_at(rest, 1), octet_at(rest, 2),
                 std::string(rest.substr(3))};
}

std::optional<DnsRecord> srv(std::string_view rest) {
  const auto priority = take_u16(rest), weight = take_u16(rest), port = take_u16(rest);
  if (!port) return std::nullopt;
  auto target = take_name(rest);
  if (!target || !rest.empty()) return std::nullopt;
  return fmt::format("{} {} {} {}", *priority, *weight, *port, *target);
}

}  // namespace

std::optional<DnsRecord> decode_rdata(DnsType type, std::string_view rdata) {
  switch (type) {
    case DnsType::a:
      return address(rdata, 4);
    case DnsType::aaaa:
      return address(rdata, 16);
    case DnsType::mx:
      return mx(rdata);
    case DnsType::txt:
      return txt(rdata);
    case DnsType::tlsa:
      return tlsa(rdata);
    case DnsType::srv:
      return srv(rdata);
    case DnsType::soa: {
      auto name = take_name(rdata);
      if (!name) return std::nullopt;
      return std::move(*name);
    }
    case DnsType::ns:
    case DnsType::cname:
    case DnsType::ptr:
      return whole_name(rdata);
  }
  return std::nullopt;
}

std::optional<std::string> normal_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return std::nullopt;
  for (std::string_view label : split(name, '.')) {
    if (label.empty() || label.size() > 63) return std::nullopt;
  }
  for (char c : name) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= 32 || octet >= 127 || c == '\\') return std::nullopt;
  }
  return to_lower(name);
}

}  // namespace goniec
