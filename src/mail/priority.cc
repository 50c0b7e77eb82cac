// See priority.h.
#include "mail/priority.h"

#include "base/text.h"

namespace goniec {
namespace {

constexpr MailPriority all[] = {MailPriority::high, MailPriority::normal, MailPriority::bulk};

}  // namespace

std::string_view name_of(MailPriority priority) {
  switch (priority) {
    case MailPriority::high:
      return "high";
    case MailPriority::normal:
      return "normal";
    case MailPriority::bulk:
      return "bulk";
  }
  return "normal";
}

std::optional<MailPriority> mail_priority_of(std::string_view name) {
  for (const MailPriority each : all)
    if (equal_ignoring_case(name, name_of(each))) return each;
  return std::nullopt;
}

MailPriority mail_priority_of_number(std::uint8_t number) {
  for (const MailPriority each : all)
    if (number == static_cast<std::uint8_t>(each)) return each;
  return MailPriority::normal;
}

}  // namespace goniec
