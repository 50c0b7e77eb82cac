// Times in and out of text: see time.h. The calendar is the standard library's; nothing here knows
// a clock or a time zone.
#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "base/text.h"

namespace goniec {
namespace {

using std::chrono::days;
using std::chrono::floor;

struct Civil {
  int year;
  unsigned month, day, weekday;  // Sunday is 0
  std::int64_t hours, minutes, seconds, microseconds;
};

Civil to_civil(Instant at) {
  const auto day = floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<Duration> time(at - day);
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          std::chrono::weekday(day).c_encoding(),
          time.hours().count(),
          time.minutes().count(),
          time.seconds().count(),
          time.subseconds().count()};
}

// Takes `count` digits off the front; -1: they are not there.
int take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (char c : text.substr(0, count)) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || to_lower(text[0]) != to_lower(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+02:00", as minutes east of UTC.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, 'z')) return 0;
  const bool west = !text.empty() && text[0] == '-';
  if (!take(text, '+') && !take(text, '-')) return {};
  const int hours = take_digits(text, 2);
  if (!take(text, ':')) return {};
  const int minutes = take_digits(text, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return {};
  return (west ? -1 : 1) * (hours * 60 + minutes);
}

struct Unit {
  std::string_view name;
  std::int64_t microseconds;
};
constexpr std::array<Unit, 7> units{{{"w", 604'800'000'000},
                                     {"d", 86'400'000'000},
                                     {"h", 3'600'000'000},
                                     {"m", 60'000'000},
                                     {"s", 1'000'000},
                                     {"ms", 1'000},
                                     {"us", 1}}};

struct SizeUnit {
  std::string_view name;
  std::uint64_t octets;
};
constexpr std::array<SizeUnit, 10> size_units{{{"", 1},
                                               {"B", 1},
                                               {"kB", 1'000},
                                               {"KiB", 1'024},
                                               {"MB", 1'000'000},
                                               {"MiB", 1'048'576},
                                               {"GB", 1'000'000'000},
                                               {"GiB", 1'073'741'824},
                                               {"TB", 1'000'000'000'000},
                                               {"TiB", 1'099'511'627'776}}};

std::pair<std::string_view, std::string_view> number_and_unit(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  return {text.substr(0, digits), text.substr(digits)};
}

}  // namespace

std::string to_rfc3339(Instant at) {
  const auto civil = to_civil(at);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", civil.year, civil.month,
                     civil.day, civil.hours, civil.minutes, civil.seconds,
                     civil.microseconds / 1000);
}

Result<Instant> parse_rfc3339(std::string_view text) {
  const auto whole = text;
  const auto bad = [&] {
    return fail(
        ErrorKind::bad_data,
        fmt::format("'{}' is no time: write it like 2026-11-23T06:10:01Z", printable(whole, 40)));
  };
  const int year = take_digits(text, 4);
  if (!take(text, '-')) return bad();
  const int month = take_digits(text, 2);
  if (!take(text, '-')) return bad();
  const int day = take_digits(text, 2);
  if (!take(text, 't') && !take(text, ' ')) return bad();  // RFC 3339 §5.6 lets a space stand for T
  const int hours = take_digits(text, 2);
  if (!take(text, ':')) return bad();
  const int minutes = take_digits(text, 2);
  if (!take(text, ':')) return bad();
  const int seconds = take_digits(text, 2);
  if (year < 0 || month < 0 || day < 0 || hours < 0 || minutes < 0 || seconds < 0) return bad();
  std::int64_t fraction = 0;
  if (take(text, '.')) {
    const auto digits = number_and_unit(text).first;
    if (digits.empty()) return bad();
    std::int64_t worth = 100'000;  // what is finer than a microsecond is dropped
    for (char c : digits) {
      fraction += (c - '0') * worth;
      worth /= 10;
    }
    text.remove_prefix(digits.size());
  }
  const auto offset = take_offset(text);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  // Second 60 is a leap second (RFC 3339 §5.7): the first second of the next minute here.
  if (!offset || !text.empty() || !date.ok() || hours > 23 || minutes > 59 || seconds > 60) {
    return bad();
  }
  return Instant(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hours) +
                 std::chrono::minutes(minutes - *offset) + std::chrono::seconds(seconds) +
                 Duration(fraction));
}

std::string to_rfc5322(Instant at) {
  static constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed",
                                                            "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> months{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto civil = to_civil(at);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", weekdays[civil.weekday],
                     civil.day, months[civil.month - 1], civil.year, civil.hours, civil.minutes,
                     civil.seconds);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto [digits, unit_name] = number_and_unit(text);
  const auto shown = printable(text, 40);
  if (digits.empty()) {
    return fail(
        ErrorKind::bad_data,
        fmt::format("'{}' is no duration: write a number and a unit, like 90s, 5m or 4h", shown));
  }
  if (unit_name.empty()) {
    return fail(ErrorKind::bad_data,
                fmt::format("duration '{}' has no unit: write {}s for seconds", shown, shown));
  }
  for (const auto& unit : units) {
    if (unit.name != unit_name) continue;
    const auto count = parse_unsigned(digits);
    const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!count || *count > most / static_cast<std::uint64_t>(unit.microseconds)) {
      return fail(ErrorKind::bad_data, fmt::format("duration '{}' is too long", shown));
    }
    return Duration(static_cast<std::int64_t>(*count) * unit.microseconds);
  }
  return fail(ErrorKind::bad_data,
              fmt::format("duration '{}' has an unknown unit: use s, m, h, d, w or ms", shown));
}

std::string to_text(Duration duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  for (const auto& unit : units) {
    if (count % unit.microseconds == 0)
      return fmt::format("{}{}", count / unit.microseconds, unit.name);
  }
  return {};  // not reached: every count is a multiple of the last unit
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto [digits, unit_name] = number_and_unit(text);
  const auto shown = printable(text, 40);
  for (const auto& unit : size_units) {
    if (unit.name != unit_name || digits.empty()) continue;
    const auto count = parse_unsigned(digits);
    if (!count || *count > std::numeric_limits<std::uint64_t>::max() / unit.octets) {
      return fail(ErrorKind::bad_data, fmt::format("size '{}' is too large", shown));
    }
    return *count * unit.octets;
  }
  return fail(
      ErrorKind::bad_data,
      fmt::format("'{}' is no size: write octets or a unit, like 1048576, 50MiB or 10MB", shown));
}

}  // namespace goniec
