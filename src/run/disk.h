// The true Disk door: pread, pwrite, fdatasync, rename, statvfs. Interrupted calls are repeated,
// short ones go on; a failed sync is handed up and never repeated. Errors: not_found (ENOENT),
// not_permitted (EACCES, EPERM, EROFS), try_later (ENOSPC, EDQUOT: full), conflict (EEXIST), else
// io; system_errno always set.
#pragma once
#include "run/world.h"

namespace goniec {

class SystemDisk final : public Disk {
 public:
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<void> remove(const std::string& path) override;  // a file
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> make_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(
      const std::string& path) override;  // sorted, without . and ..
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<DiskFile>> lock(const std::string& path) override;  // flock, never waits
};

}  // namespace goniec
