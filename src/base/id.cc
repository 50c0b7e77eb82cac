// Message ids: see id.h for the layout.
#include "base/id.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford: no I L O U
constexpr std::size_t text_length = 13;
constexpr unsigned chance_bits = 22;  // of which the highest starts as 0, so that counting has room
constexpr std::uint64_t most_milliseconds = (1ull << 41) - 1;
constexpr std::uint64_t most_value = (1ull << 63) - 1;
constexpr Instant epoch = std::chrono::sys_days(std::chrono::year(2020) / 1 / 1);

}  // namespace

std::string MessageId::text() const {
  std::string shown(text_length, '0');
  std::uint64_t left = value;
  for (std::size_t at = text_length; at-- > 0; left >>= 5) shown[at] = digits[left & 31];
  return shown;
}

std::optional<MessageId> MessageId::parse(std::string_view text) {
  if (text.size() != text_length) return {};
  std::uint64_t value = 0;
  for (char c : text) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    const auto digit = digits.find(upper);
    if (digit == std::string_view::npos) return {};
    if (value > (most_value >> 5)) return {};
    value = (value << 5) | digit;
  }
  if (value == 0 || value > most_value) return {};
  return MessageId{value};
}

Instant MessageId::made_at() const {
  return epoch + std::chrono::milliseconds(value >> chance_bits);
}

MessageId MessageIdMaker::next(Instant now, std::uint64_t chance) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(now - epoch).count();
  const auto milliseconds =
      std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(since, 0)), most_milliseconds);
  const auto fresh = (milliseconds << chance_bits) | (chance & ((1ull << (chance_bits - 1)) - 1));
  last_ = milliseconds > (last_ >> chance_bits) ? fresh : last_ + 1;
  return MessageId{last_};
}

}  // namespace goniec
