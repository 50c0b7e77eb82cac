// The header scanner: see header.h. RFC 5322 §2.2, §2.2.3 (folding) and §3.6.8 (names).
#include "mail/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t expected_fields = 24;
constexpr std::size_t message_id_octets = 998;  // RFC 5322 §2.1.1: a line

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// ftext of RFC 5322 §3.6.8, blanks before the colon let in (§4.5). The name's length; 0: no field.
std::size_t name_length(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return 0;
  auto name = line.substr(0, colon);
  while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
  const bool good = std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; });
  return good ? name.size() : 0;
}

// The line at `at`, with its line end.
std::string_view line_at(std::string_view block, std::size_t at) {
  const auto* end =
      static_cast<const char*>(std::memchr(block.data() + at, '\n', block.size() - at));
  const auto next = end ? static_cast<std::size_t>(end - block.data()) + 1 : block.size();
  return block.substr(at, next - at);
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::unexpected<Error> too_large(const HeaderLimits& limits) {
  return fail(ErrorKind::bad_data,
              fmt::format("the header is larger than {} octets", limits.block_octets));
}

}  // namespace

Result<HeaderBlock> scan_header(std::string_view block, const HeaderLimits& limits) {
  HeaderBlock header;
  header.fields.reserve(expected_fields);
  std::size_t at = 0;
  while (at < block.size()) {
    const auto line = line_at(block, at);
    if (line == "\r\n" || line == "\n") {
      at += line.size();
      break;
    }
    const auto name = name_length(line);
    if (name == 0) {
      header.malformed = true;
      break;
    }
    std::size_t end = at + line.size();
    while (end < block.size() && is_blank(block[end])) end += line_at(block, end).size();
    if (end > limits.block_octets) return too_large(limits);
    if (header.fields.size() == limits.fields) {
      return fail(ErrorKind::bad_data,
                  fmt::format("the header has more than {} fields", limits.fields));
    }
    const auto whole = block.substr(at, end - at);
    const auto value = whole.substr(whole.find(':') + 1);
    header.fields.push_back({whole.substr(0, name), without_line_end(value), whole});
    at = end;
  }
  if (at > limits.block_octets) return too_large(limits);
  header.body_offset = at;
  return header;
}

const HeaderField* find_field(const HeaderBlock& block, std::string_view name) {
  for (const auto& field : block.fields) {
    if (equal_ignoring_case(field.name, name)) return &field;
  }
  return nullptr;
}

std::size_t count_fields(const HeaderBlock& block, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(
      block.fields.begin(), block.fields.end(),
      [&](const HeaderField& field) { return equal_ignoring_case(field.name, name); }));
}

std::string unfold(std::string_view value) {
  std::string line;
  line.reserve(value.size());
  for (char c : value) {
    if (c != '\r' && c != '\n')
      line += c;  // in a field's value each line end stands before a blank
  }
  return std::string(trim(line));
}

std::string message_id_of(std::string_view value) {
  const auto open = value.find('<');
  if (open == std::string_view::npos) return {};
  const auto close = value.find('>', open);
  if (close == std::string_view::npos || close - open > message_id_octets) return {};
  std::string id;
  for (char c : value.substr(open + 1, close - open - 1)) {
    if (is_blank(c) || c == '\r' || c == '\n')
      continue;  // obs-id-left with folding (RFC 5322 §4.5.4)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '<') return {};
    id += c;
  }
  return is_utf8(id) ? id : std::string();
}

}  // namespace goniec
