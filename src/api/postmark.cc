// Postmark's calls: who asks, and which handler answers (postmark.h).
#include "api/postmark.h"

#include "api/compat.h"
#include "api/postmark_bulk.h"
#include "api/postmark_messages.h"
#include "api/postmark_send.h"
#include "api/postmark_stats.h"
#include "api/postmark_streams.h"
#include "api/postmark_templates.h"
#include "api/postmark_webhooks.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr PostmarkLimits limits;

constexpr PostmarkRoute routes[] = {
    {"POST", "/email", postmark_send, KeyScope::send, true},
    {"POST", "/email/batch", postmark_send_batch, KeyScope::send, true},
    {"POST", "/email/withTemplate", postmark_send_template, KeyScope::send, true},
    {"POST", "/email/batchWithTemplates", postmark_send_template_batch, KeyScope::send, true},
    {"POST", "/email/bulk", postmark_send_bulk, KeyScope::send, true},
    {"GET", "/email/bulk/{}", postmark_show_bulk, KeyScope::send},
    {"GET", "/templates", postmark_list_templates, KeyScope::read},
    {"POST", "/templates", postmark_create_template, KeyScope::manage},
    {"POST", "/templates/validate", postmark_validate_template, KeyScope::read},
    {"GET", "/templates/{}", postmark_show_template, KeyScope::read},
    {"PUT", "/templates/{}", postmark_edit_template, KeyScope::manage},
    {"DELETE", "/templates/{}", postmark_delete_template, KeyScope::manage},
    {"GET", "/messages/outbound", postmark_list_messages, KeyScope::read},
    {"GET", "/messages/outbound/opens", postmark_list_opens, KeyScope::read},
    {"GET", "/messages/outbound/opens/{}", postmark_list_opens, KeyScope::read},
    {"GET", "/messages/outbound/clicks", postmark_list_clicks, KeyScope::read},
    {"GET", "/messages/outbound/clicks/{}", postmark_list_clicks, KeyScope::read},
    {"GET", "/messages/outbound/{}/details", postmark_show_message, KeyScope::read},
    {"GET", "/messages/outbound/{}/dump", postmark_dump_message, KeyScope::read},
    {"GET", "/bounces", postmark_list_bounces, KeyScope::read},
    {"GET", "/bounces/{}", postmark_show_bounce, KeyScope::read},
    {"GET", "/bounces/{}/dump", postmark_dump_bounce, KeyScope::read},
    {"PUT", "/bounces/{}/activate", postmark_activate_bounce, KeyScope::manage},
    {"GET", "/deliveryStats", postmark_delivery_stats, KeyScope::read},
    {"GET", "/server", postmark_show_server, KeyScope::read},
    {"PUT", "/server", postmark_edit_server, KeyScope::manage},
    {"GET", "/stats/outbound", postmark_overview, KeyScope::read},
    {"GET", "/stats/outbound/sends", postmark_count_sends, KeyScope::read},
    {"GET", "/stats/outbound/bounces", postmark_count_bounces, KeyScope::read},
    {"GET", "/stats/outbound/spam", postmark_count_complaints, KeyScope::read},
    {"GET", "/stats/outbound/tracked", postmark_count_nothing, KeyScope::read},
    {"GET", "/stats/outbound/opens", postmark_count_opens, KeyScope::read},
    {"GET", "/stats/outbound/opens/platforms", postmark_count_nothing, KeyScope::read},
    {"GET", "/stats/outbound/opens/emailClients", postmark_count_nothing, KeyScope::read},
    {"GET", "/stats/outbound/opens/readTimes", postmark_count_nothing, KeyScope::read},
    {"GET", "/stats/outbound/clicks", postmark_count_clicks, KeyScope::read},
    {"GET", "/stats/outbound/clicks/browserFamilies", postmark_count_nothing, KeyScope::read},
    {"GET", "/stats/outbound/clicks/platforms", postmark_count_nothing, KeyScope::read},
    {"GET", "/stats/outbound/clicks/location", postmark_count_nothing, KeyScope::read},
    {"GET", "/message-streams", postmark_list_streams, KeyScope::read},
    {"POST", "/message-streams", postmark_create_stream, KeyScope::manage},
    {"GET", "/message-streams/{}", postmark_show_stream, KeyScope::read},
    {"PATCH", "/message-streams/{}", postmark_edit_stream, KeyScope::manage},
    {"POST", "/message-streams/{}/archive", postmark_archive_stream, KeyScope::manage},
    {"POST", "/message-streams/{}/unarchive", postmark_unarchive_stream, KeyScope::manage},
    {"GET", "/message-streams/{}/suppressions/dump", postmark_dump_suppressions, KeyScope::read},
    {"POST", "/message-streams/{}/suppressions", postmark_create_suppressions, KeyScope::manage},
    {"POST", "/message-streams/{}/suppressions/delete", postmark_delete_suppressions,
     KeyScope::manage},
    {"GET", "/webhooks", postmark_list_webhooks, KeyScope::manage},
    {"POST", "/webhooks", postmark_create_webhook, KeyScope::manage},
    {"GET", "/webhooks/{}", postmark_show_webhook, KeyScope::manage},
    {"PUT", "/webhooks/{}", postmark_edit_webhook, KeyScope::manage},
    {"DELETE", "/webhooks/{}", postmark_delete_webhook, KeyScope::manage},
    {"GET", "/messages/inbound", postmark_list_inbound, KeyScope::read},
    {"GET", "/messages/inbound/{}/details", postmark_no_inbound, KeyScope::read},
    {"PUT", "/messages/inbound/{}/bypass", postmark_no_inbound, KeyScope::manage},
    {"PUT", "/messages/inbound/{}/retry", postmark_no_inbound, KeyScope::manage},
    {"GET", "/triggers/inboundRules", postmark_list_inbound_rules, KeyScope::read},
    {"POST", "/triggers/inboundRules", postmark_no_inbound_rule, KeyScope::manage},
    {"DELETE", "/triggers/inboundRules/{}", postmark_no_inbound_rule, KeyScope::manage},
};

// What stood for each {} when the path matches; words are the same in any case.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  const auto wanted = split(pattern, '/'), given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> arguments;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "{}") {
      if (given[i].empty()) return std::nullopt;
      arguments.push_back(decode_percent(given[i], false));
    } else if (!equal_ignoring_case(wanted[i], given[i])) {
      return std::nullopt;
    }
  }
  return arguments;
}

// Clients write the names of a query in any case; ours are these.
void spell_parameters(ApiCall& call) {
  constexpr std::string_view names[] = {"count",
                                        "offset",
                                        "messagestream",
                                        "MessageStreamType",
                                        "Origin",
                                        "EmailAddress",
                                        "SuppressionReason",
                                        "IncludeArchivedStreams",
                                        "TemplateType",
                                        "LayoutTemplate",
                                        "recipient",
                                        "emailFilter",
                                        "fromemail",
                                        "subject",
                                        "tag",
                                        "fromdate",
                                        "todate",
                                        "status",
                                        "type",
                                        "inactive",
                                        "messageID"};
  for (auto& [given, value] : call.query)
    for (const auto name : names)
      if (equal_ignoring_case(given, name)) given = name;
}

ApiReply unauthorized() {
  return postmark_error(401, 10,
                        "The Server Token you provided in the X-Postmark-Server-Token request "
                        "header was invalid. Please verify that you are using a valid token.");
}

}  // namespace

ApiReply postmark_error(unsigned status, int code, std::string message) {
  JsonWriter w;
  w.object().key("ErrorCode").number(code).key("Message").text(message).end();
  return json_reply(std::move(w), status);
}

ApiReply postmark_error(const PostmarkError& error) {
  return postmark_error(error.status, error.code, error.message);
}

PostmarkResult<JsonValue> postmark_body(const ApiCall& call) {
  return postmark_object(call.body);
}

PostmarkResult<JsonValue> postmark_object(std::string_view text) {
  auto json = JsonValue::parse(text);
  if (json && json->is_object()) return std::move(*json);
  return std::unexpected(PostmarkError{
      422, 402,
      fmt::format("Received invalid JSON input: {}",
                  json ? std::string("an object is wanted.") : json.error().message)});
}

PostmarkResult<PostmarkPage> postmark_page(const ApiCall& call) {
  PostmarkPage page;
  const auto read = [&call](std::string_view name, std::size_t fallback) {
    const auto text = call.parameter(name);
    return text.empty() ? std::optional<std::uint64_t>(fallback) : parse_unsigned(text);
  };
  const auto count = read("count", page.count), offset = read("offset", 0);
  if (!count || *count > limits.page) {
    return std::unexpected(PostmarkError{
        422, 600, fmt::format("The 'count' parameter must be from 0 to {}.", limits.page)});
  }
  if (!offset || *offset + *count > 10'000) {
    return std::unexpected(PostmarkError{
        422, 600, "The 'count' and 'offset' parameters must not be over 10000 together."});
  }
  return PostmarkPage{*count, *offset};
}

ApiReply postmark_refusal(const ApiError& error) {
  return error.status == 429 ? postmark_error(429, 429, error.message) : unauthorized();
}

Task<ApiReply> answer_postmark(ApiContext& context, ApiCall call) {
  spell_parameters(call);
  const bool test = compat_secret(CompatShape::postmark, call) == postmark_test_token;
  if (!test) {
    auto principal = compat_principal(context, CompatShape::postmark, call);
    if (!principal) co_return postmark_refusal(principal.error());
    call.principal = std::move(*principal);
  }
  bool path_known = false;
  for (const auto& route : routes) {
    auto arguments = match(route.pattern, call.path);
    if (!arguments) continue;
    path_known = true;
    if (route.method != call.method) continue;
    if (test ? !route.test : !call.principal.may(route.scope)) co_return unauthorized();
    PostmarkCall made{std::move(call), std::move(*arguments), test};
    co_return co_await route.handler(context, std::move(made));
  }
  if (path_known) {
    co_return postmark_error(405, 405,
                             fmt::format("{} is not possible here.", printable(call.method, 20)));
  }
  co_return postmark_error(404, 404, fmt::format("There is no {} here.", printable(call.path, 80)));
}

}  // namespace goniec
