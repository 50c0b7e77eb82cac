// The table of calls: method, path pattern, handler, and at which doors it may come. One place says
// what the API is; docs/cli.md and later openapi.yaml follow it.
// A path nobody serves is 404, a known path by another method 405, a wrong door 403.
#pragma once
#include <span>
#include <string_view>

#include "api/call.h"

namespace goniec {

using ApiHandler = Task<ApiReply> (*)(ApiContext& context, ApiCall call);

struct ApiRoute {
  std::string_view method;
  std::string_view pattern;  // "/api/v1/users/{}": the last part is the argument
  ApiHandler handler;
  bool submit_socket = false, observe = false;  // the admin socket may do everything
};

std::span<const ApiRoute> api_routes();
// Finds the handler and runs it; 404, 405 and 403 as error replies. `call.path` as it came (still
// encoded). The context outlives the task.
Task<ApiReply> answer_call(ApiContext& context, ApiDoor door, ApiCall call);

}  // namespace goniec
