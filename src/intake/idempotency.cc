// See idempotency.h.
#include "intake/idempotency.h"

#include <algorithm>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

std::string kind_of_part(unsigned part) {
  return fmt::format("idempotency/{:02x}", part);
}

ObjectKey object_key(const std::string& name) {
  const Sha256 digest = sha256(name);
  return {kind_of_part(digest[0]), to_hex(view(digest))};
}

std::optional<IdempotencyRecord> parse(std::string_view value) {
  const auto json = JsonValue::parse(value);
  if (!json) return std::nullopt;
  const auto message = MessageId::parse(json->text_at("message"));
  const auto expires = parse_rfc3339(json->text_at("expires"));
  auto body = from_hex(json->text_at("body"));
  if (!message || !expires || !body) return std::nullopt;
  return IdempotencyRecord{*std::move(body), *message, *expires};
}

}  // namespace

std::string idempotency_name(std::string_view owner, std::string_view call, std::string_view key,
                             std::size_t index) {
  std::string name(owner);
  for (const auto part : {call, key}) name.append(1, '\0').append(part);
  return name.append(1, '\0').append(std::to_string(index));
}

ObjectPut to_object(const std::string& name, const IdempotencyRecord& record) {
  JsonWriter w;
  w.object().key("body").text(to_hex(record.fingerprint));
  w.key("message").text(record.message.text()).key("expires").text(to_rfc3339(record.expires));
  w.end();
  return {object_key(name), std::move(w).take(), false};
}

Instant idempotency_end(Instant now, Instant send_at) {
  return std::max(now, send_at) + IdempotencyLimits{}.keep;
}

bool is_idempotency_key(std::string_view text) {
  return !text.empty() && text.size() <= IdempotencyLimits{}.key_octets &&
         std::ranges::all_of(text, [](char c) { return c >= 32 && c < 127; });
}

Idempotency::Claim& Idempotency::Claim::operator=(Claim&& other) noexcept {
  if (this == &other) return *this;
  release();
  owner_ = std::exchange(other.owner_, nullptr);
  name_ = std::move(other.name_);
  return *this;
}

void Idempotency::Claim::release() {
  if (!owner_) return;
  std::lock_guard lock(owner_->mutex_);
  owner_->taken_.erase(name_);
  owner_ = nullptr;
}

Idempotency::Claim Idempotency::claim(const std::string& name) {
  return claim_object(object_key(name).key);
}

Idempotency::Claim Idempotency::claim_object(std::string key) {
  Claim claim;
  std::lock_guard lock(mutex_);
  if (!taken_.insert(key).second) return claim;
  claim.owner_ = this;
  claim.name_ = std::move(key);
  return claim;
}

Task<Result<std::vector<std::optional<IdempotencyRecord>>>> Idempotency::find(
    Loop& loop, std::vector<std::string> names) {
  CHECK(readers_);
  const Instant now = loop.clock().now();
  using Found = std::vector<std::optional<IdempotencyRecord>>;
  co_return co_await readers_->read(
      loop, [names = std::move(names), now](Reader& reader) -> Result<Found> {
        Found found;
        for (const auto& name : names) {
          const auto value = TRY(reader.object(object_key(name)));
          auto record = value ? parse(*value) : std::nullopt;
          if (record && record->expires <= now) record.reset();
          found.push_back(std::move(record));
        }
        return found;
      });
}

Task<Result<std::size_t>> Idempotency::sweep(Loop& loop, Committer& committer, unsigned part) {
  CHECK(readers_);
  const Instant now = loop.clock().now();
  const std::string kind = kind_of_part(part);
  auto over = CO_TRY(
      co_await readers_->read(loop, [kind, now](Reader& reader) -> Result<std::vector<ObjectKey>> {
        std::vector<ObjectKey> keys;
        for (const auto& [key, value] : TRY(reader.objects(kind))) {
          const auto record = parse(value);
          if (!record || record->expires <= now) keys.push_back({kind, key});
        }
        return keys;
      }));
  // Who asks again with a key that is over may be writing its record now: that one is left alone.
  std::vector<Claim> claims;
  FactsRequest facts;
  for (auto& key : over) {
    auto claim = claim_object(key.key);
    if (!claim) continue;
    claims.push_back(std::move(claim));
    facts.removes.push_back(std::move(key));
  }
  const std::size_t count = facts.removes.size();
  if (count > 0) CO_TRY(co_await committer.record(loop, std::move(facts)));
  co_return count;
}

}  // namespace goniec
