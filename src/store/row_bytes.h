// Bytes of a row: one writer and one reader of fields, for what lies in tables (codec.h) and in the
// journal (record.h).
//
//   byte 0      version of the row, 1
//   fields      unsigned LEB128 numbers, length-prefixed strings, times as 8 octets little-endian
//
// After a fault every read gives zero, and ok_at_end() says so.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/time.h"
#include "mail/address.h"

namespace goniec {

inline constexpr char row_version = 1;

class RowWriter {
 public:
  explicit RowWriter(std::string& out) : out_(out) {
    out_.clear();
    out_.push_back(row_version);
  }
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void fixed(std::uint64_t value) { append(&value, sizeof value); }
  void fixed32(std::uint32_t value) { append(&value, sizeof value); }
  void time(Instant at) { fixed(static_cast<std::uint64_t>(to_microseconds(at))); }
  void text(std::string_view value) {
    number(value.size());
    out_.append(value);
  }
  void flag(bool value) { out_.push_back(value ? 1 : 0); }
  // Flags that came after the format: the first bit is the flag that stood there before them.
  void flags(bool first, bool second) {
    out_.push_back(static_cast<char>((first ? 1 : 0) | (second ? 2 : 0)));
  }
  void address(const Address& address) {
    text(address.local());
    text(address.domain().ascii());
  }
  void optional_text(const std::optional<std::string>& value) {
    flag(value.has_value());
    if (value) text(*value);
  }
  void finish() { fixed32(crc32c(out_)); }  // the checksum; rows have one, journal records not

 private:
  void append(const void* bytes, std::size_t octets) {  // the file format is little-endian
    static_assert(std::endian::native == std::endian::little);
    out_.append(static_cast<const char*>(bytes), octets);
  }
  std::string& out_;
};

// After a fault every read gives zero, and ok() says so at the end.
class RowReader {
 public:
  RowReader() = default;  // bad from the start
  explicit RowReader(std::string_view row) {
    if (row.size() < 5 || row[0] != row_version) return;
    std::uint32_t expected = 0;
    std::memcpy(&expected, row.data() + row.size() - 4, 4);
    row.remove_suffix(4);
    if (crc32c(row) != expected) return;
    rest_ = row.substr(1);
    good_ = true;
  }
  // What has no checksum of its own at its end.
  static RowReader unchecked(std::string_view octets) {
    RowReader reader;
    if (octets.empty() || octets[0] != row_version) return reader;
    reader.rest_ = octets.substr(1);
    reader.good_ = true;
    return reader;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return bad();
      const auto octet = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(octet & 0x7F) << shift;
      if (octet < 0x80) return value;
    }
    return bad();
  }
  template <class Small>
  Small small() {
    return static_cast<Small>(number());
  }
  template <class Enumeration>
  Enumeration one_of(Enumeration last) {
    const auto value = number();
    if (value > static_cast<std::uint64_t>(last)) bad();
    return static_cast<Enumeration>(value);
  }
  std::uint64_t fixed() { return raw<std::uint64_t>(); }
  std::uint32_t fixed32() { return raw<std::uint32_t>(); }
  Instant time() { return from_microseconds(static_cast<std::int64_t>(fixed())); }
  std::string_view view() {
    const auto octets = number();
    if (octets > rest_.size()) {
      bad();
      return {};
    }
    const auto value = rest_.substr(0, octets);
    rest_.remove_prefix(octets);
    return value;
  }
  std::string text() { return std::string(view()); }
  bool flag() { return raw<std::uint8_t>() != 0; }
  struct Flags {
    bool first = false, second = false;
  };
  Flags flags() {
    const auto bits = raw<std::uint8_t>();
    return {(bits & 1) != 0, (bits & 2) != 0};
  }
  Domain domain() {
    const auto ascii = view();
    if (ascii.empty()) return {};
    auto parsed = Domain::parse(ascii);
    if (!parsed) {
      bad();
      return {};
    }
    return std::move(*parsed);
  }
  Address address() {
    auto local = text();
    auto of = domain();
    return Address::make(std::move(local), std::move(of));
  }
  std::optional<std::string> optional_text() {
    if (!flag()) return {};
    return text();
  }
  std::size_t left() const { return rest_.size(); }
  bool ok() const { return good_; }
  bool ok_at_end() const { return good_ && rest_.empty(); }

 private:
  template <class Value>
  Value raw() {
    Value value{};
    if (rest_.size() < sizeof value) {
      bad();
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::uint64_t bad() {
    good_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool good_ = false;
};

}  // namespace goniec
