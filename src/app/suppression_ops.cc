// See suppression_ops.h.
#include "app/suppression_ops.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include "accounts/suppression_file.h"
#include "api/call.h"
#include "base/text.h"
#include "config/bounce_rules.h"
#include "config/values.h"
#include "mail/csv.h"
#include "run/system.h"

namespace goniec {
namespace {

constexpr std::size_t batch = 500, page = 1000, told_rows = 20;

std::expected<JsonValue, int> call(const Common& common, std::string_view method,
                                   const std::string& target, std::string body = {}) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  auto answer = client->call(method, target, std::move(body));
  if (!answer) return std::unexpected(print_error(answer.error()));
  return std::move(*answer);
}

std::vector<JsonValue> items_at(const JsonValue& object, std::string_view key) {
  const auto list = object.at(key);
  return list ? list->items() : std::vector<JsonValue>();
}

std::string query_of(const SuppressionOptions& options, const std::string& after) {
  std::string query = fmt::format("?limit={}", page);
  const auto add = [&query](std::string_view name, const std::string& value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, encode_percent(value));
  };
  add("stream", options.stream);
  add("reason", options.reason);
  add("email", options.address);
  add("after", after);
  return query;
}

// Calls take(entry) for each; 0 or the exit code.
template <class Take>
int for_each_entry(const Common& common, const SuppressionOptions& options, Take take) {
  std::string after;
  do {
    const auto answer = call(common, "GET", "/api/v1/suppressions" + query_of(options, after));
    if (!answer) return answer.error();
    for (const JsonValue& entry : items_at(*answer, "data")) take(entry);
    after = answer->text_at("next");
  } while (!after.empty());
  return exit_done;
}

std::string line_of(const JsonValue& entry) {
  return fmt::format("{} in {}: {} since {} ({}){}{}\n", entry.text_at("email"),
                     entry.text_at("stream"), entry.text_at("reason"), entry.text_at("created_at"),
                     entry.text_at("origin"),
                     entry.text_at("event_id").empty() ? "" : ", " + entry.text_at("event_id"),
                     entry.text_at("note").empty() ? "" : "\n  " + entry.text_at("note"));
}

int print_answer(const Common& common, const std::expected<JsonValue, int>& answer,
                 const std::string& text) {
  if (!answer) return answer.error();
  print(common.json ? answer->dump() + "\n" : text);
  return exit_done;
}

Result<std::string> read_file(const std::string& name) {
  if (name == "-")
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(ErrorKind::io, fmt::format("{} cannot be read", name));
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

struct Import {
  std::vector<std::string> entries;  // JSON objects
  std::size_t left_out = 0;
  std::vector<std::string> told;
  std::string format;
};

// Why a row is not taken; "": it is, and `reason` says why.
std::string judge(const SuppressionRow& row, const SuppressionOptions& options,
                  const BounceRules& rules, SuppressionReason& reason) {
  if (row.reason) {
    reason = *row.reason;
  } else if (!row.reply.empty()) {
    const Reply reply = read_reply(row.reply);
    const auto verdict = rules.classify(reply, {.domain = row.address.domain().ascii()});
    if (!verdict.is_dead_address())
      return fmt::format("{} is no reason to suppress a person", name_of(verdict.klass));
    reason = SuppressionReason::bad_mailbox;
  } else if (const auto given = suppression_reason_of(options.reason)) {
    reason = *given;
  } else {
    return "the file does not say why; give --reason bad_mailbox, complained, unsubscribed or "
           "manual";
  }
  if (row.stream.empty() && options.stream.empty() && reason != SuppressionReason::manual)
    return "the file does not say for which stream; give --stream bulk or transactional";
  return {};
}

Result<Import> read_import(const SuppressionOptions& options) {
  const std::string text = TRY(read_file(options.file));
  SuppressionFile file = TRY(read_suppression_file(text));
  auto loaded = load_bounce_rules("");
  const BounceRules rules = loaded ? std::move(*loaded) : BounceRules();
  Import import;
  import.format = file.format;
  import.left_out = file.problems.size();
  import.told = std::move(file.problems);
  for (const SuppressionRow& row : file.rows) {
    SuppressionReason reason = SuppressionReason::manual;
    if (const auto why = judge(row, options, rules, reason); !why.empty()) {
      ++import.left_out;
      if (import.told.size() < told_rows)
        import.told.push_back(fmt::format("line {}: {}: {}", row.line, row.address.text(), why));
      continue;
    }
    JsonWriter w;
    w.object().key("email").text(row.address.text()).key("reason").text(name_of(reason));
    w.key("stream").text(!options.stream.empty() ? options.stream
                         : !row.stream.empty()   ? row.stream
                                                 : std::string(all_streams));
    w.key("origin").text("import");
    if (!row.reply.empty()) w.key("note").text(printable(row.reply, 300));
    if (row.created != Instant{}) w.key("created_at").text(to_rfc3339(row.created));
    w.end();
    import.entries.push_back(std::move(w).take());
  }
  return import;
}

}  // namespace

int run_suppression_list(const Common& common, const SuppressionOptions& options) {
  std::string json = "[";
  TextTable table({"ADDRESS", "STREAM", "REASON", "ORIGIN", "SINCE", "NOTE"});
  const int code = for_each_entry(common, options, [&](const JsonValue& entry) {
    if (common.json) {
      json += (json.size() > 1 ? "," : "") + entry.dump();
    } else {
      table.add({entry.text_at("email"), entry.text_at("stream"), entry.text_at("reason"),
                 entry.text_at("origin"), entry.text_at("created_at").substr(0, 10),
                 printable(entry.text_at("note"), 80)});
    }
  });
  if (code != exit_done) return code;
  print(common.json ? json + "]\n" : table.empty() ? "Nobody is suppressed.\n" : table.text());
  return exit_done;
}

int run_suppression_add(const Common& common, const SuppressionOptions& options) {
  JsonWriter w;
  w.object().key("email").text(options.address).key("origin").text("cli");
  if (!options.stream.empty()) w.key("stream").text(options.stream);
  if (!options.reason.empty()) w.key("reason").text(options.reason);
  if (!options.note.empty()) w.key("note").text(options.note);
  if (!options.expires.empty()) {
    const auto span = parse_duration(options.expires);
    if (!span) return print_error(span.error());
    w.key("expires_at").text(to_rfc3339(SystemClock().now() + *span));
  }
  w.end();
  const auto answer = call(common, "POST", "/api/v1/suppressions", std::move(w).take());
  return print_answer(common, answer, answer ? line_of(*answer) : "");
}

int run_suppression_remove(const Common& common, const SuppressionOptions& options) {
  std::string target = "/api/v1/suppressions/" + encode_percent(options.address);
  if (!options.stream.empty()) target += "?stream=" + encode_percent(options.stream);
  const auto answer = call(common, common.dry_run ? "GET" : "DELETE", target);
  return print_answer(common, answer,
                      fmt::format("{}{} may be written to again.\n",
                                  common.dry_run ? "dry run: " : "", options.address));
}

int run_suppression_why(const Common& common, const SuppressionOptions& options) {
  const auto answer = call(common, "GET", "/api/v1/recipients/" + encode_percent(options.address));
  if (!answer) return answer.error();
  bool stands = false;
  std::string text;
  for (const JsonValue& each : items_at(*answer, "streams")) {
    const auto entry = each.at("suppression");
    if (each.boolean_at("allowed") || !entry || !entry->is_object()) continue;
    if (!options.stream.empty() && each.text_at("stream") != options.stream) continue;
    stands = true;
    const std::string line = line_of(*entry);
    if (text.find(line) == std::string::npos) text += line;  // "*" stands for each stream
  }
  print(common.json ? answer->dump() + "\n"
        : stands    ? text
                    : fmt::format("{} is not suppressed{}.\n", options.address,
                               options.stream.empty() ? "" : " in " + options.stream));
  return stands ? exit_check_said_no : exit_done;
}

int run_suppression_import(const Common& common, const SuppressionOptions& options) {
  const auto import = read_import(options);
  if (!import) return print_error(import.error());
  std::int64_t changed = 0;
  for (std::size_t at = 0; !common.dry_run && at < import->entries.size(); at += batch) {
    const std::size_t end = std::min(import->entries.size(), at + batch);
    JsonWriter w;
    w.object().key("data").array();
    for (std::size_t i = at; i < end; ++i) w.raw(import->entries[i]);
    w.end().end();
    const auto answer = call(common, "POST", "/api/v1/suppressions/batch/add", std::move(w).take());
    if (!answer) return answer.error();
    changed += answer->integer_at("changed");
  }
  if (common.json) {
    JsonWriter w;
    w.object().key("format").text(import->format).key("rows").number(import->entries.size());
    w.key("added").number(changed).key("left_out").number(import->left_out);
    w.key("dry_run").boolean(common.dry_run).key("problems").array();
    for (const std::string& line : import->told) w.text(line);
    w.end().end();
    print(std::move(w).take() + "\n");
    return exit_done;
  }
  for (const std::string& line : import->told) print(line + "\n");
  print(fmt::format("{}: {} rows, {} added, {} left out{}\n", import->format,
                    import->entries.size(), changed, import->left_out,
                    common.dry_run ? " (dry run: nothing was changed)" : ""));
  return exit_done;
}

int run_suppression_export(const Common& common, const SuppressionOptions& options) {
  std::string text = csv_row({"email", "stream", "reason", "origin", "created_at", "event_id"});
  const int code = for_each_entry(common, options, [&](const JsonValue& entry) {
    text +=
        csv_row({entry.text_at("email"), entry.text_at("stream"), entry.text_at("reason"),
                 entry.text_at("origin"), entry.text_at("created_at"), entry.text_at("event_id")});
  });
  if (code != exit_done) return code;
  if (options.file.empty() || options.file == "-") {
    print(text);
    return exit_done;
  }
  std::ofstream file(options.file, std::ios::binary);
  file << text;
  file.flush();
  if (!file) return print_error({ErrorKind::io, fmt::format("{} cannot be written", options.file)});
  return exit_done;
}

// ---------------------------------------------------------------- streams
namespace {

std::string stream_body(const StreamOptions& options, bool is_new) {
  JsonWriter w;
  w.object();
  if (is_new) w.key("id").text(options.id).key("kind").text(options.kind);
  if (!options.name.empty()) w.key("name").text(options.name);
  if (options.archived) w.key("archived").boolean(true);
  if (!options.track_opens.empty() || !options.track_clicks.empty()) {
    w.key("track").object();
    if (!options.track_opens.empty()) w.key("opens").boolean(options.track_opens == "on");
    if (!options.track_clicks.empty()) w.key("clicks").boolean(options.track_clicks == "on");
    w.end();
  }
  w.end();
  return std::move(w).take();
}

void add_row(TextTable& table, const JsonValue& stream) {
  const auto track = stream.at("track");
  std::string tracked;
  if (track && track->boolean_at("opens")) tracked = "opens";
  if (track && track->boolean_at("clicks")) tracked += tracked.empty() ? "clicks" : ", clicks";
  table.add({stream.text_at("id"), stream.text_at("kind"), stream.text_at("name"),
             tracked.empty() ? "nothing" : tracked, stream.boolean_at("archived") ? "yes" : ""});
}

int print_streams(const Common& common, const std::expected<JsonValue, int>& answer,
                  const std::vector<JsonValue>& streams) {
  TextTable table({"ID", "KIND", "NAME", "TRACKED", "ARCHIVED"});
  for (const JsonValue& each : streams) add_row(table, each);
  return print_answer(common, answer, table.text());
}

}  // namespace

int run_stream_list(const Common& common) {
  const auto answer = call(common, "GET", "/api/v1/streams");
  return print_streams(common, answer,
                       answer ? items_at(*answer, "data") : std::vector<JsonValue>());
}

int run_stream_add(const Common& common, const StreamOptions& options) {
  const auto answer = call(common, "POST", "/api/v1/streams", stream_body(options, true));
  return print_streams(common, answer, answer ? std::vector{*answer} : std::vector<JsonValue>());
}

int run_stream_change(const Common& common, const StreamOptions& options) {
  const auto answer = call(common, "PATCH", "/api/v1/streams/" + encode_percent(options.id),
                           stream_body(options, false));
  return print_streams(common, answer, answer ? std::vector{*answer} : std::vector<JsonValue>());
}

}  // namespace goniec
