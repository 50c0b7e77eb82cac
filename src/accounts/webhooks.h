// Webhooks: the addresses that are told of events. In the store (kind "webhook", key its id, JSON),
// all of them also in memory behind a lock for readers; a change is committed first, with its event
// (object_changed), then seen. What was sent to whom is not here: store/hook_log.
//
// A secret is 24 octets of real chance, shown as "whsec_<base64>" (Standard Webhooks). After a
// rotation the old one signs beside the new for `secret_overlap`, so that a receiver can change
// over without losing a call.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "mail/journey.h"
#include "run/world.h"
#include "store/committer.h"

namespace goniec {

enum class WebhookFormat { native, postmark, sendgrid, mailgun };
std::string_view name_of(WebhookFormat format);
std::optional<WebhookFormat> webhook_format_of(std::string_view name);

struct WebhookLimits {
  std::size_t webhooks = 100;
  std::size_t url_octets = 2000, events = 60, headers = 20, header_octets = 2000;
  Duration secret_overlap = std::chrono::hours(24);
};

struct Webhook {
  std::string id;                    // UUID
  std::uint64_t number = 0;          // for who knows Postmark's ids; add() gives it
  std::string url;                   // http:// or https://
  std::vector<std::string> events;   // types ("email.bounced", "email.*", "*")
  std::vector<std::string> streams;  // empty: all
  WebhookFormat format = WebhookFormat::native;
  bool batch = false;                                        // native: an array of events
  bool first_opens_only = false;                             // postmark: the first of a recipient
  std::vector<std::pair<std::string, std::string>> headers;  // sent with each call
  std::string user, password;                                // Basic, when a user is set
  std::string secret, old_secret;                            // "whsec_…"
  Instant old_secret_until{};
  bool enabled = true;
  std::string disabled_reason;
  Instant created{};
  std::uint64_t created_at_event = 0;  // what came later concerns it

  bool wants(std::string_view type, std::string_view stream) const;
};

// bad_data names the member that is wrong, and how.
Result<void> check_webhook(const Webhook& webhook);
std::string new_webhook_secret();

class Webhooks {
 public:
  // Reads all; damaged names the object. Before: there are none.
  Result<void> open(Committer& committer, Reader& reader);

  // ---- any thread, no waiting
  std::vector<std::shared_ptr<const Webhook>> all() const;         // oldest first
  std::shared_ptr<const Webhook> find(std::string_view id) const;  // null: none

  // ---- changes, durable when they end
  Task<Result<void>> add(Loop& loop, Webhook webhook);  // conflict: there are too many
  // not_found. The event is object_changed, or webhook_disabled when `disabled_reason` came to be.
  Task<Result<void>> replace(Loop& loop, Webhook webhook);
  Task<Result<void>> remove(Loop& loop, std::string id);

 private:
  Task<Result<void>> put(Loop& loop, Webhook webhook, std::string_view action, EventKind kind);
  std::uint64_t number_for(Instant now);
  Committer* committer_ = nullptr;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Webhook>> webhooks_;
  std::uint64_t last_number_ = 0;
};

}  // namespace goniec
