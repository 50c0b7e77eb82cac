// Calls to the running server (server_client.h).
#include "app/server_client.h"

#include <cerrno>

#include "api/call.h"
#include "api/export.h"
#include "base/text.h"
#include "net/http_client.h"
#include "net/tcp.h"
#include "run/shard.h"

namespace goniec {

namespace {

constexpr std::size_t reply_octets = 256u << 20;

Error explained(Error error, const std::string& socket) {
  const bool nobody = error.kind == ErrorKind::not_running || error.system_errno == ENOENT ||
                      error.system_errno == ECONNREFUSED;
  if (error.system_errno == EACCES || error.system_errno == EPERM) {
    error.kind = ErrorKind::not_permitted;
    error.message = fmt::format(
        "{} may not be used by this user; fix: run as root or as the user of the server", socket);
  } else if (nobody) {
    error.kind = ErrorKind::not_running;
    error.message = fmt::format(
        "the server is not running (nobody answers at {}); fix: systemctl start goniec, or "
        "goniec serve --config FILE",
        socket);
  }
  return error;
}

}  // namespace

Result<JsonValue> ServerClient::call(std::string_view method, std::string_view target,
                                     std::string body) const {
  const HttpResponse response = TRY(fetch(method, target, std::move(body)));
  return JsonValue::parse(response.body);
}

Result<ServerClient::Lines> ServerClient::lines(std::string_view target) const {
  HttpResponse response = TRY(fetch("GET", target, {}));
  Lines page{std::move(response.body), {}};
  for (auto& [name, value] : response.headers)
    if (equal_ignoring_case(name, export_next_header)) page.next = std::move(value);
  return page;
}

Result<HttpResponse> ServerClient::fetch(std::string_view method, std::string_view target,
                                         std::string body) const {
  Shard shard;
  SystemNetwork network(shard);
  HttpClient client(network, nullptr);
  HttpRequest request;
  request.method = std::string(method);
  request.url = fmt::format("unix:{}:{}", socket_, target);
  if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  request.response_limit = reply_octets;
  const auto deadline = shard.clock().moment() + patience;
  auto response = run_until_done(shard, client.fetch(std::move(request), deadline));
  if (!response) return std::unexpected(explained(response.error(), socket_));
  if (response->status < 200 || response->status > 299) {
    return std::unexpected(error_of_reply(response->status, response->body));
  }
  return *std::move(response);
}

}  // namespace goniec
