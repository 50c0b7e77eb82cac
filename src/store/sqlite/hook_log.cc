// See store/hook_log.h. One connection behind a mutex; times are microseconds since 1970. The file
// may lose its last transactions in a power cut (synchronous = NORMAL), never its shape nor where
// it begins: what was told then is told again.
#include "store/hook_log.h"

#include <fmt/format.h>

#include <cstdio>
#include <mutex>

#include "store/codec.h"
#include "store/sqlite/connection.h"

namespace goniec {
namespace {

// A file of version 1 has no `beginning`: it knows the position of each webhook that was told
// anything, and an empty table says so.
constexpr int version = 2;

constexpr const char* tables = R"(
CREATE TABLE IF NOT EXISTS hooks(
  hook TEXT PRIMARY KEY, position INTEGER NOT NULL, failing_since INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries(
  hook TEXT NOT NULL, sequence INTEGER NOT NULL, type TEXT NOT NULL, serial TEXT NOT NULL,
  state INTEGER NOT NULL, tries INTEGER NOT NULL, at INTEGER NOT NULL, next_at INTEGER NOT NULL,
  last_status INTEGER, last_error TEXT NOT NULL, PRIMARY KEY(hook, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries(hook, state, sequence);
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries(at);
CREATE TABLE IF NOT EXISTS attempts(
  hook TEXT NOT NULL, sequence INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
  took INTEGER NOT NULL, status INTEGER, error TEXT NOT NULL, response TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_by_event ON attempts(hook, sequence);
CREATE INDEX IF NOT EXISTS attempts_by_time ON attempts(hook, at);
CREATE TABLE IF NOT EXISTS beginning(event INTEGER NOT NULL);
)";

constexpr const char* delivery_columns =
    "sequence, type, serial, state, tries, at, next_at, last_status, last_error";

std::string sql_of(std::string_view pattern) {
  return fmt::format(fmt::runtime(pattern), fmt::arg("columns", delivery_columns));
}

HookDelivery delivery_of(const Bound& row) {
  HookDelivery delivery;
  delivery.sequence = row.count(0);
  delivery.type = row.bytes(1);
  delivery.order = row.bytes(2);
  delivery.state = static_cast<HookState>(row.integer(3));
  delivery.tries = static_cast<std::uint32_t>(row.integer(4));
  delivery.at = from_microseconds(row.integer(5));
  delivery.next_at = from_microseconds(row.integer(6));
  if (!row.is_null(7)) delivery.last_status = static_cast<int>(row.integer(7));
  delivery.last_error = row.bytes(8);
  return delivery;
}

HookAttempt attempt_of(const Bound& row) {
  HookAttempt attempt;
  attempt.sequence = row.count(0);
  attempt.number = static_cast<std::uint32_t>(row.integer(1));
  attempt.at = from_microseconds(row.integer(2));
  attempt.took = Duration(row.integer(3));
  if (!row.is_null(4)) attempt.status = static_cast<int>(row.integer(4));
  attempt.error = row.bytes(5);
  attempt.response = row.bytes(6);
  return attempt;
}

template <class Row, class Make>
Result<std::vector<Row>> rows_of(Bound& query, Make make) {
  std::vector<Row> rows;
  while (TRY(query.step())) rows.push_back(make(query));
  return rows;
}

void bind_status(Bound& statement, const std::optional<int>& status) {
  if (status)
    statement.number(static_cast<std::int64_t>(*status));
  else
    statement.null();
}

Result<int> version_of(const Connection& db) {
  const auto statement = TRY(db.prepare("PRAGMA user_version"));
  Bound row(statement);
  TRY(row.step());
  return static_cast<int>(row.integer(0));
}

class SqliteHookLog final : public HookLog {
 public:
  explicit SqliteHookLog(Connection db) : db_(std::move(db)) {}

  // A new file is whole and says where it begins, or it is not there: synced, unlike what follows.
  Result<void> make(std::uint64_t last_event) {
    TRY(db_.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"));
    const int found = TRY(version_of(db_));
    if (found < version) {
      std::string sql = fmt::format("BEGIN IMMEDIATE;{}", tables);
      if (found == 0) sql += fmt::format("INSERT INTO beginning VALUES({});", last_event);
      sql += fmt::format("PRAGMA user_version = {};COMMIT", version);
      TRY(db_.run(sql.c_str()));
    }
    return db_.run("PRAGMA synchronous = NORMAL");
  }

  Result<void> prepare() {
    struct Plan {
      Statement& statement;
      std::string sql;
    };
    const Plan plans[] = {
        {begin_, "BEGIN IMMEDIATE"},
        {commit_, "COMMIT"},
        {rollback_, "ROLLBACK"},
        {positions_,
         "SELECT hook, position, failing_since, (SELECT count(*) FROM deliveries AS d WHERE "
         "d.hook=hooks.hook AND d.state=0) FROM hooks"},
        {beginning_, "SELECT coalesce(max(event),0) FROM beginning"},
        {put_position_,
         "INSERT INTO hooks VALUES(?,?,NULL) ON CONFLICT(hook) DO UPDATE SET "
         "position=excluded.position"},
        {put_failing_, "UPDATE hooks SET failing_since=? WHERE hook=?"},
        {insert_, sql_of("INSERT OR IGNORE INTO deliveries(hook, {columns}) "
                         "VALUES(?,?,?,?,?,?,?,?,?,?)")},
        {update_,
         "UPDATE deliveries SET state=?, tries=?, next_at=?, last_status=?, last_error=? WHERE "
         "hook=? AND sequence=?"},
        {insert_attempt_, "INSERT INTO attempts VALUES(?,?,?,?,?,?,?,?)"},
        {waiting_, sql_of("SELECT {columns} FROM deliveries WHERE hook=? AND state=0 AND "
                          "sequence>? ORDER BY sequence LIMIT ?")},
        {list_all_, sql_of("SELECT {columns} FROM deliveries WHERE hook=? AND sequence<? ORDER BY "
                           "sequence DESC LIMIT ?")},
        {list_state_, sql_of("SELECT {columns} FROM deliveries WHERE hook=? AND state=? AND "
                             "sequence<? ORDER BY sequence DESC LIMIT ?")},
        {find_, sql_of("SELECT {columns} FROM deliveries WHERE hook=? AND sequence=?")},
        {attempts_,
         "SELECT sequence, number, at, took, status, error, response FROM attempts WHERE hook=? "
         "AND sequence=? ORDER BY at, number"},
        {recent_,
         "SELECT sequence, number, at, took, status, error, response FROM attempts WHERE hook=? "
         "ORDER BY at DESC LIMIT ?"},
        {counts_,
         "SELECT coalesce(sum(status BETWEEN 200 AND 299),0), count(*) FROM attempts WHERE hook=? "
         "AND at>=?"},
        {replay_,
         "UPDATE deliveries SET state=0, tries=0, next_at=? WHERE hook=? AND state=? AND at>=? "
         "AND at<?"},
        {count_, "SELECT count(*) FROM deliveries WHERE hook=? AND state=? AND at>=? AND at<?"},
        {forget_hook_, "DELETE FROM hooks WHERE hook=?"},
        {forget_deliveries_, "DELETE FROM deliveries WHERE hook=?"},
        {forget_attempts_, "DELETE FROM attempts WHERE hook=?"},
        {sweep_deliveries_,
         "DELETE FROM deliveries WHERE (hook, sequence) IN (SELECT hook, sequence FROM deliveries "
         "WHERE at<? AND state<>0 LIMIT ?)"},
        {sweep_attempts_,
         "DELETE FROM attempts WHERE rowid IN (SELECT rowid FROM attempts WHERE at<? LIMIT ?)"},
    };
    for (const Plan& plan : plans) plan.statement = TRY(db_.prepare(plan.sql.c_str()));
    return {};
  }

  Result<std::map<std::string, HookPosition>> positions() override {
    std::lock_guard lock(mutex_);
    std::map<std::string, HookPosition> found;
    Bound query(positions_);
    while (TRY(query.step())) {
      HookPosition position{query.count(1), {}, query.count(3)};
      if (!query.is_null(2)) position.failing_since = from_microseconds(query.integer(2));
      found.emplace(query.bytes(0), position);
    }
    return found;
  }

  Result<std::uint64_t> beginning() override {
    std::lock_guard lock(mutex_);
    Bound query(beginning_);
    TRY(query.step());
    return query.count(0);
  }

  bool was_set_aside() const override { return was_set_aside_; }
  void note_set_aside() { was_set_aside_ = true; }

  Result<void> forgive(const std::string& hook) override {
    std::lock_guard lock(mutex_);
    Bound put(put_failing_);
    return put.null().text(hook).done();
  }

  Result<void> advance(const std::string& hook, std::uint64_t position,
                       const std::vector<HookDelivery>& added) override {
    return in_transaction([&]() -> Result<void> {
      for (const HookDelivery& delivery : added) TRY(insert(hook, delivery));
      Bound put(put_position_);
      return put.text(hook).number(position).done();
    });
  }

  Result<void> settle(const std::string& hook, const HookDelivery& delivery,
                      const std::optional<HookAttempt>& attempt,
                      std::optional<Instant> failing_since) override {
    return in_transaction([&]() -> Result<void> {
      TRY(update(hook, delivery));
      if (attempt) TRY(insert(hook, *attempt));
      Bound put(put_failing_);
      (failing_since ? put.number(to_microseconds(*failing_since)) : put.null()).text(hook);
      return put.done();
    });
  }

  Result<std::vector<HookDelivery>> waiting(const std::string& hook, std::uint64_t after,
                                            std::size_t limit) override {
    std::lock_guard lock(mutex_);
    Bound query(waiting_);
    query.text(hook).number(after).number(std::uint64_t{limit});
    return rows_of<HookDelivery>(query, delivery_of);
  }

  Result<std::vector<HookDelivery>> list(const std::string& hook,
                                         const HookFilter& filter) override {
    std::lock_guard lock(mutex_);
    Bound query(filter.state ? list_state_ : list_all_);
    query.text(hook);
    if (filter.state) query.number(static_cast<std::int64_t>(*filter.state));
    const std::uint64_t most = INT64_MAX;
    query.number(std::min(filter.before, most)).number(std::uint64_t{filter.limit});
    return rows_of<HookDelivery>(query, delivery_of);
  }

  Result<std::optional<HookDelivery>> find(const std::string& hook,
                                           std::uint64_t sequence) override {
    std::lock_guard lock(mutex_);
    Bound query(find_);
    if (!TRY(query.text(hook).number(sequence).step())) return std::optional<HookDelivery>{};
    return std::optional(delivery_of(query));
  }

  Result<std::vector<HookAttempt>> attempts(const std::string& hook,
                                            std::uint64_t sequence) override {
    std::lock_guard lock(mutex_);
    Bound query(attempts_);
    query.text(hook).number(sequence);
    return rows_of<HookAttempt>(query, attempt_of);
  }

  Result<std::vector<HookAttempt>> recent(const std::string& hook, std::size_t limit) override {
    std::lock_guard lock(mutex_);
    Bound query(recent_);
    query.text(hook).number(std::uint64_t{limit});
    return rows_of<HookAttempt>(query, attempt_of);
  }

  Result<HookCounts> counts(const std::string& hook, Instant since) override {
    std::lock_guard lock(mutex_);
    Bound query(counts_);
    TRY(query.text(hook).number(to_microseconds(since)).step());
    return HookCounts{query.count(0), query.count(1) - query.count(0)};
  }

  Result<std::uint64_t> replay(const std::string& hook, HookState state, Instant from, Instant to,
                               Instant now) override {
    std::lock_guard lock(mutex_);
    Bound change(replay_);
    change.number(to_microseconds(now)).text(hook).number(static_cast<std::int64_t>(state));
    TRY(change.number(to_microseconds(from)).number(to_microseconds(to)).done());
    return static_cast<std::uint64_t>(sqlite3_changes(db_.get()));
  }

  Result<std::uint64_t> count(const std::string& hook, HookState state, Instant from,
                              Instant to) override {
    std::lock_guard lock(mutex_);
    Bound query(count_);
    query.text(hook).number(static_cast<std::int64_t>(state));
    TRY(query.number(to_microseconds(from)).number(to_microseconds(to)).step());
    return query.count(0);
  }

  Result<void> forget(const std::string& hook) override {
    return in_transaction([&]() -> Result<void> {
      for (const Statement* statement : {&forget_hook_, &forget_deliveries_, &forget_attempts_})
        TRY(Bound(*statement).text(hook).done());
      return {};
    });
  }

  Result<std::uint64_t> sweep(Instant before, std::size_t limit) override {
    std::lock_guard lock(mutex_);
    std::uint64_t rows = 0;
    for (const Statement* statement : {&sweep_deliveries_, &sweep_attempts_}) {
      Bound sweep(*statement);
      TRY(sweep.number(to_microseconds(before)).number(std::uint64_t{limit}).done());
      rows += static_cast<std::uint64_t>(sqlite3_changes(db_.get()));
    }
    return rows;
  }

 private:
  template <class Work>
  Result<void> in_transaction(Work work) {
    std::lock_guard lock(mutex_);
    TRY(Bound(begin_).done());
    auto done = work();
    if (done) done = Bound(commit_).done();
    if (!done) static_cast<void>(Bound(rollback_).done());
    return done;
  }

  Result<void> insert(const std::string& hook, const HookDelivery& delivery) {
    Bound insert(insert_);
    insert.text(hook).number(delivery.sequence).text(delivery.type).text(delivery.order);
    insert.number(static_cast<std::int64_t>(delivery.state)).number(delivery.tries);
    insert.number(to_microseconds(delivery.at)).number(to_microseconds(delivery.next_at));
    bind_status(insert, delivery.last_status);
    return insert.text(delivery.last_error).done();
  }

  Result<void> insert(const std::string& hook, const HookAttempt& attempt) {
    Bound insert(insert_attempt_);
    insert.text(hook).number(attempt.sequence).number(attempt.number);
    insert.number(to_microseconds(attempt.at)).number(std::int64_t{attempt.took.count()});
    bind_status(insert, attempt.status);
    return insert.text(attempt.error).text(attempt.response).done();
  }

  Result<void> update(const std::string& hook, const HookDelivery& delivery) {
    Bound update(update_);
    update.number(static_cast<std::int64_t>(delivery.state)).number(delivery.tries);
    update.number(to_microseconds(delivery.next_at));
    bind_status(update, delivery.last_status);
    return update.text(delivery.last_error).text(hook).number(delivery.sequence).done();
  }

  std::mutex mutex_;
  Connection db_;
  bool was_set_aside_ = false;
  Statement begin_, commit_, rollback_, positions_, beginning_, put_position_, put_failing_,
      insert_, update_;
  Statement insert_attempt_, waiting_, list_all_, list_state_, find_, attempts_, recent_, counts_;
  Statement replay_, count_, forget_hook_, forget_deliveries_, forget_attempts_;
  Statement sweep_deliveries_, sweep_attempts_;
};

// Asks for the positions at once, so that a file that cannot tell them counts as damaged.
Result<std::unique_ptr<SqliteHookLog>> open_file(const std::string& path,
                                                 std::uint64_t last_event) {
  auto db = TRY(Connection::open(path, nullptr, Access::write));
  auto log = std::make_unique<SqliteHookLog>(std::move(db));
  TRY(log->make(last_event));
  TRY(log->prepare());
  TRY(log->positions());
  return log;
}

}  // namespace

Result<std::unique_ptr<HookLog>> open_hook_log(const std::string& path, LogSink& log, Instant now,
                                               std::uint64_t last_event) {
  auto opened = open_file(path, last_event);
  if (opened || opened.error().kind != ErrorKind::damaged) return opened;
  const std::string aside = path + ".damaged";
  log.write({now,
             LogLevel::error,
             "hooks.damaged",
             "hooks",
             fmt::format("error: {}: it is set aside as {}, webhooks go on from the end of the "
                         "event log",
                         opened.error().message, aside),
             {}});
  for (const auto suffix : {"", "-wal", "-shm"}) {
    static_cast<void>(std::remove((aside + suffix).c_str()));  // of an earlier one
    static_cast<void>(std::rename((path + suffix).c_str(), (aside + suffix).c_str()));
  }
  auto made = TRY(open_file(path, last_event));
  made->note_set_aside();
  return made;
}

}  // namespace goniec
