// When to try again: pure, time is an argument (HOUSE §3).
#pragma once
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace goniec {

struct RetryPolicy {
  std::vector<Duration> schedule = {std::chrono::minutes(1),  std::chrono::minutes(5),
                                    std::chrono::minutes(15), std::chrono::minutes(30),
                                    std::chrono::hours(1),    std::chrono::hours(2),
                                    std::chrono::hours(4)};  // the last step repeats
  double jitter = 0.10;                                      // of the step, both ways, by `chance`
  Duration expire = std::chrono::hours(120);
  Duration expire_notice =
      std::chrono::hours(48);  // of a message from <>: shorter (SEMANTICS: DSN lifetime)
  Duration delay_notice = std::chrono::hours(4);  // zero: none
};

// `tries`: how many were made, 1 after the first. Never before now + 100 ms, never after `expires`
// unless that is past.
Instant next_try(const RetryPolicy& policy, std::uint32_t tries, Instant now, Instant expires,
                 std::uint64_t chance);

}  // namespace goniec
