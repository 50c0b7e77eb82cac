// A Reply: what an SMTP server says, three digits, an enhanced status code and text (RFC 5321 §4.2,
// RFC 2034, RFC 3463). The same type is what we answer and what a peer answered us.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

struct EnhancedCode {  // 0.0.0: none
  std::uint16_t klass = 0, subject = 0, detail = 0;
  bool operator==(const EnhancedCode&) const = default;
  explicit operator bool() const { return klass != 0; }
  std::string text() const;  // "5.1.1", "" when none
  static EnhancedCode parse_prefix(
      std::string_view& text);  // takes "5.1.1 " off the front, or none
};

struct Reply {
  std::uint16_t code = 0;  // 0: no reply (connection lost, timeout): `text` says what happened
  EnhancedCode enhanced;
  std::vector<std::string> lines;  // without code; at least one, may be empty

  Reply() = default;
  Reply(std::uint16_t reply_code, EnhancedCode enhanced_code, std::string text);
  bool is_positive() const { return code >= 200 && code < 300; }
  bool is_intermediate() const { return code >= 300 && code < 400; }
  bool is_transient() const { return code == 0 || (code >= 400 && code < 500); }
  bool is_permanent() const { return code >= 500 && code < 600; }

  // On the wire: "250-a\r\n250 b\r\n"; the enhanced code is repeated on each line; lines are cut at
  // 512 octets, control characters and non-ASCII (unless `utf8`) replaced.
  std::string wire(bool with_enhanced = true, bool utf8 = false) const;
  // "550 5.1.1 no such user": one line for logs, events and diagnostics; lines joined by a space.
  std::string one_line() const;
  static Reply from_one_line(std::string_view text);  // the inverse, as far as it goes
};

}  // namespace goniec
