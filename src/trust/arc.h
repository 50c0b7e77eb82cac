// ARC: who handled a message before, and what it was then (RFC 8617). Pure, as trust/dkim.h.
//
// | in a message               | is   | by                                                     |
// |----------------------------|------|--------------------------------------------------------|
// | no ARC field               | none | §5.2                                                   |
// | sets 1..N whole, cv right, | pass | §5.2; AMS(N) and every AS verify                       |
// |   N at most 50             |      |                                                        |
// | all else                   | fail | the reason says which field; `temporary` when a key    |
// |                            |      | could not be looked up, which proves nothing           |
//
// A pass says that each sealer signed what it saw, not that it is honest: it changes nothing unless
// the sealer is on a local list. oldest_pass is the oldest instance whose AMS still verifies, so
// that nothing was changed since (§5.2); at most 8 are tried, newest first; 0: all of them.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trust/dkim_signer.h"
#include "trust/signature.h"

namespace goniec {

struct ArcLimits {
  unsigned instances = 50;  // RFC 8617 §5.1.1.1
  unsigned messages = 8;    // ARC-Message-Signatures verified, newest first
  SignatureLimits signature;
};

enum class ArcStatus { none, pass, fail };
std::string_view name_of(ArcStatus status);

// One hop, as it says itself; believe it only after a pass.
struct ArcSet {
  unsigned instance = 0;
  Domain domain;  // d= of the seal
  std::string selector;
  std::string results;  // of ARC-Authentication-Results behind "i=N;", unfolded
};
struct ArcResult {
  ArcStatus status = ArcStatus::none;
  std::string reason;  // of a fail; printable
  bool temporary = false;
  unsigned oldest_pass = 0;
  std::vector<ArcSet> sets;  // 1..N; empty when the chain is broken
};

class ArcVerifier {
 public:
  explicit ArcVerifier(std::string header, ArcLimits limits = {});
  ~ArcVerifier();
  ArcVerifier(ArcVerifier&&) noexcept;
  ArcVerifier& operator=(ArcVerifier&&) noexcept;

  bool wants_body() const;
  std::vector<DnsQuestion> questions() const;
  void add_body(std::string_view octets);
  void end_body();
  // REQUIRES end_body(). nullopt: the findings lack something.
  std::optional<ArcResult> judge(Findings& findings, Instant now) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct ArcSealing {
  Domain domain;
  DkimSigningKey key;  // one: a seal has one signature
};

// The next set of a chain (§5.1). The body as it streams, the header at the end; `received` is what
// this house found when the message came, `results` what it wrote into Authentication-Results,
// beginning with its authserv-id.
class ArcSealer {
 public:
  explicit ArcSealer(ArcSealing sealing);
  void add_body(std::string_view octets);
  // The body has ended; once. ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, in
  // this order, to be prepended; "" when nothing may be added: the chain was marked failed before
  // (§5.1), or is full. `names`: h= of the message signature; empty: as DkimSigner has it.
  std::string seal(std::string_view header, ArcStatus received, std::string_view results,
                   Instant now, std::vector<std::string> names = {});

 private:
  ArcSealing sealing_;
  BodyHasher body_{Canonical::relaxed};
};

}  // namespace goniec
