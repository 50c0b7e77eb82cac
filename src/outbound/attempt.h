// One entry over one ready connection: transactions until every queued recipient has an outcome. A
// connection that was kept and turns out dead or closed before it took MAIL gives `stale`: the
// entry was not tried, another connection takes it at once.
#pragma once
#include <vector>

#include "outbound/connection.h"
#include "queue/queue.h"

namespace goniec {

struct AttemptResult {
  std::vector<Outcome> outcomes;
  bool connection_usable = false;
  bool stale = false;       // nothing was tried
  bool retry_ipv4 = false;  // refused because of our IPv6 address (5.7.25, 5.7.26): once over IPv4
};

struct AttemptPlan {
  std::string route;    // rule
  Duration queued{};    // since it was received
  bool reused = false;  // the connection carried a message before
};

Task<AttemptResult> attempt_entry(Loop& loop, Queue& queue, OutgoingConnection& connection,
                                  const ReadyEntry& ready, AttemptPlan plan);

}  // namespace goniec
