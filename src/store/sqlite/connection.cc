// See connection.h.
#include "store/sqlite/connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace goniec {

Error error_of(sqlite3* db, int status, std::string_view what) {
  ErrorKind kind = ErrorKind::io;
  switch (status & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      kind = ErrorKind::damaged;
      break;
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      kind = ErrorKind::try_later;
      break;
    case SQLITE_CONSTRAINT:
      kind = ErrorKind::conflict;
      break;
    default:
      break;
  }
  const char* text = db ? sqlite3_errmsg(db) : sqlite3_errstr(status);
  return {kind, fmt::format("store: {}: {} ({})", what, text, status)};
}

namespace {

// Who wrote to whom, and the secrets of webhooks, are read by the server's own user alone. SQLite
// gives the files beside a database the mode of the database.
Result<void> make_private(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno("store: " + path, errno);
  ::close(fd);
  return {};
}

}  // namespace

Result<Connection> Connection::open(const std::string& path, const char* vfs, Access access) {
  const bool is_file = !vfs && !path.starts_with(':');  // a disk of ours makes its own private
  if (is_file && access == Access::write) TRY(make_private(path));
  Connection connection;
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE |
                    (access == Access::write ? SQLITE_OPEN_CREATE : 0);
  const int status = sqlite3_open_v2(path.c_str(), &db, flags, vfs);
  connection.db_.reset(db);
  if (status != SQLITE_OK) return std::unexpected(error_of(db, status, "open " + path));
  sqlite3_busy_timeout(db, 10000);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return connection;
}

Result<Statement> Connection::prepare(const char* sql) const {
  sqlite3_stmt* statement = nullptr;
  const int status =
      sqlite3_prepare_v3(get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (status != SQLITE_OK) return std::unexpected(error_of(get(), status, "prepare"));
  Statement prepared;
  prepared.statement_.reset(statement);
  return prepared;
}

Result<void> Connection::run(const char* sql) const {
  const int status = sqlite3_exec(get(), sql, nullptr, nullptr, nullptr);
  if (status != SQLITE_OK) return std::unexpected(error_of(get(), status, "run"));
  return {};
}

Result<void> Connection::close() {
  const int status = sqlite3_close(db_.get());
  if (status == SQLITE_BUSY) return fail(ErrorKind::io, "a statement is open");
  static_cast<void>(db_.release());
  if (status != SQLITE_OK) return fail(ErrorKind::io, "closing the database failed");
  return {};
}

Result<bool> Bound::step() {
  const int status = sqlite3_step(statement_);
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) return false;
  return std::unexpected(error_of(sqlite3_db_handle(statement_), status, "a statement failed"));
}

Result<void> Bound::done() {
  while (TRY(step())) {
  }
  return {};
}

}  // namespace goniec
