// What is due, of the SQLite engine: the due index is on disk, a position in it in memory.
//
//   everything before position_   leased, or in behind_ (may be free)
//   position_ and after           on disk only
//
// behind_ may hold keys that are no more: each is looked up before it is leased. It is bounded:
// above `behind_limit` the position goes back to its first key and it is forgotten.
#include <algorithm>

#include "base/text.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

constexpr std::size_t behind_limit = 10000;

EntryId after(EntryId id) {
  return {id.message, id.number + 1};
}

}  // namespace

void SqliteStore::note_due(const DueKey& key) {
  if (key >= position_) return;
  behind_.insert(key);
  if (behind_.size() <= behind_limit) return;
  position_ = *behind_.begin();
  behind_.clear();
}

Result<std::vector<EntryId>> SqliteStore::choose_due(const LeaseRequest& request) {
  std::vector<EntryId> chosen;
  const auto now = to_microseconds(request.now);
  for (auto at = behind_.begin(); at != behind_.end() && at->due <= now;) {
    if (chosen.size() >= request.limit) return chosen;
    chosen.push_back(at->id);
    at = behind_.erase(at);
  }
  Bound rows(sql_.select_due);
  const auto& from = position_;
  rows.number(from.due).number(from.id.message.value).number(from.id.number);
  while (chosen.size() < request.limit && TRY(rows.step())) {
    const DueKey key{rows.integer(0),
                     {MessageId{rows.count(1)}, static_cast<std::uint32_t>(rows.integer(2))}};
    if (key.due > now) break;
    if (!shared_->leases->is_leased(key.id)) chosen.push_back(key.id);
    position_ = {key.due, after(key.id)};
  }
  return chosen;
}

Result<std::optional<LeasedEntry>> SqliteStore::lease_one(const EntryId& id, Instant now) {
  if (shared_->leases->is_leased(id)) return std::nullopt;
  Bound row(sql_.select_leasable);
  if (!TRY(row.number(id.message.value).number(id.number).step())) return std::nullopt;
  auto entry = TRY(decode_entry(row.bytes(0), id));
  if (entry.entry.state != EntryState::due) return std::nullopt;
  if (entry.entry.due > now) {  // behind_ had an old key of it
    note_due({to_microseconds(entry.entry.due), id});
    return std::nullopt;
  }
  auto stored = TRY(decode_message(row.bytes(1), id.message));
  LeasedEntry leased;
  leased.octets = stored.octets;
  leased.message = std::move(stored.message);
  leased.entry = entry.entry;
  leased.entry.state = EntryState::leased;
  leased.lease = shared_->leases->add(std::move(entry));
  return leased;
}

Result<std::vector<LeasedEntry>> SqliteStore::lease(const LeaseRequest& request) {
  if (shared_->vfs.broken()) {
    note_seal();
    return std::unexpected(sealed_error());
  }
  // What was settled must be gone from the tables before they are asked what is due.
  if (!hold_.owns_lock() && journal_->is_empty()) {
    TRY(catch_up());
  } else {
    TRY(begin());
  }
  const Hold hold(*this);
  const auto chosen = request.only.empty() ? TRY(choose_due(request)) : request.only;
  std::vector<LeasedEntry> leased;
  for (const auto& id : chosen) {
    if (leased.size() >= request.limit) break;
    auto one = lease_one(id, request.now);
    if (!one) {
      shared_->alarm("store.damaged", one.error().message);
      continue;  // it stays where it is, for `doctor`; the others go on
    }
    if (*one) leased.push_back(std::move(**one));
  }
  if (!hold_.owns_lock()) shared_->leases->keep_group();
  return leased;
}

void SqliteStore::give_back(std::span<const Lease> leases) {
  const Hold hold(*this);
  StoredEntry given;
  for (const auto& lease : leases) {
    if (shared_->leases->give_back(lease, given)) {
      note_due({to_microseconds(given.entry.due), given.entry.id});
    }
  }
  if (!hold_.owns_lock() && journal_->is_empty()) shared_->leases->keep_group();
}

std::optional<Instant> SqliteStore::next_due() {
  if (shared_->vfs.broken()) return {};
  if (!hold_.owns_lock()) static_cast<void>(catch_up());
  const Hold hold(*this);
  while (!behind_.empty() && shared_->leases->is_leased(behind_.begin()->id)) {
    behind_.erase(behind_.begin());
  }
  if (!behind_.empty()) return from_microseconds(behind_.begin()->due);
  Bound rows(sql_.select_due);
  rows.number(position_.due).number(position_.id.message.value).number(position_.id.number);
  for (auto row = rows.step(); row && *row; row = rows.step()) {
    const EntryId id{MessageId{rows.count(1)}, static_cast<std::uint32_t>(rows.integer(2))};
    if (!shared_->leases->is_leased(id)) return from_microseconds(rows.integer(0));
    position_ = {rows.integer(0), after(id)};
  }
  return {};
}

}  // namespace goniec
