// See outgoing_body.h.
#include "proto/smtp/outgoing_body.h"

#include <cstring>

namespace goniec::smtp {

namespace {

// One line with its CRLF, without any other CR, LF or NUL; 0: not so.
std::size_t clean_line(std::string_view text) {
  const void* found = std::memchr(text.data(), '\n', text.size());
  if (found == nullptr) return 0;
  const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
  if (end == 0 || text[end - 1] != '\r') return 0;
  if (std::memchr(text.data(), '\r', end - 1) != nullptr) return 0;
  if (std::memchr(text.data(), '\0', end - 1) != nullptr) return 0;
  return end + 1;
}

}  // namespace

// From the start of a line: copies lines while they are clean, in one append for each run without a
// dot at a line's start. Returns how many octets it took.
std::size_t OutgoingBody::copy_clean_lines(std::string_view chunk, std::string& out) {
  std::size_t copied = 0, seen = 0;
  while (seen < chunk.size()) {
    const auto line = clean_line(chunk.substr(seen));
    if (line == 0) break;
    if (framing_ == Framing::dots && chunk[seen] == '.') {
      out.append(chunk.substr(copied, seen - copied)).push_back('.');
      copied = seen;
    }
    seen += line;
  }
  out.append(chunk.substr(copied, seen - copied));
  return seen;
}

void OutgoingBody::copy_octet(char c, std::string& out) {
  if (c == '\0') return;
  if (carriage_return_ || c == '\n') {  // CRLF, or a bare CR or LF made one
    out.append("\r\n");
    line_start_ = true;
    carriage_return_ = false;
    if (c == '\n') return;
  }
  if (c == '\r') {
    carriage_return_ = true;
    return;
  }
  if (line_start_ && c == '.' && framing_ == Framing::dots) out.push_back('.');
  line_start_ = false;
  out.push_back(c);
}

void OutgoingBody::write(std::string_view chunk, std::string& out) {
  while (!chunk.empty()) {
    if (line_start_ && !carriage_return_) chunk.remove_prefix(copy_clean_lines(chunk, out));
    if (chunk.empty()) return;
    // A line that is not clean, or has begun in the chunk before: octet by octet to its LF, which
    // the search above has found already, so that many bare CRs cost no second search each.
    char last = 0;
    do {
      last = chunk.front();
      copy_octet(last, out);
      chunk.remove_prefix(1);
    } while (!chunk.empty() && last != '\n');
  }
}

void OutgoingBody::finish(std::string& out) {
  if (carriage_return_ || !line_start_) out.append("\r\n");
  carriage_return_ = false;
  line_start_ = true;
}

}  // namespace goniec::smtp
