// System calls, each with its error made a sentence.
#include "run/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace goniec {
namespace {

ErrorKind kind_of(int number) {
  switch (number) {
    case ENOENT:
      return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::not_permitted;
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::try_later;
    case EEXIST:
      return ErrorKind::conflict;
    default:
      return ErrorKind::io;
  }
}

std::unexpected<Error> fail_disk(std::string_view verb, const std::string& path, int number) {
  auto failure = fail_errno(std::string(verb) + " " + path, number);
  failure.error().kind = kind_of(number);
  return failure;
}

template <class Call>
auto repeated(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class SystemFile final : public DiskFile {
 public:
  SystemFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~SystemFile() override { ::close(fd_); }
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto got = repeated([&] {
        return ::pread(fd_, into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return fail_disk("read", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const auto put = repeated([&] {
        return ::pwrite(fd_, bytes.data() + done, bytes.size() - done,
                        static_cast<off_t>(offset + done));
      });
      if (put <= 0) return fail_disk("write", path_, put < 0 ? errno : EIO);
      done += static_cast<std::size_t>(put);
    }
    return {};
  }

  Result<void> truncate(std::uint64_t octets) override {
    if (repeated([&] { return ::ftruncate(fd_, static_cast<off_t>(octets)); }) < 0) {
      return fail_disk("truncate", path_, errno);
    }
    return {};
  }

  Result<void> sync() override {
    if (::fdatasync(fd_) < 0) return fail_disk("sync", path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat facts{};
    if (::fstat(fd_, &facts) < 0) return fail_disk("stat", path_, errno);
    return static_cast<std::uint64_t>(facts.st_size);
  }

 private:
  int fd_;
  std::string path_;
};

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY | O_CLOEXEC;
    case OpenMode::read_write:
      return O_RDWR | O_CLOEXEC;
    case OpenMode::create:
      return O_RDWR | O_CREAT | O_CLOEXEC;
  }
  return O_RDONLY | O_CLOEXEC;
}

}  // namespace

Result<std::unique_ptr<DiskFile>> SystemDisk::open(const std::string& path, OpenMode mode) {
  const int fd = static_cast<int>(
      repeated([&] { return ::openat(AT_FDCWD, path.c_str(), flags_of(mode), 0600); }));
  if (fd < 0) return fail_disk("open", path, errno);
  return std::make_unique<SystemFile>(fd, path);
}

Result<std::unique_ptr<DiskFile>> SystemDisk::lock(const std::string& path) {
  const int fd = static_cast<int>(
      repeated([&] { return ::openat(AT_FDCWD, path.c_str(), flags_of(OpenMode::create), 0600); }));
  if (fd < 0) return fail_disk("open", path, errno);
  auto file = std::make_unique<SystemFile>(fd, path);
  if (repeated([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) == 0) return file;
  const int number = errno;
  auto failure = fail_disk("lock", path, number);
  if (number == EWOULDBLOCK) failure.error().kind = ErrorKind::conflict;
  return failure;
}

Result<bool> SystemDisk::exists(const std::string& path) {
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail_disk("stat", path, errno);
}

Result<void> SystemDisk::remove(const std::string& path) {
  if (::unlink(path.c_str()) < 0) return fail_disk("remove", path, errno);
  return {};
}

Result<void> SystemDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) < 0) return fail_disk("rename", from, errno);
  return {};
}

Result<void> SystemDisk::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  const int number = errno;
  struct stat facts{};
  if (number == EEXIST && ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) return {};
  return fail_disk("make directory", path, number);
}

Result<void> SystemDisk::sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_disk("open", path, errno);
  const int number = ::fsync(fd) < 0 ? errno : 0;
  ::close(fd);
  if (number) return fail_disk("sync", path, number);
  return {};
}

Result<std::vector<std::string>> SystemDisk::list(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return fail_disk("list", path, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno) return fail_disk("list", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

Result<DiskSpace> SystemDisk::space(const std::string& path) {
  struct statvfs facts{};
  if (::statvfs(path.c_str(), &facts) < 0) return fail_disk("measure", path, errno);
  const std::uint64_t block = facts.f_frsize;
  // What an unprivileged process may take: the blocks kept for root do not count.
  return DiskSpace{facts.f_bavail * block, facts.f_blocks * block, facts.f_favail};
}

}  // namespace goniec
