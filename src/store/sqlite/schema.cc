// See schema.h. A change of these tables raises format_number and brings a migration in open.cc.
#include "store/sqlite/schema.h"

#include <utility>

#include "store/codec.h"

namespace goniec {
namespace {

constexpr const char* tables = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE messages(
  id INTEGER PRIMARY KEY, envelope BLOB NOT NULL, prepend BLOB NOT NULL, header BLOB NOT NULL,
  body BLOB NOT NULL);
CREATE TABLE chunks(
  message INTEGER NOT NULL, number INTEGER NOT NULL, crc INTEGER NOT NULL, octets BLOB NOT NULL,
  PRIMARY KEY(message, number)) WITHOUT ROWID;
CREATE TABLE unspooled(message INTEGER PRIMARY KEY);
CREATE TABLE entries(
  message INTEGER NOT NULL, number INTEGER NOT NULL, due INTEGER, row BLOB NOT NULL,
  domain INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(message, number)) WITHOUT ROWID;
CREATE INDEX entries_due ON entries(due, domain, message, number) WHERE due IS NOT NULL;
CREATE TABLE events(
  sequence INTEGER PRIMARY KEY, message INTEGER NOT NULL, name INTEGER, row BLOB NOT NULL);
CREATE INDEX events_message ON events(message);
CREATE TABLE names(last_sequence INTEGER PRIMARY KEY, run BLOB NOT NULL);
CREATE TABLE retention(
  until INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY(until, message)) WITHOUT ROWID;
CREATE TABLE folders(
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, folder TEXT NOT NULL,
  uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL,
  messages INTEGER NOT NULL, octets INTEGER NOT NULL,
  UNIQUE(account, folder));
CREATE TABLE letters(
  folder INTEGER NOT NULL, uid INTEGER NOT NULL, content INTEGER NOT NULL, octets INTEGER NOT NULL,
  at INTEGER NOT NULL, flags INTEGER NOT NULL, prepend BLOB NOT NULL,
  PRIMARY KEY(folder, uid)) WITHOUT ROWID;
CREATE INDEX letters_content ON letters(content);
CREATE TABLE objects(
  kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE TABLE state(
  id INTEGER PRIMARY KEY, mark INTEGER NOT NULL, highest_id INTEGER NOT NULL,
  next_sequence INTEGER NOT NULL);
INSERT INTO state VALUES(1, 0, 0, 1);
COMMIT;
)sql";

constexpr const char* settings = R"sql(
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = -1;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA cache_size = -32768;
)sql";

constexpr const char* reader_settings = R"sql(
PRAGMA query_only = ON;
PRAGMA cell_size_check = ON;
PRAGMA temp_store = MEMORY;
PRAGMA mmap_size = 0;
PRAGMA cache_size = -4096;
)sql";

using Member = Statement WriterStatements::*;
constexpr std::pair<Member, const char*> writer_sql[] = {
    {&WriterStatements::begin, "BEGIN IMMEDIATE"},
    {&WriterStatements::commit, "COMMIT"},
    {&WriterStatements::rollback, "ROLLBACK"},
    {&WriterStatements::insert_message, "INSERT INTO messages VALUES(?,?,?,?,?)"},
    {&WriterStatements::delete_message, "DELETE FROM messages WHERE id=?"},
    {&WriterStatements::select_message, "SELECT envelope FROM messages WHERE id=?"},
    {&WriterStatements::has_message, "SELECT 1 FROM messages WHERE id=?"},
    {&WriterStatements::insert_chunk, "INSERT INTO chunks VALUES(?,?,?,?)"},
    {&WriterStatements::delete_chunks, "DELETE FROM chunks WHERE message=?"},
    {&WriterStatements::count_chunks,
     "SELECT count(*), max(number), sum(length(octets)) FROM chunks WHERE message=?"},
    {&WriterStatements::insert_unspooled, "INSERT OR IGNORE INTO unspooled VALUES(?)"},
    {&WriterStatements::delete_unspooled, "DELETE FROM unspooled WHERE message=?"},
    {&WriterStatements::select_unspooled, "SELECT message FROM unspooled"},
    {&WriterStatements::insert_entry, "INSERT INTO entries VALUES(?,?,?,?,?)"},
    {&WriterStatements::update_entry,
     "UPDATE entries SET due=?3, row=?4 WHERE message=?1 AND number=?2"},
    {&WriterStatements::delete_entry, "DELETE FROM entries WHERE message=? AND number=?"},
    {&WriterStatements::select_entry, "SELECT row FROM entries WHERE message=? AND number=?"},
    {&WriterStatements::select_leasable,
     "SELECT e.row, m.envelope FROM entries e CROSS JOIN messages m ON m.id = e.message "
     "WHERE e.message=? AND e.number=?"},
    {&WriterStatements::has_entries, "SELECT 1 FROM entries WHERE message=? LIMIT 1"},
    {&WriterStatements::select_due,
     "SELECT due, domain, message, number FROM entries INDEXED BY entries_due WHERE due IS NOT "
     "NULL AND (due, domain, message, number) >= (?,?,?,?) ORDER BY due, domain, message, number"},
    {&WriterStatements::insert_event, "INSERT INTO events VALUES(?,?,?,?)"},
    {&WriterStatements::events_from, "SELECT sequence, message, row FROM events ORDER BY sequence"},
    {&WriterStatements::delete_events, "DELETE FROM events WHERE sequence <= ?"},
    {&WriterStatements::select_event, "SELECT message, row FROM events WHERE sequence=?"},
    {&WriterStatements::update_event, "UPDATE events SET row=?2 WHERE sequence=?1"},
    {&WriterStatements::insert_names, "INSERT INTO names VALUES(?,?)"},
    {&WriterStatements::delete_names, "DELETE FROM names WHERE last_sequence <= ?"},
    {&WriterStatements::last_names, "SELECT max(last_sequence) FROM names"},
    {&WriterStatements::names_since,
     "SELECT name, message FROM events WHERE sequence > ? AND name IS NOT NULL"},
    {&WriterStatements::insert_retention, "INSERT OR IGNORE INTO retention VALUES(?,?)"},
    {&WriterStatements::due_retention,
     "SELECT until, message FROM retention WHERE until <= ? ORDER BY until LIMIT ?"},
    {&WriterStatements::delete_retention, "DELETE FROM retention WHERE until=? AND message=?"},
    {&WriterStatements::select_folder,
     "SELECT id, uid_next FROM folders WHERE account=? AND folder=?"},
    {&WriterStatements::insert_folder,
     "INSERT INTO folders(account, folder, uid_validity, uid_next, messages, octets) "
     "VALUES(?,?,?,1,0,0)"},
    {&WriterStatements::append_folder,
     "UPDATE folders SET uid_next=uid_next+1, messages=messages+1, octets=octets+?2 WHERE id=?1"},
    {&WriterStatements::shrink_folder,
     "UPDATE folders SET messages=messages-1, octets=octets-?2 WHERE id=?1"},
    {&WriterStatements::insert_letter, "INSERT INTO letters VALUES(?,?,?,?,?,?,?)"},
    {&WriterStatements::select_letter,
     "SELECT content, octets FROM letters WHERE folder=? AND uid=?"},
    {&WriterStatements::delete_letter, "DELETE FROM letters WHERE folder=? AND uid=?"},
    {&WriterStatements::has_letter, "SELECT 1 FROM letters WHERE content=? LIMIT 1"},
    {&WriterStatements::put_object,
     "INSERT INTO objects VALUES(?,?,?) ON CONFLICT DO UPDATE SET value=excluded.value"},
    {&WriterStatements::insert_object, "INSERT INTO objects VALUES(?,?,?)"},
    {&WriterStatements::delete_object, "DELETE FROM objects WHERE kind=? AND key=?"},
    {&WriterStatements::has_object, "SELECT 1 FROM objects WHERE kind=? AND key=?"},
    {&WriterStatements::select_state,
     "SELECT mark, highest_id, next_sequence FROM state WHERE id=1"},
    {&WriterStatements::update_state,
     "UPDATE state SET mark=?, highest_id=?, next_sequence=? WHERE id=1"},
    {&WriterStatements::free_pages, "PRAGMA freelist_count"},
    {&WriterStatements::all_pages, "PRAGMA page_count"},
};

}  // namespace

Result<void> configure(const Connection& connection, Access access) {
  return connection.run(access == Access::write ? settings : reader_settings);
}

Result<bool> has_schema(const Connection& connection) {
  const auto statement =
      TRY(connection.prepare("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='state'"));
  Bound query(statement);
  return query.step();
}

Result<void> create_schema(const Connection& connection) {
  return connection.run(tables);
}

std::uint64_t lane_of_row(std::string_view row) {
  const auto summary = summarize_entry(row);
  return summary ? domain_lane(summary->domain) : 0;
}

namespace {

Result<void> give_entries_their_domain(const Connection& connection) {
  TRY(
      connection.run("DROP INDEX entries_due; ALTER TABLE entries ADD COLUMN domain INTEGER NOT "
                     "NULL DEFAULT 0"));
  {
    // In the order of the key, which is not changed: the walk meets each row once.
    const auto read = TRY(connection.prepare("SELECT message, number, due, row FROM entries"));
    const auto write = TRY(
        connection.prepare("UPDATE entries SET due=?3, domain=?4 WHERE message=?1 AND number=?2"));
    Bound rows(read);
    while (TRY(rows.step())) {
      Bound update(write);
      update.number(rows.integer(0)).number(rows.integer(1));
      if (rows.is_null(2)) {
        update.null();
      } else {
        update.number(due_second(rows.integer(2)));
      }
      TRY(update.number(lane_of_row(rows.bytes(3))).done());
    }
  }
  return connection.run(
      "CREATE INDEX entries_due ON entries(due, domain, message, number) WHERE due IS NOT NULL");
}

}  // namespace

Result<void> migrate_schema(const Connection& connection) {
  {
    const auto has_domain =
        TRY(connection.prepare("SELECT 1 FROM pragma_table_info('entries') WHERE name='domain'"));
    Bound column(has_domain);
    if (TRY(column.step())) return {};
  }
  TRY(connection.run("BEGIN IMMEDIATE"));
  auto done = give_entries_their_domain(connection);
  if (done) done = connection.run("COMMIT");
  if (!done) static_cast<void>(connection.run("ROLLBACK"));
  return done;
}

Result<WriterStatements> WriterStatements::prepare(const Connection& connection) {
  WriterStatements statements;
  for (const auto& [member, sql] : writer_sql) {
    statements.*member = TRY(connection.prepare(sql));
  }
  return statements;
}

}  // namespace goniec
