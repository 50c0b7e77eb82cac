// See session.h.
#include "api/session.h"

#include "accounts/sessions.h"
#include "api/body.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view cookie_name = "goniec_session";
constexpr std::size_t alias_depth = 10;

std::string_view token_of(const ApiCall& call) {
  for (std::string_view part : split(call.header("cookie"), ';')) {
    part = trim(part);
    if (!part.starts_with(cookie_name)) continue;
    part.remove_prefix(cookie_name.size());
    if (part.starts_with('=')) return part.substr(1);
  }
  return {};
}

std::string cookie(std::string_view token, const ApiCall& call, std::string_view age) {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict{}{}", cookie_name, token,
                     call.secure ? "; Secure" : "", age);
}

bool leads_to(const Directory& directory, const Address& from, const Address& user,
              std::size_t depth) {
  const Resolved resolved = directory.resolve(from);
  if (resolved.kind == RecipientKind::mailbox) return resolved.mailbox == user;
  if (resolved.kind != RecipientKind::alias || depth == 0) return false;
  for (const Address& target : resolved.targets)
    if (leads_to(directory, target, user, depth - 1)) return true;
  return false;
}

ApiReply not_logged_in() {
  return error_reply(ApiError{401, "missing_api_key", "nobody is logged in", {}});
}

ApiReply session_reply(ApiContext& context, const Session& session) {
  JsonWriter w;
  w.object().key("object").text("session").key("user").text(session.user.text());
  w.key("csrf").text(session.csrf).key("hostname").text(context.intake().hostname);
  w.key("url").text(context.web_url()).key("version").text(context.version);
  w.key("expires_at").text(to_rfc3339(context.sessions.expires_at(session)));
  w.key("smtp").raw(context.smtp_ports_json()).end();
  return json_reply(std::move(w));
}

// In constant time for texts of one length.
bool is_same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char differs = 0;
  for (std::size_t i = 0; i < a.size(); ++i) differs |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differs == 0;
}

}  // namespace

bool is_administrator(const Directory& directory, const Address& user) {
  const Address admin = directory.admin();
  return !admin.empty() && leads_to(directory, admin, user, alias_depth);
}

ApiResult<std::optional<Principal>> principal_of_cookie(ApiContext& context, const ApiCall& call) {
  const auto token = token_of(call);
  if (token.empty()) return std::nullopt;
  const auto session = context.sessions.find(token, context.world.loop.clock().now());
  if (!session || !is_administrator(context.directory, session->user)) return std::nullopt;
  const bool changes = call.method != "GET" && call.method != "HEAD";
  if (changes && !is_same(call.header("x-csrf-token"), session->csrf))
    return std::unexpected(ApiError{
        403, "security_error", "a change wants the session's csrf in the field X-CSRF-Token", {}});
  Principal principal;
  principal.kind = Principal::Kind::session;
  principal.scopes = KeyScopes::all();
  principal.user = session->user;
  return principal;
}

Task<ApiReply> show_session(ApiContext& context, ApiCall call) {
  const auto session = context.sessions.find(token_of(call), context.world.loop.clock().now());
  if (!session || !is_administrator(context.directory, session->user)) co_return not_logged_in();
  co_return session_reply(context, *session);
}

Task<ApiReply> log_in(ApiContext& context, ApiCall call) {
  const auto json = body_object(call.body, {"user", "password"});
  if (!json) co_return error_reply(json.error());
  const auto user = required_text(*json, "user"), password = required_text(*json, "password");
  if (!user) co_return error_reply(user.error());
  if (!password) co_return error_reply(password.error());
  // Another origin must not log a reader in as somebody else.
  if (const auto site = call.header("sec-fetch-site"); !site.empty() && site == "cross-site")
    co_return error_reply(ApiError{403, "security_error", "not from another site", {}});
  const auto prepared = saslprep(*password);
  const auto answer = co_await context.logins.check_password(
      context.world, call.remote.address,
      PlainCredentials{{}, *user, Secret(prepared ? *prepared : *password)}, "web");
  if (!answer.login)
    co_return error_reply(
        answer.reply.is_transient()
            ? ApiError{429, "rate_limit_exceeded", answer.reply.one_line(), {}}
            : ApiError{401, "invalid_login", "the user or the password is wrong", {}});
  if (!is_administrator(context.directory, answer.login->user))
    co_return error_reply(ApiError{403,
                                   "security_error",
                                   "only administrators may log in here: the account to which mail "
                                   "for the admin address goes",
                                   {}});
  const Instant now = context.world.loop.clock().now();
  const std::string token = context.sessions.open(answer.login->user, now);
  ApiReply reply = session_reply(context, *context.sessions.find(token, now));
  reply.headers.emplace_back("Set-Cookie", cookie(token, call, ""));
  co_return reply;
}

Task<ApiReply> log_out(ApiContext& context, ApiCall call) {
  context.sessions.close(token_of(call));
  ApiReply reply;
  reply.status = 204;
  reply.headers.emplace_back("Set-Cookie", cookie("", call, "; Max-Age=0"));
  co_return reply;
}

}  // namespace goniec
