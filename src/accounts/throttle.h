// Counts failures of a key in a window, and blocks it for a while when there were too many; and
// counts messages of an account in the last hour. Pure: time is an argument; one thread at a time.
//
// A block begins at the failure that reaches the limit and does not grow by tries during it (they
// are not looked at), so that a client with an old password gets out by itself.
// The hour is kept as 12 slots of five minutes: a full hour frees room as its oldest slot passes.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "accounts/bounded_table.h"
#include "base/time.h"

namespace goniec {

class FailureTable {
 public:
  explicit FailureTable(std::size_t entries) : counts_(entries) {}
  // Until when the key is blocked, if it is.
  std::optional<Moment> blocked_until(const std::string& key, Moment now);
  void failed(const std::string& key, Moment now, std::size_t limit, Duration window,
              Duration block);
  void forget(const std::string& key) { counts_.erase(key); }
  void set_entries(std::size_t entries) { counts_.set_limit(entries); }

 private:
  struct Count {
    Moment window_end{};
    Moment blocked_until{};
    std::size_t failures = 0;
  };
  BoundedTable<std::string, Count> counts_;
};

class HourCount {
 public:
  // nullopt: counted. Else: not counted, and when there is room again.
  std::optional<Moment> add(Moment now, std::uint64_t limit);

 private:
  static constexpr std::size_t slots = 12;
  static constexpr Duration slot_length = std::chrono::minutes(5);
  struct Slot {
    std::int64_t number = -1;  // of five minutes since the clock began
    std::uint64_t count = 0;
  };
  std::array<Slot, slots> slots_;
};

}  // namespace goniec
