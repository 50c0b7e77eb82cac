// See search_counts.h.
#include "store/sqlite/search_counts.h"

#include <functional>

#include "base/replace_address.h"
#include "base/text.h"

namespace goniec {

const char* const counts_tables = R"sql(
CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO names VALUES(0, '');
CREATE TABLE combinations(
  id INTEGER PRIMARY KEY, provider INTEGER NOT NULL, domain INTEGER NOT NULL,
  recipient_domain INTEGER NOT NULL, stream INTEGER NOT NULL, tag INTEGER NOT NULL,
  pool INTEGER NOT NULL, class INTEGER NOT NULL, extra INTEGER NOT NULL,
  UNIQUE(provider, domain, recipient_domain, stream, tag, pool, class, extra));
CREATE TABLE hours(hour INTEGER PRIMARY KEY, counts BLOB NOT NULL);
CREATE TABLE rollups(day INTEGER PRIMARY KEY, counts BLOB NOT NULL);
CREATE TABLE days(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE state(
  id INTEGER PRIMARY KEY, position INTEGER NOT NULL, settled INTEGER NOT NULL,
  begin INTEGER NOT NULL);
INSERT INTO state VALUES(1, 0, 0, 0);
)sql";

namespace {

constexpr std::size_t names_octets = 100;  // of one name in a combination
constexpr std::size_t ids_in_memory = 50000;
constexpr std::size_t hours_in_memory = 4;
constexpr std::size_t rolled_at_once = 4;  // days; the rest at the next settle()
constexpr std::int64_t no_id = -1;

std::int64_t hour_number(Instant at) {
  return std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count();
}

std::string domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  return to_lower(address.substr(at + 1, names_octets));
}

std::string name_of_tag(const std::pair<std::string, std::string>& tag) {
  const auto text = tag.second.empty() ? tag.first : tag.first + ":" + tag.second;
  return cut_text(text, names_octets);
}

std::string text_of(const Combination& of) {
  std::string out;
  for (const auto* name :
       {&of.provider, &of.domain, &of.recipient_domain, &of.stream, &of.tag, &of.pool, &of.klass}) {
    out += *name;
    out += '\x1F';
  }
  if (of.extra) out += '1';
  return out;
}

// Steps by which a combination loses its names.
constexpr std::size_t no_names = 4;
Combination with_less(Combination of, std::size_t step) {
  if (step >= 1) of.recipient_domain = other_name;
  if (step >= 2 && !of.tag.empty()) of.tag = other_name;
  if (step >= 3) of.domain = other_name;
  if (step >= no_names) of.provider = of.stream = of.pool = other_name;
  return of;
}

std::vector<StatsCount> counts_of(const SearchTls& tls) {
  using enum StatsCount;
  constexpr std::array<StatsCount, 5> of_proof = {tls_none, tls_opportunistic, tls_pkix,
                                                  tls_mta_sts, tls_dane};
  static_assert(static_cast<int>(SearchTls::Proof::dane) == of_proof.size());
  if (tls.proof == SearchTls::Proof::not_said) return {};
  std::vector<StatsCount> counts = {of_proof.at(static_cast<std::size_t>(tls.proof) - 1)};
  if (tls.version == "TLSv1.2") counts.push_back(tls_1_2);
  if (tls.version == "TLSv1.3") counts.push_back(tls_1_3);
  return counts;
}

std::optional<StatsCount> count_of(EventKind kind, bool machine) {
  switch (kind) {
    case EventKind::delivered:
    case EventKind::relayed:
      return StatsCount::delivered;
    case EventKind::deferred:
      return StatsCount::deferred;
    case EventKind::failed:
      return StatsCount::bounced;
    case EventKind::expired:
      return StatsCount::expired;
    case EventKind::held:
      return StatsCount::held;
    case EventKind::deleted:
    case EventKind::canceled:
      return StatsCount::canceled;
    case EventKind::suppressed:
      return StatsCount::suppressed;
    case EventKind::complained:
      return StatsCount::complained;
    case EventKind::opened:
      return machine ? StatsCount::opened_machine : StatsCount::opened;
    case EventKind::clicked:
      return machine ? StatsCount::clicked_machine : StatsCount::clicked;
    case EventKind::unsubscribed:
      return StatsCount::unsubscribed;
    case EventKind::received:
    case EventKind::released:
    case EventKind::retried:
    case EventKind::delay_notice:
    case EventKind::dsn_sent:
    case EventKind::expanded:
    case EventKind::rescheduled:
    case EventKind::suppression_added:
    case EventKind::suppression_removed:
    case EventKind::object_changed:
    case EventKind::webhook_disabled:
      return std::nullopt;
  }
  CHECK(false);
}

}  // namespace

Result<std::unique_ptr<SearchCounts>> SearchCounts::open(const std::string& path,
                                                         SearchLimits limits) {
  auto db = TRY(open_search_file(path, SearchAccess::write, counts_tables));
  std::unique_ptr<SearchCounts> counts(new SearchCounts(std::move(db), limits));
  TRY(counts->prepare());
  TRY(counts->load_state());
  return counts;
}

Result<void> SearchCounts::prepare() {
  const std::pair<Statement Statements::*, const char*> sql[] = {
      {&Statements::begin, "BEGIN IMMEDIATE"},
      {&Statements::commit, "COMMIT"},
      {&Statements::rollback, "ROLLBACK"},
      {&Statements::set_position, "UPDATE state SET position=? WHERE id=1"},
      {&Statements::set_settled, "UPDATE state SET settled=? WHERE id=1"},
      {&Statements::select_name, "SELECT id FROM names WHERE text=?"},
      {&Statements::insert_name, "INSERT INTO names(text) VALUES(?)"},
      {&Statements::select_combination,
       "SELECT id FROM combinations WHERE provider=? AND domain=? AND recipient_domain=? AND "
       "stream=? AND tag=? AND pool=? AND class=? AND extra=?"},
      {&Statements::insert_combination,
       "INSERT INTO combinations(provider, domain, recipient_domain, stream, tag, pool, class, "
       "extra) VALUES(?,?,?,?,?,?,?,?)"},
      {&Statements::select_hour, "SELECT counts FROM hours WHERE hour=?"},
      {&Statements::put_hour, "INSERT OR REPLACE INTO hours VALUES(?,?)"},
      {&Statements::hours_of, "SELECT counts FROM hours WHERE hour>=? AND hour<? ORDER BY hour"},
      {&Statements::put_rollup, "INSERT OR REPLACE INTO rollups VALUES(?,?)"},
      {&Statements::delete_rollup, "DELETE FROM rollups WHERE day=?"},
      {&Statements::insert_day, "INSERT OR IGNORE INTO days VALUES(?)"},
      {&Statements::delete_day, "DELETE FROM days WHERE name=?"},
      {&Statements::days, "SELECT name FROM days"},
  };
  for (const auto& [member, text] : sql) statements_.*member = TRY(db_.prepare(text));
  return {};
}

Result<void> SearchCounts::load_state() {
  const auto statement = TRY(db_.prepare("SELECT position, settled, begin FROM state WHERE id=1"));
  Bound row(statement);
  if (!TRY(row.step())) return fail(ErrorKind::damaged, "the statistics have no position");
  position_ = row.count(0);
  settled_ = row.count(1);
  begin_hour_ = row.integer(2);
  const auto count = TRY(db_.prepare("SELECT count(*) FROM combinations"));
  Bound known(count);
  TRY(known.step());
  combinations_ = known.count(0);
  return load_unrolled();
}

Result<void> SearchCounts::load_unrolled() {
  unrolled_.clear();
  const auto statement = TRY(db_.prepare(
      "SELECT DISTINCT hour / 24 FROM hours WHERE hour / 24 NOT IN (SELECT day FROM rollups)"));
  Bound row(statement);
  while (TRY(row.step())) unrolled_.insert(row.integer(0));
  return {};
}

Result<std::set<std::string>> SearchCounts::days() const {
  std::set<std::string> names;
  Bound row(statements_.days);
  while (TRY(row.step())) names.emplace(row.bytes(0));
  return names;
}

// ---------------------------------------------------------------- gathering
Result<std::int64_t> SearchCounts::name_id(const std::string& name, bool make) {
  if (name.empty()) return 0;
  const auto known = names_.find(name);
  if (known != names_.end() && (known->second != no_id || !make)) return known->second;
  Bound found(statements_.select_name);
  std::int64_t id = no_id;
  if (TRY(found.text(name).step())) {
    id = found.integer(0);
  } else if (make) {
    TRY(Bound(statements_.insert_name).text(name).done());
    id = sqlite3_last_insert_rowid(db_.get());
  }
  names_.insert_or_assign(name, id);
  return id;
}

// no_id: there is none, and `make` is false.
Result<std::int64_t> SearchCounts::id_of(const Combination& of, bool make) {
  const auto key = text_of(of);
  const auto known = ids_.find(key);
  if (known != ids_.end() && (known->second != no_id || !make)) return known->second;
  std::array<std::int64_t, 8> numbers{};
  std::size_t at = 0;
  bool all_known = true;
  for (const auto* name :
       {&of.provider, &of.domain, &of.recipient_domain, &of.stream, &of.tag, &of.pool, &of.klass}) {
    numbers[at] = TRY(name_id(*name, make));
    all_known = all_known && numbers[at++] != no_id;
  }
  numbers[at] = of.extra ? 1 : 0;
  std::int64_t id = no_id;
  Bound found(statements_.select_combination);
  for (const auto number : numbers) found.number(number);
  if (all_known && TRY(found.step())) {
    id = found.integer(0);
  } else if (make) {
    Bound made(statements_.insert_combination);
    for (const auto number : numbers) made.number(number);
    TRY(made.done());
    id = sqlite3_last_insert_rowid(db_.get());
    ++combinations_;
  }
  ids_.insert_or_assign(key, id);
  return id;
}

Result<Tally*> SearchCounts::hour_of(std::int64_t hour) {
  if (const auto found = hours_.find(hour); found != hours_.end()) return &found->second;
  Tally loaded;
  Bound row(statements_.select_hour);
  if (TRY(row.number(hour).step())) TRY(loaded.add_encoded(row.bytes(0)));
  return &hours_.emplace(hour, std::move(loaded)).first->second;
}

// The fullest form of it that the hour has, or has room for. A new name costs a row: made at once,
// in the transaction of write().
Result<std::int64_t> SearchCounts::place_of(const Tally& hour, const Combination& of) {
  std::size_t step = std::min(no_names, hour.size() / limits_.combinations);
  if (combinations_ >= limits_.all_combinations) step = std::max<std::size_t>(step, 3);
  for (std::size_t before = 0; before < step; ++before) {
    const auto id = TRY(id_of(with_less(of, before), false));
    if (id != no_id && hour.contains(id)) return id;
  }
  return id_of(with_less(of, step), true);
}

Result<void> SearchCounts::add_all(std::int64_t hour, const Combination& of,
                                   const SearchMessage& message, const Addition& addition) {
  Tally* tally = TRY(hour_of(hour));
  touched_.insert(hour);
  for (std::size_t at = 0; at < std::max<std::size_t>(1, message.tags.size()); ++at) {
    if (at >= limits_.tags) break;
    Combination each = of;
    each.extra = at > 0;
    if (at < message.tags.size()) each.tag = name_of_tag(message.tags[at]);
    const auto id = TRY(place_of(*tally, each));
    tally->add(id, static_cast<std::size_t>(addition.which), addition.amount);
    for (const auto which : addition.beside) tally->add(id, static_cast<std::size_t>(which), 1);
    if (addition.bucket) tally->add(id, latency_counter + *addition.bucket, 1);
  }
  return {};
}

Result<void> SearchCounts::add(const SearchChange& change, const SearchMessage& message) {
  const auto hour = hour_number(change.at);
  if (change.sequence <= position_ || hour < begin_hour_) return {};
  if (sqlite3_get_autocommit(db_.get()) != 0) TRY(Bound(statements_.begin).done());
  Combination of;
  of.domain = domain_of(message.from);
  of.stream = cut_text(message.stream, names_octets);
  of.pool = cut_text(change.pool.empty() ? message.pool : change.pool, names_octets);
  of.provider = cut_text(change.provider, names_octets);
  if (change.kind == EventKind::received) {
    bool first = true;
    for (const auto& recipient : message.recipients) {
      of.recipient_domain = domain_of(recipient);
      TRY(add_all(hour, of, message, {.which = StatsCount::accepted}));
      if (!std::exchange(first, false)) continue;
      TRY(add_all(hour, of, message, {.which = StatsCount::messages}));
      TRY(add_all(hour, of, message, {.which = StatsCount::octets, .amount = message.octets}));
    }
    return {};
  }
  const auto which = count_of(change.kind, change.machine);
  if (!which) return {};
  of.recipient_domain = change.recipient.empty() ? change.domain : domain_of(change.recipient);
  of.klass = change.klass;
  Addition addition{.which = *which, .amount = change.recipient.empty() ? change.recipients : 1};
  if (*which == StatsCount::delivered) {
    addition.bucket = latency_bucket(change.took);
    addition.beside = counts_of(change.tls);
  }
  return add_all(hour, of, message, addition);
}

void SearchCounts::forget_gathered() {
  const bool unmade = sqlite3_get_autocommit(db_.get()) == 0;
  if (unmade) static_cast<void>(Bound(statements_.rollback).done());
  names_.clear();
  ids_.clear();
  hours_.clear();
  touched_.clear();
  new_days_.clear();
  if (unmade) static_cast<void>(load_state());  // what was counted of it
}

// ---------------------------------------------------------------- writing
Result<void> SearchCounts::write_gathered() {
  for (const auto hour : touched_) {
    const auto counts = hours_.at(hour).encode();
    TRY(Bound(statements_.put_hour).number(hour).blob(counts).done());
    if (unrolled_.insert(hour / 24).second)
      TRY(Bound(statements_.delete_rollup).number(hour / 24).done());
  }
  for (const auto& name : new_days_) TRY(Bound(statements_.insert_day).text(name).done());
  return {};
}

Result<void> SearchCounts::write(std::uint64_t position) {
  if (position <= position_) {
    const auto made = std::exchange(new_days_, {});
    forget_gathered();
    for (const auto& name : made) TRY(Bound(statements_.insert_day).text(name).done());
    return {};
  }
  if (sqlite3_get_autocommit(db_.get()) != 0) TRY(Bound(statements_.begin).done());
  TRY(write_gathered());
  TRY(Bound(statements_.set_position).number(position).done());
  TRY(Bound(statements_.commit).done());
  position_ = position;
  touched_.clear();
  new_days_.clear();
  if (ids_.size() > ids_in_memory) ids_.clear();
  if (names_.size() > ids_in_memory) names_.clear();
  while (hours_.size() > hours_in_memory) hours_.erase(hours_.begin());
  return {};
}

Result<void> SearchCounts::in_transaction(const std::function<Result<void>()>& work) {
  forget_gathered();
  TRY(Bound(statements_.begin).done());
  auto done = work();
  if (done) done = Bound(statements_.commit).done();
  if (!done) forget_gathered();
  return done;
}

// A day's sum when a later day has begun.
Result<void> SearchCounts::roll_up() {
  for (std::size_t count = 0; unrolled_.size() > 1 && count < rolled_at_once; ++count) {
    const auto day = *unrolled_.begin();
    TRY(in_transaction([&] { return roll_up(day); }));
    unrolled_.erase(day);
  }
  return {};
}

Result<void> SearchCounts::roll_up(std::int64_t day) {
  Tally sum;
  {
    Bound row(statements_.hours_of);
    row.number(day * 24).number(day * 24 + 24);
    while (TRY(row.step())) TRY(sum.add_encoded(row.bytes(0)));
  }
  const auto counts = sum.encode();
  return Bound(statements_.put_rollup).number(day).blob(counts).done();
}

// The mark goes down with a sync, behind all that it speaks of.
Result<void> SearchCounts::settle(std::uint64_t position) {
  TRY(roll_up());
  if (!TRY(sync_search_file(db_))) return {};
  TRY(Bound(statements_.set_settled).number(position).done());
  if (TRY(sync_search_file(db_))) settled_ = position;
  return {};
}

// ---------------------------------------------------------------- what goes
// A commit that no power cut takes back.
Result<void> SearchCounts::synced(const std::function<Result<void>()>& work) {
  TRY(db_.run("PRAGMA synchronous=FULL"));
  auto done = in_transaction(work);
  TRY(db_.run("PRAGMA synchronous=NORMAL"));
  return done;
}

Result<void> SearchCounts::remove_day(const std::string& name) {
  return synced([&] { return Bound(statements_.delete_day).text(name).done(); });
}

Result<void> SearchCounts::fill_again(const std::set<std::string>& lost_days) {
  TRY(synced([&] -> Result<void> {
    for (const auto& name : lost_days) TRY(Bound(statements_.delete_day).text(name).done());
    return Bound(statements_.set_settled).number(std::uint64_t{0}).done();
  }));
  settled_ = 0;
  return {};
}

// Names and combinations that no hour has.
Result<void> SearchCounts::remove_unused() {
  std::set<std::int64_t> used;
  {
    const auto hours = TRY(db_.prepare("SELECT counts FROM hours"));
    Bound row(hours);
    const auto take = [&used](std::int64_t id) { return used.insert(id), false; };
    while (TRY(row.step()))
      if (!read_tally(row.bytes(0), take, [](auto, auto) {}))
        return fail(ErrorKind::damaged, "counts of the statistics are damaged");
  }
  std::vector<std::int64_t> unused;
  {
    const auto all = TRY(db_.prepare("SELECT id FROM combinations"));
    Bound row(all);
    while (TRY(row.step()))
      if (!used.contains(row.integer(0))) unused.push_back(row.integer(0));
  }
  const auto remove = TRY(db_.prepare("DELETE FROM combinations WHERE id=?"));
  for (const auto id : unused) TRY(Bound(remove).number(id).done());
  combinations_ -= unused.size();
  return db_.run(
      "DELETE FROM names WHERE id<>0 AND id NOT IN (SELECT provider FROM combinations UNION "
      "SELECT domain FROM combinations UNION SELECT recipient_domain FROM combinations UNION "
      "SELECT stream FROM combinations UNION SELECT tag FROM combinations UNION "
      "SELECT pool FROM combinations UNION SELECT class FROM combinations)");
}

Result<std::size_t> SearchCounts::forget(Instant before) {
  const auto hour = hour_number(before);
  std::size_t went = 0;
  TRY(in_transaction([&] -> Result<void> {
    const auto rollups = TRY(db_.prepare("DELETE FROM rollups WHERE day < (? + 23) / 24"));
    TRY(Bound(rollups).number(hour).done());
    const auto hours = TRY(db_.prepare("DELETE FROM hours WHERE hour < ?"));
    TRY(Bound(hours).number(hour).done());
    went = static_cast<std::size_t>(sqlite3_changes64(db_.get()));
    if (went == 0 || std::exchange(tidied_day_, hour / 24) == hour / 24) return {};
    return remove_unused();
  }));
  if (went > 0) TRY(load_unrolled());
  return went;
}

// A name that is there already (it was erased before) cannot be had twice: a number keeps it apart.
Result<void> SearchCounts::erase(const std::string& address, const std::string& by) {
  std::vector<std::pair<std::int64_t, std::string>> changed;
  {
    const auto wanted = to_lower(address);
    const auto names = TRY(db_.prepare("SELECT id, text FROM names WHERE instr(lower(text), ?)"));
    Bound row(names);
    row.text(wanted);
    while (TRY(row.step())) {
      auto replaced = replace_address(row.bytes(1), address, by);
      if (replaced != row.bytes(1)) changed.emplace_back(row.integer(0), std::move(replaced));
    }
  }
  if (changed.empty()) return {};
  const auto rename = TRY(db_.prepare("UPDATE names SET text=?2 WHERE id=?1"));
  TRY(synced([&] -> Result<void> {
    for (auto& [id, name] : changed) {
      if (TRY(name_id(name, false)) != no_id) name += fmt::format(" {}", id);
      names_.erase(name);
      TRY(Bound(rename).number(id).text(name).done());
    }
    return {};
  }));
  forget_gathered();
  return db_.run("VACUUM");
}

Result<void> SearchCounts::start_anew(Instant from, std::uint64_t behind) {
  // The hour in which the log begins is counted already when there is anything before it.
  auto hour = hour_number(from);
  const auto older = TRY(db_.prepare("SELECT 1 FROM hours WHERE hour <= ? LIMIT 1"));
  {
    Bound row(older);
    hour = TRY(row.number(hour).step()) ? hour + 1 : 0;
  }
  TRY(in_transaction([&] -> Result<void> {
    const auto rollups = TRY(db_.prepare("DELETE FROM rollups WHERE day >= ?"));
    TRY(Bound(rollups).number(hour / 24).done());
    const auto hours = TRY(db_.prepare("DELETE FROM hours WHERE hour >= ?"));
    TRY(Bound(hours).number(hour).done());
    TRY(remove_unused());
    TRY(db_.run("DELETE FROM days"));
    const auto state = TRY(db_.prepare("UPDATE state SET position=?1, settled=?1, begin=?2"));
    return Bound(state).number(behind).number(hour).done();
  }));
  return load_state();
}

}  // namespace goniec
