// The page behind an unsubscribe link, in Polish or English: one file, no script, nothing loaded
// from anywhere, so that its policy can forbid everything (Content-Security-Policy). Pure text;
// whatever an address or a stream is called, it is text of the page.
#pragma once
#include <string>
#include <string_view>

namespace goniec {

enum class UnsubscribeState {
  subscribed,    // a button to unsubscribe
  unsubscribed,  // a button to take it back
  excluded,      // by a complaint, a dead mailbox, by hand: no button
};

struct UnsubscribePage {
  std::string address, stream;
  bool polish = false;
  UnsubscribeState state = UnsubscribeState::subscribed;
};
std::string unsubscribe_page(const UnsubscribePage& facts);
std::string unknown_link_page(bool polish);
// What Content-Security-Policy says of these pages.
std::string_view unsubscribe_page_policy();

// Accept-Language (RFC 9110 §12.5.4): is Polish wanted before English?
bool prefers_polish(std::string_view accept_language);

}  // namespace goniec
