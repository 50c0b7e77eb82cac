// See compat.h.
#include "api/compat.h"

#include "api/mailgun.h"
#include "api/postmark.h"
#include "api/sendgrid.h"
#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

bool take_prefix(std::string& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  if (path.size() > prefix.size() && path[prefix.size()] != '/') return false;
  path.erase(0, prefix.size());
  if (path.empty()) path = "/";
  return true;
}

// The password of "Basic base64(user:password)"; "" = not given so.
std::string basic_password(const ApiCall& call) {
  const auto field = trim(call.header("authorization"));
  if (!starts_with_ignoring_case(field, "basic ")) return {};
  const auto decoded = from_base64(trim(field.substr(6)));
  const auto colon = decoded ? decoded->find(':') : std::string::npos;
  return colon == std::string::npos ? std::string() : decoded->substr(colon + 1);
}

}  // namespace

std::optional<CompatCall> find_compat(const ApiCall& call) {
  std::string path = call.path;
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::optional<CompatShape> shape;
  if (take_prefix(path, "/postmark")) {
    shape = CompatShape::postmark;
  } else if (take_prefix(path, "/sendgrid")) {
    shape = CompatShape::sendgrid;
  } else if (take_prefix(path, "/mailgun")) {
    shape = CompatShape::mailgun;
  } else if (!compat_secret(CompatShape::postmark, call).empty()) {
    shape = CompatShape::postmark;
  } else if (path == "/v3/mail/send") {
    shape = CompatShape::sendgrid;
  } else if (path.starts_with("/v3/") &&
             (path.ends_with("/messages") || path.ends_with("/messages.mime"))) {
    shape = CompatShape::mailgun;
  }
  if (!shape) return std::nullopt;
  return CompatCall{*shape, std::move(path)};
}

Task<ApiReply> answer_compat(ApiContext& context, CompatCall found, ApiCall call) {
  call.path = std::move(found.path);
  switch (found.shape) {
    case CompatShape::postmark:
      return answer_postmark(context, std::move(call));
    case CompatShape::sendgrid:
      return answer_sendgrid(context, std::move(call));
    case CompatShape::mailgun:
      return answer_mailgun(context, std::move(call));
  }
  CHECK(false);
}

WebScreening screen_compat(ApiContext& context, const CompatCall& found, const ApiCall& call) {
  const bool postmark = found.shape == CompatShape::postmark;
  if (postmark && compat_secret(found.shape, call) == postmark_test_token) return {};
  const auto principal = compat_principal(context, found.shape, call);
  if (principal) return {std::nullopt, true};
  switch (found.shape) {
    case CompatShape::postmark:
      return {postmark_refusal(principal.error()), false};
    case CompatShape::sendgrid:
      return {sendgrid_refusal(principal.error()), false};
    case CompatShape::mailgun:
      return {mailgun_refusal(principal.error()), false};
  }
  CHECK(false);
}

std::string compat_secret(CompatShape shape, const ApiCall& call) {
  switch (shape) {
    case CompatShape::postmark: {
      const auto server = trim(call.header("x-postmark-server-token"));
      return std::string(server.empty() ? trim(call.header("x-postmark-account-token")) : server);
    }
    case CompatShape::sendgrid:
      return std::string(bearer_of(call));
    case CompatShape::mailgun:
      return basic_password(call);
  }
  CHECK(false);
}

ApiResult<Principal> compat_principal(ApiContext& context, CompatShape shape, const ApiCall& call) {
  const auto secret = compat_secret(shape, call);
  if (secret.empty()) return std::unexpected(ApiError{401, "missing_api_key", "no API key", {}});
  return principal_of_secret(context, call.remote, secret);
}

}  // namespace goniec
