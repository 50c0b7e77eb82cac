// SPF records and their macros, parsed whole (RFC 7208 §4.5, §5, §6, §7): a record is right in
// every term or an error, so that a broken end never hides behind a match before it (§4.6).
//
// A macro string becomes pieces once; expand() gives its text for the facts of one check. Refused:
// octets outside of %x21-7E, unknown macros, a transformer of 0, terms twice that may stand once,
// prefixes beyond 32 and 128 or with leading zeros, names without a dot or with a numeric last
// label.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "mail/journey.h"

namespace goniec {

struct MacroPiece {
  char letter = 0;  // 0: `literal`; else lower case: s l o d i p h v c r t
  std::string literal;
  bool escape = false;  // the letter stood in upper case: URL-escaped (§7.3)
  unsigned keep = 0;    // right-hand parts that stay; 0: all
  bool reverse = false;
  std::string delimiters = ".";
};
using MacroString = std::vector<MacroPiece>;

enum class MacroPlace { domain, modifier, explanation };  // c, r and t: in explanations only
Result<MacroString> parse_macro_string(std::string_view text, MacroPlace place);

// What macros stand for. `validated` is asked for by %{p} only.
struct MacroFacts {
  std::string local, sender_domain;  // of %{s}: local@sender_domain
  std::string domain;                // %{d}
  std::string helo;
  IpAddress client;
  std::string receiver;
  Instant now{};
  std::string validated = "unknown";  // %{p}
};
std::string expand(const MacroString& macros, const MacroFacts& facts);
bool uses(const MacroString& macros, char letter);

enum class SpfMechanism { all, include, a, mx, ptr, ip4, ip6, exists };

struct SpfDirective {
  char qualifier = '+';  // + - ~ ?
  SpfMechanism mechanism = SpfMechanism::all;
  std::optional<MacroString> domain;  // none: the current domain
  unsigned prefix4 = 32, prefix6 = 128;
  std::optional<IpNetwork> network;  // ip4, ip6; none for an IPv4-mapped one: it matches nobody
  std::string text;                  // as it stands in the record
};

struct SpfRecord {
  std::vector<SpfDirective> directives;
  std::optional<MacroString> redirect, explanation;
};

bool is_spf_record(std::string_view text);  // begins with the version (§4.5), any case
Result<SpfRecord> parse_spf_record(std::string_view text);

}  // namespace goniec
