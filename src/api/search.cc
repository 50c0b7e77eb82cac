// See search.h.
#include "api/search.h"

#include <algorithm>

#include "api/ask_search.h"
#include "api/forget.h"
#include "api/search_query.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::uint64_t most_rows = 1000, usual_rows = 50;
constexpr Duration list_effort = std::chrono::milliseconds(100);

std::string_view last_event_of(MailStatus status) {
  return status == MailStatus::deferred ? "delivery_delayed" : name_of(status);
}

void write_time(JsonWriter& w, std::string_view key, Instant at) {
  w.key(key);
  if (at == Instant{}) {
    w.null();
  } else {
    w.text(to_rfc3339(at));
  }
}

constexpr std::pair<std::string_view, std::string_view> filter_parameters[] = {
    {"to", "to"},           {"from", "from"},
    {"subject", "subject"}, {"message_id", "message-id"},
    {"tag", "tag"},         {"metadata", "metadata"},
    {"stream", "stream"},   {"status", "status"},
    {"class", "class"},     {"provider", "provider"},
    {"key", "key"},         {"since", "after"},
    {"until", "before"},
};

Result<std::size_t> limit_of(const ApiCall& call) {
  const auto text = call.parameter("limit");
  if (text.empty()) return std::size_t{usual_rows};
  const auto limit = parse_unsigned(text);
  if (!limit || *limit < 1 || *limit > most_rows)
    return fail(ErrorKind::usage, fmt::format("limit is from 1 to {}", most_rows));
  return static_cast<std::size_t>(*limit);
}

}  // namespace

KeyBounds bounds_of(const ApiCall& call) {
  if (!call.principal.key) return {};
  return {call.principal.key->domain.ascii(), call.principal.key->stream};
}

std::string csv_field(std::string_view text) {
  constexpr std::string_view formula = "=+-@\t\r";
  std::string out;
  if (!text.empty() && formula.find(text.front()) != std::string_view::npos) out += '\'';
  out += text;
  if (out.find_first_of(",\"\r\n") == std::string::npos) return out;
  std::string quoted = "\"";
  for (const char c : out) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

Result<SearchFilter> search_filter_of(const ApiCall& call, Instant now) {
  SearchFilter filter;
  for (const auto& [parameter, term] : filter_parameters) {
    if (const auto value = call.parameter(parameter); !value.empty())
      TRY(add_search_term(filter, term, value, now));
  }
  if (const auto sandbox = call.parameter("sandbox"); !sandbox.empty())
    filter.sandbox = sandbox == "true" || sandbox == "1";
  filter.limit = TRY(limit_of(call));
  if (const auto after = call.parameter("after"); !after.empty()) {
    filter.after = parse_email_id(after);
    if (!filter.after) return fail(ErrorKind::usage, "after is what a list before gave as next");
  }
  filter = TRY(parse_search_query(call.parameter("q"), now, std::move(filter)));
  const auto bounds = bounds_of(call);
  filter.domain = bounds.domain;
  if (bounds.stream.empty() || bounds.stream == filter.stream) return filter;
  if (!filter.stream.empty())
    return fail(ErrorKind::not_permitted, "this key is bound to another stream");
  filter.stream = bounds.stream;
  return filter;
}

void write_summary(JsonWriter& w, const SearchRow& row) {
  w.object().key("object").text("email").key("id").text(uuid_of(row.id));
  w.key("queue_id").text(row.id.text());
  if (!row.message_id.empty()) w.key("message_id").text("<" + row.message_id + ">");
  w.key("from").text(row.from).key("to").array();
  for (const auto& to : row.to) w.text(to);
  w.end().key("recipients").number(row.recipients).key("subject").text(row.subject);
  w.key("created_at").text(to_rfc3339(row.at));
  write_time(w, "scheduled_at", row.send_at);
  w.key("last_event").text(last_event_of(row.status)).key("status").text(name_of(row.status));
  write_time(w, "last_event_at", row.last_at);
  w.key("stream").text(row.stream).key("tags").array();
  for (const auto& [name, value] : row.tags)
    w.object().key("name").text(name).key("value").text(value).end();
  w.end().key("metadata").object();
  for (const auto& [name, value] : row.metadata) w.key(name).text(value);
  w.end().key("provider").text(row.provider).key("class");
  if (row.klass.empty()) {
    w.null();
  } else {
    w.text(row.klass);
  }
  w.key("last_reply").text(row.reply).key("size").number(row.octets);
  w.key("opens").number(row.opens).key("clicks").number(row.clicks);
  w.key("has_attachment").boolean(row.attachments).key("sandbox").boolean(row.sandbox);
  w.key("source").text(row.source).end();
}

Task<ApiReply> list_emails(ApiContext& context, ApiCall call) {
  auto filter = search_filter_of(call, context.world.loop.clock().now());
  if (!filter) co_return error_reply(filter.error());
  filter->effort = list_effort;
  const auto page = co_await ask_search(
      context, [filter = std::move(*filter)](const Search& search) { return search.list(filter); });
  if (!page) co_return error_reply(page.error());
  const auto lag = co_await search_lag(context);
  if (!lag) co_return error_reply(lag.error());
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const auto& row : page->rows) write_summary(w, row);
  w.end().key("has_more").boolean(page->has_more).key("next");
  if (page->has_more) {
    w.text(uuid_of(page->next));
  } else {
    w.null();
  }
  w.key("lag_events").number(*lag).end();
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- statistics
namespace {

struct StatsCall {
  StatsQuery query;
  std::vector<StatsGroup> groups;    // as asked
  std::vector<std::string> metrics;  // empty: all
  bool csv = false;
};

struct Percentile {
  std::string_view name;
  double part;
};
constexpr Percentile percentiles[] = {{"latency_p50_ms", 0.5},
                                      {"latency_p90_ms", 0.9},
                                      {"latency_p95_ms", 0.95},
                                      {"latency_p99_ms", 0.99}};

bool wants(const StatsCall& call, std::string_view metric) {
  return call.metrics.empty() || std::ranges::find(call.metrics, metric) != call.metrics.end();
}

Result<void> read_groups(const ApiCall& call, StatsCall& into) {
  const auto text = call.parameter("group_by");
  for (const auto each : split(text.empty() ? "day" : text, ',')) {
    const auto group = stats_group_of(trim(each));
    if (!group)
      return fail(ErrorKind::usage,
                  fmt::format("group_by: there is no \"{}\"; it is one or two of total, provider, "
                              "domain, recipient_domain, stream, tag, pool, class, day, hour, "
                              "hour_of_week",
                              printable(each, 40)));
    into.groups.push_back(*group);
  }
  if (into.groups.size() > 2) return fail(ErrorKind::usage, "group_by: two at most");
  into.query.group_by = into.groups[0];
  if (into.groups.size() == 2) into.query.then_by = into.groups[1];
  return {};
}

Result<void> read_metrics(const ApiCall& call, StatsCall& into) {
  const auto text = call.parameter("metric");
  if (text.empty()) return {};
  std::vector<std::string> known;
  for (std::size_t at = 0; at < stats_counts; ++at)
    known.emplace_back(name_of(static_cast<StatsCount>(at)));
  for (const auto& each : percentiles) known.emplace_back(each.name);
  for (const auto each : split(text, ',')) {
    const std::string name(trim(each));
    if (std::ranges::find(known, name) == known.end())
      return fail(ErrorKind::usage, fmt::format("metric: there is no \"{}\"; it is of {}",
                                                printable(name, 40), fmt::join(known, ", ")));
    into.metrics.push_back(name);
  }
  return {};
}

Result<StatsCall> stats_call_of(const ApiCall& call, Instant now) {
  StatsCall out;
  TRY(read_groups(call, out));
  TRY(read_metrics(call, out));
  const auto since = call.parameter("since"), until = call.parameter("until");
  out.query.since = TRY(parse_time(since.empty() ? "7d" : since, now));
  out.query.until = until.empty() ? now : TRY(parse_time(until, now));
  const std::pair<std::string_view, std::string*> names[] = {
      {"provider", &out.query.provider},
      {"domain", &out.query.domain},
      {"recipient_domain", &out.query.recipient_domain},
      {"stream", &out.query.stream},
      {"tag", &out.query.tag},
      {"pool", &out.query.pool},
      {"class", &out.query.klass}};
  for (const auto& [name, member] : names) *member = call.parameter(name);
  std::ranges::replace(out.query.tag, '=', ':');
  const auto bounds = bounds_of(call);
  if (!bounds.domain.empty() && !to_lower(out.query.domain).ends_with("." + bounds.domain))
    out.query.domain = bounds.domain;
  if (!bounds.stream.empty()) out.query.stream = bounds.stream;
  const auto format = call.parameter("format");
  if (!format.empty() && format != "csv" && format != "json")
    return fail(ErrorKind::usage, "format is json or csv");
  out.csv = format == "csv";
  return out;
}

std::string_view group_of(const StatsRow& row, std::size_t number) {
  return number == 0 ? row.group : row.then;
}

std::string stats_csv(const StatsCall& call, const std::vector<StatsRow>& rows) {
  std::vector<std::string> cells;
  for (const auto group : call.groups) cells.emplace_back(name_of(group));
  for (std::size_t at = 0; at < stats_counts; ++at) {
    const auto name = name_of(static_cast<StatsCount>(at));
    if (wants(call, name)) cells.emplace_back(name);
  }
  for (const auto& each : percentiles)
    if (wants(call, each.name)) cells.emplace_back(each.name);
  std::string out = fmt::format("{}\r\n", fmt::join(cells, ","));
  for (const auto& row : rows) {
    cells.clear();
    for (std::size_t at = 0; at < call.groups.size(); ++at)
      cells.push_back(csv_field(group_of(row, at)));
    for (std::size_t at = 0; at < stats_counts; ++at)
      if (wants(call, name_of(static_cast<StatsCount>(at))))
        cells.push_back(std::to_string(row.counts[at]));
    for (const auto& each : percentiles) {
      if (!wants(call, each.name)) continue;
      const auto seconds = row.latency_at(each.part);
      cells.push_back(seconds ? fmt::format("{:.0f}", *seconds * 1000) : std::string());
    }
    out += fmt::format("{}\r\n", fmt::join(cells, ","));
  }
  return out;
}

void write_stats_row(JsonWriter& w, const StatsCall& call, const StatsRow& row) {
  w.object();
  for (std::size_t at = 0; at < call.groups.size(); ++at)
    if (call.groups[at] != StatsGroup::none)
      w.key(name_of(call.groups[at])).text(group_of(row, at));
  for (std::size_t at = 0; at < stats_counts; ++at) {
    const auto name = name_of(static_cast<StatsCount>(at));
    if (wants(call, name)) w.key(name).number(row.counts[at]);
  }
  for (const auto& each : percentiles) {
    if (!wants(call, each.name)) continue;
    w.key(each.name);
    if (const auto seconds = row.latency_at(each.part)) {
      w.real(*seconds * 1000);
    } else {
      w.null();
    }
  }
  w.end();
}

}  // namespace

Task<ApiReply> show_stats(ApiContext& context, ApiCall call) {
  const auto asked = stats_call_of(call, context.world.loop.clock().now());
  if (!asked) co_return error_reply(asked.error());
  const auto rows = co_await ask_search(
      context, [query = asked->query](const Search& search) { return search.statistics(query); });
  if (!rows) co_return error_reply(rows.error());
  if (asked->csv)
    co_return ApiReply{200, "text/csv; charset=utf-8; header=present", stats_csv(*asked, *rows)};
  JsonWriter w;
  w.object().key("object").text("stats").key("since").text(to_rfc3339(asked->query.since));
  w.key("until").text(to_rfc3339(asked->query.until)).key("group_by").array();
  for (const auto group : asked->groups) w.text(name_of(group));
  w.end().key("data").array();
  for (const auto& row : *rows) write_stats_row(w, *asked, row);
  w.end().end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
