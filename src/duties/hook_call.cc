// See hook_call.h. The shapes of other services are written from their public documentation.
#include "duties/hook_call.h"

#include "accounts/postmark_words.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view secret_prefix = "whsec_";

std::int64_t seconds_of(Instant at) {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

std::string_view octets_of(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
std::string hex_of(const Sha256& digest) {
  return to_hex(octets_of(digest));
}

// The facts of an event that the other shapes are made of.
struct Facts {
  const HookEvent& of;
  JsonValue data;
  std::string type;
  std::string text(std::string_view key) const { return data.text_at(key); }
  std::string recipient() const {
    if (!of.event.recipient.empty()) return of.event.recipient;
    return of.message.recipients.empty() ? std::string() : of.message.recipients.front();
  }
};

Facts facts_of(const HookEvent& event) {
  auto data = JsonValue::parse(event.event.data.empty() ? "{}" : event.event.data);
  return {event, data ? std::move(*data) : JsonValue(), event_type_of(event.event)};
}

void write_pairs(JsonWriter& json, const std::vector<std::pair<std::string, std::string>>& pairs) {
  json.object();
  for (const auto& [name, value] : pairs) json.key(name).text(value);
  json.end();
}

// Services that know one tag a message: the one named "tag", else the first.
std::string first_tag(const EventMessage& message) {
  for (const auto& [name, value] : message.tags)
    if (name == "tag") return value;
  if (message.tags.empty()) return {};
  const auto& [name, value] = message.tags.front();
  return value.empty() ? name : value;
}

// ---------------------------------------------------------------- postmark
std::string stream_of(const Facts& facts) {
  const std::string& of_message = facts.of.message.stream;
  return of_message.empty() ? facts.text("stream") : of_message;
}

void write_metadata(JsonWriter& json, const EventMessage& message) {
  json.key("Metadata");
  write_pairs(json, message.metadata);
}

// Common members; the record's type decides what follows.
void begin_postmark(JsonWriter& json, std::string_view record, const Facts& facts) {
  const EventMessage& message = facts.of.message;
  json.object().key("RecordType").text(record).key("ServerID").number(1);
  json.key("MessageStream").text(stream_to_postmark(stream_of(facts)));
  json.key("MessageID").text(uuid_of(facts.of.event.message));
  json.key("Tag").text(first_tag(message));
  write_metadata(json, message);
}

void write_postmark_bounce(JsonWriter& json, const Facts& facts, std::string_view record,
                           const PostmarkBounceType& type, std::string_view details) {
  begin_postmark(json, record, facts);
  json.key("ID").number(facts.of.event.sequence).key("Type").text(type.type);
  json.key("TypeCode").number(type.code).key("Name").text(type.name);
  json.key("Description").text(type.description).key("Details").text(details);
  json.key("Email").text(facts.recipient()).key("From").text(facts.of.message.from);
  json.key("Subject").text(facts.of.message.subject);
  json.key("BouncedAt").text(to_rfc3339(facts.of.event.at));
  const bool is_complaint = type.type == "SpamComplaint";
  const bool is_dead = facts.text("class") == "bad_mailbox" && type.type == "HardBounce";
  json.key("Inactive").boolean(is_dead || is_complaint).key("CanActivate").boolean(!is_complaint);
  json.key("DumpAvailable").boolean(type.type != "Transient").key("Content").text("").end();
}

// What a program knows of the reader: nobody is followed to a city here.
void write_postmark_visit(JsonWriter& json, const Facts& facts, std::string_view record) {
  begin_postmark(json, record, facts);
  json.key("Recipient").text(facts.recipient());
  json.key("ReceivedAt").text(to_rfc3339(facts.of.event.at));
  for (const std::string_view about : {"Client", "OS"}) {
    json.key(about).object();
    for (const std::string_view name : {"Name", "Company", "Family"}) json.key(name).text("");
    json.end();
  }
  json.key("UserAgent").text(facts.text("user_agent")).key("Platform").text("Unknown");
  json.key("Geo").object().key("IP").text(facts.text("ip")).end();
  if (record == "Click")
    json.key("OriginalLink").text(facts.text("link")).key("ClickLocation").text("HTML");
  else
    json.key("FirstOpen").boolean(facts.data.boolean_at("first")).key("ReadSeconds").number(0);
  json.end();
}

void write_postmark_change(JsonWriter& json, const Facts& facts) {
  begin_postmark(json, "SubscriptionChange", facts);
  const bool is_added = facts.of.event.kind == EventKind::suppression_added;
  json.key("Recipient").text(facts.recipient());
  json.key("Origin").text(postmark_origin(facts.text("origin")));
  json.key("SuppressSending").boolean(is_added).key("SuppressionReason");
  if (is_added)
    json.text(postmark_reason(facts.text("reason")));
  else
    json.null();
  json.key("ChangedAt").text(to_rfc3339(facts.of.event.at)).end();
}

std::optional<std::string> postmark_body(const Webhook& webhook, const Facts& facts) {
  using enum EventKind;
  JsonWriter json;
  const std::string reply = facts.text("reply");
  switch (facts.of.event.kind) {
    case delivered:
    case relayed:
      begin_postmark(json, "Delivery", facts);
      json.key("Recipient").text(facts.recipient());
      json.key("DeliveredAt").text(to_rfc3339(facts.of.event.at));
      json.key("Details").text(reply).end();
      break;
    case deferred:
      write_postmark_bounce(json, facts, "Bounce", postmark_transient(), reply);
      break;
    case failed:
      write_postmark_bounce(json, facts, "Bounce", postmark_bounce_type(facts.text("class")),
                            reply);
      break;
    case expired:
      write_postmark_bounce(json, facts, "Bounce", postmark_bounce_type("expired"), reply);
      break;
    case complained:
      write_postmark_bounce(json, facts, "SpamComplaint", postmark_bounce_type("complained"),
                            facts.text("type"));
      break;
    case opened:
      if (webhook.first_opens_only && !facts.data.boolean_at("first")) return std::nullopt;
      write_postmark_visit(json, facts, "Open");
      break;
    case clicked:
      write_postmark_visit(json, facts, "Click");
      break;
    case suppression_added:
    case suppression_removed:
      write_postmark_change(json, facts);
      break;
    default:
      return std::nullopt;
  }
  return std::move(json).take();
}

// ---------------------------------------------------------------- sendgrid
std::string_view sendgrid_name(EventKind kind) {
  using enum EventKind;
  switch (kind) {
    case received:
      return "processed";
    case delivered:
    case relayed:
      return "delivered";
    case deferred:
      return "deferred";
    case failed:
    case expired:
      return "bounce";
    case suppressed:
      return "dropped";
    case opened:
      return "open";
    case clicked:
      return "click";
    case complained:
      return "spamreport";
    case unsubscribed:
      return "unsubscribe";
    default:
      return "";
  }
}

bool write_sendgrid(JsonWriter& json, const Facts& facts) {
  const std::string_view name = sendgrid_name(facts.of.event.kind);
  if (name.empty()) return false;
  const EventMessage& message = facts.of.message;
  json.object().key("email").text(facts.recipient()).key("event").text(name);
  json.key("timestamp").number(seconds_of(facts.of.event.at));
  json.key("sg_event_id").text(event_id_of(facts.of.event.sequence));
  json.key("sg_message_id").text(uuid_of(facts.of.event.message));
  json.key("smtp-id").text("<" + message.message_id + ">");
  if (!message.tags.empty()) {
    json.key("category").array();
    for (const auto& [tag, value] : message.tags) json.text(value.empty() ? tag : value);
    json.end();
  }
  for (const auto& [key, value] : message.metadata) json.key(key).text(value);
  const std::string reply = facts.text("reply");
  if (name == "delivered" || name == "deferred") json.key("response").text(reply);
  if (name == "deferred") json.key("attempt").text(std::to_string(facts.data.integer_at("tries")));
  if (name == "bounce" || name == "dropped") {
    json.key("reason").text(reply.empty() ? facts.text("reason") : reply);
    json.key("status").text(facts.text("dsn"));
  }
  if (name == "bounce")
    json.key("type").text(facts.text("class") == "bad_mailbox" ? "bounce" : "blocked");
  if (name == "click") json.key("url").text(facts.text("link"));
  if (name == "open") json.key("sg_machine_open").boolean(facts.data.boolean_at("machine"));
  if (const auto agent = facts.text("user_agent"); !agent.empty())
    json.key("useragent").text(agent);
  json.end();
  return true;
}

// ---------------------------------------------------------------- mailgun
std::string_view mailgun_name(EventKind kind) {
  using enum EventKind;
  switch (kind) {
    case received:
      return "accepted";
    case delivered:
    case relayed:
      return "delivered";
    case deferred:
    case failed:
    case expired:
    case suppressed:
      return "failed";
    case opened:
      return "opened";
    case clicked:
      return "clicked";
    case complained:
      return "complained";
    case unsubscribed:
      return "unsubscribed";
    default:
      return "";
  }
}

// The signature stands in the body: HMAC-SHA256 of timestamp and token, in hex. Its key is the
// webhook's secret as it is shown.
std::optional<std::string> mailgun_body(const Webhook& webhook, const Facts& facts, Instant now) {
  const EventKind kind = facts.of.event.kind;
  const std::string_view name = mailgun_name(kind);
  if (name.empty()) return std::nullopt;
  const EventMessage& message = facts.of.message;
  const std::string timestamp = std::to_string(seconds_of(now));
  const std::string token =
      hex_of(sha256(event_id_of(facts.of.event.sequence) + timestamp)).substr(0, 50);
  JsonWriter json;
  json.object().key("signature").object().key("timestamp").text(timestamp);
  json.key("token").text(token).key("signature");
  json.text(hex_of(hmac_sha256(webhook.secret, timestamp + token))).end();
  json.key("event-data").object().key("id").text(event_id_of(facts.of.event.sequence));
  json.key("event").text(name).key("timestamp").number(seconds_of(facts.of.event.at));
  json.key("recipient").text(facts.recipient()).key("tags").array();
  for (const auto& [tag, value] : message.tags) json.text(value.empty() ? tag : value);
  json.end().key("user-variables");
  write_pairs(json, message.metadata);
  if (name == "failed")
    json.key("severity").text(kind == EventKind::deferred ? "temporary" : "permanent");
  if (name == "clicked") json.key("url").text(facts.text("link"));
  json.key("delivery-status").object().key("description").text(facts.text("reply"));
  json.key("attempt-no").number(facts.data.integer_at("tries")).end();
  json.key("message").object().key("headers").object();
  json.key("message-id").text(message.message_id).key("from").text(message.from);
  json.key("to").text(facts.recipient()).key("subject").text(message.subject);
  json.end().end().end().end();
  return std::move(json).take();
}

std::optional<std::string> joined(const std::vector<HookEvent>& events, WebhookFormat format) {
  JsonWriter json;
  json.array();
  bool any = false;
  for (const HookEvent& event : events) {
    if (format == WebhookFormat::sendgrid) {
      any = write_sendgrid(json, facts_of(event)) || any;
    } else {
      json.raw(event_json(event.event, event.message));
      any = true;
    }
  }
  json.end();
  if (!any) return std::nullopt;
  return std::move(json).take();
}

}  // namespace

std::optional<std::string> hook_body(const Webhook& webhook, const std::vector<HookEvent>& events,
                                     Instant now) {
  if (events.empty()) return std::nullopt;
  switch (webhook.format) {
    case WebhookFormat::native:
      if (webhook.batch) return joined(events, webhook.format);
      return event_json(events.front().event, events.front().message);
    case WebhookFormat::postmark:
      return postmark_body(webhook, facts_of(events.front()));
    case WebhookFormat::sendgrid:  // always an array
      return joined(events, webhook.format);
    case WebhookFormat::mailgun:
      return mailgun_body(webhook, facts_of(events.front()), now);
  }
  return std::nullopt;
}

std::string hook_signature(std::string_view secret, std::string_view id, std::int64_t timestamp,
                           std::string_view body) {
  if (!secret.starts_with(secret_prefix)) return {};
  const auto key = from_base64(secret.substr(secret_prefix.size()));
  if (!key) return {};
  const auto digest = hmac_sha256(*key, fmt::format("{}.{}.{}", id, timestamp, body));
  return "v1," + to_base64(octets_of(digest));
}

HeaderFields hook_headers(const Webhook& webhook, std::string_view id, std::string_view body,
                          Instant now) {
  const std::int64_t timestamp = seconds_of(now);
  std::string signature = hook_signature(webhook.secret, id, timestamp, body);
  if (!webhook.old_secret.empty() && now < webhook.old_secret_until)
    signature += " " + hook_signature(webhook.old_secret, id, timestamp, body);
  HeaderFields headers = webhook.headers;
  headers.emplace_back("Content-Type", "application/json");
  headers.emplace_back("User-Agent", "goniec-webhooks/1");
  headers.emplace_back("webhook-id", id);
  headers.emplace_back("webhook-timestamp", std::to_string(timestamp));
  headers.emplace_back("webhook-signature", signature);
  if (!webhook.user.empty())
    headers.emplace_back("Authorization",
                         "Basic " + to_base64(webhook.user + ":" + webhook.password));
  return headers;
}

}  // namespace goniec
