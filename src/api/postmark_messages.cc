// See postmark_messages.h.
#include "api/postmark_messages.h"

#include <algorithm>

#include "api/ask_search.h"
#include "api/email_story.h"
#include "api/search.h"
#include "api/search_query.h"
#include "base/id.h"
#include "base/text.h"
#include "mail/bounce.h"

namespace goniec {
namespace {

constexpr std::size_t bounce_events_most = 10'000;
constexpr Duration page_effort = std::chrono::milliseconds(100);  // of a page's question
constexpr Duration list_patience = std::chrono::seconds(10);      // of all pages of a list

ApiReply no_message() {
  return postmark_error(422, 701, "This message was not found.");
}

PostmarkError other_stream() {
  return {422, 1226, "This token is bound to another message stream."};
}

ApiReply later(const Error& error) {
  return postmark_error(503, 100, error.message);
}

// "mx.wp.pl[212.77.101.4]:25" in its parts.
struct Site {
  std::string_view host, ip;
};
Site site_of(std::string_view site) {
  const auto open = site.find('['), close = site.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return {site, {}};
  return {site.substr(0, open), site.substr(open + 1, close - open - 1)};
}

BounceVerdict verdict_of(const ApiContext& context, const Event& event, const JsonValue& data) {
  const auto rules = context.bounces ? context.bounces() : nullptr;
  const auto site = data.text_at("site"), phase = data.text_at("phase");
  const auto at = event.recipient.rfind('@');
  BounceFacts facts;
  facts.site = site;
  facts.phase = phase;
  if (at != std::string::npos) facts.domain = std::string_view(event.recipient).substr(at + 1);
  const auto reply = read_reply(data.text_at("reply"));
  return rules ? rules->classify(reply, facts) : BounceRules().classify(reply, facts);
}

// ---------------------------------------------------------------- one message
struct Story {
  JsonValue received;
  MessageId id;
  Instant at{};
  std::vector<Event> events;
};

// nullopt also for who may not see it.
std::optional<Story> story_from(MessageId id, std::vector<Event> events, const Principal& who) {
  for (const auto& event : events) {
    if (event.kind != EventKind::received) continue;
    auto received = JsonValue::parse(event.data);
    if (!received || !may_see(who, *received)) return std::nullopt;
    return Story{std::move(*received), id, event.at, std::move(events)};
  }
  return std::nullopt;
}

Task<Result<std::vector<Event>>> events_of(ApiContext& context, MessageId id) {
  co_return co_await context.readers.read(context.world.loop,
                                          [id](Reader& reader) { return reader.events_of(id); });
}

std::string tag_in(const JsonValue& received) {
  const auto tags = received.at("tags");
  if (!tags) return {};
  const auto keys = tags->keys();
  if (const auto tag = tags->at("tag")) return tag->text().value_or("");
  return keys.empty() ? "" : keys.front();
}

void write_people(JsonWriter& w, std::string_view name, const std::vector<std::string>& people) {
  w.key(name).array();
  for (const auto& each : people) w.object().key("Email").text(each).key("Name").null().end();
  w.end();
}

struct Summary {
  MessageId id;
  Instant at{};
  std::string from, subject, stream, tag, status;
  std::vector<std::string> recipients;
  std::vector<std::pair<std::string, std::string>> metadata;
  bool sandbox = false;
};

void write_summary(JsonWriter& w, const Summary& summary) {
  w.key("MessageID").text(uuid_of(summary.id));
  write_people(w, "To", summary.recipients);
  write_people(w, "Cc", {});
  write_people(w, "Bcc", {});
  w.key("Recipients").array();
  for (const auto& each : summary.recipients) w.text(each);
  w.end().key("ReceivedAt").text(to_rfc3339(summary.at)).key("From").text(summary.from);
  w.key("Subject").text(summary.subject).key("Attachments").array().end();
  w.key("Status").text(summary.status).key("TrackOpens").boolean(false);
  w.key("TrackLinks").text("None").key("Tag").text(summary.tag).key("Metadata").object();
  for (const auto& [name, value] : summary.metadata) w.key(name).text(value);
  w.end().key("MessageStream").text(stream_to_postmark(summary.stream));
  w.key("Sandboxed").boolean(summary.sandbox);
}

Summary summary_of(const Story& story) {
  Summary summary;
  summary.id = story.id;
  summary.at = story.at;
  summary.from = story.received.text_at("from");
  summary.subject = story.received.text_at("subject");
  summary.stream = story.received.text_at("stream");
  summary.tag = tag_in(story.received);
  summary.sandbox = story.received.boolean_at("sandbox");
  const auto recipients = story.received.at("recipients");
  for (const auto& each : recipients ? recipients->items() : std::vector<JsonValue>())
    summary.recipients.push_back(each.text().value_or(""));
  const auto metadata = story.received.at("metadata");
  for (const auto& name : metadata ? metadata->keys() : std::vector<std::string>())
    summary.metadata.emplace_back(name, metadata->text_at(name));
  const bool done = std::ranges::any_of(story.events, [](const Event& event) {
    return event.kind == EventKind::delivered || event.kind == EventKind::relayed ||
           event.kind == EventKind::failed;
  });
  summary.status = done ? "Sent" : "Queued";
  return summary;
}

void write_event(JsonWriter& w, const Event& event) {
  const auto parsed = JsonValue::parse(event.data);
  const auto data = parsed ? *parsed : JsonValue();
  const auto begin = [&](std::string_view type) -> JsonWriter& {
    w.object().key("Recipient").text(event.recipient).key("Type").text(type);
    return w.key("ReceivedAt").text(to_rfc3339(event.at)).key("Details").object();
  };
  const auto summary = [&](std::string_view type) -> JsonWriter& {
    return begin(type).key("Summary").text(data.text_at("reply", data.text_at("reason")));
  };
  const auto delivery = [&](std::string_view type) {
    const auto text = data.text_at("site");
    const auto site = site_of(text);
    begin(type).key("DeliveryMessage").text(data.text_at("reply"));
    w.key("DestinationServer").text(site.host).key("DestinationIP").text(site.ip).end().end();
  };
  switch (event.kind) {
    case EventKind::delivered:
    case EventKind::relayed:
      return delivery("Delivered");
    case EventKind::deferred:
      return delivery("Transient");
    case EventKind::failed:
    case EventKind::expired:
      summary("Bounced").key("BounceID").number(event.sequence).end().end();
      return;
    case EventKind::opened:
      summary("Opened").end().end();
      return;
    case EventKind::clicked:
      summary("LinkClicked").key("Link").text(data.text_at("link")).key("ClickLocation");
      w.text("HTML").end().end();
      return;
    case EventKind::unsubscribed:
    case EventKind::complained:
    case EventKind::suppressed:
      begin("SubscriptionChanged").key("Origin").text("Recipient").key("SuppressSending");
      w.text("True").end().end();
      return;
    default:
      return;
  }
}

}  // namespace

Task<ApiReply> postmark_show_message(ApiContext& context, PostmarkCall call) {
  const auto id = parse_email_id(call.arguments.at(0));
  if (!id) co_return no_message();
  auto events = co_await events_of(context, *id);
  if (!events) co_return later(events.error());
  const auto story = story_from(*id, std::move(*events), call.call.principal);
  if (!story) co_return no_message();
  const auto raw = co_await context.readers.read(
      context.world.loop, [id = *id](Reader& reader) { return read_message(reader, id); });
  const auto parts = raw ? text_parts_of(*raw) : TextParts{};
  JsonWriter w;
  w.object();
  write_summary(w, summary_of(*story));
  const auto text_or_null = [&w](std::string_view name, const std::optional<std::string>& text) {
    w.key(name);
    if (text) {
      w.text(*text);
    } else {
      w.null();
    }
  };
  text_or_null("TextBody", parts.text);
  text_or_null("HtmlBody", parts.html);
  w.key("Body").text(raw ? *raw : "").key("MessageEvents").array();
  for (const auto& event : story->events) write_event(w, event);
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_dump_message(ApiContext& context, PostmarkCall call) {
  const auto id = parse_email_id(call.arguments.at(0));
  if (!id) co_return no_message();
  auto events = co_await events_of(context, *id);
  if (!events) co_return later(events.error());
  if (!story_from(*id, std::move(*events), call.call.principal)) co_return no_message();
  const auto raw = co_await context.readers.read(
      context.world.loop, [id = *id](Reader& reader) { return read_message(reader, id); });
  if (!raw && raw.error().kind != ErrorKind::not_found) co_return later(raw.error());
  JsonWriter w;
  w.object().key("Body").text(raw ? *raw : "").end();
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- lists
namespace {

// Postmark's dates: "2026-11-26", or with a time.
std::optional<Instant> date_of(std::string_view text) {
  if (const auto at = parse_rfc3339(text)) return *at;
  if (const auto at = parse_rfc3339(fmt::format("{}T00:00:00Z", text))) return *at;
  if (const auto at = parse_rfc3339(fmt::format("{}Z", text))) return *at;
  return std::nullopt;
}

PostmarkResult<SearchFilter> filter_of(const ApiCall& call) {
  SearchFilter filter;
  filter.to = call.parameter("recipient");
  if (filter.to.empty()) filter.to = call.parameter("emailFilter");
  filter.from = call.parameter("fromemail");
  filter.subject = call.parameter("subject");
  filter.tag = call.parameter("tag");
  filter.stream = stream_from_postmark(call.parameter("messagestream"));
  const std::pair<std::string_view, std::optional<Instant>&> dates[] = {{"fromdate", filter.since},
                                                                        {"todate", filter.until}};
  for (const auto& [name, target] : dates) {
    const auto text = call.parameter(name);
    if (text.empty()) continue;
    target = date_of(text);
    if (!target) {
      return std::unexpected(
          PostmarkError{422, 600, fmt::format("The '{}' parameter is no date.", name)});
    }
  }
  if (const auto status = to_lower(call.parameter("status")); status == "queued")
    filter.status = MailStatus::queued;
  const auto bounds = bounds_of(call);
  filter.domain = bounds.domain;
  if (!bounds.stream.empty() && !filter.stream.empty() && bounds.stream != filter.stream)
    return std::unexpected(other_stream());
  if (!bounds.stream.empty()) filter.stream = bounds.stream;
  return filter;
}

using WantedRow = bool (*)(const SearchRow& row);
bool any_row(const SearchRow&) {
  return true;
}

// Wanted rows up to `most`, page after page, each a small piece of work. What was found when the
// patience ends is told, with more behind it.
Task<Result<SearchPage>> found_up_to(ApiContext& context, SearchFilter filter, std::size_t most,
                                     WantedRow wanted = any_row) {
  SearchPage all;
  filter.limit = SearchLimits().page;
  if (wanted == any_row) filter.limit = std::min<std::size_t>(most, filter.limit);
  filter.effort = page_effort;
  const auto& clock = context.world.loop.clock();
  const Moment end = clock.moment() + list_patience;
  do {
    if (clock.moment() >= end && !all.rows.empty()) break;
    if (clock.moment() >= end)
      co_return fail(ErrorKind::try_later,
                     fmt::format("nothing was found in {} s; ask for a shorter time",
                                 list_patience / std::chrono::seconds(1)));
    auto page = CO_TRY(co_await ask_search(
        context, [filter](const Search& search) { return search.list(filter); }));
    all.has_more = page.has_more;
    for (auto& row : page.rows)
      if (wanted(row)) all.rows.push_back(std::move(row));
    filter.after = page.next;
  } while (all.has_more && all.rows.size() < most);
  co_return all;
}

Summary summary_of(const SearchRow& row) {
  Summary summary{row.id, row.at, row.from, row.subject,  row.stream,
                  "",     "Sent", row.to,   row.metadata, row.sandbox};
  for (const auto& [name, value] : row.tags)
    if (summary.tag.empty() || name == "tag") summary.tag = value.empty() ? name : value;
  const bool waits = row.status == MailStatus::queued || row.status == MailStatus::scheduled;
  if (waits) summary.status = "Queued";
  return summary;
}

template <class Item>
void write_page(JsonWriter& w, std::string_view name, const std::vector<Item>& items, bool more,
                const PostmarkPage& page, void (*write)(JsonWriter&, const Item&)) {
  w.object().key("TotalCount").number(items.size() + (more ? 1 : 0)).key(name).array();
  for (auto i = page.offset; i < std::min(items.size(), page.offset + page.count); ++i)
    write(w, items[i]);
  w.end().end();
}

}  // namespace

Task<ApiReply> postmark_list_messages(ApiContext& context, PostmarkCall call) {
  const auto page = postmark_page(call.call);
  if (!page) co_return postmark_error(page.error());
  auto filter = filter_of(call.call);
  if (!filter) co_return postmark_error(filter.error());
  const auto rows = co_await found_up_to(context, std::move(*filter), page->offset + page->count);
  if (!rows) co_return later(rows.error());
  JsonWriter w;
  write_page<SearchRow>(w, "Messages", rows->rows, rows->has_more, *page,
                        [](JsonWriter& to, const SearchRow& row) {
                          to.object();
                          write_summary(to, summary_of(row));
                          to.end();
                        });
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- bounces
namespace {

struct Bounce {
  Event event;
  Summary message;
  PostmarkBounceType type;
  std::string details;
  bool inactive = false, can_activate = true;
};

bool is_bounce(const Event& event) {
  return event.kind == EventKind::failed || event.kind == EventKind::expired ||
         event.kind == EventKind::complained;
}

void write_bounce(JsonWriter& w, const Bounce& bounce) {
  w.object().key("RecordType").text("Bounce").key("ID").number(bounce.event.sequence);
  w.key("Type").text(bounce.type.type).key("TypeCode").number(bounce.type.code);
  w.key("Name").text(bounce.type.name).key("Tag").text(bounce.message.tag);
  w.key("MessageID").text(uuid_of(bounce.message.id)).key("ServerID").number(1);
  w.key("MessageStream").text(stream_to_postmark(bounce.message.stream));
  w.key("Description").text(bounce.type.description).key("Details").text(bounce.details);
  w.key("Email").text(bounce.event.recipient).key("From").text(bounce.message.from);
  w.key("BouncedAt").text(to_rfc3339(bounce.event.at)).key("DumpAvailable").boolean(true);
  w.key("Inactive").boolean(bounce.inactive).key("CanActivate").boolean(bounce.can_activate);
  w.key("Subject").text(bounce.message.subject).key("Content").text(bounce.details).end();
}

Task<Result<std::optional<Suppression>>> suppression_of(ApiContext& context, const Bounce& bounce) {
  const auto address = Address::parse(bounce.event.recipient);
  if (!address || !context.suppressions.may_hold(bounce.message.stream, *address))
    co_return std::optional<Suppression>();
  co_return co_await context.suppressions.find(context.world.loop, bounce.message.stream, *address);
}

Task<Bounce> bounce_of(ApiContext& context, const Story& story, const Event& event) {
  const auto parsed = JsonValue::parse(event.data);
  const auto data = parsed ? *parsed : JsonValue();
  Bounce bounce{event, summary_of(story), {}, data.text_at("reply"), false, true};
  if (event.kind == EventKind::complained) {
    bounce.type = postmark_bounce_type("complained");
  } else if (event.kind == EventKind::expired) {
    bounce.type = postmark_bounce_type("expired");
  } else {
    bounce.type = postmark_bounce_type(name_of(verdict_of(context, event, data).klass));
  }
  const auto held = co_await suppression_of(context, bounce);
  if (held && *held) {
    bounce.inactive = true;
    bounce.can_activate = (*held)->reason != SuppressionReason::complained;
  }
  co_return bounce;
}

// The bounce of that ID, or why not.
Task<Result<Bounce>> find_bounce(ApiContext& context, const PostmarkCall& call) {
  const std::string_view text = call.arguments.at(0);
  const auto sequence = parse_unsigned(text);
  if (!sequence || *sequence == 0)
    co_return fail(ErrorKind::not_found, "This bounce was not found.");
  const auto after = CO_TRY(co_await context.readers.read(
      context.world.loop,
      [at = *sequence - 1](Reader& reader) { return reader.events_after(at, 1); }));
  if (after.empty() || after.front().sequence != *sequence || !is_bounce(after.front()))
    co_return fail(ErrorKind::not_found, "This bounce was not found.");
  auto events = CO_TRY(co_await events_of(context, after.front().message));
  const auto story = story_from(after.front().message, std::move(events), call.call.principal);
  if (!story) co_return fail(ErrorKind::not_found, "This bounce was not found.");
  co_return co_await bounce_of(context, *story, after.front());
}

ApiReply bounce_refused(const Error& error) {
  if (error.kind == ErrorKind::not_found) return postmark_error(422, 407, error.message);
  return later(error);
}

struct BounceWanted {
  std::string type;
  std::string_view address;
  std::optional<bool> inactive;
};

bool fits(const Bounce& bounce, const BounceWanted& wanted) {
  if (!wanted.type.empty() && to_lower(bounce.type.type) != wanted.type) return false;
  if (!wanted.address.empty() && bounce.event.recipient.find(wanted.address) == std::string::npos)
    return false;
  return !wanted.inactive || *wanted.inactive == bounce.inactive;
}

// All bounces of the messages, newest first.
Task<Result<std::vector<Bounce>>> bounces_of(ApiContext& context, const Principal& who,
                                             std::vector<MessageId> messages, BounceWanted wanted) {
  std::vector<Bounce> bounces;
  for (const auto id : messages) {
    auto events = CO_TRY(co_await events_of(context, id));
    const auto story = story_from(id, std::move(events), who);
    if (!story) continue;
    for (const auto& event : story->events) {
      if (!is_bounce(event) || bounces.size() >= bounce_events_most) continue;
      auto bounce = co_await bounce_of(context, *story, event);
      if (fits(bounce, wanted)) bounces.push_back(std::move(bounce));
    }
  }
  std::ranges::sort(bounces, std::ranges::greater{},
                    [](const Bounce& bounce) { return bounce.event.sequence; });
  co_return bounces;
}

}  // namespace

Task<ApiReply> postmark_list_bounces(ApiContext& context, PostmarkCall call) {
  const auto page = postmark_page(call.call);
  if (!page) co_return postmark_error(page.error());
  const auto filter = filter_of(call.call);
  if (!filter) co_return postmark_error(filter.error());
  BounceWanted wanted{
      to_lower(call.call.parameter("type")), call.call.parameter("emailFilter"), {}};
  if (const auto text = to_lower(call.call.parameter("inactive")); !text.empty())
    wanted.inactive = text == "true";
  std::vector<MessageId> messages;
  bool more = false;
  if (const auto given = call.call.parameter("messageID"); !given.empty()) {
    if (const auto id = parse_email_id(given)) messages.push_back(*id);
  } else {
    for (const auto status : {MailStatus::bounced, MailStatus::expired, MailStatus::complained}) {
      SearchFilter one = *filter;
      one.status = status;
      const auto rows = co_await found_up_to(context, std::move(one), page->offset + page->count);
      if (!rows) co_return later(rows.error());
      more |= rows->has_more;
      for (const auto& row : rows->rows) messages.push_back(row.id);
    }
  }
  const auto bounces =
      co_await bounces_of(context, call.call.principal, std::move(messages), std::move(wanted));
  if (!bounces) co_return later(bounces.error());
  JsonWriter w;
  write_page<Bounce>(w, "Bounces", *bounces, more, *page, write_bounce);
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_show_bounce(ApiContext& context, PostmarkCall call) {
  const auto bounce = co_await find_bounce(context, call);
  if (!bounce) co_return bounce_refused(bounce.error());
  JsonWriter w;
  write_bounce(w, *bounce);
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_dump_bounce(ApiContext& context, PostmarkCall call) {
  const auto bounce = co_await find_bounce(context, call);
  if (!bounce) co_return bounce_refused(bounce.error());
  JsonWriter w;
  w.object().key("Body").text(bounce->details).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_activate_bounce(ApiContext& context, PostmarkCall call) {
  auto bounce = co_await find_bounce(context, call);
  if (!bounce) co_return bounce_refused(bounce.error());
  const auto address = Address::parse(bounce->event.recipient);
  if (!bounce->can_activate || !address) {
    co_return postmark_error(422, 406,
                             "This bounce cannot be activated: the recipient complained.");
  }
  if (bounce->inactive) {
    std::vector<Suppressions::Removal> batch{{bounce->message.stream, *address}};
    const auto removed =
        co_await context.suppressions.remove(context.world.loop, std::move(batch), "api");
    if (!removed) co_return later(removed.error());
    bounce->inactive = false;
  }
  JsonWriter w;
  w.object().key("Message").text("OK").key("Bounce");
  write_bounce(w, *bounce);
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_delivery_stats(ApiContext& context, PostmarkCall call) {
  const auto rows =
      co_await ask_search(context, [bounds = bounds_of(call.call)](const Search& search) {
        StatsQuery query;
        query.group_by = StatsGroup::klass;
        query.domain = bounds.domain;
        query.stream = bounds.stream;
        return search.statistics(query);
      });
  if (!rows) co_return later(rows.error());
  struct Count {
    PostmarkBounceType type;
    std::uint64_t count = 0;
  };
  std::vector<Count> counts;
  std::uint64_t all = 0;
  for (const auto& row : *rows) {
    const auto count = row.count(StatsCount::bounced) + row.count(StatsCount::expired);
    if (count == 0) continue;
    const auto type = postmark_bounce_type(row.group);
    auto found_count = std::ranges::find_if(
        counts, [&type](const Count& each) { return each.type.code == type.code; });
    if (found_count == counts.end()) found_count = counts.insert(counts.end(), {type});
    found_count->count += count;
    all += count;
  }
  JsonWriter w;
  w.object().key("InactiveMails").number(context.suppressions.size()).key("Bounces").array();
  w.object().key("Name").text("All").key("Count").number(all).end();
  for (const auto& each : counts) {
    w.object().key("Name").text(each.type.name).key("Count").number(each.count);
    w.key("Type").text(each.type.type).end();
  }
  w.end().end();
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- opens and clicks
namespace {

void write_open(JsonWriter& w, const Event& event, const Summary& message, EventKind kind) {
  const auto parsed = JsonValue::parse(event.data);
  const auto data = parsed ? *parsed : JsonValue();
  w.object().key("RecordType").text(kind == EventKind::opened ? "Open" : "Click");
  w.key("MessageID").text(uuid_of(message.id)).key("Recipient").text(event.recipient);
  w.key("ReceivedAt").text(to_rfc3339(event.at)).key("Tag").text(message.tag);
  w.key("MessageStream").text(stream_to_postmark(message.stream));
  w.key("UserAgent").text(data.text_at("user_agent")).key("Platform").text("Unknown");
  w.key("Client").object().end().key("OS").object().end().key("Geo").object().end();
  if (kind == EventKind::clicked) {
    w.key("OriginalLink").text(data.text_at("link")).key("ClickLocation").text("HTML");
  } else {
    w.key("ReadSeconds").number(0);
  }
  w.end();
}

Task<ApiReply> list_of_kind(ApiContext& context, PostmarkCall call, EventKind kind,
                            std::string_view name) {
  const auto page = postmark_page(call.call);
  if (!page) co_return postmark_error(page.error());
  std::vector<MessageId> messages;
  if (!call.arguments.empty()) {
    const auto id = parse_email_id(call.arguments.at(0));
    if (!id) co_return no_message();
    messages.push_back(*id);
  } else {
    auto filter = filter_of(call.call);
    if (!filter) co_return postmark_error(filter.error());
    const WantedRow wanted = kind == EventKind::opened
                                 ? +[](const SearchRow& row) { return row.opens > 0; }
                                 : +[](const SearchRow& row) { return row.clicks > 0; };
    const auto rows =
        co_await found_up_to(context, std::move(*filter), page->offset + page->count, wanted);
    if (!rows) co_return later(rows.error());
    for (const auto& row : rows->rows) messages.push_back(row.id);
  }
  JsonWriter list;
  list.array();
  std::size_t count = 0;
  for (const auto id : messages) {
    auto events = co_await events_of(context, id);
    if (!events) co_return later(events.error());
    const auto story = story_from(id, std::move(*events), call.call.principal);
    if (!story) continue;
    const auto summary = summary_of(*story);
    for (const auto& event : story->events) {
      if (event.kind != kind) continue;
      if (count >= page->offset && count < page->offset + page->count)
        write_open(list, event, summary, kind);
      ++count;
    }
  }
  list.end();
  JsonWriter w;
  w.object().key("TotalCount").number(count).key(name).raw(std::move(list).take()).end();
  co_return json_reply(std::move(w));
}

}  // namespace

Task<ApiReply> postmark_list_opens(ApiContext& context, PostmarkCall call) {
  return list_of_kind(context, std::move(call), EventKind::opened, "Opens");
}

Task<ApiReply> postmark_list_clicks(ApiContext& context, PostmarkCall call) {
  return list_of_kind(context, std::move(call), EventKind::clicked, "Clicks");
}

// ---------------------------------------------------------------- inbound
namespace {

ApiReply empty_list(std::string_view name) {
  JsonWriter w;
  w.object().key("TotalCount").number(0).key(name).array().end().end();
  return json_reply(std::move(w));
}

}  // namespace

Task<ApiReply> postmark_list_inbound(ApiContext&, PostmarkCall) {
  co_return empty_list("InboundMessages");
}

Task<ApiReply> postmark_no_inbound(ApiContext&, PostmarkCall) {
  co_return no_message();
}

Task<ApiReply> postmark_list_inbound_rules(ApiContext&, PostmarkCall) {
  co_return empty_list("InboundRules");
}

Task<ApiReply> postmark_no_inbound_rule(ApiContext&, PostmarkCall call) {
  if (call.call.method == "DELETE")
    co_return postmark_error(422, 809, "This inbound rule was not found.");
  co_return postmark_error(
      422, 1228, "This server has no inbound streams: mail that comes in goes to its mailboxes.");
}

}  // namespace goniec
