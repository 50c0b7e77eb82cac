// The Authentication-Results field (RFC 8601): what was found about who sent a message, in a form
// that readers and filters behind us understand. Pure.
//
// compose() is safe for any value: each is written as a token where it is one, else as a quoted
// string; controls and octets that are not UTF-8 become '?'; a value longer than the limit is cut.
// No value can end the field, start another result or be read as a comment (CR/LF and quotes in
// DKIM's d=, a HELO name, a record's text). The field is folded at 78 columns where it can.
//
// authserv_id() reads who claims to have written such a field, however it is spelled: comments,
// folds, quotes, a version behind the name (§2.2, §5: forged ones are removed by it).
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace goniec {

struct AuthenticationLimits {
  std::size_t value_octets = 255;
  std::size_t comment_octets = 200;
  std::size_t results = 30;
};

struct AuthenticationProperty {
  std::string name;  // "smtp.mailfrom", "header.d", "policy.iprev": ours, never a peer's
  std::string value;
};

struct AuthenticationResult {
  std::string method, result;  // ours: "spf", "pass"
  std::string comment;         // for people, behind the result
  std::string reason;          // "" none
  std::vector<AuthenticationProperty> properties;
};

// "Authentication-Results: ID; spf=pass ...\r\n"; no result: "ID; none".
std::string authentication_results_field(std::string_view authserv_id,
                                         const std::vector<AuthenticationResult>& results,
                                         const AuthenticationLimits& limits = {});
// What stands after the name and colon, unfolded: "ID; spf=pass smtp.mailfrom=a@b" (for RFC 8617).
std::string authentication_results_value(std::string_view authserv_id,
                                         const std::vector<AuthenticationResult>& results,
                                         const AuthenticationLimits& limits = {});

std::string authserv_id_of(std::string_view field_value);  // "" none; without last dots

// Whether a value ("ID; dkim=…; dmarc=pass (p=none) header.from=D") says that DMARC passed for this
// domain. Comments and quoted text say nothing. For the ARC-Authentication-Results of a sealer who
// is believed.
bool says_dmarc_passed(std::string_view value, std::string_view author);

}  // namespace goniec
