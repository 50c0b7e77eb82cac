// One SMTP command line taken apart: verb, arguments, ESMTP parameters (RFC 5321 §4.1.1, §4.1.2).
//
// Promises: verbs and parameter names in upper case, everything else as the client wrote it; blanks
// around arguments are dropped. Controls, NUL and bare CR in a line are refused before any handler
// sees it, so that nothing of a line can become a line of a header, a log or a reply.
// Refuses: what breaks the grammar, with the Reply that says so. Order of commands is not known
// here.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/reply.h"

namespace goniec::smtp {

template <class T>
using Parsed = std::expected<T, Reply>;  // the error is what the client is told

struct CommandLine {
  std::string verb;  // upper case, at most 16 octets
  std::string_view arguments;
};
Parsed<CommandLine> parse_command_line(std::string_view line);  // without its line end

struct Parameter {
  std::string name;  // upper case
  std::optional<std::string_view> value;
};
// What follows a path: nothing, or blanks and "KEY[=value]" (RFC 5321 §4.1.2 esmtp-param). Each
// name once. `utf8`: values may hold UTF-8 (RFC 6531 §3.3).
Parsed<std::vector<Parameter>> parse_parameters(std::string_view text, bool utf8);

struct ChunkArguments {
  std::uint64_t octets = 0;
  bool last = false;
};
Parsed<ChunkArguments> parse_chunk_arguments(std::string_view arguments);  // RFC 3030 §2

// xtext (RFC 3461 §4): decoded, or nullopt when it is no xtext or hides anything but printable
// ASCII (CVE-2020-28021, CVE-2020-28026: "+0A" must never become a line end).
std::optional<std::string> decode_xtext(std::string_view text);

// The name of HELO, EHLO, LHLO: one word of host name octets or a valid address literal.
bool is_tolerable_helo(std::string_view name);

}  // namespace goniec::smtp
