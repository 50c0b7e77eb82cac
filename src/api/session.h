// Logging in to the dashboard, and who is logged in.
//
//   POST   /api/v1/session   {"user", "password"} -> {user, csrf, …} and the cookie goniec_session
//   GET    /api/v1/session   who it is; 401 when it is nobody
//   DELETE /api/v1/session   logs out
//
// Administrators alone are let in: the accounts to which mail for the admin address goes. Failures
// are slowed as those of SMTP AUTH. The cookie is HttpOnly, SameSite=Strict, and Secure where the
// call came by https. A call that the cookie authenticates and that changes something must show
// `csrf` in the field X-CSRF-Token: 403 security_error without it.
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> show_session(ApiContext& context, ApiCall call);
Task<ApiReply> log_in(ApiContext& context, ApiCall call);
Task<ApiReply> log_out(ApiContext& context, ApiCall call);

// Whose session the cookie of the call is; nullopt: of nobody. An error: it may not do this.
ApiResult<std::optional<Principal>> principal_of_cookie(ApiContext& context, const ApiCall& call);

// May `user` log in to the dashboard?
bool is_administrator(const Directory& directory, const Address& user);

}  // namespace goniec
