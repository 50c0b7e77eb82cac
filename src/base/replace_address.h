// A person's address replaced in text that others wrote: replies, subjects, JSON.
// Whole addresses alone, ASCII case ignored: "jan@o2.pl" stands in "<Jan@o2.pl>," and at the end of
// a sentence, but not in "xjan@o2.pl" or "jan@o2.pl.example".
#pragma once
#include <string>
#include <string_view>

namespace goniec {

std::string replace_address(std::string_view text, std::string_view address, std::string_view by);

}  // namespace goniec
