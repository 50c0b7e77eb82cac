// DKIM, the verifying side (RFC 6376, RFC 8301, RFC 8463, RFC 8616). Pure: the message comes in
// pieces, the keys by Findings (proto/inquiry.h), the time as an argument.
//
//   DkimVerifier verifier(header);                // at the end of the header block
//   for (question : verifier.questions()) ...     // may be asked now, while the body streams
//   verifier.add_body(octets)*; verifier.end_body();
//   verifier.judge(findings, now)                 // until it has a verdict
//
// One result a DKIM-Signature field, from the top. The first 8 are verified (limits: opendkim#271),
// each behind them is `policy` with the reason. Bodies are hashed once for each pair of canonical
// form and l=. A signature whose l= leaves octets uncovered passes and says so: who uses the result
// must not take the rest of the body for signed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trust/signature.h"

namespace goniec {

struct DkimLimits {
  std::size_t verified = 8;  // signatures; beyond: policy
  SignatureLimits signature;
};

// What DKIM and ARC say of one signature (RFC 8601 §2.7.1 and its properties header.d, .s, .i, .a,
// .b). Domains are A-labels; texts are printable.
struct DkimResult {
  DkimStatus status = DkimStatus::none;
  std::string reason;     // "" for a plain pass
  Domain domain;          // empty: d= could not be read
  std::string selector;   // ""  : s= could not be read
  std::string identity;   // i=, or "@" and the domain
  std::string algorithm;  // a=
  std::string signature;  // the beginning of b= that tells it from the others (RFC 6008)
  unsigned key_bits = 0;
  bool testing = false;                // t=y of the key: says nothing about the result
  std::uint64_t uncovered_octets = 0;  // of the body, behind l=
};

class DkimVerifier {
 public:
  // The header block; it is kept.
  explicit DkimVerifier(std::string header, DkimLimits limits = {});
  ~DkimVerifier();
  DkimVerifier(DkimVerifier&&) noexcept;
  DkimVerifier& operator=(DkimVerifier&&) noexcept;

  bool wants_body() const;  // false: no signature needs it; add_body is not needed
  std::vector<DnsQuestion> questions() const;
  void add_body(std::string_view octets);
  void end_body();
  // REQUIRES end_body(). nullopt: the findings lack something. Empty: no signature (none).
  std::optional<std::vector<DkimResult>> judge(Findings& findings, Instant now) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A set of body hashers, one a pair of form and length: what several signatures share.
class BodyHashes {
 public:
  std::size_t want(Canonical form, std::optional<std::uint64_t> length);  // its place
  void add(std::string_view octets);
  void finish();
  bool empty() const { return wanted_.empty(); }
  const BodyHasher& at(std::size_t place) const { return wanted_[place].hasher; }

 private:
  struct Wanted {
    Canonical form;
    std::optional<std::uint64_t> length;
    BodyHasher hasher;
  };
  std::vector<Wanted> wanted_;
};

// The body hash and l= of `tags` against what was hashed; nullopt: they agree.
std::optional<SignatureProblem> check_body(const SignatureTags& tags, const BodyHasher& body);

}  // namespace goniec
