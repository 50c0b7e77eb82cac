// Pages are copied when they are written and shared; a file's end is always followed by zeroes.
#include "sim/paged_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace goniec {
namespace {

constexpr std::size_t sector = 512;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::unexpected<Error> no_such_file(const std::string& path) {
  return fail(ErrorKind::not_found, "paged disk: " + path + ": no such file", ENOENT);
}

void change_names(std::map<std::string, std::size_t>& names, const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::create:
      names[operation.name] = operation.file;
      break;
    case Operation::Kind::remove:
      names.erase(operation.name);
      break;
    case Operation::Kind::rename:
      names.erase(operation.name);
      names[operation.to] = operation.file;
      break;
    case Operation::Kind::write:
    case Operation::Kind::truncate:
    case Operation::Kind::sync:
    case Operation::Kind::sync_directory:
      break;
  }
}

void change_bytes(PagedBytes& bytes, const Operation& operation) {
  if (operation.kind == Operation::Kind::truncate) {
    bytes.resize(operation.offset);
  } else {
    bytes.write(operation.offset, operation.bytes);
  }
}

class PagedFile final : public DiskFile {
 public:
  PagedFile(std::shared_ptr<PagedDisk::State> disk, std::size_t file)
      : disk_(std::move(disk)), file_(file) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::lock_guard lock(disk_->mutex);
    return disk_->files[file_].read(offset, into);
  }
  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    return change({Operation::Kind::write, file_, offset, std::string(bytes), {}, {}});
  }
  Result<void> truncate(std::uint64_t octets) override {
    return change({Operation::Kind::truncate, file_, octets, {}, {}, {}});
  }
  Result<void> sync() override {
    std::lock_guard lock(disk_->mutex);
    if (disk_->lie == PagedDisk::Lie::sync) return {};
    disk_->operations.push_back({Operation::Kind::sync, file_, 0, {}, {}, {}});
    return {};
  }
  Result<std::uint64_t> size() override {
    std::lock_guard lock(disk_->mutex);
    return disk_->files[file_].size();
  }

 private:
  Result<void> change(Operation operation) {
    std::lock_guard lock(disk_->mutex);
    change_bytes(disk_->files[file_], operation);
    disk_->operations.push_back(std::move(operation));
    return {};
  }
  std::shared_ptr<PagedDisk::State> disk_;
  std::size_t file_;
};

}  // namespace

// ---------------------------------------------------------------- bytes
std::size_t PagedBytes::read(std::uint64_t offset, std::span<char> into) const {
  if (offset >= size_) return 0;
  const std::size_t count = std::min<std::uint64_t>(into.size(), size_ - offset);
  for (std::size_t done = 0; done < count;) {
    const std::size_t number = (offset + done) / page_octets,
                      within = (offset + done) % page_octets;
    const std::size_t length = std::min(page_octets - within, count - done);
    if (const auto& page = pages_[number]) {
      std::memcpy(into.data() + done, page->data() + within, length);
    } else {
      std::memset(into.data() + done, 0, length);
    }
    done += length;
  }
  return count;
}

PagedBytes::Page& PagedBytes::own(std::size_t number) {
  auto& page = pages_[number];
  if (!page) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void PagedBytes::write(std::uint64_t offset, std::string_view bytes) {
  if (offset + bytes.size() > size_) resize(offset + bytes.size());
  for (std::size_t done = 0; done < bytes.size();) {
    const std::size_t number = (offset + done) / page_octets,
                      within = (offset + done) % page_octets;
    const std::size_t length = std::min(page_octets - within, bytes.size() - done);
    const std::string_view piece = bytes.substr(done, length);
    if (pages_[number] || piece.find_first_not_of('\0') != std::string_view::npos)
      std::memcpy(own(number).data() + within, piece.data(), length);
    done += length;
  }
}

void PagedBytes::resize(std::uint64_t octets) {
  if (octets < size_ && octets % page_octets != 0 && pages_[octets / page_octets]) {
    Page& page = own(octets / page_octets);
    std::fill(page.begin() + static_cast<std::ptrdiff_t>(octets % page_octets), page.end(), '\0');
  }
  pages_.resize((octets + page_octets - 1) / page_octets);
  size_ = octets;
}

// ---------------------------------------------------------------- disk
PagedDisk::PagedDisk(DiskImage image) : state_(std::make_shared<State>()) {
  for (const auto& [name, bytes] : image) {
    state_->names[name] = state_->files.size();
    state_->files.push_back(bytes);
  }
  state_->first = std::move(image);
}

Result<std::unique_ptr<DiskFile>> PagedDisk::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(state_->mutex);
  auto found = state_->names.find(path);
  if (found == state_->names.end()) {
    if (mode != OpenMode::create) return no_such_file(path);
    found = state_->names.emplace(path, state_->files.size()).first;
    state_->files.emplace_back();
    state_->operations.push_back({Operation::Kind::create, found->second, 0, {}, path, {}});
  }
  return std::make_unique<PagedFile>(state_, found->second);
}

Result<bool> PagedDisk::exists(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  return state_->names.contains(path);
}

Result<void> PagedDisk::remove(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (state_->names.erase(path) == 0) return no_such_file(path);
  state_->operations.push_back({Operation::Kind::remove, 0, 0, {}, path, {}});
  return {};
}

Result<void> PagedDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(state_->mutex);
  const auto found = state_->names.find(from);
  if (found == state_->names.end()) return no_such_file(from);
  state_->operations.push_back({Operation::Kind::rename, found->second, 0, {}, from, to});
  change_names(state_->names, Operation(state_->operations.back()));
  return {};
}

Result<void> PagedDisk::sync_directory(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  if (state_->lie == Lie::sync_directory) return {};
  state_->operations.push_back({Operation::Kind::sync_directory, 0, 0, {}, path, {}});
  return {};
}

Result<std::vector<std::string>> PagedDisk::list(const std::string& path) {
  std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, file] : state_->names) {
    if (parent_of(name) == path) names.push_back(name.substr(path.size() + 1));
  }
  return names;
}

Result<DiskSpace> PagedDisk::space(const std::string&) {
  return DiskSpace{1ull << 40, 1ull << 40, 1u << 30};
}

// ---------------------------------------------------------------- ruins
std::string_view name_of(CutWay way) {
  constexpr std::array names = {"drop", "keep", "torn", "reorder", "tail", "last"};
  return names[static_cast<std::size_t>(way)];
}

Ruins::Ruins(const PagedDisk& disk) : disk_(disk.state()) {
  for (const auto& [name, bytes] : disk_.first) {
    names_[name] = durable_.size();
    durable_.push_back(bytes);
  }
}

void Ruins::advance(std::size_t operations) {
  for (; at_ < operations; ++at_) take(disk_.operations[at_]);
}

void Ruins::take(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::write:
    case Operation::Kind::truncate:
      pending_.push_back(&operation);
      break;
    case Operation::Kind::sync:
      std::erase_if(pending_, [&](const Operation* each) {
        if (each->file != operation.file) return false;
        change_bytes(durable_[each->file], *each);
        return true;
      });
      break;
    case Operation::Kind::create:
      durable_.resize(std::max(durable_.size(), operation.file + 1));
      names_pending_.push_back(&operation);
      break;
    case Operation::Kind::remove:
    case Operation::Kind::rename:
      names_pending_.push_back(&operation);
      break;
    case Operation::Kind::sync_directory:
      std::erase_if(names_pending_, [&](const Operation* each) {
        if (parent_of(each->name) != operation.name) return false;
        change_names(names_, *each);
        return true;
      });
      break;
  }
}

bool Ruins::survives(CutWay way, std::size_t place, std::size_t count, SystemRandom& random) const {
  switch (way) {
    case CutWay::drop:
      return false;
    case CutWay::keep:
    case CutWay::torn:
    case CutWay::tail:
      return true;
    case CutWay::reorder:
      return random.below(2) != 0;
    case CutWay::last:
      return place + 1 == count;
  }
  return false;
}

namespace {

// The sectors of a write that came through: any of them, or the first ones.
void tear(PagedBytes& bytes, const Operation& write, bool first_ones, SystemRandom& random) {
  const std::size_t sectors = write.bytes.size() / sector + 2;
  const std::size_t limit = random.below(sectors);
  std::size_t number = 0;
  for (std::size_t at = 0; at < write.bytes.size(); ++number) {
    const std::uint64_t offset = write.offset + at;
    const std::size_t length =
        std::min<std::size_t>(sector - offset % sector, write.bytes.size() - at);
    const bool kept = first_ones ? number < limit : random.below(2) != 0;
    if (kept) bytes.write(offset, std::string_view(write.bytes).substr(at, length));
    at += length;
  }
}

}  // namespace

DiskImage Ruins::image(CutWay way, SystemRandom& random) const {
  std::map<std::string, std::size_t> names = names_;
  for (std::size_t i = 0; i < names_pending_.size(); ++i) {
    // A directory may be ahead of its files, and behind them.
    const bool whim = way == CutWay::torn && random.below(2) != 0;
    if (!whim && survives(way, i, names_pending_.size(), random))
      change_names(names, *names_pending_[i]);
  }
  std::vector<PagedBytes> files = durable_;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const Operation& operation = *pending_[i];
    if (!survives(way, i, pending_.size(), random)) continue;
    const bool is_write = operation.kind == Operation::Kind::write;
    const bool is_torn = way == CutWay::torn || (way == CutWay::tail && i + 1 == pending_.size());
    if (is_torn && is_write) {
      tear(files[operation.file], operation, way == CutWay::tail, random);
    } else if (!is_torn || random.below(2) != 0) {
      change_bytes(files[operation.file], operation);
    }
  }
  DiskImage image;
  for (const auto& [name, file] : names) image[name] = files[file];
  return image;
}

}  // namespace goniec
