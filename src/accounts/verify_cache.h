// What the next hop said about recipients of a relay domain with `recipients = verify`, remembered
// for a while, so that a flood of RCPTs does not become a flood of questions. inbound asks and
// tells; this only remembers. Bounded; any thread. A temporary answer is remembered briefly, so
// that a dead next hop is not asked for each recipient. The domain compares as Domain, the local
// part octet by octet (only the next hop knows about its case).
#pragma once
#include <memory>
#include <optional>

#include "base/time.h"
#include "mail/address.h"
#include "mail/reply.h"

namespace goniec {

struct VerifyCacheLimits {
  std::size_t entries = 50000;
  Duration accepted = std::chrono::hours(6);
  Duration refused = std::chrono::minutes(15);
  Duration temporary = std::chrono::minutes(1);
};

class VerifyCache {
 public:
  explicit VerifyCache(VerifyCacheLimits limits = {});
  ~VerifyCache();
  // The reply of the next hop to RCPT, or nothing: ask it.
  std::optional<Reply> find(const Address& recipient, Moment now);
  void remember(const Address& recipient, Reply reply, Moment now);
  void forget_all();  // routes changed

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
