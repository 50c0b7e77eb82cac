// What connections to other servers share about TLS: the context, the roots that vouch for
// certificates, and the ear that hears how each session went (TLS-RPT, RFC 8460). A session is told
// once: when its TLS was judged, when the peer had none, or when the policy forbade the host.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mail/journey.h"
#include "trust/tls_requirement.h"

namespace goniec {

class TlsContext;  // net/tls.h

// One session to a host, or one that was not begun because the policy forbade it.
struct TlsSession {
  Instant at{};
  std::string domain;                      // of the recipient: the policy domain
  std::string policy_type;                 // RFC 8460 §4.4: "tlsa", "sts", "no-policy-found"
  std::vector<std::string> policy, mx;     // policy-string, mx-host
  TlsFault fault = TlsFault::none;         // none: a session as the policy wants it
  TlsFault policy_fault = TlsFault::none;  // a policy there is, and it could not be fetched
  std::string why;
  std::string host, ehlo;           // receiving MX, and what it called itself
  IpAddress address;                // of the host
  std::optional<IpAddress> source;  // ours
  bool tls = false;                 // it was encrypted
};

struct OutboundTls {
  std::shared_ptr<const TlsContext> context;
  std::shared_ptr<const TrustRoots> roots;            // null: nothing can be verified by PKIX
  std::function<void(const TlsSession&)> on_session;  // on the shard's loop; unset: nobody hears
};

}  // namespace goniec
