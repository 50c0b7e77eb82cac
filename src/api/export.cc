// See export.h.
// Pages of a list are made as its own call makes them, each its own read, and written a line an
// object. A page may be short, even empty, when much had to be looked at for it: the next follows.
#include "api/export.h"

#include <algorithm>

#include "api/event_list.h"
#include "api/search.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t most_lines = 1000;
constexpr Duration longest = std::chrono::seconds(20);  // of a call; then it says where to go on

// A column and where it stands in the object: "data.smtp.code".
struct Column {
  std::string_view name, path;
};
constexpr Column email_columns[] = {
    {"created_at", "created_at"},
    {"id", "id"},
    {"queue_id", "queue_id"},
    {"from", "from"},
    {"to", "to"},
    {"subject", "subject"},
    {"status", "status"},
    {"stream", "stream"},
    {"tags", "tags"},
    {"provider", "provider"},
    {"class", "class"},
    {"last_reply", "last_reply"},
    {"size", "size"},
    {"message_id", "message_id"},
};
constexpr Column event_columns[] = {
    {"created_at", "created_at"},
    {"id", "id"},
    {"type", "type"},
    {"email_id", "data.email_id"},
    {"from", "data.from"},
    {"to", "data.to"},
    {"subject", "data.subject"},
    {"stream", "data.stream"},
    {"attempt", "data.attempt"},
    {"code", "data.smtp.code"},
    {"enhanced", "data.smtp.enhanced"},
    {"text", "data.smtp.text"},
    {"host", "data.remote.host"},
    {"ip", "data.remote.ip"},
    {"provider", "data.remote.provider"},
    {"class", "data.bounce.class"},
    {"reason", "data.reason"},
    {"link", "data.link"},
};

std::span<const Column> columns_of(ExportKind kind) {
  if (kind == ExportKind::emails) return email_columns;
  return event_columns;
}

// Texts as they are, lists with "; " between, {"name","value"} as name:value, the rest as JSON.
std::string cell_of(const JsonValue& value) {
  if (value.is_null()) return {};
  if (const auto text = value.text()) return *text;
  if (value.is_object() && value.at("name")) {
    const auto name = value.text_at("name"), said = value.text_at("value");
    return said.empty() ? name : name + ":" + said;
  }
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const auto& each : value.items()) out += (out.empty() ? "" : "; ") + cell_of(each);
  return out;
}

std::string cell_at(const JsonValue& object, std::string_view path) {
  std::optional<JsonValue> value = object;
  for (const auto name : split(path, '.')) {
    value = value->at(name);
    if (!value) return {};
  }
  return cell_of(*value);
}

}  // namespace

std::optional<ExportKind> export_kind_of(std::string_view name) {
  if (name == "emails") return ExportKind::emails;
  if (name == "events") return ExportKind::events;
  return std::nullopt;
}

std::string csv_header_of(ExportKind kind) {
  std::string out;
  for (const auto& column : columns_of(kind)) {
    if (!out.empty()) out += ',';
    out += column.name;
  }
  return out + "\r\n";
}

std::string csv_line_of(ExportKind kind, const JsonValue& object) {
  std::string out;
  bool first = true;
  for (const auto& column : columns_of(kind)) {
    if (!std::exchange(first, false)) out += ',';
    out += csv_field(cell_at(object, column.path));
  }
  return out + "\r\n";
}

namespace {

void set_parameter(ApiCall& call, std::string_view name, std::string value) {
  std::erase_if(call.query, [name](const auto& each) { return each.first == name; });
  call.query.emplace_back(name, std::move(value));
}

Result<std::size_t> limit_of(const ApiCall& call) {
  const auto text = call.parameter("limit");
  if (text.empty()) return most_lines;
  const auto limit = parse_unsigned(text);
  if (!limit || *limit < 1 || *limit > most_lines)
    return fail(ErrorKind::usage, fmt::format("limit is from 1 to {}", most_lines));
  return static_cast<std::size_t>(*limit);
}

}  // namespace

Task<ApiReply> export_lines(ApiContext& context, ApiCall call) {
  const auto kind = export_kind_of(call.argument);
  if (!kind) co_return error_reply({ErrorKind::not_found, "emails or events can be exported"});
  const std::string format(call.parameter("format"));
  if (!format.empty() && format != "csv" && format != "ndjson")
    co_return error_reply({ErrorKind::usage, "format is ndjson or csv"});
  const auto limit = limit_of(call);
  if (!limit) co_return error_reply(limit.error());
  if (*kind == ExportKind::events) set_parameter(call, "order", "asc");
  const bool csv = format == "csv";
  ApiReply out{200, csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson",
               csv ? csv_header_of(*kind) : std::string()};
  auto& loop = context.world.loop;
  const Moment until = loop.clock().moment() + longest;
  std::string next;
  for (std::size_t lines = 0;;) {
    set_parameter(call, "limit", std::to_string(*limit - lines));
    auto reply = *kind == ExportKind::events ? co_await list_event_views(context, call)
                                             : co_await list_emails(context, call);
    if (reply.status != 200) co_return reply;
    const auto page = JsonValue::parse(reply.body);
    const auto data = page ? page->at("data") : std::nullopt;
    for (const auto& each : data ? data->items() : std::vector<JsonValue>()) {
      out.body += csv ? csv_line_of(*kind, each) : each.dump() + "\n";
      ++lines;
    }
    next = page && page->boolean_at("has_more") ? page->text_at("next") : std::string();
    if (next.empty() || lines >= *limit || loop.clock().moment() >= until) break;
    set_parameter(call, "after", next);
  }
  if (!next.empty()) out.headers.emplace_back(export_next_header, next);
  co_return out;
}

}  // namespace goniec
