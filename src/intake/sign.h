// The one place where mail is signed (DKIM): for SMTP submission, the API, sendmail and notices;
// and where what an alias leads out is sealed (ARC).
//
//   MessageSigner signer = MessageSigner::begin(...)   at the end of the header: is there a key?
//   signer.add_body(octets)*                           hashed as it streams
//   co_await signer.finish(...)                        at commit, after the last change
//
// Signed is what was submitted here: by a login, by a user of this machine, by the house itself;
// never what came from elsewhere, whatever its From says. The keys are those of the domain of the
// first From address (accounts/signing_keys.h). RSA is computed on the offload pool, or here when
// its queue is full: mail is not refused for that.
//
// Sealed is what came from a stranger, was judged at its arrival and leaves by an alias, in the
// name of the alias's domain, by the same keys (RFC 8617 §5.1). It is not signed: we are not its
// author, and the author's own signature stays whole, for nothing it covers is changed.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/signing_keys.h"
#include "mail/journey.h"
#include "run/world.h"
#include "trust/arc.h"
#include "trust/dkim_signer.h"

namespace goniec {

struct SigningDoors {
  const SigningKeys* keys = nullptr;  // null: nothing is signed
  Offload* offload = nullptr;         // null: computed on the loop
};

struct SignedHeader {
  std::string fields;              // to be prepended; "" : none
  std::vector<std::string> names;  // "selector._domainkey.domain"
};

class MessageSigner {
 public:
  MessageSigner() = default;  // signs nothing
  static MessageSigner begin(const SigningDoors& doors, Source source, std::string_view submitter,
                             std::string_view header);
  bool signs() const { return signer_.has_value(); }
  void add_body(std::string_view octets) {
    if (signer_) signer_->add_body(octets);
  }
  // The message has ended; once, one of both.
  Task<SignedHeader> finish(Loop& loop, std::string_view header);
  SignedHeader finish_here(Instant now, std::string_view header);  // on this thread

 private:
  Offload* offload_ = nullptr;
  std::optional<DkimSigner> signer_;
};

// What was found when the message came: for ArcSealer::seal.
struct FoundAtArrival {
  ArcStatus chain = ArcStatus::none;
  std::string results;  // of Authentication-Results, with our id
};

class MessageSealer {
 public:
  MessageSealer() = default;  // seals nothing
  // By the first key of `by`, or of the nearest domain above it that has one.
  static MessageSealer begin(const SigningDoors& doors, const Domain& by);
  bool seals() const { return sealer_.has_value(); }
  void add_body(std::string_view octets) {
    if (sealer_) sealer_->add_body(octets);
  }
  // The message has ended; once. No fields: the chain may not be continued.
  Task<SignedHeader> finish(Loop& loop, std::string_view header, FoundAtArrival found);

 private:
  Offload* offload_ = nullptr;
  bool slow_ = false;
  std::string name_;
  std::optional<ArcSealer> sealer_;
};

}  // namespace goniec
