// See webhook_ops.h.
#include "app/webhook_ops.h"

#include "api/call.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view base = "/api/v1/webhooks";
constexpr std::size_t column = 60;

std::string path_of(const WebhookCommand& command, std::string_view rest = {}) {
  return fmt::format("{}/{}{}", base, encode_percent(command.id), rest);
}

// The answer, or the exit code of a call that failed or was printed whole.
std::expected<JsonValue, int> ask(const Common& common, std::string_view method,
                                  const std::string& target, std::string body = {}) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  auto answer = client->call(method, target, std::move(body));
  if (!answer) return std::unexpected(print_error(answer.error()));
  if (!common.json) return std::move(*answer);
  print(answer->dump() + "\n");
  return std::unexpected(exit_done);
}

std::string joined(const JsonValue& row, std::string_view key) {
  std::string out;
  const auto list = row.at(key);
  for (const auto& item : list ? list->items() : std::vector<JsonValue>())
    out += (out.empty() ? "" : ", ") + item.text().value_or("");
  return printable(out, column);
}

std::string status_text(const JsonValue& row, std::string_view key) {
  const auto status = row.at(key);
  const auto number = status ? status->integer() : std::nullopt;
  return number ? std::to_string(*number) : "no answer";
}

void write_texts(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key).array();
  for (const std::string& text : texts) json.text(text);
  json.end();
}

void print_webhook(const JsonValue& webhook) {
  print(fmt::format("{}  {}\n  {}\n  events {}; format {}\n", webhook.text_at("id"),
                    webhook.text_at("status"), printable(webhook.text_at("endpoint")),
                    joined(webhook, "events"), webhook.text_at("format")));
  if (const auto secret = webhook.text_at("signing_secret"); !secret.empty())
    print(fmt::format("  secret {}\n", secret));
  if (const auto reason = webhook.text_at("disabled_reason"); !reason.empty())
    print(fmt::format("  disabled: {}\n", printable(reason)));
}

}  // namespace

int run_webhook_list(const Common& common) {
  const auto answer = ask(common, "GET", std::string(base));
  if (!answer) return answer.error();
  TextTable table({"id", "status", "endpoint", "events", "waiting", "ok 24h", "failed 24h"});
  const auto data = answer->at("data");
  for (const auto& row : data ? data->items() : std::vector<JsonValue>()) {
    const auto last = row.at("last_24h");
    table.add({row.text_at("id"), row.text_at("status"), printable(row.text_at("endpoint"), column),
               joined(row, "events"), std::to_string(row.integer_at("backlog")),
               std::to_string(last ? last->integer_at("delivered") : 0),
               std::to_string(last ? last->integer_at("failed") : 0)});
  }
  print(table.empty() ? "there are no webhooks\n" : table.text());
  return exit_done;
}

int run_webhook_add(const Common& common, const WebhookCommand& command) {
  JsonWriter json;
  json.object().key("endpoint").text(command.url);
  write_texts(json, "events",
              command.events.empty() ? std::vector<std::string>{"email.*"} : command.events);
  write_texts(json, "streams", command.streams);
  json.key("format").text(command.format).key("batch").boolean(command.batch).end();
  const auto answer = ask(common, "POST", std::string(base), std::move(json).take());
  if (!answer) return answer.error();
  print_webhook(*answer);
  return exit_done;
}

int run_webhook_show(const Common& common, const WebhookCommand& command) {
  const auto answer = ask(common, "GET", path_of(command));
  if (!answer) return answer.error();
  print_webhook(*answer);
  return exit_done;
}

int run_webhook_status(const Common& common, const WebhookCommand& command, bool enabled) {
  const auto answer = ask(common, "PATCH", path_of(command),
                          fmt::format(R"({{"status":"{}"}})", enabled ? "enabled" : "disabled"));
  if (!answer) return answer.error();
  print_webhook(*answer);
  return exit_done;
}

int run_webhook_remove(const Common& common, const WebhookCommand& command) {
  const auto answer = ask(common, "DELETE", path_of(command));
  return answer ? exit_done : answer.error();
}

int run_webhook_rotate(const Common& common, const WebhookCommand& command) {
  const auto answer = ask(common, "POST", path_of(command, "/signing-secret/rotate"), "{}");
  if (!answer) return answer.error();
  print_webhook(*answer);
  print("  the old secret signs beside it for a day\n");
  return exit_done;
}

int run_webhook_test(const Common& common, const WebhookCommand& command) {
  const auto answer = ask(common, "POST", path_of(command, "/test"), "{}");
  if (!answer) return answer.error();
  const auto error = answer->text_at("error");
  print(fmt::format("{} in {} ms{}\n", status_text(*answer, "status"), answer->integer_at("ms"),
                    error.empty() ? "" : ": " + printable(error)));
  return error.empty() ? exit_done : exit_check_said_no;
}

int run_webhook_events(const Common& common, const WebhookCommand& command) {
  const std::string query = command.state.empty() ? "" : "?state=" + encode_percent(command.state);
  const auto answer = ask(common, "GET", path_of(command, "/events" + query));
  if (!answer) return answer.error();
  TextTable table({"event", "type", "state", "tries", "last", "next", "error"});
  const auto data = answer->at("data");
  for (const auto& row : data ? data->items() : std::vector<JsonValue>())
    table.add({row.text_at("id"), row.text_at("type"), row.text_at("state"),
               std::to_string(row.integer_at("attempts")), status_text(row, "last_status"),
               row.text_at("next_attempt_at"), printable(row.text_at("last_error"), column)});
  print(table.empty() ? "it was told of nothing\n" : table.text());
  return exit_done;
}

int run_webhook_attempts(const Common& common, const WebhookCommand& command) {
  const auto answer =
      ask(common, "GET",
          path_of(command, fmt::format("/events/{}/attempts", encode_percent(command.event))));
  if (!answer) return answer.error();
  TextTable table({"at", "status", "ms", "error", "response"});
  const auto data = answer->at("data");
  for (const auto& row : data ? data->items() : std::vector<JsonValue>())
    table.add({row.text_at("at"), status_text(row, "status"), std::to_string(row.integer_at("ms")),
               printable(row.text_at("error"), column),
               printable(row.text_at("response"), column)});
  print(table.empty() ? "nothing was tried yet\n" : table.text());
  return exit_done;
}

int run_webhook_replay(const Common& common, const WebhookCommand& command) {
  if (!command.event.empty()) {
    const auto again = ask(
        common, "POST",
        path_of(command, fmt::format("/events/{}/replay", encode_percent(command.event))), "{}");
    if (!again) return again.error();
    print("it goes out again\n");
    return exit_done;
  }
  JsonWriter json;
  json.object().key("state").text(command.state.empty() ? "failed" : command.state);
  if (!command.since.empty()) json.key("since").text(command.since);
  if (!command.until.empty()) json.key("until").text(command.until);
  json.key("dry_run").boolean(common.dry_run).end();
  const auto answer = ask(common, "POST", path_of(command, "/replay"), std::move(json).take());
  if (!answer) return answer.error();
  print(fmt::format("{} {}\n", answer->integer_at("count"),
                    common.dry_run ? "would go out again" : "go out again"));
  return exit_done;
}

}  // namespace goniec
