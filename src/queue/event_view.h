// An event as others are shown it: one JSON object, the same in GET /api/v1/events, in the live
// tail and in webhooks. Pure: the event, what its message is, and nothing else.
//
//   {"type":"email.bounced","id":"evt_…","created_at":RFC3339,"data":{
//     "email_id":uuid,"queue_id":"A1B2…","message_id":"<…>","from":"a@b","to":["x@y"],
//     "subject":"…",
//     "stream":"…","tags":{},"metadata":{},"source_type":"api","sandbox":false,
//     "attempt":3,"next_attempt_at":RFC3339|null,"delay":seconds,
//     "smtp":{"code":550,"enhanced":"5.1.1","text":"User unknown","stage":"rcpt"},
//     "remote":{"host":"mx.o2.pl","ip":"193.17.41.99","provider":"o2","tls":"TLSv1.3",
//               "verified":"dane"},
//     "source":{"pool":"default"},
//     "bounce":{"type":"Permanent|Transient","class":"bad_mailbox","hint":"bounce.bad_mailbox"}}}
// Members that say nothing are left out, but for next_attempt_at of an attempt. `id` is stable for
// ever: who gets the event twice knows it by that. Events about no message (suppressions, objects)
// have the facts of the event as data.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "mail/bounce.h"
#include "mail/journey.h"

namespace goniec {

// What the event `received` says of the message; later events do not repeat it.
struct EventMessage {
  MessageId id;
  std::string from, message_id, subject, stream, source, key, pool;
  std::vector<std::string> recipients;
  std::vector<std::pair<std::string, std::string>> tags, metadata;
  Instant received_at{};
  bool sandbox = false;
};
// REQUIRES an event of kind received; of anything else, and of damaged data, the id alone.
EventMessage event_message_of(const Event& received);

// "email.bounced"; "" for an event that is told to nobody outside (a hand's change to the queue, a
// notice that was written).
std::string event_type_of(const Event& event);
// `rules` name the provider of what was delivered; without them it is left out.
std::string event_json(const Event& event, const EventMessage& message,
                       const BounceRules* rules = nullptr);

// "mx.wp.pl[212.77.101.4]:25" in its parts; a site without brackets is a host.
struct SiteParts {
  std::string_view host, ip;
};
SiteParts parts_of_site(std::string_view site);

// What an outcome means: as the queue wrote it into the event, else as the rules say now.
struct OutcomeMeaning {
  std::string provider;  // "" unknown
  std::string klass;     // "": nobody refused it
  std::string hint;
  bool permanent = false;
};
OutcomeMeaning meaning_of(const Event& event, const JsonValue& data, const BounceRules* rules);

}  // namespace goniec
