// SQLite's way to the disk: a sqlite3_vfs over the Disk door, so that the simulation runs the real
// store.
//
// One process has the store (storage lock), so the locks between connections and the index of the
// WAL ("shm") are in the heap, shared by the connections of one Vfs; no -shm file, no fcntl locks.
// All connections of a file share one DiskFile.
// Contiguous writes are gathered (a WAL frame is two writes of SQLite's) and go down in one piece
// at the sync, or when they are read, or above 1 MiB. A sync writes what is gathered first, and the
// first sync of a new file syncs its directory.
//
// The seal: after a failed write or sync no byte is written any more, and broken() says why. A
// write refused for lack of space (ENOSPC, EDQUOT) is SQLITE_FULL and no fault; a sync that fails
// so is one.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "run/world.h"

namespace goniec {

class SqliteVfs {
 public:
  explicit SqliteVfs(Disk& disk);
  ~SqliteVfs();  // REQUIRES all connections closed
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;

  const char* name() const;                   // for sqlite3_open_v2
  std::optional<std::string> broken() const;  // why nothing is written any more; any thread
  void seal(std::string reason);              // as if a write had failed

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace goniec
