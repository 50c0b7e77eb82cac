// Status, metrics, health, trace, events (observe.h).
#include "api/observe.h"

#include <algorithm>

#include "api/email_story.h"
#include "api/forget.h"
#include "api/search_query.h"
#include "api/trace.h"
#include "base/text.h"
#include "store/last_event.h"

namespace goniec {

namespace {

constexpr std::size_t events_a_call = 1000;
constexpr auto longest_wait = std::chrono::seconds(30);
constexpr auto wait_step = std::chrono::milliseconds(200);

std::string_view store_state(const StoreHealth& health) {
  return health.sealed ? "sealed" : health.full ? "full" : "ok";
}

// An id in either spelling, or else a Message-ID with or without its brackets: the newest message
// of that name.
Result<MessageId> find_message(Reader& reader, std::string_view text) {
  if (const auto id = parse_email_id(text)) return *id;
  if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
  const auto found = TRY(reader.find_by_message_id(text));
  if (found.empty())
    return fail(ErrorKind::not_found, fmt::format("no message {} is known", printable(text, 100)));
  return found.front();
}

Result<std::string> trace_of(Reader& reader, const std::string& text, const Principal& who) {
  const auto id = TRY(find_message(reader, text));
  const auto events = TRY(reader.events_of(id));
  const auto received = events.empty() || events.front().kind != EventKind::received
                            ? Result<JsonValue>(fail(ErrorKind::not_found, ""))
                            : JsonValue::parse(events.front().data);
  const bool is_bound = who.key && (!who.key->stream.empty() || !who.key->domain.empty());
  if (events.empty() || (is_bound && !(received && may_see(who, *received))))
    return fail(ErrorKind::not_found, fmt::format("no message {} is known", id.text()));
  QueueFilter filter;
  filter.ids = {id};
  std::vector<Entry> entries;
  for (auto& item : TRY(reader.list(filter))) entries.push_back(std::move(item.entry));
  return trace_json(id, events, entries);
}

void write_event(JsonWriter& w, const Event& event) {
  w.object().key("sequence").number(event.sequence).key("kind").text(name_of(event.kind));
  w.key("id").text(event.message.text()).key("at").text(to_rfc3339(event.at));
  w.key("recipient");
  if (event.recipient.empty()) {
    w.null();
  } else {
    w.text(event.recipient);
  }
  w.key("data").raw(event.data.empty() ? "{}" : event.data).end();
}

Task<Result<std::vector<Event>>> events_after(ApiContext& context, std::uint64_t sequence,
                                              std::size_t limit) {
  co_return co_await context.readers.read(context.world.loop, [sequence, limit](Reader& reader) {
    return reader.events_after(sequence, limit);
  });
}

}  // namespace

void write_queue_stats(JsonWriter& w, const QueueStats& stats,
                       const std::optional<std::vector<DepthSample>>& history) {
  w.object().key("messages").number(stats.messages).key("bytes").number(stats.octets);
  w.key("due").number(stats.due).key("active").number(stats.leased).key("held").number(stats.held);
  w.key("deferred").number(stats.deferred).key("oldest_at");
  if (stats.oldest) {
    w.text(to_rfc3339(*stats.oldest));
  } else {
    w.null();
  }
  w.key("domains").array();
  for (const auto& site : stats.top) {
    w.object()
        .key("domain")
        .text(site.domain.ascii())
        .key("entries")
        .number(site.entries)
        .key("oldest_at");
    if (site.oldest) {
      w.text(to_rfc3339(*site.oldest));
    } else {
      w.null();
    }
    w.end();
  }
  w.end();
  if (history) {
    w.key("history").array();
    for (const DepthSample& each : *history) {
      w.object().key("at").text(to_rfc3339(each.at)).key("waiting").number(each.waiting);
      w.key("deferred").number(each.deferred).end();
    }
    w.end();
  }
  w.end();
}

Task<ApiReply> show_status(ApiContext& context, ApiCall) {
  const auto stats = co_await context.queue.stats(context.world.loop);
  const auto health = context.committer.store().health();
  const auto up = context.world.loop.clock().now() - context.started_at;
  const auto lag = co_await search_lag(context);
  std::map<std::string, std::uint64_t> kinds;
  if (context.storage_octets) {
    auto counted = co_await context.world.offload.run(context.world.loop, context.storage_octets);
    if (counted) kinds = *std::move(counted);
  }
  JsonWriter w;
  w.object().key("version").text(context.version).key("pid").number(context.pid);
  w.key("hostname").text(context.intake().hostname);
  w.key("uptime_s").number(std::chrono::duration_cast<std::chrono::seconds>(up).count());
  w.key("store").text(store_state(health)).key("store_reason").text(health.sealed_reason);
  w.key("storage_free_bytes").number(health.space.free_octets);
  w.key("storage_bytes").object();
  for (const auto& [kind, octets] : kinds) w.key(kind).number(octets);
  w.end();
  if (context.retention_json) w.key("retention").raw(context.retention_json());
  if (context.search && lag) w.key("projection_lag").number(*lag);
  w.key("listeners").raw(context.listeners_json());
  w.key("certificates").raw(context.certificates_json()).key("queue");
  if (stats) {
    write_queue_stats(w, *stats);
  } else {
    w.null();
  }
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_trace(ApiContext& context, ApiCall call) {
  const std::string text(call.parameter("id"));
  if (text.empty())
    co_return error_reply({ErrorKind::usage, "\"id\" is missing: a queue id or a Message-ID"});
  const auto trace = co_await context.readers.read(
      context.world.loop,
      [text, who = call.principal](Reader& reader) { return trace_of(reader, text, who); });
  if (!trace) co_return error_reply(trace.error());
  co_return ApiReply{200, "application/json", *trace + "\n"};
}

Task<ApiReply> list_events(ApiContext& context, ApiCall call) {
  auto after = parse_unsigned(call.parameter("after")).value_or(0);
  const auto limit = std::clamp<std::uint64_t>(
      parse_unsigned(call.parameter("limit")).value_or(events_a_call), 1, events_a_call);
  Duration wait{};
  if (const auto text = call.parameter("wait"); !text.empty()) {
    const auto given = parse_duration(text);
    if (!given) co_return error_reply(given.error());
    wait = std::min<Duration>(*given, longest_wait);
  }
  auto& loop = context.world.loop;
  if (call.parameter("after") == "end") {
    const auto last = co_await context.readers.read(
        loop, [](Reader& reader) { return last_event_sequence(reader); });
    if (!last) co_return error_reply(last.error());
    after = *last;
  }
  const auto until = loop.clock().moment() + wait;
  auto events = co_await events_after(context, after, limit);
  while (events && events->empty() && loop.clock().moment() < until) {
    co_await loop.sleep(wait_step);
    events = co_await events_after(context, after, limit);
  }
  if (!events) co_return error_reply(events.error());
  JsonWriter w;
  w.object().key("events").array();
  for (const auto& event : *events) write_event(w, event);
  w.end().key("next").number(events->empty() ? after : events->back().sequence).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_metrics(ApiContext& context, ApiCall) {
  const auto stats = co_await context.queue.stats(context.world.loop);
  if (stats) {
    const auto set = [&context](std::string_view state, std::uint64_t value) {
      context.metrics
          .gauge("goniec_queue_entries", "Entries in the queue by state",
                 {{"state", std::string(state)}})
          .set(static_cast<double>(value));
    };
    set("incoming", stats->due - std::min(stats->due, stats->deferred));
    set("active", stats->leased);
    set("deferred", stats->deferred);
    set("held", stats->held);
    context.metrics.gauge("goniec_queue_messages", "Messages in the queue")
        .set(static_cast<double>(stats->messages));
    context.metrics.gauge("goniec_queue_bytes", "Octets of the messages in the queue")
        .set(static_cast<double>(stats->octets));
    const auto age = stats->oldest ? context.world.loop.clock().now() - *stats->oldest : Duration{};
    context.metrics
        .gauge("goniec_queue_oldest_age_seconds", "Age of the oldest message in the queue")
        .set(static_cast<double>(age.count()) / 1e6);
  }
  const auto health = context.committer.store().health();
  context.metrics.gauge("goniec_store_sealed", "1 when the store was sealed after a failed write")
      .set(health.sealed ? 1 : 0);
  context.metrics.gauge("goniec_storage_free_bytes", "Free space where the store is")
      .set(static_cast<double>(health.space.free_octets));
  context.metrics.gauge("goniec_build_info", "1, with the version", {{"version", context.version}})
      .set(1);
  context.metrics.gauge("goniec_up", "1 while the server runs").set(1);
  co_return ApiReply{200, "text/plain; version=0.0.4; charset=utf-8", context.metrics.exposition()};
}

Task<ApiReply> show_health(ApiContext& context, ApiCall) {
  const auto health = context.committer.store().health();
  JsonWriter w;
  w.object().key("store").text(store_state(health)).end();
  co_return json_reply(std::move(w), health.sealed || health.full ? 503 : 200);
}

}  // namespace goniec
