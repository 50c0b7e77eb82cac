// Canonical forms of RFC 6376 §3.4, in which header fields and body are hashed for DKIM and ARC.
//
// | form    | header field                          | body                                   |
// |---------|---------------------------------------|----------------------------------------|
// | simple  | as it is (§3.4.1)                     | empty lines at the end become one CRLF |
// | relaxed | name in lower case, folds undone,     | also: white space at the end of a line |
// |         | runs of white space one SP (§3.4.2)   | goes, runs of it become one SP         |
//
// A body without octets is CRLF in simple and nothing in relaxed (§3.4.3, §3.4.4); one that does
// not end with CRLF gets it. Lines end with CRLF only; a CR or LF alone is an octet like others.
// All is linear in the octets and keeps none of them: a million empty lines are a number.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "mail/header.h"

namespace goniec {

enum class Canonical { simple, relaxed };
std::string_view name_of(Canonical form);  // "simple", "relaxed"

// The field with its CRLF, in its form.
std::string canonical_field(Canonical form, const HeaderField& field);

class BodyHasher {
 public:
  explicit BodyHasher(Canonical form) : form_(form) {}
  // l= of RFC 6376 §3.5: only so many octets of the canonical body are hashed.
  BodyHasher(Canonical form, std::uint64_t length) : form_(form), length_(length) {}

  void add(std::string_view octets);  // pieces of any size
  void finish();                      // the body has ended; once
  Sha256 digest() const { return hash_.finish(); }
  std::uint64_t octets() const { return octets_; }  // of the canonical body, also behind l=

 private:
  void add_simple(std::string_view octets);
  void add_relaxed(std::string_view octets);
  std::size_t take_marks(std::string_view octets);
  void content(std::string_view octets);
  void emit(std::string_view octets);
  void flush();

  Canonical form_;
  std::uint64_t length_ = UINT64_MAX;
  std::uint64_t octets_ = 0;
  std::uint64_t line_ends_ = 0;  // seen and not yet hashed: they may be the body's end
  bool cr_ = false;              // the last octet was CR
  bool blank_ = false;           // relaxed: white space that may become one SP
  bool any_ = false;             // some content was hashed
  std::string buffer_;
  Sha256Stream hash_;
};

}  // namespace goniec
