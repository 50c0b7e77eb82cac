// Any octets as a message: the same structure whole and in pieces, parts inside of their parents
// and of the message, limits kept; transfer encodings come back.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/text.h"
#include "mail/mime.h"

using namespace goniec;

namespace {

void check_structure(std::string_view message, const MimeStructure& structure,
                     const MimeLimits& limits) {
  CHECK(!structure.parts.empty() && structure.parts.size() <= limits.parts);
  CHECK(structure.parts[0].header_begin == 0 && structure.parts[0].body_end == message.size());
  for (const auto& part : structure.parts) {
    CHECK(part.header_begin <= part.body_begin && part.body_begin <= part.body_end);
    CHECK(part.body_end <= message.size() && part.depth <= limits.depth);
    if (part.parent == MimePart::none) continue;
    const auto& parent = structure.parts[part.parent];
    CHECK(parent.depth + 1 == part.depth && parent.body_begin <= part.header_begin);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const MimeLimits limits{.depth = 5, .parts = 20, .header_octets = 300, .boundary_octets = 40};
  const auto structure = scan_mime(message, limits);
  check_structure(message, structure, limits);
  MimeScanner scanner(limits);
  const std::size_t piece = 1 + data[size - 1] % 16;
  for (std::size_t at = 0; at < size; at += piece) scanner.feed(message.substr(at, piece));
  const auto in_pieces = scanner.finish();
  CHECK(in_pieces.parts.size() == structure.parts.size());
  for (std::size_t at = 0; at < structure.parts.size(); ++at) {
    CHECK(in_pieces.parts[at].body_begin == structure.parts[at].body_begin);
    CHECK(in_pieces.parts[at].body_end == structure.parts[at].body_end);
    CHECK(in_pieces.parts[at].type == structure.parts[at].type);
  }
  CHECK(decode_quoted_printable(encode_quoted_printable(message)) == message);
  CHECK(decode_base64_lines(encode_base64_lines(message)) == message);
  for (auto line : split(encode_quoted_printable(message), '\n')) CHECK(line.size() <= 77);
  decode_quoted_printable(message);
  decode_base64_lines(message);
  return 0;
}
