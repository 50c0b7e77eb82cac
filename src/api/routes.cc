// The table of calls (routes.h).
#include "api/routes.h"

#include "api/compat.h"
#include "api/config_calls.h"
#include "api/contract.h"
#include "api/domains.h"
#include "api/email_story.h"
#include "api/emails.h"
#include "api/event_list.h"
#include "api/explain.h"
#include "api/export.h"
#include "api/forget.h"
#include "api/keys.h"
#include "api/manage.h"
#include "api/observe.h"
#include "api/queue_calls.h"
#include "api/reports.h"
#include "api/search.h"
#include "api/session.h"
#include "api/signing.h"
#include "api/submit.h"
#include "api/suppressions.h"
#include "api/templates.h"
#include "api/webhooks.h"
#include "base/text.h"

namespace goniec {

namespace {

constexpr std::string_view bearer_scheme = "bearer ";

constexpr auto closed = WebAccess::closed;
constexpr auto manage = WebAccess::manage;
constexpr auto read = WebAccess::read;
constexpr auto send = WebAccess::send;
constexpr auto open = WebAccess::open;

constexpr ApiRoute routes[] = {
    {"GET", "/api/v1/openapi.json", show_contract, open},
    {"GET", "/api/v1/health", show_health, open},
    {"GET", "/api/v1/ready", show_health, open},
    {"GET", "/api/v1/status", show_status, read},
    {"GET", "/api/v1/config", show_settings, manage},
    {"GET", "/api/v1/config/file", show_config_file, manage},
    {"POST", "/api/v1/reload", reload_config},
    {"POST", "/api/v1/backup", create_backup},
    {"GET", "/api/v1/routes/{}", explain_route_of, read},
    {"GET", "/api/v1/domains", list_domains},
    {"POST", "/api/v1/domains", add_domain},
    {"DELETE", "/api/v1/domains/{}", remove_domain},
    {"GET", "/api/v1/domains", list_sending_domains, read},
    {"POST", "/api/v1/domains", create_sending_domain, manage},
    {"GET", "/api/v1/domains/{}", show_sending_domain, read},
    {"DELETE", "/api/v1/domains/{}", delete_sending_domain, manage},
    {"POST", "/api/v1/domains/{}/verify", verify_sending_domain, manage},
    {"GET", "/api/v1/domains/{}/dns", show_domain_dns, read},
    {"GET", "/api/v1/users", list_users},
    {"POST", "/api/v1/users", add_user},
    {"PATCH", "/api/v1/users/{}", change_user},
    {"DELETE", "/api/v1/users/{}", remove_user},
    {"GET", "/api/v1/aliases", list_aliases},
    {"POST", "/api/v1/aliases", add_alias},
    {"DELETE", "/api/v1/aliases/{}", remove_alias},
    {"POST", "/api/v1/emails", send_one, send},
    {"POST", "/api/v1/emails/batch", send_batch, send},
    {"GET", "/api/v1/emails/{}", show_email, read},
    {"PATCH", "/api/v1/emails/{}", reschedule_email, send},
    {"POST", "/api/v1/emails/{}/cancel", cancel_email, send},
    {"POST", "/api/v1/emails/{}/retry", retry_email, send},
    {"POST", "/api/v1/emails/{}/resend", resend_email, send},
    {"GET", "/api/v1/emails/{}/events", list_email_events, read},
    {"GET", "/api/v1/emails/{}/trace", show_email_trace, read},
    {"GET", "/api/v1/emails/{}/transcript", show_email_transcript, read},
    {"GET", "/api/v1/emails/{}/headers", show_email_headers, read},
    {"GET", "/api/v1/emails/{}/content", show_email_content, read},
    {"GET", "/api/v1/emails/{}/raw", show_email_raw, read},
    {"GET", "/api/v1/api-keys", list_api_keys, manage},
    {"POST", "/api/v1/api-keys", create_api_key, manage},
    {"DELETE", "/api/v1/api-keys/{}", revoke_api_key, manage},
    {"GET", "/api/v1/webhooks", list_webhooks, read},
    {"POST", "/api/v1/webhooks", create_webhook, manage},
    {"GET", "/api/v1/webhooks/{}", show_webhook, read},
    {"PATCH", "/api/v1/webhooks/{}", change_webhook, manage},
    {"DELETE", "/api/v1/webhooks/{}", remove_webhook, manage},
    {"POST", "/api/v1/webhooks/{}/signing-secret/rotate", rotate_webhook_secret, manage},
    {"POST", "/api/v1/webhooks/{}/test", test_webhook, manage},
    {"GET", "/api/v1/webhooks/{}/events", list_hook_deliveries, read},
    {"GET", "/api/v1/webhooks/{}/events/{}/attempts", list_hook_attempts, read},
    {"POST", "/api/v1/webhooks/{}/events/{}/replay", replay_hook_delivery, manage},
    {"POST", "/api/v1/webhooks/{}/replay", replay_hook_deliveries, manage},
    {"GET", "/api/v1/session", show_session, open},
    {"POST", "/api/v1/session", log_in, open},
    {"DELETE", "/api/v1/session", log_out, open},
    {"GET", "/api/v1/templates", list_templates, read},
    {"POST", "/api/v1/templates", create_template, manage},
    {"POST", "/api/v1/templates/render", render_template, read},
    {"GET", "/api/v1/templates/{}", show_template, read},
    {"PATCH", "/api/v1/templates/{}", change_template, manage},
    {"DELETE", "/api/v1/templates/{}", remove_template, manage},
    {"POST", "/api/v1/templates/{}/publish", publish_template, manage},
    {"POST", "/api/v1/templates/{}/duplicate", duplicate_template, manage},
    {"GET", "/api/v1/dkim", list_signing_keys},
    {"POST", "/api/v1/dkim", create_signing_keys},
    {"POST", "/api/v1/dkim/rotate", rotate_signing_keys},
    {"POST", "/api/v1/dkim/retire", retire_signing_keys},
    {"POST", "/api/v1/dkim/check", check_signing_keys},
    {"POST", "/api/v1/srs/rotate", rotate_srs_secret},
    {"POST", "/api/v1/newaliases", reload_alias_files, closed, true},
    {"GET", "/api/v1/verify/{}", verify_address, closed, true},
    {"GET", "/api/v1/queue", list_queue, read, true},
    {"GET", "/api/v1/queue/stats", show_queue_stats, read},
    {"POST", "/api/v1/queue/{}", change_queue, manage},
    {"GET", "/api/v1/trace", show_trace, read},
    {"GET", "/api/v1/events", list_events},
    {"GET", "/api/v1/events", list_event_views, read},
    {"GET", "/api/v1/emails", list_emails, read},
    {"GET", "/api/v1/stats", show_stats, read},
    {"GET", "/api/v1/export/{}", export_lines, manage},
    {"GET", "/api/v1/events/{}", show_event_view, read},
    {"GET", "/api/v1/explain", explain_refusal, read},
    {"GET", "/api/v1/live", follow_events, read},
    {"GET", "/api/v1/search", show_search, read},
    {"POST", "/api/v1/search/rebuild", rebuild_search, manage},
    {"POST", "/api/v1/erase", erase_address, manage},
    {"GET", "/api/v1/reports/dmarc", list_dmarc_reports, read},
    {"GET", "/api/v1/reports/dmarc/sources", list_dmarc_sources, read},
    {"GET", "/api/v1/reports/tls", list_tls_reports, read},
    {"POST", "/api/v1/reports/send", send_reports},
    {"GET", "/api/v1/suppressions", list_suppressions, read},
    {"POST", "/api/v1/suppressions", add_suppression, manage},
    {"GET", "/api/v1/suppressions/export.csv", export_suppressions, read},
    {"POST", "/api/v1/suppressions/batch/{}", change_suppressions, manage},
    {"GET", "/api/v1/suppressions/{}", get_suppression, read},
    {"DELETE", "/api/v1/suppressions/{}", remove_suppression, manage},
    {"GET", "/api/v1/recipients/{}", check_recipient, read},
    {"GET", "/api/v1/streams", list_streams, read},
    {"POST", "/api/v1/streams", add_stream, manage},
    {"GET", "/api/v1/streams/{}", get_stream, read},
    {"PATCH", "/api/v1/streams/{}", change_stream, manage},
    {"POST", "/api/v1/links/rotate", rotate_link_secret, manage},
    {"POST", "/api/v1/submit", submit_message, closed, true},
    {"GET", "/metrics", show_metrics, closed, false, true},
    {"GET", "/health", show_health, closed, true, true},
};

// What stood for each {} when `path` matches.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const auto wanted = split(pattern, '/'), parts = split(path, '/');
  if (wanted.size() != parts.size()) return std::nullopt;
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < parts.size(); ++at) {
    if (wanted[at] == "{}" && !parts[at].empty())
      arguments.push_back(decode_percent(parts[at], false));
    else if (wanted[at] != parts[at])
      return std::nullopt;
  }
  return arguments;
}

bool may_come(const ApiRoute& route, ApiDoor door) {
  switch (door) {
    case ApiDoor::admin_socket:
      return true;
    case ApiDoor::submit_socket:
      return route.submit_socket;
    case ApiDoor::observe:
      return route.observe;
    case ApiDoor::web:
      return route.web != WebAccess::closed;
  }
  CHECK(false);
}

bool method_fits(const ApiRoute& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

// The route, or why there is none; on the web below /api/v1 for who shows a key.
struct Found {
  const ApiRoute* route = nullptr;
  std::vector<std::string> arguments;
  bool path_known = false;
};
Found find_route(ApiDoor door, const ApiCall& call) {
  const bool below =
      door == ApiDoor::web && !call.path.starts_with("/api/") && !bearer_of(call).empty();
  const std::string path = below ? "/api/v1" + call.path : call.path;
  Found found;
  for (const auto& route : routes) {
    if (!may_come(route, door)) continue;
    auto arguments = match(route.pattern, path);
    if (!arguments) continue;
    found.path_known = true;
    if (!method_fits(route, call.method)) continue;
    found.route = &route;
    found.arguments = *std::move(arguments);
    break;
  }
  return found;
}

ApiReply no_such_path(const ApiCall& call) {
  return error_reply(
      Error{ErrorKind::not_found, fmt::format("there is no {} here", printable(call.path, 80))});
}

std::optional<KeyScope> scope_of(WebAccess access) {
  switch (access) {
    case WebAccess::send:
      return KeyScope::send;
    case WebAccess::read:
      return KeyScope::read;
    case WebAccess::manage:
      return KeyScope::manage;
    case WebAccess::open:
    case WebAccess::closed:
      break;
  }
  return std::nullopt;
}

// Who calls on the web, and whether this call is theirs to make.
ApiResult<Principal> admit(ApiContext& context, const ApiRoute& route, const ApiCall& call) {
  const auto scope = scope_of(route.web);
  if (!scope) return Principal{};
  const auto secret = bearer_of(call);
  if (secret.empty())
    if (auto session = TRY(principal_of_cookie(context, call))) return *std::move(session);
  if (secret.empty())
    return std::unexpected(ApiError{
        401, "missing_api_key", "an API key is wanted: Authorization: Bearer pk_live_…", {}});
  auto principal = TRY(principal_of_secret(context, call.remote, secret));
  if (principal.may(*scope)) return principal;
  return std::unexpected(ApiError{403,
                                  "restricted_api_key",
                                  fmt::format("this key has not the scope {}", name_of(*scope)),
                                  {}});
}

Principal principal_at(ApiDoor door, const ApiCall& call) {
  Principal principal;
  if (door == ApiDoor::admin_socket) {
    principal.kind = Principal::Kind::admin_socket;
    principal.scopes = KeyScopes::all();
  } else if (door == ApiDoor::submit_socket) {
    principal.kind = Principal::Kind::peer;
    principal.scopes = {.send = true};
    principal.uid = call.peer ? call.peer->uid : 0;
  }
  return principal;
}

ApiReply refused(const ApiError& error) {
  auto reply = error_reply(error);
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

ApiReply method_refused(std::string_view method) {
  return error_reply(ApiError{405,
                              "method_not_allowed",
                              fmt::format("{} is not possible here", printable(method, 20)),
                              {}});
}

}  // namespace

std::span<const ApiRoute> api_routes() {
  return routes;
}

bool is_api_call(const ApiCall& call) {
  return call.path.starts_with("/api/") || !bearer_of(call).empty() || find_compat(call);
}

std::string_view bearer_of(const ApiCall& call) {
  const auto value = call.header("authorization");
  if (!starts_with_ignoring_case(value, bearer_scheme)) return {};
  return trim(value.substr(bearer_scheme.size()));
}

ApiResult<Principal> principal_of_secret(ApiContext& context, const Endpoint& remote,
                                         std::string_view secret) {
  const auto answer = context.logins.check_key(context.world.loop.clock(), remote.address, secret);
  switch (answer.result) {
    case KeyAnswer::Result::proved:
      return Principal{.kind = Principal::Kind::key,
                       .scopes = answer.key->scopes,
                       .key = answer.key,
                       .uid = {},
                       .user = {}};
    case KeyAnswer::Result::unknown:
      return std::unexpected(ApiError{403, "invalid_api_key", "the API key is not known here", {}});
    case KeyAnswer::Result::elsewhere:
      return std::unexpected(
          ApiError{403,
                   "restricted_api_key",
                   fmt::format("this key is not good from {}", remote.address.text()),
                   {}});
    case KeyAnswer::Result::throttled: {
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(answer.wait).count();
      auto text = fmt::format("too many wrong keys from {}, try again in {} seconds",
                              remote.address.text(), seconds);
      return std::unexpected(ApiError{429, "rate_limit_exceeded", std::move(text), {}, seconds});
    }
  }
  CHECK(false);
}

WebScreening screen_call(ApiContext& context, const ApiCall& call) {
  if (const auto compat = find_compat(call)) return screen_compat(context, *compat, call);
  const auto found = find_route(ApiDoor::web, call);
  if (!found.route)
    return {found.path_known ? method_refused(call.method) : no_such_path(call), false};
  const auto principal = admit(context, *found.route, call);
  if (!principal) return {refused(principal.error()), false};
  return {std::nullopt, principal->kind != Principal::Kind::nobody};
}

Task<ApiReply> answer_call(ApiContext& context, ApiDoor door, ApiCall call) {
  if (const auto compat = door == ApiDoor::web ? find_compat(call) : std::nullopt)
    co_return co_await answer_compat(context, *compat, std::move(call));
  auto found = find_route(door, call);
  if (!found.route) {
    if (found.path_known) co_return method_refused(call.method);
    co_return no_such_path(call);
  }
  call.principal = principal_at(door, call);
  if (door == ApiDoor::web) {
    auto principal = admit(context, *found.route, call);
    if (!principal) co_return refused(principal.error());
    call.principal = std::move(*principal);
  }
  if (!found.arguments.empty()) call.argument = found.arguments.front();
  call.arguments = std::move(found.arguments);
  co_return co_await found.route->handler(context, std::move(call));
}

}  // namespace goniec
