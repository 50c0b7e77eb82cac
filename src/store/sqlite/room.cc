// Room on the disk, of the SQLite engine: whether new mail fits before the reserve, and the log of
// the database (its WAL), which is room too.
//
// What is accepted wants its place twice, in the log and in the tables. Some of that is there
// already, and no free space of the disk is spent for it:
//
//   log_file - log_used   the log is written over and over; behind a checkpoint all of it is free
//   free_pages            pages that mail has left; the database's file never shrinks
//
// and some of the free space is spoken for: `pages - file`, by which the next checkpoint makes the
// database's file longer. So with `wanted` for what is not in the log yet,
//
//   log grows       wanted - (log_file - log_used)
//   database grows  pages + (wanted - free_pages) - file
//   room            free space >= reserve + both, and where the database grows:
//                   free space + log_file >= reserve + its growth + log_margin_octets
//
// Where neither grows there is room whatever the disk has. The margin leaves room for the log in
// front of a database full of free pages: without it, a disk that was filled and drained could take
// nothing. When it does not fit, the log is moved into the database and begins anew, and the sum is
// made again; as long as room is short the log is kept short. Settles and sweeps are never asked:
// they are what makes room, and the reserve is theirs. A reader in the middle of its rows delays
// the log's new beginning, not longer than it reads.
#include <algorithm>

#include "base/text.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

constexpr std::size_t page_octets = 8192;
constexpr std::uint64_t check_octets = 8u << 20;
constexpr auto check_every = std::chrono::milliseconds(100);
constexpr auto believed_for = std::chrono::seconds(1);
constexpr std::uint64_t overhead_octets = 1u << 20;   // pages of trees that each group touches
constexpr std::uint64_t short_log_octets = 4u << 20;  // of the log, when room is short
constexpr std::uint64_t long_log_factor = 2;          // of checkpoint_octets: then it is cut
constexpr int readers_patience_milliseconds = 50;
constexpr int patience_milliseconds = 10000;  // as connection.cc has it

std::uint64_t above(std::uint64_t wanted, std::uint64_t there) {
  return wanted > there ? wanted - there : 0;
}

std::uint64_t file_octets(sqlite3* db, int which) {
  sqlite3_file* file = nullptr;
  sqlite3_int64 octets = 0;
  const bool known = sqlite3_file_control(db, "main", which, &file) == SQLITE_OK && file &&
                     file->pMethods && file->pMethods->xFileSize(file, &octets) == SQLITE_OK;
  return known ? static_cast<std::uint64_t>(octets) : 0;
}

}  // namespace

Result<void> SqliteStore::check_room(std::uint64_t octets) {
  written_in_group_ += octets;
  written_since_check_ += octets;
  const bool is_old = !room_known_ || written_since_check_ >= check_octets ||
                      shared_->clock.moment() - room_checked_ >= check_every;  // ours to write
  if (is_old || !has_room(0)) TRY(measure_room());
  if (!has_room(0) && !hold_.owns_lock()) {
    make_room();
    TRY(measure_room());
  }
  short_ = !has_room(check_octets);
  full_ = !has_room(0);
  if (!full_) return {};
  written_in_group_ -= octets;
  written_since_check_ -= octets;
  return fail(ErrorKind::try_later, "the disk is full up to the reserve");
}

Result<void> SqliteStore::measure_room() {
  const auto space = disk_.space(options_.path);
  if (!space) return std::unexpected(space.error());
  room_known_ = true;
  written_since_check_ = written_in_group_;
  {
    std::lock_guard lock(pending_mutex_);
    pending_at_check_ = pending_octets_;
  }
  std::lock_guard lock(health_mutex_);
  room_checked_ = shared_->clock.moment();
  space_ = *space;
  return {};
}

bool SqliteStore::has_room(std::uint64_t more) const {
  const StoreLimits& limits = options_.limits;
  const std::uint64_t content = written_since_check_ + pending_at_check_ + more;
  const std::uint64_t wanted = content + content / 8 + overhead_octets;
  std::lock_guard lock(health_mutex_);
  const std::uint64_t log = above(wanted, above(room_.log_file, room_.log_used));
  const std::uint64_t database = above(room_.pages + above(wanted, room_.free_pages), room_.file);
  if (space_.free_inodes < limits.reserve_inodes) return false;
  if (log + database == 0) return true;
  const std::uint64_t margin = database == 0 ? 0 : database + limits.log_margin_octets;
  return space_.free_octets >= limits.reserve_octets + log + database &&
         space_.free_octets + room_.log_file >= limits.reserve_octets + margin;
}

// Any thread. What was found when mail was refused holds for a second, see StoreHealth.
void SqliteStore::note_full(StoreHealth& health) const {
  std::unique_lock lock(health_mutex_);
  const bool is_recent = shared_->clock.moment() - room_checked_ < believed_for;
  health.refuses_mail = full_ && is_recent;
  health.full = health.refuses_mail;
  health.space = space_;
  if (is_recent) return;
  lock.unlock();
  const auto space = disk_.space(options_.path);
  if (!space) return;
  health.space = *space;
  health.full = space->free_octets < options_.limits.reserve_octets ||
                space->free_inodes < options_.limits.reserve_inodes;
}

// All that is pending into the tables, and the log free from its beginning.
void SqliteStore::make_room() {
  std::lock_guard lock(database_);
  if (shared_->clock.moment() - log_begun_anew_ < check_every) return;
  static_cast<void>(apply_pending(Sync::no));  // what fails stays pending
  begin_log_anew(Again::at_once);
}

void SqliteStore::note_room() {
  DatabaseRoom room;
  const auto count = [](const Statement& pragma) {
    Bound pages(pragma);
    const auto row = pages.step();
    return row && *row ? pages.count(0) * page_octets : 0;
  };
  room.free_pages = count(sql_.free_pages);
  room.pages = count(sql_.all_pages);
  room.file = file_octets(db_.get(), SQLITE_FCNTL_FILE_POINTER);
  room.log_file = file_octets(db_.get(), SQLITE_FCNTL_JOURNAL_POINTER);
  room.log_used =
      wal_pages_ < 0 ? room.log_file : static_cast<std::uint64_t>(wal_pages_) * (page_octets + 24);
  std::lock_guard lock(health_mutex_);
  room_ = room;
}

// A log that was let grow long, by a reader that held it, is cut: its room is the disk's again.
void SqliteStore::begin_log_anew(Again again) {
  const Moment moment = shared_->clock.moment();
  if (again == Again::not_at_once && moment - log_begun_anew_ < check_every) return;
  log_begun_anew_ = moment;
  if (shared_->vfs.broken() || wal_pages_ == 0) return;
  std::uint64_t log_file = 0;
  {
    std::lock_guard lock(health_mutex_);
    log_file = room_.log_file;
  }
  const bool is_long = log_file > long_log_factor * options_.limits.checkpoint_octets;
  const int mode = is_long ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART;
  sqlite3_busy_timeout(db_.get(), readers_patience_milliseconds);
  const int status = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, mode, nullptr, nullptr);
  sqlite3_busy_timeout(db_.get(), patience_milliseconds);
  if (status == SQLITE_OK) {
    wal_pages_ = 0;
    checkpointed_octets_ = 0;
  }
  note_seal();
  note_room();
}

// Moves the log into the database. The group is durable already: a failure here fails nobody, but a
// failed write or sync has sealed the store.
Result<void> SqliteStore::checkpoint_when_long() {
  const auto octets = static_cast<std::size_t>(std::max(wal_pages_, 0)) * page_octets;
  if (short_ && octets >= short_log_octets) {
    begin_log_anew(Again::not_at_once);
    return {};
  }
  const std::size_t step = options_.limits.checkpoint_octets;
  if (octets < checkpointed_octets_) checkpointed_octets_ = 0;  // the log began anew
  if (octets < checkpointed_octets_ + step) return {};
  // While a reader holds an old state the log cannot begin anew: the next try comes a step later,
  // not with each commit.
  checkpointed_octets_ = octets;
  int in_log = 0, moved = 0;
  const int status =
      sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  note_room();
  if (status == SQLITE_OK || status == SQLITE_BUSY) return {};
  return std::unexpected(error_of(db_.get(), status, "checkpoint"));
}

}  // namespace goniec
