// Implementation of the PROXY parser; see proxy.h and the specification "The PROXY protocol"
// (haproxy).
//
//   version 1   "PROXY TCP4 source destination sport dport\r\n", at most 107 octets; or "PROXY
//   UNKNOWN…"
//   version 2   12 octets of signature, version and command, family and transport, length (2), then
//               addresses and TLVs of that length
//
// Octets are taken one after the other up to what is known to be wanted, so that no octet of the
// client is ever consumed, and a first octet that fits neither version is refused at once.
#include "proto/proxy.h"

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {

namespace {

constexpr std::string_view kTextStart = "PROXY ";
constexpr std::size_t kTextOctets = 107;
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedOctets = 16;
constexpr std::size_t kBodyOctets = 4096;
constexpr std::size_t kUniqueIdOctets = 128;

constexpr unsigned char kTlvAuthority = 0x02, kTlvCrc32c = 0x03, kTlvUniqueId = 0x05,
                        kTlvSsl = 0x20;

std::size_t number(std::string_view text, std::size_t at, std::size_t octets) {  // big endian
  std::size_t value = 0;
  for (std::size_t i = 0; i < octets; ++i) {
    value = value << 8 | static_cast<unsigned char>(text[at + i]);
  }
  return value;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  auto value = parse_unsigned(text);
  if (!value || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

Endpoint binary_endpoint(std::string_view address, std::size_t port) {
  Endpoint endpoint;
  endpoint.port = static_cast<std::uint16_t>(port);
  endpoint.address.v6 = address.size() == 16;
  std::ranges::transform(address, endpoint.address.octets.begin(),
                         [](char c) { return static_cast<std::uint8_t>(c); });
  if (endpoint.address.v6) {  // an IPv4-mapped address becomes IPv4, as everywhere
    if (auto normal = IpAddress::parse(endpoint.address.text())) endpoint.address = *normal;
  }
  return endpoint;
}

}  // namespace

ProxyParser::Progress ProxyParser::refuse(std::string reason) {
  reason_ = std::move(reason);
  buffer_ = {};
  return {State::refused, 0};
}

bool ProxyParser::plausible() const {
  auto begins = [&](std::string_view start) {
    std::size_t common = std::min(start.size(), buffer_.size());
    return std::string_view(buffer_).substr(0, common) == start.substr(0, common);
  };
  return begins(kTextStart) || begins(kSignature);
}

std::size_t ProxyParser::wanted() const {
  if (buffer_.empty()) return 1;
  if (buffer_[0] == 'P') return buffer_.size() + 1;  // to the line end, octet by octet
  if (buffer_.size() < kFixedOctets) return kFixedOctets;
  return kFixedOctets + number(buffer_, 14, 2);
}

ProxyParser::Progress ProxyParser::receive(std::string_view octets) {
  Progress progress;
  if (!reason_.empty()) return {State::refused, 0};
  for (;;) {
    if (!plausible()) return refuse("no PROXY header");
    bool text = !buffer_.empty() && buffer_[0] == 'P';
    if (text && buffer_.ends_with('\n')) {
      if (!parse_text(buffer_)) return refuse("PROXY header of version 1 is not valid");
      break;
    }
    if (text && buffer_.size() >= kTextOctets) return refuse("PROXY line is too long");
    std::size_t want = wanted();
    if (want > kFixedOctets + kBodyOctets) return refuse("PROXY header is too long");
    if (want == buffer_.size()) {
      if (!parse_binary()) return refuse("PROXY header of version 2 is not valid");
      break;
    }
    std::string_view rest = octets.substr(progress.consumed);
    if (rest.empty()) return progress;
    // The signature is compared octet by octet, the rest of a binary header is taken in one go.
    std::size_t take = buffer_.size() < kFixedOctets ? 1 : want - buffer_.size();
    take = std::min(take, rest.size());
    buffer_.append(rest.substr(0, take));
    progress.consumed += take;
  }
  buffer_ = {};
  progress.state = State::done;
  return progress;
}

bool ProxyParser::parse_text(std::string_view line) {
  if (!line.ends_with("\r\n")) return false;
  line.remove_suffix(2);
  if (line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ")) return true;
  std::vector<std::string_view> words = split(line, ' ');
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return false;
  bool v6 = words[1] == "TCP6";
  Endpoint ends[2];
  for (std::size_t i = 0; i < 2; ++i) {
    // The written form decides the family: "::ffff:192.0.2.1" is IPv6 here, and then becomes IPv4.
    bool written_v6 = words[2 + i].find(':') != std::string_view::npos;
    auto address = IpAddress::parse(words[2 + i]);
    auto port = parse_port(words[4 + i]);
    if (!address || !port || written_v6 != v6) return false;
    ends[i] = {*address, *port};
  }
  header_.source = ends[0];
  header_.destination = ends[1];
  return true;
}

bool ProxyParser::parse_binary() {
  std::string_view all = buffer_;
  auto version = static_cast<unsigned char>(all[12]) >> 4;
  auto command = static_cast<unsigned char>(all[12]) & 0x0F;
  auto kind = static_cast<unsigned char>(all[13]);
  std::string_view body = all.substr(kFixedOctets);
  if (version != 2 || command > 1) return false;
  bool local = command == 0;
  if (local) return true;  // a health check: what follows is of no account, and skipped
  if (kind == 0x00) return parse_tlvs(body);                     // AF_UNSPEC: no addresses are told
  std::size_t width = kind == 0x11 ? 4 : kind == 0x21 ? 16 : 0;  // TCP over IPv4, IPv6
  if (width == 0 || body.size() < 2 * width + 4) return false;
  if (!parse_tlvs(body.substr(2 * width + 4))) return false;
  header_.source = binary_endpoint(body.substr(0, width), number(body, 2 * width, 2));
  header_.destination = binary_endpoint(body.substr(width, width), number(body, 2 * width + 2, 2));
  return true;
}

bool ProxyParser::parse_tlvs(std::string_view tlvs) {
  while (!tlvs.empty()) {
    if (tlvs.size() < 3) return false;
    auto type = static_cast<unsigned char>(tlvs[0]);
    std::size_t length = number(tlvs, 1, 2);
    if (length > tlvs.size() - 3) return false;
    std::string_view value = tlvs.substr(3, length);
    if (type == kTlvAuthority) header_.authority = printable(value, 255);
    if (type == kTlvUniqueId && length > kUniqueIdOctets) return false;
    if (type == kTlvCrc32c) {  // over the whole header with this field as zeros
      if (length != 4) return false;
      std::string zeroed = buffer_;
      auto at = static_cast<std::size_t>(value.data() - buffer_.data());
      std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(at), 4, '\0');
      if (crc32c(zeroed) != number(value, 0, 4)) return false;
    }
    if (type == kTlvSsl) {  // client (1), verify (4), then TLVs of its own
      if (length < 5) return false;
      for (std::string_view inner = value.substr(5); !inner.empty();) {
        if (inner.size() < 3 || number(inner, 1, 2) > inner.size() - 3) return false;
        inner.remove_prefix(3 + number(inner, 1, 2));
      }
    }
    tlvs.remove_prefix(3 + length);
  }
  return true;
}

}  // namespace goniec
