// SPF: may this client send mail in the name of this domain? (RFC 7208)
//
// check_spf is a judgement over Findings (proto/inquiry.h). The identity is MAIL FROM; for the null
// sender it is postmaster at the HELO name (§2.4). The verdict names the term that decided, as it
// stands in the record of the domain asked ("-all", "include:_spf.example"), and for fail the
// domain's own explanation (§6.2), checked to be ASCII without controls.
//
// Bounded by SpfLimits: a stranger's record costs at most so many questions, never more. DNS that
// fails for now is temp_error; it is never read as "no such record".
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "mail/journey.h"
#include "proto/inquiry.h"

namespace goniec {

enum class SpfResult { none, neutral, pass, fail, soft_fail, temp_error, perm_error };
std::string_view name_of(SpfResult result);  // as RFC 8601 §2.7.2 has it: "softfail", "temperror"

struct SpfLimits {
  unsigned lookups = 10;                 // §4.6.4: include, a, mx, ptr, exists, redirect
  unsigned void_lookups = 2;             // §4.6.4: terms whose name or type does not exist
  std::size_t mx_names = 10;             // §4.6.4: more is permerror
  std::size_t ptr_names = 10;            // §4.6.4: more are not looked at
  std::size_t explanation_octets = 500;  // what fits into a reply
};

struct SpfQuery {
  IpAddress client;
  std::string helo;
  std::string local, domain;  // of MAIL FROM; domain "": the null sender
  std::string receiver;       // our name, for %{r}
  Instant now{};              // for %{t}
};

struct SpfVerdict {
  SpfResult result = SpfResult::none;
  std::string domain;       // that was asked
  bool by_helo = false;     // the identity is HELO
  std::string mechanism;    // the term that decided; "default" (§4.7); "" for none and errors
  std::string explanation;  // of a fail; "" when the domain gives none
  std::string problem;      // for people: why none, temperror or permerror
  unsigned lookups = 0, void_lookups = 0;
};

std::optional<SpfVerdict> check_spf(Findings& findings, const SpfQuery& query,
                                    const SpfLimits& limits = {});

}  // namespace goniec
