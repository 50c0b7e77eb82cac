// See postmark_stats.h.
#include "api/postmark_stats.h"

#include <map>

#include "api/ask_search.h"
#include "api/postmark_messages.h"
#include "api/search.h"
#include "base/text.h"

namespace goniec {
namespace {

PostmarkResult<StatsQuery> query_of(const ApiCall& call) {
  StatsQuery query;
  query.group_by = StatsGroup::day;
  // As postmark_message.cc keeps it: the tag named "tag".
  if (const auto tag = call.parameter("tag"); !tag.empty()) query.tag = fmt::format("tag:{}", tag);
  query.stream = stream_from_postmark(call.parameter("messagestream"));
  struct Bound {
    std::string_view name;
    Instant& target;
    Duration more;
  };
  const Bound bounds[] = {{"fromdate", query.since, Duration(0)},
                          {"todate", query.until, std::chrono::hours(24)}};
  for (const auto& bound : bounds) {
    const auto text = call.parameter(bound.name);
    if (text.empty()) continue;
    const auto day = parse_rfc3339(fmt::format("{}T00:00:00Z", text.substr(0, 10)));
    if (!day) {
      return std::unexpected(
          PostmarkError{422, 600, fmt::format("The '{}' parameter is no date.", bound.name)});
    }
    bound.target = *day + bound.more;
  }
  const auto of_key = bounds_of(call);
  query.domain = of_key.domain;
  if (!of_key.stream.empty()) query.stream = of_key.stream;
  return query;
}

Task<PostmarkResult<std::vector<StatsRow>>> rows_of(ApiContext& context, ApiCall call,
                                                    StatsGroup then = StatsGroup::none) {
  auto query = query_of(call);
  if (!query) co_return std::unexpected(query.error());
  query->then_by = then;
  auto rows = co_await ask_search(context, [query = std::move(*query)](const Search& search) {
    return search.statistics(query);
  });
  if (!rows) co_return std::unexpected(PostmarkError{503, 100, rows.error().message});
  co_return *std::move(rows);
}

struct Series {
  std::string_view name;
  std::uint64_t (*count)(const StatsRow& row);
};

// {"Days":[{"Date":…,"Sent":1}],"Sent":1}
Task<ApiReply> count(ApiContext& context, PostmarkCall call, std::vector<Series> series) {
  const auto rows = co_await rows_of(context, std::move(call.call));
  if (!rows) co_return postmark_error(rows.error());
  std::vector<std::uint64_t> totals(series.size());
  JsonWriter w;
  w.object().key("Days").array();
  for (const auto& row : *rows) {
    w.object().key("Date").text(row.group);
    for (std::size_t i = 0; i < series.size(); ++i) {
      const auto number = series[i].count(row);
      totals[i] += number;
      w.key(series[i].name).number(number);
    }
    w.end();
  }
  w.end();
  for (std::size_t i = 0; i < series.size(); ++i) w.key(series[i].name).number(totals[i]);
  w.end();
  co_return json_reply(std::move(w));
}

std::uint64_t sent(const StatsRow& row) {
  return row.count(StatsCount::accepted);
}
std::uint64_t bounced(const StatsRow& row) {
  return row.count(StatsCount::bounced) + row.count(StatsCount::expired);
}
std::uint64_t complained(const StatsRow& row) {
  return row.count(StatsCount::complained);
}
std::uint64_t opened(const StatsRow& row) {
  return row.count(StatsCount::opened);
}
std::uint64_t clicked(const StatsRow& row) {
  return row.count(StatsCount::clicked);
}

double per_cent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) * 100.0 / static_cast<double>(whole);
}

}  // namespace

Task<ApiReply> postmark_overview(ApiContext& context, PostmarkCall call) {
  const auto rows = co_await rows_of(context, std::move(call.call));
  if (!rows) co_return postmark_error(rows.error());
  std::uint64_t all_sent = 0, bounces = 0, complaints = 0, opens = 0, clicks = 0;
  for (const auto& row : *rows) {
    all_sent += sent(row);
    bounces += bounced(row);
    complaints += complained(row);
    opens += opened(row);
    clicks += clicked(row);
  }
  JsonWriter w;
  w.object().key("Sent").number(all_sent).key("Bounced").number(bounces);
  w.key("SMTPApiErrors").number(0).key("BounceRate").real(per_cent(bounces, all_sent));
  w.key("SpamComplaints").number(complaints);
  w.key("SpamComplaintsRate").real(per_cent(complaints, all_sent));
  w.key("Opens").number(opens).key("UniqueOpens").number(opens).key("TotalClicks").number(clicks);
  w.key("UniqueLinksClicked").number(clicks);
  for (const auto name :
       {"Tracked", "WithLinkTracking", "WithOpenTracking", "TotalTrackedLinksSent",
        "WithClientRecorded", "WithPlatformRecorded", "WithReadTimeRecorded"})
    w.key(name).number(0);
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_count_sends(ApiContext& context, PostmarkCall call) {
  return count(context, std::move(call), {{"Sent", sent}});
}

Task<ApiReply> postmark_count_complaints(ApiContext& context, PostmarkCall call) {
  return count(context, std::move(call), {{"SpamComplaint", complained}});
}

Task<ApiReply> postmark_count_opens(ApiContext& context, PostmarkCall call) {
  return count(context, std::move(call), {{"Opens", opened}, {"Unique", opened}});
}

Task<ApiReply> postmark_count_clicks(ApiContext& context, PostmarkCall call) {
  return count(context, std::move(call), {{"Clicks", clicked}, {"Unique", clicked}});
}

// By day and type.
Task<ApiReply> postmark_count_bounces(ApiContext& context, PostmarkCall call) {
  const auto rows = co_await rows_of(context, std::move(call.call), StatsGroup::klass);
  if (!rows) co_return postmark_error(rows.error());
  std::map<std::string, std::map<std::string_view, std::uint64_t>> days;
  std::map<std::string_view, std::uint64_t> totals;
  for (const auto& row : *rows) {
    if (bounced(row) == 0) continue;
    const auto type = postmark_bounce_type(row.then).type;
    days[row.group][type] += bounced(row);
    totals[type] += bounced(row);
  }
  JsonWriter w;
  w.object().key("Days").array();
  for (const auto& [day, types] : days) {
    w.object().key("Date").text(day);
    for (const auto& [type, number] : types) w.key(type).number(number);
    w.end();
  }
  w.end();
  for (const auto& [type, number] : totals) w.key(type).number(number);
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_count_nothing(ApiContext&, PostmarkCall) {
  JsonWriter w;
  w.object().key("Days").array().end().end();
  co_return json_reply(std::move(w));
}

// ---------------------------------------------------------------- the server
namespace {

ApiReply server_reply(const ApiContext& context, const PostmarkCall& call) {
  const auto stream = context.streams.find(transactional_stream);
  const auto hostname = context.intake().hostname;
  JsonWriter w;
  w.object().key("ID").number(1).key("Name").text(hostname).key("ApiTokens").array().end();
  w.key("ServerLink").text("").key("Color").text("Purple").key("SmtpApiActivated").boolean(true);
  w.key("RawEmailEnabled").boolean(true).key("DeliveryType");
  w.text(call.call.principal.sandbox() ? "Sandbox" : "Live").key("InboundAddress").text("");
  for (const auto name : {"InboundHookUrl", "BounceHookUrl", "OpenHookUrl", "DeliveryHookUrl",
                          "ClickHookUrl", "InboundDomain", "InboundHash"})
    w.key(name).text("");
  w.key("PostFirstOpenOnly").boolean(false).key("InboundSpamThreshold").number(0);
  w.key("TrackOpens").boolean(stream && stream->track_opens).key("TrackLinks");
  w.text(stream && stream->track_clicks ? "HtmlAndText" : "None");
  w.key("IncludeBounceContentInHook").boolean(false);
  w.key("EnableSmtpApiErrorHooks").boolean(false).end();
  return json_reply(std::move(w));
}

}  // namespace

Task<ApiReply> postmark_show_server(ApiContext& context, PostmarkCall call) {
  co_return server_reply(context, call);
}

Task<ApiReply> postmark_edit_server(ApiContext& context, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  auto stream = context.streams.find(transactional_stream);
  if (stream && (body->at("TrackOpens") || body->at("TrackLinks"))) {
    stream->track_opens = body->boolean_at("TrackOpens", stream->track_opens);
    const auto links = body->text_at("TrackLinks");
    if (!links.empty()) stream->track_clicks = links != "None";
    const auto stored = co_await context.streams.replace(context.world.loop, std::move(*stream));
    if (!stored) co_return postmark_error(503, 100, stored.error().message);
  }
  co_return server_reply(context, call);
}

}  // namespace goniec
