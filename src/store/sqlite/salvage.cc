// Salvage: what is whole of a damaged store goes into a fresh one; what is not is named. The
// damaged files are copied and only the copy is opened, so that the old store stays as it was
// found.
//
// Ids are gathered from every table and index, from both ends (verify.h), and each message is then
// asked for by its key: a broken page hides only what lies on it. A message is whole when its
// content passes all its checksums. One whose entries are lost is kept as content (`show` finds it)
// and said: nobody knows any more whom it was for, so it is not sent.
// When the first page is gone (it holds the schema, which is the same in every store of a format),
// it is made anew from an empty store.
// The journal is read as one more place: what it has above the database's mark is applied record by
// record, and a message that is damaged in the database, or has lost its entries there, is taken
// from it when it is whole there. A database that is not there at all is an empty one.
#include <algorithm>
#include <cstring>
#include <map>

#include "base/digest.h"
#include "base/text.h"
#include "store/sqlite/engine.h"
#include "store/sqlite/pages.h"
#include "store/sqlite/verify.h"

namespace goniec {
namespace {

constexpr std::size_t copy_octets = 1u << 20;
constexpr std::size_t page_octets = 8192;

Result<void> copy_file(Disk& disk, const std::string& from, const std::string& to) {
  auto source = TRY(disk.open(from, OpenMode::read));
  auto target = TRY(disk.open(to, OpenMode::create));
  std::string piece(copy_octets, '\0');
  for (std::uint64_t at = 0;;) {
    const auto got = TRY(source->read_at(at, piece));
    if (got == 0) break;
    TRY(target->write_at(at, std::string_view(piece).substr(0, got)));
    at += got;
  }
  return target->sync();
}

void put_big_endian(std::string& page, std::size_t at, std::uint64_t value) {
  for (std::size_t i = 0; i < 4; ++i) page[at + i] = static_cast<char>(value >> (24 - 8 * i));
}

// Page 1 of an empty store of this format, with the size of this file and no list of free pages.
Result<void> graft_first_page(Disk& disk, const std::string& database, const std::string& fresh) {
  auto donor = TRY(disk.open(fresh, OpenMode::read));
  std::string page(page_octets, '\0');
  TRY(donor->read_at(0, page));
  auto patient = TRY(disk.open(database, OpenMode::read_write));
  const auto pages = TRY(patient->size()) / page_octets;
  put_big_endian(page, 28,
                 pages);  // SQLite file format §1.3: size in pages, free list, and its length
  put_big_endian(page, 32, 0);
  put_big_endian(page, 36, 0);
  std::memcpy(page.data() + 24, page.data() + 92, 4);  // change counter as the size's version
  return patient->write_at(0, page);
}

// What the journal has, by message: spools that are whole, and everything in order of the marks.
struct JournalFinds {
  std::vector<JournalGroup> records;  // one each
  std::map<MessageId, std::string> spools;
  std::set<std::uint64_t> marks;
  std::vector<std::string> cut;                               // files
  std::vector<std::pair<std::uint64_t, std::string>> broken;  // mark, what can be said of it
};

bool is_whole(const SpoolRecord& spool) {
  const auto stored = decode_message(spool.envelope, spool.id);
  if (!stored) return false;
  const auto body = spool.body_in_row() ? spool.chunks[0] : std::string_view{};
  if (crc32c(body, crc32c(spool.header, crc32c(spool.prepend))) != stored->row_crc) return false;
  std::uint32_t content = crc32c(spool.header);
  for (const auto& chunk : spool.chunks) content = crc32c(chunk, content);
  const std::uint32_t wanted = stored->message.content.crc32c;
  if (spool.chunks_before == 0 && wanted != 0 && content != wanted) return false;
  return std::ranges::all_of(spool.entries, [&spool](const EntryRow& entry) {
    return decode_entry(entry.row, {spool.id, entry.number}).has_value();
  });
}

// The id stands at the begin of both kinds that are of a message.
std::string name_of(std::uint64_t mark, std::uint8_t kind, std::string_view payload) {
  if (kind == facts_record)
    return fmt::format("a record of objects or events in group {} of the journal is damaged", mark);
  std::uint64_t id = 0;
  for (std::size_t i = 1; i < std::min<std::size_t>(payload.size(), 11); ++i) {
    const auto octet = static_cast<std::uint8_t>(payload[i]);
    id |= std::uint64_t{octet & 0x7Fu} << (7 * (i - 1));
    if (octet < 0x80) break;
  }
  return fmt::format("message {}: a record of it in group {} of the journal is damaged",
                     MessageId{id}.text(), mark);
}

// A settle without proof is left out: it might end another message; better that mail comes twice.
Result<JournalFinds> read_journal(Disk& disk, const std::string& directory) {
  JournalFinds finds;
  const auto keep = [&finds](std::uint64_t mark, JournalRecord record,
                             GroupJournal::Proof proof) -> Result<void> {
    finds.marks.insert(mark);
    bool is_good = false;
    if (record.kind == spool_record) {
      const auto spool = decode_spool(record.payload);
      is_good = spool && is_whole(*spool);
      if (is_good) finds.spools.emplace(spool->id, std::string(record.payload));
    } else if (record.kind == facts_record) {
      is_good = proof == GroupJournal::Proof::checksum && decode_facts(record.payload).has_value();
    } else if (proof == GroupJournal::Proof::checksum) {
      const auto settle = decode_settle(record.payload);
      is_good =
          settle && (settle->settled || decode_entry(settle->row.row, settle->entry).has_value());
    }
    if (is_good) {
      finds.records.push_back(JournalGroup::of(mark, record));
    } else {
      finds.broken.emplace_back(mark, name_of(mark, record.kind, record.payload));
    }
    return {};
  };
  finds.cut = TRY(GroupJournal::salvage(disk, directory, keep));
  return finds;
}

// Of the groups above the database's mark, what is not there or not whole.
void say_what_the_journal_lacks(const JournalFinds& journal, std::uint64_t mark,
                                std::uint64_t acknowledged, SalvageReport& report) {
  report.lines.insert(report.lines.end(), journal.cut.begin(), journal.cut.end());
  for (const auto& [of, line] : journal.broken)
    if (of > mark) report.lines.push_back(line);
  std::uint64_t next = mark + 1;
  const auto missing = [&](std::uint64_t end) {
    if (next < end)
      report.lines.push_back(fmt::format(
          "the journal lacks the groups {} to {}: mail that was acknowledged is lost with them",
          next, end - 1));
  };
  for (auto at = journal.marks.upper_bound(mark); at != journal.marks.end(); ++at) {
    missing(*at);
    next = *at + 1;
  }
  missing(acknowledged + 1);
}

class Salvage {
 public:
  Salvage(const Connection& from, const Connection& to, Instant now, const JournalFinds& journal,
          const DatabasePages& pages)
      : from_(from), to_(to), now_(now), journal_(journal), pages_(pages) {}
  std::uint64_t mark() const { return mark_; }  // of the old database; 0: unknown

  Result<SalvageReport> run() {
    TRY(to_.run("BEGIN IMMEDIATE"));
    TRY(messages());
    TRY(rows("objects", "objects", "SELECT kind, key, value FROM objects ORDER BY kind, key",
             "INSERT OR IGNORE INTO objects VALUES(?,?,?)"));
    TRY(rows("mailbox folders", "folders",
             "SELECT id, account, folder, uid_validity, uid_next, messages, octets FROM folders "
             "ORDER BY id",
             "INSERT OR IGNORE INTO folders VALUES(?,?,?,?,?,?,?)"));
    TRY(rows(
        "mailbox messages", "letters",
        "SELECT folder, uid, content, octets, at, flags, prepend FROM letters ORDER BY folder, uid",
        "INSERT OR IGNORE INTO letters SELECT ?1,?2,?3,?4,?5,?6,?7 WHERE EXISTS "
        "(SELECT 1 FROM messages WHERE id=?3)"));
    TRY(rows("retentions", "retention",
             "SELECT until, message FROM retention ORDER BY until, message",
             "INSERT OR IGNORE INTO retention SELECT ?1,?2 WHERE EXISTS "
             "(SELECT 1 FROM messages WHERE id=?2)"));
    TRY(events());
    TRY(count_folders());
    TRY(state());
    TRY(to_.run("COMMIT"));
    return std::move(report_);
  }

 private:
  void say(std::string line) {
    if (report_.lines.size() < 100000) report_.lines.push_back(std::move(line));
  }

  Result<void> messages() {
    const auto check = TRY(ContentCheck::prepare(from_));
    const auto read_entries = TRY(from_.prepare(
        "SELECT message, number, due, row FROM entries WHERE message=? ORDER BY number"));
    const auto put_message = TRY(to_.prepare("INSERT INTO messages VALUES(?,?,?,?,?)"));
    const auto get_message =
        TRY(from_.prepare("SELECT id, envelope, prepend, header, body FROM messages WHERE id=?"));
    const auto get_chunks =
        TRY(from_.prepare("SELECT message, number, crc, octets FROM chunks WHERE message=?"));
    const auto put_chunk = TRY(to_.prepare("INSERT INTO chunks VALUES(?,?,?,?)"));
    std::set<MessageId> ids = known_ids(from_);
    if (pages_.list_is_whole()) ids.merge(pages_.queued());
    for (const MessageId id : ids) {
      highest_ = std::max(highest_, id.value);
      const auto entries = read_entries_of(read_entries, id);
      const auto stored = check.check(id);
      if (!stored) {
        if (entries.empty() && !has_row(get_message, id))
          continue;  // settled long ago: events only
        if (TRY(take_from_pages(id, entries))) continue;
        if (TRY(take_from_journal(id, entries))) continue;
        ++report_.damaged;
        say(damage_of(id, stored.error().message) + recipients_of(entries));
        continue;
      }
      TRY(copy_rows(get_message, put_message, id));
      TRY(copy_rows(get_chunks, put_chunk, id));
      for (const auto& entry : entries) TRY(insert_entry(entry));
      if (entries.empty()) TRY(keep_for_a_while(id));
      ++report_.whole;
    }
    return {};
  }

  // What no tree leads to any more.
  Result<bool> take_from_pages(MessageId id, const std::vector<StoredEntry>& entries) {
    const auto found = pages_.message(id);
    if (!found) return false;
    const auto put_message = TRY(to_.prepare("INSERT INTO messages VALUES(?,?,?,?,?)"));
    const auto put_chunk = TRY(to_.prepare("INSERT INTO chunks VALUES(?,?,?,?)"));
    {
      Bound row(put_message);
      row.number(id.value).blob(found->row.envelope).blob(found->row.prepend);
      TRY(row.blob(found->row.header).blob(found->row.body).done());
    }
    for (std::uint32_t i = 0; i < found->chunks.size(); ++i) {
      Bound row(put_chunk);
      row.number(id.value).number(i).number(crc32c(found->chunks[i]));
      TRY(row.blob(found->chunks[i]).done());
    }
    for (const auto& entry : entries) TRY(insert_entry(entry));
    if (entries.empty()) TRY(keep_for_a_while(id));
    ++report_.whole;
    return true;
  }

  // The content as the journal has it, for the entries that the database has, if it has any.
  Result<bool> take_from_journal(MessageId id, const std::vector<StoredEntry>& entries) {
    const auto found = journal_.spools.find(id);
    if (found == journal_.spools.end()) return false;
    const auto spool = TRY(decode_spool(found->second));
    if (spool.chunks_before != 0) return false;
    const auto put_message = TRY(to_.prepare("INSERT INTO messages VALUES(?,?,?,?,?)"));
    const auto put_chunk = TRY(to_.prepare("INSERT INTO chunks VALUES(?,?,?,?)"));
    const auto put_entry = TRY(to_.prepare("INSERT INTO entries VALUES(?,?,?,?,?)"));
    {
      const auto body = spool.body_in_row() ? spool.chunks[0] : std::string_view{};
      Bound row(put_message);
      row.number(id.value).blob(spool.envelope).blob(spool.prepend).blob(spool.header);
      TRY(row.blob(body).done());
    }
    for (std::uint32_t i = 0; i < spool.chunks.size() && !spool.body_in_row(); ++i) {
      Bound row(put_chunk);
      row.number(id.value).number(i).number(crc32c(spool.chunks[i]));
      TRY(row.blob(spool.chunks[i]).done());
    }
    for (const auto& entry : entries) TRY(insert_entry(entry));
    for (std::size_t i = 0; i < spool.entries.size() && entries.empty(); ++i) {
      const EntryRow& entry = spool.entries[i];
      Bound row(put_entry);
      row.number(id.value).number(entry.number);
      (entry.held ? row.null() : row.number(due_second(entry.due))).blob(entry.row);
      TRY(row.number(lane_of_row(entry.row)).done());
    }
    ++report_.whole;
    return true;
  }

  // Nothing in the queue holds it: a mailbox does, or nobody knows. The next sweep after that
  // decides.
  Result<void> keep_for_a_while(MessageId id) {
    const auto insert = TRY(to_.prepare("INSERT OR IGNORE INTO retention VALUES(?,?)"));
    Bound row(insert);
    return row.number(to_microseconds(now_ + std::chrono::days(30))).number(id.value).done();
  }

  // By the tree, and what lies beside it on a page of its own.
  std::vector<StoredEntry> read_entries_of(const Statement& statement, MessageId id) {
    std::vector<StoredEntry> entries;
    std::string trouble;
    Bound rows(statement);
    rows.number(id.value);
    for (;;) {
      const auto row = rows.step();
      if (!row) trouble = "a part of its recipients cannot be read";
      if (!row || !*row) break;
      auto entry = decode_entry(rows.bytes(3), {id, static_cast<std::uint32_t>(rows.integer(1))});
      if (entry) {
        entries.push_back(std::move(*entry));
      } else {
        trouble = entry.error().message;
      }
    }
    const std::size_t in_tree = entries.size();
    if (trouble.empty() && !pages_.list_is_whole()) return entries;
    for (auto& entry : pages_.entries(id)) {
      const bool is_known = std::ranges::any_of(
          entries, [&entry](const auto& known) { return known.entry.id == entry.entry.id; });
      if (!is_known) entries.push_back(std::move(entry));
    }
    if (!trouble.empty())
      say(fmt::format("message {}: {}; {} found beside the tree", id.text(), trouble,
                      entries.size() - in_tree));
    return entries;
  }

  static std::string damage_of(MessageId id, const std::string& text) {
    if (text.find(id.text()) != std::string::npos) return text;
    return fmt::format("message {}: {}", id.text(), text);
  }

  static std::string recipients_of(const std::vector<StoredEntry>& entries) {
    std::string text;
    for (const auto& entry : entries) {
      for (const auto& recipient : entry.entry.recipients) {
        text += text.empty() ? ", for " : ", ";
        text += recipient.recipient.address.text();
      }
    }
    return text;
  }

  static bool has_row(const Statement& statement, MessageId id) {
    Bound row(statement);
    const auto found = row.number(id.value).step();
    return !found || *found;
  }

  Result<void> insert_entry(const StoredEntry& entry) {
    const auto insert = TRY(to_.prepare("INSERT INTO entries VALUES(?,?,?,?,?)"));
    std::string row;
    encode_entry(entry, row);
    Bound put(insert);
    put.number(entry.entry.id.message.value).number(entry.entry.id.number);
    const bool held = entry.entry.state == EntryState::held;
    const auto due = due_second(to_microseconds(entry.entry.due));
    (held ? put.null() : put.number(due)).blob(row);
    return put.number(domain_lane(entry.entry.domain.ascii())).done();
  }

  static Result<void> copy_row(const Bound& from, const Statement& get, const Statement& put) {
    Bound insert(put);
    for (int column = 0; column < sqlite3_column_count(get.get()); ++column) {
      sqlite3_bind_value(put.get(), column + 1, sqlite3_column_value(get.get(), column));
    }
    static_cast<void>(from);
    return insert.done();
  }

  static Result<void> copy_rows(const Statement& get, const Statement& put, MessageId id) {
    Bound rows(get);
    rows.number(id.value);
    while (TRY(rows.step())) TRY(copy_row(rows, get, put));
    return {};
  }

  // A table from its begin to a break, and from its end back to it.
  Result<void> rows(const char* what, const char* table, const std::string& select,
                    const char* insert) {
    const auto put = TRY(to_.prepare(insert));
    if (TRY(walk(select, put))) return {};
    const std::string backwards = descending(select);
    TRY(walk(backwards, put));
    say(fmt::format("some {} (table {}) cannot be read", what, table));
    return {};
  }

  static std::string descending(std::string select) {
    const auto order = select.find("ORDER BY ");
    for (auto comma = select.find(',', order); comma != std::string::npos;
         comma = select.find(',', comma + 6)) {
      select.insert(comma, " DESC");
    }
    return select + " DESC";
  }

  Result<bool> walk(const std::string& select, const Statement& put) {
    const auto get = from_.prepare(select.c_str());
    if (!get) return false;
    Bound rows(*get);
    for (;;) {
      const auto row = rows.step();
      if (!row) return false;
      if (!*row) return true;
      TRY(copy_row(rows, *get, put));
    }
  }

  Result<void> events() {
    const auto put = TRY(to_.prepare("INSERT OR IGNORE INTO events VALUES(?,?,?,?)"));
    std::uint64_t bad = 0;
    bool broke = false;
    for (const char* order : {"", " DESC"}) {
      const auto select =
          fmt::format("SELECT sequence, message, name, row FROM events ORDER BY sequence{}", order);
      const auto get = TRY(from_.prepare(select.c_str()));
      Bound rows(get);
      auto row = rows.step();
      for (; row && *row; row = rows.step()) {
        if (!decode_event(rows.bytes(3), rows.count(0), MessageId{rows.count(1)})) {
          ++bad;
          continue;
        }
        sequence_ = std::max(sequence_, rows.count(0) + 1);
        TRY(copy_row(rows, get, put));
      }
      if (row) break;  // reached the end
      broke = true;
    }
    if (broke || bad > 0)
      say(fmt::format("some events cannot be read ({} fail their checksum)", bad));
    return {};
  }

  Result<void> count_folders() {
    return to_.run(
        "UPDATE folders SET messages=(SELECT count(*) FROM letters WHERE folder=folders.id), "
        "octets=(SELECT coalesce(sum(octets),0) FROM letters WHERE folder=folders.id), "
        "uid_next=max(uid_next,(SELECT coalesce(max(uid),0)+1 FROM letters WHERE "
        "folder=folders.id))");
  }

  Result<void> state() {
    {
      const auto old =
          from_.prepare("SELECT highest_id, next_sequence, mark FROM state WHERE id=1");
      if (old) {
        Bound row(*old);
        if (auto found = row.step(); found && *found) {
          highest_ = std::max(highest_, row.count(0));
          sequence_ = std::max(sequence_, row.count(1));
          mark_ = row.count(2);
        }
      }
    }
    const auto update =
        TRY(to_.prepare("UPDATE state SET mark=1, highest_id=?, next_sequence=? WHERE id=1"));
    Bound row(update);
    return row.number(highest_).number(sequence_).done();
  }

  const Connection& from_;
  const Connection& to_;
  Instant now_;
  const JournalFinds& journal_;
  const DatabasePages& pages_;
  SalvageReport report_;
  std::uint64_t highest_ = 0, sequence_ = 1, mark_ = 0;
};

// The first page has the size in pages (SQLite file format §1.3.8).
Result<void> say_what_is_cut(Disk& disk, const std::string& database, SalvageReport& report) {
  auto file = TRY(disk.open(database, OpenMode::read));
  std::string head(100, '\0');
  TRY(file->read_at(0, head));
  std::uint64_t wanted = 0;
  for (std::size_t i = 28; i < 32; ++i) wanted = wanted << 8 | static_cast<std::uint8_t>(head[i]);
  const std::uint64_t there = TRY(file->size()) / page_octets;
  if (head.starts_with("SQLite format 3") && there < wanted)
    report.lines.push_back(
        fmt::format("{} lacks {} of its {} pages, at its end, with what was on them", database,
                    wanted - there, wanted));
  return {};
}

bool is_readable(const Result<Connection>& connection) {
  if (!connection) return false;
  const auto schema = has_schema(*connection);
  return schema && *schema;
}

// The damaged copy, with a first page of a fresh store when its own is gone. When even so nothing
// can be read (a break near the start of a log that held most of it), the fresh and empty store.
struct Patient {
  Connection connection;
  DatabasePages::FirstPage first_page = DatabasePages::FirstPage::as_found;
};
Result<Patient> open_patient(Disk& disk, const SqliteVfs& vfs, const std::string& copy,
                             const std::string& fresh, SalvageReport& report) {
  using enum DatabasePages::FirstPage;
  auto opened = Connection::open(copy, vfs.name(), Access::read);
  if (is_readable(opened)) return Patient{std::move(*opened), as_found};
  opened = Connection::open(fresh, vfs.name(), Access::read);  // closes the copy
  if (graft_first_page(disk, copy, fresh)) {
    auto grafted = Connection::open(copy, vfs.name(), Access::read);
    if (is_readable(grafted)) return Patient{std::move(*grafted), made_anew};
  }
  report.lines.push_back(
      "the database cannot be read at all: what is in the journal, or whole on a page, is saved");
  if (!opened) return std::unexpected(opened.error());
  return Patient{std::move(*opened), made_anew};
}

}  // namespace

Result<SalvageReport> salvage_store(const StoreOptions& options, const std::string& into,
                                    Disk& disk, Clock& clock) {
  const auto lock = TRY(disk.lock(options.path + "/lock"));
  TRY(disk.make_directory(into));
  const std::string target = into + "/" + database_name, copy = into + "/damaged-copy.db";
  const bool has_target = TRY(disk.exists(target));
  if (has_target) return fail(ErrorKind::conflict, fmt::format("{} holds a store", into));
  const std::string source = options.path + "/" + database_name;
  const bool has_source = TRY(disk.exists(source));
  SalvageReport report;
  if (has_source) TRY(say_what_is_cut(disk, source, report));
  if (has_source) TRY(copy_file(disk, source, copy));
  const bool has_wal = has_source && TRY(disk.exists(source + "-wal"));
  if (has_wal) TRY(copy_file(disk, source + "-wal", copy + "-wal"));
  JournalFinds journal = TRY(read_journal(disk, options.path + "/" + journal_name));
  std::uint64_t mark = 0;
  {
    SqliteVfs vfs(disk);
    {
      auto fresh = TRY(Connection::open(target, vfs.name(), Access::write));
      TRY(fresh.run("PRAGMA page_size = 8192"));
      TRY(create_schema(fresh));
    }
    Patient patient;
    if (has_source) {
      patient = TRY(open_patient(disk, vfs, copy, target, report));
    } else {
      patient.connection = TRY(Connection::open(target, vfs.name(), Access::read));
    }
    const Connection& from = patient.connection;
    const auto to = TRY(Connection::open(target, vfs.name(), Access::write));
    // Best effort: a log that is broken ends where it breaks.
    if (has_source) static_cast<void>(from.run("PRAGMA wal_checkpoint(TRUNCATE)"));
    const DatabasePages pages =
        has_source ? TRY(DatabasePages::read(disk, copy, patient.first_page)) : DatabasePages();
    if (!pages.list_is_whole())
      report.lines.push_back(
          "the list of free pages is damaged: mail that was settled may be sent again");
    Salvage salvage(from, to, clock.now(), journal, pages);
    auto found = TRY(salvage.run());
    found.lines.insert(found.lines.begin(), report.lines.begin(), report.lines.end());
    report = std::move(found);
    mark = salvage.mark();
  }
  const auto known = AcknowledgedFile::read(disk, options.path);
  const std::uint64_t told = known ? known->mark.value_or(0) : 0;
  if (mark > 0) say_what_the_journal_lacks(journal, mark, told, report);
  for (const char* suffix : {"", "-wal", "-journal"}) static_cast<void>(disk.remove(copy + suffix));
  auto acknowledged = TRY(AcknowledgedFile::open(disk, into, clock));
  TRY(acknowledged.put(1));
  TRY(acknowledged.sync());
  TRY(write_format(disk, into));
  std::erase_if(journal.records, [mark](const auto& record) { return record.mark() <= mark; });
  if (!journal.records.empty()) {
    auto store = TRY(open_sqlite_store({into, options.limits, options.log}, disk, clock));
    auto& engine = static_cast<SqliteStore&>(*store);
    report.whole += TRY(engine.take_in(std::move(journal.records)));
  }
  return report;
}

}  // namespace goniec
