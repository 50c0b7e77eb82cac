// What is durable and not in the database yet: the hot groups. See engine.h and
// docs/decisions/group-journal.md.
//
//   commit_hot      the group into the journal, one write and one sync; then it is pending
//   apply_pending   all that is pending into the database, one transaction, not synced
//   forget          a file of the journal may be used again when the database was synced behind it
//
// Where a crash may come: before the journal's sync the group does not exist; after it, recovery
// finds the group in the journal and applies it; after the transaction, whichever of both is there.
// The mark in the database's state row says which groups it has, so that none is applied twice.
#include <algorithm>

#include "base/text.h"
#include "base/thread_name.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

constexpr std::size_t recent_ids_most = 1u << 16;
constexpr std::size_t backlog_factor = 4;  // of apply_octets: then commits wait for the database
constexpr auto again_after_failure = std::chrono::seconds(1);

}  // namespace

// When there are too many, the lower half goes below the floor.
void RecentIds::add(MessageId id) {
  if (id.value <= floor_) return;
  ids_.insert(id.value);
  if (ids_.size() <= recent_ids_most) return;
  std::vector<std::uint64_t> sorted(ids_.begin(), ids_.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::ranges::nth_element(sorted, middle);
  floor_ = *middle;
  std::erase_if(ids_, [this](std::uint64_t one) { return one <= floor_; });
}

// ---------------------------------------------------------------- opening
Result<void> SqliteStore::open_journal(std::uint64_t acknowledged) {
  JournalLimits limits;
  limits.file_octets = options_.limits.journal_file_octets;
  limits.files = options_.limits.journal_files;
  std::vector<JournalGroup> groups;
  journal_ = TRY(GroupJournal::open(disk_, options_.path + "/" + journal_name, limits, now_.mark,
                                    [&groups](JournalGroup group) -> Result<void> {
                                      groups.push_back(std::move(group));
                                      return {};
                                    }));
  if (!journal_->damage().empty()) shared_->alarm("store.damaged", journal_->damage());
  mark_ = groups.empty() ? now_.mark : groups.back().mark();
  if (mark_ < acknowledged)
    return std::unexpected(missing_groups(options_.path, mark_, acknowledged));
  shared_->leases = std::make_unique<LeaseTable>((mark_ + 1) << 20);
  std::vector<JournalGroup> batch;
  std::size_t octets = 0;
  for (JournalGroup& group : groups) {
    octets += group.octets();
    const bool is_last = group.mark() == mark_;
    batch.push_back(std::move(group));
    if (octets < options_.limits.apply_octets && !is_last) continue;
    TRY(apply_taken(batch, is_last ? Sync::yes : Sync::no));
    batch.clear();
    octets = 0;
  }
  highest_ = now_.highest;
  recent_ = RecentIds(highest_);
  highest_committed_ = highest_;
  applied_ = applied_synced_ = mark_;
  synced_ = mark_;
  journal_generation_ = synced_generation_ = journal_->generation();
  journal_->forget(mark_);
  return {};
}

// ---------------------------------------------------------------- a hot group
Result<std::uint64_t> SqliteStore::commit_hot() {
  if (shared_->vfs.broken()) return std::unexpected(sealed_error());
  if (journal_->is_empty()) return mark_;
  const std::uint64_t mark = mark_ + 1;
  auto group = write_journal(mark);
  if (!group) {
    if (group.error().kind == ErrorKind::io)
      shared_->vfs.seal(fmt::format("the journal: {}", group.error().message));
    return std::unexpected(group.error());
  }
  journal_generation_ = journal_->generation();
  bool is_late = false;
  {
    std::lock_guard lock(pending_mutex_);
    const Moment now = shared_->clock.moment();
    if (pending_.empty()) pending_since_ = now;
    pending_octets_ += group->octets();
    pending_.push_back(std::move(*group));
    const auto& limits = options_.limits;
    is_late =
        options_.apply == ApplyMode::with_commits
            ? pending_octets_ >= limits.apply_octets || now - pending_since_ >= limits.apply_after
            : pending_octets_ >= backlog_factor * limits.apply_octets;
  }
  finish_group(mark);
  if (is_late) {
    static_cast<void>(catch_up());  // what fails stays pending, and in the journal
  } else if (applier_.joinable()) {
    pending_changed_.notify_one();
  }
  return mark;
}

// When every file has groups that a power cut could take from the database, it is synced first.
Result<JournalGroup> SqliteStore::write_journal(std::uint64_t mark) {
  journal_->forget(applied_synced_);
  auto group = journal_->commit(mark);
  if (group || group.error().kind != ErrorKind::try_later) return group;
  {
    std::lock_guard lock(database_);
    TRY(apply_pending(Sync::yes));
  }
  journal_->forget(applied_synced_);
  return journal_->commit(mark);
}

// The records of a cold group so far. REQUIRES the group in the database.
Result<void> SqliteStore::flush_records() {
  if (journal_->is_empty()) return {};
  std::vector<JournalGroup> groups;
  groups.push_back(journal_->take());
  auto done = apply_records(groups);
  if (!done) lose(done.error());
  return done;
}

// ---------------------------------------------------------------- into the database
// Any thread that does not hold database_.
Result<void> SqliteStore::catch_up() {
  if (applied_ >= synced_) return {};
  std::lock_guard lock(database_);
  return apply_pending(wants_sync() ? Sync::yes : Sync::no);
}

Result<void> SqliteStore::apply_pending(Sync sync) {
  std::vector<JournalGroup> taken;
  const std::uint64_t generation = journal_generation_;
  {
    std::lock_guard lock(pending_mutex_);
    taken.swap(pending_);
  }
  if (taken.empty() && (sync == Sync::no || applied_synced_ == applied_)) return {};
  Result<void> done = apply_taken(taken, sync);
  if (!done && done.error().kind == ErrorKind::try_later) {  // no room for more of the log
    short_ = true;
    begin_log_anew(Again::at_once);
    done = apply_taken(taken, sync);
  }
  {
    std::lock_guard lock(pending_mutex_);
    if (!done) {
      pending_.insert(pending_.begin(), std::make_move_iterator(taken.begin()),
                      std::make_move_iterator(taken.end()));
      return done;
    }
    for (const auto& group : taken) pending_octets_ -= group.octets();
  }
  applied_ = now_.mark;
  if (sync == Sync::yes) {
    applied_synced_ = now_.mark;
    synced_generation_ = generation;
  }
  if (auto checked = checkpoint_when_long(); !checked) note_seal();
  return {};
}

Result<void> SqliteStore::apply_taken(const std::vector<JournalGroup>& groups, Sync sync) {
  if (shared_->vfs.broken()) return std::unexpected(sealed_error());
  if (sync == Sync::no) TRY(db_.run("PRAGMA synchronous = NORMAL"));
  auto done = Bound(sql_.begin).done();
  if (done) {
    in_group_ = true;
    before_group_ = now_;
    names_before_group_ = names_.pairs.size();
    done = apply_records(groups);
    if (done) done = commit_database(groups.empty() ? now_.mark : groups.back().mark());
    if (!done) {
      lose(done.error());
      // Acknowledged mail that does not go into its tables: nothing may be built on them.
      if (lost_->kind == ErrorKind::damaged) {
        shared_->vfs.seal(done.error().message);
        note_seal();
      }
      roll_back_database();
    }
  }
  if (sync == Sync::no) TRY(db_.run("PRAGMA synchronous = FULL"));
  return done;
}

void SqliteStore::apply_for_ever() {
  name_this_thread("apply");
  const auto& limits = options_.limits;
  const auto is_large = [&] { return stopping_ || pending_octets_ >= limits.apply_octets; };
  std::unique_lock lock(pending_mutex_);
  for (;;) {
    pending_changed_.wait(lock, [&] { return stopping_ || !pending_.empty(); });
    if (!stopping_) pending_changed_.wait_for(lock, limits.apply_after, is_large);
    if (stopping_) return;
    lock.unlock();
    const auto done = catch_up();
    lock.lock();
    if (done) continue;
    if (shared_->vfs.broken()) {
      pending_changed_.wait(lock, [&] { return stopping_; });
    } else {  // a full disk: mail that goes makes room
      pending_changed_.wait_for(lock, again_after_failure, [&] { return stopping_; });
    }
  }
}

// ---------------------------------------------------------------- salvage
Result<std::uint64_t> SqliteStore::take_in(std::vector<JournalGroup> records) {
  std::lock_guard lock(database_);
  const auto count = TRY(db_.prepare("SELECT count(*) FROM messages"));
  const auto messages = [&count]() -> Result<std::uint64_t> {
    Bound row(count);
    TRY(row.step());
    return row.count(0);
  };
  const std::uint64_t before = TRY(messages());
  for (JournalGroup& record : records) {
    TRY(Bound(sql_.begin).done());
    before_group_ = now_;
    names_before_group_ = names_.pairs.size();
    std::vector<JournalGroup> one;
    one.push_back(std::move(record));
    const bool done = apply_records(one) && commit_database(now_.mark);
    if (!done) roll_back_database();  // it is there already
  }
  return TRY(messages()) - before;
}

}  // namespace goniec
