// The Sender Rewriting Scheme: a forwarder puts an address of its own into MAIL FROM, so that SPF
// passes behind it, and finds the sender again in the address that a notice comes back to. There is
// no RFC; the form is that of Wong's paper of 2003 and of libsrs2, which all forwarders share.
//
//   local@domain                                   SRS0=HASH=DAY=domain=local@ours
//   SRS0=HASH=DAY=domain=local@first               SRS1=HASH'=first==HASH=DAY=domain=local@ours
//   SRS1=HASH"=first==HASH=DAY=domain=local@second the same
//   what is too long for either                    SRS0=HASH=DAY==MESSAGE@ours
//
// So an address grows at the first two forwarders and no more: what is before the last "==" names
// the first forwarder, who alone can read the rest, and to whom notices go straight.
//
// | part | is |
// |------|----|
// | HASH | 8 characters of base32: 40 bits of an HMAC-SHA-256 over all behind it, lower case |
// | DAY  | 2 characters of base32: the day since 1970, modulo 1024; only SRS0 has it          |
//
// Upper and lower case are the same everywhere in it, for not every host on the way keeps them
// apart; the local part comes back in the case that it came in. Of the separators behind the tag
// ('=', '+', '-') ours is '='; those of others are kept.
//
// Promises: reverse(forward(x)) is x, for days_valid days and no longer; what was not made with one
// of the secrets, or was changed, is `forged`. Refuses (nullopt) what does not fit into the 64
// octets of a local part (RFC 5321 §4.5.3.1.1): the overhead is 18, so that domain and local part
// may have 46 together. For others forward_message() names the message, whose sender the house
// remembers; no domain is empty, so that nobody's address looks the same. Pure: time is an
// argument.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "mail/address.h"

namespace goniec {

struct SrsLimits {
  std::size_t hash_characters = 8;
  std::size_t local_octets = 64;  // RFC 5321 §4.5.3.1.1
  unsigned days_early = 1;        // a stamp of tomorrow: the clocks of two machines of one house
};

enum class SrsForm { srs0, srs1 };
struct SrsForwarded {
  Address sender;
  SrsForm form = SrsForm::srs0;
};

enum class SrsStatus { good, malformed, forged, expired };
struct SrsReturned {
  SrsStatus status = SrsStatus::malformed;
  Address sender;     // to whom a notice goes, when good
  MessageId message;  // instead: the sender of this message
};

// Has it the form of an address that forward() makes? Any address may be asked; it is cheap.
bool looks_like_srs(std::string_view local);

class Srs {
 public:
  // The first secret makes, each verifies. REQUIRES one at least.
  explicit Srs(std::vector<std::string> secrets, SrsLimits limits = {});

  // REQUIRES a sender that is not <>.
  std::optional<SrsForwarded> forward(const Address& sender, const Domain& by, Instant now) const;
  // The same for a sender that forward() refuses. nullopt: the name of `by` is too long.
  std::optional<Address> forward_message(MessageId message, const Domain& by, Instant now) const;
  // REQUIRES looks_like_srs().
  SrsReturned reverse(const Address& recipient, Instant now, unsigned days_valid) const;

 private:
  std::optional<Address> sign(std::string_view tag, const std::string& text,
                              const Domain& by) const;
  std::string hash(const std::string& secret, std::string_view text) const;
  bool is_ours(std::string_view given, std::string_view text) const;
  SrsReturned reverse_first(std::string_view text, Instant now, unsigned days_valid) const;
  SrsReturned reverse_second(std::string_view text) const;
  std::vector<std::string> secrets_;
  SrsLimits limits_;
};

}  // namespace goniec
