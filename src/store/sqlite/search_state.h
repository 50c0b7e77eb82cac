// The inside of Search, that its files share: search.cc (what comes in), search_list.cc and
// search_statistics.cc (what is asked).
// Private to sqlite/.
#pragma once
#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <set>

#include "store/sqlite/search_counts.h"
#include "store/sqlite/search_day.h"

namespace goniec {

inline constexpr std::string_view statistics_file = "statistics.db";

struct Search::State {
  State(Disk& the_disk, std::string the_folder, SearchLimits the_limits)
      : disk(the_disk), folder(std::move(the_folder)), limits(the_limits) {}
  Disk& disk;
  const std::string folder;
  const SearchLimits limits;

  // ---- the projector's thread
  std::unique_ptr<SearchCounts> counts;
  std::list<std::pair<std::string, std::unique_ptr<SearchDay>>> open;  // last used first
  std::set<std::string> dirty;  // written since they were synced
  std::atomic<std::uint64_t> settled{0}, position{0};

  struct Batch;
  Result<void> open_files();
  Result<void> remove_files();
  Result<void> lose_days(const std::set<std::string>& lost);
  Result<SearchDay*> day(const std::string& name, bool make);
  Result<void> take(Batch& batch, const SearchChange& change);
  Result<void> write(Batch& batch, std::uint64_t position);
  Result<void> remove_day(const std::string& name);
  Result<void> remove_day_files(const std::string& name);
  Result<std::uint64_t> erase_from_day(SearchDay& file, const std::string& address,
                                       const std::string& by, Erase how);

  // ---- any thread
  mutable std::mutex mutex;
  mutable std::condition_variable free_place;
  mutable std::size_t asking = 0;                                 // questions under way
  mutable std::list<std::pair<std::string, Connection>> at_hand;  // last used first
  std::uint64_t generation = 1;  // of files: what was opened in one before is closed
  std::set<std::string> days;    // the files there are

  std::vector<std::string> days_between(const std::optional<Instant>& from,
                                        const std::optional<Instant>& to) const;  // newest first
  void files_went();
};

// A place among those that ask at the same time.
class AskingPlace {
 public:
  explicit AskingPlace(const Search::State& state);
  ~AskingPlace();
  AskingPlace(const AskingPlace&) = delete;
  AskingPlace& operator=(const AskingPlace&) = delete;

 private:
  const Search::State& state_;
};

// A file of the projection, for reading; kept open for who asks next. To open one costs as much as
// a small question: the log beside it is read when nobody has it open.
class FileAtHand {
 public:
  static Result<FileAtHand> open(const Search::State& state, const std::string& name);
  ~FileAtHand();
  FileAtHand(FileAtHand&&) = default;
  FileAtHand& operator=(FileAtHand&&) = delete;
  const Connection& operator*() const { return connection_; }

 private:
  FileAtHand(const Search::State& state, std::string name, std::uint64_t generation,
             Connection connection)
      : state_(state),
        name_(std::move(name)),
        generation_(generation),
        connection_(std::move(connection)) {}
  const Search::State& state_;
  std::string name_;
  std::uint64_t generation_;
  Connection connection_;
};

// Interrupts a statement of `connection` when it takes longer than `patience`.
class Patience {
 public:
  Patience(const Connection& connection, Duration patience);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  static int check(void* self);
  const Connection& connection_;
  std::chrono::steady_clock::time_point until_;
};
Error told_briefly(Error error);  // an interrupted question: try_later, and what to do

}  // namespace goniec
