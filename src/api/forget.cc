// See forget.h.
// What is erased is told to the log as a number, never as an address.
#include "api/forget.h"

#include <algorithm>

#include "accounts/erasure.h"
#include "base/text.h"

namespace goniec {

Task<Result<std::uint64_t>> search_lag(ApiContext& context) {
  if (!context.search) co_return 0;
  const std::uint64_t position = context.search->position();
  co_return co_await context.readers.read(
      context.world.loop, [position](Reader& reader) -> Result<std::uint64_t> {
        TRY(reader.events_after(position, 1));  // what is in the journal alone comes into the log
        const std::uint64_t last = TRY(reader.applied_events_after(position, 1)).last;
        return last - std::min(last, position);
      });
}

Task<ApiReply> show_search(ApiContext& context, ApiCall) {
  const std::uint64_t position = context.search ? context.search->position() : 0;
  const auto lag = co_await search_lag(context);
  if (!lag) co_return error_reply(lag.error());
  JsonWriter w;
  w.object().key("available").boolean(context.search != nullptr);
  w.key("lag_events").number(*lag);
  w.key("lag_seconds").real(context.metrics.gauge("goniec_projection_lag_seconds", "").value());
  w.key("position").number(position).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> rebuild_search(ApiContext& context, ApiCall) {
  if (!context.search || !context.rebuild_search)
    co_return error_reply({ErrorKind::try_later, "there are no lists and statistics now"});
  context.rebuild_search();
  JsonWriter w;
  w.object().key("rebuilding").boolean(true).end();
  co_return json_reply(std::move(w), 202);
}

Task<ApiReply> erase_address(ApiContext& context, ApiCall call) {
  const auto body = JsonValue::parse(call.body.empty() ? "{}" : call.body);
  if (!body || !body->is_object())
    co_return error_reply({ErrorKind::bad_data, "the body is not a JSON object"});
  for (const auto& name : body->keys()) {
    if (name != "address" && name != "dry_run" && name != "mailbox")
      co_return error_reply(
          {ErrorKind::bad_data, fmt::format("there is no \"{}\"", printable(name, 40))});
  }
  auto address = Address::parse(body->text_at("address"));
  if (!address || address->empty())
    co_return error_reply({ErrorKind::bad_data, "\"address\" is not a mail address"});
  ErasureRequest request{std::move(*address), body->boolean_at("dry_run"),
                         body->boolean_at("mailbox")};
  auto& loop = context.world.loop;
  const auto report = co_await erase_person(
      loop, {context.committer, context.readers, context.erase_rows}, request);
  if (!report) co_return error_reply(report.error());
  if (!request.dry_run) {
    LogRecord record{loop.clock().now(), LogLevel::info, "person.erased", "master"};
    record.text = fmt::format("a person was erased from {} events and {} rows", report->events,
                              report->messages);
    context.log.write(std::move(record));
  }
  JsonWriter w;
  w.object().key("address").text(request.address.text()).key("pseudonym").text(report->pseudonym);
  w.key("events").number(report->events).key("messages").number(report->messages);
  w.key("letters").number(report->letters).key("queued").number(report->queued);
  w.key("dry_run").boolean(request.dry_run).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
