// The objects of the directory as JSON (the form is in directory_tables.h), and the patterns of
// send_as. What the house wrote itself and cannot read again is `damaged`, and the object is named:
// better no start than a user or an alias silently gone.
#include "accounts/directory_tables.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

std::string_view name_of(RelayRecipients recipients) {
  switch (recipients) {
    case RelayRecipients::list:
      return "list";
    case RelayRecipients::verify:
      return "verify";
    case RelayRecipients::any:
      return "any";
  }
  return "any";
}

std::vector<std::string> texts_at(const JsonValue& object, std::string_view key) {
  std::vector<std::string> texts;
  const auto list = object.at(key);
  if (!list) return texts;
  for (const JsonValue& item : list->items())
    if (auto text = item.text()) texts.push_back(std::move(*text));
  return texts;
}

void write_texts(JsonWriter& w, std::string_view key, const std::vector<std::string>& texts) {
  w.key(key).array();
  for (const std::string& text : texts) w.text(text);
  w.end();
}

Instant time_at(const JsonValue& object, std::string_view key) {
  return parse_rfc3339(object.text_at(key)).value_or(Instant{});
}

// An object that the house wrote and cannot read any more.
std::unexpected<Error> damaged(std::string_view kind, std::string_view key, const Error& error) {
  return fail(ErrorKind::damaged, fmt::format("the stored {} \"{}\" cannot be read: {}", kind,
                                              printable(key), error.message));
}

std::optional<ScramKeys> scram_at(const JsonValue& user) {
  const auto object = user.at("scram");
  if (!object || !object->is_object()) return {};
  const auto salt = from_base64(object->text_at("salt"));
  const auto stored_key = from_base64(object->text_at("stored_key"));
  const auto server_key = from_base64(object->text_at("server_key"));
  if (!salt || !stored_key || !server_key) return {};
  return ScramKeys{*salt, static_cast<std::uint32_t>(object->integer_at("iterations")), *stored_key,
                   *server_key};
}

}  // namespace

std::string to_json(const DomainObject& domain) {
  JsonWriter w;
  w.object().key("relay").boolean(domain.relay);
  w.key("recipients").text(name_of(domain.recipients));
  write_texts(w, "listed", domain.listed);
  w.key("created").text(to_rfc3339(domain.created)).end();
  return std::move(w).take();
}

std::string to_json(const UserObject& user) {
  JsonWriter w;
  w.object().key("password_hash").text(user.password_hash);
  if (user.scram) {
    w.key("scram").object().key("salt").text(to_base64(user.scram->salt));
    w.key("iterations").number(user.scram->iterations);
    w.key("stored_key").text(to_base64(user.scram->stored_key));
    w.key("server_key").text(to_base64(user.scram->server_key)).end();
  }
  w.key("quota").number(user.quota_octets);
  write_texts(w, "send_as", user.send_as);
  w.key("created").text(to_rfc3339(user.created)).end();
  return std::move(w).take();
}

std::string to_json(const AliasObject& alias) {
  JsonWriter w;
  w.object().key("targets").array();
  for (const Address& target : alias.targets) w.text(target.text());
  w.end().end();
  return std::move(w).take();
}

Result<DomainObject> domain_from_json(std::string_view key, std::string_view json) {
  const auto domain = Domain::parse(key);
  if (!domain) return damaged("domain", key, domain.error());
  const auto value = JsonValue::parse(json);
  if (!value) return damaged("domain", key, value.error());
  DomainObject object{*domain, value->boolean_at("relay")};
  const std::string recipients = value->text_at("recipients", "any");
  for (const auto each : {RelayRecipients::list, RelayRecipients::verify, RelayRecipients::any})
    if (recipients == name_of(each)) object.recipients = each;
  object.listed = texts_at(*value, "listed");
  object.created = time_at(*value, "created");
  return object;
}

Result<UserObject> user_from_json(std::string_view key, std::string_view json) {
  const auto address = Address::parse(key);
  if (!address) return damaged("user", key, address.error());
  const auto value = JsonValue::parse(json);
  if (!value) return damaged("user", key, value.error());
  UserObject user{.address = canonical(*address)};
  user.password_hash = value->text_at("password_hash");
  user.scram = scram_at(*value);
  user.quota_octets = static_cast<std::uint64_t>(value->integer_at("quota"));
  user.send_as = texts_at(*value, "send_as");
  user.created = time_at(*value, "created");
  return user;
}

Result<AliasObject> alias_from_json(std::string_view key, std::string_view json) {
  const auto address = Address::parse(key);
  if (!address) return damaged("alias", key, address.error());
  const auto value = JsonValue::parse(json);
  if (!value) return damaged("alias", key, value.error());
  AliasObject alias{canonical(*address), {}};
  for (const std::string& text : texts_at(*value, "targets")) {
    auto target = Address::parse(text);
    if (!target) return damaged("alias", key, target.error());
    alias.targets.push_back(std::move(*target));
  }
  return alias;
}

bool matches_send_as(std::string_view pattern, const Address& sender) {
  if (pattern == "*") return true;
  if (pattern.starts_with("*@")) {
    const auto domain = Domain::parse(pattern.substr(2));
    return domain && *domain == sender.domain();
  }
  const auto address = Address::parse(pattern);
  return address && canonical(*address) == canonical(sender);
}

Result<void> check_send_as(std::string_view pattern) {
  if (pattern == "*") return {};
  const bool good = pattern.starts_with("*@") ? Domain::parse(pattern.substr(2)).has_value()
                                              : Address::parse(pattern).has_value();
  if (good) return {};
  return fail(ErrorKind::bad_data,
              fmt::format("\"{}\" is no pattern of senders: write an address, *@domain, or *",
                          printable(pattern)));
}

}  // namespace goniec
