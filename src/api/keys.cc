// See keys.h.
#include "api/keys.h"

#include "api/body.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t name_octets = 100;

void write_members(JsonWriter& w, const ApiKey& key) {
  const auto or_null = [&w](std::string_view name, const std::string& value) {
    w.key(name);
    if (value.empty())
      w.null();
    else
      w.text(value);
  };
  w.key("object").text("api_key").key("id").text(key.id).key("name").text(key.name);
  w.key("hint").text(key.hint).key("scopes").array();
  for (const auto& name : key.scopes.names()) w.text(name);
  w.end();
  or_null("domain", key.domain.ascii());
  or_null("stream", key.stream);
  w.key("networks").array();
  for (const auto& network : key.networks) w.text(text_of(network));
  w.end().key("sandbox").boolean(key.sandbox);
  w.key("created_at").text(to_rfc3339(key.created));
  or_null("last_used_at", key.last_used == Instant{} ? "" : to_rfc3339(key.last_used));
  or_null("last_used_from", key.last_used_from);
}

ApiResult<KeyScopes> scopes_of(const JsonValue& json) {
  KeyScopes scopes;
  if (const auto permission = TRY(text_member(json, "permission"))) {
    if (json.at("scopes")) return refuse_field("permission", "\"scopes\" says it already");
    if (*permission == "full_access") return KeyScopes::all();
    if (*permission == "sending_access") return KeyScopes{.send = true};
    return refuse_field("permission", "full_access or sending_access is wanted");
  }
  const auto names = TRY(texts_member(json, "scopes"));
  for (std::size_t at = 0; at < names.size(); ++at) {
    const auto scope = key_scope_of(names[at]);
    if (!scope)
      return refuse_field(fmt::format("scopes[{}]", at), "send, read or manage is wanted");
    scopes.add(*scope);
  }
  // Resend's default is everything; a new key of ours can send and no more.
  if (!scopes.any()) scopes.send = true;
  return scopes;
}

ApiResult<ApiKey> wanted_key(const ApiContext& context, const JsonValue& json) {
  ApiKey key;
  key.name = TRY(required_text(json, "name"));
  if (key.name.size() > name_octets) return refuse_field("name", "longer than 100 octets");
  key.scopes = TRY(scopes_of(json));
  for (const std::string_view member : {"domain", "domain_id"}) {
    const auto text = TRY(text_member(json, member));
    if (!text || text->empty()) continue;
    auto domain = Domain::parse(*text);
    if (!domain) return refuse_field(std::string(member), domain.error().message);
    key.domain = std::move(*domain);
    if (!may_send_as(ApiKey{}, context.directory, Address::make("a", key.domain)))
      return refuse_field(std::string(member),
                          fmt::format("the domain {} is none of this server", key.domain.ascii()));
  }
  key.stream = TRY(text_member(json, "stream")).value_or("");
  const auto networks = TRY(texts_member(json, "networks"));
  for (std::size_t at = 0; at < networks.size(); ++at) {
    const auto network = IpNetwork::parse(networks[at]);
    if (!network)
      return refuse_field(fmt::format("networks[{}]", at), "like 192.0.2.0/24 is wanted");
    key.networks.push_back(*network);
  }
  key.sandbox = TRY(flag_member(json, "sandbox")).value_or(false);
  return key;
}

// Who manages by a key that is bound must not make one that is not.
ApiResult<> check_rights(const Principal& principal, const ApiKey& wanted) {
  if (!principal.key) return {};
  const auto refuse = [](std::string field, std::string message) {
    return std::unexpected(
        ApiError{403, "restricted_api_key", std::move(message), std::move(field)});
  };
  const ApiKey& own = *principal.key;
  for (const auto& name : wanted.scopes.names())
    if (!own.scopes.has(*key_scope_of(name)))
      return refuse("scopes", fmt::format("this key has not the scope {} itself", name));
  if (!own.domain.empty() && wanted.domain != own.domain)
    return refuse("domain", fmt::format("this key is bound to {}", own.domain.ascii()));
  if (!own.stream.empty() && wanted.stream != own.stream)
    return refuse("stream", fmt::format("this key is bound to {}", own.stream));
  if (own.sandbox && !wanted.sandbox) return refuse("sandbox", "this key is one of the sandbox");
  if (!own.networks.empty() && wanted.networks.empty())
    return refuse("networks", "this key is bound to networks");
  return {};
}

}  // namespace

Task<ApiReply> list_api_keys(ApiContext& context, ApiCall) {
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (const auto& key : context.api_keys.all()) {
    w.object();
    write_members(w, key);
    w.end();
  }
  w.end().key("has_more").boolean(false).key("next").null().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> create_api_key(ApiContext& context, ApiCall call) {
  const auto json = body_object(call.body, {"name", "permission", "domain_id", "scopes", "domain",
                                            "stream", "networks", "sandbox", "format"});
  if (!json) co_return error_reply(json.error());
  auto wanted = wanted_key(context, *json);
  if (!wanted) co_return error_reply(wanted.error());
  if (const auto right = check_rights(call.principal, *wanted); !right)
    co_return error_reply(right.error());
  const auto format = json->text_at("format", "native");
  if (format != "native" && format != "sendgrid")
    co_return error_reply(ApiError{.message = "native or sendgrid is wanted", .field = "format"});
  const auto made = co_await context.api_keys.make(
      context.world.loop, std::move(*wanted),
      format == "sendgrid" ? KeySpelling::sendgrid : KeySpelling::native);
  if (!made) co_return error_reply(api_error(made.error()));
  JsonWriter w;
  w.object();
  write_members(w, made->key);
  w.key("token").text(made->secret).end();
  co_return json_reply(std::move(w), 201);
}

Task<ApiReply> revoke_api_key(ApiContext& context, ApiCall call) {
  const auto revoked = co_await context.api_keys.revoke(context.world.loop, call.argument);
  if (!revoked) co_return error_reply(api_error(revoked.error()));
  JsonWriter w;
  w.object().key("object").text("api_key").key("id").text(call.argument);
  w.key("deleted").boolean(true).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
