// A file of the search projection: opened with its settings, made when it is not there, and whether
// it is of this version. Private to sqlite/.
//
// Settings and why: WAL with synchronous=NORMAL (no sync but at a checkpoint, and never torn: what
// a power cut takes is at the end, and is given again), no checkpoint of SQLite's own (settle()
// chooses the time), temp_store=MEMORY, secure_delete=OFF but while a person is erased.
#pragma once
#include <string>
#include <string_view>

#include "store/search.h"
#include "store/sqlite/connection.h"

namespace goniec {

// Of the tables of all files. A file with another number is removed, and filled anew.
constexpr int search_version = 3;

enum class SearchAccess { read, write };
// write: makes the file with `tables` when it is not there; conflict when it has another version.
Result<Connection> open_search_file(const std::string& path, SearchAccess access,
                                    const char* tables);
// Moves the log into the file and syncs it. false: a reader was in the way, nothing is promised.
Result<bool> sync_search_file(const Connection& connection);
// After that: takes the octets of the log away, which whoever opens the file first would read.
// Not when a reader is in the way.
Result<void> empty_search_log(const Connection& connection);

// The file of a message's day: "2026-11-26.db".
std::string day_file_name(MessageId message);
std::string day_file_name(Instant at);
std::optional<Instant> day_of_file(std::string_view name);  // nullopt: not the name of a day's file

// Lists of texts in one column. Their separators become blanks.
std::string join_names(const NamedTexts& names);
NamedTexts split_names(std::string_view joined);
std::string cut_text(std::string_view text, std::size_t octets);  // at the end of a character

// One word in the index for what must be found exactly; `kind` keeps apart what means different.
std::string search_mark(char kind, std::string_view text);

}  // namespace goniec
