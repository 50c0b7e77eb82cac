// See signing_keys.h.
#include "accounts/signing_keys.h"

#include <algorithm>
#include <mutex>

#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

std::string to_json(const SigningKey& key) {
  JsonWriter w;
  w.object().key("algorithm").text(name_of(key.algorithm)).key("state").text(name_of(key.state));
  w.key("bits").number(static_cast<std::int64_t>(key.bits));
  w.key("created").text(to_rfc3339(key.created)).key("changed").text(to_rfc3339(key.changed));
  w.key("public").text(to_base64(key.public_data));
  w.key("private").text(key.key ? key.key->pem() : "").end();
  return std::move(w).take();
}

Result<SigningKey> from_json(std::string_view name, std::string_view json) {
  const auto damaged = [&](std::string_view why) {
    return fail(ErrorKind::damaged,
                fmt::format("the stored key \"{}\" cannot be read: {}", printable(name), why));
  };
  const auto slash = name.find('/');
  auto domain = Domain::parse(name.substr(0, slash));
  const auto value = JsonValue::parse(json);
  if (slash == std::string_view::npos || !domain || !value) return damaged("its name or form");
  SigningKey key;
  key.domain = std::move(*domain);
  key.selector = name.substr(slash + 1);
  key.algorithm =
      value->text_at("algorithm") == "ed25519" ? KeyAlgorithm::ed25519 : KeyAlgorithm::rsa;
  key.bits = static_cast<unsigned>(value->integer_at("bits"));
  for (const auto state :
       {SigningKeyState::active, SigningKeyState::retiring, SigningKeyState::retired})
    if (value->text_at("state") == name_of(state)) key.state = state;
  key.created = parse_rfc3339(value->text_at("created")).value_or(Instant{});
  key.changed = parse_rfc3339(value->text_at("changed")).value_or(Instant{});
  key.public_data = from_base64(value->text_at("public")).value_or("");
  if (key.state == SigningKeyState::retired) return key;
  auto pem = PrivateKey::from_pem(value->text_at("private"));
  if (!pem) return damaged(pem.error().message);
  key.key = std::make_shared<const PrivateKey>(std::move(*pem));
  return key;
}

std::string name_text(const Domain& domain, std::string_view selector) {
  return fmt::format("{}/{}", domain.ascii(), selector);
}

}  // namespace

std::string_view name_of(SigningKeyState state) {
  switch (state) {
    case SigningKeyState::pending:
      return "pending";
    case SigningKeyState::active:
      return "active";
    case SigningKeyState::retiring:
      return "retiring";
    case SigningKeyState::retired:
      return "retired";
  }
  return "pending";
}

std::string SigningKey::record() const {
  return key_record_text(algorithm, state == SigningKeyState::retired ? "" : public_data);
}

Result<void> SigningKeys::open(Committer& committer, Reader& reader) {
  committer_ = &committer;
  const auto objects = TRY(reader.objects("dkim"));
  std::unique_lock lock(mutex_);
  for (const auto& [name, json] : objects) {
    SigningKey key = TRY(from_json(name, json));
    const Domain domain = key.domain;
    keys_[{domain, key.selector}] = std::move(key);
    choose(domain);
  }
  return {};
}

std::vector<SigningKey> SigningKeys::all() const {
  std::vector<SigningKey> all;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [name, key] : keys_) all.push_back(key);
  }
  std::ranges::sort(all, [](const SigningKey& a, const SigningKey& b) {
    return std::tie(a.domain, a.created, a.selector) < std::tie(b.domain, b.created, b.selector);
  });
  return all;
}

std::optional<DkimSigning> SigningKeys::signing_for(const Domain& author) const {
  std::shared_lock lock(mutex_);
  if (chosen_.empty() || author.is_literal()) return std::nullopt;
  // From the domain itself upwards; a name of one label is nobody's.
  for (std::string_view name = author.ascii(); name.find('.') != std::string_view::npos;
       name.remove_prefix(name.find('.') + 1)) {
    const auto domain = Domain::parse(name);
    if (!domain) break;
    if (const auto found = chosen_.find(*domain); found != chosen_.end()) return found->second;
  }
  return std::nullopt;
}

// RSA first: who cannot do Ed25519 stops at the first field that he can.
void SigningKeys::choose(const Domain& domain) {
  DkimSigning signing;
  signing.domain = domain;
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::rsa, KeyAlgorithm::ed25519}) {
    const SigningKey* newest = nullptr;
    for (const auto& [name, key] : keys_) {
      if (name.first != domain || key.algorithm != algorithm ||
          key.state != SigningKeyState::active)
        continue;
      if (!newest || key.changed > newest->changed) newest = &key;
    }
    if (newest) signing.keys.push_back({newest->selector, newest->key});
  }
  if (signing.keys.empty())
    chosen_.erase(domain);
  else
    chosen_[domain] = std::move(signing);
}

Task<Result<void>> SigningKeys::put(Loop& loop, SigningKey key, bool must_be_new) {
  ObjectPut object{{"dkim", name_text(key.domain, key.selector)}, to_json(key), must_be_new};
  CO_TRY(co_await committer_->put_object(loop, std::move(object)));
  std::unique_lock lock(mutex_);
  const Domain domain = key.domain;
  keys_[{domain, key.selector}] = std::move(key);
  choose(domain);
  co_return Result<void>();
}

Task<Result<void>> SigningKeys::add(Loop& loop, SigningKey key) {
  CHECK(committer_ && key.key);
  key.created = std::chrono::floor<std::chrono::milliseconds>(loop.clock().now());
  key.changed = key.created;
  key.bits = key.key->bits();
  key.algorithm = key.key->algorithm();
  key.public_data = key.key->public_data();
  // Its older keys make way only when it is seen to be active.
  const SigningKeyState state = key.state;
  const Domain domain = key.domain;
  const std::string selector = key.selector;
  key.state = SigningKeyState::pending;
  CO_TRY(co_await put(loop, std::move(key), true));
  if (state == SigningKeyState::pending) co_return Result<void>();
  co_return co_await set_state(loop, domain, selector, state);
}

Task<Result<void>> SigningKeys::set_state(Loop& loop, Domain domain, std::string selector,
                                          SigningKeyState state) {
  std::vector<SigningKey> changed;
  {
    std::shared_lock lock(mutex_);
    const auto found = keys_.find({domain, selector});
    if (found == keys_.end())
      co_return fail(ErrorKind::not_found,
                     fmt::format("there is no key {} of {}", printable(selector), domain.ascii()));
    if (found->second.state == SigningKeyState::retired)
      co_return fail(ErrorKind::conflict,
                     fmt::format("the key {} of {} was retired; make a new one",
                                 printable(selector), domain.ascii()));
    changed.push_back(found->second);
    for (const auto& [name, key] : keys_) {
      if (state == SigningKeyState::active && name.first == domain && name.second != selector &&
          key.algorithm == found->second.algorithm && key.state == SigningKeyState::active)
        changed.push_back(key);
    }
  }
  const Instant now = std::chrono::floor<std::chrono::milliseconds>(loop.clock().now());
  for (std::size_t at = 0; at < changed.size(); ++at) {
    SigningKey key = changed[at];
    key.state = at == 0 ? state : SigningKeyState::retiring;
    key.changed = now;
    if (key.state == SigningKeyState::retired) key.key = nullptr;
    CO_TRY(co_await put(loop, std::move(key), false));
  }
  co_return Result<void>();
}

}  // namespace goniec
