// See schedule.h. The jitter spreads a restart and a mass deferral: every step moves by its own
// chance.
#include "queue/schedule.h"

#include <algorithm>

namespace goniec {

Instant next_try(const RetryPolicy& policy, std::uint32_t tries, Instant now, Instant expires,
                 std::uint64_t chance) {
  CHECK(!policy.schedule.empty());
  const std::size_t step =
      std::min<std::size_t>(tries > 0 ? tries - 1 : 0, policy.schedule.size() - 1);
  const double base = static_cast<double>(policy.schedule[step].count());
  const double unit = static_cast<double>(chance % 20001) / 10000.0 - 1.0;  // -1 .. 1
  const auto wait = Duration(static_cast<std::int64_t>(base * (1.0 + policy.jitter * unit)));
  const Instant planned = now + std::max<Duration>(wait, std::chrono::milliseconds(100));
  // The last try comes when the entry expires, not a whole step after it.
  if (expires > now && planned > expires) return expires;
  return planned;
}

}  // namespace goniec
