// The live tail of event_list.h.
// Each listener reads the log by itself, a bounded stretch at a time, and only what is in the
// database: nobody who writes waits for a listener.
#include <algorithm>

#include "api/event_list.h"
#include "api/event_page.h"
#include "base/text.h"

namespace goniec {
namespace {

struct Stretch {
  std::string text;  // server-sent events
  std::uint64_t last = 0;
  bool more = false;
};

struct Tail {
  EventFilter filter;
  std::uint64_t after = 0;
  std::shared_ptr<LiveTails::Ticket> ticket;
};

void add_event(std::string& out, const Event& event, const std::string& json) {
  out += fmt::format("id: {}\nevent: {}\ndata: {}\n\n", event_id_of(event.sequence),
                     event_type_of(event), json);
}

Result<Stretch> stretch_after(Reader& reader, const EventFilter& filter, std::uint64_t after,
                              const LiveLimits& limits, const BounceRules& rules) {
  auto applied = TRY(reader.applied_events_after(after, limits.batch));
  Stretch stretch;
  stretch.last = after;
  if (applied.last > after && applied.last - after > limits.behind) {
    const auto skipped = applied.last - after - limits.batch;
    stretch.text = fmt::format("event: skipped\ndata: {{\"events\":{}}}\n\n", skipped);
    stretch.last = after + skipped;
    applied = TRY(reader.applied_events_after(stretch.last, limits.batch));
  }
  MessagesOfEvents messages(reader);
  for (const auto& event : applied.events) {
    stretch.last = event.sequence;
    if (!fits(filter, event, messages, rules)) continue;
    add_event(stretch.text, event, view_of(event, messages, rules));
  }
  stretch.more = applied.events.size() == limits.batch;
  return stretch;
}

Task<void> follow(ApiContext& context, Tail tail, HttpSink& sink) {
  auto& loop = context.world.loop;
  auto& tails = *context.live_tails;
  const auto limits = tails.limits();
  const Moment until = loop.clock().moment() + limits.longest;
  Moment written = loop.clock().moment();
  auto sent = co_await sink.write("retry: 2000\n\n");
  while (sent && !tails.stopping() && loop.clock().moment() < until) {
    const auto stretch = co_await context.readers.read(
        loop, [filter = tail.filter, after = tail.after, limits, rules = rules_of(context)](
                  Reader& reader) { return stretch_after(reader, filter, after, limits, *rules); });
    if (!stretch) break;
    tail.after = stretch->last;
    const Moment now = loop.clock().moment();
    if (!stretch->text.empty()) {
      sent = co_await sink.write(stretch->text);
      written = now;
    } else if (now - written >= limits.heartbeat) {
      sent = co_await sink.write(":\n\n");
      written = now;
    }
    if (sent && !stretch->more) co_await loop.sleep(limits.look);
  }
}

std::string caller_of(const ApiCall& call) {
  if (call.principal.key) return call.principal.key->id;
  return call.remote.address.text();
}

}  // namespace

Result<std::shared_ptr<LiveTails::Ticket>> LiveTails::enter(std::string who) {
  if (stopping_ || all_ >= limits_.tails)
    return fail(ErrorKind::try_later, "too many listen to the live tail now");
  const auto found = of_.find(who);
  if (found != of_.end() && found->second >= limits_.tails_of_one)
    return fail(ErrorKind::not_permitted,
                fmt::format("{} live tails of one caller are enough", limits_.tails_of_one));
  ++of_[who];
  ++all_;
  return std::make_shared<Ticket>(*this, std::move(who));
}

void LiveTails::leave(const std::string& who) {
  const auto found = of_.find(who);
  CHECK(found != of_.end() && all_ > 0);
  if (--found->second == 0) of_.erase(found);
  --all_;
}

Task<ApiReply> follow_events(ApiContext& context, ApiCall call) {
  auto& loop = context.world.loop;
  if (!context.live_tails) co_return error_reply({ErrorKind::try_later, "there is no live tail"});
  auto filter = event_filter_of(call, loop.clock().now());
  if (!filter) co_return error_reply(filter.error());
  Tail tail{std::move(*filter), 0, nullptr};
  auto after = std::string(call.header("last-event-id"));
  if (after.empty()) after = call.parameter("after");
  if (const auto at = sequence_of_event_id(after)) {
    tail.after = *at;
  } else if (!after.empty()) {
    co_return error_reply({ErrorKind::usage, "after is the id of an event"});
  } else {
    const auto last =
        co_await context.readers.read(loop, [](Reader& reader) -> Result<std::uint64_t> {
          return TRY(reader.applied_events_after(0, 1)).last;
        });
    if (!last) co_return error_reply(last.error());
    tail.after = *last;
  }
  auto ticket = context.live_tails->enter(caller_of(call));
  if (!ticket) {
    auto reply = error_reply(ticket.error());
    if (ticket.error().kind == ErrorKind::not_permitted) reply.status = 429;
    co_return reply;
  }
  tail.ticket = std::move(*ticket);
  ApiReply reply;
  reply.content_type = "text/event-stream";
  reply.headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
  reply.stream = [&context, tail](HttpSink& sink) { return follow(context, tail, sink); };
  co_return reply;
}

}  // namespace goniec
