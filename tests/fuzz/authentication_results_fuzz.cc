// Any octets as values of an Authentication-Results field: it stays one field of our id with as
// many results as were given, by a reader that knows quotes and comments. And as a field of a
// stranger, whose id is read without harm.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "mail/header.h"
#include "trust/authentication_results.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  authserv_id_of(text);
  const auto half = text.substr(0, size / 2), rest = text.substr(size / 2);
  const std::vector<AuthenticationResult> results{
      {"spf", "fail", std::string(half), std::string(rest), {{"smtp.mailfrom", std::string(text)}}},
      {"dkim", "pass", std::string(rest), "", {{"header.d", std::string(half)}}}};
  const auto field = authentication_results_field("mx.example.net", results) + "\r\n";
  const auto block = scan_header(field, {}).value();
  CHECK(block.fields.size() == 1 && !block.malformed && is_utf8(field));
  CHECK(authserv_id_of(block.fields[0].value) == "mx.example.net");
  const auto value = unfold(block.fields[0].value);
  std::size_t ends = 0, depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < value.size(); ++at) {
    const char c = value[at];
    if ((quoted || depth > 0) && c == '\\') {
      ++at;
    } else if (depth == 0 && c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == '(') {
      ++depth;
    } else if (!quoted && c == ')') {
      CHECK(depth > 0);
      --depth;
    } else if (!quoted && depth == 0 && c == ';') {
      ++ends;
    }
  }
  CHECK(!quoted && depth == 0 && ends == 2);
  return 0;
}
