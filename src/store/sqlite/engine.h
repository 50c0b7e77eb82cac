// The SQLite engine, private to sqlite/: the writer and what its readers share with it. The tables
// are in schema.h, the meaning of the verbs in store/rules.h, the states in docs/INTERNALS.md.
//
// A group is a transaction. An item first reads and checks, then writes; when SQLite itself fails
// while an item is at work, the whole group is given up (`lost_`): the later items and commit() say
// so, and commit() rolls back, the tables in memory too. Whether the store is sealed after that is
// the Vfs's word: a write or sync failed.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/lease_table.h"
#include "store/rules.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/vfs.h"
#include "store/store.h"

namespace goniec {

constexpr const char* database_name = "goniec.db";

// What the writer and the readers share.
struct SqliteShared {
  SqliteShared(Disk& disk, Clock& the_clock, LogSink& the_log)
      : vfs(disk), clock(the_clock), log(the_log) {}
  SqliteVfs vfs;
  Clock& clock;
  LogSink& log;
  std::string database;  // path
  std::unique_ptr<LeaseTable> leases;
  void alarm(std::string event, std::string text);
};

std::unique_ptr<Reader> make_sqlite_reader(std::shared_ptr<SqliteShared> shared,
                                           Connection connection);
Result<std::unique_ptr<Reader>> open_sqlite_reader(std::shared_ptr<SqliteShared> shared);

Result<void> write_format(Disk& disk, const std::string& directory);

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

class SqliteStore final : public Store {
 public:
  SqliteStore(std::shared_ptr<SqliteShared> shared, StoreOptions options, Disk& disk);
  ~SqliteStore() override;
  Result<void> start(Connection connection, WriterStatements statements,
                     AcknowledgedFile acknowledged, std::unique_ptr<DiskFile> lock);

  std::vector<Result<void>> write_chunks(std::span<const ChunkWrite> batch) override;
  std::vector<Result<void>> discard_chunks(std::span<const MessageId> batch) override;
  std::vector<Result<SpoolResult>> spool(std::span<const SpoolRequest> batch) override;
  std::vector<Result<SettleResult>> settle(std::span<const SettleRequest> batch) override;
  std::vector<Result<Entry>> change(std::span<const QueueChange> batch) override;
  Result<std::vector<LeasedEntry>> lease(const LeaseRequest& request) override;
  void give_back(std::span<const Lease> leases) override;
  std::optional<Instant> next_due() override;
  std::vector<Result<void>> remove_from_mailbox(std::span<const MailboxRemove> batch) override;
  std::vector<Result<void>> put_objects(std::span<const ObjectPut> batch) override;
  std::vector<Result<bool>> remove_objects(std::span<const ObjectKey> batch) override;
  Result<std::size_t> sweep(Instant now, Instant events_before, std::size_t limit) override;
  Result<std::uint64_t> commit() override;
  std::uint64_t synced() const override { return synced_.load(std::memory_order_acquire); }
  StoreHealth health() const override;
  Result<std::unique_ptr<Reader>> reader() override { return open_sqlite_reader(shared_); }
  MessageId highest_id() const override { return MessageId{highest_committed_.load()}; }
  Result<void> backup(const std::string& directory) override;

 private:
  struct Counters {
    std::uint64_t mark = 0, highest = 0, next_sequence = 1;
  };
  struct DueKey {
    std::int64_t due = INT64_MIN;
    EntryId id;
    auto operator<=>(const DueKey&) const = default;
  };
  enum class Room { needed, not_needed };

  template <class Answer, class Request, class Verb>
  std::vector<Result<Answer>> each(std::span<const Request> batch, Room room, Verb verb);
  // store.cc: the group
  Result<void> begin();
  Result<void> check_room(std::uint64_t octets);
  void lose(const Error& error);
  Error sealed_error() const;
  void note_seal();
  Result<std::uint64_t> commit_group();
  void roll_back();
  Result<void> checkpoint_when_long();
  Result<void> write_names(bool at_once);
  Result<void> load_state();
  Result<void> sweep_unspooled();
  Result<std::size_t> sweep_events(Instant before, std::size_t limit);
  Result<std::size_t> sweep_retention(Instant now, std::size_t limit);
  Result<void> put_one(const ObjectPut& put);
  Result<bool> remove_one(const ObjectKey& key);
  // verbs.cc: an item each
  Result<void> write_chunk(const ChunkWrite& chunk);
  Result<void> discard(MessageId message);
  Result<std::uint32_t> chunks_before(const SpoolRequest& request);
  Result<SpoolResult> spool_one(const SpoolRequest& request);
  Result<void> insert_content(const SpoolRequest& request, const StoredMessage& stored,
                              std::uint32_t before);
  Result<SpoolResult> insert_entries(const SpoolRequest& request, const StoredMessage& stored);
  Result<void> insert_events(std::span<const Event> events, std::string_view message_id);
  Result<void> check_notices(std::span<const SpoolRequest> notices);
  Result<SettleResult> settle_one(const SettleRequest& request);
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
  Result<std::vector<EntryId>> choose_due(const LeaseRequest& request);
  Result<std::optional<LeasedEntry>> lease_one(const EntryId& id, Instant now);

  std::shared_ptr<SqliteShared> shared_;
  StoreOptions options_;
  Disk& disk_;
  Connection db_;
  WriterStatements sql_;
  AcknowledgedFile acknowledged_;
  std::unique_ptr<DiskFile> lock_;

  bool in_group_ = false;
  std::optional<Error> lost_;
  Counters now_, before_group_;
  NameRun names_;  // of events that no run holds yet
  std::size_t names_before_group_ = 0;
  int wal_pages_ = 0;
  std::size_t checkpointed_octets_ = 0;  // of the WAL, at the last checkpoint
  std::string row_, event_row_;          // memory of encoders

  std::set<DueKey> behind_;  // due keys below position_ that may be free
  DueKey position_;          // everything from here on is found on disk

  std::atomic<std::uint64_t> synced_{0}, highest_committed_{0};
  std::atomic<bool> full_{false};
  Moment room_checked_{};
  std::uint64_t written_since_check_ = 0;
  bool room_known_ = false;
  mutable std::mutex health_mutex_;
  DiskSpace space_;
  bool seal_noted_ = false;
};

}  // namespace goniec
