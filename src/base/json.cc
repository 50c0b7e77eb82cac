// JSON: see json.h. The only file that knows Boost.JSON.
#include "base/json.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t depth_limit = 32;
constexpr std::size_t expected_octets = 500;

void append_quoted(std::string& out, std::string_view value) {
  out += '"';
  while (!value.empty()) {
    const auto* end = value.data();
    const auto* last = end + value.size();
    while (end != last && *end >= 0x20 && *end != '"' && *end != '\\') ++end;  // plain ASCII
    const auto plain = static_cast<std::size_t>(end - value.data());
    out += value.substr(0, plain);
    value.remove_prefix(plain);
    if (value.empty()) break;
    const auto character = first_utf8_character(value);
    if (character.octets == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
      value.remove_prefix(1);
      continue;
    }
    const char c = value[0];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (character.value < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(character.value));
    } else {
      out += value.substr(0, character.octets);
    }
    value.remove_prefix(character.octets);
  }
  out += '"';
}

const boost::json::value& json(const void* value) {
  return *static_cast<const boost::json::value*>(value);
}

}  // namespace

void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  CHECK(open_.empty() || open_.back() == ']');  // a value in an object needs its key first
  if (!first_) out_ += ',';
  first_ = false;
}

JsonWriter& JsonWriter::object() {
  separate();
  if (out_.empty()) {
    out_.reserve(expected_octets);
    open_.reserve(depth_limit);
  }
  out_ += '{';
  open_.push_back('}');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::array() {
  separate();
  out_ += '[';
  open_.push_back(']');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end() {
  CHECK(!open_.empty() && !after_key_);
  out_ += open_.back();
  open_.pop_back();
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  CHECK(!open_.empty() && open_.back() == '}' && !after_key_);
  if (!first_) out_ += ',';
  first_ = false;
  append_quoted(out_, name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view value) {
  separate();
  append_quoted(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  return raw(fmt::format_int(value).c_str());
}
JsonWriter& JsonWriter::number(std::uint64_t value) {
  return raw(fmt::format_int(value).c_str());
}

JsonWriter& JsonWriter::real(double value) {
  return std::isfinite(value) ? raw(fmt::format("{}", value)) : null();
}

JsonWriter& JsonWriter::boolean(bool value) {
  return raw(value ? "true" : "false");
}
JsonWriter& JsonWriter::null() {
  return raw("null");
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string JsonWriter::take() && {
  CHECK(open_.empty() && !after_key_);
  return std::move(out_);
}

// All of a small document lies in one piece of memory, which ends with it.
struct JsonValue::Document {
  std::array<unsigned char, 2048> room;
  boost::json::monotonic_resource memory{room.data(), room.size()};
  boost::json::value root = boost::json::value(boost::json::storage_ptr(&memory));
};

Result<JsonValue> JsonValue::parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = depth_limit;
  boost::system::error_code error;
  auto document = std::make_shared_for_overwrite<Document>();
  document->root = boost::json::parse(boost::json::string_view(text.data(), text.size()), error,
                                      &document->memory, options);
  if (error) return fail(ErrorKind::bad_data, fmt::format("this is no JSON: {}", error.message()));
  JsonValue parsed;
  parsed.value_ = &document->root;
  parsed.document_ = std::move(document);
  return parsed;
}

bool JsonValue::is_object() const {
  return value_ && json(value_).is_object();
}
bool JsonValue::is_array() const {
  return value_ && json(value_).is_array();
}
bool JsonValue::is_text() const {
  return value_ && json(value_).is_string();
}
bool JsonValue::is_null() const {
  return !value_ || json(value_).is_null();
}

std::optional<JsonValue> JsonValue::at(std::string_view key) const {
  if (!is_object()) return {};
  const auto* member =
      json(value_).get_object().if_contains(boost::json::string_view(key.data(), key.size()));
  if (!member) return {};
  JsonValue found;
  found.document_ = document_;
  found.value_ = member;
  return found;
}

std::vector<std::string> JsonValue::keys() const {
  std::vector<std::string> names;
  if (!is_object()) return names;
  for (const auto& member : json(value_).get_object()) {
    names.emplace_back(member.key().data(), member.key().size());
  }
  return names;
}

std::vector<JsonValue> JsonValue::items() const {
  std::vector<JsonValue> all;
  if (!is_array()) return all;
  for (const auto& item : json(value_).get_array()) {
    auto& one = all.emplace_back();
    one.document_ = document_;
    one.value_ = &item;
  }
  return all;
}

std::optional<std::string> JsonValue::text() const {
  if (!is_text()) return {};
  const auto& string = json(value_).get_string();
  return std::string(string.data(), string.size());
}

std::optional<std::int64_t> JsonValue::integer() const {
  // Whole numbers only: a number with a fraction or beyond 63 bits is not one of our integers.
  if (!value_ || !json(value_).is_int64()) return {};
  return json(value_).get_int64();
}

std::optional<double> JsonValue::real() const {
  if (!value_ || !json(value_).is_number()) return {};
  return json(value_).to_number<double>();
}

std::optional<bool> JsonValue::boolean() const {
  if (!value_ || !json(value_).is_bool()) return {};
  return json(value_).get_bool();
}

std::string JsonValue::text_at(std::string_view key, std::string_view fallback) const {
  const auto member = at(key);
  return (member ? member->text() : std::nullopt).value_or(std::string(fallback));
}

std::int64_t JsonValue::integer_at(std::string_view key, std::int64_t fallback) const {
  const auto member = at(key);
  return (member ? member->integer() : std::nullopt).value_or(fallback);
}

bool JsonValue::boolean_at(std::string_view key, bool fallback) const {
  const auto member = at(key);
  return (member ? member->boolean() : std::nullopt).value_or(fallback);
}

std::string JsonValue::dump() const {
  return value_ ? boost::json::serialize(json(value_)) : "null";
}

}  // namespace goniec
