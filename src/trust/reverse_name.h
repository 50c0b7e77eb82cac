// The name in in-addr.arpa or ip6.arpa under which the PTR records of an address stand (RFC 1035
// §3.5, RFC 3596 §2.5). Pure; for PTR of iprev and SPF, and
// lists of the same form.
#pragma once
#include <string>

#include "mail/journey.h"

namespace goniec {

std::string reverse_name(const IpAddress& address);  // lower case, no last dot

}  // namespace goniec
