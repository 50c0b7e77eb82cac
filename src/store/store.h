// What the house remembers: small interfaces by domain verbs. A verb takes a batch and gives one
// result an item, in order. One Store is one engine in one folder; memory/ and sqlite/ are engines,
// and one contract test (store_contract_test.cc) runs on each.
//
// THE GROUP. All writing verbs between two commit() calls are one transaction. Nothing of it is
// durable, and nothing may be told to anybody, before commit() returned its mark. An item that
// fails (unknown id, stale fence, conflict) fails alone; a failed write or sync fails the whole
// group, and SEALS the store: every later verb answers try_later "sealed", only a restart reopens
// (HOUSE §5, fsyncgate). A full disk is refused before the reserve is touched (try_later "full")
// and does not seal.
//
// THREADS. Writing verbs and commit(): the commit thread only (store/committer.h). Reading verbs of
// a Reader: one thread a Reader. A Reader sees committed groups only.
//
// LIVES. Content (header, prepend, body chunks) lives while it has a holder: an unsettled entry, a
// mailbox message, retention until T. Rows of holders change in the same transaction as their
// cause. Queue states of a message: docs/INTERNALS.md.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "mail/journey.h"
#include "run/world.h"

namespace goniec {

struct StoreLimits {
  std::size_t chunk_octets = 64 * 1024;  // of a body
  // Free space never touched by mail: 452 4.3.1 before it.
  std::uint64_t reserve_octets = 64ull << 20;
  std::uint64_t reserve_inodes = 1000;
  // Free space into which the database's file does not grow: room for the log of commits, without
  // which a database full of free pages could take nothing.
  std::uint64_t log_margin_octets = 16ull << 20;
  std::size_t checkpoint_octets = 32u << 20;  // log of commits moved into the database from here on
  // The journal: files made once and written over and over (docs/decisions/group-journal.md).
  std::uint64_t journal_file_octets = 32u << 20;
  std::size_t journal_files = 3;
  // Groups of the journal go into the database after this long, or when they are this large.
  Duration apply_after = std::chrono::milliseconds(100);
  std::size_t apply_octets = 8u << 20;
};

// ---------------------------------------------------------------- objects
// Domains, users, aliases, keys: kept as (kind, key) -> JSON text, each setting in one place;
// accounts/ gives them meaning.
struct ObjectKey {
  std::string kind;  // "domain", "user", "alias"
  std::string key;   // ascii domain, address text
  auto operator<=>(const ObjectKey&) const = default;
};
struct ObjectPut {
  ObjectKey key;
  std::string value;
  bool must_be_new = false;  // conflict when it exists
};
// Facts beside the queue's own: what happened to objects or to mail that is settled (a link was
// followed, an address was suppressed), with the events that tell it. All of it or nothing; puts
// come before removes.
struct FactsRequest {
  std::vector<ObjectPut> puts;
  std::vector<ObjectKey> removes;
  std::vector<Event> events;  // sequence is given by the store; message 0: of no message
};

// ---------------------------------------------------------------- queue
// Body chunks of a message above 256 KiB ride in earlier groups: written under its id before
// spool(). A chunk whose message is never spooled goes by discard_chunks() (the session ended
// before its end), or is swept at the next start.
struct ChunkWrite {
  MessageId message;
  std::uint32_t number = 0;  // from 0
  std::string octets;        // at most chunk_octets
};

// A message appended to a mailbox: in the settle of its entry (local delivery), or alone (import).
struct MailboxAppend {
  Address mailbox;  // the account
  std::string folder = "INBOX";
  std::string prepend;  // Return-Path, Delivered-To: before the content's own prepend
  Instant at{};
};

struct SpoolRequest {
  // Id made by the caller; a second spool of an id that is in the store is a conflict.
  Message message;
  std::vector<std::string> chunks;  // numbers follow those written before by write_chunks
  std::vector<Entry> entries;  // state due or held; at least one, unless only retention holds it
  std::vector<Event> events;   // Received, Expanded…; sequence is given by the store
  std::vector<ObjectPut> objects;  // durable with it (an idempotency key); never must_be_new
  Instant keep_until{};            // retention of the content; zero: none
  bool lease = true;  // lease every entry that is due by now for the caller (saves reading it back)
  std::size_t domain_most = SIZE_MAX;  // as in LeaseRequest
};
struct SpoolResult {
  std::vector<Lease> leases;  // one for each entry in order; fence 0 where not leased
};

struct SettleRequest {
  Lease lease;                    // stale fence: conflict, nothing changes
  std::vector<Outcome> outcomes;  // recipients not named stay as they are
  Instant now{};
  Instant next_due{};         // when recipients stay queued
  bool counts_as_try = true;  // false: never reached a host (site busy, shutdown): tries unchanged
  // Recipients told about a delay (same order as the entry), or empty.
  std::vector<bool> delay_notified;
  std::vector<MailboxAppend> appends;  // quota is checked before, by the caller
  std::vector<Event> events;
  // DSNs caused by this settle: same transaction, so never lost, never twice.
  std::vector<SpoolRequest> notices;
};
struct SettleResult {
  Entry entry;  // as it is now
  std::vector<SpoolResult> notices;
  std::vector<std::uint64_t> append_uids;
};

enum class QueueAction : std::uint8_t { retry, hold, release, expire, remove };
struct QueueChange {
  EntryId entry;  // a leased entry: retry is a no-op, the others are conflict "being delivered"
  QueueAction action = QueueAction::retry;
  Instant now{};
  std::string reason;
  std::vector<Event> events;
  std::vector<Outcome> outcomes;      // expire: what each queued recipient ends with
  std::vector<SpoolRequest> notices;  // DSNs
};

struct LeaseRequest {
  Instant now{};
  std::size_t limit = 100;    // entries
  std::vector<EntryId> only;  // these, when not empty (retry by hand)
  // A domain's share: one that has so many leases gets no more, and what it has due is passed over,
  // however much that is (docs/decisions/window-shares.md).
  std::size_t domain_most = SIZE_MAX;
};
struct LeasedEntry {
  Lease lease;
  Entry entry;
  Message message;  // content.header and prepend empty: read them with the body when it is sent
  std::uint64_t octets = 0;  // of the whole content
};
struct LeaseResult {
  std::vector<LeasedEntry> entries;
  bool more = false;         // something due may be left: ask again
  bool domain_full = false;  // something due waits until leases of its domain end
};

struct QueueFilter {
  std::vector<MessageId> ids;  // empty: all
  std::string to, from;        // substring, ASCII case ignored; "" all
  std::string domain;          // exact
  std::string stream;
  std::optional<EntryState> state;
  std::optional<Instant> older_than;  // received before
  std::optional<EntryId> after;       // cursor: entries with a larger id
  std::size_t limit = 1000;
};
struct QueueItem {
  Message message;  // without header and prepend
  Entry entry;
  std::uint64_t octets = 0;  // of the whole content
};
struct QueueStats {
  std::uint64_t due = 0, leased = 0, held = 0;  // entries
  std::uint64_t deferred = 0;                   // due entries with tries > 0
  std::uint64_t messages = 0, octets = 0;
  std::optional<Instant> oldest;
  struct Site {
    Domain domain;
    std::uint64_t entries = 0;
    std::optional<Instant> oldest;
  };
  std::vector<Site> top;  // at most 20 domains
};

// ---------------------------------------------------------------- mailboxes
struct MailboxMessage {
  std::uint64_t uid = 0;  // never reused in a folder
  MessageId content;
  std::string prepend;
  std::uint64_t octets = 0;  // prepend + content
  Instant at{};
  std::uint32_t flags = 0;  // 1 seen, 2 answered, 4 flagged, 8 deleted, 16 draft
};
struct MailboxRemove {
  Address mailbox;
  std::string folder = "INBOX";
  std::vector<std::uint64_t> uids;
};
struct MailboxUsage {
  std::uint64_t messages = 0, octets = 0;
  std::uint64_t uid_validity = 0, uid_next = 1;
};

struct StoreHealth {
  bool sealed = false;
  std::string sealed_reason;
  bool full = false;  // up to the reserve
  // Mail was refused for it within the last second. Only spooling finds out that there is room
  // again, so that this must not hold for longer.
  bool refuses_mail = false;
  DiskSpace space;
};

// ---------------------------------------------------------------- interfaces
// Events of the log, and how far it goes.
struct AppliedEvents {
  std::vector<Event> events;
  std::uint64_t last = 0;  // sequence
};

class Reader {
 public:
  virtual ~Reader() = default;
  virtual Result<std::vector<QueueItem>> list(const QueueFilter& filter) = 0;  // order: entry id
  virtual Result<QueueStats> stats() = 0;
  // Content and its body chunk `number`; damaged when the checksum or a chunk is missing. What has
  // no holder any more may still be read until the store is asked for something else.
  virtual Result<Content> content(MessageId message) = 0;
  virtual Result<std::string> chunk(MessageId message, std::uint32_t number) = 0;
  virtual Result<std::vector<Event>> events_of(MessageId message) = 0;  // by sequence
  virtual Result<std::vector<Event>> events_after(std::uint64_t sequence, std::size_t limit) = 0;
  // Of what is where it can be read without bringing anything there: a little behind
  // events_after(), and nobody who writes waits for it.
  virtual Result<AppliedEvents> applied_events_after(std::uint64_t sequence, std::size_t limit) = 0;
  // Newest first, at most 100. A message is found by the first event of its spool.
  virtual Result<std::vector<MessageId>> find_by_message_id(std::string_view message_id) = 0;
  // By uid.
  virtual Result<std::vector<MailboxMessage>> mailbox(const Address& mailbox,
                                                      std::string_view folder) = 0;
  virtual Result<MailboxUsage> mailbox_usage(const Address& mailbox, std::string_view folder) = 0;
  virtual Result<std::uint64_t> mailbox_octets(const Address& mailbox) = 0;  // all folders
  virtual Result<std::optional<std::string>> object(const ObjectKey& key) = 0;
  virtual Result<std::vector<std::pair<std::string, std::string>>> objects(
      std::string_view kind) = 0;
  // By key, those above `after`, at most `limit`: for kinds of which there may be a million.
  virtual Result<std::vector<std::pair<std::string, std::string>>> objects_after(
      const ObjectKey& after, std::size_t limit) = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  // --- writing verbs: commit thread
  virtual std::vector<Result<void>> write_chunks(std::span<const ChunkWrite> batch) = 0;
  virtual std::vector<Result<void>> discard_chunks(std::span<const MessageId> batch) = 0;
  virtual std::vector<Result<SpoolResult>> spool(std::span<const SpoolRequest> batch) = 0;
  virtual std::vector<Result<SettleResult>> settle(std::span<const SettleRequest> batch) = 0;
  virtual std::vector<Result<Entry>> change(std::span<const QueueChange> batch) = 0;
  // Due entries, oldest due first (to the second), of domains below their share. A lease lives in
  // memory only: after a crash every entry is due again.
  virtual Result<LeaseResult> lease(const LeaseRequest& request) = 0;
  virtual void give_back(std::span<const Lease> leases) = 0;  // unsettled, due stays
  // Of entries that are due and not leased, to the second, but for what the last lease() passed
  // over.
  virtual std::optional<Instant> next_due() = 0;
  virtual std::vector<Result<void>> remove_from_mailbox(std::span<const MailboxRemove> batch) = 0;
  virtual std::vector<Result<void>> put_objects(std::span<const ObjectPut> batch) = 0;
  // false: was not there.
  virtual std::vector<Result<bool>> remove_objects(std::span<const ObjectKey> batch) = 0;
  // conflict: an object that must be new is there; nothing of the request was written.
  virtual std::vector<Result<void>> record(std::span<const FactsRequest> batch) = 0;
  // Puts time, recipient and data of these in place of what the events of their sequences say;
  // kind and message stay. What is not there is passed over. Their old octets are overwritten.
  virtual Result<void> replace_events(std::span<const Event> events) = 0;
  // Drops events older than, contents past retention; at most `limit` rows. How many rows went.
  virtual Result<std::size_t> sweep(Instant now, Instant events_before, std::size_t limit) = 0;
  // Makes the group durable. The mark is the group's number, ascending.
  virtual Result<std::uint64_t> commit() = 0;
  // --- any thread
  // The highest durable mark: nothing above it may be told to anybody.
  virtual std::uint64_t synced() const = 0;
  virtual StoreHealth health() const = 0;
  virtual Result<std::unique_ptr<Reader>> reader() = 0;
  virtual MessageId highest_id() const = 0;  // ids are made above it
  // A consistent copy of the store into `directory` (made, must be empty) while serving; verified.
  virtual Result<void> backup(const std::string& directory) = 0;
};

// Who brings the groups of the journal into the database: the commits themselves (the simulation,
// tests), or a thread of the store's own.
enum class ApplyMode { with_commits, own_thread };

struct StoreOptions {
  std::string path;  // folder
  StoreLimits limits;
  LogSink* log = &null_log();
  ApplyMode apply = ApplyMode::with_commits;
};

// store/open.cc: takes the storage lock, checks `format` and `acknowledged`, migrates, sweeps
// orphans. damaged: recovery found less than was acknowledged, or the file fails its checks: says
// what is missing and names `goniec doctor --salvage`.
Result<std::unique_ptr<Store>> open_sqlite_store(StoreOptions options, Disk& disk, Clock& clock);
std::unique_ptr<Store> make_memory_store(StoreLimits limits, Clock& clock);

// Restores a backup into options.path (must not hold a store); verifies every content first.
Result<void> restore_backup(const std::string& backup_directory, const StoreOptions& options,
                            Disk& disk);

struct SalvageReport {
  std::uint64_t whole = 0, damaged = 0;  // messages
  std::vector<std::string> lines;        // one a damaged thing, what it held as far as known
};
// Reads what is whole of a damaged store at options.path into a fresh one at `into`; the old is
// kept.
Result<SalvageReport> salvage_store(const StoreOptions& options, const std::string& into,
                                    Disk& disk, Clock& clock);

}  // namespace goniec
