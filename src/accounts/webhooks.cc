// See webhooks.h.
#include "accounts/webhooks.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::string_view kind = "webhook";
constexpr std::size_t secret_octets = 24;

void write_texts(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key).array();
  for (const std::string& text : texts) json.text(text);
  json.end();
}

std::string to_json(const Webhook& webhook) {
  JsonWriter json;
  json.object().key("url").text(webhook.url).key("number").number(webhook.number);
  write_texts(json, "events", webhook.events);
  write_texts(json, "streams", webhook.streams);
  json.key("format").text(name_of(webhook.format)).key("batch").boolean(webhook.batch);
  json.key("first_opens_only").boolean(webhook.first_opens_only);
  json.key("headers").object();
  for (const auto& [name, value] : webhook.headers) json.key(name).text(value);
  json.end().key("user").text(webhook.user).key("password").text(webhook.password);
  json.key("secret").text(webhook.secret).key("old_secret").text(webhook.old_secret);
  json.key("old_secret_until").text(to_rfc3339(webhook.old_secret_until));
  json.key("enabled").boolean(webhook.enabled);
  json.key("disabled_reason").text(webhook.disabled_reason);
  json.key("created").text(to_rfc3339(webhook.created));
  json.key("created_at_event").number(webhook.created_at_event).end();
  return std::move(json).take();
}

std::vector<std::string> texts_at(const JsonValue& json, std::string_view key) {
  std::vector<std::string> texts;
  const auto list = json.at(key);
  for (const auto& item : list ? list->items() : std::vector<JsonValue>())
    texts.push_back(item.text().value_or(""));
  return texts;
}

Instant instant_at(const JsonValue& json, std::string_view key) {
  const auto at = parse_rfc3339(json.text_at(key));
  return at ? *at : Instant{};
}

Result<Webhook> webhook_of(std::string id, std::string_view text) {
  const auto json = TRY(JsonValue::parse(text));
  Webhook webhook;
  webhook.id = std::move(id);
  webhook.url = json.text_at("url");
  webhook.events = texts_at(json, "events");
  webhook.streams = texts_at(json, "streams");
  webhook.format = webhook_format_of(json.text_at("format")).value_or(WebhookFormat::native);
  webhook.batch = json.boolean_at("batch");
  webhook.number = static_cast<std::uint64_t>(json.integer_at("number"));
  webhook.first_opens_only = json.boolean_at("first_opens_only");
  if (const auto headers = json.at("headers"))
    for (const auto& name : headers->keys())
      webhook.headers.emplace_back(name, headers->text_at(name));
  webhook.user = json.text_at("user");
  webhook.password = json.text_at("password");
  webhook.secret = json.text_at("secret");
  webhook.old_secret = json.text_at("old_secret");
  webhook.old_secret_until = instant_at(json, "old_secret_until");
  webhook.enabled = json.boolean_at("enabled", true);
  webhook.disabled_reason = json.text_at("disabled_reason");
  webhook.created = instant_at(json, "created");
  webhook.created_at_event = static_cast<std::uint64_t>(json.integer_at("created_at_event"));
  return webhook;
}

bool is_pattern_of(std::string_view pattern, std::string_view type) {
  if (!pattern.ends_with('*')) return pattern == type;
  return type.starts_with(pattern.substr(0, pattern.size() - 1));
}

Event change_event(const Webhook& webhook, std::string_view action, EventKind kind_of_event,
                   Instant now) {
  Event event;
  event.kind = kind_of_event;
  event.at = now;
  JsonWriter json;
  json.object().key("object").text(kind).key("key").text(webhook.id).key("action").text(action);
  if (!webhook.disabled_reason.empty()) json.key("reason").text(webhook.disabled_reason);
  json.end();
  event.data = std::move(json).take();
  return event;
}

// A header that we write ourselves, or that would change how the call is read.
bool is_reserved_header(std::string_view name) {
  for (const auto own : {"host", "content-length", "content-type", "transfer-encoding",
                         "connection", "webhook-id", "webhook-timestamp", "webhook-signature"})
    if (equal_ignoring_case(name, own)) return true;
  return false;
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
  });
}

Result<void> check_headers(const Webhook& webhook, const WebhookLimits& limits) {
  if (webhook.headers.size() > limits.headers)
    return fail(ErrorKind::bad_data, fmt::format("headers: more than {}", limits.headers));
  for (const auto& [name, value] : webhook.headers) {
    if (!is_header_name(name) || is_reserved_header(name))
      return fail(ErrorKind::bad_data,
                  fmt::format("headers: \"{}\" cannot be set", printable(name, 60)));
    const bool is_plain =
        value.size() <= limits.header_octets && std::ranges::none_of(value, [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
        });
    if (!is_plain)
      return fail(ErrorKind::bad_data,
                  fmt::format("headers: the value of \"{}\" is too long or has control characters",
                              printable(name, 60)));
  }
  return {};
}

}  // namespace

std::string_view name_of(WebhookFormat format) {
  switch (format) {
    case WebhookFormat::native:
      return "native";
    case WebhookFormat::postmark:
      return "postmark";
    case WebhookFormat::sendgrid:
      return "sendgrid";
    case WebhookFormat::mailgun:
      return "mailgun";
  }
  return "native";
}

std::optional<WebhookFormat> webhook_format_of(std::string_view name) {
  for (const auto format : {WebhookFormat::native, WebhookFormat::postmark, WebhookFormat::sendgrid,
                            WebhookFormat::mailgun})
    if (name == name_of(format)) return format;
  return std::nullopt;
}

bool Webhook::wants(std::string_view type, std::string_view stream) const {
  if (!streams.empty() && !stream.empty() && std::ranges::find(streams, stream) == streams.end())
    return false;
  return std::ranges::any_of(
      events, [type](const std::string& pattern) { return is_pattern_of(pattern, type); });
}

Result<void> check_webhook(const Webhook& webhook) {
  const WebhookLimits limits;
  const std::string_view url = webhook.url;
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || url.size() == scheme || url[scheme] == '/')
    return fail(ErrorKind::bad_data, "endpoint: it must be an http:// or https:// URL");
  const bool is_plain = std::ranges::none_of(url, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F;
  });
  if (url.size() > limits.url_octets || !is_plain)
    return fail(ErrorKind::bad_data,
                "endpoint: the URL is too long, or has blanks or non-ASCII characters");
  if (url.substr(scheme, url.find('/', scheme) - scheme).find('@') != std::string_view::npos)
    return fail(ErrorKind::bad_data,
                "endpoint: no password in the URL, use basic_auth {\"user\", \"password\"}");
  // Postmark's may be told of nothing, until a trigger is switched on.
  if (webhook.events.empty() && webhook.format != WebhookFormat::postmark)
    return fail(ErrorKind::bad_data, "events: at least one type, or \"*\"");
  if (webhook.events.size() > limits.events)
    return fail(ErrorKind::bad_data, fmt::format("events: more than {}", limits.events));
  if (webhook.batch && webhook.format != WebhookFormat::native &&
      webhook.format != WebhookFormat::sendgrid)
    return fail(ErrorKind::bad_data,
                fmt::format("batch: the format {} has no batches", name_of(webhook.format)));
  return check_headers(webhook, limits);
}

std::string new_webhook_secret() {
  return "whsec_" + to_base64(random_secret(secret_octets));
}

Result<void> Webhooks::open(Committer& committer, Reader& reader) {
  committer_ = &committer;
  for (auto& [id, text] : TRY(reader.objects(kind))) {
    auto webhook = webhook_of(id, text);
    if (!webhook)
      return fail(ErrorKind::damaged,
                  fmt::format("webhook {}: {}", printable(id, 60), webhook.error().message));
    webhooks_.push_back(std::make_shared<const Webhook>(std::move(*webhook)));
  }
  std::ranges::sort(webhooks_, {}, [](const auto& webhook) { return webhook->created; });
  return {};
}

std::vector<std::shared_ptr<const Webhook>> Webhooks::all() const {
  std::lock_guard lock(mutex_);
  return webhooks_;
}

// Seconds since 2025, so that a number comes never again, whatever was removed meanwhile.
std::uint64_t Webhooks::number_for(Instant now) {
  constexpr auto year_2025 = std::chrono::sys_days(std::chrono::January / 1 / 2025);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now - Instant(year_2025)).count();
  std::uint64_t number = seconds > 0 ? static_cast<std::uint64_t>(seconds) : 1;
  std::lock_guard lock(mutex_);
  number = std::max(number, last_number_ + 1);
  for (const auto& webhook : webhooks_) number = std::max(number, webhook->number + 1);
  return last_number_ = number;
}

std::shared_ptr<const Webhook> Webhooks::find(std::string_view id) const {
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(
      webhooks_, [id](const auto& webhook) { return equal_ignoring_case(webhook->id, id); });
  return found == webhooks_.end() ? nullptr : *found;
}

Task<Result<void>> Webhooks::put(Loop& loop, Webhook webhook, std::string_view action,
                                 EventKind kind_of_event) {
  FactsRequest request;
  request.puts.push_back({{std::string(kind), webhook.id}, to_json(webhook)});
  request.events.push_back(change_event(webhook, action, kind_of_event, loop.clock().now()));
  CO_TRY(co_await committer_->record(loop, std::move(request)));
  std::lock_guard lock(mutex_);
  auto made = std::make_shared<const Webhook>(std::move(webhook));
  const auto found =
      std::ranges::find_if(webhooks_, [&made](const auto& each) { return each->id == made->id; });
  if (found == webhooks_.end())
    webhooks_.push_back(std::move(made));
  else
    *found = std::move(made);
  co_return Result<void>{};
}

Task<Result<void>> Webhooks::add(Loop& loop, Webhook webhook) {
  CO_TRY(check_webhook(webhook));
  const std::size_t most = WebhookLimits{}.webhooks;
  if (all().size() >= most)
    co_return fail(ErrorKind::conflict,
                   fmt::format("there are {} webhooks: that is the most", most));
  webhook.created = loop.clock().now();
  webhook.number = number_for(webhook.created);
  co_return co_await put(loop, std::move(webhook), "created", EventKind::object_changed);
}

Task<Result<void>> Webhooks::replace(Loop& loop, Webhook webhook) {
  CO_TRY(check_webhook(webhook));
  const auto old = find(webhook.id);
  if (!old) co_return fail(ErrorKind::not_found, "there is no such webhook");
  const bool is_disabled = old->enabled && !webhook.enabled && !webhook.disabled_reason.empty();
  co_return co_await put(loop, std::move(webhook), "updated",
                         is_disabled ? EventKind::webhook_disabled : EventKind::object_changed);
}

Task<Result<void>> Webhooks::remove(Loop& loop, std::string id) {
  const auto old = find(id);
  if (!old) co_return fail(ErrorKind::not_found, "there is no such webhook");
  FactsRequest request;
  request.removes.push_back({std::string(kind), old->id});
  request.events.push_back(
      change_event(*old, "deleted", EventKind::object_changed, loop.clock().now()));
  CO_TRY(co_await committer_->record(loop, std::move(request)));
  std::lock_guard lock(mutex_);
  std::erase_if(webhooks_, [&old](const auto& each) { return each->id == old->id; });
  co_return Result<void>{};
}

}  // namespace goniec
