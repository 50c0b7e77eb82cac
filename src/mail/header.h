// The header block of a message, scanned once (RFC 5322 §2.2): one pass, views into the given text.
// Limits: 256 KiB a block, 1,000 fields; the block ends with an empty line, which it includes.
// Lines end with CRLF; a bare LF is read as a line end too (what comes in by SMTP has none).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

struct HeaderLimits {
  std::size_t block_octets = 256 * 1024;  // 552 5.3.4
  std::size_t fields = 1000;              // 554 5.6.0
  std::size_t received_fields = 100;      // 554 5.4.6 (RFC 5321 §6.3); checked by intake/fixups
};

struct HeaderField {
  std::string_view name;   // without ':' and trailing blanks
  std::string_view value;  // raw, folded, without the final CRLF; starts after ':'
  std::string_view whole;  // the field with its CRLF
};

// Splits a block that ends with an empty line or at its end. A line that is no field (no colon, a
// name with controls or blanks inside) makes the block end before it: `body_offset` is where the
// body begins; `malformed` says that it was not an empty line that ended the header.
struct HeaderBlock {
  std::vector<HeaderField> fields;
  std::size_t body_offset = 0;
  bool malformed = false;
};
Result<HeaderBlock> scan_header(std::string_view block, const HeaderLimits& limits);

const HeaderField* find_field(const HeaderBlock& block, std::string_view name);
std::size_t count_fields(const HeaderBlock& block, std::string_view name);
std::string unfold(std::string_view value);  // CRLF before WSP removed, ends trimmed

// "<id>" of a Message-ID value without the brackets; "" when there is none.
std::string message_id_of(std::string_view value);

}  // namespace goniec
