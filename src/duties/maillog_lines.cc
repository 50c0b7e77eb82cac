// Events and records as lines (maillog.h). The grammar is that of Postfix 3.7's smtpd, cleanup,
// qmgr, smtp, local and bounce; field by field what pflogsumm 1.1.5, logwatch 7.7 and fail2ban
// 1.0.2 look for.
#include <algorithm>
#include <ctime>

#include "base/json.h"
#include "base/text.h"
#include "duties/maillog.h"

namespace goniec {

namespace {

constexpr std::size_t reply_octets = 1000;
constexpr std::size_t fields_expected = 8;

LogRecord record(const Event& event, std::string_view program, std::string text) {
  LogRecord out;
  out.at = event.at;
  out.event = fmt::format("message.{}", name_of(event.kind));
  out.program = std::string(program);
  std::string id = event.message.text();
  out.text.reserve(id.size() + 2 + text.size());
  out.text.append(id).append(": ").append(text);
  out.fields.reserve(fields_expected);
  out.fields.emplace_back("qid", std::move(id));
  if (!event.recipient.empty()) out.fields.emplace_back("to", event.recipient);
  return out;
}

// "192.0.2.1:25" or "[2001:db8::1]:25" without the port and brackets.
std::string address_of(std::string_view endpoint) {
  const auto colon = endpoint.rfind(':');
  auto address = endpoint.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  return std::string(address);
}

std::string_view program_of_listener(std::string_view listener) {
  if (listener == "submission") return "submission/smtpd";
  if (listener == "submissions") return "smtps/smtpd";
  if (listener == "lmtp") return "lmtpd";
  return "smtpd";
}

void append_received(std::vector<LogRecord>& lines, const Event& event, const JsonValue& data) {
  const auto client = data.text_at("client");
  const auto from = printable(data.text_at("from"));
  if (!client.empty()) {
    auto text = fmt::format("client=unknown[{}]", address_of(client));
    if (const auto login = data.text_at("login"); !login.empty()) {
      text += fmt::format(", sasl_method={}, sasl_username={}", data.text_at("mechanism"),
                          printable(login));
    }
    lines.push_back(record(event, program_of_listener(data.text_at("listener")), std::move(text)));
  } else if (const auto submitter = data.text_at("submitter"); submitter.starts_with("uid=")) {
    lines.push_back(record(event, "pickup", fmt::format("{} from=<{}>", submitter, from)));
  }
  lines.push_back(
      record(event, "cleanup",
             fmt::format("message-id=<{}>", printable(data.text_at("message_id"), 500))));
  const auto recipients = data.at("recipients");
  lines.push_back(
      record(event, "qmgr",
             fmt::format("from=<{}>, size={}, nrcpt={} (queue active)", from,
                         data.integer_at("size"), recipients ? recipients->items().size() : 0)));
  for (const auto name : {"source", "listener", "helo", "login"}) {
    if (const auto value = data.text_at(name); !value.empty())
      lines.back().fields.emplace_back(name, value);
  }
  lines.back().fields.emplace_back("from", data.text_at("from"));
  lines.back().fields.emplace_back("size", std::to_string(data.integer_at("size")));
}

// Postfix writes delays with at most two digits after the dot where they matter: 0, 0.02, 1.2, 68.
std::string seconds_text(double seconds) {
  if (seconds <= 0) return "0";
  auto text = seconds < 1    ? fmt::format("{:.2f}", seconds)
              : seconds < 10 ? fmt::format("{:.1f}", seconds)
                             : fmt::format("{:.0f}", seconds);
  while (text.find('.') != std::string::npos && (text.ends_with('0') || text.ends_with('.')))
    text.pop_back();
  return text.empty() ? "0" : text;
}

double real_at(const JsonValue& data, std::string_view key) {
  const auto value = data.at(key);
  return value ? value->real().value_or(0) : 0;
}

// a/b/c/d of Postfix: before the queue manager, in it, connection, transmission.
std::string delays_text(const JsonValue& data) {
  const auto list = data.at("delays");
  const auto items = list ? list->items() : std::vector<JsonValue>();
  const auto at = [&items](std::size_t i) {
    return seconds_text(i < items.size() ? items[i].real().value_or(0) : 0);
  };
  return fmt::format("{}/0/{}/{}", at(0), at(1), at(2));
}

std::string_view command_of_phase(std::string_view phase) {
  if (phase == "connect") return "initial server greeting";
  if (phase == "helo") return "EHLO command";
  if (phase == "tls") return "STARTTLS command";
  if (phase == "mail") return "MAIL FROM command";
  if (phase == "rcpt") return "RCPT TO command";
  if (phase == "data") return "DATA command";
  if (phase == "dot") return "end of DATA command";
  return "";
}

bool starts_with_code(std::string_view reply) {
  return reply.size() >= 3 && is_digit(reply[0]) && is_digit(reply[1]) && is_digit(reply[2]);
}

std::string reason_text(const Event& event, const JsonValue& data) {
  const auto reply = printable(data.text_at("reply"), reply_octets);
  const auto site = data.text_at("site");
  const bool good = event.kind == EventKind::delivered || event.kind == EventKind::relayed;
  if (good) return site == "mailbox" ? "delivered to mailbox" : reply;
  const auto command = command_of_phase(data.text_at("phase"));
  const auto host = site.substr(0, site.rfind(':'));  // Postfix names no port here
  if (!starts_with_code(reply) || site.empty() || command.empty()) return reply;
  return fmt::format("host {} said: {} (in reply to {})", host, reply, command);
}

std::string_view status_of(EventKind kind) {
  switch (kind) {
    case EventKind::delivered:
    case EventKind::relayed:
      return "sent";
    case EventKind::deferred:
      return "deferred";
    default:
      return "bounced";
  }
}

void append_outcome(std::vector<LogRecord>& lines, const Event& event, const JsonValue& data) {
  const auto site = data.text_at("site");
  const bool local = site == "mailbox" || data.text_at("route") == "local";
  const auto relay = site.empty() ? std::string("none") : local ? "mailbox" : printable(site);
  auto line =
      record(event, local ? "local" : "smtp",
             fmt::format("to=<{}>, relay={}, delay={}, delays={}, dsn={}, status={} ({})",
                         printable(event.recipient), relay, seconds_text(real_at(data, "delay")),
                         delays_text(data), data.text_at("dsn", "4.0.0"), status_of(event.kind),
                         reason_text(event, data)));
  for (const auto name : {"route", "site", "phase", "dsn", "reply", "next_at", "from"}) {
    if (const auto value = data.text_at(name); !value.empty())
      line.fields.emplace_back(name, value);
  }
  line.fields.emplace_back("tries", std::to_string(data.integer_at("tries")));
  line.fields.emplace_back("delay", seconds_text(real_at(data, "delay")));
  if (const auto tls = data.at("tls"); tls && tls->is_object())
    line.fields.emplace_back("tls", tls->text_at("version"));
  if (event.kind == EventKind::expired) {
    lines.push_back(record(event, "qmgr",
                           fmt::format("from=<{}>, status=expired, returned to sender",
                                       printable(data.text_at("from")))));
  }
  lines.push_back(std::move(line));
}

std::string_view notification_name(std::string_view action) {
  if (action == "delayed") return "delay notification";
  if (action == "failed") return "non-delivery notification";
  return "delivery status notification";
}

// What is no step of a delivery, in words of its own.
std::string fact_text(const Event& event, const JsonValue& data) {
  std::string text(name_of(event.kind));
  if (!event.recipient.empty()) text += fmt::format(" to=<{}>", printable(event.recipient));
  for (const auto name : {"object", "key", "action", "stream", "reason"}) {
    if (const auto value = data.text_at(name); !value.empty())
      text += fmt::format(", {}={}", name, printable(value));
  }
  return text;
}

}  // namespace

Result<JsonValue> event_data_of(const Event& event) {
  return JsonValue::parse(event.data.empty() ? "{}" : event.data);
}

std::vector<LogRecord> records_of(const Event& event) {
  const auto data = event_data_of(event);
  return data ? records_of(event, *data) : std::vector<LogRecord>{};
}

std::vector<LogRecord> records_of(const Event& event, const JsonValue& data) {
  std::vector<LogRecord> lines;
  const auto reason = [&data] { return printable(data.text_at("reason")); };
  using enum EventKind;
  switch (event.kind) {
    case received:
      append_received(lines, event, data);
      break;
    case delivered:
    case relayed:
    case deferred:
    case failed:
    case expired:
      append_outcome(lines, event, data);
      break;
    case held:
      lines.push_back(record(event, "postsuper", "placed on hold: " + reason()));
      break;
    case released:
      lines.push_back(record(event, "postsuper", "released from hold: " + reason()));
      break;
    case retried:
      lines.push_back(record(event, "postsuper", "requeued: " + reason()));
      break;
    case deleted:
      lines.push_back(record(event, "postsuper", "removed"));
      break;
    case delay_notice:
    case dsn_sent:
      lines.push_back(record(event, "bounce",
                             fmt::format("sender {}: {}", notification_name(data.text_at("action")),
                                         data.text_at("message"))));
      break;
    case expanded: {
      const auto to = data.at("to");
      lines.push_back(record(event, "cleanup",
                             fmt::format("alias <{}> leads to {} addresses",
                                         printable(event.recipient), to ? to->items().size() : 0)));
      break;
    }
    case suppressed:
    case canceled:
    case rescheduled:
    case complained:
    case opened:
    case clicked:
    case unsubscribed:
    case suppression_added:
    case suppression_removed:
    case object_changed:
    case webhook_disabled:
      lines.push_back(record(event, "sight", fact_text(event, data)));
      break;
  }
  return lines;
}

std::vector<LogRecord> RemovedLines::after(const Event& event) {
  const auto data = event_data_of(event);
  return data ? after(event, *data) : std::vector<LogRecord>{};
}

std::vector<LogRecord> RemovedLines::after(const Event& event, const JsonValue& data) {
  using enum EventKind;
  const auto insert_all = [&data](std::set<std::string>& into, std::string_view key) {
    const auto list = data.at(key);
    for (const auto& item : list ? list->items() : std::vector<JsonValue>())
      into.insert(item.text().value_or(""));
  };
  if (event.kind == received) {
    if (open_.size() >= messages_limit) open_.erase(open_.begin());
    insert_all(open_[event.message], "recipients");
    return {};
  }
  const auto found = open_.find(event.message);
  if (found == open_.end()) return {};
  auto& waiting = found->second;
  if (event.kind == expanded) {
    waiting.erase(event.recipient);
    insert_all(waiting, "to");
    return {};
  }
  const bool settles = event.kind == delivered || event.kind == relayed || event.kind == failed ||
                       event.kind == expired;
  if (event.kind == deleted) {
    open_.erase(found);  // it said "removed" itself
    return {};
  }
  if (!settles) return {};
  // An address that the envelope did not name came by an alias of one: it stands for one of them.
  if (waiting.erase(event.recipient) == 0 && !waiting.empty()) waiting.erase(waiting.begin());
  if (!waiting.empty()) return {};
  open_.erase(found);
  auto line = record(event, "qmgr", "removed");
  line.event = "message.removed";
  return {std::move(line)};
}

// ---------------------------------------------------------------- lines
std::string postfix_text(const LogRecord& record) {
  return printable(record.text, 4000);
}

std::string postfix_line(const LogRecord& record, const MaillogOptions& options) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(record.at.time_since_epoch()).count();
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::localtime_r(&time, &parts);
  static constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto host = options.hostname.substr(0, options.hostname.find('.'));
  return fmt::format("{} {:>2} {:02}:{:02}:{:02} {} goniec/{}[{}]: {}", months[parts.tm_mon],
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     host.empty() ? "localhost" : host, record.program, options.pid,
                     postfix_text(record));
}

std::string json_line(const LogRecord& record, const MaillogOptions& options) {
  static constexpr std::string_view levels[] = {"debug", "info", "warning", "error"};
  JsonWriter w;
  w.object()
      .key("ts")
      .text(to_rfc3339(record.at))
      .key("lvl")
      .text(levels[static_cast<std::size_t>(record.level)]);
  w.key("ev").text(record.event).key("program").text(record.program).key("pid").number(options.pid);
  for (const auto& [name, value] : record.fields) w.key(name).text(value);
  w.key("text").text(record.text).end();
  return std::move(w).take();
}

}  // namespace goniec
