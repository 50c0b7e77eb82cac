// What the list of events and the live tail share (event_list.h): which events are asked for, and
// each as an object with what its message is.
// All of it on a reader's thread, but for the reading of the call.
#pragma once
#include <map>

#include "api/search.h"
#include "queue/event_view.h"

namespace goniec {

struct EventFilter {
  std::vector<std::string> types;
  std::string recipient, stream, provider, klass;
  KeyBounds bounds;  // of the key that asks
  std::optional<MessageId> message;
  std::optional<Instant> since, until;
};

// type=&email_id=&recipient=&stream=&provider=&class=&since=&until=
Result<EventFilter> event_filter_of(const ApiCall& call, Instant now);

// What the events of a page share: `received` of each message, read once.
class MessagesOfEvents {
 public:
  explicit MessagesOfEvents(Reader& reader) : reader_(reader) {}
  const EventMessage& of(MessageId id) {
    const auto [place, is_new] = known_.try_emplace(id);
    if (!is_new) return place->second;
    place->second.id = id;
    const auto events = reader_.events_of(id);
    if (events && !events->empty()) place->second = event_message_of(events->front());
    return place->second;
  }

 private:
  Reader& reader_;
  std::map<MessageId, EventMessage> known_;
};

bool fits(const EventFilter& filter, const Event& event, MessagesOfEvents& messages,
          const BounceRules& rules);
bool may_see(const KeyBounds& bounds, const Event& event, MessagesOfEvents& messages);
// {"object":"event", and what webhooks send.
std::string view_of(const Event& event, MessagesOfEvents& messages, const BounceRules& rules);
std::shared_ptr<const BounceRules> rules_of(const ApiContext& context);

}  // namespace goniec
