// Any octets as a header block: its fields and its rest are the input again, unfolded values and
// message ids hold no line end, dates and decoded words survive a second pass, and a composed field
// is one field whatever its value.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "mail/compose.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/words.h"
#include "mail/xtext.h"

using namespace goniec;

namespace {

void check_value(std::string_view value) {
  CHECK(unfold(value).find_first_of("\r\n") == std::string::npos);
  const auto id = message_id_of(value);
  CHECK(id.find_first_of("<>\r\n ") == std::string::npos && is_utf8(id));
  if (const auto date = parse_date(value)) {
    CHECK(parse_date(to_rfc5322(*date)) == std::chrono::floor<std::chrono::seconds>(*date));
  }
  const auto words = decode_words(value);
  CHECK(is_utf8(words) && words.find_first_of("\r\n") == std::string::npos);
  for (const auto& parameter : parse_parameterized(value).parameters) {
    CHECK(is_utf8(parameter.value) && parameter.value.find_first_of("\r\n") == std::string::npos);
  }
  if (const auto decoded = decode_xtext(value))
    CHECK(decode_xtext(encode_xtext(*decoded)) == *decoded);
  const auto composed = header_field("X", value) + text_field("Y", value) + "\r\n";
  const auto block = scan_header(composed, {.block_octets = ~std::size_t{0}}).value();
  CHECK(block.fields.size() == 2 && !block.malformed && block.body_offset == composed.size());
  for (auto line : split(composed, '\n')) CHECK(line.size() <= 999);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_value(text);
  const auto block = scan_header(text, {});
  if (!block) return 0;
  std::string_view left = text;
  for (const auto& field : block->fields) {
    CHECK(left.starts_with(field.whole) && field.whole.starts_with(field.name) &&
          !field.name.empty());
    left.remove_prefix(field.whole.size());
    check_value(field.value);
  }
  const auto rest = text.substr(block->body_offset);
  CHECK(left == rest || left == "\r\n" + std::string(rest) || left == "\n" + std::string(rest));
  return 0;
}
