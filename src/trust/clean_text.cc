// See clean_text.h.
#include "trust/clean_text.h"

#include <algorithm>

#include "base/text.h"
#include "trust/tags.h"

namespace goniec {

std::string clean_text(std::string_view text, std::size_t limit) {
  text = trim_folding(text);
  std::string out;
  while (!text.empty() && out.size() < limit) {
    const auto character = first_utf8_character(text);
    const std::size_t octets = std::max<std::size_t>(character.octets, 1);
    if (character.octets == 0) {
      out += "\xEF\xBF\xBD";
    } else if (is_control(character.value)) {
      if (!out.empty()) out += ' ';
    } else if (character.value != ' ' || !out.empty()) {
      out += text.substr(0, octets);
    }
    text.remove_prefix(octets);
  }
  out.resize(trim_folding(out).size());  // it begins with no space: what the limit left may end so
  return out;
}

}  // namespace goniec
