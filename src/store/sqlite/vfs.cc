// See vfs.h. Node is a file with its locks and its gathered writes; File is one connection's handle
// on it.
#include "store/sqlite/vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace goniec {
namespace {

constexpr std::size_t gather_octets = 1u << 20;

struct File;

struct Node {
  std::string path;
  std::unique_ptr<DiskFile> file;
  // gathered writes
  std::mutex writing;
  std::string gathered;
  std::uint64_t gathered_at = 0;
  bool sync_directory = false;  // new: its name is not yet durable
  int owed = SQLITE_OK;         // an error that a reader met while it wrote for the writer
  // locks of the rollback journal protocol
  std::mutex locking;
  unsigned shared = 0;
  const File* reserved = nullptr;
  const File* pending = nullptr;
  // the WAL index
  std::vector<std::unique_ptr<char[]>> regions;
  std::array<unsigned, SQLITE_SHM_NLOCK> shm_shared{};
  std::array<const File*, SQLITE_SHM_NLOCK> shm_exclusive{};
  unsigned shm_users = 0;
};

// A temporary file of SQLite's (a statement journal): never on disk.
class HeapFile final : public DiskFile {
 public:
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    if (offset >= octets_.size()) return std::size_t{0};
    const auto got = std::min<std::size_t>(into.size(), octets_.size() - offset);
    std::memcpy(into.data(), octets_.data() + offset, got);
    return got;
  }
  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    if (octets_.size() < offset + bytes.size()) octets_.resize(offset + bytes.size());
    std::memcpy(octets_.data() + offset, bytes.data(), bytes.size());
    return {};
  }
  Result<void> truncate(std::uint64_t octets) override {
    octets_.resize(octets);
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<std::uint64_t> size() override { return octets_.size(); }

 private:
  std::string octets_;
};

bool is_full(const Error& error) {
  return error.system_errno == ENOSPC || error.system_errno == EDQUOT ||
         (error.kind == ErrorKind::try_later && error.system_errno == 0);
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

struct SqliteVfs::State {
  explicit State(Disk& the_disk) : disk(the_disk) {}
  Disk& disk;
  std::string name;
  sqlite3_vfs vfs{};
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Node>> nodes;
  std::atomic<bool> sealed{false};
  mutable std::mutex sealing;
  std::string reason;

  void seal(std::string why) {
    std::lock_guard lock(sealing);
    if (sealed.exchange(true)) return;
    reason = std::move(why);
  }
  int write_failed(const Node& node, const Error& error) {
    if (is_full(error)) return SQLITE_FULL;
    seal(fmt::format("a write to {} failed: {}", node.path, error.message));
    return SQLITE_IOERR_WRITE;
  }
  // REQUIRES node.writing
  int flush(Node& node) {
    if (node.gathered.empty()) return SQLITE_OK;
    if (sealed.load(std::memory_order_relaxed)) return SQLITE_IOERR_WRITE;
    auto written = node.file->write_at(node.gathered_at, node.gathered);
    // Without room it stays: frames of groups that were applied before may be in it.
    if (written || !is_full(written.error())) node.gathered.clear();
    return written ? SQLITE_OK : write_failed(node, written.error());
  }
  int write(Node& node, std::uint64_t offset, std::string_view bytes) {
    std::lock_guard lock(node.writing);
    if (sealed.load(std::memory_order_relaxed)) return SQLITE_IOERR_WRITE;
    if (node.owed != SQLITE_OK) return std::exchange(node.owed, SQLITE_OK);
    const bool follows = offset == node.gathered_at + node.gathered.size();
    if (!node.gathered.empty() && (!follows || node.gathered.size() > gather_octets)) {
      if (const int status = flush(node); status != SQLITE_OK) return status;
    }
    if (node.gathered.empty()) node.gathered_at = offset;
    node.gathered.append(bytes);
    return SQLITE_OK;
  }
  // Of what could not be written down for lack of room: it is read from memory.
  static std::size_t overlay(const Node& node, std::uint64_t offset, std::span<char> into) {
    const auto end = node.gathered_at + node.gathered.size();
    const auto from = std::max(offset, node.gathered_at);
    const auto to = std::min(offset + into.size(), end);
    if (from >= to) return 0;
    std::memcpy(into.data() + (from - offset), node.gathered.data() + (from - node.gathered_at),
                to - from);
    return to - offset;
  }
  int read(Node& node, std::uint64_t offset, std::span<char> into) {
    std::unique_lock lock(node.writing);
    const auto end = node.gathered_at + node.gathered.size();
    bool is_in_memory =
        !node.gathered.empty() && offset < end && node.gathered_at < offset + into.size();
    if (is_in_memory) {
      const int status = flush(node);
      is_in_memory = status == SQLITE_FULL;
      if (status != SQLITE_OK && !is_in_memory) {
        node.owed = status;
        return SQLITE_IOERR_READ;
      }
    }
    if (!is_in_memory) lock.unlock();
    auto got = node.file->read_at(offset, into);
    if (!got) return SQLITE_IOERR_READ;
    std::memset(into.data() + *got, 0, into.size() - *got);
    if (is_in_memory) *got = std::max(*got, overlay(node, offset, into));
    return *got == into.size() ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }
  int sync(Node& node) {
    std::lock_guard lock(node.writing);
    if (node.owed != SQLITE_OK) return std::exchange(node.owed, SQLITE_OK);
    if (const int status = flush(node); status != SQLITE_OK) return status;
    if (sealed.load(std::memory_order_relaxed)) return SQLITE_IOERR_FSYNC;
    auto synced = node.file->sync();
    if (synced && node.sync_directory) {
      synced = disk.sync_directory(directory_of(node.path));
      if (synced) node.sync_directory = false;
    }
    if (synced) return SQLITE_OK;
    seal(fmt::format("a sync of {} failed: {}", node.path, synced.error().message));
    return SQLITE_IOERR_FSYNC;
  }
  int truncate(Node& node, std::uint64_t octets) {
    std::lock_guard lock(node.writing);
    if (const int status = flush(node); status != SQLITE_OK) return status;
    if (sealed.load(std::memory_order_relaxed)) return SQLITE_IOERR_TRUNCATE;
    auto done = node.file->truncate(octets);
    if (done) return SQLITE_OK;
    seal(fmt::format("cutting {} failed: {}", node.path, done.error().message));
    return SQLITE_IOERR_TRUNCATE;
  }
  Result<std::uint64_t> size(Node& node) {
    std::lock_guard lock(node.writing);
    auto octets = TRY(node.file->size());
    if (!node.gathered.empty()) octets = std::max(octets, node.gathered_at + node.gathered.size());
    return octets;
  }
};

namespace {

using State = SqliteVfs::State;

struct File {
  sqlite3_file base{};  // first: SQLite sees only this
  State* state = nullptr;
  std::shared_ptr<Node> node;
  int level = SQLITE_LOCK_NONE;
  unsigned shm_shared = 0;  // bits of slots held
  bool shm_open = false;
};

File& of(sqlite3_file* file) {
  return *reinterpret_cast<File*>(file);
}

void release_locks(File& file, int level) {
  Node& node = *file.node;
  if (node.reserved == &file) node.reserved = nullptr;
  if (node.pending == &file) node.pending = nullptr;
  if (level == SQLITE_LOCK_NONE && file.level >= SQLITE_LOCK_SHARED) --node.shared;
  file.level = level;
}

int file_unlock(sqlite3_file* handle, int level) {
  File& file = of(handle);
  if (file.level <= level) return SQLITE_OK;
  std::lock_guard lock(file.node->locking);
  release_locks(file, level);
  return SQLITE_OK;
}

int file_lock(sqlite3_file* handle, int level) {
  File& file = of(handle);
  if (file.level >= level) return SQLITE_OK;
  Node& node = *file.node;
  std::lock_guard lock(node.locking);
  const auto by_another = [&](const File* owner) { return owner && owner != &file; };
  if (level == SQLITE_LOCK_SHARED) {
    if (by_another(node.pending)) return SQLITE_BUSY;
    ++node.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (by_another(node.reserved)) return SQLITE_BUSY;
    node.reserved = &file;
  } else {
    if (by_another(node.reserved) || by_another(node.pending)) return SQLITE_BUSY;
    node.pending = &file;
    if (node.shared > 1) {
      file.level = SQLITE_LOCK_PENDING;
      return SQLITE_BUSY;
    }
  }
  file.level = level;
  return SQLITE_OK;
}

int file_check_reserved(sqlite3_file* handle, int* result) {
  Node& node = *of(handle).node;
  std::lock_guard lock(node.locking);
  *result = node.reserved != nullptr;
  return SQLITE_OK;
}

int shm_unmap(sqlite3_file* handle, int) {
  File& file = of(handle);
  if (!file.shm_open) return SQLITE_OK;
  Node& node = *file.node;
  std::lock_guard lock(node.locking);
  for (std::size_t slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) {
    if (file.shm_shared & (1u << slot)) --node.shm_shared[slot];
    if (node.shm_exclusive[slot] == &file) node.shm_exclusive[slot] = nullptr;
  }
  file.shm_shared = 0;
  file.shm_open = false;
  if (--node.shm_users == 0) node.regions.clear();
  return SQLITE_OK;
}

int shm_map(sqlite3_file* handle, int number, int octets, int extend, void volatile** region) {
  File& file = of(handle);
  Node& node = *file.node;
  std::lock_guard lock(node.locking);
  if (!file.shm_open) {
    file.shm_open = true;
    ++node.shm_users;
  }
  const auto index = static_cast<std::size_t>(number);
  *region = nullptr;
  if (index >= node.regions.size()) {
    if (!extend) return SQLITE_OK;
    while (node.regions.size() <= index) {
      node.regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(octets)));
    }
  }
  *region = node.regions[index].get();
  return SQLITE_OK;
}

int shm_lock(sqlite3_file* handle, int first, int count, int flags) {
  File& file = of(handle);
  Node& node = *file.node;
  std::lock_guard lock(node.locking);
  const auto begin = static_cast<std::size_t>(first);
  const auto end = begin + static_cast<std::size_t>(count);
  if (flags & SQLITE_SHM_UNLOCK) {
    for (auto slot = begin; slot < end; ++slot) {
      if (file.shm_shared & (1u << slot)) --node.shm_shared[slot];
      file.shm_shared &= ~(1u << slot);
      if (node.shm_exclusive[slot] == &file) node.shm_exclusive[slot] = nullptr;
    }
    return SQLITE_OK;
  }
  for (auto slot = begin; slot < end; ++slot) {
    if (node.shm_exclusive[slot] && node.shm_exclusive[slot] != &file) return SQLITE_BUSY;
    const unsigned own = (file.shm_shared & (1u << slot)) ? 1 : 0;
    if ((flags & SQLITE_SHM_EXCLUSIVE) && node.shm_shared[slot] > own) return SQLITE_BUSY;
  }
  for (auto slot = begin; slot < end; ++slot) {
    if (flags & SQLITE_SHM_EXCLUSIVE) {
      node.shm_exclusive[slot] = &file;
    } else if (!(file.shm_shared & (1u << slot))) {
      ++node.shm_shared[slot];
      file.shm_shared |= 1u << slot;
    }
  }
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file* handle) {
  std::lock_guard lock(of(handle).node->locking);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

int file_close(sqlite3_file* handle) {
  File& file = of(handle);
  shm_unmap(handle, 0);
  int status = SQLITE_OK;
  {
    std::lock_guard lock(file.node->locking);
    release_locks(file, SQLITE_LOCK_NONE);
  }
  {
    std::lock_guard lock(file.node->writing);
    status = file.state->flush(*file.node);
  }
  {
    std::lock_guard lock(
        file.state->mutex);  // the last handle of a node goes under the lock of the map
    file.node.reset();
  }
  file.~File();
  return status;
}

int file_read(sqlite3_file* handle, void* into, int octets, sqlite3_int64 offset) {
  return of(handle).state->read(*of(handle).node, static_cast<std::uint64_t>(offset),
                                {static_cast<char*>(into), static_cast<std::size_t>(octets)});
}

int file_write(sqlite3_file* handle, const void* bytes, int octets, sqlite3_int64 offset) {
  return of(handle).state->write(
      *of(handle).node, static_cast<std::uint64_t>(offset),
      {static_cast<const char*>(bytes), static_cast<std::size_t>(octets)});
}

int file_truncate(sqlite3_file* handle, sqlite3_int64 octets) {
  return of(handle).state->truncate(*of(handle).node, static_cast<std::uint64_t>(octets));
}

int file_sync(sqlite3_file* handle, int) {
  return of(handle).state->sync(*of(handle).node);
}

int file_size(sqlite3_file* handle, sqlite3_int64* octets) {
  auto size = of(handle).state->size(*of(handle).node);
  if (!size) return SQLITE_IOERR_FSTAT;
  *octets = static_cast<sqlite3_int64>(*size);
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int operation, void* argument) {
  if (operation ==
      SQLITE_FCNTL_PERSIST_WAL) {  // the WAL's blocks are written over, never made anew
    *static_cast<int*>(argument) = 1;
    return SQLITE_OK;
  }
  return SQLITE_NOTFOUND;
}

int file_sector_size(sqlite3_file*) {
  return 4096;
}
int file_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

constexpr sqlite3_io_methods io_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

State& of(sqlite3_vfs* vfs) {
  return *static_cast<State*>(vfs->pAppData);
}

Result<std::shared_ptr<Node>> open_node(State& state, const char* name, int flags) {
  auto node = std::make_shared<Node>();
  if (!name) {
    node->path = "a temporary file";
    node->file = std::make_unique<HeapFile>();
    return node;
  }
  std::lock_guard lock(state.mutex);
  if (auto known = state.nodes[name].lock()) return known;
  node->path = name;
  const bool was_there = TRY(state.disk.exists(name));
  if (!was_there && !(flags & SQLITE_OPEN_CREATE))
    return fail(ErrorKind::not_found, "no such file");
  const auto mode = flags & SQLITE_OPEN_CREATE     ? OpenMode::create
                    : flags & SQLITE_OPEN_READONLY ? OpenMode::read
                                                   : OpenMode::read_write;
  node->file = TRY(state.disk.open(name, mode));
  node->sync_directory = !was_there;
  state.nodes[name] = node;
  return node;
}

int vfs_open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* handle, int flags, int* out) {
  handle->pMethods = nullptr;
  auto node = open_node(of(vfs), name, flags);
  if (!node) return SQLITE_CANTOPEN;
  auto* file = new (handle) File;
  file->base.pMethods = &io_methods;
  file->state = &of(vfs);
  file->node = std::move(*node);
  if (out) *out = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  State& state = of(vfs);
  if (state.sealed.load(std::memory_order_relaxed)) return SQLITE_IOERR_DELETE;
  auto removed = state.disk.remove(name);
  if (!removed) {
    return removed.error().kind == ErrorKind::not_found ? SQLITE_IOERR_DELETE_NOENT
                                                        : SQLITE_IOERR_DELETE;
  }
  if (sync_directory && !state.disk.sync_directory(directory_of(name))) {
    state.seal(fmt::format("a sync of the directory of {} failed", name));
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int vfs_access(sqlite3_vfs* vfs, const char* name, int, int* result) {
  auto there = of(vfs).disk.exists(name);
  if (!there) return SQLITE_IOERR_ACCESS;
  *result = *there;
  return SQLITE_OK;
}

int vfs_full_pathname(sqlite3_vfs*, const char* name, int octets, char* out) {
  if (std::strlen(name) >= static_cast<std::size_t>(octets)) return SQLITE_CANTOPEN;
  std::strcpy(out, name);
  return SQLITE_OK;
}

int vfs_randomness(sqlite3_vfs*, int octets, char* out) {
  std::memset(out, 0x5A, static_cast<std::size_t>(octets));  // names of temporary files only
  return octets;
}

int vfs_sleep(sqlite3_vfs*, int microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return microseconds;
}

int vfs_current_time(sqlite3_vfs*, sqlite3_int64* milliseconds) {
  *milliseconds = 0;  // no SQL of ours asks for the time
  return SQLITE_OK;
}

int vfs_current_time_float(sqlite3_vfs*, double* days) {
  *days = 0;
  return SQLITE_OK;
}

int vfs_last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

SqliteVfs::SqliteVfs(Disk& disk) : state_(std::make_unique<State>(disk)) {
  // Without its count of memory SQLite takes no lock at each malloc. Too late in a process that
  // uses SQLite already, and then without effect.
  static const int counted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(counted);
  static std::atomic<unsigned> serial{0};  // names of VFSs are one table in the process
  state_->name = fmt::format("goniec-{}", ++serial);
  sqlite3_vfs& vfs = state_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(File);
  vfs.mxPathname = 1024;
  vfs.zName = state_->name.c_str();
  vfs.pAppData = state_.get();
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_pathname;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_current_time_float;
  vfs.xGetLastError = vfs_last_error;
  vfs.xCurrentTimeInt64 = vfs_current_time;
  CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

SqliteVfs::~SqliteVfs() {
  sqlite3_vfs_unregister(&state_->vfs);
}

const char* SqliteVfs::name() const {
  return state_->name.c_str();
}

void SqliteVfs::seal(std::string reason) {
  state_->seal(std::move(reason));
}

std::optional<std::string> SqliteVfs::broken() const {
  if (!state_->sealed.load()) return {};
  std::lock_guard lock(state_->sealing);
  return state_->reason;
}

}  // namespace goniec
