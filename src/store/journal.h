// The files of the group journal (docs/decisions/group-journal.md): groups of records, each group
// durable as a whole by one sync, in files of fixed size that are written over and over.
//
//   open    -> every whole group above `applied`, in order of its mark, to `replay`
//   add     -> a record of the group that is being built (memory)
//   commit  -> the group in one write and one sync; nobody may be told of it before
//   take    -> the group that is being built goes elsewhere, the journal forgets it
//   forget  -> groups up to that mark are safe elsewhere: their files may be used again
//   salvage -> each record of every file that looks whole, also behind damage; the caller proves it
//
// A record carries the checksum of itself and of the record before it, and the first one that of
// its file's generation: what an older use of the file left, or a crash in the middle of a group,
// never continues a newer one. A group without its last record does not exist.
// Errors: io or try_later (full) of the disk, after which the journal is sealed; bad_data: a group
// that is larger than a file; try_later: every file holds groups that nobody has forgotten. Those
// two leave everything as it was: drop the group, or forget and commit again.
// One thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "run/world.h"

namespace goniec {

struct JournalLimits {
  std::uint64_t file_octets = 64u << 20;
  std::size_t files = 3;  // made at the start, written through once
};

struct JournalRecord {
  std::uint8_t kind = 0;  // 1 to 254, the caller's
  std::string_view payload;
};

// The records of a group, in one piece of memory.
class JournalGroup {
 public:
  JournalGroup() = default;
  JournalGroup(std::uint64_t mark, std::string octets) : mark_(mark), octets_(std::move(octets)) {}
  std::uint64_t mark() const { return mark_; }  // 0: not committed
  std::size_t octets() const { return octets_.size(); }
  std::vector<JournalRecord> records() const;  // they live as long as the group stays where it is
  static JournalGroup of(std::uint64_t mark, JournalRecord record);  // one record, not committed

 private:
  std::uint64_t mark_ = 0;
  std::string octets_;  // as on disk
};

class GroupJournal {
 public:
  using Replay = std::function<Result<void>(JournalGroup group)>;
  static constexpr std::uint64_t header_octets = 4096;
  static constexpr std::uint64_t record_octets = 24;  // before the payload

  // damaged: marks above `applied` that do not follow each other, a file that is shorter than it
  // was made, or whose header is neither whole nor empty.
  static Result<std::unique_ptr<GroupJournal>> open(Disk& disk, const std::string& directory,
                                                    JournalLimits limits, std::uint64_t applied,
                                                    const Replay& replay);

  void add(std::uint8_t kind, std::string_view payload);
  bool is_empty() const { return records_ == 0; }
  std::uint64_t octets() const { return group_.size(); }  // of the group that is being built
  bool fits() const;  // whether a file could hold the group with its end
  void drop();        // the group that is being built
  JournalGroup take();
  // REQUIRES mark above every mark so far. What was written, for whoever brings it elsewhere.
  Result<JournalGroup> commit(std::uint64_t mark);
  void forget(std::uint64_t mark);

  // What open() met and could step over, for the alarm: groups that are applied anyhow. Or "".
  const std::string& damage() const { return damage_; }
  std::uint64_t last_mark() const { return last_mark_; }
  std::uint64_t generation() const { return generation_; }  // grows with each file taken into use

  // Changes nothing. Order: generation, then place. Proven: its checksum continues that of the
  // record before it; what is not was damaged, or its neighbour was.
  enum class Proof { none, checksum };
  using Finds = std::function<Result<void>(std::uint64_t mark, JournalRecord, Proof)>;
  // What it returns is a line for each file that is shorter than it was made.
  static Result<std::vector<std::string>> salvage(Disk& disk, const std::string& directory,
                                                  const Finds& found);

 private:
  struct File {
    std::string path;
    std::unique_ptr<DiskFile> file;
    std::uint64_t generation = 0, last_mark = 0;  // 0: holds no group that matters
  };
  struct Scan;

  GroupJournal(Disk& disk, std::string directory, JournalLimits limits)
      : disk_(disk), directory_(std::move(directory)), limits_(limits) {}
  Result<void> make_file(std::size_t number);
  Result<void> recover(std::uint64_t applied, const Replay& replay);
  Result<void> recover_file(std::size_t number, std::uint64_t applied, const Replay& replay);
  Result<void> take_next_file();
  void seal_group(std::uint64_t mark);

  Disk& disk_;
  std::string directory_;
  JournalLimits limits_;
  std::vector<File> files_;
  std::size_t current_ = 0;
  std::uint64_t generation_ = 0, position_ = 0, last_mark_ = 0, forgotten_ = 0;
  std::uint32_t chain_ = 0;  // checksum of the last record of the file
  std::string damage_;
  std::string group_;  // records without checksums and marks, which commit() knows
  std::uint32_t records_ = 0;
  bool sealed_ = false;
};

}  // namespace goniec
