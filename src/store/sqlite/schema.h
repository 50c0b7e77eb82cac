// The tables of docs/INTERNALS.md as SQL, the settings of a connection, and the statements of the
// writer.
//
// Settings and why: WAL and synchronous=FULL (a commit is one sync); no auto checkpoint (the store
// chooses the time); temp_store=MEMORY (no file but ours); secure_delete=OFF (Debian builds it on:
// it would write every freed page of a body once more); cell_size_check=ON (a broken page is found,
// not followed).
#pragma once
#include "base/result.h"
#include "store/sqlite/connection.h"

namespace goniec {

// 1: without a journal; 2: entries without their domain, due in microseconds
constexpr int format_number = 4;

// The column `due`: whole seconds, rounded down; the exact time is in the row.
constexpr std::int64_t due_second(std::int64_t microseconds) {
  const std::int64_t rest = microseconds % 1000000;
  return microseconds / 1000000 - (rest < 0 ? 1 : 0);
}
// The column `domain` of an entry's row; 0 when the row is damaged.
std::uint64_t lane_of_row(std::string_view row);

Result<void> configure(const Connection& connection, Access access);
Result<bool> has_schema(const Connection& connection);
Result<void> create_schema(const Connection& connection);
// The tables of an older format as they are now, in one transaction; nothing when they are so.
Result<void> migrate_schema(const Connection& connection);

struct WriterStatements {
  Statement begin, commit, rollback;
  Statement insert_message, delete_message, select_message, has_message;
  Statement insert_chunk, delete_chunks, count_chunks;
  Statement insert_unspooled, delete_unspooled, select_unspooled;
  Statement insert_entry, update_entry, delete_entry, select_entry, select_leasable, has_entries;
  Statement select_due;
  Statement insert_event, events_from, delete_events, select_event, update_event;
  Statement insert_names, delete_names, last_names, names_since;
  Statement insert_retention, due_retention, delete_retention;
  Statement select_folder, insert_folder, append_folder, shrink_folder;
  Statement insert_letter, select_letter, delete_letter, has_letter;
  Statement put_object, insert_object, delete_object, has_object;
  Statement select_state, update_state, free_pages, all_pages;

  static Result<WriterStatements> prepare(const Connection& connection);
};

}  // namespace goniec
