// The shapes of other services' APIs: which of them a call speaks, and who it is that calls.
//
// | shape    | known by                                             | key in                 |
// |----------|------------------------------------------------------|------------------------|
// | postmark | /postmark/…, at the root by X-Postmark-Server-Token  | that, or -Account-     |
// | sendgrid | /sendgrid/…, /v3/mail/send                           | Authorization: Bearer  |
// | mailgun  | /mailgun/…, /v3/{domain}/messages, …/messages.mime   | Basic, as the password |
//
// At the root no two can be meant: ours is below /api/v1 and at paths of its own, and a call with
// Postmark's field is Postmark's whatever its path.
#pragma once
#include <optional>

#include "api/routes.h"

namespace goniec {

enum class CompatShape { postmark, sendgrid, mailgun };

struct CompatCall {
  CompatShape shape;
  std::string path;  // without the prefix and a slash at its end
};
std::optional<CompatCall> find_compat(const ApiCall& call);
Task<ApiReply> answer_compat(ApiContext& context, CompatCall found, ApiCall call);
// Before the body is read, as screen_call.
WebScreening screen_compat(ApiContext& context, const CompatCall& found, const ApiCall& call);

// ---------------------------------------------------------------- what the shapes share
// Who calls in this shape, or why the key is refused.
ApiResult<Principal> compat_principal(ApiContext& context, CompatShape shape, const ApiCall& call);
// The key as that shape gives it; "" = none.
std::string compat_secret(CompatShape shape, const ApiCall& call);
// Postmark's word for a call that is checked and goes nowhere.
inline constexpr std::string_view postmark_test_token = "POSTMARK_API_TEST";

}  // namespace goniec
