// Texts out of a stranger's report: UTF-8 without controls (U+FFFD for what is no UTF-8, a blank
// for a control), white space at the ends taken away, cut at `limit` octets or a character later.
// They may be stored and put into JSON or XML; who shows them on a terminal still uses printable().
#pragma once
#include <string>
#include <string_view>

namespace goniec {

std::string clean_text(std::string_view text, std::size_t limit);

}  // namespace goniec
