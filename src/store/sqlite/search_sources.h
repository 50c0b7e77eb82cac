// Ids of rows, newest first, that several indexes have in common. Private to sqlite/.
//
// Each source is a statement over one index; the one that is behind is led to the id of the others:
// by a few steps, and by a new start of its statement when that was not enough. So what is frequent
// is passed over in leaps where another is rare.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "run/world.h"
#include "store/sqlite/connection.h"

namespace goniec {

struct RowRange {
  std::uint64_t from = 0, to = INT64_MAX;  // both in it
};

struct RowSourceAsked {
  std::string sql;   // ids descending; ?1 the highest, ?2 the lowest, ?3 `text`
  std::string text;  // bound when it is not ""
};

// What a question may cost in time of a processor: not what it waits while others have it.
class Effort {
 public:
  explicit Effort(std::optional<Duration> most);
  bool is_spent() const;

 private:
  std::optional<Duration> until_;  // of this thread's processor time
};

class CommonRows {
 public:
  explicit CommonRows(RowRange range);
  ~CommonRows();
  Result<void> add(const Connection& connection, const RowSourceAsked& asked);
  // REQUIRES a source. nullopt: no more, or stopped.
  Result<std::optional<std::uint64_t>> next(const Effort& effort);
  // The effort was spent before this id.
  std::optional<std::uint64_t> stopped_at() const { return stopped_at_; }

 private:
  class Source;
  RowRange range_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::optional<std::uint64_t> stopped_at_;
  std::uint64_t steps_ = 0;
};

}  // namespace goniec
