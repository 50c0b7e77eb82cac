// Windows begin with their first failure and end by themselves; nothing is swept.
#include "accounts/throttle.h"

namespace goniec {

std::optional<Moment> FailureTable::blocked_until(const std::string& key, Moment now) {
  const Count* count = counts_.find(key);
  if (!count || count->blocked_until <= now) return {};
  return count->blocked_until;
}

void FailureTable::failed(const std::string& key, Moment now, std::size_t limit, Duration window,
                          Duration block) {
  if (limit == 0) return;
  Count& count = counts_.at(key);
  if (count.blocked_until > now) return;
  if (count.failures == 0 || count.window_end <= now) count = {.window_end = now + window};
  if (++count.failures < limit) return;
  count = {.blocked_until = now + block};
}

std::optional<Moment> HourCount::add(Moment now, std::uint64_t limit) {
  const std::int64_t current = now.time_since_epoch() / slot_length;
  const auto span = static_cast<std::int64_t>(slots);
  std::uint64_t counted = 0;
  std::int64_t oldest = current;
  for (const Slot& slot : slots_) {
    if (slot.count == 0 || slot.number <= current - span) continue;
    counted += slot.count;
    oldest = std::min(oldest, slot.number);
  }
  if (counted >= limit) return Moment(slot_length * (oldest + span));
  Slot& slot = slots_[static_cast<std::size_t>(current % span)];
  if (slot.number != current) slot = {current, 0};
  ++slot.count;
  return {};
}

}  // namespace goniec
