// Postmark's words for what is ours: streams, types of bounces, why an address is inactive. Its API
// (api/postmark.h) and the webhooks of its format (duties/hook_call.h) speak the same.
//
//   "outbound" is our transactional, "broadcast" our bulk; others go by their own id.
//   HardBounce 1          bad_mailbox, bad_domain     SpamNotification 512  content, reputation
//   DnsError 256          dns_error                   Blocked 100006  blocklisted, relay_denied
//   DMARCPolicy 100009    auth_policy                 AutoResponder 64  auto_reply
//   SpamComplaint 100001  complained                  Unknown 2048  other
//   Transient 2           what is tried again         SoftBounce 4096  the rest, and what expired
// Pure.
#pragma once
#include <string>
#include <string_view>

#include "accounts/suppressions.h"

namespace goniec {

// "" stays "": the key's own stream, else the first.
std::string stream_from_postmark(std::string_view name);
std::string stream_to_postmark(std::string_view name);

struct PostmarkBounceType {
  std::string_view type;
  int code;
  std::string_view name, description;
};
// `klass`: of mail/bounce.h, or "complained", "expired".
PostmarkBounceType postmark_bounce_type(std::string_view klass);
PostmarkBounceType postmark_transient();

// HardBounce, SpamComplaint, ManualSuppression.
std::string_view postmark_reason(std::string_view reason);
// Of a suppression: the recipient or his server is "Recipient", anybody here is "Customer".
std::string_view postmark_origin(std::string_view origin);

}  // namespace goniec
