// See suppressions.h.
#include "api/suppressions.h"

#include <algorithm>

#include "api/recipient.h"
#include "base/text.h"
#include "mail/csv.h"

namespace goniec {
namespace {

// The body as an object with no member but the known ones.
Result<JsonValue> checked(const JsonValue& json, const std::vector<std::string>& known) {
  if (!json.is_object()) return fail(ErrorKind::bad_data, "the body must be a JSON object");
  for (const auto& key : json.keys()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const auto near = nearest(key, known);
    return fail(ErrorKind::bad_data,
                fmt::format("unknown member \"{}\"{}", printable(key, 60),
                            near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  }
  return json;
}

// Zero where it is not given.
Result<Instant> time_at(const JsonValue& json, std::string_view key) {
  const std::string text = json.text_at(key);
  if (text.empty()) return Instant{};
  const auto time = parse_rfc3339(text);
  if (time) return *time;
  return fail(ErrorKind::bad_data, fmt::format("{} \"{}\" is no time like 2026-01-31T12:00:00Z",
                                               key, printable(text, 60)));
}

bool is_our_origin(std::string_view origin) {
  return origin == "api" || origin == "cli" || origin == "dashboard" || origin == "import";
}

Result<Suppression> entry_of(const JsonValue& body) {
  const auto json = TRY(
      checked(body, {"email", "stream", "reason", "note", "origin", "created_at", "expires_at"}));
  Suppression entry;
  const std::string email = json.text_at("email");
  auto address = Address::parse(email);
  if (!address)
    return fail(ErrorKind::bad_data,
                fmt::format("email \"{}\": {}", printable(email, 100), address.error().message));
  entry.address = std::move(*address);
  entry.stream = json.text_at("stream", all_streams);
  const std::string reason = json.text_at("reason", "manual");
  const auto known = suppression_reason_of(reason);
  if (!known)
    return fail(ErrorKind::bad_data,
                fmt::format("reason \"{}\" is not bad_mailbox, complained, unsubscribed or manual",
                            printable(reason, 60)));
  entry.reason = *known;
  entry.note = json.text_at("note");
  entry.origin = json.text_at("origin", "api");
  if (!is_our_origin(entry.origin))
    return fail(ErrorKind::bad_data, "origin is not api, cli, dashboard or import");
  entry.created = TRY(time_at(json, "created_at"));
  entry.expires = TRY(time_at(json, "expires_at"));
  return entry;
}

// Of a stream that is there, or "*".
Result<void> check_stream(const ApiContext& context, std::string_view stream) {
  if (stream == all_streams || (!stream.empty() && context.streams.find(stream))) return {};
  return fail(ErrorKind::bad_data, fmt::format("there is no stream \"{}\"", printable(stream, 80)));
}

std::vector<std::string> stream_ids(const ApiContext& context) {
  std::vector<std::string> ids;
  for (const MailStream& each : context.streams.all()) ids.push_back(each.id);
  return ids;
}

void write(JsonWriter& w, const Suppression& entry) {
  w.object().key("object").text("suppression").key("id").text(entry.key());
  w.key("email").text(entry.address.text()).key("stream").text(entry.stream);
  w.key("reason").text(name_of(entry.reason)).key("origin").text(entry.origin);
  w.key("created_at").text(to_rfc3339(entry.created)).key("expires_at");
  entry.expires == Instant{} ? w.null() : w.text(to_rfc3339(entry.expires));
  w.key("event_id");
  entry.evidence.empty() ? w.null() : w.text(entry.evidence);
  w.key("email_id");
  entry.message ? w.text(uuid_of(entry.message)) : w.null();
  if (!entry.note.empty()) w.key("note").text(entry.note);
  w.end();
}

// An entry that was made together with its event knows the message alone: the event is looked for.
std::optional<EventKind> evidence_kind(SuppressionReason reason) {
  if (reason == SuppressionReason::unsubscribed) return EventKind::unsubscribed;
  if (reason == SuppressionReason::complained) return EventKind::complained;
  return std::nullopt;
}

Task<Suppression> with_evidence(ApiContext& context, Suppression entry) {
  const auto kind = evidence_kind(entry.reason);
  if (!entry.evidence.empty() || !entry.message || !kind) co_return entry;
  const MessageId message = entry.message;
  const auto events = co_await context.readers.read(
      context.world.loop, [message](Reader& reader) { return reader.events_of(message); });
  for (const Event& event : events ? *events : std::vector<Event>())
    if (event.kind == *kind) entry.evidence = event_id_of(event.sequence);
  co_return entry;
}

// "stream/address", or an address: then of all streams, or of the one that is asked for.
Task<Result<std::vector<Suppression>>> entries_of(ApiContext& context, const ApiCall& call) {
  std::string id = call.argument, stream(call.parameter("stream"));
  const std::size_t slash = id.find('/');
  const std::string_view before = std::string_view(id).substr(0, slash);
  if (slash != std::string::npos && (before == all_streams || is_stream_id(before))) {
    stream = before;
    id.erase(0, slash + 1);
  }
  auto address = Address::parse(id);
  if (!address)
    co_return fail(ErrorKind::bad_data, fmt::format("\"{}\": {}", printable(call.argument, 100),
                                                    address.error().message));
  auto found = CO_TRY(co_await context.suppressions.of_address(
      context.world.loop, std::move(*address), stream_ids(context)));
  if (!stream.empty())
    std::erase_if(found, [&](const Suppression& entry) { return entry.stream != stream; });
  if (found.empty())
    co_return fail(ErrorKind::not_found,
                   fmt::format("nothing is suppressed as \"{}\"", printable(call.argument, 100)));
  co_return found;
}

ApiReply page_reply(const std::vector<Suppression>& entries, std::string_view next,
                    std::size_t total) {
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const Suppression& entry : entries) write(w, entry);
  w.end().key("has_more").boolean(!next.empty()).key("next");
  next.empty() ? w.null() : w.text(next);
  w.key("total").number(total).end();
  return json_reply(std::move(w));
}

Result<SuppressionFilter> filter_of(const ApiCall& call) {
  SuppressionFilter filter;
  filter.stream = call.parameter("stream");
  filter.address = call.parameter("email");
  filter.after = call.parameter("after");
  if (const auto reason = call.parameter("reason"); !reason.empty()) {
    filter.reason = suppression_reason_of(reason);
    if (!filter.reason)
      return fail(ErrorKind::bad_data, fmt::format("unknown reason \"{}\"", printable(reason, 60)));
  }
  if (const auto limit = call.parameter("limit"); !limit.empty()) {
    const auto number = parse_unsigned(limit);
    if (!number || *number == 0) return fail(ErrorKind::bad_data, "limit is no number above 0");
    filter.limit = static_cast<std::size_t>(*number);
  }
  return filter;
}

}  // namespace

Task<ApiReply> list_suppressions(ApiContext& context, ApiCall call) {
  auto filter = filter_of(call);
  if (!filter) co_return error_reply(filter.error());
  // A whole address is looked up; part of one is searched for.
  if (auto whole = Address::parse(filter->address)) {
    auto found = co_await context.suppressions.of_address(context.world.loop, std::move(*whole),
                                                          stream_ids(context));
    if (!found) co_return error_reply(found.error());
    std::erase_if(*found, [&](const Suppression& entry) {
      return (!filter->stream.empty() && entry.stream != filter->stream) ||
             (filter->reason && entry.reason != *filter->reason);
    });
    co_return page_reply(*found, {}, found->size());
  }
  const auto page = co_await context.suppressions.list(context.world.loop, std::move(*filter));
  if (!page) co_return error_reply(page.error());
  co_return page_reply(page->entries, page->next, context.suppressions.size());
}

Task<ApiReply> add_suppression(ApiContext& context, ApiCall call) {
  const auto json = JsonValue::parse(call.body);
  if (!json) co_return error_reply(json.error());
  auto entry = entry_of(*json);
  if (!entry) co_return error_reply(entry.error());
  if (auto there = check_stream(context, entry->stream); !there)
    co_return error_reply(there.error());
  const std::string stream = entry->stream;
  const Address address = entry->address;
  std::vector<Suppression> one{std::move(*entry)};
  const auto added = co_await context.suppressions.add(context.world.loop, std::move(one));
  if (!added) co_return error_reply(added.error());
  const auto now = co_await context.suppressions.of_address(context.world.loop, address,
                                                            std::vector<std::string>{stream});
  if (!now) co_return error_reply(now.error());
  for (const Suppression& each : *now) {
    if (each.stream != stream) continue;
    JsonWriter w;
    write(w, each);
    co_return json_reply(std::move(w), added->front() ? 201 : 200);
  }
  co_return error_reply(Error{ErrorKind::conflict, "it was removed at the same time"});
}

Task<ApiReply> get_suppression(ApiContext& context, ApiCall call) {
  const auto found = co_await entries_of(context, call);
  if (!found) co_return error_reply(found.error());
  const Suppression entry = co_await with_evidence(context, found->front());
  JsonWriter w;
  write(w, entry);
  co_return json_reply(std::move(w));
}

Task<ApiReply> remove_suppression(ApiContext& context, ApiCall call) {
  const auto found = co_await entries_of(context, call);
  if (!found) co_return error_reply(found.error());
  std::vector<Suppressions::Removal> batch;
  for (const Suppression& each : *found) batch.push_back({each.stream, each.address});
  const auto removed =
      co_await context.suppressions.remove(context.world.loop, std::move(batch), "api");
  if (!removed) co_return error_reply(removed.error());
  JsonWriter w;
  w.object().key("object").text("suppression").key("id").text(call.argument);
  w.key("deleted").boolean(true).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> change_suppressions(ApiContext& context, ApiCall call) {
  const bool adds = call.argument == "add";
  if (!adds && call.argument != "remove")
    co_return error_reply(Error{ErrorKind::not_found, "batch/add and batch/remove are there"});
  const auto body = JsonValue::parse(call.body);
  const auto json = body ? checked(*body, {"data"}) : body;
  if (!json) co_return error_reply(json.error());
  const auto list = json->at("data");
  const auto items = list ? list->items() : std::vector<JsonValue>();
  if (items.size() > SuppressionCallLimits{}.batch)
    co_return error_reply(
        Error{ErrorKind::bad_data, fmt::format("data has {} entries, at most {}", items.size(),
                                               SuppressionCallLimits{}.batch)});
  std::vector<Suppression> entries;
  for (const JsonValue& item : items) {
    auto entry = entry_of(item);
    if (entry)
      if (auto there = check_stream(context, entry->stream); !there)
        entry = std::unexpected(there.error());
    if (!entry) {
      Error error = entry.error();
      error.message = fmt::format("data[{}]: {}", entries.size(), error.message);
      co_return error_reply(error);
    }
    entries.push_back(std::move(*entry));
  }
  std::size_t changed = 0;
  for (std::size_t at = 0; at < entries.size(); at += SuppressionLimits{}.batch) {
    const std::size_t end = std::min(entries.size(), at + SuppressionLimits{}.batch);
    Result<std::vector<bool>> done;
    if (adds) {
      std::vector<Suppression> part(std::make_move_iterator(entries.begin() + long(at)),
                                    std::make_move_iterator(entries.begin() + long(end)));
      done = co_await context.suppressions.add(context.world.loop, std::move(part));
    } else {
      std::vector<Suppressions::Removal> part;
      for (std::size_t i = at; i < end; ++i)
        part.push_back({entries[i].stream, entries[i].address});
      done = co_await context.suppressions.remove(context.world.loop, std::move(part), "api");
    }
    if (!done) co_return error_reply(done.error());
    changed += static_cast<std::size_t>(std::ranges::count(*done, true));
  }
  JsonWriter w;
  w.object().key("changed").number(changed).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> export_suppressions(ApiContext& context, ApiCall call) {
  auto filter = filter_of(call);
  if (!filter) co_return error_reply(filter.error());
  filter->limit = SuppressionLimits{}.page;
  ApiReply reply;
  reply.content_type = "text/csv; charset=utf-8";
  reply.body = csv_row({"email", "stream", "reason", "origin", "created_at", "event_id"});
  std::size_t rows = 0;
  do {
    const auto page = co_await context.suppressions.list(context.world.loop, *filter);
    if (!page) co_return error_reply(page.error());
    for (const Suppression& entry : page->entries)
      reply.body += csv_row({entry.address.text(), entry.stream, std::string(name_of(entry.reason)),
                             entry.origin, to_rfc3339(entry.created), entry.evidence});
    rows += page->entries.size();
    filter->after = page->next;
  } while (!filter->after.empty() && rows < SuppressionCallLimits{}.exported);
  co_return reply;
}

Task<ApiReply> check_recipient(ApiContext& context, ApiCall call) {
  const auto address = Address::parse(call.argument);
  JsonWriter w;
  w.object().key("email").text(call.argument).key("valid").boolean(address.has_value());
  if (address) {
    const auto facts = co_await known_recipient(context, *address, bounds_of(call));
    if (!facts.provider.empty()) w.key("provider").text(facts.provider);
    w.key("last_event");
    facts.last_event.empty() ? w.null() : w.raw(facts.last_event);
  }
  w.key("streams").array();
  for (const MailStream& each : context.streams.all()) {
    if (!address || each.archived) continue;
    const auto stands = co_await context.suppressions.find(context.world.loop, each.id, *address);
    if (!stands) co_return error_reply(stands.error());
    w.object().key("stream").text(each.id).key("allowed").boolean(!*stands).key("suppression");
    if (*stands) {
      write(w, co_await with_evidence(context, **stands));
    } else {
      w.null();
    }
    w.end();
  }
  w.end().end();
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- streams
namespace {

void write(JsonWriter& w, const MailStream& stream) {
  w.object().key("object").text("stream").key("id").text(stream.id);
  w.key("kind").text(name_of(stream.kind)).key("name").text(stream.name);
  w.key("description").text(stream.description).key("archived").boolean(stream.archived);
  w.key("track").object().key("opens").boolean(stream.track_opens);
  w.key("clicks").boolean(stream.track_clicks).end();
  w.key("unsubscribe").text(stream.kind == StreamKind::bulk ? "one-click" : "none");
  w.key("created_at");
  stream.created == Instant{} ? w.null() : w.text(to_rfc3339(stream.created));
  w.end();
}

Result<MailStream> with_members(MailStream stream, std::string_view body,
                                const std::vector<std::string>& known) {
  const auto parsed = TRY(JsonValue::parse(body));
  const auto json = TRY(checked(parsed, known));
  stream.id = json.text_at("id", stream.id);
  if (json.at("kind")) {
    const auto kind = stream_kind_of(json.text_at("kind"));
    if (!kind) return fail(ErrorKind::bad_data, "kind is not transactional or bulk");
    stream.kind = *kind;
  }
  stream.name = json.text_at("name", stream.name);
  stream.description = json.text_at("description", stream.description);
  stream.archived = json.boolean_at("archived", stream.archived);
  if (const auto track = json.at("track")) {
    TRY(checked(*track, {"opens", "clicks"}));
    stream.track_opens = track->boolean_at("opens", stream.track_opens);
    stream.track_clicks = track->boolean_at("clicks", stream.track_clicks);
  }
  return stream;
}

ApiReply stream_reply(const Result<MailStream>& stream, unsigned status) {
  if (!stream) return error_reply(stream.error());
  JsonWriter w;
  write(w, *stream);
  return json_reply(std::move(w), status);
}

Error no_stream(std::string_view id) {
  return {ErrorKind::not_found, fmt::format("there is no stream \"{}\"", printable(id, 80))};
}

}  // namespace

Task<ApiReply> list_streams(ApiContext& context, ApiCall) {
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const MailStream& each : context.streams.all()) write(w, each);
  w.end().key("has_more").boolean(false).key("next").null().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> add_stream(ApiContext& context, ApiCall call) {
  auto stream = with_members({}, call.body, {"id", "kind", "name", "description", "track"});
  if (!stream) co_return error_reply(stream.error());
  co_return stream_reply(co_await context.streams.add(context.world.loop, std::move(*stream)), 201);
}

Task<ApiReply> get_stream(ApiContext& context, ApiCall call) {
  const auto stream = context.streams.find(call.argument);
  if (!stream) co_return error_reply(no_stream(call.argument));
  co_return stream_reply(*stream, 200);
}

Task<ApiReply> change_stream(ApiContext& context, ApiCall call) {
  const auto known = context.streams.find(call.argument);
  if (!known) co_return error_reply(no_stream(call.argument));
  auto stream = with_members(*known, call.body, {"name", "description", "archived", "track"});
  if (!stream) co_return error_reply(stream.error());
  co_return stream_reply(co_await context.streams.replace(context.world.loop, std::move(*stream)),
                         200);
}

Task<ApiReply> rotate_link_secret(ApiContext& context, ApiCall) {
  const auto rotated = co_await context.links.rotate(context.world.loop);
  if (!rotated) co_return error_reply(rotated.error());
  JsonWriter w;
  w.object().key("done").boolean(true).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
