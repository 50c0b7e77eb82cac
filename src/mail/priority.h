// Which of two messages goes first when both could go now, and only one can: priorities of the
// queue. No promise of time: nothing waits for another where there is a connection for both.
//
//   high     before the others to the same site: a code to log in with
//   normal   what is not said; mail of a transactional stream
//   bulk     after the others: mail of a bulk stream
// In the store the numbers are for ever.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace goniec {

enum class MailPriority : std::uint8_t { normal = 0, high = 1, bulk = 2 };
std::string_view name_of(MailPriority priority);
std::optional<MailPriority> mail_priority_of(std::string_view name);  // any case
// Of a row: what is not known is normal.
MailPriority mail_priority_of_number(std::uint8_t number);

}  // namespace goniec
