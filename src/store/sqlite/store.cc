// The group of the SQLite engine: begin, commit, roll back, seal, reserve, sweep. See engine.h.
#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "store/sqlite/each.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

constexpr std::size_t names_in_run = 4096;  // 64 KiB a row

}  // namespace

void SqliteShared::alarm(std::string event, std::string text) {
  LogRecord record;
  record.at = clock.now();
  record.level = LogLevel::error;
  record.event = std::move(event);
  record.program = "store";
  record.text = std::move(text);
  log.write(std::move(record));
}

SqliteStore::SqliteStore(std::shared_ptr<SqliteShared> shared, StoreOptions options, Disk& disk)
    : shared_(std::move(shared)), options_(std::move(options)), disk_(disk) {}

SqliteStore::~SqliteStore() {
  {
    std::lock_guard lock(shared_->catching);
    shared_->catch_up = nullptr;
  }
  if (applier_.joinable()) {
    {
      std::lock_guard lock(pending_mutex_);
      stopping_ = true;
    }
    pending_changed_.notify_all();
    applier_.join();
  }
  if (journal_) {
    if (hold_.owns_lock()) roll_back();
    std::lock_guard lock(database_);
    // What fails here is in the journal, for the next start.
    static_cast<void>(apply_pending(Sync::yes));
  }
  sql_ = {};
  if (!shared_->vfs.broken()) static_cast<void>(acknowledged_.sync());
}

Result<void> SqliteStore::start(Connection connection, WriterStatements statements,
                                std::unique_ptr<DiskFile> lock, std::uint64_t acknowledged) {
  db_ = std::move(connection);
  sql_ = std::move(statements);
  lock_ = std::move(lock);
  const auto count_pages = [](void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteStore*>(self)->wal_pages_ = pages;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(db_.get(), count_pages, this);
  TRY(load_state());
  note_room();
  TRY(open_journal(acknowledged));
  acknowledged_ = TRY(AcknowledgedFile::open(disk_, options_.path, shared_->clock));
  if (mark_ > 0) TRY(acknowledged_.put(mark_));
  TRY(sweep_unspooled());
  shared_->catch_up = [this] { return catch_up(); };
  if (options_.apply == ApplyMode::own_thread) applier_ = std::thread([this] { apply_for_ever(); });
  return {};
}

Result<void> SqliteStore::load_state() {
  {
    Bound state(sql_.select_state);
    if (!TRY(state.step())) return fail(ErrorKind::damaged, "the store has no state row");
    now_ = {state.count(0), state.count(1), state.count(2)};
  }
  std::uint64_t since = 0;
  {
    Bound last(sql_.last_names);
    if (TRY(last.step())) since = last.count(0);
  }
  Bound newer(sql_.names_since);
  newer.number(since);
  while (TRY(newer.step())) names_.pairs.emplace_back(newer.count(0), newer.count(1));
  return {};
}

Error SqliteStore::sealed_error() const {
  return {ErrorKind::try_later,
          fmt::format("the store is sealed: {}; only a restart opens it again",
                      shared_->vfs.broken().value_or("a write failed"))};
}

void SqliteStore::note_seal() {
  if (!shared_->vfs.broken() || seal_noted_.exchange(true)) return;
  shared_->alarm("store.sealed", sealed_error().message);
}

Result<void> SqliteStore::check_open() {
  if (shared_->vfs.broken()) {
    note_seal();
    return std::unexpected(sealed_error());
  }
  if (hold_.owns_lock() && lost_) return std::unexpected(*lost_);
  return {};
}

// The group becomes cold, or is so already: the database has all that came before.
Result<void> SqliteStore::begin() {
  TRY(check_open());
  if (hold_.owns_lock()) return flush_records();
  hold_ = std::unique_lock(database_);
  Result<void> begun = apply_pending(wants_sync() ? Sync::yes : Sync::no);
  if (short_) begin_log_anew(Again::not_at_once);
  if (begun) begun = Bound(sql_.begin).done();
  if (!begun) {
    note_seal();
    hold_.unlock();
    return begun;
  }
  in_group_ = true;
  before_group_ = now_;
  names_before_group_ = names_.pairs.size();
  return flush_records();
}

void SqliteStore::lose(const Error& error) {
  lost_ = error;
  note_seal();
  if (lost_->kind == ErrorKind::try_later) short_ = true;
  if (lost_->kind == ErrorKind::conflict)
    lost_->kind = ErrorKind::damaged;  // a key that cannot be there
  if (lost_->kind == ErrorKind::damaged) shared_->alarm("store.damaged", error.message);
  if (lost_->kind == ErrorKind::io && !shared_->vfs.broken()) {
    shared_->vfs.seal(error.message);  // a read that fails leaves the writer in doubt too
    note_seal();
  }
}

// REQUIRES database_.
void SqliteStore::roll_back_database() {
  static_cast<void>(Bound(sql_.rollback).done());  // SQLite may have rolled back already
  in_group_ = false;
  now_ = before_group_;
  names_.pairs.resize(std::min(names_before_group_, names_.pairs.size()));
  behind_.clear();
  passed_.clear();
  position_ = {};
  lost_.reset();
}

void SqliteStore::roll_back() {
  if (hold_.owns_lock()) {
    roll_back_database();
    hold_.unlock();
  }
  journal_->drop();
  written_in_group_ = 0;
  shared_->leases->undo_group();
}

Result<std::uint64_t> SqliteStore::commit() {
  // What no file of the journal could hold is a transaction of the database.
  if (!hold_.owns_lock() && !journal_->fits()) static_cast<void>(begin());
  auto done = hold_.owns_lock() ? commit_cold() : commit_hot();
  if (!done) {
    note_seal();
    roll_back();
  }
  return done;
}

Result<std::uint64_t> SqliteStore::commit_cold() {
  TRY(check_open());
  TRY(flush_records());
  const std::uint64_t mark = mark_ + 1;
  TRY(commit_database(mark));
  applied_ = mark;
  applied_synced_ = mark;
  synced_generation_ = journal_generation_;
  finish_group(mark);
  if (auto checked = checkpoint_when_long(); !checked) note_seal();
  hold_.unlock();
  return mark;
}

// REQUIRES database_ and a group in it.
Result<void> SqliteStore::commit_database(std::uint64_t mark) {
  now_.mark = mark;
  TRY(Bound(sql_.update_state)
          .number(now_.mark)
          .number(now_.highest)
          .number(now_.next_sequence)
          .done());
  TRY(write_names(false));
  if (auto done = Bound(sql_.commit).done(); !done) {
    if (done.error().kind != ErrorKind::try_later) lose(done.error());
    return done;
  }
  in_group_ = false;
  note_room();
  return {};
}

// The group is durable: from here on it may be told.
void SqliteStore::finish_group(std::uint64_t mark) {
  shared_->leases->keep_group();
  written_in_group_ = 0;
  mark_ = mark;
  highest_committed_ = highest_;
  synced_.store(mark, std::memory_order_release);
  if (auto put = acknowledged_.put(mark); !put) {
    shared_->vfs.seal(
        fmt::format("the file acknowledged cannot be written: {}", put.error().message));
    note_seal();
  }
}

Result<void> SqliteStore::write_names(bool at_once) {
  if (names_.pairs.size() < names_in_run && !at_once) return {};
  const std::string run = names_.encode();
  Bound insert(sql_.insert_names);
  TRY(insert.number(now_.next_sequence - 1).blob(run).done());
  names_.pairs.clear();
  names_before_group_ = 0;
  return {};
}

StoreHealth SqliteStore::health() const {
  StoreHealth health;
  if (auto reason = shared_->vfs.broken()) {
    health.sealed = true;
    health.sealed_reason = std::move(*reason);
  }
  note_full(health);
  return health;
}

Result<void> SqliteStore::sweep_unspooled() {
  std::vector<MessageId> orphans;
  {
    Bound rows(sql_.select_unspooled);
    while (TRY(rows.step())) orphans.push_back(MessageId{rows.count(0)});
  }
  if (orphans.empty()) return {};
  for (auto& answer : discard_chunks(orphans)) {
    if (!answer) return answer;
  }
  TRY(commit());
  return {};
}

// What a row held is overwritten in its page, also where the new one is shorter.
Result<void> SqliteStore::replace_events(std::span<const Event> events) {
  TRY(begin());
  auto replaced = db_.run("PRAGMA secure_delete = ON");
  if (replaced) replaced = replace_rows(events);
  static_cast<void>(db_.run("PRAGMA secure_delete = OFF"));
  if (!replaced) lose(replaced.error());
  return replaced;
}

Result<void> SqliteStore::replace_rows(std::span<const Event> events) {
  std::string bytes;
  for (const Event& given : events) {
    Event event = given;
    {
      Bound row(sql_.select_event);
      row.number(event.sequence);
      if (!TRY(row.step())) continue;
      const auto before = decode_event(row.bytes(1), event.sequence, MessageId{row.count(0)});
      if (!before) continue;  // damaged: it is shown to nobody
      event.kind = before->kind;
      event.message = before->message;
    }
    encode_event(event, bytes);
    TRY(Bound(sql_.update_event).number(event.sequence).blob(bytes).done());
  }
  return {};
}

Result<std::size_t> SqliteStore::sweep(Instant now, Instant events_before, std::size_t limit) {
  TRY(begin());
  auto events = sweep_events(events_before, limit);
  if (!events) {
    lose(events.error());
    return events;
  }
  auto contents = sweep_retention(now, limit - std::min(limit, *events));
  if (!contents) {
    lose(contents.error());
    return contents;
  }
  return *events + *contents;
}

Result<std::size_t> SqliteStore::sweep_events(Instant before, std::size_t limit) {
  std::uint64_t last = 0;
  std::size_t went = 0;
  {
    Bound events(sql_.events_from);
    while (went < limit && TRY(events.step())) {
      const auto event = decode_event(events.bytes(2), events.count(0), MessageId{events.count(1)});
      if (event && event->at >= before) break;  // a damaged one goes with its neighbours
      last = events.count(0);
      ++went;
    }
  }
  if (went == 0) return went;
  Bound events(sql_.delete_events);
  TRY(events.number(last).done());
  Bound names(sql_.delete_names);
  TRY(names.number(last).done());
  return went;
}

Result<std::size_t> SqliteStore::sweep_retention(Instant now, std::size_t limit) {
  std::vector<std::pair<std::int64_t, MessageId>> over;
  {
    Bound rows(sql_.due_retention);
    rows.number(to_microseconds(now)).number(static_cast<std::uint64_t>(limit));
    while (TRY(rows.step())) over.emplace_back(rows.integer(0), MessageId{rows.count(1)});
  }
  for (const auto& [until, message] : over) {
    {
      Bound row(sql_.delete_retention);
      TRY(row.number(until).number(message.value).done());
    }
    TRY(drop_content_without_holder(message, Instant{}, now));
  }
  return over.size();
}

std::vector<Result<void>> SqliteStore::put_objects(std::span<const ObjectPut> batch) {
  return each<void>(batch, Group::cold, Room::not_needed,
                    [this](const ObjectPut& put) { return put_one(put); });
}

std::vector<Result<bool>> SqliteStore::remove_objects(std::span<const ObjectKey> batch) {
  return each<bool>(batch, Group::cold, Room::not_needed,
                    [this](const ObjectKey& key) { return remove_one(key); });
}

std::vector<Result<void>> SqliteStore::record(std::span<const FactsRequest> batch) {
  return each<void>(batch, Group::any, Room::not_needed,
                    [this](const FactsRequest& request) { return record_one(request); });
}

// Only what must be new has to be looked up: the rest is hot.
Result<void> SqliteStore::record_one(const FactsRequest& request) {
  TRY(check_new_objects(request.puts));
  encode_facts(request.puts, request.removes, request.events, record_, scratch_);
  journal_->add(facts_record, record_);
  return {};
}

Result<void> SqliteStore::check_new_objects(std::span<const ObjectPut> puts) {
  for (const ObjectPut& put : puts) {
    if (!put.must_be_new) continue;
    TRY(begin());  // with what the group has so far
    Bound row(sql_.has_object);
    if (TRY(row.text(put.key.kind).text(put.key.key).step()))
      return fail(ErrorKind::conflict, fmt::format("{} {} exists", put.key.kind, put.key.key));
  }
  return {};
}

Result<void> SqliteStore::put_one(const ObjectPut& put) {
  Bound statement(put.must_be_new ? sql_.insert_object : sql_.put_object);
  auto done = statement.text(put.key.kind).text(put.key.key).text(put.value).done();
  if (!done && done.error().kind == ErrorKind::conflict) {
    return fail(ErrorKind::conflict, fmt::format("{} {} exists", put.key.kind, put.key.key));
  }
  if (!done) lose(done.error());
  return done;
}

Result<bool> SqliteStore::remove_one(const ObjectKey& key) {
  Bound statement(sql_.delete_object);
  if (auto done = statement.text(key.kind).text(key.key).done(); !done) {
    lose(done.error());
    return std::unexpected(done.error());
  }
  return sqlite3_changes(db_.get()) > 0;
}

std::string NameRun::encode() {
  std::ranges::sort(pairs);
  std::string run(pairs.size() * 16, '\0');
  std::memcpy(run.data(), pairs.data(), run.size());
  return run;
}

std::vector<MessageId> NameRun::find(std::string_view run, std::uint64_t hash) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs(run.size() / 16);
  std::memcpy(static_cast<void*>(pairs.data()), run.data(), pairs.size() * 16);
  std::vector<MessageId> ids;
  auto at = std::ranges::lower_bound(pairs, std::pair{hash, std::uint64_t{0}});
  for (; at != pairs.end() && at->first == hash; ++at) ids.push_back(MessageId{at->second});
  return ids;
}

}  // namespace goniec
