// Who is told what, and when: decides the DSNs that an outcome causes (RFC 3461 §5.2). Pure.
// None for <>; none for NOTIFY=NEVER; to a sender nobody verified only the success it asked for (no
// backscatter), but for what was forwarded (docs/decisions/forwarding.md). The undeliverable DSN
// becomes a line to the admin's counter, never a loop.
#pragma once
#include <vector>

#include "mail/dsn.h"
#include "mail/journey.h"
#include "queue/schedule.h"

namespace goniec {

struct NoticePlan {
  std::vector<DsnRecipient> failed;   // one DSN
  std::vector<DsnRecipient> success;  // delivered and relayed: one DSN
  std::vector<DsnRecipient> delayed;  // one DSN
  std::vector<bool> delay_notified;   // for SettleRequest
  bool empty() const { return failed.empty() && success.empty() && delayed.empty(); }
};

// `outcomes` have just happened to `entry` of `message`.
NoticePlan plan_notices(const Message& message, const Entry& entry,
                        const std::vector<Outcome>& outcomes, const RetryPolicy& policy,
                        Instant now);

// `aliases` of `message` were expanded to several addresses each (RFC 3461 §5.2.7.3).
NoticePlan plan_expanded(const Message& message, const std::vector<Recipient>& aliases,
                         Instant now);

}  // namespace goniec
