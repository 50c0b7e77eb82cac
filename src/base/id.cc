// Message ids: see id.h for the layout.
#include "base/id.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford: no I L O U
constexpr std::size_t text_length = 13;
constexpr unsigned chance_bits = 22;  // of which the highest starts as 0, so that counting has room
constexpr std::uint64_t most_milliseconds = (1ull << 41) - 1;
constexpr std::uint64_t most_value = (1ull << 63) - 1;
constexpr std::uint64_t uuid_low_bits = (1ull << 62) - 1;
constexpr std::string_view event_prefix = "evt_";
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

std::string uuid_of(MessageId id) {
  const auto milliseconds = static_cast<std::uint64_t>(
      std::chrono::floor<std::chrono::milliseconds>(id.made_at().time_since_epoch()).count());
  const std::uint64_t high = (milliseconds << 16) | 0x7000 | (id.value >> 62);
  const std::uint64_t low = (std::uint64_t{2} << 62) | (id.value & uuid_low_bits);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF,
                     high & 0xFFFF, low >> 48, low & 0xFFFFFFFFFFFF);
}

std::optional<MessageId> message_id_of_uuid(std::string_view text) {
  constexpr std::size_t uuid_length = 36;
  if (text.size() != uuid_length) return {};
  std::uint64_t halves[2] = {0, 0};
  std::size_t digit = 0;
  for (std::size_t at = 0; at < uuid_length; ++at) {
    const bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
    if (is_dash != (text[at] == '-')) return {};
    if (is_dash) continue;
    const auto value = std::string_view("0123456789abcdef").find(to_lower(text[at]));
    if (value == std::string_view::npos) return {};
    auto& half = halves[digit++ / 16];
    half = (half << 4) | value;
  }
  const MessageId id{((halves[0] & 1) << 62) | (halves[1] & uuid_low_bits)};
  if (!id || !equal_ignoring_case(uuid_of(id), text)) return {};
  return id;
}

std::string event_id_of(std::uint64_t sequence) {
  return std::string(event_prefix) + MessageId{sequence}.text();
}

std::optional<std::uint64_t> sequence_of_event_id(std::string_view text) {
  if (!text.starts_with(event_prefix)) return {};
  const auto id = MessageId::parse(text.substr(event_prefix.size()));
  return id ? std::optional(id->value) : std::nullopt;
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
