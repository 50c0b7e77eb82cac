// A life of a store for crash images: groups of every verb, mixed by chance, run at the same time
// on the engine under test and on the memory engine, which is the oracle. After each group is
// written down what a store that was opened at that mark has to hold: entries, contents, events,
// mailboxes, objects.
//
// It also compares every answer of the two engines, so each run is a differential test as well.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "sim/paged_disk.h"
#include "sim/world.h"
#include "store/store.h"

namespace goniec {

struct MixedOptions {
  std::uint64_t seed = 1;
  std::size_t groups = 30;
  StoreLimits limits = small_limits();
  PagedDisk::Lie lie = PagedDisk::Lie::none;  // of syncs: once the store was made
  bool answer_early = false;  // what was asked counts as acknowledged before its commit

  static StoreLimits small_limits();
};

struct GroupRecord {
  std::size_t ended = 0;  // operations of the disk when commit() returned
  std::uint64_t mark = 0;
  Moment at{};
  std::vector<std::string> state;  // lines, each a thing the store holds
};

struct MixedRun {
  PagedDisk disk;
  std::vector<GroupRecord> groups;  // the first: the store was made, and holds nothing
  std::uint64_t acknowledged = 0;   // messages
  std::string wrong;                // what the engines differ in; "": nothing
};

// What a store holds, in lines, events from the one after this sequence; an error line when
// something cannot be read. Leases are not told: they are memory.
std::vector<std::string> state_of(Store& store, std::uint64_t events_after = 0);

MixedRun run_mixed_groups(const MixedOptions& options);

inline constexpr const char* mixed_store_path = "/store";

}  // namespace goniec
