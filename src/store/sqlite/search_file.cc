// See search_file.h.
#include "store/sqlite/search_file.h"

#include "base/text.h"
#include "store/codec.h"

namespace goniec {
namespace {

constexpr char between_names = '\x1E', between_name_and_value = '\x1F';

constexpr const char* settings = R"sql(
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = OFF;
PRAGMA cache_size = -8192;
)sql";

constexpr const char* reader_settings = R"sql(
PRAGMA query_only = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -512;
)sql";

Result<int> version_of(const Connection& connection) {
  const auto statement = TRY(connection.prepare("PRAGMA user_version"));
  Bound row(statement);
  TRY(row.step());
  return static_cast<int>(row.integer(0));
}

Result<bool> is_empty(const Connection& connection) {
  const auto statement = TRY(connection.prepare("SELECT 1 FROM sqlite_schema LIMIT 1"));
  Bound row(statement);
  return !TRY(row.step());
}

Result<void> make_tables(const Connection& connection, const char* tables) {
  TRY(connection.run("BEGIN IMMEDIATE"));
  auto made = connection.run(tables);
  if (made) made = connection.run(fmt::format("PRAGMA user_version={}", search_version).c_str());
  if (made) made = connection.run("COMMIT");
  if (!made) static_cast<void>(connection.run("ROLLBACK"));
  return made;
}

void add_clean(std::string& out, std::string_view text) {
  for (const char c : text) out += c == between_names || c == between_name_and_value ? ' ' : c;
}

}  // namespace

Result<Connection> open_search_file(const std::string& path, SearchAccess access,
                                    const char* tables) {
  const bool writes = access == SearchAccess::write;
  auto connection = TRY(Connection::open(path, nullptr, writes ? Access::write : Access::read));
  TRY(connection.run(writes ? settings : reader_settings));
  // Closing is no time to sync: settle() does that.
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (writes && TRY(is_empty(connection))) TRY(make_tables(connection, tables));
  const int version = TRY(version_of(connection));
  if (version != search_version) {
    return fail(ErrorKind::conflict, fmt::format("{} has version {}", path, version));
  }
  return connection;
}

Result<bool> sync_search_file(const Connection& connection) {
  const auto statement = TRY(connection.prepare("PRAGMA wal_checkpoint(PASSIVE)"));
  Bound row(statement);
  if (!TRY(row.step())) return false;
  const bool busy = row.integer(0) != 0;
  return !busy && row.integer(1) == row.integer(2);
}

Result<void> empty_search_log(const Connection& connection) {
  sqlite3_busy_timeout(connection.get(), 0);
  auto done = connection.run("PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_busy_timeout(connection.get(), 10000);
  return done;
}

std::string day_file_name(Instant at) {
  return to_rfc3339(at).substr(0, 10) + ".db";
}
std::string day_file_name(MessageId message) {
  return day_file_name(message.made_at());
}
std::optional<Instant> day_of_file(std::string_view name) {
  if (name.size() != 13 || !name.ends_with(".db")) return std::nullopt;
  const auto day = parse_rfc3339(std::string(name.substr(0, 10)) + "T00:00:00Z");
  return day ? std::optional(*day) : std::nullopt;
}

std::string join_names(const NamedTexts& names) {
  std::string out;
  for (const auto& [name, value] : names) {
    if (!out.empty()) out += between_names;
    add_clean(out, name);
    out += between_name_and_value;
    add_clean(out, value);
  }
  return out;
}

NamedTexts split_names(std::string_view joined) {
  NamedTexts names;
  if (joined.empty()) return names;
  for (const auto each : split(joined, between_names)) {
    const auto middle = each.find(between_name_and_value);
    if (middle == std::string_view::npos) continue;
    names.emplace_back(each.substr(0, middle), each.substr(middle + 1));
  }
  return names;
}

std::string cut_text(std::string_view text, std::size_t octets) {
  if (text.size() <= octets) return std::string(text);
  while (octets > 0 && (static_cast<unsigned char>(text[octets]) & 0xC0) == 0x80) --octets;
  return std::string(text.substr(0, octets));
}

std::string search_mark(char kind, std::string_view text) {
  return fmt::format("x{}{:x}", kind, name_hash(text));
}

}  // namespace goniec
