// Who loaded an image or followed a link: a person, or a machine on the way. Honest as far as it
// goes: a machine that behaves like a browser counts as a person, and nothing here is proof. The
// numbers are called loads, machines stand apart (docs/streams.md).
//
// | rule          | what says so                                                                |
// |---------------|-----------------------------------------------------------------------------|
// | head          | HEAD: no reader asks so                                                     |
// | prefetch      | the browser says it looks ahead (Sec-Purpose, Purpose, X-Moz)               |
// | apple_privacy | Apple's Mail Privacy Protection: the agent is "Mozilla/5.0" and no more     |
// | image_proxy   | Gmail, Yahoo, Outlook load images for their readers, at a time of their own |
// | gateway       | a security gateway, a link preview, a library: by its agent or its network  |
// | too_fast      | before a person could have read: `fast` after the message was accepted      |
// | burst         | another link of the same copy within `burst`: a scanner follows all         |
//
// Pure, but for the burst, which the caller knows.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "mail/journey.h"

namespace goniec {

struct LoadLimits {
  Duration fast = std::chrono::seconds(3);
  Duration burst = std::chrono::seconds(2);
};

struct LoadFacts {
  std::string_view method, user_agent, purpose;
  IpAddress from;
  Instant accepted{}, at{};              // the message; now
  std::optional<Instant> other_link_at;  // the last click on another link of the same copy
};

// The rule that says machine; "": a person, as far as can be told.
std::string_view machine_rule(const LoadFacts& facts, const LoadLimits& limits = {});

}  // namespace goniec
