// Dates of header fields (RFC 5322 §3.3), with the obsolete forms of §4.3 and what the world sends:
// comments and folding anywhere, years of two and three digits, zones by name ("UTC", "EST", "Z"),
// no zone (taken as UTC), a wrong or missing day name, dots or hyphens in "23-Nov-2026". A date
// that does not exist is refused. Printing is to_rfc5322 (base/time.h).
#pragma once
#include <optional>
#include <string_view>

#include "base/time.h"

namespace goniec {

std::optional<Instant> parse_date(std::string_view value);

}  // namespace goniec
