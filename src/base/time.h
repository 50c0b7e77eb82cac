// Two kinds of time, never mixed: Instant is wall time (stored, shown, compared with other
// machines), Moment is monotonic time (deadlines, durations inside one run). Both come from the
// Clock door (run/world.h) as arguments; nothing below app reads a clock by itself.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace goniec {

using Duration = std::chrono::microseconds;
using Instant = std::chrono::sys_time<std::chrono::microseconds>;  // UTC wall time

struct MonotonicClock {  // a tag for the type only: it has no now()
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using Moment = MonotonicClock::time_point;

// "2026-11-23T06:10:01.123Z" (RFC 3339 §5.6, UTC, milliseconds).
std::string to_rfc3339(Instant at);
Result<Instant> parse_rfc3339(std::string_view text);

// "Mon, 23 Nov 2026 06:10:01 +0000" (RFC 5322 §3.3).
std::string to_rfc5322(Instant at);

// "90s", "5m", "4h", "5d", "1w", "1500ms", "0s" (units s m h d w ms us). A bare number is an error
// that names the fix; so is one too large for a Duration.
Result<Duration> parse_duration(std::string_view text);
std::string to_text(Duration duration);  // shortest exact form: "5m", "90s", "1500ms"

// "50MiB", "1kB", "1048576": an integer is octets; kB MB GB powers of 1000, KiB MiB GiB of 1024.
Result<std::uint64_t> parse_size(std::string_view text);

inline std::int64_t to_microseconds(Instant at) {
  return at.time_since_epoch().count();
}
inline Instant from_microseconds(std::int64_t value) {
  return Instant(Duration(value));
}

}  // namespace goniec
