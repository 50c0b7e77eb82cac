// See lease_table.h. The map changes under the mutex; the commit thread reads it without, because
// nobody else changes it.
#include "store/lease_table.h"

#include "base/result.h"

namespace goniec {

Lease LeaseTable::add(StoredEntry entry) {
  const EntryId id = entry.entry.id;
  entry.entry.state = EntryState::leased;
  const std::uint64_t fence = next_fence_++;
  const std::uint64_t lane = domain_lane(entry.entry.domain.ascii());
  undo_.push_back({id, {}});
  std::lock_guard lock(mutex_);
  const bool added = leases_.try_emplace(id, Record{fence, lane, std::move(entry)}).second;
  CHECK(added);
  ++lanes_[lane];
  return Lease{id, fence};
}

const StoredEntry* LeaseTable::find(const Lease& lease) {
  const auto found = leases_.find(lease.entry);
  if (found == leases_.end() || found->second.fence != lease.fence) return nullptr;
  return &found->second.entry;
}

void LeaseTable::remove(const EntryId& id) {
  std::lock_guard lock(mutex_);
  const auto found = leases_.find(id);
  CHECK(found != leases_.end());
  leave_lane(found->second.lane);
  undo_.push_back({id, std::move(found->second)});
  leases_.erase(found);
}

bool LeaseTable::give_back(const Lease& lease, StoredEntry& given) {
  const auto* held = find(lease);
  if (!held) return false;
  given = *held;
  remove(lease.entry);
  return true;
}

bool LeaseTable::is_leased(const EntryId& id) const {
  std::lock_guard lock(mutex_);
  return leases_.contains(id);
}

std::size_t LeaseTable::size() const {
  std::lock_guard lock(mutex_);
  return leases_.size();
}

std::size_t LeaseTable::of_lane(std::uint64_t lane) const {
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? 0 : found->second;
}

void LeaseTable::leave_lane(std::uint64_t lane) {
  const auto found = lanes_.find(lane);
  CHECK(found != lanes_.end());
  if (--found->second == 0) lanes_.erase(found);
}

void LeaseTable::keep_group() {
  undo_.clear();
}

void LeaseTable::undo_group() {
  std::lock_guard lock(mutex_);
  while (!undo_.empty()) {
    Undo& step = undo_.back();
    if (step.was) {
      ++lanes_[step.was->lane];
      const bool added = leases_.try_emplace(step.id, std::move(*step.was)).second;
      CHECK(added);
    } else {
      const auto added = leases_.find(step.id);
      leave_lane(added->second.lane);
      leases_.erase(added);
    }
    undo_.pop_back();
  }
}

}  // namespace goniec
