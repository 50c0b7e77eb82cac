// Internal to net/resolver: rdata in wire form (uncompressed, as libunbound gives it) made a
// DnsRecord. Strict: a record that is short, long or malformed is nullopt, and makes the whole
// answer temporary. Names come out in lower case without the last dot; an octet that a host name
// cannot have is written \DDD (RFC 1035 §5.1), so that it cannot pass for a dot.
//
//   A, AAAA   IpAddress            MX     DnsMx ("" is the root)     TLSA   DnsTlsa
//   TXT       strings joined       SRV    "priority weight port target"
//   NS CNAME PTR SOA(mname)        name
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "proto/inquiry.h"

namespace goniec {

std::optional<DnsRecord> decode_rdata(DnsType type, std::string_view rdata);

// Lower case, no last dot; nullopt: longer than 253 octets, an empty or long label, a backslash, a
// space or a control, so that nothing of the kind is ever asked.
std::optional<std::string> normal_name(std::string_view name);

}  // namespace goniec
