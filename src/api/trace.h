// The timeline of a message from its events: six stages, connect, identify, envelope, content,
// route, deliver, each with its time, what it took, the rule or reply that decided, and TLS facts.
// Pure: events in, JSON out. The format of Event::data is queue/event_data.h.
#pragma once
#include <string>
#include <vector>

#include "mail/journey.h"

namespace goniec {

// {id, message_id, from, size, stages: [{stage, at, ms, recipient, rule, reply, tls, …}],
//  recipients: [{to, state}]}
// `entries`: what is still in the queue (may be empty).
std::string trace_json(MessageId id, const std::vector<Event>& events,
                       const std::vector<Entry>& entries);

}  // namespace goniec
