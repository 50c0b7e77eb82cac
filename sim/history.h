// One history: a seed in, a verdict out. A node, its peers and its clients on the false world, for
// some hours with faults and then for some without; the laws are checked while it runs.
//
// The seed decides everything that the options leave open: how many sites and letters, which
// tempers, how the wire and the disk fail, when the node dies and how.
#pragma once
#include <string>
#include <vector>

#include "sim/watched_store.h"

namespace goniec {

struct HistoryOptions {
  std::uint64_t seed = 1;
  Duration span = std::chrono::hours(6);  // with faults; then up to a day without
  std::size_t sites = 0;                  // 0: by the seed
  std::uint64_t letters_an_hour = 0;      // 0: by the seed
  Mutation mutation = Mutation::none;
  bool full_disk = false;  // what fails is a write, for lack of space
  bool story = false;      // says on stdout when the node dies, and how
};

struct Ending {
  std::uint64_t hash = 0, steps = 0;
  Laws::Totals totals;
  std::vector<std::string> broken;
  Duration lived{};
  std::uint64_t power_cuts = 0, seals = 0, stops = 0;
};

Ending run_history(const HistoryOptions& options);

}  // namespace goniec
