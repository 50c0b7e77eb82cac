// How much at the beginning of a text is printable ASCII: nearly always all of it, and then it can
// be shown or sent as it is, without a look at each character. Octets: 0x20 to 0x7E; a tab is not
// plain, nor is DEL.
#pragma once
#include <cstddef>
#include <string_view>

namespace goniec {

inline std::size_t plain_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] >= 0x20 && text[at] <= 0x7E) ++at;
  return at;
}

}  // namespace goniec
