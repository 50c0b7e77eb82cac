// JSON in and out, on Boost.JSON (only this room sees its types). The writer streams one UTF-8
// document; octets that are not UTF-8 are written as U+FFFD. The reader refuses depth over 32.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace goniec {

// JsonWriter w; w.object().key("id").text("A").key("n").number(1).end(); std::move(w).take();
class JsonWriter {
 public:
  JsonWriter& object();
  JsonWriter& array();
  JsonWriter& end();  // closes the innermost object or array
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number(std::uint64_t value);
  template <std::integral Number>
    requires(!std::same_as<Number, bool>)
  JsonWriter& number(Number value) {
    if constexpr (std::is_signed_v<Number>) return number(static_cast<std::int64_t>(value));
    return number(static_cast<std::uint64_t>(value));
  }
  JsonWriter& real(double value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a value that is JSON already
  std::string take() &&;                   // REQUIRES all closed

 private:
  void separate();
  std::string out_;
  std::vector<char> open_;  // '}' or ']'
  bool first_ = true;
  bool after_key_ = false;
};

// A parsed document; values are views into it.
class JsonValue {
 public:
  static Result<JsonValue> parse(std::string_view text);
  bool is_object() const;
  bool is_array() const;
  bool is_text() const;
  bool is_null() const;
  std::optional<JsonValue> at(std::string_view key) const;  // object member
  std::vector<std::string> keys() const;
  std::vector<JsonValue> items() const;  // of an array; else empty
  std::optional<std::string> text() const;
  std::optional<std::int64_t> integer() const;
  std::optional<double> real() const;
  std::optional<bool> boolean() const;
  std::string text_at(std::string_view key, std::string_view fallback = {}) const;
  std::int64_t integer_at(std::string_view key, std::int64_t fallback = 0) const;
  bool boolean_at(std::string_view key, bool fallback = false) const;
  std::string dump() const;

 private:
  struct Document;
  std::shared_ptr<const Document> document_;  // keeps the whole document alive
  const void* value_ = nullptr;
};

}  // namespace goniec
