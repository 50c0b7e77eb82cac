// How deep the queue was at a moment: what the chart of it is drawn from. Taken by
// duties/depth_watch, told by api/queue_calls; of counts alone, so that it says nothing of whom
// mail is for.
#pragma once
#include <cstdint>

#include "base/time.h"

namespace goniec {

struct DepthSample {
  Instant at{};
  std::uint64_t waiting = 0;   // messages
  std::uint64_t deferred = 0;  // entries that were tried
};

}  // namespace goniec
