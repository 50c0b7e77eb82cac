// See links.h.
#include "accounts/links.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::size_t secret_octets = 32, least_octets = 16;

ObjectKey secret_key() {
  return {"link", "secret"};
}

Result<std::vector<std::string>> secrets_from_json(std::string_view json) {
  std::vector<std::string> secrets;
  const auto value = JsonValue::parse(json);
  const auto list = value ? value->at("secrets") : std::nullopt;
  for (const JsonValue& item : list ? list->items() : std::vector<JsonValue>()) {
    const auto text = item.text();
    auto octets = text ? from_base64(*text) : std::nullopt;
    if (octets && octets->size() >= least_octets) secrets.push_back(std::move(*octets));
  }
  if (secrets.empty()) return fail(ErrorKind::damaged, "the stored secret of links cannot be read");
  return secrets;
}

std::string to_json(const std::vector<std::string>& secrets) {
  JsonWriter w;
  w.object().key("secrets").array();
  for (const std::string& secret : secrets) w.text(to_base64(secret));
  w.end().end();
  return std::move(w).take();
}

}  // namespace

Result<void> Links::open(Committer& committer, Reader& reader) {
  committer_ = &committer;
  const auto stored = TRY(reader.object(secret_key()));
  if (!stored) return {};
  auto secrets = TRY(secrets_from_json(*stored));
  std::lock_guard lock(mutex_);
  tokens_ = std::make_shared<const LinkTokens>(secrets);
  secrets_ = std::move(secrets);
  has_secret_ = true;
  return {};
}

std::shared_ptr<const LinkTokens> Links::tokens() const {
  if (!has_secret_) return nullptr;
  std::lock_guard lock(mutex_);
  return tokens_;
}

Task<Result<void>> Links::put(Loop& loop, std::vector<std::string> secrets) {
  CHECK(committer_);
  CO_TRY(co_await committer_->put_object(loop, ObjectPut{secret_key(), to_json(secrets)}));
  std::lock_guard lock(mutex_);
  tokens_ = std::make_shared<const LinkTokens>(secrets);
  secrets_ = std::move(secrets);
  has_secret_ = true;
  co_return Result<void>();
}

// Several loops may come here at once: all store the same.
Task<Result<void>> Links::make_secret(Loop& loop) {
  if (has_secret_) co_return Result<void>();
  std::string secret;
  {
    std::lock_guard lock(mutex_);
    if (candidate_.empty()) candidate_ = random_secret(secret_octets);
    secret = candidate_;
  }
  co_return co_await put(loop, std::vector<std::string>{secret});
}

Task<Result<void>> Links::rotate(Loop& loop) {
  CO_TRY(co_await make_secret(loop));
  std::vector<std::string> secrets;
  {
    std::lock_guard lock(mutex_);
    secrets = secrets_;
  }
  if (secrets.size() >= LinkLimits{}.secrets)
    co_return fail(ErrorKind::try_later,
                   fmt::format("{} secrets of links are kept already", secrets.size()));
  secrets.insert(secrets.begin(), random_secret(secret_octets));
  co_return co_await put(loop, std::move(secrets));
}

}  // namespace goniec
