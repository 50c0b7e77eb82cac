// statistics.db of the search projection: counts an hour and combination, and how far the whole
// projection is. Private to sqlite/.
//
//   names         each text that stands in a combination, once; 0 is ""
//   combinations  (provider, domain, recipient_domain, stream, tag, pool, class, extra) -> id
//   hours         hour -> its Tally (search_tally.h): the counts of each combination
//   rollups       day -> the sum of its hours. Made by settle() when a later day has begun, and
//                 removed when something comes for it after that: it can be left out at any time
//   days          the files of days that must be there
//   state         position: what is counted; settled: what is synced in every file; begin: events
//                 of hours before it are counted already (after start_anew)
//
// BOUNDED. After SearchLimits::combinations of an hour, what is new in it loses its recipient
// domain ("other"); after twice as many, its tag too; after three times, the sender's domain; after
// four times, every name but class. Past `all_combinations` in the file it is three times at once.
// What is frequent comes early in an hour, so that it keeps its names. The first tag of a message
// counts in every sum; its other tags are `extra` combinations, which only questions about tags
// look at.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "store/sqlite/search_file.h"
#include "store/sqlite/search_tally.h"

namespace goniec {

extern const char* const counts_tables;
inline constexpr std::string_view other_name = "other";

struct Combination {
  std::string provider, domain, recipient_domain, stream, tag, pool, klass;
  bool extra = false;
};

class SearchCounts {
 public:
  static Result<std::unique_ptr<SearchCounts>> open(const std::string& path, SearchLimits limits);
  std::uint64_t position() const { return position_; }
  std::uint64_t settled() const { return settled_; }
  Result<std::set<std::string>> days() const;  // names of files

  // Gathers in memory; write() puts all of it and the position into one transaction.
  // `message`: from, stream, pool, tags of the message that the change is about; empty: unknown.
  Result<void> add(const SearchChange& change, const SearchMessage& message);
  void add_day(std::string name) { new_days_.insert(std::move(name)); }
  Result<void> write(std::uint64_t position);
  void forget_gathered();  // after an error

  Result<void> settle(std::uint64_t position);  // synced
  // Both are synced when they return. fill_again: days anew, counts stay: settled() is 0, and what
  // is not above position() is passed over.
  Result<void> remove_day(const std::string& name);
  Result<void> fill_again(const std::set<std::string>& lost_days);
  Result<std::size_t> forget(Instant before);
  Result<void> erase(const std::string& address, const std::string& by);  // of names; synced
  Result<void> start_anew(Instant from, std::uint64_t behind);

 private:
  struct Statements {
    Statement begin, commit, rollback, set_position, set_settled;
    Statement select_name, insert_name, select_combination, insert_combination;
    Statement select_hour, put_hour, hours_of, put_rollup, delete_rollup;
    Statement insert_day, delete_day, days;
  };
  // What is added to one place of an hour.
  struct Addition {
    StatsCount which{};
    std::uint64_t amount = 1;
    std::optional<std::size_t> bucket;
    std::vector<StatsCount> beside;  // one each
  };
  explicit SearchCounts(Connection db, SearchLimits limits) : db_(std::move(db)), limits_(limits) {}
  Result<void> prepare();
  Result<void> load_state();
  Result<void> load_unrolled();
  Result<std::int64_t> name_id(const std::string& name, bool make);  // -1: there is none
  Result<std::int64_t> id_of(const Combination& combination, bool make);
  Result<Tally*> hour_of(std::int64_t hour);
  Result<std::int64_t> place_of(const Tally& hour, const Combination& combination);
  Result<void> add_all(std::int64_t hour, const Combination& combination,
                       const SearchMessage& message, const Addition& addition);
  Result<void> write_gathered();
  Result<void> roll_up();
  Result<void> roll_up(std::int64_t day);
  Result<void> remove_unused();
  Result<void> synced(const std::function<Result<void>()>& work);
  Result<void> in_transaction(const std::function<Result<void>()>& work);

  Connection db_;
  SearchLimits limits_;
  Statements statements_;
  std::uint64_t position_ = 0, settled_ = 0, combinations_ = 0;
  std::int64_t begin_hour_ = 0, tidied_day_ = 0;
  std::unordered_map<std::string, std::int64_t> names_, ids_;  // -1: known not to be there
  std::map<std::int64_t, Tally> hours_;  // those at hand, with what was gathered
  std::set<std::int64_t> touched_;       // hours with something to write
  std::set<std::int64_t> unrolled_;      // days with hours and without a sum
  std::set<std::string> new_days_;
};

}  // namespace goniec
