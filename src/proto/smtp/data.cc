// Implementation of the content decoder. What was seen before the next octet:
//
//   at          seen                    next octet
//   line_start  CRLF, or nothing yet    '.' -> dot (DATA only); else as text
//   dot         CRLF .                  CR -> dot_cr; else the dot is dropped, as text
//   dot_cr      CRLF . CR               LF -> end of data; else a bare CR, then as text
//   text        other octets            runs to CRLF; LF alone, CR alone, NUL: fault
//   cr          text CR                 LF -> CRLF, line_start; else a bare CR, then as text
//
// A run is found by memchr for LF, then CR and NUL inside the line: three fast scans a line and no
// copy. It goes over line ends until a line begins with a dot, so that mail without leading dots
// comes out in one piece a buffer.
#include "proto/smtp/data.h"

#include <cstring>

namespace goniec::smtp {

namespace {
constexpr std::string_view kCrLf = "\r\n";

std::size_t find(std::string_view text, char wanted, std::size_t from, std::size_t to) {
  const void* found = from < to ? std::memchr(text.data() + from, wanted, to - from) : nullptr;
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}
}  // namespace

ContentDecoder::Piece ContentDecoder::decode(std::string_view input) {
  switch (at_) {
    case At::line_start:
      if (framing_ == Framing::dot && input[0] == '.') {
        at_ = At::dot;
        return {{}, 1, false};
      }
      return run(input);
    case At::dot:
      if (input[0] == '\r') {
        at_ = At::dot_cr;
        return {{}, 1, false};
      }
      at_ = At::text;
      return run(input);
    case At::dot_cr:
    case At::cr:
      if (input[0] != '\n') return bare_line_end(0);
      if (at_ == At::dot_cr) return {{}, 1, true};
      at_ = At::line_start;
      return {kCrLf, 1, false};
    case At::text:
      return run(input);
  }
  return {};
}

ContentDecoder::Piece ContentDecoder::run(std::string_view input) {
  std::size_t from = 0;
  for (;;) {
    std::size_t line_feed = find(input, '\n', from, input.size());
    bool complete = line_feed != std::string_view::npos;
    std::size_t stop = complete ? line_feed : input.size();
    bool crlf = complete && line_feed > from && input[line_feed - 1] == '\r';
    if (crlf) --stop;
    std::size_t nul = find(input, '\0', from, stop);
    std::size_t bare_cr = find(input, '\r', from, nul < stop ? nul : stop);
    if (bare_cr != std::string_view::npos) {
      if (bare_cr + 1 == input.size()) {  // its LF may still come
        at_ = At::cr;
        return {input.substr(0, bare_cr), bare_cr + 1, false};
      }
      if (bare_cr == 0) return bare_line_end(1);
      at_ = At::text;
      return {input.substr(0, bare_cr), bare_cr, false};
    }
    if (nul != std::string_view::npos) {  // dropped, or refused at the end
      fault_ = true;
      at_ = At::text;
      return {input.substr(0, nul), nul + 1, false};
    }
    if (!complete) {
      at_ = At::text;
      return {input, input.size(), false};
    }
    if (!crlf) {
      if (line_feed == 0) return bare_line_end(1);
      at_ = At::text;
      return {input.substr(0, line_feed), line_feed, false};
    }
    from = line_feed + 1;
    bool stuffed = framing_ == Framing::dot && from < input.size() && input[from] == '.';
    if (from == input.size() || stuffed) {
      at_ = At::line_start;
      return {input.substr(0, from), from, false};
    }
  }
}

ContentDecoder::Piece ContentDecoder::bare_line_end(std::size_t consumed) {
  fault_ = true;
  at_ = At::text;  // not a line end on the wire: no dot rule after it
  return {policy_ == LineEndPolicy::normalise ? kCrLf : std::string_view(), consumed, false};
}

std::string_view ContentDecoder::finish() {
  if (at_ != At::cr) return {};
  return bare_line_end(0).content;
}

}  // namespace goniec::smtp
