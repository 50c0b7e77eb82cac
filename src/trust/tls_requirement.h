// What must a connection to this host be, who says so, and did it become that? One pure function
// before the connection, one after its TLS.
//
//   in this order                              level          proof     by
//   route tls = "none"                         none           nothing   route
//   DANE usable                                verified       dane      dane
//   MTA-STS enforce, MX in the policy          verified       mta_sts   mta_sts
//   DANE unusable                              encrypted      nothing   dane
//   route tls = "required"                     encrypted      nothing   route
//   else                                       opportunistic  nothing   nobody
//   DANE failed; MTA-STS enforce, MX not in the policy        blocked: the host is not tried
//
// DANE goes before MTA-STS, so that a policy never makes a failing TLSA good (RFC 8461 §2).
// MTA-STS testing changes nothing but the report (§5). TLS-Required: No lifts what the recipient's
// domain asks, not what the route says (RFC 8689 §3); REQUIRETLS lifts it to verified, and needs a
// way that is signed, in an enforced policy, or by a route (§4.2.1). Opportunistic is the only
// level that may end in clear text, for one attempt.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/journey.h"
#include "trust/chain.h"
#include "trust/dane.h"
#include "trust/mta_sts.h"

namespace goniec {

enum class TlsLevel { none, opportunistic, encrypted, verified };
enum class TlsProof { nothing, dane, mta_sts, pkix };
enum class TlsAsker { nobody, dane, mta_sts, route, requiretls };
std::string_view name_of(TlsLevel level);
std::string_view name_of(TlsProof proof);  // "none", "dane", "mta_sts", "pkix": TlsFacts::verified
std::string_view name_of(TlsAsker asker);

enum class TlsFault {  // RFC 8460 §4.3; name_of gives its result types
  none,
  starttls_not_supported,
  certificate_host_mismatch,
  certificate_expired,
  certificate_not_trusted,
  validation_failure,
  tlsa_invalid,
  dnssec_invalid,
  dane_required,
  sts_policy_fetch_error,
  sts_policy_invalid,
  sts_webpki_invalid
};
std::string_view name_of(TlsFault fault);  // "certificate-host-mismatch"; "" for none

struct MessageTlsWish {       // of one message
  bool requiretls = false;    // RFC 8689 §2, a parameter of MAIL
  bool policies_off = false;  // RFC 8689 §3, TLS-Required: No; without effect beside requiretls
  bool operator==(const MessageTlsWish&) const = default;
};
// What a message asks. A null sender's REQUIRETLS goes on where it is offered and stops nothing
// where it is not: a report that cannot be protected is better than none (RFC 8689 §5).
MessageTlsWish tls_wish_of(const Message& message);
// RFC 8689 §3, of a header block: one field, its value No.
bool asks_policies_off(std::string_view header);

enum class RouteTlsWish { none, opportunistic, required };

struct TlsSituation {
  std::string host;    // the MX, or the relay of a route
  std::string domain;  // of the recipient
  RouteTlsWish route = RouteTlsWish::opportunistic;
  std::string route_rule;                                 // "route 2 (goniec.toml:41)"
  enum class Way { mx, signed_mx, route } way = Way::mx;  // how the host came to be named
  DaneFinding dane;
  std::optional<MtaStsKnown> mta_sts;  // in force
  MessageTlsWish wish;
};

struct TlsRefusal {
  TlsFault fault = TlsFault::none;
  std::string why;         // with who asked and for what
  bool permanent = false;  // 5.7.30: no later try can be better
};

struct TlsRequirement {
  TlsLevel level = TlsLevel::opportunistic;
  TlsProof proof = TlsProof::nothing;
  TlsAsker by = TlsAsker::nobody;
  std::string
      who;  // "DANE (TLSA of _25._tcp.mx.example)", "MTA-STS of example.com (enforce, id 7)"
  std::optional<TlsRefusal> blocked;  // set: this host may not be tried
  bool needs_requiretls = false;      // the peer must offer it after TLS
  bool report_only = false;           // MTA-STS testing: verified for the report alone
  std::vector<std::string> names;     // for mta_sts, pkix
  DaneFinding dane;                   // for dane
  // The policy that stands behind it, for reports (RFC 8460 §4.4).
  std::string policy_type = "no-policy-found";  // "tlsa", "sts"
  std::vector<std::string> policy_strings, policy_mx;
  TlsFault policy_fault = TlsFault::none;  // the policy itself could not be had: sts-policy-…

  bool may_be_clear() const { return !blocked && level <= TlsLevel::opportunistic; }
  std::string text() const;  // "verified by DANE (…)", "opportunistic"
  // Equal exactly where one connection satisfies both: a part of the site's key. "" where nothing
  // is required.
  std::string key() const;
};

TlsRequirement require_tls(const TlsSituation& situation);

struct TlsSeen {
  enum class Kind {
    not_offered,  // EHLO did not name STARTTLS
    refused,      // 4xx, 5xx or nonsense to STARTTLS
    broken,       // the handshake failed
    up
  } kind = Kind::not_offered;
  std::string why;                 // refused, broken
  std::vector<std::string> chain;  // up: DER, as shown
};

struct TlsJudgement {
  std::optional<TlsRefusal> refused;      // set: nothing of a message may go this way
  TlsProof verified = TlsProof::nothing;  // what was proved
  TlsFault fault = TlsFault::none;        // for reports, also where the mail goes on (testing)
  std::string why;
};
// `roots`: for mta_sts and pkix; null: nothing can be verified.
TlsJudgement judge_tls(const TlsRequirement& requirement, const TlsSeen& seen,
                       const TrustRoots* roots, Instant now);

// The peer has said EHLO in TLS: RFC 8689 §4.2.1, step 4.
std::optional<TlsRefusal> judge_requiretls_offer(const TlsRequirement& requirement,
                                                 const std::string& host, bool offered);

}  // namespace goniec
