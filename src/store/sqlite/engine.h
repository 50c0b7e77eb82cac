// The SQLite engine, private to sqlite/: the writer and what its readers share with it. The tables
// are in schema.h, the meaning of the verbs in store/rules.h, the states in docs/INTERNALS.md.
//
// A group is HOT as long as it has only spools of new ids, and settles that append to no mailbox:
// their records gather in the journal, commit() writes and syncs it, and the database hears of the
// group later (journaled.cc, apply.cc), on this thread, the apply thread or a reader's. Any other
// verb makes the group COLD: all that is pending goes into the database, the group's own records
// too, and from there on the group is a transaction of it. An item first reads and checks, then
// writes; when SQLite itself fails while an item is at work, the whole group is given up (`lost_`):
// the later items and commit() say so, and commit() rolls back, the tables in memory too. Whether
// the store is sealed after that is the Vfs's word: a write or sync failed.
//
// LOCKS, in this order: SqliteShared::catching, database_, pending_mutex_. The commit thread holds
// database_ from the first cold verb of a group to its end.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "store/journal.h"
#include "store/lease_table.h"
#include "store/record.h"
#include "store/rules.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/vfs.h"
#include "store/store.h"

namespace goniec {

constexpr const char* database_name = "goniec.db";
constexpr const char* journal_name = "journal";

// What the writer and the readers share.
struct SqliteShared {
  SqliteShared(Disk& disk, Clock& the_clock, LogSink& the_log)
      : vfs(disk), clock(the_clock), log(the_log) {}
  SqliteVfs vfs;
  Clock& clock;
  LogSink& log;
  std::string database;  // path
  std::unique_ptr<LeaseTable> leases;
  // Brings what is committed into the database; a reader asks before it looks. Set by the store,
  // which may be gone before its last reader.
  std::mutex catching;
  std::function<Result<void>()> catch_up;
  void alarm(std::string event, std::string text);
};

std::unique_ptr<Reader> make_sqlite_reader(std::shared_ptr<SqliteShared> shared,
                                           Connection connection);
Result<std::unique_ptr<Reader>> open_sqlite_reader(std::shared_ptr<SqliteShared> shared);

Result<void> write_format(Disk& disk, const std::string& directory);
Error missing_groups(const std::string& path, std::uint64_t found, std::uint64_t acknowledged);

// The file `acknowledged`: the highest mark that may have been told to anybody.
class AcknowledgedFile {
 public:
  // nullopt: there is none, or it cannot be read (then `damaged` is set).
  struct Found {
    std::optional<std::uint64_t> mark;
    bool damaged = false;
  };
  static Result<Found> read(Disk& disk, const std::string& path);
  static Result<AcknowledgedFile> open(Disk& disk, const std::string& path, Clock& clock);
  // Written at each call, synced once a second; an error means the store is to be sealed.
  Result<void> put(std::uint64_t mark);
  Result<void> sync();

 private:
  std::unique_ptr<DiskFile> file_;
  Clock* clock_ = nullptr;
  Moment synced_at_{};
};

struct NameRun {  // sorted (hash, message) pairs of 16 octets each
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs;
  std::string encode();  // sorts
  static std::vector<MessageId> find(std::string_view run, std::uint64_t hash);
};

// Whether an id can be in the store already, told from memory: false positives cost a probe of the
// database. Everything at or below the floor may be there.
class RecentIds {
 public:
  explicit RecentIds(std::uint64_t floor = 0) : floor_(floor) {}
  bool is_new(MessageId id) const { return id.value > floor_ && !ids_.contains(id.value); }
  void add(MessageId id);

 private:
  std::uint64_t floor_;
  std::unordered_set<std::uint64_t> ids_;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::shared_ptr<SqliteShared> shared, StoreOptions options, Disk& disk);
  ~SqliteStore() override;
  // Opens the database's state and the journal, and checks that both together hold the
  // acknowledged mark, before anything is changed; then brings the journal into the database.
  Result<void> start(Connection connection, WriterStatements statements,
                     std::unique_ptr<DiskFile> lock, std::uint64_t acknowledged);
  // Salvage: records one by one, each in a transaction of its own. How many messages that added.
  Result<std::uint64_t> take_in(std::vector<JournalGroup> records);

  std::vector<Result<void>> write_chunks(std::span<const ChunkWrite> batch) override;
  std::vector<Result<void>> discard_chunks(std::span<const MessageId> batch) override;
  std::vector<Result<SpoolResult>> spool(std::span<const SpoolRequest> batch) override;
  std::vector<Result<SettleResult>> settle(std::span<const SettleRequest> batch) override;
  std::vector<Result<Entry>> change(std::span<const QueueChange> batch) override;
  Result<LeaseResult> lease(const LeaseRequest& request) override;
  void give_back(std::span<const Lease> leases) override;
  std::optional<Instant> next_due() override;
  std::vector<Result<void>> remove_from_mailbox(std::span<const MailboxRemove> batch) override;
  std::vector<Result<void>> put_objects(std::span<const ObjectPut> batch) override;
  std::vector<Result<bool>> remove_objects(std::span<const ObjectKey> batch) override;
  std::vector<Result<void>> record(std::span<const FactsRequest> batch) override;
  Result<void> replace_events(std::span<const Event> events) override;
  Result<std::size_t> sweep(Instant now, Instant events_before, std::size_t limit) override;
  Result<std::uint64_t> commit() override;
  std::uint64_t synced() const override { return synced_.load(std::memory_order_acquire); }
  StoreHealth health() const override;
  Result<std::unique_ptr<Reader>> reader() override { return open_sqlite_reader(shared_); }
  MessageId highest_id() const override { return MessageId{highest_committed_.load()}; }
  Result<void> backup(const std::string& directory) override;

 private:
  struct Counters {  // of the database
    std::uint64_t mark = 0, highest = 0, next_sequence = 1;
  };
  struct DatabaseRoom {                        // in octets
    std::uint64_t free_pages = 0;              // in the tables, for new rows
    std::uint64_t pages = 0, file = 0;         // with what is in the log; on the disk
    std::uint64_t log_used = 0, log_file = 0;  // since the log began anew; on the disk
  };
  // A place in the due index (`due` in seconds), or of behind_ (in microseconds).
  struct DueKey {
    std::int64_t due = INT64_MIN;
    std::uint64_t lane = 0;
    EntryId id;
    auto operator<=>(const DueKey&) const = default;
  };
  struct Picks;
  enum class Room { needed, not_needed };
  enum class Group { any, cold };
  enum class Sync { no, yes };
  class Hold;

  template <class Answer, class Request, class Verb>
  std::vector<Result<Answer>> each(std::span<const Request> batch, Group group, Room room,
                                   Verb verb);
  // store.cc: the group
  Result<void> check_open();
  Result<void> begin();
  void lose(const Error& error);
  Error sealed_error() const;
  void note_seal();
  Result<std::uint64_t> commit_cold();
  Result<void> commit_database(std::uint64_t mark);
  void roll_back();
  void roll_back_database();
  void finish_group(std::uint64_t mark);
  Result<void> write_names(bool at_once);
  Result<void> load_state();
  Result<void> sweep_unspooled();
  Result<void> replace_rows(std::span<const Event> events);
  Result<std::size_t> sweep_events(Instant before, std::size_t limit);
  Result<std::size_t> sweep_retention(Instant now, std::size_t limit);
  Result<void> put_one(const ObjectPut& put);
  Result<bool> remove_one(const ObjectKey& key);
  Result<void> record_one(const FactsRequest& request);
  Result<void> check_new_objects(std::span<const ObjectPut> puts);
  // room.cc: space, and the log of the database
  Result<void> check_room(std::uint64_t octets);
  Result<void> measure_room();
  bool has_room(std::uint64_t more) const;
  void make_room();
  void note_full(StoreHealth& health) const;
  void note_room();  // REQUIRES database_
  enum class Again { at_once, not_at_once };
  void begin_log_anew(Again again);  // REQUIRES database_, no transaction
  Result<void> checkpoint_when_long();
  // journaled.cc: what is durable and not in the database yet
  Result<void> open_journal(std::uint64_t acknowledged);
  Result<std::uint64_t> commit_hot();
  Result<JournalGroup> write_journal(std::uint64_t mark);
  Result<void> flush_records();
  Result<void> catch_up();
  Result<void> apply_pending(Sync sync);  // REQUIRES database_, no group in the database
  Result<void> apply_taken(const std::vector<JournalGroup>& groups, Sync sync);
  bool wants_sync() const { return journal_generation_ != synced_generation_; }
  void apply_for_ever();
  // apply.cc: records into rows
  Result<void> apply_records(const std::vector<JournalGroup>& groups);
  Result<void> apply_spool(const SpoolRecord& record);
  Result<void> apply_settle(const SettleRecord& record);
  Result<void> apply_facts(const FactsRecord& record);
  Result<void> insert_event_rows(const std::vector<EventRow>& events);
  Result<void> insert_entry_row(MessageId message, const EntryRow& entry);
  // verbs.cc: an item each
  Result<void> write_chunk(const ChunkWrite& chunk);
  Result<void> discard(MessageId message);
  Result<std::uint32_t> chunks_before(const SpoolRequest& request);
  Result<std::uint32_t> check_new(const SpoolRequest& request);
  Result<SpoolResult> spool_one(const SpoolRequest& request);
  SpoolResult write_spool(const SpoolRequest& request, std::uint32_t before);
  Result<void> insert_events(std::span<const Event> events);
  Result<void> check_notices(std::span<const SpoolRequest> notices);
  Result<SettleResult> settle_one(const SettleRequest& request);
  Result<void> append_letters(const StoredEntry& entry, const SettleRequest& request,
                              SettleResult& result);
  Result<Entry> change_one(const QueueChange& change);
  Result<void> write_entry(const StoredEntry& entry);
  Result<void> delete_entry(const EntryId& id);
  Result<bool> exists(const Statement& statement, MessageId message);
  Result<void> drop_content_without_holder(MessageId message, Instant keep_until, Instant now);
  Result<void> drop_content_of_settled(MessageId message, Instant keep_until, Instant now,
                                       bool chunked);
  Result<std::uint64_t> append_letter(const StoredEntry& entry, const MailboxAppend& append);
  Result<void> remove_letters(const MailboxRemove& request);
  // window.cc: what is due
  void note_due(const DueKey& key);
  void pass_over(std::uint64_t lane, DueKey from);
  Result<void> choose_due(Picks& picks);
  void choose_behind(Picks& picks);
  Result<void> choose_passed(Picks& picks, std::size_t most);
  Result<bool> choose_of_lane(Picks& picks, std::uint64_t lane, DueKey& from, std::size_t most);
  Result<void> choose_on_disk(Picks& picks);
  Result<void> check_not_orphaned(const EntryId& id);
  std::unexpected<Error> said(const Error& error);  // with an alarm when it is damage
  Result<std::optional<LeasedEntry>> lease_one(const EntryId& id, Instant now);

  std::shared_ptr<SqliteShared> shared_;
  StoreOptions options_;
  Disk& disk_;

  // --- commit thread
  std::unique_ptr<GroupJournal> journal_;  // with the records of the group that is being built
  std::uint64_t mark_ = 0;                 // of the last durable group
  std::uint64_t highest_ = 0;              // id
  RecentIds recent_;
  std::string record_, scratch_;  // memory of encoders
  AcknowledgedFile acknowledged_;
  std::unique_ptr<DiskFile> lock_;
  std::unique_lock<std::mutex> hold_;  // of database_, while the group is cold

  // --- pending_mutex_: durable in the journal, not in the database yet; in order
  std::mutex pending_mutex_;
  std::condition_variable pending_changed_;
  std::vector<JournalGroup> pending_;
  std::size_t pending_octets_ = 0;  // with what is being applied just now
  Moment pending_since_{};
  bool stopping_ = false;
  std::thread applier_;
  std::atomic<std::uint64_t> applied_{0};         // the database has it
  std::atomic<std::uint64_t> applied_synced_{0};  // and would after a power cut
  std::atomic<std::uint64_t> journal_generation_{0};

  // --- database_
  std::mutex database_;
  Connection db_;
  WriterStatements sql_;
  bool in_group_ = false;
  std::optional<Error> lost_;
  Counters now_, before_group_;
  NameRun names_;  // of events that no run holds yet
  std::size_t names_before_group_ = 0;
  int wal_pages_ = -1;  // in the log; -1: not known before the first commit
  Moment log_begun_anew_{};
  std::size_t checkpointed_octets_ = 0;     // of the WAL, at the last checkpoint
  std::uint64_t synced_generation_ = 0;     // of the journal, when the database was synced last
  std::string row_;                         // memory of encoders
  std::set<DueKey> behind_;                 // due keys below position_ that may be free
  std::map<std::uint64_t, DueKey> passed_;  // by lane: from where to position_ it was not looked at
  std::uint64_t passed_turn_ = 0;           // the lane whose turn it is
  DueKey position_;                         // everything from here on is found on disk

  std::atomic<std::uint64_t> synced_{0}, highest_committed_{0};
  std::atomic<bool> full_{false};
  std::atomic<bool> short_{false};  // room is nearly gone: the log is kept short
  std::uint64_t written_in_group_ = 0, written_since_check_ = 0, pending_at_check_ = 0;
  bool room_known_ = false;
  mutable std::mutex health_mutex_;
  Moment room_checked_{};
  DiskSpace space_;
  DatabaseRoom room_;
  std::atomic<bool> seal_noted_{false};
};

// The database for the time of a scope, unless the group holds it already.
class SqliteStore::Hold {
 public:
  explicit Hold(SqliteStore& store) {
    if (!store.hold_.owns_lock()) lock_ = std::unique_lock(store.database_);
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace goniec
