// See postmark_webhooks.h.
#include "api/postmark_webhooks.h"

#include <algorithm>

#include "accounts/webhooks.h"
#include "api/webhooks.h"
#include "base/text.h"

namespace goniec {
namespace {

using WebhookPointer = std::shared_ptr<const Webhook>;

struct Trigger {
  std::string_view name;
  std::vector<std::string> events;
};
const std::vector<Trigger>& triggers() {
  static const std::vector<Trigger> all = {
      {"Open", {"email.opened"}},
      {"Click", {"email.clicked"}},
      {"Delivery", {"email.delivered"}},
      {"Bounce", {"email.bounced", "email.delivery_delayed"}},
      {"SpamComplaint", {"email.complained"}},
      {"SubscriptionChange", {"suppression.added", "suppression.removed"}}};
  return all;
}

bool is_on(const Webhook& webhook, const Trigger& trigger) {
  return webhook.wants(trigger.events.front(), {});
}

std::string stream_of(const Webhook& webhook) {
  return stream_to_postmark(webhook.streams.empty() ? std::string() : webhook.streams.front());
}

void write_webhook(JsonWriter& w, const Webhook& webhook) {
  w.object().key("ID").number(webhook.number).key("Url").text(webhook.url);
  w.key("MessageStream").text(stream_of(webhook)).key("HttpAuth");
  if (webhook.user.empty()) {
    w.null();
  } else {
    w.object().key("Username").text(webhook.user).key("Password").text(webhook.password).end();
  }
  w.key("HttpHeaders").array();
  for (const auto& [name, value] : webhook.headers)
    w.object().key("Name").text(name).key("Value").text(value).end();
  w.end().key("Triggers").object();
  for (const Trigger& trigger : triggers()) {
    w.key(trigger.name).object().key("Enabled").boolean(is_on(webhook, trigger));
    if (trigger.name == "Open") w.key("PostFirstOpenOnly").boolean(webhook.first_opens_only);
    if (trigger.name == "Bounce" || trigger.name == "SpamComplaint")
      w.key("IncludeContent").boolean(false);
    w.end();
  }
  w.end().end();
}

ApiReply webhook_reply(const Webhook& webhook) {
  JsonWriter w;
  write_webhook(w, webhook);
  return json_reply(std::move(w));
}

ApiReply no_webhook(const std::string& id) {
  return postmark_error(
      422, 1004, fmt::format("The webhook with the ID '{}' was not found.", printable(id, 40)));
}

ApiReply stored_refusal(const Error& error) {
  if (error.kind == ErrorKind::try_later) return postmark_error(503, 100, error.message);
  return postmark_error(422, 1001, error.message);
}

std::vector<WebhookPointer> of_postmark(const ApiContext& context) {
  auto all = context.webhooks.all();
  std::erase_if(all,
                [](const WebhookPointer& each) { return each->format != WebhookFormat::postmark; });
  return all;
}

WebhookPointer webhook_of(const ApiContext& context, const PostmarkCall& call) {
  const auto number = parse_unsigned(call.arguments.at(0));
  for (auto& each : of_postmark(context))
    if (number && each->number == *number) return std::move(each);
  return nullptr;
}

std::unexpected<PostmarkError> wrong(std::string_view name, std::string_view wanted) {
  return std::unexpected(PostmarkError{
      422, 402, fmt::format("Received invalid JSON input: '{}' must be {}.", name, wanted)});
}

PostmarkResult<> take_headers(const JsonValue& body, Webhook& webhook) {
  const auto list = body.at("HttpHeaders");
  if (!list) return {};
  if (!list->is_array() && !list->is_null()) return wrong("HttpHeaders", "an array");
  webhook.headers.clear();
  for (const auto& each : list->items())
    webhook.headers.emplace_back(each.text_at("Name"), each.text_at("Value"));
  return {};
}

PostmarkResult<> take_triggers(const JsonValue& body, Webhook& webhook) {
  const auto given = body.at("Triggers");
  if (!given || given->is_null()) return {};
  if (!given->is_object()) return wrong("Triggers", "an object");
  std::vector<std::string> events;
  for (const Trigger& trigger : triggers()) {
    const auto one = given->at(trigger.name);
    if (one && !one->is_object()) return wrong(trigger.name, "an object");
    const bool on =
        one ? one->boolean_at("Enabled", is_on(webhook, trigger)) : is_on(webhook, trigger);
    if (on) events.insert(events.end(), trigger.events.begin(), trigger.events.end());
    if (one && trigger.name == "Open")
      webhook.first_opens_only = one->boolean_at("PostFirstOpenOnly", webhook.first_opens_only);
  }
  webhook.events = std::move(events);
  return {};
}

// What is given is taken over, the rest stays.
PostmarkResult<> take_members(const JsonValue& body, Webhook& webhook) {
  if (const auto url = body.at("Url")) {
    if (!url->is_text()) return wrong("Url", "a string");
    webhook.url = url->text().value_or("");
  }
  if (const auto auth = body.at("HttpAuth")) {
    webhook.user = auth->text_at("Username");
    webhook.password = auth->text_at("Password");
    if (webhook.user.find(':') != std::string::npos) return wrong("Username", "without a colon");
  }
  TRY(take_headers(body, webhook));
  TRY(take_triggers(body, webhook));
  if (const auto checked = check_webhook(webhook); !checked)
    return std::unexpected(PostmarkError{422, 1001, checked.error().message});
  return {};
}

}  // namespace

Task<ApiReply> postmark_list_webhooks(ApiContext& context, PostmarkCall call) {
  const auto stream = call.call.parameter("messagestream");
  JsonWriter w;
  w.object().key("Webhooks").array();
  for (const WebhookPointer& webhook : of_postmark(context))
    if (stream.empty() || stream_of(*webhook) == stream) write_webhook(w, *webhook);
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_create_webhook(ApiContext& context, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  if (!body->at("Url")) co_return postmark_error(422, 1001, "A 'Url' must be given.");
  Webhook webhook;
  webhook.format = WebhookFormat::postmark;
  const auto name = body->text_at("MessageStream", "outbound");
  const auto stream = context.streams.find(stream_from_postmark(name));
  if (!stream || stream->archived)
    co_return postmark_error(
        422, 1226, fmt::format("The message stream '{}' was not found.", printable(name, 80)));
  webhook.streams = {stream->id};
  if (auto taken = take_members(*body, webhook); !taken) co_return postmark_error(taken.error());
  const auto id = co_await store_new_webhook(context, std::move(webhook));
  if (!id) co_return stored_refusal(id.error());
  const WebhookPointer stored = context.webhooks.find(*id);
  co_return stored ? webhook_reply(*stored) : no_webhook(*id);
}

Task<ApiReply> postmark_show_webhook(ApiContext& context, PostmarkCall call) {
  const WebhookPointer webhook = webhook_of(context, call);
  co_return webhook ? webhook_reply(*webhook) : no_webhook(call.arguments.at(0));
}

Task<ApiReply> postmark_edit_webhook(ApiContext& context, PostmarkCall call) {
  const WebhookPointer webhook = webhook_of(context, call);
  if (!webhook) co_return no_webhook(call.arguments.at(0));
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  Webhook changed = *webhook;
  if (auto taken = take_members(*body, changed); !taken) co_return postmark_error(taken.error());
  const auto done = co_await context.webhooks.replace(context.world.loop, changed);
  if (!done) co_return stored_refusal(done.error());
  context.look_at_webhook(webhook->id);
  co_return webhook_reply(changed);
}

Task<ApiReply> postmark_delete_webhook(ApiContext& context, PostmarkCall call) {
  const WebhookPointer webhook = webhook_of(context, call);
  if (!webhook) co_return no_webhook(call.arguments.at(0));
  const auto done = co_await context.webhooks.remove(context.world.loop, webhook->id);
  if (!done) co_return stored_refusal(done.error());
  context.look_at_webhook(webhook->id);
  co_return postmark_error(200, 0, fmt::format("Webhook {} removed.", webhook->number));
}

}  // namespace goniec
