// See event_page.h.
#include "api/event_page.h"

#include <algorithm>

#include "api/search_query.h"
#include "base/text.h"

namespace goniec {
namespace {

bool is_one_of(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::find(names, name) != names.end();
}

}  // namespace

bool may_see(const KeyBounds& bounds, const Event& event, MessagesOfEvents& messages) {
  if (bounds.domain.empty() && bounds.stream.empty()) return true;
  if (!event.message) return false;
  const auto& message = messages.of(event.message);
  if (!bounds.stream.empty() && message.stream != bounds.stream) return false;
  if (bounds.domain.empty()) return true;
  const auto domain = to_lower(message.from.substr(message.from.rfind('@') + 1));
  return domain == bounds.domain || domain.ends_with("." + bounds.domain);
}

bool fits(const EventFilter& filter, const Event& event, MessagesOfEvents& messages,
          const BounceRules& rules) {
  if (!may_see(filter.bounds, event, messages)) return false;
  const auto type = event_type_of(event);
  if (type.empty() || !is_one_of(filter.types, type)) return false;
  if (filter.message && event.message != *filter.message) return false;
  if (filter.since && event.at < *filter.since) return false;
  if (filter.until && event.at >= *filter.until) return false;
  if (!filter.recipient.empty() && !equal_ignoring_case(event.recipient, filter.recipient))
    return false;
  if (!filter.provider.empty() || !filter.klass.empty()) {
    const auto data = JsonValue::parse(event.data.empty() ? "{}" : event.data);
    if (!data) return false;
    const auto meaning = meaning_of(event, *data, &rules);
    if (!filter.provider.empty() && meaning.provider != filter.provider) return false;
    if (!filter.klass.empty() && meaning.klass != filter.klass) return false;
  }
  return filter.stream.empty() ||
         (event.message && messages.of(event.message).stream == filter.stream);
}

Result<EventFilter> event_filter_of(const ApiCall& call, Instant now) {
  EventFilter filter;
  for (const auto each : split(call.parameter("type"), ','))
    if (!trim(each).empty()) filter.types.emplace_back(trim(each));
  filter.bounds = bounds_of(call);
  filter.recipient = call.parameter("recipient");
  filter.stream = call.parameter("stream");
  filter.provider = call.parameter("provider");
  filter.klass = call.parameter("class");
  if (const auto id = call.parameter("email_id"); !id.empty()) {
    filter.message = parse_email_id(id);
    if (!filter.message) return fail(ErrorKind::usage, "email_id is a UUID or a queue id");
  }
  if (const auto at = call.parameter("since"); !at.empty()) filter.since = TRY(parse_time(at, now));
  if (const auto at = call.parameter("until"); !at.empty()) filter.until = TRY(parse_time(at, now));
  return filter;
}

std::string view_of(const Event& event, MessagesOfEvents& messages, const BounceRules& rules) {
  const auto message = event.message ? messages.of(event.message) : EventMessage{};
  return "{\"object\":\"event\"," + event_json(event, message, &rules).substr(1);
}

std::shared_ptr<const BounceRules> rules_of(const ApiContext& context) {
  return context.bounces ? context.bounces() : std::make_shared<const BounceRules>();
}

}  // namespace goniec
