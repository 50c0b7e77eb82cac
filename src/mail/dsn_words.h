// What a status code means, in the words of people (RFC 3463), English and Polish: why the mail was
// not delivered, and what its sender can do. A table; dsn.cc puts the words in order.
#pragma once
#include <string_view>

#include "mail/reply.h"

namespace goniec {

struct Explanation {
  std::string_view english, polish;                // why
  std::string_view english_advice, polish_advice;  // what to do
};
const Explanation& explanation_of(const EnhancedCode& status);

}  // namespace goniec
