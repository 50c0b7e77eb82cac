// DKIM, the signing side (RFC 6376 §5, RFC 8301, RFC 8463): the body is hashed as it streams, the
// header at the end, when nothing changes any more.
//
//   DkimSigner signer(signing);
//   signer.add_body(octets)*;
//   for (prepared : signer.prepare(header, now)) prepend(complete(prepared));
//
// Relaxed forms, never l=. Covered are the fields of `oversigned` one time more than they stand in
// the header, so that none can be added (RFC 6376 §8.15), and those of `covered` as often as they
// stand. prepare() is cheap; complete() makes the signature (keys.h: up to 1 ms for RSA) and may
// run in another thread. With two keys there are two fields; who cannot verify one takes the other
// (RFC 8463 §3).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "mail/address.h"
#include "trust/canonical.h"
#include "trust/keys.h"
#include "trust/signature.h"

namespace goniec {

struct DkimSigningKey {
  std::string selector;
  std::shared_ptr<const PrivateKey> key;
};
struct DkimSigning {
  Domain domain;  // d=; i= is left to its default
  std::vector<DkimSigningKey> keys;
  Canonical header_form = Canonical::relaxed, body_form = Canonical::relaxed;
};

const std::vector<std::string>& oversigned_fields();  // in lower case
const std::vector<std::string>& covered_fields();

// All that a signature needs but the signature.
struct PreparedSignature {
  std::string field;      // without its CRLF, b= empty
  std::size_t place = 0;  // in it, where the signature goes
  Sha256 digest;
  std::shared_ptr<const PrivateKey> key;
  std::string name;  // "selector._domainkey.domain": for events
};
// The whole field with its CRLF. Over one line the signature is legal (at most 1,000 octets for the
// longest key) and not pretty.
enum class SignatureLines { folded, one };
std::string complete(const PreparedSignature& prepared,
                     SignatureLines lines = SignatureLines::folded);

class DkimSigner {
 public:
  explicit DkimSigner(DkimSigning signing);
  void add_body(std::string_view octets);
  // The body has ended; once. One for each key, in the order of the keys.
  std::vector<PreparedSignature> prepare(std::string_view header, Instant now);

 private:
  DkimSigning signing_;
  BodyHasher body_;
};

// h= for a header that holds the fields of `index`.
std::vector<std::string> names_to_sign(const FieldIndex& index);

// A signature as a header field, tag by tag: folded at blanks and after ':' of h=, at most 73
// columns where what it holds can be folded. REQUIRES values without controls.
class SignatureField {
 public:
  explicit SignatureField(std::string_view name);
  void add(std::string_view tag, std::string_view value);
  void add_list(std::string_view tag, const std::vector<std::string>& items);  // joined by ':'
  void add_place();                                                            // "b=", empty
  const std::string& text() const { return text_; }                            // without CRLF
  std::size_t place() const { return place_; }                                 // behind "b="
  std::string canonical(Canonical form) const;  // as it is hashed: without CRLF

 private:
  void put(std::string_view piece);
  void new_line();
  std::string text_;
  std::size_t column_ = 0, place_ = 0;
  bool any_ = false;
};
// Base64 over lines of at most 73 columns, each but the first behind a fold.
std::string folded_base64(std::string_view data, std::size_t column);

}  // namespace goniec
