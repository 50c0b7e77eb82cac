// See dkim_ops.h.
#include "app/dkim_ops.h"

#include "api/call.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t string_octets = 255;

std::expected<JsonValue, int> call(const Common& common, std::string_view method,
                                   const std::string& target, std::string body) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  auto answer = client->call(method, target, std::move(body));
  if (!answer) return std::unexpected(print_error(answer.error()));
  return std::move(*answer);
}

std::vector<JsonValue> of_domain(const JsonValue& keys, const std::string& domain) {
  std::vector<JsonValue> result;
  for (const auto& key : keys.items()) {
    if (domain.empty() || equal_ignoring_case(key.text_at("domain"), domain)) result.push_back(key);
  }
  return result;
}

void print_json(const std::vector<JsonValue>& keys) {
  std::string text = "[";
  for (const auto& key : keys) text += (text.size() > 1 ? "," : "") + key.dump();
  print(text + "]\n");
}

std::string record_line(const JsonValue& key) {
  const auto record = key.at("record");
  return record ? zone_line(record->text_at("name"), record->text_at("value")) : std::string();
}

std::string order_body(const DkimOptions& options) {
  JsonWriter w;
  w.object().key("domain").text(options.domain);
  if (!options.selector.empty()) w.key("selector").text(options.selector);
  if (!options.algorithm.empty()) w.key("algorithm").text(options.algorithm);
  if (options.now) w.key("now").boolean(true);
  w.end();
  return std::move(w).take();
}

// What was made: the records, and what happens next.
int make(const Common& common, const DkimOptions& options, const std::string& target) {
  const auto answer = call(common, "POST", target, order_body(options));
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  for (const auto& key : answer->items()) print(record_line(key));
  print(options.now ? "; in use from now on: publish these records first\n"
                    : "; publish these records: a key is used when its record is seen in DNS\n"
                      "; (looked for each minute; at once: goniec dkim check)\n");
  return exit_done;
}

int show(const Common& common, const DkimOptions& options, std::string_view method,
         const std::string& target) {
  const auto answer = call(common, method, target, method == "POST" ? "{}" : "");
  if (!answer) return answer.error();
  const auto keys = of_domain(*answer, options.domain);
  if (common.json) {
    print_json(keys);
    return exit_done;
  }
  TextTable table({"DOMAIN", "SELECTOR", "ALGORITHM", "STATE", "CREATED"});
  std::string records;
  for (const auto& key : keys) {
    table.add({key.text_at("domain"), key.text_at("selector"),
               fmt::format("{} {}", key.text_at("algorithm"), key.integer_at("bits")),
               key.text_at("state"), key.text_at("created_at").substr(0, 10)});
    if (key.text_at("state") != "retired") records += record_line(key);
  }
  if (table.empty()) {
    print("no key; fix: goniec dkim create example.pl\n");
    return exit_done;
  }
  print(table.text() + "\n" + records);
  return exit_done;
}

}  // namespace

std::string zone_line(std::string_view name, std::string_view value) {
  std::string line = fmt::format("{}. IN TXT", name);
  for (std::size_t at = 0; at < value.size() || at == 0; at += string_octets) {
    line += " \"";
    for (const char c : value.substr(at, string_octets)) {
      if (c == '"' || c == '\\') line += '\\';
      line += c;
    }
    line += '"';
  }
  return line + "\n";
}

int run_dkim_create(const Common& common, const DkimOptions& options) {
  return make(common, options, "/api/v1/dkim");
}

int run_dkim_rotate(const Common& common, const DkimOptions& options) {
  return make(common, options, "/api/v1/dkim/rotate");
}

int run_dkim_list(const Common& common, const DkimOptions& options) {
  return show(common, options, "GET", "/api/v1/dkim");
}

int run_dkim_check(const Common& common, const DkimOptions& options) {
  return show(common, options, "POST", "/api/v1/dkim/check");
}

int run_dkim_retire(const Common& common, const DkimOptions& options) {
  const auto answer = call(common, "POST", "/api/v1/dkim/retire", order_body(options));
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  for (const auto& key : answer->items())
    print(
        fmt::format("{} of {} is retired; its private key is deleted. Mail under way may still "
                    "need it for a week; then publish:\n{}",
                    key.text_at("selector"), key.text_at("domain"), record_line(key)));
  return exit_done;
}

int run_srs_rotate(const Common& common, bool drop_older) {
  const auto answer =
      call(common, "POST", "/api/v1/srs/rotate", drop_older ? R"({"drop":true})" : "{}");
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
  } else {
    const auto older = answer->integer_at("secrets") - 1;
    print(older == 0 ? std::string("a new secret; what was made with the older ones is refused\n")
                     : fmt::format("a new secret; {} older read what they made\n", older));
  }
  return exit_done;
}

int run_links_rotate(const Common& common) {
  const auto answer = call(common, "POST", "/api/v1/links/rotate", "{}");
  if (!answer) return answer.error();
  print(common.json ? answer->dump() + "\n"
                    : std::string("a new secret; links in mail that is out there still work\n"));
  return exit_done;
}

}  // namespace goniec
