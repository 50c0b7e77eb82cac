// Any octets as a template and as a model, divided by the first NUL.
// What is taken is filled in within its budget; the check and the filling in agree, and the
// suggested model is JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "accounts/template_text.h"
#include "base/result.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto cut = all.find('\0');
  const auto source = all.substr(0, cut);
  const auto given = cut == std::string_view::npos ? "{}" : all.substr(cut + 1);
  auto model = JsonValue::parse(given);
  if (!model) model = JsonValue::parse(R"({"a":[{"b":"<"},{"b":1}],"c":true,"d":"","e":null})");
  const TemplateLimits limits{
      .source_octets = 4096, .tags = 200, .depth = 4, .steps = 2000, .output_octets = 1 << 16};
  const auto checked = check_template(source, limits);
  const auto filled = fill_template(source, *model, TemplateEscape::html, limits);
  if (!checked) CHECK(!filled);
  // A value is at most six times as long in HTML; the text itself is not charged but once.
  if (filled) CHECK(filled->text.size() <= source.size() + 6 * limits.output_octets);
  CHECK(JsonValue::parse(suggested_model({source})).has_value());
  return 0;
}
