// See api_keys.h.
#include "accounts/api_keys.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr auto every_scope =
    std::to_array<KeyScope>({KeyScope::send, KeyScope::read, KeyScope::manage});
constexpr std::string_view live_prefix = "pk_live_", test_prefix = "pk_test_",
                           sendgrid_prefix = "SG.";
constexpr std::size_t secret_digits = 32;  // of 62 each: 190 bits
constexpr std::size_t hint_digits = 4;
constexpr std::size_t id_octets = 8;
constexpr std::size_t sendgrid_first = 22, sendgrid_second = 43;  // as theirs look
constexpr std::size_t secret_most = 128;  // longer is none of ours, whatever it begins with

// Letters and digits of real randomness, each as likely as the other.
std::string random_digits(std::size_t count) {
  constexpr std::string_view digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr unsigned fair = 256 / digits.size() * digits.size();
  std::string out;
  while (out.size() < count) {
    for (const char c : random_secret(count)) {
      const unsigned value = static_cast<unsigned char>(c);
      if (value < fair && out.size() < count) out += digits[value % digits.size()];
    }
  }
  return out;
}

std::string make_secret(KeySpelling spelling, bool sandbox) {
  if (spelling == KeySpelling::sendgrid)
    return fmt::format("{}{}.{}", sendgrid_prefix, random_digits(sendgrid_first),
                       random_digits(sendgrid_second));
  return fmt::format("{}{}", sandbox ? test_prefix : live_prefix, random_digits(secret_digits));
}

std::string hint_of(std::string_view secret) {
  const std::size_t prefix =
      secret.starts_with(sendgrid_prefix) ? sendgrid_prefix.size() : live_prefix.size();
  return std::string(secret.substr(0, prefix + hint_digits));
}

std::string to_json(const ApiKey& key) {
  JsonWriter w;
  w.object().key("name").text(key.name).key("hint").text(key.hint).key("scopes").array();
  for (const auto& name : key.scopes.names()) w.text(name);
  w.end().key("domain").text(key.domain.ascii()).key("stream").text(key.stream);
  w.key("networks").array();
  for (const auto& network : key.networks) w.text(text_of(network));
  w.end().key("sandbox").boolean(key.sandbox).key("created").text(to_rfc3339(key.created));
  if (key.last_used != Instant{}) {
    w.key("last_used").text(to_rfc3339(key.last_used));
    w.key("last_used_from").text(key.last_used_from);
  }
  w.key("sha256").text(to_hex(key.digest)).end();
  return std::move(w).take();
}

Result<ApiKey> from_json(std::string_view id, std::string_view json) {
  const auto damaged = [id](std::string_view why) {
    return fail(ErrorKind::damaged,
                fmt::format("the stored key \"{}\" cannot be read: {}", printable(id), why));
  };
  const auto value = JsonValue::parse(json);
  if (!value) return damaged("its form");
  ApiKey key;
  key.id = id;
  key.name = value->text_at("name");
  key.hint = value->text_at("hint");
  const auto scopes = value->at("scopes");
  for (const auto& each : scopes ? scopes->items() : std::vector<JsonValue>())
    if (const auto scope = key_scope_of(each.text().value_or(""))) key.scopes.add(*scope);
  if (const auto domain = value->text_at("domain"); !domain.empty()) {
    auto parsed = Domain::parse(domain);
    if (!parsed) return damaged("its domain");
    key.domain = std::move(*parsed);
  }
  key.stream = value->text_at("stream");
  const auto networks = value->at("networks");
  for (const auto& each : networks ? networks->items() : std::vector<JsonValue>()) {
    const auto network = IpNetwork::parse(each.text().value_or(""));
    if (!network) return damaged("a network");  // never a key that is good from everywhere
    key.networks.push_back(*network);
  }
  key.sandbox = value->boolean_at("sandbox");
  key.created = parse_rfc3339(value->text_at("created")).value_or(Instant{});
  key.last_used = parse_rfc3339(value->text_at("last_used")).value_or(Instant{});
  key.last_used_from = value->text_at("last_used_from");
  key.digest = from_hex(value->text_at("sha256")).value_or("");
  if (key.digest.size() != Sha256().size()) return damaged("its digest");
  return key;
}

Event changed_event(std::string_view id, std::string_view action, Instant at) {
  JsonWriter w;
  w.object().key("object").text("key").key("key").text(id).key("action").text(action).end();
  Event event;
  event.kind = EventKind::object_changed;
  event.at = at;
  event.data = std::move(w).take();
  return event;
}

}  // namespace

std::string_view name_of(KeyScope scope) {
  switch (scope) {
    case KeyScope::send:
      return "send";
    case KeyScope::read:
      return "read";
    case KeyScope::manage:
      return "manage";
  }
  return "send";
}

std::optional<KeyScope> key_scope_of(std::string_view name) {
  for (const KeyScope scope : every_scope)
    if (name_of(scope) == name) return scope;
  return std::nullopt;
}

bool KeyScopes::has(KeyScope scope) const {
  switch (scope) {
    case KeyScope::send:
      return send;
    case KeyScope::read:
      return read;
    case KeyScope::manage:
      return manage;
  }
  return false;
}

void KeyScopes::add(KeyScope scope) {
  send |= scope == KeyScope::send;
  read |= scope == KeyScope::read;
  manage |= scope == KeyScope::manage;
}

std::vector<std::string> KeyScopes::names() const {
  std::vector<std::string> out;
  for (const KeyScope scope : every_scope)
    if (has(scope)) out.emplace_back(name_of(scope));
  return out;
}

bool ApiKey::may_come_from(const IpAddress& address) const {
  return networks.empty() || std::ranges::any_of(networks, [&address](const IpNetwork& network) {
           return network.contains(address);
         });
}

bool is_or_is_below(const Domain& domain, const Domain& top) {
  const std::string_view name = domain.ascii(), end = top.ascii();
  return name == end || (name.size() > end.size() && name.ends_with(end) &&
                         name[name.size() - end.size() - 1] == '.');
}

bool may_send_as(const ApiKey& key, const Directory& directory, const Address& sender) {
  if (sender.empty()) return true;
  if (sender.domain().is_literal()) return false;
  if (!key.domain.empty()) return is_or_is_below(sender.domain(), key.domain);
  return std::ranges::any_of(directory.domains(), [&sender](const DomainObject& each) {
    return is_or_is_below(sender.domain(), each.domain);
  });
}

std::string text_of(const IpNetwork& network) {
  const bool whole = network.prefix == (network.address.v6 ? 128u : 32u);
  return whole ? network.address.text()
               : fmt::format("{}/{}", network.address.text(), network.prefix);
}

bool looks_like_api_key(std::string_view text) {
  return text.size() <= secret_most &&
         (text.starts_with(live_prefix) || text.starts_with(test_prefix) ||
          text.starts_with(sendgrid_prefix));
}

Result<void> ApiKeys::open(Committer& committer, Reader& reader) {
  committer_ = &committer;
  const auto objects = TRY(reader.objects("key"));
  std::unique_lock lock(mutex_);
  for (const auto& [id, json] : objects) keep(TRY(from_json(id, json)));
  return {};
}

void ApiKeys::keep(ApiKey key) {
  ids_[key.digest] = key.id;
  const std::string id = key.id;
  keys_[id] = std::move(key);
}

ApiKey ApiKeys::with_use(ApiKey key) const {
  std::lock_guard lock(use_mutex_);
  if (const auto use = unwritten_.find(key.id); use != unwritten_.end()) {
    key.last_used = use->second.at;
    key.last_used_from = use->second.from;
  }
  return key;
}

std::optional<ApiKey> ApiKeys::find(std::string_view secret) const {
  if (!looks_like_api_key(secret)) return std::nullopt;
  const Sha256 digest = sha256(secret);
  std::shared_lock lock(mutex_);
  const auto id = ids_.find(std::string(view(digest)));
  if (id == ids_.end()) return std::nullopt;
  const auto found = keys_.find(id->second);
  CHECK(found != keys_.end());
  return found->second;
}

std::optional<ApiKey> ApiKeys::by_id(std::string_view id) const {
  std::shared_lock lock(mutex_);
  const auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return with_use(found->second);
}

std::vector<ApiKey> ApiKeys::all() const {
  std::vector<ApiKey> all;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [id, key] : keys_) all.push_back(with_use(key));
  }
  std::ranges::sort(all, [](const ApiKey& a, const ApiKey& b) {
    return std::tie(b.created, b.id) < std::tie(a.created, a.id);
  });
  return all;
}

bool ApiKeys::empty() const {
  std::shared_lock lock(mutex_);
  return keys_.empty();
}

void ApiKeys::used(const std::string& id, Instant now, const IpAddress& from) {
  std::lock_guard lock(use_mutex_);
  Use& use = unwritten_[id];
  use.at = now;
  use.from = from.text();
}

Task<Result<MadeKey>> ApiKeys::make(Loop& loop, ApiKey wanted, KeySpelling spelling) {
  CHECK(committer_);
  MadeKey made{std::move(wanted), {}};
  made.secret = make_secret(spelling, made.key.sandbox);
  made.key.id = "key_" + to_hex(random_secret(id_octets));
  made.key.hint = hint_of(made.secret);
  made.key.created = std::chrono::floor<std::chrono::milliseconds>(loop.clock().now());
  made.key.last_used = {};
  made.key.digest = std::string(view(sha256(made.secret)));
  FactsRequest facts;
  facts.puts = {ObjectPut{{"key", made.key.id}, to_json(made.key), true}};
  facts.events = {changed_event(made.key.id, "created", made.key.created)};
  CO_TRY(co_await committer_->record(loop, std::move(facts)));
  std::unique_lock lock(mutex_);
  keep(made.key);
  co_return made;
}

Task<Result<ApiKey>> ApiKeys::revoke(Loop& loop, std::string id) {
  CHECK(committer_);
  const auto known = by_id(id);
  if (!known)
    co_return fail(ErrorKind::not_found, fmt::format("there is no key {}", printable(id, 60)));
  // No longer good before it is gone: who revokes a key that leaked waits for nothing.
  {
    std::unique_lock lock(mutex_);
    ids_.erase(known->digest);
    keys_.erase(id);
  }
  FactsRequest facts;
  facts.removes = {ObjectKey{"key", id}};
  facts.events = {changed_event(id, "deleted", loop.clock().now())};
  auto removed = co_await committer_->record(loop, std::move(facts));
  if (!removed) {
    std::unique_lock lock(mutex_);
    keep(*known);
    co_return std::unexpected(removed.error());
  }
  std::lock_guard lock(use_mutex_);
  unwritten_.erase(id);
  co_return *known;
}

Task<void> ApiKeys::flush_use(Loop& loop) {
  std::map<std::string, Use, std::less<>> uses;
  {
    std::lock_guard lock(use_mutex_);
    uses = unwritten_;
  }
  for (const auto& [id, use] : uses) {
    auto key = by_id(id);
    if (!key) continue;
    key->last_used = use.at;
    key->last_used_from = use.from;
    const auto written =
        co_await committer_->put_object(loop, ObjectPut{{"key", id}, to_json(*key), false});
    if (!written) co_return;  // the store is out of order: what is known stays in memory
    std::unique_lock lock(mutex_);
    const auto found = keys_.find(id);
    if (found == keys_.end()) continue;
    found->second.last_used = use.at;
    found->second.last_used_from = use.from;
    std::lock_guard use_lock(use_mutex_);
    const auto unwritten = unwritten_.find(id);
    if (unwritten != unwritten_.end() && unwritten->second.at == use.at)
      unwritten_.erase(unwritten);
  }
}

}  // namespace goniec
