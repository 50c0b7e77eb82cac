// Which DNS records does a mail domain need, and does DNS have them? A judgement over Findings
// (proto/inquiry.h): it reads what stands there, merges with it, and says of each record what is
// right, why it matters and what to type. No I/O: what the server is and has comes as facts.
//
//   record        required   ok when DNS has
//   MX            yes        an MX that names our host
//   A, AAAA       yes        the host's addresses (those that we know, when we do)
//   PTR           yes        a name for each address that leads back to it (RFC 1912 §2.1)
//   SPF           yes        one record, right, that passes each of our addresses (RFC 7208)
//   DKIM          yes        each selector's key, the same as ours (RFC 6376 §3.6.1)
//   DMARC         yes        one record that is right (RFC 9989); the ladder says the next step
//   MTA-STS       no         the record of our policy, and the host of the policy (RFC 8461 §3)
//   TLS-RPT       no         one record with a destination (RFC 8460 §3)
//   TLSA          no         a record that matches our certificate (RFC 7672); a wrong one stops
//   mail SRV           no         where clients find us (RFC 6186, 8314 §5.1)
//   autoconfig    no         the host that mail programs ask
//
// Statuses temporary and bogus are never "no": such a record is `cannot_tell`. Nothing that stands
// in DNS is proposed to be weaker than it is.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/inquiry.h"

namespace goniec {

struct DnsAdviceLimits {
  std::size_t addresses = 10;  // of our host that are looked at
  std::size_t questions = 200;
};

struct AdvisedKey {
  std::string selector;
  std::string record;  // "v=DKIM1; k=rsa; p=…"
};

struct AdvisedService {
  std::string service;  // "_submissions._tcp"
  std::uint16_t port = 0;
};

struct DnsAdviceFacts {
  std::string domain;                    // A-labels, lower case
  std::string hostname;                  // of this server
  std::vector<IpAddress> addresses;      // of this server as the world sees it; may be unknown
  std::vector<AdvisedKey> keys;          // of the domain
  bool keys_known = true;                // false: the server could not be asked
  std::string reports;                   // the address that takes reports
  std::vector<DnsTlsa> tlsa;             // of our certificate; none: it is unknown
  std::vector<AdvisedService> services;  // that listen here
  std::string mta_sts_mode = "testing";  // of the policy that we serve, or would serve
  bool mta_sts_served = false;
  bool autoconfig_served = false;
  Instant now{};
};

enum class AdviceState { ok, wrong, missing, cannot_tell };
std::string_view name_of(AdviceState state);  // "cannot tell"

struct AdvisedRecord {
  std::string topic;       // "MX", "SPF", "DKIM"
  std::string name, type;  // "example.pl", "TXT"; without a last dot
  std::string value;       // as in a zone file, TXT unquoted; "": we do not know it
  bool required = false;
  bool ours_to_set = true;  // false: at the provider of the address (PTR)
  bool ready = true;        // false: what it points to is not served yet
  AdviceState state = AdviceState::missing;
  std::string found;  // what DNS has, when it is not the value
  std::string why;    // it matters
  std::string fix;    // "" when ok
};

struct DnsAdvice {
  std::string domain;
  std::vector<AdvisedRecord> records;
  std::vector<std::string> notes;  // next steps: the DMARC ladder
  std::string mta_sts_policy;      // its text
  // Something is wrong: a record that is, or a required one that is missing.
  bool is_wrong() const;
};

// The policy of MTA-STS for a server of this name, as it is served, and the id that says which.
std::string mta_sts_policy_text(const std::vector<std::string>& hosts, std::string_view mode);
std::string mta_sts_id_of(std::string_view policy_text);

std::optional<DnsAdvice> advise_dns(Findings& findings, const DnsAdviceFacts& facts,
                                    const DnsAdviceLimits& limits = {});

enum class AdviceDetail { records, check };  // check: with states, reasons and fixes
std::string advice_as_table(const DnsAdvice& advice, AdviceDetail detail);
// To be included in a zone of the domain as it is; what belongs into other zones is a comment.
std::string advice_as_zone(const DnsAdvice& advice);
std::string advice_as_json(const DnsAdvice& advice, AdviceDetail detail);

}  // namespace goniec
