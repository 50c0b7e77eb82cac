// Calls about the keys of the API (accounts/api_keys.h), for programs and `goniec key`.
//
//   GET    /api/v1/api-keys        {"object":"list","data":[key…],"has_more":false,"next":null}
//   POST   /api/v1/api-keys        {"name","scopes":[…],"domain","stream","networks":[…],"sandbox",
//                                   "format":"sendgrid"} or Resend's {"name","permission",
//                                   "domain_id"}; 201: the key and its "token", this one time
//   DELETE /api/v1/api-keys/{id}   {"object":"api_key","id","deleted":true}
// A key that manages makes no key that may more than itself.
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> list_api_keys(ApiContext& context, ApiCall call);
Task<ApiReply> create_api_key(ApiContext& context, ApiCall call);
Task<ApiReply> revoke_api_key(ApiContext& context, ApiCall call);

}  // namespace goniec
