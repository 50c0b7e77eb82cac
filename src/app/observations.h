// What the judges of incoming mail and the connections to other servers tell, in the words of
// reports about others. The one place where inbound and outbound meet trust/report_aggregate; it
// decides nothing, and is called on any shard's loop.
#pragma once
#include "inbound/checks.h"
#include "outbound/outbound_tls.h"
#include "trust/report_aggregate.h"

namespace goniec {

// A failure to fetch a policy is a failure of its own, also when the session went well.
TlsObservation observation_of(const TlsSession& session);
// One a domain in From whose policy asks for reports and that could be judged.
std::vector<DmarcObservation> observations_of(const JudgedMessage& message);

}  // namespace goniec
