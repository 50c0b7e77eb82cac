// See event_view.h.
#include "queue/event_view.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

struct TypeName {
  std::string_view kind, type;
};
// By name_of(kind); what is not here is told to nobody outside.
constexpr auto types = std::to_array<TypeName>({
    {"received", "email.received_for_delivery"},
    {"delivered", "email.delivered"},
    {"relayed", "email.delivered"},
    {"deferred", "email.delivery_delayed"},
    {"failed", "email.bounced"},
    {"expired", "email.bounced"},
    {"held", "email.held"},
    {"deleted", "email.failed"},
    {"complained", "email.complained"},
    {"opened", "email.opened"},
    {"clicked", "email.clicked"},
    {"unsubscribed", "email.unsubscribed"},
    {"suppressed", "email.suppressed"},
    {"canceled", "email.canceled"},
    {"rescheduled", "email.scheduled"},
    {"suppression_added", "suppression.added"},
    {"suppression_removed", "suppression.removed"},
    {"webhook_disabled", "webhook.disabled"},
});

using Names = std::vector<std::pair<std::string, std::string>>;

Names names_at(const JsonValue& data, std::string_view key) {
  Names names;
  const auto object = data.at(key);
  if (!object) return names;
  for (const auto& name : object->keys()) names.emplace_back(name, object->text_at(name));
  return names;
}

void write_names(JsonWriter& w, std::string_view key, const Names& names) {
  w.key(key).object();
  for (const auto& [name, value] : names) w.key(name).text(value);
  w.end();
}

void write_text(JsonWriter& w, std::string_view key, std::string_view value) {
  if (!value.empty()) w.key(key).text(value);
}

JsonValue data_of(const Event& event) {
  auto parsed = JsonValue::parse(event.data.empty() ? "{}" : event.data);
  return parsed ? std::move(*parsed) : *JsonValue::parse("{}");
}

struct ReplyParts {
  std::uint64_t code = 0;
  std::string_view enhanced, text;
};

// "550 5.1.1 User unknown" as Reply::one_line() writes it.
ReplyParts parts_of_reply(std::string_view line) {
  ReplyParts parts;
  const auto first = line.substr(0, line.find(' '));
  const auto code = parse_unsigned(first);
  parts.text = line;
  if (!code || first.size() != 3) return parts;
  parts.code = *code;
  parts.text = trim(line.substr(3));
  const auto second = parts.text.substr(0, parts.text.find(' '));
  const bool is_enhanced =
      std::ranges::count(second, '.') == 2 &&
      std::ranges::all_of(second, [](char c) { return is_digit(c) || c == '.'; });
  if (!is_enhanced) return parts;
  parts.enhanced = second;
  parts.text = trim(parts.text.substr(second.size()));
  return parts;
}

void write_message(JsonWriter& w, const Event& event, const EventMessage& message) {
  w.key("email_id").text(uuid_of(event.message)).key("queue_id").text(event.message.text());
  if (!message.message_id.empty()) w.key("message_id").text("<" + message.message_id + ">");
  w.key("from").text(message.from).key("to").array();
  if (event.recipient.empty()) {
    for (const auto& recipient : message.recipients) w.text(recipient);
  } else {
    w.text(event.recipient);
  }
  w.end().key("subject").text(message.subject).key("stream").text(message.stream);
  write_names(w, "tags", message.tags);
  write_names(w, "metadata", message.metadata);
  write_text(w, "source_type", message.source);
  if (message.sandbox) w.key("sandbox").boolean(true);
}

std::string domain_of(const Event& event) {
  const auto at = event.recipient.rfind('@');
  return at == std::string::npos ? std::string() : to_lower(event.recipient.substr(at + 1));
}

void write_remote(JsonWriter& w, const JsonValue& data, const std::string& provider) {
  const auto site = data.text_at("site");
  if (site.empty()) return;
  const auto parts = parts_of_site(site);
  w.key("remote").object().key("host").text(parts.host);
  write_text(w, "ip", parts.ip);
  write_text(w, "provider", provider);
  if (const auto tls = data.at("tls")) {
    w.key("tls").text(tls->text_at("version"));
    write_text(w, "verified", tls->text_at("verified"));
  }
  w.end();
}

void write_outcome(JsonWriter& w, const Event& event, const JsonValue& data,
                   const EventMessage& message, const BounceRules* rules) {
  const auto meaning = meaning_of(event, data, rules);
  if (const auto tries = data.integer_at("tries"); tries > 0) w.key("attempt").number(tries);
  w.key("next_attempt_at");
  if (const auto next = data.text_at("next_at"); next.empty()) {
    w.null();
  } else {
    w.text(next);
  }
  if (const auto delay = data.at("delay")) w.key("delay").real(delay->real().value_or(0));
  const auto reply = data.text_at("reply");
  const auto parts = parts_of_reply(reply);
  w.key("smtp").object();
  if (parts.code > 0) w.key("code").number(parts.code);
  write_text(w, "enhanced", parts.enhanced.empty() ? data.text_at("dsn") : parts.enhanced);
  w.key("text").text(parts.text);
  write_text(w, "stage", data.text_at("phase"));
  w.end();
  write_remote(w, data, meaning.provider);
  const auto pool = data.text_at("pool", message.pool);
  if (!pool.empty()) w.key("source").object().key("pool").text(pool).end();
  if (meaning.klass.empty()) return;
  // Of the address: what was refused for its content, or only expired, may reach it another day.
  w.key("bounce").object().key("type").text(meaning.permanent ? "Permanent" : "Transient");
  w.key("class").text(meaning.klass).key("hint").text(meaning.hint).end();
}

bool is_outcome(EventKind kind) {
  using enum EventKind;
  return kind == delivered || kind == relayed || kind == deferred || kind == failed ||
         kind == expired;
}

void write_facts(JsonWriter& w, const JsonValue& data) {
  for (const std::string_view key : {"reason", "link", "ip", "user_agent", "origin", "address"})
    write_text(w, key, data.text_at(key));
  if (data.at("machine")) w.key("machine").boolean(data.boolean_at("machine"));
  if (data.at("first")) w.key("first").boolean(data.boolean_at("first"));
  write_text(w, "scheduled_at", data.text_at("send_at", data.text_at("scheduled_at")));
}

}  // namespace

EventMessage event_message_of(const Event& received) {
  EventMessage message;
  message.id = received.message;
  if (received.kind != EventKind::received) return message;
  const auto data = data_of(received);
  message.from = data.text_at("from");
  message.message_id = data.text_at("message_id");
  message.subject = data.text_at("subject");
  message.stream = data.text_at("stream");
  message.source = data.text_at("source");
  message.key = data.text_at("key");
  message.pool = data.text_at("pool");
  if (const auto list = data.at("recipients"))
    for (const auto& each : list->items()) message.recipients.push_back(each.text().value_or(""));
  message.tags = names_at(data, "tags");
  message.metadata = names_at(data, "metadata");
  message.received_at = received.at;
  message.sandbox = data.boolean_at("sandbox");
  return message;
}

std::string event_type_of(const Event& event) {
  const auto kind = name_of(event.kind);
  if (kind == "object_changed") {
    const auto data = data_of(event);
    return data.text_at("object") + "." + data.text_at("action");
  }
  if (event.kind == EventKind::received) {
    const auto data = data_of(event);
    if (data.text_at("source") == "smtp") return "email.received";  // from outside
    if (!data.text_at("send_at").empty()) return "email.scheduled";
  }
  const auto found = std::ranges::find(types, kind, &TypeName::kind);
  return std::string(found == types.end() ? std::string_view() : found->type);
}

OutcomeMeaning meaning_of(const Event& event, const JsonValue& data, const BounceRules* rules) {
  using enum EventKind;
  OutcomeMeaning meaning{data.text_at("provider"), data.text_at("class"), data.text_at("hint"),
                         data.boolean_at("permanent")};
  if (!rules) return meaning;
  const auto site = data.text_at("site"), phase = data.text_at("phase");
  const auto domain = domain_of(event);
  if (meaning.provider.empty())
    meaning.provider = rules->provider_of(parts_of_site(site).host, domain);
  const bool refused = event.kind == deferred || event.kind == failed || event.kind == expired;
  if (!refused || !meaning.klass.empty()) return meaning;
  const auto verdict =
      rules->classify(read_reply(data.text_at("reply")),
                      {.provider = {}, .site = site, .domain = domain, .phase = phase});
  meaning.klass = name_of(verdict.klass);
  meaning.hint = verdict.hint;
  meaning.permanent = verdict.permanence == Permanence::permanent;
  return meaning;
}

std::string event_json(const Event& event, const EventMessage& message, const BounceRules* rules) {
  const auto data = data_of(event);
  auto type = event_type_of(event);
  if (type.empty()) type = fmt::format("email.{}", name_of(event.kind));
  JsonWriter w;
  w.object().key("type").text(type).key("id").text(event_id_of(event.sequence));
  w.key("created_at").text(to_rfc3339(event.at)).key("data");
  if (!event.message) {
    w.raw(event.data.empty() ? "{}" : event.data).end();
    return std::move(w).take();
  }
  w.object();
  write_message(w, event, message);
  if (is_outcome(event.kind)) {
    write_outcome(w, event, data, message, rules);
  } else {
    write_facts(w, data);
  }
  w.end().end();
  return std::move(w).take();
}

SiteParts parts_of_site(std::string_view site) {
  const auto open = site.find('[');
  if (open == std::string_view::npos) return {site, {}};
  const auto close = site.find(']', open);
  if (close == std::string_view::npos) return {site, {}};
  return {site.substr(0, open), site.substr(open + 1, close - open - 1)};
}

}  // namespace goniec
