// MTA-STS (RFC 8461): record, policy, which MX a policy lets through, and what a cache does.
// No I/O and no clock: what DNS and HTTPS said are arguments.
//
// A policy that is known stays in force until its max_age has passed, whatever happens to the
// record or the web server (§3.1, §3.3): only a newer policy replaces it. So, for a domain:
//
//   known policy   TXT record          do
//   in force       no, several, broken keep it (the record went away: not the policy)
//   in force       cannot be asked     keep it
//   in force       same id             keep it; fetch beside when refresh is due (§3.3)
//   in force       another id          fetch; a failure keeps the old one
//   none, expired  one record          fetch; a failure: no policy, and no new try for `pause`
//   none, expired  no, cannot be asked no policy
//   none, expired  bogus               cannot tell: mail waits
//
// A TXT answer that is temporary is no "no", but without a known policy there is nothing that it
// could weaken: the mechanism trusts on first use (§10). A bogus one says that somebody is at work.
//
// Grammar is strict (§3.1, §3.2): unknown fields are skipped, a field given again is ignored, but
// for mx. An address in place of an MX name matches nothing and breaks nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "proto/inquiry.h"

namespace goniec {

struct MtaStsLimits {
  std::size_t policy_octets = 64 * 1024;       // RFC 8461 §3.3
  Duration fetch = std::chrono::minutes(1);    // §3.3
  Duration pause = std::chrono::minutes(5);    // §3.3: between failing fetches
  Duration refresh = std::chrono::hours(24);   // §3.3: proactively
  std::uint32_t longest_max_age = 31'557'600;  // §3.2: a year
  std::size_t mx_patterns = 500;               // ours
};

// ------------------------------------------------------------------------------------ record
// The id of one TXT record (§3.1). bad_data: why it is none.
Result<std::string> parse_mta_sts_record(std::string_view text);

// What the TXT answer of _mta-sts.DOMAIN says. absent: none, several, or broken ones (§3.1).
struct MtaStsRecord {
  enum class Kind { found, absent, unknown, bogus } kind = Kind::absent;
  std::string id;   // found
  std::string why;  // otherwise
};
MtaStsRecord judge_mta_sts_record(const DnsAnswer& answer);
std::string mta_sts_record_name(std::string_view domain);  // "_mta-sts.example.com"
std::string mta_sts_policy_host(std::string_view domain);  // "mta-sts.example.com"

// ------------------------------------------------------------------------------------ policy
enum class MtaStsMode { none, testing, enforce };
std::string_view name_of(MtaStsMode mode);

struct MtaStsPolicy {
  MtaStsMode mode = MtaStsMode::none;
  std::vector<std::string> mx;  // "mail.example.com", "*.example.com": lower case, A-labels
  std::uint32_t max_age = 0;    // seconds, at most longest_max_age
  bool operator==(const MtaStsPolicy&) const = default;
};

// bad_data: which rule it breaks.
Result<MtaStsPolicy> parse_mta_sts_policy(std::string_view text, const MtaStsLimits& limits = {});
// As it is fetched again: LF lines. parse(print(p)) == p.
std::string print_mta_sts_policy(const MtaStsPolicy& policy);

// §4.1: a pattern of the policy matches the name of this MX.
bool allows_mx(const MtaStsPolicy& policy, std::string_view host);

// What the web server answered to GET https://mta-sts.DOMAIN/.well-known/mta-sts.txt (§3.3). Only
// 200 with text/plain is a policy; a redirect is not followed.
struct MtaStsReply {
  unsigned status = 0;
  std::string content_type;
  std::string body;
};
Result<MtaStsPolicy> judge_mta_sts_reply(const MtaStsReply& reply, const MtaStsLimits& limits = {});

// ------------------------------------------------------------------------------------ cache
struct MtaStsKnown {  // what is kept of a domain, in memory and on disk
  std::string id;     // of the record when it was fetched
  MtaStsPolicy policy;
  Instant fetched_at{};
  bool in_force(Instant now) const;
  bool operator==(const MtaStsKnown&) const = default;
};

struct MtaStsFailure {  // in memory only
  std::string id;
  Instant at{};
  std::string why;
};

enum class MtaStsStep {
  apply,            // known, or nothing
  fetch,            // and wait for it
  apply_and_fetch,  // apply now, fetch beside
  wait              // cannot tell: mail for this domain waits
};
struct MtaStsDecision {
  MtaStsStep step = MtaStsStep::apply;
  bool use_known = false;  // apply, apply_and_fetch: the known policy is in force
  std::string why;         // one sentence, for people
};
MtaStsDecision decide_mta_sts(const std::optional<MtaStsKnown>& known,
                              const std::optional<MtaStsFailure>& failure,
                              const MtaStsRecord& record, Instant now,
                              const MtaStsLimits& limits = {});

// After a fetch: what is known from now on. A failure keeps what is in force.
std::optional<MtaStsKnown> after_fetch(std::optional<MtaStsKnown> known, const MtaStsRecord& record,
                                       const Result<MtaStsPolicy>& fetched, Instant now);

}  // namespace goniec
