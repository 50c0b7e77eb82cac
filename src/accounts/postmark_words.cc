// See postmark_words.h.
#include "accounts/postmark_words.h"

namespace goniec {

std::string stream_from_postmark(std::string_view name) {
  if (name.empty() || name == "outbound") return name.empty() ? "" : "transactional";
  if (name == "broadcast" || name == "broadcasts") return "bulk";
  return std::string(name);
}

std::string stream_to_postmark(std::string_view name) {
  if (name.empty() || name == "transactional") return "outbound";
  if (name == "bulk") return "broadcast";
  return std::string(name);
}

PostmarkBounceType postmark_bounce_type(std::string_view klass) {
  constexpr PostmarkBounceType hard{
      "HardBounce", 1, "Hard bounce",
      "The server was unable to deliver your message (ex: unknown user, mailbox not found)."};
  constexpr PostmarkBounceType soft{
      "SoftBounce", 4096, "Soft bounce",
      "Unable to temporarily deliver message (i.e. mailbox full, account disabled, exceeds quota, "
      "out of disk space)."};
  constexpr PostmarkBounceType spam{
      "SpamNotification", 512, "Spam notification",
      "The message was delivered, but was either blocked by the user, or classified as spam, bulk "
      "mail, or had rejected content."};
  constexpr PostmarkBounceType blocked{"Blocked", 100006, "ISP block",
                                       "Blocked from this ISP due to content or blacklisting."};
  if (klass == "bad_mailbox" || klass == "bad_domain") return hard;
  if (klass == "content_blocked" || klass == "spam_reputation") return spam;
  if (klass == "ip_blocklisted" || klass == "relay_denied") return blocked;
  if (klass == "dns_error") return {"DnsError", 256, "DNS error", "A temporary DNS error."};
  if (klass == "auth_policy")
    return {"DMARCPolicy", 100009, "DMARC policy", "Email not accepted because of DMARC policy."};
  if (klass == "auto_reply") {
    return {"AutoResponder", 64, "Auto responder",
            "Automatic email responder (ex: \"Out of Office\" or \"On Vacation\")."};
  }
  if (klass == "complained") {
    return {"SpamComplaint", 100001, "Spam complaint",
            "The subscriber explicitly marked this message as spam."};
  }
  if (klass == "other" || klass.empty())
    return {"Unknown", 2048, "Unknown error", "Unable to classify the exact bounce."};
  return soft;
}

PostmarkBounceType postmark_transient() {
  return {"Transient", 2, "Message delayed",
          "The server could not temporarily deliver your message (ex: Message is delayed due to "
          "network troubles)."};
}

std::string_view postmark_reason(std::string_view reason) {
  if (reason == name_of(SuppressionReason::bad_mailbox)) return "HardBounce";
  if (reason == name_of(SuppressionReason::complained)) return "SpamComplaint";
  return "ManualSuppression";
}

std::string_view postmark_origin(std::string_view origin) {
  for (const std::string_view ours : {"api", "cli", "dashboard", "import"}) {
    if (origin == ours) return "Customer";
  }
  return "Recipient";
}

}  // namespace goniec
