// See forwarding.h.
#include "accounts/forwarding.h"

#include "base/json.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::size_t secret_octets = 32;

ObjectKey secret_key() {
  return {"srs", "secret"};
}

Result<std::vector<std::string>> secrets_from_json(std::string_view json) {
  std::vector<std::string> secrets;
  const auto value = JsonValue::parse(json);
  const auto list = value ? value->at("secrets") : std::nullopt;
  for (const JsonValue& item : list ? list->items() : std::vector<JsonValue>()) {
    const auto text = item.text();
    auto octets = text ? from_base64(*text) : std::nullopt;
    if (octets && octets->size() >= 16) secrets.push_back(std::move(*octets));
  }
  if (secrets.empty())
    return fail(ErrorKind::damaged, "the stored secret of forwarding (srs) cannot be read");
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

Result<void> Forwarding::open(const Directory& directory, Committer& committer, Reader& reader,
                              Metrics& metrics) {
  directory_ = &directory;
  metrics_ = &metrics;
  committer_ = &committer;
  const auto stored = TRY(reader.object(secret_key()));
  if (!stored) return {};
  auto secrets = TRY(secrets_from_json(*stored));
  std::lock_guard lock(mutex_);
  use(std::move(secrets));
  return {};
}

// REQUIRES the mutex.
void Forwarding::use(std::vector<std::string> secrets) {
  known_ = secrets;
  scheme_ = std::make_shared<const Srs>(std::move(secrets));
  has_secret_ = true;
}

std::shared_ptr<const Srs> Forwarding::scheme() const {
  if (!has_secret_) return nullptr;
  std::lock_guard lock(mutex_);
  return scheme_;
}

Domain Forwarding::domain_for(const Domain& domain) const {
  return directory_->is_mail_domain(domain) ? domain : directory_->first_domain();
}

bool Forwarding::needs_secret(const Address& sender, const ForwardingOptions& options) const {
  return options.rewrite && !has_secret_ && !sender.empty() &&
         !directory_->is_local_domain(sender.domain());
}

ForwardedSender Forwarding::sender_for(MessageId message, const Address& sender, const Domain& by,
                                       const ForwardingOptions& options, Instant now) const {
  ForwardedSender told{sender, "srs.off"};
  if (sender.empty()) {
    told.rule = "srs.null";
  } else if (directory_->is_local_domain(sender.domain())) {
    told.rule = "srs.ours";
  } else if (const auto srs = scheme(); srs && options.rewrite && !by.empty()) {
    if (auto made = srs->forward(sender, by, now)) {
      told = {std::move(made->sender), made->form == SrsForm::srs0 ? "srs.first" : "srs.second"};
    } else if (auto named = srs->forward_message(message, by, now)) {
      told = {std::move(*named), "srs.message"};
    } else {
      told.rule = "srs.too_long";
    }
  }
  metrics_
      ->counter("goniec_forwarded_total", "Copies of mail that aliases led out, by the sender told",
                {{"rule", std::string(told.rule)}})
      .add();
  return told;
}

Address Forwarding::return_path(MessageId message, const Domain& of_sender, Instant now) const {
  const auto srs = scheme();
  const Domain by = domain_for(of_sender);
  if (!srs || by.empty()) return {};
  return srs->forward_message(message, by, now).value_or(Address());
}

std::optional<SrsReturned> Forwarding::returned(const Address& recipient, const Resolved& resolved,
                                                const ForwardingOptions& options,
                                                Instant now) const {
  if (!looks_like_srs(recipient.local()) || !directory_->is_mail_domain(recipient.domain()))
    return std::nullopt;
  // A user, an alias or a list of that very name is who it is; a catch-all is for what is nobody's.
  const bool is_name = resolved.kind != RecipientKind::unknown && resolved.rule != "catch-all" &&
                       resolved.rule != "sub-address";
  const auto srs = scheme();
  if (is_name || !srs) return std::nullopt;
  return srs->reverse(recipient, now, options.days_valid);
}

// Several loops may come here at once: all store the same.
Task<Result<void>> Forwarding::make_secret(Loop& loop) {
  if (has_secret_) co_return Result<void>();
  CHECK(committer_);
  std::string secret;
  {
    std::lock_guard lock(mutex_);
    if (candidate_.empty()) candidate_ = random_secret(secret_octets);
    secret = candidate_;
  }
  ObjectPut put{secret_key(), to_json({secret})};
  CO_TRY(co_await committer_->put_object(loop, std::move(put)));
  std::lock_guard lock(mutex_);
  if (!scheme_) use({secret});
  co_return Result<void>();
}

Task<Result<std::size_t>> Forwarding::rotate_secret(Loop& loop, OlderSecrets older) {
  CHECK(committer_);
  CO_TRY(co_await make_secret(loop));  // of the very first there is nothing older
  std::vector<std::string> fresh{random_secret(secret_octets)};
  {
    std::lock_guard lock(mutex_);
    if (rotating_) co_return fail(ErrorKind::try_later, "the secret is being rotated already");
    rotating_ = true;
    if (older == OlderSecrets::kept) fresh.insert(fresh.end(), known_.begin(), known_.end());
  }
  if (fresh.size() > kept_secrets) fresh.resize(kept_secrets);
  const auto stored =
      co_await committer_->put_object(loop, ObjectPut{secret_key(), to_json(fresh)});
  std::lock_guard lock(mutex_);
  rotating_ = false;
  if (!stored) co_return std::unexpected(stored.error());
  const std::size_t count = fresh.size();
  use(std::move(fresh));
  co_return count;
}

}  // namespace goniec
