// One call of a webhook, as octets. Pure.
//
// native: the event's JSON (queue/event_view), signed as Standard Webhooks say:
//   webhook-id: evt_…            the event's id; it never changes
//   webhook-timestamp: seconds
//   webhook-signature: v1,base64(HMAC-SHA256(secret, "id.timestamp.body")) [v1,… by the old secret]
// postmark, sendgrid, mailgun: what the receivers of those services read; they carry the same three
// header fields too. An event that the other service has no word for gives nothing.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "accounts/webhooks.h"
#include "queue/event_view.h"

namespace goniec {

struct HookEvent {
  Event event;
  EventMessage message;
};

// What goes into one call; several only where the webhook takes batches. nullopt: nothing.
std::optional<std::string> hook_body(const Webhook& webhook, const std::vector<HookEvent>& events,
                                     Instant now);

using HeaderFields = std::vector<std::pair<std::string, std::string>>;
HeaderFields hook_headers(const Webhook& webhook, std::string_view id, std::string_view body,
                          Instant now);

// "v1,<base64>"; "" when the secret is not "whsec_<base64>".
std::string hook_signature(std::string_view secret, std::string_view id, std::int64_t timestamp,
                           std::string_view body);

}  // namespace goniec
