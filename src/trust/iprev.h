// iprev: does the client's address have a name, and that name the address? (RFC 8601 §3, also
// called FCrDNS). A judgement over Findings (proto/inquiry.h).
//
//   pass       a name leads back to the address; `name` is the first such
//   fail       names are there, none leads back
//   permerror  no name is published
//   temperror  DNS gave no answer for now
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/journey.h"
#include "proto/inquiry.h"

namespace goniec {

enum class IprevResult { pass, fail, temp_error, perm_error };
std::string_view name_of(IprevResult result);  // RFC 8601 §2.7.3

struct IprevLimits {
  std::size_t names = 10;  // RFC 8601 §3: names beyond are not looked at
};

struct IprevVerdict {
  IprevResult result = IprevResult::temp_error;
  std::string name;  // of a pass; lower case, no last dot
};

std::optional<IprevVerdict> check_iprev(Findings& findings, const IpAddress& client,
                                        const IprevLimits& limits = {});

}  // namespace goniec
