// The Reader of the SQLite engine: a connection of its own, read only, that sees committed groups.
// Each call is one statement or one read transaction. What is damaged is an error for that call,
// and an alarm.
#include <array>
#include <set>

#include "base/digest.h"
#include "base/text.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

enum class Query {
  list,
  stats,
  content,
  chunk,
  events_of,
  events_after,
  last_event,
  name_runs,
  names_since,
  mailbox,
  usage,
  octets,
  object,
  objects,
  objects_after,
  count
};

constexpr std::array<const char*, static_cast<std::size_t>(Query::count)> queries = {
    "SELECT e.message, e.number, e.row, m.envelope FROM entries e CROSS JOIN messages m "
    "ON m.id = e.message WHERE (e.message, e.number) >= (?1, ?2) AND e.message <= ?3 "
    "ORDER BY e.message, e.number",
    "SELECT message, number, row FROM entries ORDER BY message, number",
    "SELECT envelope, prepend, header, body FROM messages WHERE id=?",
    "SELECT crc, octets FROM chunks WHERE message=? AND number=?",
    "SELECT sequence, message, row FROM events WHERE message=? ORDER BY sequence",
    "SELECT sequence, message, row FROM events WHERE sequence>? ORDER BY sequence LIMIT ?",
    "SELECT max(sequence) FROM events",
    "SELECT last_sequence, run FROM names ORDER BY last_sequence DESC",
    "SELECT message FROM events WHERE sequence>? AND name=?",
    "SELECT l.uid, l.content, l.octets, l.at, l.flags, l.prepend FROM folders f CROSS JOIN letters "
    "l "
    "ON l.folder = f.id WHERE f.account=? AND f.folder=? ORDER BY l.uid",
    "SELECT messages, octets, uid_validity, uid_next FROM folders WHERE account=? AND folder=?",
    "SELECT sum(octets) FROM folders WHERE account=?",
    "SELECT value FROM objects WHERE kind=? AND key=?",
    "SELECT key, value FROM objects WHERE kind=? ORDER BY key",
    "SELECT key, value FROM objects WHERE kind=? AND key>? ORDER BY key LIMIT ?",
};

class SqliteReader final : public Reader {
 public:
  SqliteReader(std::shared_ptr<SqliteShared> shared, Connection connection)
      : shared_(std::move(shared)), db_(std::move(connection)) {}

  Result<std::vector<QueueItem>> list(const QueueFilter& filter) override {
    TRY(catch_up());
    return watched(list_all(filter));
  }
  Result<QueueStats> stats() override {
    TRY(catch_up());
    return watched(count());
  }
  // Content never changes: only what is not there may still be on its way.
  Result<Content> content(MessageId message) override {
    auto content = read_content(message);
    if (!content && content.error().kind == ErrorKind::not_found && catch_up())
      content = read_content(message);
    return watched(named(std::move(content), message));
  }
  Result<std::string> chunk(MessageId message, std::uint32_t number) override {
    auto chunk = read_chunk(message, number);
    if (!chunk && chunk.error().kind == ErrorKind::not_found && catch_up())
      chunk = read_chunk(message, number);
    return watched(named(std::move(chunk), message));
  }
  Result<std::vector<Event>> events_of(MessageId message) override {
    TRY(catch_up());
    Bound rows(*TRY(statement(Query::events_of)));
    rows.number(message.value);
    return watched(read_events(rows));
  }
  Result<std::vector<Event>> events_after(std::uint64_t sequence, std::size_t limit) override {
    TRY(catch_up());
    Bound rows(*TRY(statement(Query::events_after)));
    rows.number(sequence).number(static_cast<std::uint64_t>(limit));
    return watched(read_events(rows));
  }
  Result<AppliedEvents> applied_events_after(std::uint64_t sequence, std::size_t limit) override {
    AppliedEvents tail;
    {
      Bound last(*TRY(statement(Query::last_event)));
      if (TRY(watched(last.step()))) tail.last = last.count(0);
    }
    if (tail.last <= sequence) return tail;
    Bound rows(*TRY(statement(Query::events_after)));
    rows.number(sequence).number(static_cast<std::uint64_t>(limit));
    tail.events = TRY(watched(read_events(rows)));
    if (!tail.events.empty()) tail.last = std::max(tail.last, tail.events.back().sequence);
    return tail;
  }
  Result<std::vector<MessageId>> find_by_message_id(std::string_view message_id) override {
    TRY(catch_up());
    return watched(find(name_hash(message_id)));
  }
  Result<std::vector<MailboxMessage>> mailbox(const Address& mailbox,
                                              std::string_view folder) override {
    return watched(read_mailbox(mailbox.text(), folder));
  }
  Result<MailboxUsage> mailbox_usage(const Address& mailbox, std::string_view folder) override {
    return watched(read_usage(mailbox.text(), folder));
  }
  Result<std::uint64_t> mailbox_octets(const Address& mailbox) override {
    const std::string account = mailbox.text();
    Bound row(*TRY(statement(Query::octets)));
    row.text(account);
    TRY(watched(row.step()));
    return row.count(0);
  }
  Result<std::optional<std::string>> object(const ObjectKey& key) override {
    TRY(catch_up());
    Bound row(*TRY(statement(Query::object)));
    row.text(key.kind).text(key.key);
    if (!TRY(watched(row.step()))) return std::optional<std::string>{};
    return std::optional<std::string>(row.bytes(0));
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects(std::string_view kind) override {
    TRY(catch_up());
    std::vector<std::pair<std::string, std::string>> objects;
    Bound rows(*TRY(statement(Query::objects)));
    rows.text(kind);
    while (TRY(watched(rows.step()))) objects.emplace_back(rows.bytes(0), rows.bytes(1));
    return objects;
  }
  Result<std::vector<std::pair<std::string, std::string>>> objects_after(
      const ObjectKey& after, std::size_t limit) override {
    TRY(catch_up());
    std::vector<std::pair<std::string, std::string>> objects;
    Bound rows(*TRY(statement(Query::objects_after)));
    rows.text(after.kind).text(after.key).number(static_cast<std::uint64_t>(limit));
    while (TRY(watched(rows.step()))) objects.emplace_back(rows.bytes(0), rows.bytes(1));
    return objects;
  }

 private:
  // Into the database with what is committed; mailboxes and objects are there at once.
  Result<void> catch_up() {
    std::lock_guard lock(shared_->catching);
    return shared_->catch_up ? shared_->catch_up() : Result<void>{};
  }

  // A broken page does not say whose it was.
  template <class Value>
  static Result<Value> named(Result<Value> result, MessageId message) {
    const bool is_nameless =
        !result && result.error().message.find(message.text()) == std::string::npos;
    if (is_nameless)
      result.error().message =
          fmt::format("message {}: {}", message.text(), result.error().message);
    return result;
  }

  template <class Value>
  Result<Value> watched(Result<Value> result) {
    if (!result && result.error().kind == ErrorKind::damaged) {
      shared_->alarm("store.damaged", result.error().message);
    }
    return result;
  }

  Result<const Statement*> statement(Query query) {
    auto& prepared = statements_[static_cast<std::size_t>(query)];
    if (!prepared.get()) prepared = TRY(db_.prepare(queries[static_cast<std::size_t>(query)]));
    return &prepared;
  }

  Result<void> list_range(const QueueFilter& filter, EntryId from, MessageId to,
                          std::vector<QueueItem>& items) {
    Bound rows(*TRY(statement(Query::list)));
    rows.number(from.message.value).number(from.number).number(to.value);
    while (items.size() < filter.limit && TRY(rows.step())) {
      const EntryId id{MessageId{rows.count(0)}, static_cast<std::uint32_t>(rows.integer(1))};
      auto entry = TRY(decode_entry(rows.bytes(2), id));
      auto stored = TRY(decode_message(rows.bytes(3), id.message));
      QueueItem item{std::move(stored.message), std::move(entry.entry), stored.octets};
      if (shared_->leases->is_leased(id)) item.entry.state = EntryState::leased;
      if (matches(filter, item.message, item.entry)) items.push_back(std::move(item));
    }
    return {};
  }

  Result<std::vector<QueueItem>> list_all(const QueueFilter& filter) {
    std::vector<QueueItem> items;
    EntryId from{};
    if (filter.after) from = {filter.after->message, filter.after->number + 1};
    if (filter.ids.empty()) {
      TRY(list_range(filter, from, MessageId{INT64_MAX}, items));
    }
    for (const MessageId id : std::set<MessageId>(filter.ids.begin(), filter.ids.end())) {
      TRY(list_range(filter, std::max(from, EntryId{id, 0}), id, items));
    }
    return items;
  }

  Result<QueueStats> count() {
    StatsCounter counter;
    Bound rows(*TRY(statement(Query::stats)));
    while (TRY(rows.step())) {
      const EntryId id{MessageId{rows.count(0)}, static_cast<std::uint32_t>(rows.integer(1))};
      counter.add(id, TRY(summarize_entry(rows.bytes(2))), shared_->leases->is_leased(id));
    }
    return std::move(counter).take();
  }

  Result<Content> read_content(MessageId message) {
    Bound row(*TRY(statement(Query::content)));
    if (!TRY(row.number(message.value).step())) return std::unexpected(unknown_message(message));
    auto stored = TRY(decode_message(row.bytes(0), message));
    const auto body = row.bytes(3);
    Content content = stored.message.content;
    content.prepend = row.bytes(1);
    content.header = row.bytes(2);
    const auto crc = crc32c(body, crc32c(content.header, crc32c(content.prepend)));
    if (crc != stored.row_crc || body.size() != stored.inline_octets) {
      return fail(ErrorKind::damaged,
                  fmt::format("the content of message {} fails its checksum", message.text()));
    }
    return content;
  }

  Result<std::string> read_chunk(MessageId message, std::uint32_t number) {
    {
      Bound row(*TRY(statement(Query::chunk)));
      if (TRY(row.number(message.value).number(number).step())) {
        std::string octets(row.bytes(1));
        if (crc32c(octets) == static_cast<std::uint32_t>(row.integer(0))) return octets;
        return fail(ErrorKind::damaged, fmt::format("chunk {} of message {} fails its checksum",
                                                    number, message.text()));
      }
    }
    Bound row(*TRY(statement(Query::content)));
    if (!TRY(row.number(message.value).step())) return std::unexpected(unknown_message(message));
    const auto stored = TRY(decode_message(row.bytes(0), message));
    if (number >= stored.message.content.body_chunks) {
      return fail(ErrorKind::not_found,
                  fmt::format("message {} has no chunk {}", message.text(), number));
    }
    const bool in_row = stored.message.content.body_chunks == 1;
    const auto crc = crc32c(row.bytes(3), crc32c(row.bytes(2), crc32c(row.bytes(1))));
    if (!in_row || crc != stored.row_crc || row.bytes(3).size() != stored.inline_octets) {
      return fail(ErrorKind::damaged, fmt::format("chunk {} of message {} is missing or damaged",
                                                  number, message.text()));
    }
    return std::string(row.bytes(3));
  }

  Result<std::vector<Event>> read_events(Bound& rows) {
    std::vector<Event> events;
    while (TRY(rows.step())) {
      events.push_back(TRY(decode_event(rows.bytes(2), rows.count(0), MessageId{rows.count(1)})));
    }
    return events;
  }

  Result<std::vector<MessageId>> find(std::uint64_t hash) {
    std::set<MessageId, std::greater<>> ids;
    std::uint64_t newest_run = 0;
    {
      Bound runs(*TRY(statement(Query::name_runs)));
      while (TRY(runs.step())) {
        newest_run = std::max(newest_run, runs.count(0));
        for (const auto id : NameRun::find(runs.bytes(1), hash)) ids.insert(id);
      }
    }
    Bound tail(*TRY(statement(Query::names_since)));
    tail.number(newest_run).number(hash);
    while (TRY(tail.step())) ids.insert(MessageId{tail.count(0)});
    std::vector<MessageId> newest(ids.begin(), ids.end());
    if (newest.size() > 100) newest.resize(100);
    return newest;
  }

  Result<std::vector<MailboxMessage>> read_mailbox(std::string account, std::string_view folder) {
    std::vector<MailboxMessage> messages;
    Bound rows(*TRY(statement(Query::mailbox)));
    rows.text(account).text(folder);
    while (TRY(rows.step())) {
      MailboxMessage message;
      message.uid = rows.count(0);
      message.content = MessageId{rows.count(1)};
      message.octets = rows.count(2);
      message.at = from_microseconds(rows.integer(3));
      message.flags = static_cast<std::uint32_t>(rows.integer(4));
      message.prepend = rows.bytes(5);
      messages.push_back(std::move(message));
    }
    return messages;
  }

  Result<MailboxUsage> read_usage(std::string account, std::string_view folder) {
    Bound row(*TRY(statement(Query::usage)));
    if (!TRY(row.text(account).text(folder).step())) return MailboxUsage{};
    return MailboxUsage{row.count(0), row.count(1), row.count(2), row.count(3)};
  }

  std::shared_ptr<SqliteShared> shared_;
  Connection db_;
  std::array<Statement, static_cast<std::size_t>(Query::count)> statements_;
};

}  // namespace

std::unique_ptr<Reader> make_sqlite_reader(std::shared_ptr<SqliteShared> shared,
                                           Connection connection) {
  return std::make_unique<SqliteReader>(std::move(shared), std::move(connection));
}

Result<std::unique_ptr<Reader>> open_sqlite_reader(std::shared_ptr<SqliteShared> shared) {
  auto connection = TRY(Connection::open(shared->database, shared->vfs.name(), Access::read));
  TRY(configure(connection, Access::read));
  return make_sqlite_reader(std::move(shared), std::move(connection));
}

}  // namespace goniec
