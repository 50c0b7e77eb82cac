// See replace_address.h.
#include "base/replace_address.h"

#include "base/text.h"

namespace goniec {
namespace {

// What may stand beside an address in a text without being part of it.
bool is_part(char c) {
  constexpr std::string_view others = "!#$%&'*+-/=?^_`{|}~.";
  return is_alpha(c) || is_digit(c) || others.find(c) != std::string_view::npos ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::string replace_address(std::string_view text, std::string_view address, std::string_view by) {
  const std::string lower = to_lower(text), wanted = to_lower(address);
  std::string out;
  std::size_t from = 0;
  for (;;) {
    const auto at = lower.find(wanted, from);
    if (at == std::string::npos) break;
    const auto end = at + wanted.size();
    const bool begins = at == 0 || !is_part(text[at - 1]);
    // "a@b.pl." ends a sentence, "a@b.pl.example" is another address.
    const bool dot_ends = end + 1 >= text.size() || !is_part(text[end + 1]);
    const bool ends = end >= text.size() || !is_part(text[end]) || (text[end] == '.' && dot_ends);
    out += text.substr(from, at - from);
    out += begins && ends ? by : text.substr(at, wanted.size());
    from = end;
  }
  return out + std::string(text.substr(from));
}

}  // namespace goniec
