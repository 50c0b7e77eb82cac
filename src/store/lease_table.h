// Who has which entry: leases and their fences. In memory only, so that after a crash every entry
// is due again. A lease keeps the entry itself: a settle needs not read it back.
//
// Fences ascend and are never used twice in a process; they start above the store's mark, so that a
// lease of an earlier process is refused too. What a group changed is undone when the group fails.
// How many leases each domain has is counted by its lane (codec.h).
// Threads: the commit thread changes, and asks of_lane(); is_leased() and size() from any.
#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mail/journey.h"
#include "store/codec.h"

namespace goniec {

struct EntryIdHash {
  std::size_t operator()(const EntryId& id) const noexcept {
    return std::hash<MessageId>{}(id.message) + id.number;
  }
};

class LeaseTable {
 public:
  explicit LeaseTable(std::uint64_t first_fence) : next_fence_(first_fence) {}

  Lease add(StoredEntry entry);  // REQUIRES not leased
  const StoredEntry* find(
      const Lease& lease);         // null: the fence is stale; valid until the next change
  void remove(const EntryId& id);  // REQUIRES leased
  bool give_back(const Lease& lease, StoredEntry& given);  // false: stale
  bool is_leased(const EntryId& id) const;
  std::size_t size() const;
  std::size_t of_lane(std::uint64_t lane) const;  // leases of a domain

  void keep_group();  // the group is durable
  void undo_group();  // the group failed: as before it

 private:
  struct Record {
    std::uint64_t fence = 0;
    std::uint64_t lane = 0;
    StoredEntry entry;
  };
  void leave_lane(std::uint64_t lane);
  struct Undo {
    EntryId id;
    std::optional<Record> was;  // none: it was added
  };
  mutable std::mutex mutex_;
  std::unordered_map<EntryId, Record, EntryIdHash> leases_;
  std::unordered_map<std::uint64_t, std::size_t> lanes_;  // none is 0
  std::vector<Undo> undo_;
  std::uint64_t next_fence_;
};

}  // namespace goniec
