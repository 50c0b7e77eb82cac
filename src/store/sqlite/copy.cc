// Backup while serving, and restore. A backup is a directory with one database file (no WAL),
// `format` and `acknowledged`, as a store has them. Each copy is read back and every checksum in it
// compared before it is called good. The copy goes through a Vfs of its own: a failure there seals
// no store.
#include "base/text.h"
#include "store/sqlite/engine.h"
#include "store/sqlite/verify.h"

namespace goniec {
namespace {

Result<void> copy_pages(const Connection& from, const Connection& to) {
  sqlite3_backup* copy = sqlite3_backup_init(to.get(), "main", from.get(), "main");
  if (!copy) return std::unexpected(error_of(to.get(), sqlite3_errcode(to.get()), "backup"));
  sqlite3_backup_step(copy, -1);  // one read transaction: a consistent state, the writer goes on
  const int status = sqlite3_backup_finish(copy);
  if (status != SQLITE_OK) return std::unexpected(error_of(to.get(), status, "backup"));
  return {};
}

Result<std::uint64_t> mark_of(const Connection& connection) {
  const auto statement = TRY(connection.prepare("SELECT mark FROM state WHERE id=1"));
  Bound row(statement);
  if (!TRY(row.step())) return fail(ErrorKind::damaged, "no state row");
  return row.count(0);
}

// Copies the database behind `from` into `directory` and proves the copy.
Result<void> copy_store(const Connection& from, const std::string& directory, Disk& disk,
                        Clock& clock) {
  SqliteVfs vfs(disk);
  std::uint64_t mark = 0;
  {
    auto to = TRY(Connection::open(directory + "/" + database_name, vfs.name(), Access::write));
    TRY(copy_pages(from, to));
    TRY(to.run("PRAGMA journal_mode = DELETE"));
    TRY(verify_database(to));
    mark = TRY(mark_of(to));
  }
  if (auto reason = vfs.broken()) return fail(ErrorKind::io, *reason);
  auto file = TRY(disk.open(directory + "/" + database_name, OpenMode::read_write));
  TRY(file->sync());
  auto acknowledged = TRY(AcknowledgedFile::open(disk, directory, clock));
  TRY(acknowledged.put(mark));
  TRY(acknowledged.sync());
  return write_format(disk, directory);  // last: what has no format is no store
}

}  // namespace

Result<void> SqliteStore::backup(const std::string& directory) {
  TRY(disk_.make_directory(directory));
  const auto names = TRY(disk_.list(directory));
  if (!names.empty()) {
    return fail(ErrorKind::conflict,
                fmt::format("{} is not empty: a backup wants its own directory", directory));
  }
  TRY(catch_up());
  auto from = TRY(Connection::open(shared_->database, shared_->vfs.name(), Access::read));
  TRY(configure(from, Access::read));
  return copy_store(from, directory, disk_, shared_->clock);
}

namespace {

class NoClock final : public Clock {  // a restore syncs by itself
 public:
  Instant now() const override { return {}; }
  Moment moment() const override { return {}; }
};

}  // namespace

Result<void> restore_backup(const std::string& backup_directory, const StoreOptions& options,
                            Disk& disk) {
  const std::string source = backup_directory + "/" + database_name;
  const bool has_source = TRY(disk.exists(source));
  if (!has_source) {
    return fail(ErrorKind::not_found,
                fmt::format("{} holds no backup of goniec", backup_directory));
  }
  TRY(disk.make_directory(options.path));
  const auto lock = TRY(disk.lock(options.path + "/lock"));
  const bool has_store = TRY(disk.exists(options.path + "/" + database_name));
  if (has_store) {
    return fail(ErrorKind::conflict,
                fmt::format("{} holds a store: restore into an empty directory", options.path));
  }
  SqliteVfs vfs(disk);
  const auto from = TRY(Connection::open(source, vfs.name(), Access::read));
  TRY(configure(from, Access::read));
  TRY(verify_database(from));
  NoClock clock;
  return copy_store(from, options.path, disk, clock);
}

}  // namespace goniec
