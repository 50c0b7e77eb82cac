// The table of calls: method, path pattern, handler, and at which doors it may come. One place says
// what the API is; docs/cli.md and openapi.yaml follow it.
// A path nobody serves is 404, a known path by another method 405; at a door that a call may not
// come by it is unknown. On the web a call needs a key with its scope: none is 401 missing_api_key,
// one that is wrong 403 invalid_api_key, one that may not 403 restricted_api_key; after too many
// wrong ones from an address 429 rate_limit_exceeded.
//
// Clients of Resend know no prefix: what comes with a key in the header Authorization to a path
// beside /api/ is looked for below /api/v1.
#pragma once
#include <span>
#include <string_view>

#include "api/call.h"

namespace goniec {

using ApiHandler = Task<ApiReply> (*)(ApiContext& context, ApiCall call);

enum class WebAccess { closed, open, send, read, manage };

struct ApiRoute {
  std::string_view method;
  std::string_view pattern;  // "/api/v1/users/{}": each {} is an argument, one part of the path
  ApiHandler handler;
  WebAccess web = WebAccess::closed;
  bool submit_socket = false, observe = false;  // the admin socket may do everything
};

// In order: of two that fit and may come by a door the first is taken.
std::span<const ApiRoute> api_routes();
// Finds the handler and runs it; refusals as error replies. `call.path` as it came (still encoded).
// The context outlives the task.
Task<ApiReply> answer_call(ApiContext& context, ApiDoor door, ApiCall call);

// Is it the API that is meant, on a listener that answers other things too?
bool is_api_call(const ApiCall& call);

// Before the body of a call on the web is read: is it worth reading, and how much of it? A refusal
// is what answer_call would say.
struct WebScreening {
  std::optional<ApiReply> refusal;
  bool known = false;  // a good key: it may send as much as a message has
};
WebScreening screen_call(ApiContext& context, const ApiCall& call);

// Whose key it is. Errors as above.
ApiResult<Principal> principal_of_secret(ApiContext& context, const Endpoint& remote,
                                         std::string_view secret);
// "Bearer pk_live_…": the secret; "" when the header is not there or of another scheme.
std::string_view bearer_of(const ApiCall& call);

}  // namespace goniec
