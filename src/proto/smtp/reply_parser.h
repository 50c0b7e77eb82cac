// Reads what an SMTP or LMTP server answers: bytes in, Reply out (RFC 5321 §4.2, RFC 2034 §4). No
// I/O.
//
// It promises: bounded memory (limits), whole replies only, text that is safe to log (controls
// become '?', octets that are not UTF-8 become '?'), the same result for any split of the bytes. It
// tolerates what peers do: lines of a code alone ("250", "250-"), LF for CRLF, any text, codes that
// nobody defined (the first digit counts, RFC 5321 §4.3.2), codes that differ inside their class
// (the last wins). It refuses (an error, and the same error for ever after): no three digits at the
// front of a line, a code outside 100-599, another character than SP or '-' behind it, codes of
// different classes in one reply (nobody can say whether that is a yes), a line, a reply or a
// number of lines beyond the limits. The enhanced code is taken only where its class is that of the
// code (RFC 2034 §4).
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "mail/reply.h"

namespace goniec::smtp {

struct ReplyLimits {
  std::size_t octets = 64 * 1024;  // a whole reply
  std::size_t lines = 500;
  std::size_t line_octets = 8 * 1024;
};

class ReplyParser {
 public:
  ReplyParser() = default;
  explicit ReplyParser(ReplyLimits limits) : limits_(limits) {}

  void receive(std::string_view bytes);
  Result<std::optional<Reply>> take();  // nullopt: the reply is not whole yet
  bool empty() const;                   // nothing is buffered, not even a part of a line
  void drop();                          // forget what is buffered (STARTTLS)

 private:
  std::optional<std::string_view> next_line();
  Result<bool> add_line(std::string_view line);  // true: the reply is whole
  std::unexpected<Error> refuse(std::string why);

  ReplyLimits limits_;
  std::string buffer_;
  std::size_t start_ = 0;    // of what is not parsed
  std::size_t scanned_ = 0;  // no line end before here
  std::size_t octets_ = 0;   // of the reply being read
  Reply reply_;
  std::optional<Error> broken_;
};

}  // namespace goniec::smtp
