// aliases(5), as /etc/aliases has it: a pure parser and a reader of files.
//
//   name: target, target …      one alias a logical line; several targets by comma
//     continued                 a line that begins with a blank continues the one before
//   # comment                   at the line's start or after a blank; empty lines are skipped
//   "odd name": "odd target"    quotes keep blanks, commas, colons, '#'; \ takes the next octet
//   name@domain: …              also understood
//
// A name or target without domain stays so: Directory gives it the first local domain or the
// hostname. Refused, naming file and line, all errors at once: |command, /file, :include: (mail is
// never piped nor written to files here), a name given twice, a line without colon, an alias
// without targets, and what is no address. Names compare ignoring ASCII case.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mail/address.h"

namespace goniec {

struct AliasesLimits {
  std::size_t file_octets = 16u << 20;
  std::size_t errors = 20;  // told at once
};

struct AliasesName {
  std::string local;  // of an alias: lower case
  Domain domain;      // empty: not given
};
struct AliasesLine {
  AliasesName name;
  std::vector<AliasesName> targets;
  std::size_t line = 0;  // where it begins, from 1
};

// `file` is its name in errors. config: errors joined by newlines.
Result<std::vector<AliasesLine>> parse_aliases(std::string_view text, std::string_view file);

// A file that does not exist has no aliases; one that cannot be read is an error.
Result<std::vector<AliasesLine>> read_aliases_file(const std::string& path);

}  // namespace goniec
