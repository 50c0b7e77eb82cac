// See event_list.h.
#include "api/event_list.h"

#include <algorithm>

#include "api/event_page.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t most_events = 1000, usual_events = 50;
constexpr std::size_t looked_at = 20000;  // events of the log, a call
constexpr std::size_t page_of_log = 500;
constexpr Duration may_be_out_of_order = std::chrono::hours(1);  // times of events in the log

enum class Order { newest_first, oldest_first };

struct EventQuestion {
  EventFilter filter;
  Order order = Order::newest_first;
  std::optional<std::uint64_t> after;  // sequence
  std::size_t limit = usual_events;
};

struct EventPage {
  std::vector<std::string> events;    // JSON
  std::optional<std::uint64_t> next;  // sequence of the last one looked at; nullopt: the end
};

void add_view(EventPage& page, const Event& event, MessagesOfEvents& messages,
              const BounceRules& rules) {
  page.events.push_back(view_of(event, messages, rules));
}

// The events of one message are found by it; of the log, a stretch is walked.
Result<std::vector<Event>> stretch_of(Reader& reader, const EventQuestion& question,
                                      std::uint64_t at) {
  if (question.order == Order::oldest_first) return reader.events_after(at, page_of_log);
  const auto from = at > page_of_log ? at - page_of_log - 1 : 0;
  auto events = TRY(reader.events_after(from, page_of_log));
  std::erase_if(events, [at](const Event& event) { return event.sequence >= at; });
  std::ranges::reverse(events);
  return events;
}

Result<EventPage> page_of_message(Reader& reader, const EventQuestion& question,
                                  const BounceRules& rules) {
  MessagesOfEvents messages(reader);
  auto events = TRY(reader.events_of(*question.filter.message));
  if (question.order == Order::newest_first) std::ranges::reverse(events);
  EventPage page;
  for (const auto& event : events) {
    if (question.after &&
        (question.order == Order::newest_first ? event.sequence >= *question.after
                                               : event.sequence <= *question.after))
      continue;
    if (!fits(question.filter, event, messages, rules)) continue;
    if (page.events.size() == question.limit) return page;
    add_view(page, event, messages, rules);
    page.next = event.sequence;
  }
  page.next.reset();
  return page;
}

// All events before it are older than `at`.
Result<std::uint64_t> sequence_before(Reader& reader, Instant at, std::uint64_t last) {
  std::uint64_t from = 0, to = last;
  while (from < to) {
    const auto middle = from + (to - from) / 2;
    const auto events = TRY(reader.events_after(middle, 1));
    if (events.empty() || events[0].at >= at) {
      to = middle;
    } else {
      from = events[0].sequence;
    }
  }
  return from;
}

// Where a page begins: behind this event, or (newest first) before it.
Result<std::uint64_t> begin_of(Reader& reader, const EventQuestion& question) {
  if (question.after) return *question.after;
  const auto last = TRY(reader.applied_events_after(0, 1)).last;
  if (question.order == Order::newest_first) return last + 1;
  if (!question.filter.since) return 0;
  return sequence_before(reader, *question.filter.since - may_be_out_of_order, last);
}

bool is_past_the_end(const EventQuestion& question, const Event& event) {
  const auto& filter = question.filter;
  if (question.order == Order::newest_first) return filter.since && event.at < *filter.since;
  return filter.until && event.at >= *filter.until + may_be_out_of_order;
}

Result<EventPage> page_of_log_of(Reader& reader, const EventQuestion& question,
                                 const BounceRules& rules) {
  if (question.filter.message) return page_of_message(reader, question, rules);
  const bool newest_first = question.order == Order::newest_first;
  std::uint64_t at = TRY(begin_of(reader, question));
  MessagesOfEvents messages(reader);
  EventPage page;
  for (std::size_t seen = 0; seen < looked_at;) {
    const auto events = TRY(stretch_of(reader, question, at));
    if (events.empty()) {
      // Sequences have gaps only where retention took the beginning.
      if (!newest_first || at <= page_of_log + 1) return page;
      at = at > page_of_log ? at - page_of_log : 0;
      seen += page_of_log;
      continue;
    }
    for (const auto& event : events) {
      ++seen;
      if (is_past_the_end(question, event)) {
        page.next.reset();
        return page;
      }
      at = event.sequence;
      if (!fits(question.filter, event, messages, rules)) continue;
      add_view(page, event, messages, rules);
      if (page.events.size() == question.limit) {
        page.next = at;
        return page;
      }
    }
    page.next = at;
    if (newest_first ? at <= 1 : events.size() < page_of_log) {
      page.next.reset();
      return page;
    }
  }
  return page;
}

Result<EventQuestion> question_of(const ApiCall& call, Instant now) {
  EventQuestion question;
  question.filter = TRY(event_filter_of(call, now));
  const auto order = call.parameter("order");
  if (!order.empty() && order != "asc" && order != "desc")
    return fail(ErrorKind::usage, "order is asc or desc");
  if (order == "asc") question.order = Order::oldest_first;
  if (const auto after = call.parameter("after"); !after.empty()) {
    question.after = sequence_of_event_id(after);
    if (!question.after) return fail(ErrorKind::usage, "after is the id of an event");
  }
  if (const auto text = call.parameter("limit"); !text.empty()) {
    const auto limit = parse_unsigned(text);
    if (!limit || *limit < 1 || *limit > most_events)
      return fail(ErrorKind::usage, fmt::format("limit is from 1 to {}", most_events));
    question.limit = *limit;
  }
  return question;
}

}  // namespace

Task<ApiReply> list_event_views(ApiContext& context, ApiCall call) {
  auto& loop = context.world.loop;
  const auto question = question_of(call, loop.clock().now());
  if (!question) co_return error_reply(question.error());
  const auto page = co_await context.readers.read(
      loop, [asked = *question, rules = rules_of(context)](Reader& reader) {
        return page_of_log_of(reader, asked, *rules);
      });
  if (!page) co_return error_reply(page.error());
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const auto& event : page->events) w.raw(event);
  w.end().key("has_more").boolean(page->next.has_value()).key("next");
  if (page->next) {
    w.text(event_id_of(*page->next));
  } else {
    w.null();
  }
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_event_view(ApiContext& context, ApiCall call) {
  const auto sequence = sequence_of_event_id(call.argument);
  if (!sequence || *sequence == 0)
    co_return error_reply({ErrorKind::not_found, "there is no such event"});
  const auto found = co_await context.readers.read(
      context.world.loop,
      [at = *sequence, bounds = bounds_of(call),
       rules = rules_of(context)](Reader& reader) -> Result<std::string> {
        const auto events = TRY(reader.events_after(at - 1, 1));
        if (events.empty() || events[0].sequence != at)
          return fail(ErrorKind::not_found, "there is no such event, or not any more");
        MessagesOfEvents messages(reader);
        if (!may_see(bounds, events[0], messages))
          return fail(ErrorKind::not_found, "there is no such event");
        EventPage page;
        add_view(page, events[0], messages, *rules);
        return std::move(page.events[0]);
      });
  if (!found) co_return error_reply(found.error());
  co_return ApiReply{200, "application/json", *found + "\n"};
}

}  // namespace goniec
