// Domains, users, aliases, reload, backup (manage.h).
#include "api/manage.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {

namespace {

ApiReply done() {
  JsonWriter w;
  w.object().key("done").boolean(true).end();
  return json_reply(std::move(w));
}

ApiReply done_or_error(const Result<void>& result) {
  return result ? done() : error_reply(result.error());
}

// The body as an object with no member but the known ones: a typing error must not pass silently.
Result<JsonValue> object_of(const std::string& body, const std::vector<std::string>& known) {
  auto json = TRY(JsonValue::parse(body));
  if (!json.is_object()) return fail(ErrorKind::bad_data, "the body must be a JSON object");
  for (const auto& key : json.keys()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const auto near = nearest(key, known);
    return fail(ErrorKind::bad_data,
                fmt::format("unknown member \"{}\"{}", printable(key, 60),
                            near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  }
  return json;
}

Result<std::vector<std::string>> texts_at(const JsonValue& json, std::string_view key) {
  std::vector<std::string> out;
  const auto list = json.at(key);
  if (!list) return out;
  if (!list->is_array())
    return fail(ErrorKind::bad_data, fmt::format("\"{}\" must be a list of strings", key));
  for (const auto& item : list->items()) {
    auto text = item.text();
    if (!text)
      return fail(ErrorKind::bad_data, fmt::format("\"{}\" must be a list of strings", key));
    out.push_back(std::move(*text));
  }
  return out;
}

Result<Address> address_at(const JsonValue& json, std::string_view key) {
  const auto text = json.text_at(key);
  if (text.empty()) return fail(ErrorKind::bad_data, fmt::format("\"{}\" is missing", key));
  auto address = Address::parse(text);
  if (!address)
    return fail(ErrorKind::bad_data,
                fmt::format("{}: {}", printable(text, 100), address.error().message));
  return address;
}

std::string_view recipients_text(RelayRecipients recipients) {
  switch (recipients) {
    case RelayRecipients::list:
      return "list";
    case RelayRecipients::verify:
      return "verify";
    case RelayRecipients::any:
      return "any";
  }
  CHECK(false);
}

Result<DomainObject> domain_object_of(const std::string& body) {
  const auto json = TRY(object_of(body, {"domain", "relay", "recipients", "listed"}));
  DomainObject object;
  object.domain = TRY(Domain::parse(json.text_at("domain")));
  if (object.domain.is_literal())
    return fail(ErrorKind::bad_data, "a domain is a name, not an address");
  object.relay = json.boolean_at("relay");
  const auto recipients = json.text_at("recipients", "any");
  if (recipients == "list") {
    object.recipients = RelayRecipients::list;
  } else if (recipients == "verify") {
    object.recipients = RelayRecipients::verify;
  } else if (recipients != "any") {
    return fail(ErrorKind::bad_data, "\"recipients\" must be \"list\", \"verify\" or \"any\"");
  }
  object.listed = TRY(texts_at(json, "listed"));
  if (!object.relay && (json.at("recipients") || !object.listed.empty())) {
    return fail(
        ErrorKind::bad_data,
        "recipients are given for relay domains only; a local domain has users and aliases");
  }
  return object;
}

// A pattern of addresses that an account may send as: "a@b", "*@b", "*".
Result<void> check_send_as(const std::vector<std::string>& patterns) {
  for (const auto& pattern : patterns) {
    if (pattern == "*") continue;
    if (pattern.starts_with("*@") ? Domain::parse(std::string_view(pattern).substr(2)).has_value()
                                  : Address::parse(pattern).has_value()) {
      continue;
    }
    return fail(ErrorKind::bad_data,
                fmt::format("send_as \"{}\" is not an address, \"*@DOMAIN\" or \"*\"",
                            printable(pattern, 100)));
  }
  return {};
}

struct UserFields {
  std::string password;
  bool scram = false;
  std::optional<std::uint64_t> quota;
  std::optional<std::vector<std::string>> send_as;
};

Result<UserFields> user_fields_of(const JsonValue& json) {
  UserFields fields;
  fields.password = json.text_at("password");
  if (json.at("password") && fields.password.empty())
    return fail(ErrorKind::bad_data, "the password is empty");
  fields.scram = json.boolean_at("scram");
  if (const auto quota = json.at("quota")) {
    const auto number = quota->integer();
    if (number && *number < 0) return fail(ErrorKind::bad_data, "\"quota\" must not be negative");
    fields.quota =
        number ? static_cast<std::uint64_t>(*number) : TRY(parse_size(quota->text().value_or("")));
  }
  if (json.at("send_as")) {
    fields.send_as = TRY(texts_at(json, "send_as"));
    if (auto right = check_send_as(*fields.send_as); !right) return std::unexpected(right.error());
  }
  return fields;
}

// Applies what was given; the password is hashed on the offload pool.
Task<Result<UserObject>> with_fields(ApiContext& context, UserObject user, UserFields fields) {
  if (fields.quota) user.quota_octets = *fields.quota;
  if (fields.send_as) user.send_as = std::move(*fields.send_as);
  if (fields.password.empty()) co_return user;
  struct Work {
    std::function<Result<PasswordRecord>(std::string, bool)> make;
    std::string password;
    bool scram;
    Result<PasswordRecord> operator()() { return make(std::move(password), scram); }
  };
  auto record = CO_TRY(co_await context.world.offload.run(
      context.world.loop,
      Work{context.make_password, std::move(fields.password), fields.scram || user.scram}));
  if (!record) co_return std::unexpected(record.error());
  user.password_hash = std::move(record->hash);
  user.scram = std::move(record->scram);
  co_return user;
}

void write_domain(JsonWriter& w, const DomainObject& domain) {
  w.object().key("domain").text(domain.domain.ascii()).key("relay").boolean(domain.relay);
  if (domain.relay) {
    w.key("recipients").text(recipients_text(domain.recipients));
    w.key("listed").array();
    for (const auto& each : domain.listed) w.text(each);
    w.end();
  }
  w.end();
}

void write_user(JsonWriter& w, const UserObject& user, std::optional<std::uint64_t> used) {
  w.object().key("address").text(user.address.text()).key("quota").number(user.quota_octets);
  if (used) w.key("used").number(*used);
  w.key("send_as").array();
  for (const auto& each : user.send_as) w.text(each);
  w.end();
  w.key("login").boolean(!user.password_hash.empty()).key("scram").boolean(user.scram.has_value());
  w.key("created_at").text(to_rfc3339(user.created)).end();
}

void write_alias(JsonWriter& w, const AliasObject& alias) {
  w.object().key("address").text(alias.address.text()).key("targets").array();
  for (const auto& target : alias.targets) w.text(target.text());
  w.end().end();
}

Result<std::vector<std::uint64_t>> octets_of(Reader& reader, const std::vector<UserObject>& users) {
  std::vector<std::uint64_t> octets;
  for (const auto& user : users) octets.push_back(TRY(reader.mailbox_octets(user.address)));
  return octets;
}

Result<AliasObject> alias_object_of(const std::string& body) {
  const auto json = TRY(object_of(body, {"address", "targets"}));
  AliasObject alias;
  alias.address = TRY(address_at(json, "address"));
  for (const auto& text : TRY(texts_at(json, "targets"))) {
    auto target = Address::parse(text);
    if (!target)
      return fail(ErrorKind::bad_data,
                  fmt::format("{}: {}", printable(text, 100), target.error().message));
    alias.targets.push_back(std::move(*target));
  }
  if (alias.targets.empty()) return fail(ErrorKind::bad_data, "an alias needs a target");
  return alias;
}

std::string_view kind_text(RecipientKind kind) {
  switch (kind) {
    case RecipientKind::mailbox:
      return "mailbox";
    case RecipientKind::alias:
      return "alias";
    case RecipientKind::relay:
    case RecipientKind::verify:
      return "relay";
    case RecipientKind::remote:
      return "remote";
    case RecipientKind::unknown:
      return "unknown";
  }
  CHECK(false);
}

}  // namespace

// ---------------------------------------------------------------- domains
Task<ApiReply> list_domains(ApiContext& context, ApiCall) {
  JsonWriter w;
  w.array();
  for (const auto& domain : context.directory.domains()) write_domain(w, domain);
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> add_domain(ApiContext& context, ApiCall call) {
  auto object = domain_object_of(call.body);
  if (!object) co_return error_reply(object.error());
  co_return done_or_error(
      co_await context.directory.add_domain(context.world.loop, std::move(*object)));
}

Task<ApiReply> remove_domain(ApiContext& context, ApiCall call) {
  const auto domain = Domain::parse(call.argument);
  if (!domain) co_return error_reply(domain.error());
  co_return done_or_error(co_await context.directory.remove_domain(context.world.loop, *domain));
}

// ---------------------------------------------------------------- users
Task<ApiReply> list_users(ApiContext& context, ApiCall) {
  const auto users = context.directory.users();
  const auto octets = co_await context.readers.read(
      context.world.loop, [users](Reader& reader) { return octets_of(reader, users); });
  JsonWriter w;
  w.array();
  for (std::size_t i = 0; i < users.size(); ++i) {
    write_user(w, users[i], octets ? std::optional((*octets)[i]) : std::nullopt);
  }
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> add_user(ApiContext& context, ApiCall call) {
  const auto json = object_of(call.body, {"address", "password", "quota", "send_as", "scram"});
  if (!json) co_return error_reply(json.error());
  const auto address = address_at(*json, "address");
  if (!address) co_return error_reply(address.error());
  auto fields = user_fields_of(*json);
  if (!fields) co_return error_reply(fields.error());
  UserObject user;
  user.address = *address;
  user.created = context.world.loop.clock().now();
  auto made = co_await with_fields(context, std::move(user), std::move(*fields));
  if (!made) co_return error_reply(made.error());
  co_return done_or_error(
      co_await context.directory.add_user(context.world.loop, std::move(*made)));
}

Task<ApiReply> change_user(ApiContext& context, ApiCall call) {
  const auto address = Address::parse(call.argument);
  if (!address) co_return error_reply(address.error());
  const auto json = object_of(call.body, {"password", "quota", "send_as", "scram"});
  if (!json) co_return error_reply(json.error());
  auto fields = user_fields_of(*json);
  if (!fields) co_return error_reply(fields.error());
  auto user = context.directory.user(*address);
  if (!user)
    co_return error_reply(
        {ErrorKind::not_found, fmt::format("there is no user {}", address->text())});
  auto made = co_await with_fields(context, std::move(*user), std::move(*fields));
  if (!made) co_return error_reply(made.error());
  co_return done_or_error(
      co_await context.directory.replace_user(context.world.loop, std::move(*made)));
}

Task<ApiReply> remove_user(ApiContext& context, ApiCall call) {
  const auto address = Address::parse(call.argument);
  if (!address) co_return error_reply(address.error());
  co_return done_or_error(co_await context.directory.remove_user(context.world.loop, *address));
}

// ---------------------------------------------------------------- aliases
Task<ApiReply> list_aliases(ApiContext& context, ApiCall) {
  JsonWriter w;
  w.array();
  for (const auto& alias : context.directory.aliases()) write_alias(w, alias);
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> add_alias(ApiContext& context, ApiCall call) {
  auto alias = alias_object_of(call.body);
  if (!alias) co_return error_reply(alias.error());
  co_return done_or_error(
      co_await context.directory.add_alias(context.world.loop, std::move(*alias)));
}

Task<ApiReply> remove_alias(ApiContext& context, ApiCall call) {
  const auto address = Address::parse(call.argument);
  if (!address) co_return error_reply(address.error());
  co_return done_or_error(co_await context.directory.remove_alias(context.world.loop, *address));
}

// ---------------------------------------------------------------- the server
Task<ApiReply> reload_config(ApiContext& context, ApiCall) {
  co_return done_or_error(context.reload());
}

Task<ApiReply> reload_alias_files(ApiContext& context, ApiCall call) {
  if (call.peer && call.peer->uid != 0 && call.peer->uid != context.own_uid &&
      !context.is_trusted_user(call.peer->uid)) {
    co_return error_reply(
        {ErrorKind::not_permitted, "newaliases is for root and the trusted users"});
  }
  co_return done_or_error(context.reload_aliases());
}

Task<ApiReply> create_backup(ApiContext& context, ApiCall call) {
  const auto json = object_of(call.body, {"directory"});
  if (!json) co_return error_reply(json.error());
  const auto directory = json->text_at("directory");
  if (!directory.starts_with('/'))
    co_return error_reply({ErrorKind::bad_data, "\"directory\" must be an absolute path"});
  co_return done_or_error(co_await context.committer.run(
      context.world.loop, [directory](Store& store) { return store.backup(directory); }));
}

Task<ApiReply> explain_route_of(ApiContext& context, ApiCall call) {
  auto address = Address::parse(call.argument);
  if (!address) co_return error_reply(address.error());
  co_return ApiReply{200, "application/json",
                     co_await context.explain_route(std::move(*address)) + "\n"};
}

Task<ApiReply> verify_address(ApiContext& context, ApiCall call) {
  const auto address = Address::parse(call.argument);
  if (!address) co_return error_reply(address.error());
  const auto resolved = context.directory.resolve(*address);
  if (resolved.kind == RecipientKind::unknown) {
    co_return error_reply(
        {ErrorKind::not_found, fmt::format("{}: no such user here", address->text())});
  }
  JsonWriter w;
  w.object().key("address").text(address->text()).key("kind").text(kind_text(resolved.kind));
  // Where an alias leads is told on the admin socket only.
  if (!call.peer || call.peer->uid == 0) {
    w.key("targets").array();
    for (const auto& target : resolved.targets) w.text(target.text());
    w.end();
  }
  w.end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
