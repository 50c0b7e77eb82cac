// `goniec queue …` (queue_ops.h).
#include "app/queue_ops.h"

#include "api/call.h"
#include "base/text.h"

namespace goniec {

namespace {

std::string query_of(const QueueSelectionOptions& options) {
  std::string query;
  const auto add = [&query](std::string_view name, const std::string& value) {
    if (!value.empty())
      query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, encode_percent(value));
  };
  for (const auto& id : options.ids) add("id", id);
  add("to", options.to);
  add("from", options.from);
  add("domain", options.domain);
  add("provider", options.provider);
  add("stream", options.stream);
  add("state", options.state);
  add("older_than", options.older_than);
  return query;
}

// All pages. A message whose entries fall on two pages comes as two.
Result<std::vector<JsonValue>> fetch_list(const ServerClient& client,
                                          const QueueSelectionOptions& options) {
  std::vector<JsonValue> messages;
  const auto query = query_of(options);
  std::string after;
  do {
    auto target = "/api/v1/queue" + query;
    if (!after.empty()) target += fmt::format("{}after={}", query.empty() ? "?" : "&", after);
    const auto page = client.call("GET", target);
    // The end of a list by ids, after at least one page, is no error.
    if (!page && page.error().kind == ErrorKind::not_found && !messages.empty()) break;
    if (!page) return std::unexpected(page.error());
    if (const auto list = page->at("queue")) {
      for (auto& item : list->items()) messages.push_back(std::move(item));
    }
    after = page->text_at("next");
  } while (!after.empty());
  return messages;
}

std::string json_list(const std::vector<JsonValue>& messages) {
  JsonWriter w;
  w.array();
  for (const auto& message : messages) w.raw(message.dump());
  w.end();
  return std::move(w).take() + "\n";
}

std::vector<JsonValue> items_at(const JsonValue& object, std::string_view key) {
  const auto list = object.at(key);
  return list ? list->items() : std::vector<JsonValue>();
}

std::string sender_text(const JsonValue& message) {
  const auto from = message.text_at("from");
  return from.empty() ? "<>" : from;
}

}  // namespace

int run_queue_list(const Common& common, const QueueSelectionOptions& options) {
  const auto client = client_of(common);
  if (!client) return client.error();
  const auto messages = fetch_list(*client, options);
  if (!messages) return print_error(messages.error());
  if (common.json) {
    print(json_list(*messages));
    return exit_done;
  }
  if (messages->empty()) {
    print("The queue is empty.\n");
    return exit_done;
  }
  TextTable table({"ID", "STATE", "AGE", "SIZE", "FROM", "TO", "NEXT", "REPLY"});
  for (const auto& message : *messages) {
    bool first = true;
    for (const auto& each : items_at(message, "recipients")) {
      const auto next = each.text_at("next_at");
      table.add({first ? message.text_at("id") : "", each.text_at("state"),
                 first ? age_text(message.text_at("received_at")) : "",
                 first ? size_text(message.integer_at("size")) : "",
                 first ? sender_text(message) : "", each.text_at("to"),
                 next.empty() ? "" : age_text(next), printable(each.text_at("reply"), 100)});
      first = false;
    }
  }
  print(table.text());
  return exit_done;
}

int run_queue_show(const Common& common, const QueueSelectionOptions& options) {
  const auto client = client_of(common);
  if (!client) return client.error();
  const auto messages = fetch_list(*client, options);
  if (!messages) return print_error(messages.error());
  if (common.json) {
    print(json_list(*messages));
    return exit_done;
  }
  for (const auto& message : *messages) {
    print(fmt::format("{}  {}\n  from      {}\n  size      {}\n  received  {} ({} ago)\n",
                      message.text_at("id"), message.text_at("state"), sender_text(message),
                      size_text(message.integer_at("size")), message.text_at("received_at"),
                      age_text(message.text_at("received_at"))));
    for (const auto& each : items_at(message, "recipients")) {
      print(fmt::format("  to        {}  {}  tries {}\n", each.text_at("to"), each.text_at("state"),
                        each.integer_at("tries")));
      if (const auto site = each.text_at("site"); !site.empty())
        print(fmt::format("    host    {}\n", site));
      if (const auto reply = each.text_at("reply"); !reply.empty())
        print(fmt::format("    reply   {}\n", printable(reply, 1000)));
      if (const auto next = each.text_at("next_at"); !next.empty())
        print(fmt::format("    next    {}\n", next));
    }
  }
  return exit_done;
}

int run_queue_stats(const Common& common) {
  const auto client = client_of(common);
  if (!client) return client.error();
  const auto stats = client->call("GET", "/api/v1/queue/stats");
  if (!stats) return print_error(stats.error());
  if (common.json) {
    print(stats->dump() + "\n");
    return exit_done;
  }
  print(fmt::format("messages {}  {}\ndue {}  active {}  deferred {}  held {}\n",
                    stats->integer_at("messages"), size_text(stats->integer_at("bytes")),
                    stats->integer_at("due"), stats->integer_at("active"),
                    stats->integer_at("deferred"), stats->integer_at("held")));
  TextTable table({"DOMAIN", "ENTRIES", "OLDEST"});
  for (const auto& each : items_at(*stats, "domains")) {
    table.add({each.text_at("domain"), std::to_string(each.integer_at("entries")),
               age_text(each.text_at("oldest_at"))});
  }
  if (!table.empty()) print(table.text());
  return exit_done;
}

int run_queue_change(const Common& common, const std::string& action,
                     const QueueSelectionOptions& options) {
  const auto client = client_of(common);
  if (!client) return client.error();
  JsonWriter w;
  w.object();
  if (!options.ids.empty()) {
    w.key("ids").array();
    for (const auto& id : options.ids) w.text(id);
    w.end();
  }
  const auto add = [&w](std::string_view name, const std::string& value) {
    if (!value.empty()) w.key(name).text(value);
  };
  add("to", options.to);
  add("from", options.from);
  add("domain", options.domain);
  add("provider", options.provider);
  add("stream", options.stream);
  add("state", options.state);
  add("older_than", options.older_than);
  add("reason", options.reason);
  w.key("all").boolean(options.all).key("dry_run").boolean(common.dry_run).end();
  const auto answer = client->call("POST", "/api/v1/queue/" + action, std::move(w).take());
  if (!answer) {
    auto error = answer.error();
    if (error.kind == ErrorKind::usage) error.message = "give ids, a filter, or --all";
    return print_error(error);
  }
  const auto changes = items_at(*answer, "changes");
  std::size_t refused = 0;
  for (const auto& each : changes) refused += !each.boolean_at("done") && !common.dry_run;
  if (common.json) {
    print(answer->at("changes")->dump() + "\n");
    return refused == 0 ? exit_done : exit_check_said_no;
  }
  for (const auto& each : changes) {
    const auto reason = each.text_at("reason");
    std::string to;
    for (const auto& item : items_at(each, "recipients"))
      to += (to.empty() ? "" : ", ") + item.text().value_or("");
    print(fmt::format("{}  {}{}\n", each.text_at("id"), to, reason.empty() ? "" : "  " + reason));
  }
  print(fmt::format("{}: {} {}{}\n", action, common.dry_run ? "would change" : "changed",
                    changes.size() - refused,
                    refused == 0 ? "" : fmt::format(", refused {}", refused)));
  return refused == 0 ? exit_done : exit_check_said_no;
}

std::string mailq_text(const std::vector<JsonValue>& messages) {
  if (messages.empty()) return "Mail queue is empty\n";
  std::string out = "-Queue ID-     --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
  std::int64_t octets = 0;
  for (const auto& message : messages) {
    const auto state = message.text_at("state");
    const char mark = state == "active" ? '*' : state == "held" ? '!' : ' ';
    octets += message.integer_at("size");
    out += fmt::format("{}{} {:>8} {:<20} {}\n", message.text_at("id"), mark,
                       message.integer_at("size"), message.text_at("received_at").substr(0, 19),
                       sender_text(message));
    for (const auto& each : items_at(message, "recipients")) {
      if (const auto reply = each.text_at("reply"); !reply.empty()) {
        out += fmt::format("{:>42}({})\n", "", printable(reply, 200));
      }
      out += fmt::format("{:>45}{}\n", "", each.text_at("to"));
    }
    out += "\n";
  }
  return out + fmt::format("-- {} Kbytes in {} Request{}.\n", (octets + 1023) / 1024,
                           messages.size(), messages.size() == 1 ? "" : "s");
}

}  // namespace goniec
