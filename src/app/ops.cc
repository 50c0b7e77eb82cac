// Status, reload, domains, users, aliases, routes, backup (ops.h).
#include "app/ops.h"

#include <unistd.h>

#include <fstream>
#include <iostream>

#include "api/call.h"
#include "base/text.h"

namespace goniec {

namespace {

// One call; a refusal is printed.
std::expected<JsonValue, int> call(const Common& common, std::string_view method,
                                   const std::string& target, std::string body = {}) {
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  auto answer = client->call(method, target, std::move(body));
  if (!answer) return std::unexpected(print_error(answer.error()));
  return std::move(*answer);
}

// A change: says `done` when it went well.
int change(const Common& common, std::string_view method, const std::string& target,
           std::string body, std::string_view done) {
  const auto answer = call(common, method, target, std::move(body));
  if (!answer) return answer.error();
  print(common.json ? answer->dump() + "\n" : fmt::format("{}\n", done));
  return exit_done;
}

std::string joined(const JsonValue& list) {
  std::string out;
  for (const auto& item : list.items())
    out += (out.empty() ? "" : ", ") + item.text().value_or(item.dump());
  return out;
}

std::string joined_at(const JsonValue& object, std::string_view key) {
  const auto list = object.at(key);
  return list ? joined(*list) : std::string();
}

Result<std::vector<std::string>> read_recipients(const std::string& file) {
  std::ifstream in(file);
  if (!in)
    return fail(ErrorKind::usage,
                fmt::format("--recipients: cannot read {}; give a file, verify or any", file));
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    const auto name = trim(std::string_view(line).substr(0, line.find_first_of("#\r")));
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

}  // namespace

// ---------------------------------------------------------------- the server
int run_status(const Common& common) {
  const auto answer = call(common, "GET", "/api/v1/status");
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  const auto store = answer->text_at("store");
  print(fmt::format(
      "goniec {}  pid {}  up {}  store {}{}\n", answer->text_at("version"),
      answer->integer_at("pid"), to_text(std::chrono::seconds(answer->integer_at("uptime_s"))),
      store,
      answer->text_at("store_reason").empty() ? "" : ": " + answer->text_at("store_reason")));
  const auto listeners = answer->at("listeners");
  for (const auto& each : listeners ? listeners->items() : std::vector<JsonValue>()) {
    print(fmt::format("  {:<12} {}\n", each.text_at("kind"), each.text_at("address")));
  }
  const auto certificates = answer->at("certificates");
  for (const auto& each : certificates ? certificates->items() : std::vector<JsonValue>()) {
    const auto days = each.integer_at("days");
    const auto names = each.at("names");
    const auto first = names ? names->items() : std::vector<JsonValue>();
    print(fmt::format("  certificate  {} until {}{}\n",
                      first.empty() ? each.text_at("file") : first.front().text().value_or(""),
                      each.text_at("not_after"),
                      days < 0    ? ": EXPIRED"
                      : days < 14 ? fmt::format(": only {} days", days)
                                  : ""));
  }
  if (const auto queue = answer->at("queue"); queue && queue->is_object()) {
    print(fmt::format(
        "queue: {} messages, {}; active {}, deferred {}, held {}{}\n",
        queue->integer_at("messages"), size_text(queue->integer_at("bytes")),
        queue->integer_at("active"), queue->integer_at("deferred"), queue->integer_at("held"),
        queue->text_at("oldest_at").empty() ? ""
                                            : ", oldest " + age_text(queue->text_at("oldest_at"))));
  }
  return exit_done;
}

int run_reload(const Common& common) {
  return change(common, "POST", "/api/v1/reload", "{}", "reloaded");
}

int run_route(const Common& common, const std::string& address) {
  // A bare domain is as good as an address of it.
  const auto whole = address.find('@') == std::string::npos ? "postmaster@" + address : address;
  const auto answer = call(common, "GET", "/api/v1/routes/" + encode_percent(whole));
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  for (const auto& key : answer->keys()) {
    const auto value = *answer->at(key);
    if (!value.is_array()) {
      print(fmt::format("{:<10} {}\n", key, value.text().value_or(value.dump())));
      continue;
    }
    std::size_t number = 0;
    for (const auto& item : value.items()) {
      std::string line = item.text().value_or("");
      if (item.is_object()) {
        for (const auto& name : item.keys()) {
          const auto member = *item.at(name);
          line += fmt::format("{}{} {}", line.empty() ? "" : "  ", name,
                              member.text().value_or(member.dump()));
        }
      }
      print(fmt::format("{:<10} {}\n", number++ == 0 ? key : "", line));
    }
  }
  return exit_done;
}

int run_backup_create(const Common& common, const std::string& directory) {
  JsonWriter w;
  w.object().key("directory").text(absolute_path(directory)).end();
  return change(common, "POST", "/api/v1/backup", std::move(w).take(),
                "backup verified: " + absolute_path(directory));
}

// ---------------------------------------------------------------- domains
int run_domain_add(const Common& common, const DomainAdd& options) {
  JsonWriter w;
  w.object().key("domain").text(options.domain);
  if (!options.recipients.empty() && !options.relay) {
    return print_error(
        {ErrorKind::usage, "--recipients goes with --relay: a local domain has users and aliases"});
  }
  if (options.relay) {
    w.key("relay").boolean(true);
    if (options.recipients.empty() || options.recipients == "any" ||
        options.recipients == "verify") {
      w.key("recipients").text(options.recipients.empty() ? "any" : options.recipients);
    } else {
      const auto names = read_recipients(options.recipients);
      if (!names) return print_error(names.error());
      w.key("recipients").text("list").key("listed").array();
      for (const auto& name : *names) w.text(name);
      w.end();
    }
  }
  w.end();
  return change(common, "POST", "/api/v1/domains", std::move(w).take(),
                fmt::format("{} added{}", options.domain, options.relay ? " (relay)" : ""));
}

int run_domain_list(const Common& common) {
  const auto answer = call(common, "GET", "/api/v1/domains");
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  TextTable table({"DOMAIN", "KIND", "RECIPIENTS"});
  for (const auto& each : answer->items()) {
    const bool relay = each.boolean_at("relay");
    table.add({each.text_at("domain"), relay ? "relay" : "local",
               relay ? each.text_at("recipients") : "users and aliases"});
  }
  print(table.empty() ? "no domain; fix: goniec domain add example.pl\n" : table.text());
  return exit_done;
}

int run_domain_remove(const Common& common, const std::string& domain) {
  return change(common, "DELETE", "/api/v1/domains/" + encode_percent(domain), {},
                domain + " removed");
}

// ---------------------------------------------------------------- users
namespace {

void write_user_fields(JsonWriter& w, const UserOptions& options) {
  if (!options.quota.empty()) w.key("quota").text(options.quota);
  if (!options.send_as.empty()) {
    w.key("send_as").array();
    for (const auto& pattern : options.send_as) w.text(pattern);
    w.end();
  }
  if (options.scram) w.key("scram").boolean(true);
}

struct ChosenPassword {
  std::string text;
  bool made = false;
};

Result<ChosenPassword> choose_password(const UserOptions& options) {
  if (options.password_stdin) return ChosenPassword{TRY(read_password(PasswordFrom::stdin_line))};
  if (::isatty(STDIN_FILENO)) return ChosenPassword{TRY(read_password(PasswordFrom::terminal))};
  return ChosenPassword{TRY(read_password(PasswordFrom::made)), true};
}

int with_password(const Common& common, std::string_view method, const std::string& target,
                  const UserOptions& options, bool name_address, std::string_view done) {
  const auto password = choose_password(options);
  if (!password) return print_error(password.error());
  JsonWriter w;
  w.object();
  if (name_address) w.key("address").text(options.address);
  w.key("password").text(password->text);
  write_user_fields(w, options);
  w.end();
  const auto answer = call(common, method, target, std::move(w).take());
  if (!answer) return answer.error();
  if (common.json) {
    JsonWriter out;
    out.object().key("address").text(options.address);
    if (password->made) out.key("password").text(password->text);
    out.end();
    print(std::move(out).take() + "\n");
    return exit_done;
  }
  print(fmt::format("{} {}\n", options.address, done));
  if (password->made) print(fmt::format("password  {}   (shown once)\n", password->text));
  return exit_done;
}

}  // namespace

int run_user_add(const Common& common, const UserOptions& options) {
  return with_password(common, "POST", "/api/v1/users", options, true, "added");
}

int run_user_passwd(const Common& common, const UserOptions& options) {
  return with_password(common, "PATCH", "/api/v1/users/" + encode_percent(options.address), options,
                       false, "has a new password");
}

int run_user_list(const Common& common) {
  const auto answer = call(common, "GET", "/api/v1/users");
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  TextTable table({"USER", "USED", "QUOTA", "SEND AS"});
  for (const auto& each : answer->items()) {
    const auto quota = each.integer_at("quota");
    table.add({each.text_at("address"), size_text(each.integer_at("used")),
               quota == 0 ? "none" : size_text(quota), joined_at(each, "send_as")});
  }
  print(table.empty() ? "no user; fix: goniec user add anna@example.pl\n" : table.text());
  return exit_done;
}

int run_user_remove(const Common& common, const std::string& address) {
  return change(common, "DELETE", "/api/v1/users/" + encode_percent(address), {},
                address + " removed");
}

// ---------------------------------------------------------------- aliases
int run_alias_add(const Common& common, const std::string& address,
                  const std::vector<std::string>& targets) {
  JsonWriter w;
  w.object().key("address").text(address).key("targets").array();
  for (const auto& target : targets) w.text(target);
  w.end().end();
  return change(common, "POST", "/api/v1/aliases", std::move(w).take(), address + " added");
}

int run_alias_list(const Common& common) {
  const auto answer = call(common, "GET", "/api/v1/aliases");
  if (!answer) return answer.error();
  if (common.json) {
    print(answer->dump() + "\n");
    return exit_done;
  }
  TextTable table({"ALIAS", "TARGETS"});
  for (const auto& each : answer->items())
    table.add({each.text_at("address"), joined_at(each, "targets")});
  print(table.empty() ? "no alias\n" : table.text());
  return exit_done;
}

int run_alias_remove(const Common& common, const std::string& address) {
  return change(common, "DELETE", "/api/v1/aliases/" + encode_percent(address), {},
                address + " removed");
}

}  // namespace goniec
