// An event as the search projection takes it (store/search.h): what rows and counts need of its
// data (queue/event_data.h), with provider and class as the queue wrote them, or by the rules.
// Pure. Damaged data: as if it said nothing.
#pragma once
#include "mail/bounce.h"
#include "store/search.h"

namespace goniec {

SearchChange change_of(const Event& event, const BounceRules& rules);

}  // namespace goniec
