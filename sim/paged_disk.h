// A disk for crash images: it writes down everything that is done to it, and copies cost next to
// nothing, because contents are pages that images share until one of them writes.
//
//   PagedDisk   a Disk; each write, truncate, sync and change of a name is one Operation
//   Ruins       walks the operations of a disk and gives, at each of them, what a power cut may
//               leave there: an image, from which the next PagedDisk begins
//
// What a cut may leave is that of sim/disk.h: synced bytes under synced names for certain, of
// everything else any part in units of 512 octets. Ways differ in which part.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "run/system.h"
#include "run/world.h"

namespace goniec {

class PagedBytes {
 public:
  static constexpr std::size_t page_octets = 4096;
  std::uint64_t size() const { return size_; }
  std::size_t read(std::uint64_t offset, std::span<char> into) const;  // short at the end
  void write(std::uint64_t offset, std::string_view bytes);
  void resize(std::uint64_t octets);

 private:
  using Page = std::array<char, page_octets>;
  Page& own(std::size_t number);
  std::vector<std::shared_ptr<Page>> pages_;  // null: zeroes
  std::uint64_t size_ = 0;
};

using DiskImage = std::map<std::string, PagedBytes>;

struct Operation {
  enum class Kind { write, truncate, sync, create, remove, rename, sync_directory };
  Kind kind = Kind::write;
  std::size_t file = 0;  // number of the inode
  std::uint64_t offset = 0;
  std::string bytes;     // written
  std::string name, to;  // of a file or directory
};

class PagedDisk final : public Disk {
 public:
  explicit PagedDisk(DiskImage image = {});

  Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> make_directory(const std::string&) override { return {}; }  // all there are
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) override;

  // What it does not do, though it says so: for the proof that the harness sees it.
  enum class Lie { none, sync, sync_directory };
  void lie(Lie about) { state_->lie = about; }
  std::size_t operations() const { return state_->operations.size(); }

  struct State {
    std::mutex mutex;
    DiskImage first;                           // where it began
    std::map<std::string, std::size_t> names;  // as seen
    std::vector<PagedBytes> files;
    std::vector<Operation> operations;
    Lie lie = Lie::none;
  };
  const State& state() const { return *state_; }

 private:
  std::shared_ptr<State> state_;
};

enum class CutWay {
  drop,     // nothing that was not synced
  keep,     // all of it
  torn,     // of each write any of its sectors
  reorder,  // any of the writes, each whole
  tail,     // all but the last write, of that one the first sectors
  last,     // only the last write
};
inline constexpr CutWay cut_ways[] = {CutWay::drop,    CutWay::keep, CutWay::torn,
                                      CutWay::reorder, CutWay::tail, CutWay::last};
std::string_view name_of(CutWay way);

class Ruins {
 public:
  explicit Ruins(const PagedDisk& disk);
  // Goes on to the cut after this many operations. REQUIRES not fewer than before.
  void advance(std::size_t operations);
  bool is_all_synced() const { return pending_.empty() && names_pending_.empty(); }
  DiskImage image(CutWay way, SystemRandom& random) const;

 private:
  void take(const Operation& operation);
  bool survives(CutWay way, std::size_t place, std::size_t count, SystemRandom& random) const;

  const PagedDisk::State& disk_;
  std::size_t at_ = 0;
  std::vector<PagedBytes> durable_;
  std::map<std::string, std::size_t> names_;
  std::vector<const Operation*> pending_;        // writes and truncates, in order
  std::vector<const Operation*> names_pending_;  // creates, removes, renames
};

}  // namespace goniec
