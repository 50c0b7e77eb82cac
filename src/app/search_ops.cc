// See search_ops.h.
// What a stranger wrote is shown by printable(), cut to a column's worth.
#include "app/search_ops.h"

#include "api/call.h"
#include "api/export.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t column = 40;

std::expected<JsonValue, int> ask(const Common& common, std::string_view method,
                                  const std::string& target, std::string body = {}) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  auto answer = client->call(method, target, std::move(body));
  if (!answer) return std::unexpected(print_error(answer.error()));
  return std::move(*answer);
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

void add_parameter(std::string& target, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  target += target.find('?') == std::string::npos ? '?' : '&';
  target += fmt::format("{}={}", name, encode_percent(value));
}

std::string first_of(const JsonValue& row) {
  const auto to = row.at("to");
  const auto all = to ? to->items() : std::vector<JsonValue>();
  if (all.empty()) return {};
  const auto rest = all.size() > 1 ? fmt::format(" +{}", all.size() - 1) : std::string();
  return printable(all[0].text().value_or(""), column) + rest;
}

}  // namespace

int run_search_find(const Common& common, const SearchOptions& options) {
  // A page is short, even empty, when much mail had to be looked at for it: the rest is asked for.
  std::vector<JsonValue> rows;
  std::string after;
  bool more = false;
  std::int64_t lag = 0;
  do {
    std::string target = "/api/v1/emails";
    add_parameter(target, "q", joined(options.words));
    add_parameter(target, "limit", std::to_string(options.limit - rows.size()));
    add_parameter(target, "after", after);
    const auto answer = ask(common, "GET", target);
    if (!answer) return answer.error();
    for (auto& row : answer->at("data")->items()) rows.push_back(std::move(row));
    more = answer->boolean_at("has_more");
    after = answer->text_at("next");
    lag = answer->integer_at("lag_events");
  } while (more && !after.empty() && rows.size() < options.limit);
  if (common.json) {
    JsonWriter w;
    w.array();
    for (const auto& row : rows) w.raw(row.dump());
    w.end();
    print(std::move(w).take() + "\n");
    return exit_done;
  }
  TextTable table({"ID", "AT", "STATUS", "FROM", "TO", "SUBJECT"});
  for (const auto& row : rows)
    table.add({row.text_at("queue_id"), row.text_at("created_at").substr(0, 19),
               row.text_at("status"), printable(row.text_at("from"), column), first_of(row),
               printable(row.text_at("subject"), column)});
  print(table.empty() ? "no message\n" : table.text());
  if (more) print("there are more: --limit\n");
  if (lag > 0) print(fmt::format("{} events are not in the list yet\n", lag));
  return exit_done;
}

int run_search_status(const Common& common) {
  const auto answer = ask(common, "GET", "/api/v1/search");
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  if (!answer->boolean_at("available")) {
    print("lists and statistics are off, or cannot be read: the server's log says why\n");
    return exit_check_said_no;
  }
  print(fmt::format("shows events up to {}; {} behind\n", answer->integer_at("position"),
                    answer->integer_at("lag_events")));
  return exit_done;
}

int run_search_rebuild(const Common& common) {
  const auto answer = ask(common, "POST", "/api/v1/search/rebuild", "{}");
  if (!answer) return answer.error();
  print(common.json ? answer->dump() + "\n"
                    : "lists and statistics are filled anew; goniec search status says how far\n");
  return exit_done;
}

int run_stats(const Common& common, const SearchOptions& options) {
  std::string target = "/api/v1/stats";
  add_parameter(target, "group_by", options.group_by);
  add_parameter(target, "since", options.since);
  add_parameter(target, "until", options.until);
  if (options.format == "csv") {
    add_parameter(target, "format", "csv");
    const auto client = client_of(common);
    if (!client) return client.error();
    const auto table = client->lines(target);
    if (!table) return print_error(table.error());
    print(table->text);
    return exit_done;
  }
  const auto answer = ask(common, "GET", target);
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->at("data")->dump() + "\n");
    return exit_done;
  }
  std::vector<std::string> heads, groups;
  for (const auto& group : answer->at("group_by")->items()) groups.push_back(*group.text());
  for (const auto& group : groups) heads.push_back(group);
  for (const char* head : {"accepted", "delivered", "deferred", "bounced", "p50", "p95"})
    heads.emplace_back(head);
  TextTable table(heads);
  for (const auto& row : answer->at("data")->items()) {
    std::vector<std::string> cells;
    for (const auto& group : groups) cells.push_back(printable(row.text_at(group), column));
    for (const char* count : {"accepted", "delivered", "deferred", "bounced"})
      cells.push_back(std::to_string(row.integer_at(count)));
    for (const char* part : {"latency_p50_ms", "latency_p95_ms"}) {
      const auto at = row.at(part);
      const auto ms = at ? at->real() : std::nullopt;
      cells.push_back(ms ? fmt::format("{:.1f} s", *ms / 1000) : std::string());
    }
    table.add(std::move(cells));
  }
  print(table.empty() ? "nothing was counted in that time\n" : table.text());
  return exit_done;
}

// The lists themselves are asked: they say where to go on, whatever a page holds.
int run_export(const Common& common, const SearchOptions& options) {
  const auto kind = export_kind_of(options.kind);
  if (!kind) return print_error({ErrorKind::usage, "emails or events can be exported"});
  const auto client = client_of(common);
  if (!client) return client.error();
  const bool csv = options.format == "csv";
  if (csv) print(csv_header_of(*kind));
  std::string after;
  do {
    std::string target = "/api/v1/export/" + options.kind;
    add_parameter(target, "q", joined(options.words));
    add_parameter(target, "since", options.since);
    add_parameter(target, "until", options.until);
    add_parameter(target, "after", after);
    const auto page = client->lines(target);
    if (!page) return print_error(page.error());
    std::string out;
    for (const auto line : split(page->text, '\n')) {
      if (line.empty()) continue;
      const auto object = JsonValue::parse(line);
      if (!object) return print_error(object.error());
      out += csv ? csv_line_of(*kind, *object) : std::string(line) + "\n";
    }
    print(out);
    after = page->next;
  } while (!after.empty());
  return exit_done;
}

int run_erase(const Common& common, const SearchOptions& options) {
  JsonWriter w;
  w.object().key("address").text(options.address).key("dry_run").boolean(common.dry_run);
  w.key("mailbox").boolean(options.mailbox).end();
  const auto answer = ask(common, "POST", "/api/v1/erase", std::move(w).take());
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  print(fmt::format("{} {} events, {} rows and {} letters; it is {} there now\n",
                    common.dry_run ? "would erase the address from" : "erased the address from",
                    answer->integer_at("events"), answer->integer_at("messages"),
                    answer->integer_at("letters"),
                    common.dry_run ? "still" : answer->text_at("pseudonym")));
  if (const auto queued = answer->integer_at("queued"); queued > 0)
    print(
        fmt::format("{} messages of or for it still wait; do it again when they are gone, or "
                    "see goniec queue delete\n",
                    queued));
  return exit_done;
}

}  // namespace goniec
