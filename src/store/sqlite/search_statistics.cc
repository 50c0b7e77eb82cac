// What is counted, asked by one or two groups (store/search.h).
//
// First the combinations that the question is about, by its names: each gets the number of its
// group. Then the tallies: of whole days their sums, of what is left their hours, and hours alone
// when the question is about hours. Rows beyond the limit: the busiest stay, and when there may be
// very many they are found by a round that counts nothing else. SQL is made of fixed pieces; what
// was asked is bound.
#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "store/sqlite/search_state.h"
#include "store/sqlite/search_tally.h"

namespace goniec {
namespace {

constexpr std::size_t most_groups = 200000;  // that are looked at for the busiest
constexpr std::size_t groups_at_once = 16;   // times the limit: counted in one round
constexpr std::uint32_t not_asked = UINT32_MAX;

std::string_view column_of(StatsGroup group) {
  switch (group) {
    case StatsGroup::provider:
      return "provider";
    case StatsGroup::domain:
      return "domain";
    case StatsGroup::recipient_domain:
      return "recipient_domain";
    case StatsGroup::stream:
      return "stream";
    case StatsGroup::tag:
      return "tag";
    case StatsGroup::pool:
      return "pool";
    case StatsGroup::klass:
      return "class";
    case StatsGroup::none:
    case StatsGroup::day:
    case StatsGroup::hour:
    case StatsGroup::hour_of_week:
      return "0";
  }
  CHECK(false);
}

bool is_time(StatsGroup group) {
  return group == StatsGroup::day || group == StatsGroup::hour || group == StatsGroup::hour_of_week;
}

bool is_grouped(const StatsQuery& query, StatsGroup group) {
  return query.group_by == group || query.then_by == group;
}

// 1970-01-01 was a Thursday.
std::int64_t hour_of_week(std::int64_t hour) {
  return (hour + std::int64_t{3} * 24) % (std::int64_t{7} * 24);
}

std::string name_of_time(StatsGroup group, std::int64_t hour) {
  if (group == StatsGroup::hour_of_week) {
    const auto at = hour_of_week(hour);
    return fmt::format("{}-{:02}", at / 24 + 1, at % 24);
  }
  const auto text = to_rfc3339(Instant(std::chrono::hours(hour)));
  return group == StatsGroup::day ? text.substr(0, 10) : text.substr(0, 19) + "Z";
}

// The hour that stands for all of a group's.
std::int64_t hour_in_group(StatsGroup group, std::int64_t hour) {
  if (group == StatsGroup::day) return hour / 24 * 24;
  if (group == StatsGroup::hour_of_week) return hour_of_week(hour) + std::int64_t{4} * 24;
  return hour;
}

struct Hours {
  std::int64_t from = 0, to = 0;  // before `to`
};

Hours hours_of(const StatsQuery& query) {
  const auto number = [](Instant at) {
    return std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count();
  };
  if (query.until == Instant{}) return {number(query.since), INT64_MAX};
  return {number(query.since), number(query.until + std::chrono::hours(1) - Duration(1))};
}

// ---------------------------------------------------------------- combinations
using Names = std::pair<std::int64_t, std::int64_t>;  // of both groups

struct Asked {
  std::vector<std::uint32_t> names_of;  // of each combination: which of `names`, or not_asked
  std::vector<Names> names;
};

// nullopt: nothing has this name.
Result<std::optional<std::int64_t>> number_of(const Connection& connection, std::string_view name) {
  const auto statement = TRY(connection.prepare("SELECT id FROM names WHERE text=?"));
  Bound row(statement);
  if (!TRY(row.text(name).step())) return std::optional<std::int64_t>{};
  return std::optional(row.integer(0));
}

Result<Asked> combinations_asked(const Connection& connection, const StatsQuery& query) {
  Asked asked;
  auto sql = fmt::format("SELECT id, {}, {} FROM combinations WHERE 1", column_of(query.group_by),
                         column_of(query.then_by));
  if (!is_grouped(query, StatsGroup::tag) && query.tag.empty()) sql += " AND extra=0";
  std::vector<std::int64_t> wanted;
  const std::pair<std::string_view, const std::string&> filters[] = {
      {"provider", query.provider}, {"recipient_domain", query.recipient_domain},
      {"stream", query.stream},     {"tag", query.tag},
      {"pool", query.pool},         {"class", query.klass}};
  for (const auto& [column, name] : filters) {
    if (name.empty()) continue;
    const auto number = TRY(number_of(connection, name));
    if (!number) return asked;
    sql += fmt::format(" AND {}=?", column);
    wanted.push_back(*number);
  }
  const auto domain = to_lower(query.domain), above = "." + domain;
  if (!domain.empty())
    sql += " AND domain IN (SELECT id FROM names WHERE text=? OR substr(text, -length(?))=?)";
  const auto statement = TRY(connection.prepare(sql.c_str()));
  Bound row(statement);
  for (const auto number : wanted) row.number(number);
  if (!domain.empty()) row.text(domain).text(above).text(above);
  std::map<Names, std::uint32_t> known;
  while (TRY(row.step())) {
    const Names names{row.integer(1), row.integer(2)};
    const auto [place, is_new] =
        known.try_emplace(names, static_cast<std::uint32_t>(asked.names.size()));
    if (is_new) asked.names.push_back(names);
    const auto id = static_cast<std::size_t>(row.count(0));
    if (id >= asked.names_of.size()) asked.names_of.resize(id + 1, not_asked);
    asked.names_of[id] = place->second;
  }
  return asked;
}

// ---------------------------------------------------------------- tallies
// A group: the hour that stands for it (0: any), and its names.
struct GroupKey {
  std::int64_t hour = 0;
  std::uint32_t names = 0;
  bool operator==(const GroupKey&) const = default;
};
struct GroupHash {
  std::size_t operator()(const GroupKey& key) const {
    const auto mixed = static_cast<std::uint64_t>(key.hour) << 32U ^ key.names;
    return static_cast<std::size_t>(mixed * 0x9E3779B97F4A7C15U >> 7U);
  }
};
template <class Value>
using Groups = std::unordered_map<GroupKey, Value, GroupHash>;

class Counting {
 public:
  Counting(const Connection& connection, const StatsQuery& query, const Asked& asked,
           Duration patience)
      : connection_(connection), query_(query), asked_(asked), time_(query.group_by) {
    if (!is_time(time_)) time_ = query.then_by;
    // Of any two of them the hour knows both.
    if (is_time(query.group_by) && is_time(query.then_by) && query.group_by != query.then_by)
      time_ = StatsGroup::hour;
    until_ = std::chrono::steady_clock::now() + patience;
  }

  // begin(key) -> whether its group is wanted, then each(counter, amount) of it.
  template <class Begin, class Each>
  Result<void> walk(Begin begin, Each each) const {
    const auto take = [&](std::int64_t hour, std::string_view counts) {
      return walk_one(hour, counts, begin, each);
    };
    const auto asked = hours_of(query_);
    if (is_time(time_) && time_ != StatsGroup::day) return walk_hours(asked, take);
    auto behind = asked.from;
    const auto statement = TRY(
        connection_.prepare("SELECT day, counts FROM rollups WHERE day>=? AND day<? ORDER BY day"));
    Bound row(statement);
    row.number((asked.from + 23) / 24).number(asked.to / 24);
    while (TRY(row.step())) {
      const auto first = row.integer(0) * 24;
      TRY(walk_hours({behind, first}, take));
      TRY(take(first, row.bytes(1)));
      behind = first + 24;
    }
    return walk_hours({behind, asked.to}, take);
  }

  // At most so many groups can come.
  std::uint64_t most() const {
    const auto hours = hours_of(query_);
    const bool is_open = hours.to == INT64_MAX;
    std::uint64_t times = 1;
    if (time_ == StatsGroup::hour_of_week) times = 168;
    if (time_ == StatsGroup::hour || time_ == StatsGroup::day)
      times = is_open ? UINT32_MAX : static_cast<std::uint64_t>(hours.to - hours.from);
    return times * asked_.names.size();
  }

 private:
  template <class Take>
  Result<void> walk_hours(Hours hours, Take& take) const {
    if (hours.from >= hours.to) return {};
    const auto statement = TRY(connection_.prepare(
        "SELECT hour, counts FROM hours WHERE hour>=? AND hour<? ORDER BY hour"));
    Bound row(statement);
    row.number(hours.from).number(hours.to);
    while (TRY(row.step())) TRY(take(row.integer(0), row.bytes(1)));
    return {};
  }

  template <class Begin, class Each>
  Result<void> walk_one(std::int64_t hour, std::string_view counts, Begin& begin,
                        Each& each) const {
    if (std::chrono::steady_clock::now() > until_) return fail(ErrorKind::try_later, "interrupted");
    GroupKey key;
    if (is_time(time_)) key.hour = hour_in_group(time_, hour);
    const auto is_wanted = [&](std::int64_t combination) {
      const auto id = static_cast<std::size_t>(combination);
      if (id >= asked_.names_of.size() || asked_.names_of[id] == not_asked) return false;
      key.names = asked_.names_of[id];
      return begin(key);
    };
    if (read_tally(counts, is_wanted, each)) return {};
    return fail(ErrorKind::damaged, "counts of the statistics are damaged");
  }

  const Connection& connection_;
  const StatsQuery& query_;
  const Asked& asked_;
  StatsGroup time_;
  std::chrono::steady_clock::time_point until_;
};

bool is_business(std::size_t counter) {
  return counter >= static_cast<std::size_t>(StatsCount::accepted) &&
         counter <= static_cast<std::size_t>(StatsCount::bounced);
}

void put_busiest_first(std::vector<std::pair<GroupKey, std::uint64_t>>& order) {
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    return std::tuple(b.second, a.first.hour, a.first.names) <
           std::tuple(a.second, b.first.hour, b.first.names);
  });
}

// The busiest groups.
Result<Groups<StatsRow>> busiest(const Counting& counting, std::size_t limit) {
  Groups<std::uint64_t> sizes;
  std::uint64_t* size = nullptr;
  const auto begin = [&](const GroupKey& key) {
    auto place = sizes.find(key);
    if (place == sizes.end() && sizes.size() >= most_groups) return false;
    if (place == sizes.end()) place = sizes.emplace(key, 0).first;
    size = &place->second;
    return true;
  };
  TRY(counting.walk(begin, [&size](std::size_t counter, std::uint64_t amount) {
    if (is_business(counter)) *size += amount;
  }));
  std::vector<std::pair<GroupKey, std::uint64_t>> order(sizes.begin(), sizes.end());
  put_busiest_first(order);
  if (order.size() > limit) order.resize(limit);
  Groups<StatsRow> rows;
  for (const auto& [key, amount] : order) rows.try_emplace(key);
  return rows;
}

void add(StatsRow& row, std::size_t counter, std::uint64_t amount) {
  if (counter < stats_counts) row.counts[counter] += amount;
  if (counter >= latency_counter && counter - latency_counter < latency_buckets)
    row.latency[counter - latency_counter] += amount;
}

std::uint64_t size_of(const StatsRow& row) {
  std::uint64_t size = 0;
  for (std::size_t counter = 0; counter < stats_counts; ++counter)
    if (is_business(counter)) size += row.counts[counter];
  return size;
}

void keep_busiest(Groups<StatsRow>& groups, std::size_t limit) {
  if (groups.size() <= limit) return;
  std::vector<std::pair<GroupKey, std::uint64_t>> order;
  for (const auto& [key, row] : groups) order.emplace_back(key, size_of(row));
  put_busiest_first(order);
  for (std::size_t at = limit; at < order.size(); ++at) groups.erase(order[at].first);
}

Result<std::string> name_of_group(const Connection& connection, StatsGroup group, std::int64_t hour,
                                  std::int64_t name) {
  if (is_time(group)) return name_of_time(group, hour);
  if (name == 0) return std::string();
  const auto statement = TRY(connection.prepare("SELECT text FROM names WHERE id=?"));
  Bound row(statement);
  if (!TRY(row.number(name).step())) return fail(ErrorKind::damaged, "a name is not known");
  return std::string(row.bytes(0));
}

Result<std::vector<StatsRow>> ask(const Connection& connection, const StatsQuery& query,
                                  const SearchLimits& limits) {
  const auto asked = TRY(combinations_asked(connection, query));
  const Counting counting(connection, query, asked, limits.patience);
  Groups<StatsRow> groups;
  const bool all_fit = counting.most() <= groups_at_once * limits.groups;
  if (!all_fit) groups = TRY(busiest(counting, limits.groups));
  // Of the hour that is read, by names: a look into `groups` for each entry would be half the work.
  std::vector<StatsRow*> known(asked.names.size());
  std::int64_t hour = 0;
  StatsRow* row = nullptr;
  const auto begin = [&](const GroupKey& key) {
    if (std::exchange(hour, key.hour) != key.hour) std::ranges::fill(known, nullptr);
    row = known[key.names];
    if (row) return true;
    auto place = groups.find(key);
    if (place == groups.end() && all_fit) place = groups.try_emplace(key).first;
    if (place == groups.end()) return false;
    row = known[key.names] = &place->second;
    return true;
  };
  TRY(counting.walk(
      begin, [&row](std::size_t counter, std::uint64_t amount) { add(*row, counter, amount); }));
  keep_busiest(groups, limits.groups);
  std::vector<StatsRow> rows;
  for (auto& [key, counted] : groups) {
    const auto& names = asked.names[key.names];
    counted.group = TRY(name_of_group(connection, query.group_by, key.hour, names.first));
    counted.then = TRY(name_of_group(connection, query.then_by, key.hour, names.second));
    rows.push_back(std::move(counted));
  }
  std::ranges::sort(rows, {}, [](const StatsRow& row) { return std::tie(row.group, row.then); });
  return rows;
}

}  // namespace

Result<std::vector<StatsRow>> Search::statistics(const StatsQuery& query) const {
  const AskingPlace place(*state_);
  const auto file = TRY(FileAtHand::open(*state_, std::string(statistics_file)));
  const Connection& connection = *file;
  const Patience patience(connection, state_->limits.patience);
  TRY(connection.run("BEGIN"));  // days and hours of one moment
  auto rows = ask(connection, query, state_->limits);
  static_cast<void>(connection.run("ROLLBACK"));
  if (!rows) return std::unexpected(told_briefly(rows.error()));
  return rows;
}

}  // namespace goniec
