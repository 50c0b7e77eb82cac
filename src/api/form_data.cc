// See form_data.h.
#include "api/form_data.h"

#include <optional>

#include "api/call.h"
#include "base/text.h"

namespace goniec {
namespace {

// The value of `name=` among parameters after ';': a token, or a quoted text whose backslash stands
// for itself but before '"' (RFC 7578 §2: browsers write %22 for a quote and leave backslashes).
std::optional<std::string> parameter_of(std::string_view value, std::string_view name) {
  std::size_t at = value.find(';');
  while (at != std::string_view::npos && at < value.size()) {
    auto rest = value.substr(at + 1);
    const auto equals = rest.find_first_of("=;");
    if (equals == std::string_view::npos) return std::nullopt;
    const auto key = trim(rest.substr(0, equals));
    if (rest[equals] == ';') {
      at += 1 + equals;
      continue;
    }
    std::size_t i = equals + 1;
    while (i < rest.size() && (rest[i] == ' ' || rest[i] == '\t')) ++i;
    std::string text;
    if (i < rest.size() && rest[i] == '"') {
      for (++i; i < rest.size() && rest[i] != '"'; ++i) {
        if (rest[i] == '\\' && i + 1 < rest.size() && rest[i + 1] == '"') ++i;
        text += rest[i];
      }
      i = std::min(rest.find(';', i), rest.size());
    } else {
      const auto end = std::min(rest.find(';', i), rest.size());
      text = trim(rest.substr(i, end - i));
      i = end;
    }
    if (equal_ignoring_case(key, name)) return text;
    at = i < rest.size() ? at + 1 + i : std::string_view::npos;
  }
  return std::nullopt;
}

Result<FormField> field_of(std::string_view header, std::string_view body) {
  FormField field;
  bool named = false;
  for (auto line : split(header, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto name = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
    if (equal_ignoring_case(name, "Content-Type")) field.content_type = value;
    if (!equal_ignoring_case(name, "Content-Disposition")) continue;
    if (auto given = parameter_of(value, "name")) {
      field.name = std::move(*given);
      named = true;
    }
    if (auto file = parameter_of(value, "filename")) {
      field.file_name = std::move(*file);
      field.is_file = true;
    }
    // Not for forms (RFC 7578 §4.2), but some clients write it.
    if (const auto extended = parameter_of(value, "filename*")) {
      const auto quote = extended->rfind('\'');
      if (quote != std::string::npos) {
        field.file_name = decode_percent(std::string_view(*extended).substr(quote + 1), false);
        field.is_file = true;
      }
    }
  }
  if (!named) return fail(ErrorKind::bad_data, "a part of the form has no name");
  field.value = body;
  return field;
}

Result<std::vector<FormField>> parse_multipart(std::string_view boundary, std::string_view body,
                                               const FormLimits& limits) {
  const std::string line = "--" + std::string(boundary), delimiter = "\r\n" + line;
  std::size_t at = 0;
  if (!body.starts_with(line)) {
    at = body.find(delimiter);
    if (at == std::string_view::npos) return fail(ErrorKind::bad_data, "the form has no boundary");
    at += 2;
  }
  std::vector<FormField> fields;
  for (;;) {
    at += line.size();
    if (body.substr(at).starts_with("--")) return fields;
    while (at < body.size() && (body[at] == ' ' || body[at] == '\t')) ++at;
    if (!body.substr(at).starts_with("\r\n"))
      return fail(ErrorKind::bad_data, "a boundary of the form does not end its line");
    at += 2;
    const auto part = body.substr(at);
    const auto end = part.starts_with(line) ? 0 : part.find(delimiter);
    if (end == std::string_view::npos)
      return fail(ErrorKind::bad_data, "the form does not end with its boundary");
    const auto whole = part.substr(0, end);
    const auto header_end =
        whole.starts_with("\r\n") ? 0 : whole.substr(0, limits.header_octets).find("\r\n\r\n");
    if (header_end == std::string_view::npos)
      return fail(ErrorKind::bad_data, "a part of the form has no header, or one too long");
    if (fields.size() >= limits.fields)
      return fail(ErrorKind::bad_data, fmt::format("a form may have {} fields", limits.fields));
    const auto header = whole.substr(0, header_end);
    const auto skipped = std::min(whole.size(), header_end + (header.empty() ? 2 : 4));
    fields.push_back(TRY(field_of(header, whole.substr(skipped))));
    at += end + (end == 0 ? 0 : 2);
  }
}

}  // namespace

Result<std::vector<FormField>> parse_form(std::string_view content_type, std::string_view body,
                                          const FormLimits& limits) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  if (equal_ignoring_case(type, "multipart/form-data")) {
    const auto boundary = parameter_of(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > limits.boundary_octets)
      return fail(ErrorKind::bad_data, "the form has no boundary");
    return parse_multipart(*boundary, body, limits);
  }
  if (!equal_ignoring_case(type, "application/x-www-form-urlencoded"))
    return fail(ErrorKind::bad_data, "a form is wanted: multipart/form-data or urlencoded");
  std::vector<FormField> fields;
  for (auto& [name, value] : parse_query(body)) {
    if (fields.size() >= limits.fields)
      return fail(ErrorKind::bad_data, fmt::format("a form may have {} fields", limits.fields));
    fields.push_back({std::move(name), std::move(value)});
  }
  return fields;
}

}  // namespace goniec
