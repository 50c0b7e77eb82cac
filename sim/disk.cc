// Files are inodes with two contents; names point to inodes twice, as seen and as durable.
#include "sim/disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include "run/system.h"

namespace goniec {
namespace {

constexpr std::size_t sector = 512;

struct Change {  // since the last sync: bytes at an offset, or a new length
  enum class Kind { write, truncate } kind = Kind::write;
  std::uint64_t offset = 0;
  std::string bytes;
};

struct Inode {
  std::string seen, durable;
  std::vector<Change> changes;
  std::vector<Change> lost;  // by failed syncs: seen, and never durable
};
using InodePtr = std::shared_ptr<Inode>;

void replay(std::string& content, const Change& change) {
  if (change.kind == Change::Kind::truncate) {
    content.resize(change.offset);
    return;
  }
  const std::size_t end = change.offset + change.bytes.size();
  if (content.size() < end) content.resize(end);
  std::memcpy(content.data() + change.offset, change.bytes.data(), change.bytes.size());
}

// What the power cut leaves of unsynced changes: each sector of each write came through, or not.
void tear(Inode& inode, SystemRandom& random) {
  for (const Change& change : inode.changes) {
    if (change.kind == Change::Kind::truncate) {
      if (random.below(2)) replay(inode.durable, change);
      continue;
    }
    for (std::size_t at = 0; at < change.bytes.size();) {
      const std::uint64_t offset = change.offset + at;
      const std::size_t length =
          std::min<std::size_t>(sector - offset % sector, change.bytes.size() - at);
      if (random.below(2)) {
        replay(inode.durable, {Change::Kind::write, offset, change.bytes.substr(at, length)});
      }
      at += length;
    }
  }
}

// What is seen becomes what is durable: only where they may differ, for files grow for months.
void forget_unsynced(Inode& inode) {
  for (const auto* changes : {&inode.changes, &inode.lost}) {
    for (const Change& change : *changes) {
      if (change.kind == Change::Kind::truncate && change.offset < inode.durable.size()) {
        inode.seen = inode.durable;
      } else if (change.offset < inode.durable.size()) {
        inode.seen.resize(std::max(inode.seen.size(), inode.durable.size()));
        inode.durable.copy(inode.seen.data() + change.offset, change.bytes.size(), change.offset);
      }
    }
  }
  inode.seen.resize(inode.durable.size());
  inode.changes.clear();
  inode.lost.clear();
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::unexpected<Error> fail_disk(const std::string& path, int number) {
  auto failure = fail_errno("simulated disk: " + path, number);
  switch (number) {
    case ENOENT:
      failure.error().kind = ErrorKind::not_found;
      break;
    case ENOSPC:
    case EDQUOT:
      failure.error().kind = ErrorKind::try_later;
      break;
    case EEXIST:
    case EWOULDBLOCK:
      failure.error().kind = ErrorKind::conflict;
      break;
    case EACCES:
    case EROFS:
      failure.error().kind = ErrorKind::not_permitted;
      break;
    default:
      break;
  }
  return failure;
}

}  // namespace

struct SimDisk::State {
  explicit State(std::uint64_t seed) : random(seed) {}

  struct Fault {
    DiskCall call;
    std::uint64_t skip;
    int number;
  };
  struct PowerCut {
    std::uint64_t skip;
    CrashKind kind;
  };

  mutable std::mutex mutex;
  SystemRandom random;
  std::map<std::string, InodePtr> seen, durable;
  std::set<std::string> directories{"/", "."};
  std::set<std::string> locks;
  std::vector<Fault> faults;
  std::optional<PowerCut> power_cut;
  std::uint64_t capacity = 1ull << 40;
  std::uint64_t calls = 0;
  std::uint64_t life = 1;  // of open files: a crash ends it
  bool down = false;

  void crash(CrashKind kind);
  // What a call of this kind meets: 0, or an errno.
  int meet(DiskCall call);
  std::uint64_t used() const;
};

void SimDisk::State::crash(CrashKind kind) {
  // In order of paths, not of addresses: the same seed gives the same ruins.
  std::set<InodePtr> done;
  for (const auto* names : {&durable, &seen}) {
    for (const auto& [path, inode] : *names) {
      if (!done.insert(inode).second) continue;
      if (kind == CrashKind::tear) tear(*inode, random);
      forget_unsynced(*inode);
    }
  }
  seen = durable;
  locks.clear();
  down = true;
  ++life;
}

int SimDisk::State::meet(DiskCall call) {
  if (down) return EIO;
  ++calls;
  if (power_cut && power_cut->skip-- == 0) {
    const CrashKind kind = power_cut->kind;
    power_cut.reset();
    crash(kind);
    return EIO;
  }
  for (auto fault = faults.begin(); fault != faults.end(); ++fault) {
    if (fault->call != call && fault->call != DiskCall::any) continue;
    if (fault->skip-- > 0) continue;
    const int number = fault->number;
    faults.erase(fault);
    return number;
  }
  return 0;
}

std::uint64_t SimDisk::State::used() const {
  std::uint64_t octets = 0;
  for (const auto& [path, inode] : seen) octets += inode->seen.size();
  return octets;
}

namespace {

class SimFile final : public DiskFile {
 public:
  SimFile(std::shared_ptr<SimDisk::State> disk, InodePtr inode, std::string path, OpenMode mode)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        mode_(mode),
        life_(disk_->life) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::lock_guard lock(disk_->mutex);
    TRY(meet(DiskCall::read));
    if (offset >= inode_->seen.size()) return 0;
    const std::size_t count = std::min<std::size_t>(into.size(), inode_->seen.size() - offset);
    std::memcpy(into.data(), inode_->seen.data() + offset, count);
    return count;
  }

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    std::lock_guard lock(disk_->mutex);
    TRY(meet(DiskCall::write));
    const std::uint64_t end = offset + bytes.size();
    const std::uint64_t grows = end > inode_->seen.size() ? end - inode_->seen.size() : 0;
    if (grows > 0 && disk_->used() + grows > disk_->capacity) return fail_disk(path_, ENOSPC);
    return change({Change::Kind::write, offset, std::string(bytes)});
  }

  Result<void> truncate(std::uint64_t octets) override {
    std::lock_guard lock(disk_->mutex);
    TRY(meet(DiskCall::truncate));
    return change({Change::Kind::truncate, octets, {}});
  }

  Result<void> sync() override {
    std::lock_guard lock(disk_->mutex);
    auto met = meet(DiskCall::sync);
    if (life_ != disk_->life) return met;
    // A failed sync drops the pages: a later one has nothing to save.
    auto changes = std::exchange(inode_->changes, {});
    if (met) {
      for (const Change& each : changes) replay(inode_->durable, each);
    } else {
      std::ranges::move(changes, std::back_inserter(inode_->lost));
    }
    return met;
  }

  Result<std::uint64_t> size() override {
    std::lock_guard lock(disk_->mutex);
    TRY(meet(DiskCall::read));
    return inode_->seen.size();
  }

 private:
  Result<void> meet(DiskCall call) {
    const int number = disk_->meet(call);
    if (life_ != disk_->life) return fail_disk(path_, EIO);
    if (number) return fail_disk(path_, number);
    return {};
  }
  Result<void> change(Change change) {
    if (mode_ == OpenMode::read) return fail_disk(path_, EBADF);
    replay(inode_->seen, change);
    inode_->changes.push_back(std::move(change));
    return {};
  }

  std::shared_ptr<SimDisk::State> disk_;
  InodePtr inode_;
  std::string path_;
  OpenMode mode_;
  std::uint64_t life_;
};

class SimLock final : public DiskFile {
 public:
  SimLock(std::shared_ptr<SimDisk::State> disk, std::unique_ptr<DiskFile> file, std::string path)
      : disk_(std::move(disk)),
        file_(std::move(file)),
        path_(std::move(path)),
        life_(disk_->life) {}
  ~SimLock() override {
    std::lock_guard lock(disk_->mutex);
    if (life_ == disk_->life) disk_->locks.erase(path_);
  }
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    return file_->read_at(offset, into);
  }
  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    return file_->write_at(offset, bytes);
  }
  Result<void> truncate(std::uint64_t octets) override { return file_->truncate(octets); }
  Result<void> sync() override { return file_->sync(); }
  Result<std::uint64_t> size() override { return file_->size(); }

 private:
  std::shared_ptr<SimDisk::State> disk_;
  std::unique_ptr<DiskFile> file_;
  std::string path_;
  std::uint64_t life_;
};

}  // namespace

SimDisk::SimDisk(std::uint64_t seed) : state_(std::make_shared<State>(seed)) {}
SimDisk::~SimDisk() = default;

Result<std::unique_ptr<DiskFile>> SimDisk::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(state_->mutex);
  if (const int number = state_->meet(DiskCall::open)) return fail_disk(path, number);
  auto found = state_->seen.find(path);
  if (found == state_->seen.end()) {
    if (mode != OpenMode::create) return fail_disk(path, ENOENT);
    if (!state_->directories.contains(parent_of(path))) return fail_disk(path, ENOENT);
    found = state_->seen.emplace(path, std::make_shared<Inode>()).first;
  }
  return std::make_unique<SimFile>(state_, found->second, path, mode);
}

Result<bool> SimDisk::exists(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (state_->down) return fail_disk(path, EIO);
  return state_->seen.contains(path) || state_->directories.contains(without_slash(path));
}

Result<void> SimDisk::remove(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (const int number = state_->meet(DiskCall::remove)) return fail_disk(path, number);
  if (state_->seen.erase(path) == 0) return fail_disk(path, ENOENT);
  return {};
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(state_->mutex);
  if (const int number = state_->meet(DiskCall::rename)) return fail_disk(from, number);
  if (!state_->directories.contains(parent_of(to))) return fail_disk(to, ENOENT);
  auto node = state_->seen.extract(from);
  if (!node) return fail_disk(from, ENOENT);
  state_->seen.insert_or_assign(to, node.mapped());
  return {};
}

Result<void> SimDisk::make_directory(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (const int number = state_->meet(DiskCall::any)) return fail_disk(path, number);
  const std::string name = without_slash(path);
  if (state_->seen.contains(name)) return fail_disk(path, EEXIST);
  if (!state_->directories.contains(parent_of(name))) return fail_disk(path, ENOENT);
  state_->directories.insert(name);
  return {};
}

Result<void> SimDisk::sync_directory(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (const int number = state_->meet(DiskCall::sync_directory)) return fail_disk(path, number);
  const std::string directory = without_slash(path);
  if (!state_->directories.contains(directory)) return fail_disk(path, ENOENT);
  std::erase_if(state_->durable,
                [&](const auto& entry) { return parent_of(entry.first) == directory; });
  for (const auto& [name, inode] : state_->seen) {
    if (parent_of(name) == directory) state_->durable[name] = inode;
  }
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (state_->down) return fail_disk(path, EIO);
  const std::string directory = without_slash(path);
  if (!state_->directories.contains(directory)) return fail_disk(path, ENOENT);
  std::vector<std::string> names;
  auto take = [&](const std::string& name) {
    if (name != directory && parent_of(name) == directory) {
      names.push_back(name.substr(name.rfind('/') + 1));
    }
  };
  for (const auto& [name, inode] : state_->seen) take(name);
  for (const std::string& name : state_->directories) take(name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<DiskSpace> SimDisk::space(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (state_->down) return fail_disk(path, EIO);
  const std::uint64_t used = std::min(state_->used(), state_->capacity);
  return DiskSpace{state_->capacity - used, state_->capacity, 1'000'000};
}

Result<std::unique_ptr<DiskFile>> SimDisk::lock(const std::string& path) {
  auto file = TRY(open(path, OpenMode::create));
  std::lock_guard lock(state_->mutex);
  if (!state_->locks.insert(path).second) return fail_disk(path, EWOULDBLOCK);
  return std::make_unique<SimLock>(state_, std::move(file), path);
}

void SimDisk::crash(CrashKind kind) {
  std::lock_guard lock(state_->mutex);
  state_->crash(kind);
}

void SimDisk::restart() {
  std::lock_guard lock(state_->mutex);
  state_->down = false;
  state_->faults.clear();
  state_->power_cut.reset();
  state_->faults.clear();
  state_->power_cut.reset();
}

bool SimDisk::is_down() const {
  std::lock_guard lock(state_->mutex);
  return state_->down;
}

void SimDisk::fail_call(DiskCall call, std::uint64_t skip, int system_errno) {
  std::lock_guard lock(state_->mutex);
  state_->faults.push_back({call, skip, system_errno});
}

void SimDisk::crash_at_call(std::uint64_t skip, CrashKind kind) {
  std::lock_guard lock(state_->mutex);
  state_->power_cut = State::PowerCut{skip, kind};
}

void SimDisk::set_capacity(std::uint64_t octets) {
  std::lock_guard lock(state_->mutex);
  state_->capacity = octets;
}

std::uint64_t SimDisk::calls() const {
  std::lock_guard lock(state_->mutex);
  return state_->calls;
}

}  // namespace goniec
