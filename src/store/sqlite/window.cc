// What is due, of the SQLite engine: the due index is on disk, a position in it in memory. It is
// in the order (due in whole seconds, domain, entry): of a second a domain's rows lie together.
//
//   everything before position_   leased, or in behind_ (may be free), or of a lane of passed_
//   position_ and after           on disk only
//
// A lane is a domain's number (codec.h). One that has its share of leases is passed over: a few
// rows by steps, and more, however many they are in a second, with one seek; passed_ keeps from
// where on. When it is below its share again, its rows up to position_ are sought in the same way,
// lanes in turns.
// behind_ may hold keys that are no more: each is looked up before it is leased. Both are bounded:
// above the limit the position goes back to the first key, and they are forgotten.
// docs/decisions/window-shares.md has the reasons and what it costs.
#include <algorithm>

#include "base/text.h"
#include "store/sqlite/engine.h"

namespace goniec {
namespace {

constexpr std::size_t behind_limit = 10000;
constexpr std::size_t passed_limit = 1000;
// What a call looks at, in rows: a step costs a 25th of a seek. Some milliseconds in all, for
// commits wait meanwhile.
constexpr std::size_t rows_most = 20000;
constexpr std::size_t rows_of_seek = 25;
constexpr std::size_t lane_least = 16;  // of a passed lane in a call

EntryId after(EntryId id) {
  return {id.message, id.number + 1};
}

}  // namespace

// What one call chooses.
struct SqliteStore::Picks {
  const LeaseRequest& request;
  const LeaseTable& leases;
  std::vector<EntryId> chosen;
  std::map<std::uint64_t, std::size_t> of_lane;
  std::size_t rows = 0;
  bool more = false;  // it ended before all that is due was looked at

  // Whether the call ends here.
  bool has_looked_enough(std::size_t at_rows) {
    rows += at_rows;
    if (rows <= rows_most) return false;
    more = true;
    return true;
  }
  bool has_room() const { return chosen.size() < request.limit; }
  bool is_full(std::uint64_t lane) const {
    if (request.domain_most == SIZE_MAX) return false;
    const auto found = of_lane.find(lane);
    return leases.of_lane(lane) + (found == of_lane.end() ? 0 : found->second) >=
           request.domain_most;
  }
  void take(const DueKey& key) {
    if (leases.is_leased(key.id)) return;
    chosen.push_back(key.id);
    ++of_lane[key.lane];
  }
};

void SqliteStore::note_due(const DueKey& key) {
  const DueKey place{due_second(key.due), key.lane, key.id};
  if (place >= position_) return;
  // What is leased comes back here when its lease ends.
  if (shared_->leases->is_leased(key.id)) return;
  const auto passed = passed_.find(key.lane);
  if (passed != passed_.end() && passed->second <= place) return;
  behind_.insert(key);
  if (behind_.size() <= behind_limit) return;
  const DueKey& first = *behind_.begin();
  position_ = {due_second(first.due), 0, {}};
  behind_.clear();
  std::erase_if(passed_, [this](const auto& each) { return each.second >= position_; });
}

// REQUIRES from < position_.
void SqliteStore::pass_over(std::uint64_t lane, DueKey from) {
  const auto [at, is_new] = passed_.try_emplace(lane, from);
  if (!is_new) at->second = std::min(at->second, from);
  if (passed_.size() <= passed_limit) return;
  for (const auto& [each, start] : passed_) position_ = std::min(position_, start);
  passed_.clear();
}

// Of lanes that were passed over at most a half first, so that neither they nor the others wait for
// ever.
Result<void> SqliteStore::choose_due(Picks& picks) {
  choose_behind(picks);
  TRY(choose_passed(picks, picks.request.limit / 2));
  TRY(choose_on_disk(picks));
  return choose_passed(picks, picks.request.limit);
}

void SqliteStore::choose_behind(Picks& picks) {
  const auto now = to_microseconds(picks.request.now);
  for (auto at = behind_.begin(); at != behind_.end() && at->due <= now;) {
    const DueKey key = *at;
    if (!picks.has_room()) {
      picks.more = true;
      return;
    }
    at = behind_.erase(at);
    if (picks.is_full(key.lane)) {
      pass_over(key.lane, {due_second(key.due), key.lane, key.id});
    } else {
      picks.take(key);
    }
  }
}

Result<void> SqliteStore::choose_passed(Picks& picks, std::size_t most) {
  if (passed_.empty()) return {};
  const std::size_t each = std::max(lane_least, most / passed_.size());
  auto at = passed_.lower_bound(passed_turn_);
  for (std::size_t left = passed_.size(); left > 0; --left) {
    if (at == passed_.end()) at = passed_.begin();
    passed_turn_ = at->first;
    if (!picks.has_room() || most == 0) return {};
    const std::size_t before = picks.chosen.size();
    const std::uint64_t lane = at->first;
    const bool rest = TRY(choose_of_lane(picks, lane, at->second, std::min(most, each)));
    most -= std::min(most, picks.chosen.size() - before);
    at = rest ? std::next(at) : passed_.erase(at);
    passed_turn_ = lane + 1;
  }
  return {};
}

// Rows of a lane from `from`, which moves, up to position_. False: that was the last.
Result<bool> SqliteStore::choose_of_lane(Picks& picks, std::uint64_t lane, DueKey& from,
                                         std::size_t most) {
  const std::size_t until = picks.chosen.size() + most;
  while (from < position_) {
    if (picks.has_looked_enough(rows_of_seek)) return true;
    Bound rows(sql_.select_due);
    rows.number(from.due).number(from.lane).number(from.id.message.value).number(from.id.number);
    for (std::size_t others = 0;;) {
      if (picks.chosen.size() >= until || !picks.has_room() || picks.is_full(lane)) return true;
      if (!TRY(rows.step())) return false;
      const DueKey key{rows.integer(0),
                       rows.count(1),
                       {MessageId{rows.count(2)}, static_cast<std::uint32_t>(rows.integer(3))}};
      if (key >= position_) return false;
      if (picks.has_looked_enough(1)) return true;
      if (key.lane == lane) {
        picks.take(key);
        from = {key.due, lane, after(key.id)};
        others = 0;
        continue;
      }
      from = {key.lane < lane ? key.due : key.due + 1, lane, {}};
      if (++others > rows_of_seek) break;
    }
  }
  return false;
}

Result<void> SqliteStore::choose_on_disk(Picks& picks) {
  const auto now = due_second(to_microseconds(picks.request.now));
  for (;;) {
    if (picks.has_looked_enough(rows_of_seek)) return {};
    Bound rows(sql_.select_due);
    const auto& from = position_;
    rows.number(from.due).number(from.lane).number(from.id.message.value).number(from.id.number);
    for (std::size_t passed = 0;;) {
      if (!TRY(rows.step())) return {};
      const DueKey key{rows.integer(0),
                       rows.count(1),
                       {MessageId{rows.count(2)}, static_cast<std::uint32_t>(rows.integer(3))}};
      if (key.due > now) return {};
      if (!picks.has_room()) {
        picks.more = true;
        return {};
      }
      if (picks.has_looked_enough(1)) return {};
      if (!picks.is_full(key.lane)) {
        picks.take(key);
        position_ = {key.due, key.lane, after(key.id)};
        passed = 0;
        continue;
      }
      position_ = {key.due, key.lane + 1, {}};
      pass_over(key.lane, key);
      if (++passed > rows_of_seek) break;
    }
  }
}

// An entry that is gone was settled; one whose message is gone is damage, and would be passed over
// for ever.
Result<void> SqliteStore::check_not_orphaned(const EntryId& id) {
  Bound entry(sql_.select_entry);
  if (!TRY(entry.number(id.message.value).number(id.number).step())) return {};
  return fail(ErrorKind::damaged, "it has recipients that wait, and no row of its own");
}

Result<std::optional<LeasedEntry>> SqliteStore::lease_one(const EntryId& id, Instant now) {
  if (shared_->leases->is_leased(id)) return std::nullopt;
  Bound row(sql_.select_leasable);
  if (!TRY(row.number(id.message.value).number(id.number).step())) {
    TRY(check_not_orphaned(id));
    return std::nullopt;
  }
  auto entry = TRY(decode_entry(row.bytes(0), id));
  if (entry.entry.state != EntryState::due) return std::nullopt;
  if (entry.entry.due > now) {  // later in its second, or behind_ had an old key of it
    note_due({to_microseconds(entry.entry.due), domain_lane(entry.entry.domain.ascii()), id});
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

std::unexpected<Error> SqliteStore::said(const Error& error) {
  if (error.kind == ErrorKind::damaged)
    shared_->alarm("store.damaged", "what is due: " + error.message);
  return std::unexpected(error);
}

Result<LeaseResult> SqliteStore::lease(const LeaseRequest& request) {
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
  Picks picks{
      .request = request, .leases = *shared_->leases, .chosen = request.only, .of_lane = {}};
  if (request.only.empty()) {
    if (const auto chosen = choose_due(picks); !chosen) return said(chosen.error());
  }
  LeaseResult result;
  for (const auto& id : picks.chosen) {
    if (result.entries.size() >= request.limit) break;
    auto one = lease_one(id, request.now);
    if (!one) {
      shared_->alarm("store.damaged",
                     fmt::format("message {}: {}", id.message.text(), one.error().message));
      continue;  // it stays where it is, for `doctor`; the others go on
    }
    if (*one) result.entries.push_back(std::move(**one));
  }
  result.more = picks.more;
  picks.of_lane.clear();
  for (const auto& [lane, from] : passed_)
    (picks.is_full(lane) ? result.domain_full : result.more) = true;
  if (!hold_.owns_lock()) shared_->leases->keep_group();
  return result;
}

void SqliteStore::give_back(std::span<const Lease> leases) {
  const Hold hold(*this);
  StoredEntry given;
  for (const auto& lease : leases) {
    if (!shared_->leases->give_back(lease, given)) continue;
    note_due({to_microseconds(given.entry.due), domain_lane(given.entry.domain.ascii()),
              given.entry.id});
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
  const auto& from = position_;
  rows.number(from.due).number(from.lane).number(from.id.message.value).number(from.id.number);
  for (auto row = rows.step(); row && *row; row = rows.step()) {
    const EntryId id{MessageId{rows.count(2)}, static_cast<std::uint32_t>(rows.integer(3))};
    if (!shared_->leases->is_leased(id)) return from_microseconds(rows.integer(0) * 1000000);
    position_ = {rows.integer(0), rows.count(1), after(id)};
  }
  return {};
}

}  // namespace goniec
