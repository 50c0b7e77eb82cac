// Is this chain of certificates what a host of this name should show? PKIX path validation (RFC
// 5280 §6) by OpenSSL's libcrypto, over DER as TLS handed it in; names by RFC 9525.
//
// A judgement without clock or files: time and roots are arguments. The order of the certificates
// above the first does not matter. It promises one fault with one sentence for people, the first
// of: nothing to read, not trusted, dates, name; so that a report (RFC 8460 §4.3) can name it.
// Refuses: more than ChainLimits, keys and digests below 112 bits (RFC 9325 §4.2), names of the
// subject alone (only a subjectAltName counts, RFC 9525 §6.1) unless DANE-TA asks for them.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace goniec {

struct ChainLimits {
  std::size_t certificates = 20;            // shown by a peer
  std::size_t certificate_octets = 65'536;  // each
  int depth = 10;                           // between the first and its root
};

enum class ChainFault {
  none,
  unreadable,     // no certificate, too many, or no DER
  not_trusted,    // no way to a root or anchor, or a broken one
  expired,        // or not yet valid
  host_mismatch,  // valid, for other names
};
std::string_view name_of(ChainFault fault);

struct ChainVerdict {
  ChainFault fault = ChainFault::none;
  std::string why;  // when there is a fault
  bool good() const { return fault == ChainFault::none; }
};

// The certificates of a PEM text as TLS would hand them in: DER, in order, without what is none.
std::vector<std::string> certificates_of_pem(std::string_view pem);

// Root certificates, read once, shared by threads.
class TrustRoots {
 public:
  // config: no certificate in it. What cannot be read among others is left out.
  static Result<std::shared_ptr<const TrustRoots>> of_pem(std::string_view pem);
  ~TrustRoots();
  TrustRoots(const TrustRoots&) = delete;
  TrustRoots& operator=(const TrustRoots&) = delete;
  std::size_t size() const;

  struct State;
  const State& state() const { return *state_; }  // for trust/ only

 private:
  explicit TrustRoots(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// One of `names` (A-labels) must be in the certificate. REQUIRES at least one name.
ChainVerdict verify_pkix(const std::vector<std::string>& chain, const TrustRoots& roots,
                         const std::vector<std::string>& names, Instant now,
                         const ChainLimits& limits = {});

// What DANE-TA needs (trust/dane): anchors in place of roots, which may be any certificate of the
// chain or above it; the subject's common name counts where no subjectAltName names a host
// (RFC 7672 §3.2.3). Each anchor is DER.
ChainVerdict verify_to_anchors(const std::vector<std::string>& chain,
                               const std::vector<std::string>& anchors,
                               const std::vector<std::string>& names, Instant now,
                               const ChainLimits& limits = {});

}  // namespace goniec
