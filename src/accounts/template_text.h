// Templates filled in: mustache, by libkainjow-mustache. What it may not do here, and why, is in
// docs/decisions/mustache.md.
//
//   {{name}} {{a.b}} {{.}} {{../name}}   a value, escaped where the target is HTML
//   {{{name}}} {{&name}}                 the same as it is
//   {{#name}} … {{/name}}                for each item, or once if there is a value
//   {{^name}} … {{/name}}                if there is none;  {{! comment }}
//
// No value, and so skipped by a section: null, false, 0, "", []. Refused: partials and other
// delimiters (a value could become a template), and all that is over TemplateLimits: a template of
// a few octets with lists in lists could otherwise run for days.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace goniec {

struct TemplateLimits {
  std::size_t source_octets = 256 * 1024;  // of one text
  std::size_t tags = 5000;
  std::size_t depth = 16;       // of sections
  std::size_t steps = 100'000;  // look-ups while it is filled in
  std::size_t output_octets = 4u << 20;
};

enum class TemplateEscape { html, none };

struct FilledText {
  std::string text;
  std::vector<std::string> missing;  // names of values that the model has not, each once
};

// bad_data says what and where ("line 3: …"). Nothing is kept between calls.
Result<void> check_template(std::string_view source, const TemplateLimits& limits = {});
Result<FilledText> fill_template(std::string_view source, const JsonValue& model,
                                 TemplateEscape escape, const TemplateLimits& limits = {});
// An example model that has all that the templates ask for, as JSON: {"name":"name_Value",…}.
std::string suggested_model(const std::vector<std::string_view>& sources);

}  // namespace goniec
