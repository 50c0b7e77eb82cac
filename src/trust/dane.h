// DANE for SMTP (RFC 6698, 7671, 7672): which TLSA records speak for a host, and whether a chain of
// certificates is what they say. No I/O: look_up_dane() is a judgement over Findings, match_dane()
// is a function of its arguments.
//
//   MX answer secure? host's addresses secure?  no -> does not apply (no TLSA is asked, §2.2.2)
//   TLSA of the base name     bogus, temporary -> failed:   the host may not be used (§2.1.2)
//                             secure "no"      -> does not apply
//                             not secure       -> does not apply
//                             none usable      -> unusable: TLS is a must, nobody is verified
//                             else             -> usable:   one record must match the chain
//
// The base name is the host's name after secure CNAMEs; where nothing stands there, the name
// itself, if the first CNAME is secure (§2.2.2). Usable are usages 2 and 3 (0 and 1 need roots that
// SMTP has not, §3.1.3), selectors 0 and 1, matching 0 to 2, data that can be what they claim.
// Of the digests of one usage and selector only the strongest counts (RFC 7671 §9).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/inquiry.h"
#include "trust/chain.h"

namespace goniec {

struct DaneLimits {
  std::size_t records = 100;          // of a TLSA answer that are looked at
  std::size_t record_octets = 65536;  // of one record's data
  ChainLimits chain;
};

enum class DaneState { does_not_apply, failed, unusable, usable };
std::string_view name_of(DaneState state);

struct DaneTarget {
  std::string host;  // as MX names it: lower case, A-labels, no last dot
  std::uint16_t port = 25;
  std::string next_hop;  // the recipient domain: a name that DANE-TA takes too (§3.2.2); "": none
  bool secure_way = false;  // the MX answer that named the host was authenticated, or nothing
                            // of DNS was needed to name it
};

struct DaneFinding {
  DaneState state = DaneState::does_not_apply;
  std::string base;  // the TLSA base domain: "mx.example.com"
  std::uint16_t port = 25;
  std::vector<DnsTlsa> records;      // the usable ones
  std::vector<std::string> names;    // that a certificate under DANE-TA may be for
  std::string why;                   // does_not_apply, failed, unusable: one sentence
  std::uint32_t ttl_seconds = 3600;  // of what was looked at

  std::string owner() const;  // "_25._tcp.mx.example.com"
};

// Asks A, AAAA, perhaps CNAME, then TLSA. nullopt: something is not known yet.
std::optional<DaneFinding> look_up_dane(Findings& findings, const DaneTarget& target,
                                        const DaneLimits& limits = {});

// Sorts a TLSA answer: what of it is usable. Nothing usable: unusable, and why.
DaneFinding judge_tlsa(const std::vector<DnsRecord>& answer, const DaneLimits& limits = {});

struct DaneVerdict {
  bool matches = false;
  std::string record;  // the one that matched: "3 1 1 622d85c5…"
  ChainFault fault = ChainFault::none;
  std::string why;  // no match: one sentence
};

// REQUIRES finding.state usable, and a name in finding.names when a record has usage 2.
DaneVerdict match_dane(const DaneFinding& finding, const std::vector<std::string>& chain,
                       Instant now, const DaneLimits& limits = {});

std::string text_of(const DnsTlsa& record);  // "3 1 1 622d85c5272f29b5…", long data cut

}  // namespace goniec
