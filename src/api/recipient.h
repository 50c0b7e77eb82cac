// What the mail to an address tells of it: who runs its mailbox, and what happened last.
// For GET /api/v1/recipients/{address}, of which the suppressions (api/suppressions.h) are the
// other half.
#pragma once
#include "api/search.h"

namespace goniec {

struct KnownRecipient {
  std::string provider;    // "" unknown
  std::string last_event;  // a JSON object (queue/event_view.h); "": none, or it is not known
};

// Of mail that the caller may see. Without lists (ApiContext::search) the provider by its domain is
// all that there is.
Task<KnownRecipient> known_recipient(ApiContext& context, Address address, KeyBounds bounds);

}  // namespace goniec
