// The one place where mail is signed (DKIM): for SMTP submission, the API, sendmail and notices.
//
//   MessageSigner signer = MessageSigner::begin(...)   at the end of the header: is there a key?
//   signer.add_body(octets)*                           hashed as it streams
//   co_await signer.finish(...)                        at commit, after the last change
//
// Signed is what was submitted here: by a login, by a user of this machine, by the house itself;
// never what came from elsewhere, whatever its From says. The keys are those of the domain of the
// first From address (accounts/signing_keys.h). RSA is computed on the offload pool, or here when
// its queue is full: mail is not refused for that.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/signing_keys.h"
#include "mail/journey.h"
#include "run/world.h"
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

}  // namespace goniec
