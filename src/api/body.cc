// See body.h.
#include "api/body.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {

std::string member_path(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

ApiResult<> only_known(const JsonValue& object, const std::vector<std::string>& known,
                       std::string_view path) {
  for (const auto& key : object.keys()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const auto near = nearest(key, known);
    return refuse_field(member_path(path, printable(key, 60)),
                        fmt::format("unknown member \"{}\"{}", printable(key, 60),
                                    near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  }
  return {};
}

ApiResult<JsonValue> body_object(std::string_view body, const std::vector<std::string>& known) {
  auto json = JsonValue::parse(trim(body).empty() ? "{}" : body);
  if (!json) return std::unexpected(api_error(json.error()));
  if (!json->is_object()) return refuse_field("", "the body must be a JSON object");
  TRY(only_known(*json, known));
  return *std::move(json);
}

std::optional<JsonValue> member(const JsonValue& object, std::string_view name) {
  auto value = object.at(name);
  if (value && value->is_null()) value.reset();
  return value;
}

ApiResult<std::optional<std::string>> text_member(const JsonValue& object, std::string_view name,
                                                  std::string_view path) {
  const auto value = member(object, name);
  if (!value) return std::nullopt;
  auto text = value->text();
  if (!text) return refuse_field(member_path(path, name), "a string is wanted");
  return text;
}

ApiResult<std::string> required_text(const JsonValue& object, std::string_view name,
                                     std::string_view path) {
  auto text = TRY(text_member(object, name, path));
  if (text && !text->empty()) return *std::move(text);
  return std::unexpected(ApiError{.name = "missing_required_field",
                                  .message = fmt::format("\"{}\" is missing", name),
                                  .field = member_path(path, name)});
}

ApiResult<std::optional<bool>> flag_member(const JsonValue& object, std::string_view name,
                                           std::string_view path) {
  const auto value = member(object, name);
  if (!value) return std::nullopt;
  const auto flag = value->boolean();
  if (!flag) return refuse_field(member_path(path, name), "true or false is wanted");
  return flag;
}

ApiResult<std::optional<Instant>> time_member(const JsonValue& object, std::string_view name,
                                              std::string_view path) {
  const auto text = TRY(text_member(object, name, path));
  if (!text) return std::nullopt;
  const auto at = parse_rfc3339(*text);
  if (!at) return refuse_field(member_path(path, name), at.error().message);
  return *at;
}

ApiResult<std::vector<std::string>> texts_member(const JsonValue& object, std::string_view name,
                                                 std::string_view path) {
  const auto value = member(object, name);
  std::vector<std::string> out;
  if (!value) return out;
  if (auto one = value->text()) {
    out.push_back(*std::move(one));
    return out;
  }
  if (!value->is_array())
    return refuse_field(member_path(path, name), "a string or a list of strings is wanted");
  for (const auto& item : value->items()) {
    auto text = item.text();
    if (!text)
      return refuse_field(fmt::format("{}[{}]", member_path(path, name), out.size()),
                          "a string is wanted");
    out.push_back(*std::move(text));
  }
  return out;
}

ApiResult<std::vector<std::pair<std::string, std::string>>> pairs_member(const JsonValue& object,
                                                                         std::string_view name,
                                                                         std::string_view path) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto value = member(object, name);
  if (!value) return out;
  const auto where = member_path(path, name);
  if (!value->is_object()) return refuse_field(where, "an object of strings is wanted");
  for (const auto& key : value->keys()) {
    const auto each = value->at(key);
    auto text = each->text();
    if (!text && (each->boolean() || each->integer() || each->real())) text = each->dump();
    if (!text) return refuse_field(member_path(where, printable(key, 60)), "a string is wanted");
    out.emplace_back(key, *std::move(text));
  }
  return out;
}

}  // namespace goniec
