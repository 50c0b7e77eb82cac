// See webhooks.h. The log of deliveries is read and written on the offload pool.
#include "api/webhooks.h"

#include "accounts/webhooks.h"
#include "api/body.h"
#include "base/text.h"
#include "store/hook_log.h"
#include "store/last_event.h"

namespace goniec {
namespace {

constexpr std::size_t page = 50, most_page = 500, shown_attempts = 30;
constexpr auto day = std::chrono::hours(24);

using WebhookPointer = std::shared_ptr<const Webhook>;

ApiReply no_webhook() {
  return error_reply(ApiError{404, "not_found", "there is no such webhook", {}});
}
ApiReply no_delivery() {
  return error_reply(ApiError{404, "not_found", "this webhook was not told of such an event", {}});
}

// The work on the log, off the loop.
template <class Work>
auto with_log(ApiContext& context, Work work) -> Task<std::invoke_result_t<Work, HookLog&>> {
  auto done = co_await context.world.offload.run(
      context.world.loop,
      [&log = context.hook_log, work = std::move(work)]() mutable { return work(log); });
  if (!done) co_return std::unexpected(done.error());
  co_return std::move(*done);
}

void or_null(JsonWriter& w, std::string_view key, const std::string& value) {
  w.key(key);
  if (value.empty())
    w.null();
  else
    w.text(value);
}

void write_texts(JsonWriter& w, std::string_view key, const std::vector<std::string>& texts) {
  w.key(key).array();
  for (const std::string& text : texts) w.text(text);
  w.end();
}

void write_status(JsonWriter& w, std::string_view key, const std::optional<int>& status) {
  w.key(key);
  if (status)
    w.number(*status);
  else
    w.null();
}

struct WebhookFacts {
  HookCounts counts;
  std::vector<HookAttempt> recent;
  std::uint64_t backlog = 0;
};

Task<WebhookFacts> facts_of(ApiContext& context, std::string id) {
  const Instant since = context.world.loop.clock().now() - day;
  auto facts = co_await with_log(context, [id, since](HookLog& log) -> Result<WebhookFacts> {
    WebhookFacts found;
    found.counts = TRY(log.counts(id, since));
    found.recent = TRY(log.recent(id, shown_attempts));
    const auto positions = TRY(log.positions());
    if (const auto at = positions.find(id); at != positions.end())
      found.backlog = at->second.waiting;
    return found;
  });
  co_return facts ? std::move(*facts) : WebhookFacts{};
}

// Header fields that go to the receiver may hold a password of his.
enum class Shown { nothing, headers, secret };

void write_webhook(JsonWriter& w, const Webhook& webhook, Shown secret, const WebhookFacts* facts) {
  w.object().key("object").text("webhook").key("id").text(webhook.id);
  w.key("endpoint").text(webhook.url);
  write_texts(w, "events", webhook.events);
  write_texts(w, "streams", webhook.streams);
  w.key("status").text(webhook.enabled ? "enabled" : "disabled");
  w.key("format").text(name_of(webhook.format)).key("batch").boolean(webhook.batch);
  w.key("headers").object();
  for (const auto& [name, value] : webhook.headers)
    w.key(name).text(secret == Shown::nothing ? "" : value);
  w.end().key("created_at").text(to_rfc3339(webhook.created));
  or_null(w, "disabled_reason", webhook.disabled_reason);
  if (secret == Shown::secret) w.key("signing_secret").text(webhook.secret);
  if (facts) {
    w.key("backlog").number(facts->backlog).key("last_24h").object();
    w.key("delivered").number(facts->counts.delivered);
    w.key("failed").number(facts->counts.failed).end().key("recent").array();
    for (const HookAttempt& attempt : facts->recent) {
      w.object().key("at").text(to_rfc3339(attempt.at));
      write_status(w, "status", attempt.status);
      w.key("ms").number(std::chrono::round<std::chrono::milliseconds>(attempt.took).count()).end();
    }
    w.end();
  }
  w.end();
}

std::string_view state_name(HookState state) {
  switch (state) {
    case HookState::waiting:
      return "pending";
    case HookState::delivered:
      return "delivered";
    case HookState::dead:
      return "failed";
  }
  return "pending";
}

std::optional<HookState> hook_state_of(std::string_view name) {
  for (const auto state : {HookState::waiting, HookState::delivered, HookState::dead})
    if (name == state_name(state)) return state;
  return std::nullopt;
}

void write_delivery(JsonWriter& w, const HookDelivery& delivery) {
  w.object().key("id").text(event_id_of(delivery.sequence)).key("type").text(delivery.type);
  w.key("state").text(state_name(delivery.state)).key("attempts").number(delivery.tries);
  w.key("created_at").text(to_rfc3339(delivery.at));
  or_null(w, "next_attempt_at",
          delivery.state == HookState::waiting ? to_rfc3339(delivery.next_at) : std::string());
  write_status(w, "last_status", delivery.last_status);
  or_null(w, "last_error", delivery.last_error);
  w.end();
}

void write_attempt(JsonWriter& w, const HookAttempt& attempt) {
  w.object().key("at").text(to_rfc3339(attempt.at));
  w.key("ms").number(std::chrono::round<std::chrono::milliseconds>(attempt.took).count());
  write_status(w, "status", attempt.status);
  or_null(w, "error", attempt.error);
  w.key("response").text(attempt.response).end();
}

// ---------------------------------------------------------------- bodies
const std::vector<std::string> new_members = {"endpoint", "url",     "events",  "format",
                                              "batch",    "streams", "headers", "basic_auth"};

ApiResult<> take_basic(const JsonValue& json, Webhook& webhook) {
  const auto basic = member(json, "basic_auth");
  if (!basic) return {};
  if (!basic->is_object()) return refuse_field("basic_auth", "an object is wanted");
  TRY(only_known(*basic, {"user", "password"}, "basic_auth"));
  webhook.user = TRY(required_text(*basic, "user", "basic_auth"));
  webhook.password = TRY(required_text(*basic, "password", "basic_auth"));
  if (webhook.user.find(':') != std::string::npos)
    return refuse_field("basic_auth.user", "it cannot have a colon (RFC 7617 §2)");
  return {};
}

// What is given; the rest stays.
ApiResult<> take_members(const JsonValue& json, Webhook& webhook) {
  for (const std::string_view name : {"endpoint", "url"})
    if (auto url = TRY(text_member(json, name))) webhook.url = std::move(*url);
  if (member(json, "events")) webhook.events = TRY(texts_member(json, "events"));
  if (member(json, "streams")) webhook.streams = TRY(texts_member(json, "streams"));
  if (const auto format = TRY(text_member(json, "format"))) {
    const auto known = webhook_format_of(*format);
    if (!known) return refuse_field("format", "native, postmark, sendgrid or mailgun is wanted");
    webhook.format = *known;
  }
  if (const auto batch = TRY(flag_member(json, "batch"))) webhook.batch = *batch;
  if (member(json, "headers")) webhook.headers = TRY(pairs_member(json, "headers"));
  TRY(take_basic(json, webhook));
  if (const auto status = TRY(text_member(json, "status"))) {
    if (*status != "enabled" && *status != "disabled")
      return refuse_field("status", "enabled or disabled is wanted");
    webhook.enabled = *status == "enabled";
    if (webhook.enabled) webhook.disabled_reason.clear();
  }
  if (auto checked = check_webhook(webhook); !checked) {
    const std::string& text = checked.error().message;
    const std::size_t colon = text.find(": ");
    return refuse_field(text.substr(0, colon),
                        colon == std::string::npos ? text : text.substr(colon + 2));
  }
  return {};
}

// A UUID of chance (RFC 9562 §5.4).
std::string new_id(Random& random) {
  const std::uint64_t high = (random.next() & ~0xF000ull) | 0x4000;
  const std::uint64_t low = (random.next() >> 2) | (1ull << 63);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF,
                     high & 0xFFFF, low >> 48, low & 0xFFFFFFFFFFFF);
}

Task<ApiReply> webhook_reply(ApiContext& context, std::string id, Shown secret, unsigned status) {
  const WebhookPointer webhook = context.webhooks.find(id);
  if (!webhook) co_return no_webhook();
  const WebhookFacts facts = co_await facts_of(context, webhook->id);
  JsonWriter w;
  write_webhook(w, *webhook, secret, &facts);
  co_return json_reply(std::move(w), status);
}

std::size_t limit_of(const ApiCall& call) {
  const auto asked = parse_unsigned(call.parameter("limit"));
  return std::clamp<std::size_t>(asked.value_or(page), 1, most_page);
}

}  // namespace

Task<Result<std::string>> store_new_webhook(ApiContext& context, Webhook webhook) {
  webhook.id = new_id(context.world.loop.random());
  webhook.secret = new_webhook_secret();
  webhook.created_at_event = CO_TRY(co_await context.readers.read(
      context.world.loop, [](Reader& reader) { return last_event_sequence(reader); }));
  std::string id = webhook.id;
  CO_TRY(co_await context.webhooks.add(context.world.loop, std::move(webhook)));
  context.look_at_webhook(id);
  co_return id;
}

Task<ApiReply> list_webhooks(ApiContext& context, ApiCall call) {
  const auto shown = call.principal.may(KeyScope::manage) ? Shown::headers : Shown::nothing;
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const WebhookPointer& webhook : context.webhooks.all()) {
    const WebhookFacts facts = co_await facts_of(context, webhook->id);
    write_webhook(w, *webhook, shown, &facts);
  }
  w.end().key("has_more").boolean(false).key("next").null().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> create_webhook(ApiContext& context, ApiCall call) {
  const auto json = body_object(call.body, new_members);
  if (!json) co_return error_reply(json.error());
  Webhook webhook;
  if (!member(*json, "endpoint") && !member(*json, "url"))
    co_return error_reply(
        ApiError{422, "missing_required_field", "the address that is to be told", "endpoint"});
  if (auto taken = take_members(*json, webhook); !taken) co_return error_reply(taken.error());
  const auto id = co_await store_new_webhook(context, std::move(webhook));
  if (!id) co_return error_reply(id.error());
  co_return co_await webhook_reply(context, *id, Shown::secret, 201);
}

Task<ApiReply> show_webhook(ApiContext& context, ApiCall call) {
  const bool may_see = call.principal.may(KeyScope::manage);
  co_return co_await webhook_reply(context, call.argument, may_see ? Shown::secret : Shown::nothing,
                                   200);
}

Task<ApiReply> change_webhook(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  if (!webhook) co_return no_webhook();
  auto known = new_members;
  known.push_back("status");
  const auto json = body_object(call.body, known);
  if (!json) co_return error_reply(json.error());
  Webhook changed = *webhook;
  if (auto taken = take_members(*json, changed); !taken) co_return error_reply(taken.error());
  const auto done = co_await context.webhooks.replace(context.world.loop, std::move(changed));
  if (!done) co_return error_reply(done.error());
  context.look_at_webhook(webhook->id);
  co_return co_await webhook_reply(context, webhook->id, Shown::headers, 200);
}

Task<ApiReply> remove_webhook(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  if (!webhook) co_return no_webhook();
  const auto done = co_await context.webhooks.remove(context.world.loop, webhook->id);
  if (!done) co_return error_reply(done.error());
  context.look_at_webhook(webhook->id);
  JsonWriter w;
  w.object().key("object").text("webhook").key("id").text(webhook->id);
  w.key("deleted").boolean(true).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> rotate_webhook_secret(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  if (!webhook) co_return no_webhook();
  Webhook changed = *webhook;
  changed.old_secret = webhook->secret;
  changed.old_secret_until = context.world.loop.clock().now() + WebhookLimits{}.secret_overlap;
  changed.secret = new_webhook_secret();
  const auto done = co_await context.webhooks.replace(context.world.loop, std::move(changed));
  if (!done) co_return error_reply(done.error());
  co_return co_await webhook_reply(context, webhook->id, Shown::secret, 200);
}

Task<ApiReply> test_webhook(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  if (!webhook) co_return no_webhook();
  const HookAttempt attempt = co_await context.test_webhook(webhook);
  JsonWriter w;
  write_attempt(w, attempt);
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- what was told
Task<ApiReply> list_hook_deliveries(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  if (!webhook) co_return no_webhook();
  HookFilter filter;
  if (const auto state = call.parameter("state"); !state.empty()) {
    filter.state = hook_state_of(state);
    if (!filter.state)
      co_return error_reply(
          ApiError{422, "invalid_parameter", "pending, delivered or failed is wanted", "state"});
  }
  if (const auto after = call.parameter("after"); !after.empty()) {
    const auto sequence = sequence_of_event_id(after);
    if (!sequence)
      co_return error_reply(ApiError{422, "invalid_parameter", "an event's id is wanted", "after"});
    filter.before = *sequence;
  }
  const std::size_t limit = limit_of(call);
  filter.limit = limit + 1;
  auto rows = co_await with_log(
      context, [id = webhook->id, filter](HookLog& log) { return log.list(id, filter); });
  if (!rows) co_return error_reply(rows.error());
  const bool more = rows->size() > limit;
  if (more) rows->resize(limit);
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const HookDelivery& delivery : *rows) write_delivery(w, delivery);
  w.end().key("has_more").boolean(more);
  or_null(w, "next", more ? event_id_of(rows->back().sequence) : std::string());
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> list_hook_attempts(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  const auto sequence = sequence_of_event_id(call.arguments.at(1));
  if (!webhook) co_return no_webhook();
  if (!sequence) co_return no_delivery();
  const auto attempts = co_await with_log(
      context, [id = webhook->id, at = *sequence](HookLog& log) { return log.attempts(id, at); });
  if (!attempts) co_return error_reply(attempts.error());
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const HookAttempt& attempt : *attempts) write_attempt(w, attempt);
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> replay_hook_delivery(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  const auto sequence = sequence_of_event_id(call.arguments.at(1));
  if (!webhook) co_return no_webhook();
  if (!sequence) co_return no_delivery();
  const Instant now = context.world.loop.clock().now();
  const auto again = co_await with_log(
      context,
      [id = webhook->id, at = *sequence, now](HookLog& log) -> Result<std::optional<HookDelivery>> {
        auto found = TRY(log.find(id, at));
        if (!found) return found;
        found->state = HookState::waiting;
        found->tries = 0;
        found->next_at = now;
        TRY(log.settle(id, *found, std::nullopt, std::nullopt));
        return found;
      });
  if (!again) co_return error_reply(again.error());
  if (!*again) co_return no_delivery();
  context.look_at_webhook(webhook->id);
  JsonWriter w;
  write_delivery(w, **again);
  co_return json_reply(std::move(w));
}

Task<ApiReply> replay_hook_deliveries(ApiContext& context, ApiCall call) {
  const WebhookPointer webhook = context.webhooks.find(call.argument);
  if (!webhook) co_return no_webhook();
  const auto json = body_object(call.body, {"state", "since", "until", "dry_run"});
  if (!json) co_return error_reply(json.error());
  const auto state = hook_state_of(json->text_at("state", "failed"));
  if (!state || *state == HookState::waiting)
    co_return error_reply(
        ApiError{422, "validation_error", "failed or delivered is wanted", "state"});
  const auto since = time_member(*json, "since"), until = time_member(*json, "until");
  if (!since) co_return error_reply(since.error());
  if (!until) co_return error_reply(until.error());
  const auto dry = flag_member(*json, "dry_run");
  if (!dry) co_return error_reply(dry.error());
  const bool dry_run = dry->value_or(false);
  const Instant now = context.world.loop.clock().now();
  const Instant from = since->value_or(Instant{}), to = until->value_or(now + day);
  const auto count = co_await with_log(
      context, [id = webhook->id, state = *state, from, to, now, dry_run](HookLog& log) {
        return dry_run ? log.count(id, state, from, to) : log.replay(id, state, from, to, now);
      });
  if (!count) co_return error_reply(count.error());
  if (!dry_run) context.look_at_webhook(webhook->id);
  JsonWriter w;
  w.object().key("count").number(*count).key("dry_run").boolean(dry_run).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
