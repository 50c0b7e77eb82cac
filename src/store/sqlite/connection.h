// A SQLite connection and its prepared statements, as values. Bound parameters only; no SQL is made
// of data. Errors of SQLite become Errors: damaged (the file is not what it should be), try_later
// (full, busy), conflict (a key exists), io. Only sqlite/ includes this header.
#pragma once
#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace goniec {

enum class Access { read, write };

Error error_of(sqlite3* db, int status, std::string_view what);

// One statement, prepared once. Use through Bound: it resets at the end of the scope.
class Statement {
 public:
  Statement() = default;
  sqlite3_stmt* get() const { return statement_.get(); }
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

class Connection {
 public:
  static Result<Connection> open(const std::string& path, const char* vfs, Access access);
  sqlite3* get() const { return db_.get(); }
  Result<Statement> prepare(const char* sql) const;
  Result<void> run(const char* sql) const;  // no parameters, no rows
  Result<void> close();                     // says what closing met

 private:
  struct Closer {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::unique_ptr<sqlite3, Closer> db_;
};

// A use of a statement: bind in order, step, read columns. Text and blobs bound must outlive it.
class Bound {
 public:
  explicit Bound(const Statement& statement) : statement_(statement.get()) {}
  ~Bound() { sqlite3_reset(statement_); }
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;

  Bound& number(std::int64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Bound& number(std::uint64_t value) { return number(static_cast<std::int64_t>(value)); }
  Bound& number(std::uint32_t value) { return number(static_cast<std::int64_t>(value)); }
  Bound& null() {
    sqlite3_bind_null(statement_, ++bound_);
    return *this;
  }
  Bound& blob(std::string_view value) {
    sqlite3_bind_blob64(statement_, ++bound_, value.empty() ? "" : value.data(), value.size(),
                        SQLITE_STATIC);
    return *this;
  }
  Bound& text(std::string_view value) {
    sqlite3_bind_text64(statement_, ++bound_, value.empty() ? "" : value.data(), value.size(),
                        SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }
  Result<bool> step();  // true: a row
  Result<void> done();  // REQUIRES a statement without rows; or takes no notice of them
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::uint64_t count(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string_view bytes(int column) const {  // until the next step
    const void* data = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(data),
            data ? static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)) : 0};
  }

 private:
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

}  // namespace goniec
