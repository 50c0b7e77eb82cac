// See postmark_streams.h.
#include "api/postmark_streams.h"

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t batch_most = 50;  // as Postmark has it

std::string_view type_of(const MailStream& stream) {
  return stream.kind == StreamKind::bulk ? "Broadcasts" : "Transactional";
}

void write_stream(JsonWriter& w, const MailStream& stream) {
  w.object().key("ID").text(stream_to_postmark(stream.id)).key("ServerID").number(1);
  w.key("Name").text(stream.name.empty() ? stream.id : stream.name);
  w.key("Description").text(stream.description);
  w.key("MessageStreamType").text(type_of(stream));
  w.key("CreatedAt").text(to_rfc3339(stream.created));
  const auto time_or_null = [&w](std::string_view name, Instant at) {
    w.key(name);
    if (at == Instant{}) {
      w.null();
    } else {
      w.text(to_rfc3339(at));
    }
  };
  time_or_null("UpdatedAt", stream.changed);
  time_or_null("ArchivedAt", stream.archived ? stream.changed : Instant{});
  w.key("ExpectedPurgeDate").null().key("SubscriptionManagementConfiguration").object();
  w.key("UnsubscribeHandlingType");
  w.text(stream.kind == StreamKind::bulk ? "Postmark" : "None").end().end();
}

ApiReply stream_reply(const MailStream& stream) {
  JsonWriter w;
  write_stream(w, stream);
  return json_reply(std::move(w));
}

ApiReply no_stream(std::string_view name) {
  return postmark_error(422, 1226,
                        fmt::format("The message stream '{}' was not found.", printable(name, 80)));
}

ApiReply stored_reply(const Result<MailStream>& stored) {
  if (stored) return stream_reply(*stored);
  const auto& error = stored.error();
  if (error.kind == ErrorKind::try_later) return postmark_error(503, 100, error.message);
  return postmark_error(422, error.kind == ErrorKind::conflict ? 1222 : 1221, error.message);
}

std::optional<MailStream> stream_of(const ApiContext& context, const PostmarkCall& call) {
  return context.streams.find(stream_from_postmark(call.arguments.at(0)));
}

Task<ApiReply> set_archived(ApiContext& context, const PostmarkCall& call, bool archived) {
  auto stream = stream_of(context, call);
  if (!stream) co_return no_stream(call.arguments.at(0));
  stream->archived = archived;
  const auto stored = co_await context.streams.replace(context.world.loop, *stream);
  if (!stored || !archived) co_return stored_reply(stored);
  JsonWriter w;
  w.object().key("ID").text(stream_to_postmark(stored->id)).key("ServerID").number(1);
  w.key("ExpectedPurgeDate").null().end();
  co_return json_reply(std::move(w));
}

std::string_view reason_of(const Suppression& entry) {
  return postmark_reason(name_of(entry.reason));
}

std::string_view origin_of(const Suppression& entry) {
  return postmark_origin(entry.origin);
}

void write_status(JsonWriter& w, std::string_view address, std::string_view failure,
                  std::string_view done) {
  w.object().key("EmailAddress").text(address);
  w.key("Status").text(failure.empty() ? done : "Failed").key("Message");
  if (failure.empty()) {
    w.null();
  } else {
    w.text(failure);
  }
  w.end();
}

struct Wanted {
  std::string given;
  Result<Address> address;
};

PostmarkResult<std::vector<Wanted>> addresses_of(const ApiCall& call) {
  const auto body = TRY(postmark_body(call));
  const auto list = body.at("Suppressions");
  if (!list || !list->is_array()) {
    return std::unexpected(
        PostmarkError{422, 402, "Received invalid JSON input: 'Suppressions' must be an array."});
  }
  std::vector<Wanted> wanted;
  for (const auto& each : list->items()) {
    const auto text = each.text_at("EmailAddress");
    wanted.push_back({text, Address::parse(text)});
  }
  if (wanted.size() > batch_most) {
    return std::unexpected(PostmarkError{
        422, 410, fmt::format("At most {} suppressions may be given at once.", batch_most)});
  }
  return wanted;
}

constexpr std::string_view not_an_address = "An invalid email address was provided.";

}  // namespace

// ---------------------------------------------------------------- streams
Task<ApiReply> postmark_list_streams(ApiContext& context, PostmarkCall call) {
  const auto type = to_lower(call.call.parameter("MessageStreamType"));
  const bool archived = equal_ignoring_case(call.call.parameter("IncludeArchivedStreams"), "true");
  std::vector<MailStream> shown;
  for (auto& stream : context.streams.all()) {
    const bool other = !type.empty() && type != "all" && type != to_lower(type_of(stream));
    if (!other && (archived || !stream.archived)) shown.push_back(std::move(stream));
  }
  JsonWriter w;
  w.object().key("MessageStreams").array();
  for (const auto& stream : shown) write_stream(w, stream);
  w.end().key("TotalCount").number(shown.size()).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_create_stream(ApiContext& context, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  const auto type = to_lower(body->text_at("MessageStreamType"));
  if (type != "transactional" && type != "broadcasts") {
    co_return postmark_error(422, 1228,
                             "The 'MessageStreamType' must be 'Transactional' or 'Broadcasts'.");
  }
  MailStream stream;
  stream.id = body->text_at("ID");
  stream.kind = type == "broadcasts" ? StreamKind::bulk : StreamKind::transactional;
  stream.name = body->text_at("Name");
  stream.description = body->text_at("Description");
  co_return stored_reply(co_await context.streams.add(context.world.loop, std::move(stream)));
}

Task<ApiReply> postmark_show_stream(ApiContext& context, PostmarkCall call) {
  const auto stream = stream_of(context, call);
  co_return stream ? stream_reply(*stream) : no_stream(call.arguments.at(0));
}

Task<ApiReply> postmark_edit_stream(ApiContext& context, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  auto stream = stream_of(context, call);
  if (!stream) co_return no_stream(call.arguments.at(0));
  stream->name = body->text_at("Name", stream->name);
  stream->description = body->text_at("Description", stream->description);
  co_return stored_reply(co_await context.streams.replace(context.world.loop, std::move(*stream)));
}

Task<ApiReply> postmark_archive_stream(ApiContext& context, PostmarkCall call) {
  co_return co_await set_archived(context, call, true);
}

Task<ApiReply> postmark_unarchive_stream(ApiContext& context, PostmarkCall call) {
  co_return co_await set_archived(context, call, false);
}

// ---------------------------------------------------------------- suppressions
Task<ApiReply> postmark_dump_suppressions(ApiContext& context, PostmarkCall call) {
  const auto stream = stream_of(context, call);
  if (!stream) co_return no_stream(call.arguments.at(0));
  const auto reason = to_lower(call.call.parameter("SuppressionReason"));
  const auto origin = to_lower(call.call.parameter("Origin"));
  SuppressionFilter filter;
  filter.stream = stream->id;
  filter.address = call.call.parameter("EmailAddress");
  filter.limit = SuppressionLimits().page;
  const auto now = context.world.loop.clock().now();
  JsonWriter w;
  w.object().key("Suppressions").array();
  do {
    const auto page = co_await context.suppressions.list(context.world.loop, filter);
    if (!page) co_return postmark_error(503, 100, page.error().message);
    for (const auto& entry : page->entries) {
      const bool other = (!reason.empty() && reason != to_lower(reason_of(entry))) ||
                         (!origin.empty() && origin != to_lower(origin_of(entry)));
      if (other || entry.is_over(now)) continue;
      w.object().key("EmailAddress").text(entry.address.text());
      w.key("SuppressionReason").text(reason_of(entry)).key("Origin").text(origin_of(entry));
      w.key("CreatedAt").text(to_rfc3339(entry.created)).end();
    }
    filter.after = page->next;
  } while (!filter.after.empty());
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_create_suppressions(ApiContext& context, PostmarkCall call) {
  const auto stream = stream_of(context, call);
  if (!stream) co_return no_stream(call.arguments.at(0));
  const auto wanted = addresses_of(call.call);
  if (!wanted) co_return postmark_error(wanted.error());
  std::vector<Suppression> batch;
  for (const auto& each : *wanted) {
    if (!each.address) continue;
    Suppression entry;
    entry.stream = stream->id;
    entry.address = *each.address;
    entry.origin = "api";
    batch.push_back(std::move(entry));
  }
  const auto added = co_await context.suppressions.add(context.world.loop, std::move(batch));
  if (!added) co_return postmark_error(503, 100, added.error().message);
  JsonWriter w;
  w.object().key("Suppressions").array();
  for (const auto& each : *wanted)
    write_status(w, each.given, each.address ? "" : not_an_address, "Suppressed");
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_delete_suppressions(ApiContext& context, PostmarkCall call) {
  const auto stream = stream_of(context, call);
  if (!stream) co_return no_stream(call.arguments.at(0));
  const auto wanted = addresses_of(call.call);
  if (!wanted) co_return postmark_error(wanted.error());
  auto& loop = context.world.loop;
  std::vector<Suppressions::Removal> batch;
  std::vector<std::string_view> failures;
  for (const auto& each : *wanted) {
    failures.push_back(each.address ? "" : not_an_address);
    if (!each.address) continue;
    const auto found = co_await context.suppressions.find(loop, stream->id, *each.address);
    if (!found) co_return postmark_error(503, 100, found.error().message);
    if (*found && (*found)->reason == SuppressionReason::complained) {
      failures.back() = "You do not have the required authority to change this suppression.";
    } else {
      batch.push_back({stream->id, *each.address});
    }
  }
  const auto removed = co_await context.suppressions.remove(loop, std::move(batch), "api");
  if (!removed) co_return postmark_error(503, 100, removed.error().message);
  JsonWriter w;
  w.object().key("Suppressions").array();
  for (std::size_t i = 0; i < wanted->size(); ++i)
    write_status(w, (*wanted)[i].given, failures[i], "Deleted");
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<std::vector<std::string>> postmark_inactive(ApiContext& context, std::string stream,
                                                 const OutgoingEmail& email) {
  std::vector<std::string> inactive;
  for (const auto& address : recipients_of(email)) {
    if (!context.suppressions.may_hold(stream, address)) continue;
    const auto found = co_await context.suppressions.find(context.world.loop, stream, address);
    if (found && *found) inactive.push_back(address.text());
  }
  co_return inactive;
}

}  // namespace goniec
