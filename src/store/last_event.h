// The highest event sequence of a store, found by asking where events_after() becomes empty: a log
// that follows events begins there. At most 128 questions of one row each.
#pragma once
#include "store/store.h"

namespace goniec {

inline Result<std::uint64_t> last_event_sequence(Reader& reader) {
  std::uint64_t known = 0, beyond = 1;  // there is an event above `known` or it is the answer
  while (!TRY(reader.events_after(beyond, 1)).empty()) {
    known = beyond;
    beyond *= 2;
  }
  while (known < beyond) {  // the answer is in [known, beyond]
    const auto middle = known + (beyond - known) / 2;
    const auto above = TRY(reader.events_after(middle, 1));
    if (above.empty()) {
      beyond = middle;
    } else {
      known = above.front().sequence;
    }
  }
  return known;
}

}  // namespace goniec
