// See search_tally.h.
#include "store/sqlite/search_tally.h"

#include <algorithm>

namespace goniec {
namespace {

void put_number(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

void Tally::add(std::int64_t combination, std::size_t counter, std::uint64_t amount) {
  auto& counters = entries_[combination];
  if (amount == 0) return;
  const auto number = static_cast<std::uint8_t>(counter);
  const auto place =
      std::ranges::lower_bound(counters, number, {}, [](const auto& each) { return each.first; });
  if (place != counters.end() && place->first == number) {
    place->second += amount;
  } else {
    counters.insert(place, {number, amount});
  }
}

std::string Tally::encode() const {
  std::string out;
  std::uint64_t before = 0;
  for (const auto& [combination, counters] : entries_) {
    const auto number = static_cast<std::uint64_t>(combination);
    put_number(out, number - before);
    before = number;
    put_number(out, counters.size());
    for (const auto& [counter, amount] : counters) {
      out += static_cast<char>(counter);
      put_number(out, amount);
    }
  }
  return out;
}

Result<void> Tally::add_encoded(std::string_view bytes) {
  std::int64_t at = 0;
  const bool is_whole = read_tally(
      bytes,
      [&](std::int64_t combination) {
        at = combination;
        entries_.try_emplace(combination);
        return true;
      },
      [&](std::size_t counter, std::uint64_t amount) { add(at, counter, amount); });
  if (!is_whole) return fail(ErrorKind::damaged, "counts of the statistics are damaged");
  return {};
}

}  // namespace goniec
