// Reading dates: see date.h. The value is cut into words and numbers once; one small function reads
// each part of the date off the front.
#include "mail/date.h"

#include <array>
#include <string>
#include <vector>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t value_octets = 1000;

// Words between blanks, commas and comments; "23-Nov-2026" becomes three words.
std::vector<std::string> words_of(std::string_view value) {
  std::vector<std::string> words(1);
  std::size_t depth = 0;
  const auto next = [&] {
    if (!words.back().empty()) words.emplace_back();
  };
  for (std::size_t at = 0; at < value.size(); ++at) {
    const char c = value[at];
    if (c == '(') {
      ++depth;
      next();
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth > 0) {
      if (c == '\\') ++at;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',') {
      next();
    } else if (c == '-' && !words.back().empty() && words.back().find(':') == std::string::npos) {
      next();
    } else {
      words.back() += to_lower(c);
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::optional<int> number(std::string_view digits, std::size_t most) {
  if (digits.size() > most) return {};
  const auto value = parse_unsigned(digits);
  if (!value) return {};
  return static_cast<int>(*value);
}

std::optional<unsigned> month_of(std::string_view word) {
  static constexpr std::array<std::string_view, 12> months{
      "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
  for (unsigned at = 0; at < months.size(); ++at) {
    if (word.starts_with(months[at])) return at + 1;
  }
  return {};
}

// RFC 5322 §4.3: two digits below 50 are this century, three digits and the rest count from 1900.
std::optional<int> year_of(std::string_view word) {
  const auto year = number(word, 6);
  if (!year) return {};
  if (word.size() == 2) return *year + (*year < 50 ? 2000 : 1900);
  return word.size() == 3 ? *year + 1900 : *year;
}

// "06:10" or "06:10:01", a fraction dropped, as seconds.
std::optional<int> seconds_of(std::string_view word) {
  const auto parts = split(word.substr(0, word.find('.')), ':');
  if (parts.size() < 2 || parts.size() > 3) return {};
  const auto hours = number(parts[0], 2), minutes = number(parts[1], 2);
  const auto seconds = parts.size() == 3 ? number(parts[2], 2) : 0;
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return {};
  return *hours * 3600 + *minutes * 60 + *seconds;
}

// "+0100" or a name, as minutes east of UTC. RFC 5322 §4.3: an unknown name is -0000.
std::optional<int> zone_of(std::string_view word) {
  if (word.starts_with('+') || word.starts_with('-')) {
    std::string digits(word.substr(1));
    std::erase(digits, ':');
    const auto offset = number(digits, 4);
    if (!offset || digits.size() != 4 || *offset % 100 > 59) return {};
    const int minutes = *offset / 100 * 60 + *offset % 100;
    return word[0] == '-' ? -minutes : minutes;
  }
  struct Named {
    std::string_view name;
    int hours;
  };
  static constexpr std::array<Named, 8> zones{{{"edt", -4},
                                               {"est", -5},
                                               {"cdt", -5},
                                               {"cst", -6},
                                               {"mdt", -6},
                                               {"mst", -7},
                                               {"pdt", -7},
                                               {"pst", -8}}};
  for (const auto& zone : zones) {
    if (zone.name == word) return zone.hours * 60;
  }
  return 0;
}

}  // namespace

std::optional<Instant> parse_date(std::string_view value) {
  const auto words = words_of(value.substr(0, value_octets));
  std::size_t at = 0;
  if (at < words.size() && is_alpha(words[at][0])) ++at;  // the day's name is not believed
  if (words.size() < at + 4) return {};
  const auto day = number(words[at], 2);
  const auto month = month_of(words[at + 1]);
  const auto year = year_of(words[at + 2]);
  const auto seconds = seconds_of(words[at + 3]);
  const auto zone = words.size() > at + 4 ? zone_of(words[at + 4]) : 0;
  if (!day || !month || !year || !seconds || !zone) return {};
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  // std::chrono counts years to 32767; RFC 5322 knows none before 1900.
  if (!date.ok() || *year < 1900 || *year > 9999) return {};
  return Instant(std::chrono::sys_days(date).time_since_epoch() + std::chrono::seconds(*seconds) -
                 std::chrono::minutes(*zone));
}

}  // namespace goniec
