// See key_ops.h.
#include "app/key_ops.h"

#include "api/call.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

std::expected<JsonValue, int> call(const Common& common, std::string_view method,
                                   const std::string& target, std::string body = {}) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  auto answer = client->call(method, target, std::move(body));
  if (!answer) return std::unexpected(print_error(answer.error()));
  return std::move(*answer);
}

void write_list(JsonWriter& w, std::string_view key, const std::vector<std::string>& values) {
  w.key(key).array();
  for (const auto& each : values) w.text(each);
  w.end();
}

std::string joined(const std::optional<JsonValue>& list) {
  std::string out;
  for (const auto& each : list ? list->items() : std::vector<JsonValue>())
    out += (out.empty() ? "" : ",") + each.text().value_or("");
  return out;
}

std::string day_of(const JsonValue& key, std::string_view member) {
  const auto text = key.text_at(member);
  return text.empty() ? "never" : text.substr(0, 10);
}

}  // namespace

int run_key_create(const Common& common, const KeyOptions& options) {
  JsonWriter w;
  w.object().key("name").text(options.name);
  write_list(w, "scopes", options.scopes);
  if (!options.domain.empty()) w.key("domain").text(options.domain);
  if (!options.stream.empty()) w.key("stream").text(options.stream);
  write_list(w, "networks", options.networks);
  w.key("sandbox").boolean(options.sandbox);
  if (options.sendgrid) w.key("format").text("sendgrid");
  w.end();
  const auto made = call(common, "POST", "/api/v1/api-keys", std::move(w).take());
  if (!made) return made.error();
  if (common.json) {
    print(made->dump() + "\n");
    return exit_done;
  }
  print(fmt::format("{}\n\n", made->text_at("token")));
  print(
      fmt::format("; {} ({}) may: {}. It is shown this one time; keep it where secrets are kept.\n"
                  "; HTTP: Authorization: Bearer KEY    SMTP: any user name, the key as "
                  "password\n",
                  made->text_at("id"), made->text_at("name"), joined(made->at("scopes"))));
  return exit_done;
}

int run_key_list(const Common& common) {
  const auto answer = call(common, "GET", "/api/v1/api-keys");
  if (!answer) return answer.error();
  const auto keys = answer->at("data");
  if (common.json) {
    print((keys ? keys->dump() : "[]") + "\n");
    return exit_done;
  }
  TextTable table({"ID", "NAME", "SECRET", "SCOPES", "BOUND TO", "CREATED", "LAST USED"});
  for (const auto& key : keys ? keys->items() : std::vector<JsonValue>()) {
    std::string bound = key.text_at("domain");
    for (const auto& more : {key.text_at("stream"), joined(key.at("networks")),
                             std::string(key.boolean_at("sandbox") ? "sandbox" : "")})
      if (!more.empty()) bound += (bound.empty() ? "" : " ") + more;
    table.add({key.text_at("id"), key.text_at("name"), key.text_at("hint") + "…",
               joined(key.at("scopes")), bound, day_of(key, "created_at"),
               day_of(key, "last_used_at")});
  }
  print(table.empty() ? "no key; fix: goniec key create NAME\n" : table.text());
  return exit_done;
}

int run_key_revoke(const Common& common, const std::string& id) {
  const auto answer = call(common, "DELETE", "/api/v1/api-keys/" + encode_percent(id));
  if (!answer) return answer.error();
  print(common.json ? answer->dump() + "\n"
                    : fmt::format("{} is no key any more\n", answer->text_at("id")));
  return exit_done;
}

}  // namespace goniec
