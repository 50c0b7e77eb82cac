// The counts of an hour, or of a day, as one row of statistics.db holds them: of each combination
// of names those counters that are not zero. Private to sqlite/.
//
//   entry     combination - the one before (LEB128), how many counters (LEB128), then of each:
//             its number (one octet), its amount (LEB128)
//   counters  0…: StatsCount; latency_counter…: the buckets of delivery times
//
// Entries ascend. A question reads thousands of them for each row that SQLite gives: a year of
// hours is asked by the day's sums, a month of hours takes some ten milliseconds.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/search.h"

namespace goniec {

inline constexpr std::size_t latency_counter = 64;
static_assert(stats_counts <= latency_counter && latency_counter + latency_buckets <= 128);

class Tally {
 public:
  bool contains(std::int64_t combination) const { return entries_.contains(combination); }
  std::size_t size() const { return entries_.size(); }
  // An entry stays when nothing was added to it.
  void add(std::int64_t combination, std::size_t counter, std::uint64_t amount);
  std::string encode() const;
  Result<void> add_encoded(std::string_view bytes);  // damaged: it is no tally

 private:
  using Counters = std::vector<std::pair<std::uint8_t, std::uint64_t>>;  // by number
  std::map<std::int64_t, Counters> entries_;
};

// LEB128 at the beginning of `bytes`, which it is taken from; false: there is none.
inline bool take_number(std::string_view& bytes, std::uint64_t& into) {
  if (!bytes.empty() && static_cast<unsigned char>(bytes.front()) < 0x80) {  // nearly always
    into = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    return true;
  }
  std::uint64_t value = 0;
  for (unsigned at = 0; at < 10 && at < bytes.size(); ++at) {
    const auto octet = static_cast<unsigned char>(bytes[at]);
    value |= std::uint64_t{octet & 0x7FU} << (7 * at);
    if (octet < 0x80) {
      bytes.remove_prefix(at + 1);
      into = value;
      return true;
    }
  }
  return false;
}

// wanted(combination) -> bool, then each(counter, amount) of those that are. false: damaged.
template <class Wanted, class Each>
bool read_tally(std::string_view bytes, Wanted wanted, Each each) {
  std::uint64_t combination = 0;
  while (!bytes.empty()) {
    std::uint64_t step = 0, counters = 0, amount = 0;
    if (!take_number(bytes, step) || !take_number(bytes, counters)) return false;
    combination += step;
    const bool is_wanted = wanted(static_cast<std::int64_t>(combination));
    for (; counters > 0; --counters) {
      if (bytes.empty()) return false;
      const auto counter = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      if (!take_number(bytes, amount)) return false;
      if (is_wanted) each(std::size_t{counter}, amount);
    }
  }
  return true;
}

}  // namespace goniec
