// Message ids: 63-bit positive integers, time-ordered, shown as 13 characters of [0-9A-Z].
//
//   bits 62..22  milliseconds since 2020-01-01 UTC (good until 2089)
//   bits 21..0   chance at each new millisecond, then counting up
//
// The maker never repeats and never goes back: if the clock jumps back, it goes on counting from
// the last id; after a restart it starts above the highest id of the store (SEMANTICS §4: clock
// jump). Text form: base 32 with Crockford's digits (no I L O U), fixed width, so that text order
// is id order and log analysers ([A-Z0-9]{10,16}) keep it.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace goniec {

struct MessageId {
  std::uint64_t value = 0;  // 0: none
  auto operator<=>(const MessageId&) const = default;
  explicit operator bool() const { return value != 0; }
  std::string text() const;
  static std::optional<MessageId> parse(std::string_view text);  // any case; nullopt: not an id
  Instant made_at() const;                                       // milliseconds
};

// The same id as a UUID of version 7 (RFC 9562 §5.7), and back: 48 bits of milliseconds since 1970,
// which the id has, then the id itself. nullopt: not a UUID that stands for an id.
std::string uuid_of(MessageId id);
std::optional<MessageId> message_id_of_uuid(std::string_view text);

// An event by its place in the log: "evt_" and 13 digits as above. It never changes.
std::string event_id_of(std::uint64_t sequence);
std::optional<std::uint64_t> sequence_of_event_id(std::string_view text);

class MessageIdMaker {
 public:
  explicit MessageIdMaker(MessageId highest_known = {}) : last_(highest_known.value) {}
  // `chance` is any random number: its low 21 bits are used.
  MessageId next(Instant now, std::uint64_t chance);

 private:
  std::uint64_t last_;
};

}  // namespace goniec

template <>
struct std::hash<goniec::MessageId> {
  std::size_t operator()(const goniec::MessageId& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value * 0x9E3779B97F4A7C15ull);
  }
};
