// `goniec send` and `goniec event tail` (ops.h).
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "api/call.h"
#include "app/ops.h"
#include "base/text.h"
#include "run/system.h"

namespace goniec {

namespace {

constexpr auto send_patience = std::chrono::minutes(10);

std::string test_message(const SendCommand& options) {
  std::string to;
  for (const auto& each : options.to) to += (to.empty() ? "" : ", ") + each;
  return fmt::format(
      "From: {}\r\nTo: {}\r\nSubject: A test from Goniec\r\nDate: {}\r\n\r\n"
      "This message was sent by \"goniec send\". If you read it, mail goes through.\r\n",
      options.from, to, to_rfc5322(SystemClock().now()));
}

Result<std::string> message_of(const SendCommand& options) {
  if (options.file.empty()) return test_message(options);
  if (options.file == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  std::ifstream in(options.file, std::ios::binary);
  if (!in) return fail(ErrorKind::usage, fmt::format("cannot read {}", options.file));
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

// 0 all delivered, 1 something failed, 75 still waiting.
int result_of(const JsonValue& trace, bool& settled) {
  settled = true;
  int code = exit_done;
  const auto recipients = trace.at("recipients");
  for (const auto& each : recipients ? recipients->items() : std::vector<JsonValue>()) {
    const auto state = each.text_at("state");
    if (state == "queued") settled = false;
    if (state == "deferred" || state == "held" || state == "queued") {
      code = exit_code(ErrorKind::try_later);
    } else if (state != "delivered" && state != "relayed" && state != "expanded") {
      return exit_check_said_no;
    }
  }
  return code;
}

int wait_for(const Common& common, const ServerClient& client, const std::string& id) {
  const SystemClock clock;
  const auto until = clock.moment() + send_patience;
  while (true) {
    const auto trace = client.call("GET", "/api/v1/trace?id=" + id);
    if (!trace) return print_error(trace.error());
    bool settled = false;
    const int code = result_of(*trace, settled);
    if (settled || clock.moment() > until) {
      if (common.json) {
        print(trace->dump() + "\n");
        return code;
      }
      for (const auto& each : trace->at("recipients")->items()) {
        print(fmt::format("  {}  {}\n", each.text_at("to"), each.text_at("state")));
      }
      return code;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

int run_send(const Common& common, const SendCommand& options) {
  const auto client = client_of(common);
  if (!client) return client.error();
  const auto message = message_of(options);
  if (!message) return print_error(message.error());
  JsonWriter w;
  w.object().key("from").text(options.from).key("recipients").array();
  for (const auto& to : options.to) w.object().key("to").text(to).end();
  w.end().end();
  const auto answer = client->call("POST", "/api/v1/submit", std::move(w).take() + "\n" + *message);
  if (!answer) return print_error(answer.error());
  const auto id = answer->text_at("id");
  if (!common.json) {
    print(options.wait ? fmt::format("{}  accepted\n", id)
                       : fmt::format("{}  accepted; next: goniec trace {}\n", id, id));
  } else if (!options.wait) {
    print(answer->dump() + "\n");
  }
  return options.wait ? wait_for(common, *client, id) : exit_done;
}

int run_event_tail(const Common& common, const EventTail& options) {
  const auto client = client_of(common);
  if (!client) return client.error();
  std::string after = options.after ? std::to_string(*options.after) : options.once ? "0" : "end";
  while (true) {
    const auto wait = options.once ? "" : "&wait=10s";
    const auto answer = client->call("GET", fmt::format("/api/v1/events?after={}{}", after, wait));
    if (!answer) return print_error(answer.error());
    const auto events = answer->at("events");
    const auto items = events ? events->items() : std::vector<JsonValue>();
    for (const auto& event : items) {
      if (common.json) {
        print(event.dump() + "\n");
        continue;
      }
      const auto data = event.at("data");
      const auto said = data ? data->text_at("reply", data->text_at("reason")) : std::string();
      print(fmt::format("{} {:<10} {}  {}{}{}\n", event.text_at("at"), event.text_at("kind"),
                        event.text_at("id"), event.text_at("recipient"), said.empty() ? "" : "  ",
                        said));
    }
    after = std::to_string(answer->integer_at("next"));
    if (options.once && items.empty()) return exit_done;
  }
}

}  // namespace goniec
