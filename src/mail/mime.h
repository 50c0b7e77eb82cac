// The MIME structure of a message (RFC 2045, 2046), found while its octets pass by: boundaries,
// parts, where each begins and ends. Nothing is decoded and no body is kept; one pass, memory
// bounded by the limits, depth by a stack of its own, so that neither 10^5 nested parts nor a
// megabyte of dashes costs more than their octets.
//
// What is broken is read as far as a reader would show it, and a fault is set: a multipart without
// a boundary is a leaf, a part that is not closed ends with what contains it, what exceeds a limit
// is opaque. Line ends are CRLF or LF.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mail/transfer.h"

namespace goniec {

struct MimeLimits {
  std::size_t depth = 100;
  std::size_t parts = 1000;
  std::size_t header_octets = 256 * 1024;  // of one part; what is beyond is not looked at
  std::size_t boundary_octets = 8192;  // RFC 2046 §5.1.1 says 70; more is read, but not any length
};

struct MimePart {
  static constexpr std::size_t none = ~std::size_t{0};
  std::size_t parent = none;  // index of the containing part
  std::size_t depth = 0;      // of the message itself: 0
  std::string type;           // "text/plain", lower case, by default as RFC 2045 §5.2
  std::string charset;        // as written
  TransferEncoding encoding = TransferEncoding::seven_bit;
  std::string disposition;  // "attachment", lower case; "" when not given
  std::string file_name;    // UTF-8; "" when not given
  std::string boundary;     // of a multipart that is taken apart
  std::uint64_t header_begin = 0, body_begin = 0, body_end = 0;  // octets of the message
  bool is_multipart() const { return !boundary.empty(); }
  bool holds_message = false;  // message/rfc822 that is taken apart: one child
};

struct MimeFaults {
  bool malformed_header = false;  // a line in a header that is no field
  bool large_header = false;
  bool no_boundary = false;  // a multipart without the parameter
  bool not_closed = false;   // the end came before a closing boundary
  bool too_deep = false, too_many_parts = false;
  bool any() const {
    return malformed_header || large_header || no_boundary || not_closed || too_deep ||
           too_many_parts;
  }
};

struct MimeStructure {
  std::vector<MimePart> parts;  // in order of appearance; the first is the message
  MimeFaults faults;
};

class MimeScanner {
 public:
  explicit MimeScanner(MimeLimits limits = {});
  ~MimeScanner();
  MimeScanner(MimeScanner&&) noexcept;
  MimeScanner& operator=(MimeScanner&&) noexcept;
  void feed(std::string_view chunk);  // in any cuts, from the header of the message on
  MimeStructure finish();             // REQUIRES not finished yet

 private:
  struct State;
  std::unique_ptr<State> state_;
};

MimeStructure scan_mime(std::string_view message, const MimeLimits& limits = {});

}  // namespace goniec
