// Opening a store, in this order: directory, lock, format, acknowledged mark, database, what a
// crash left. Nothing is changed before the lock is held; a store that lost acknowledged mail, or
// is of a newer format, is left as it is and the error says what to do.
#include "base/digest.h"
#include "base/text.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

constexpr std::string_view salvage_advice = "run `goniec doctor --salvage`";

Result<std::string> read_small(Disk& disk, const std::string& path) {
  auto file = TRY(disk.open(path, OpenMode::read));
  std::string text(256, '\0');
  text.resize(TRY(file->read_at(0, text)));
  return text;
}

// The format that is there; a new store gets this one.
Result<int> check_format(Disk& disk, const std::string& directory, bool has_database) {
  const std::string path = directory + "/format";
  std::string text;
  if (TRY(disk.exists(path))) text = TRY(read_small(disk, path));
  if (text.empty() && !has_database) {
    TRY(write_format(disk, directory));
    return format_number;
  }
  const auto number = parse_unsigned(trim(split(text, '\n')[0]));
  if (!number) {
    return fail(ErrorKind::damaged, fmt::format("{} is missing or unreadable beside a database: {}",
                                                path, salvage_advice));
  }
  if (*number > format_number) {
    return fail(
        ErrorKind::conflict,
        fmt::format("the store at {} has format {}, this goniec knows up to {}: use the goniec "
                    "that wrote it, or a newer one",
                    directory, *number, format_number));
  }
  return static_cast<int>(*number);
}

}  // namespace

Error missing_groups(const std::string& path, std::uint64_t found, std::uint64_t acknowledged) {
  return {
      ErrorKind::damaged,
      fmt::format("the store at {} holds {} commits, {} were acknowledged: {} are missing, with "
                  "mail that was answered 250. goniec does not serve it; {} to save what is whole",
                  path, found, acknowledged, acknowledged - found, salvage_advice)};
}

namespace {

Result<std::unique_ptr<DiskFile>> lock_store(Disk& disk, const std::string& directory) {
  auto lock = disk.lock(directory + "/lock");
  if (!lock && lock.error().kind == ErrorKind::conflict) {
    return fail(ErrorKind::conflict,
                fmt::format("the store at {} is in use by another goniec process", directory));
  }
  return lock;
}

Error advised(Error error) {
  if (error.kind == ErrorKind::damaged && error.message.find("salvage") == std::string::npos) {
    error.message += fmt::format("; {}", salvage_advice);
  }
  return error;
}

Result<std::unique_ptr<Store>> open_database(std::shared_ptr<SqliteShared> shared,
                                             StoreOptions options, Disk& disk,
                                             std::unique_ptr<DiskFile> lock) {
  const auto found = TRY(AcknowledgedFile::read(disk, options.path));
  if (found.damaged) {
    shared->alarm("store.damaged",
                  fmt::format("{}/acknowledged is unreadable: it cannot be proved that "
                              "no acknowledged mail is missing",
                              options.path));
  }
  const std::uint64_t acknowledged = found.mark.value_or(0);
  auto connection = TRY(Connection::open(shared->database, shared->vfs.name(), Access::write));
  TRY(configure(connection, Access::write));
  if (!TRY(has_schema(connection))) {
    if (acknowledged > 0) return std::unexpected(missing_groups(options.path, 0, acknowledged));
    TRY(create_schema(connection));
  }
  TRY(migrate_schema(connection));
  auto statements = TRY(WriterStatements::prepare(connection));
  auto store = std::make_unique<SqliteStore>(std::move(shared), std::move(options), disk);
  TRY(store->start(std::move(connection), std::move(statements), std::move(lock), acknowledged));
  return store;
}

}  // namespace

Result<void> write_format(Disk& disk, const std::string& directory) {
  auto file = TRY(disk.open(directory + "/format", OpenMode::create));
  TRY(file->truncate(0));
  TRY(file->write_at(0, fmt::format("{}\n", format_number)));
  TRY(file->sync());
  return disk.sync_directory(directory);
}

Result<AcknowledgedFile::Found> AcknowledgedFile::read(Disk& disk, const std::string& path) {
  const std::string name = path + "/acknowledged";
  Found result;
  if (!TRY(disk.exists(name))) return result;
  const auto text = TRY(read_small(disk, name));
  if (text.empty()) return result;  // made, and never written
  // "00000000000000000042 1a2b3c4d\n": the mark and the CRC32C of its digits.
  const auto mark = text.size() >= 30 ? parse_unsigned(std::string_view(text).substr(0, 20))
                                      : std::optional<std::uint64_t>{};
  result.damaged = !mark || text.substr(21, 8) != fmt::format("{:08x}", crc32c(text.substr(0, 20)));
  if (!result.damaged) result.mark = mark;
  return result;
}

Result<AcknowledgedFile> AcknowledgedFile::open(Disk& disk, const std::string& path, Clock& clock) {
  AcknowledgedFile opened;
  opened.file_ = TRY(disk.open(path + "/acknowledged", OpenMode::create));
  TRY(disk.sync_directory(path));
  opened.clock_ = &clock;
  opened.synced_at_ = clock.moment();
  return opened;
}

Result<void> AcknowledgedFile::put(std::uint64_t mark) {
  const auto digits = fmt::format("{:020}", mark);
  TRY(file_->write_at(0, fmt::format("{} {:08x}\n", digits, crc32c(digits))));
  if (clock_->moment() - synced_at_ < std::chrono::seconds(1)) return {};
  return sync();
}

Result<void> AcknowledgedFile::sync() {
  if (!file_) return {};
  synced_at_ = clock_->moment();
  return file_->sync();
}

Result<std::unique_ptr<Store>> open_sqlite_store(StoreOptions options, Disk& disk, Clock& clock) {
  TRY(disk.make_directory(options.path));
  auto lock = TRY(lock_store(disk, options.path));
  const std::string database = options.path + "/" + database_name;
  const bool has_database = TRY(disk.exists(database));
  const int format = TRY(check_format(disk, options.path, has_database));
  const std::string directory = options.path;
  auto shared = std::make_shared<SqliteShared>(disk, clock, *options.log);
  shared->database = database;
  auto store = open_database(std::move(shared), std::move(options), disk, std::move(lock));
  if (!store) return std::unexpected(advised(store.error()));
  // It has been migrated, and an older goniec must not open it.
  if (format < format_number) TRY(write_format(disk, directory));
  return store;
}

}  // namespace goniec
