// An Inquiry is a judgement that needs facts from elsewhere, without I/O: it asks questions, is
// answered, and ends in a verdict. net/ask drives it over the doors; a test drives it from a table.
// Today: DNS questions and their answers, which the Resolver door speaks too.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "mail/journey.h"

namespace goniec {

enum class DnsType : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  tlsa = 52
};

struct DnsMx {
  std::uint16_t preference = 0;
  std::string exchange;  // lower case, no trailing dot; "" is the root: null MX (RFC 7505)
};
struct DnsTlsa {
  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;
};
using DnsRecord =
    std::variant<IpAddress, DnsMx, DnsTlsa, std::string>;  // string: name or joined TXT

// found: records holds at least one. no_data: the name exists, the type does not. no_such_domain:
// NXDOMAIN. temporary: SERVFAIL, timeout, refused, or a broken answer: never to be read as "no".
// bogus: DNSSEC validation failed; for routing it is temporary.
enum class DnsStatus { found, no_data, no_such_domain, temporary, bogus };

struct DnsAnswer {
  DnsStatus status = DnsStatus::temporary;
  std::vector<DnsRecord> records;
  std::string canonical_name;  // after CNAMEs; "" when the name itself answered
  bool authenticated = false;  // DNSSEC-validated, also a "no"
  std::uint32_t ttl_seconds = 0;
  std::string why;  // for people, when not found
};

}  // namespace goniec
