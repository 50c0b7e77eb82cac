// The table of calls (routes.h).
#include "api/routes.h"

#include "api/manage.h"
#include "api/observe.h"
#include "api/queue_calls.h"
#include "api/reports.h"
#include "api/signing.h"
#include "api/submit.h"
#include "base/text.h"

namespace goniec {

namespace {

constexpr ApiRoute routes[] = {
    {"GET", "/api/v1/status", show_status},
    {"POST", "/api/v1/reload", reload_config},
    {"POST", "/api/v1/backup", create_backup},
    {"GET", "/api/v1/routes/{}", explain_route_of},
    {"GET", "/api/v1/domains", list_domains},
    {"POST", "/api/v1/domains", add_domain},
    {"DELETE", "/api/v1/domains/{}", remove_domain},
    {"GET", "/api/v1/users", list_users},
    {"POST", "/api/v1/users", add_user},
    {"PATCH", "/api/v1/users/{}", change_user},
    {"DELETE", "/api/v1/users/{}", remove_user},
    {"GET", "/api/v1/aliases", list_aliases},
    {"POST", "/api/v1/aliases", add_alias},
    {"DELETE", "/api/v1/aliases/{}", remove_alias},
    {"GET", "/api/v1/dkim", list_signing_keys},
    {"POST", "/api/v1/dkim", create_signing_keys},
    {"POST", "/api/v1/dkim/rotate", rotate_signing_keys},
    {"POST", "/api/v1/dkim/retire", retire_signing_keys},
    {"POST", "/api/v1/dkim/check", check_signing_keys},
    {"POST", "/api/v1/newaliases", reload_alias_files, true},
    {"GET", "/api/v1/verify/{}", verify_address, true},
    {"GET", "/api/v1/queue", list_queue, true},
    {"GET", "/api/v1/queue/stats", show_queue_stats},
    {"POST", "/api/v1/queue/{}", change_queue},
    {"GET", "/api/v1/trace", show_trace},
    {"GET", "/api/v1/events", list_events},
    {"GET", "/api/v1/reports/dmarc", list_dmarc_reports},
    {"GET", "/api/v1/reports/dmarc/sources", list_dmarc_sources},
    {"GET", "/api/v1/reports/tls", list_tls_reports},
    {"POST", "/api/v1/reports/send", send_reports},
    {"POST", "/api/v1/submit", submit_message, true},
    {"GET", "/metrics", show_metrics, false, true},
    {"GET", "/health", show_health, true, true},
};

// The argument when `path` matches; patterns end in "{}" or are literal.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (!pattern.ends_with("{}"))
    return pattern == path ? std::optional(std::string()) : std::nullopt;
  pattern.remove_suffix(2);
  if (!path.starts_with(pattern)) return std::nullopt;
  const auto rest = path.substr(pattern.size());
  if (rest.empty() || rest.find('/') != std::string_view::npos) return std::nullopt;
  return decode_percent(rest, false);
}

bool may_come(const ApiRoute& route, ApiDoor door) {
  switch (door) {
    case ApiDoor::admin_socket:
      return true;
    case ApiDoor::submit_socket:
      return route.submit_socket;
    case ApiDoor::observe:
      return route.observe;
  }
  CHECK(false);
}

ApiReply method_refused(std::string_view method) {
  auto reply = error_reply(
      {ErrorKind::usage, fmt::format("{} is not possible here", printable(method, 20))});
  reply.status = 405;
  return reply;
}

}  // namespace

std::span<const ApiRoute> api_routes() {
  return routes;
}

Task<ApiReply> answer_call(ApiContext& context, ApiDoor door, ApiCall call) {
  bool path_known = false;
  for (const auto& route : routes) {
    auto argument = match(route.pattern, call.path);
    if (!argument || !may_come(route, door)) continue;
    path_known = true;
    if (route.method != call.method && !(route.method == "GET" && call.method == "HEAD")) continue;
    call.argument = std::move(*argument);
    co_return co_await route.handler(context, std::move(call));
  }
  if (path_known) co_return method_refused(call.method);
  co_return error_reply(
      {ErrorKind::not_found, fmt::format("there is no {} here", printable(call.path, 80))});
}

}  // namespace goniec
