// See recipient.h.
#include "api/recipient.h"

#include <algorithm>

#include "api/ask_search.h"
#include "api/event_page.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t messages_looked_at = 5;  // the newest in which its words stand
constexpr Duration effort = std::chrono::milliseconds(100);

struct LastMail {
  MessageId message;
  SearchRecipient recipient;
};

Result<std::optional<LastMail>> last_mail(const Search& search, const SearchFilter& filter,
                                          const std::string& address) {
  const auto page = TRY(search.list(filter));
  std::optional<LastMail> last;
  for (const auto& row : page.rows) {
    const auto story = TRY(search.get(row.id));
    if (!story) continue;
    for (const auto& recipient : story->recipients) {
      if (!equal_ignoring_case(recipient.address, address)) continue;
      if (!last || recipient.at > last->recipient.at) last = LastMail{row.id, recipient};
    }
  }
  return last;
}

std::string last_event_of(Reader& reader, const LastMail& mail, const BounceRules& rules) {
  const auto events = reader.events_of(mail.message);
  if (!events) return {};
  const Event* last = nullptr;
  for (const Event& event : *events) {
    const bool is_his =
        event.recipient.empty() || equal_ignoring_case(event.recipient, mail.recipient.address);
    if (is_his && !event_type_of(event).empty()) last = &event;
  }
  if (!last) return {};
  MessagesOfEvents messages(reader);
  return view_of(*last, messages, rules);
}

}  // namespace

Task<KnownRecipient> known_recipient(ApiContext& context, Address address, KeyBounds bounds) {
  const auto rules = rules_of(context);
  KnownRecipient facts;
  facts.provider = rules->provider_of({}, address.domain().ascii());
  if (!context.search) co_return facts;
  SearchFilter filter{.to = address.text(),
                      .stream = std::move(bounds.stream),
                      .domain = std::move(bounds.domain),
                      .limit = messages_looked_at,
                      .effort = effort};
  const auto mail = co_await ask_search(
      context, [filter = std::move(filter), text = address.text()](const Search& search) {
        return last_mail(search, filter, text);
      });
  if (!mail || !*mail) co_return facts;
  if (const auto& provider = (*mail)->recipient.provider; !provider.empty())
    facts.provider = provider;
  auto event = co_await context.readers.read(
      context.world.loop, [last = **mail, rules](Reader& reader) -> Result<std::string> {
        return last_event_of(reader, last, *rules);
      });
  if (event) facts.last_event = std::move(*event);
  co_return facts;
}

}  // namespace goniec
