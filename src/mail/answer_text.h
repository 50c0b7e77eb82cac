// Where in a text an answer of a server stands: what people paste, and what reports quote.
// Beside read_reply (mail/bounce.h), which takes the codes out of it.
// Linear.
#pragma once
#include <string_view>

namespace goniec {

// From the first reply code that stands as a word on; without one all of it.
std::string_view answer_in(std::string_view text);

}  // namespace goniec
