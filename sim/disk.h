// A false disk that remembers what was synced and what only looks written.
//
//   written, not synced   readable until a crash; then gone, or (tear) kept in part, in units of
//                         512 octets
//   synced                survives a crash, when the name survives
//   a name                survives after sync_directory of its directory; till then the old does
//   a failed sync         what it should have saved is never saved by a later sync
//
// Faults are set by call: the Nth write fails with ENOSPC, the power goes at the Nth call. After a
// crash every open file and every call fails until restart(). Directories are durable at once.
// Thread-safe, because a commit thread calls it.
#pragma once
#include <map>
#include <mutex>
#include <set>

#include "run/world.h"

namespace goniec {

enum class DiskCall { open, read, write, truncate, sync, remove, rename, sync_directory, any };
enum class CrashKind { drop_unsynced, tear };

class SimDisk final : public Disk {
 public:
  explicit SimDisk(std::uint64_t seed = 1);
  ~SimDisk() override;

  Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> make_directory(const std::string& path) override;  // REQUIRES that its parent exists
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<DiskFile>> lock(const std::string& path) override;

  void crash(CrashKind kind = CrashKind::drop_unsynced);  // then restart()
  void restart();        // what faults were still to come are forgotten
  bool is_down() const;  // crashed, by itself or by call
  // The call of this kind after `skip` others fails with this errno, once.
  void fail_call(DiskCall call, std::uint64_t skip, int system_errno);
  void crash_at_call(std::uint64_t skip, CrashKind kind = CrashKind::drop_unsynced);
  void set_capacity(std::uint64_t octets);  // of all files; beyond it ENOSPC
  std::uint64_t calls() const;              // so far, for choosing where to crash

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace goniec
