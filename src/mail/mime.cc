// The MIME scanner: see mime.h.
//
// The input is a sequence of lines. A line is in one of two places:
//
//   place   | the line is                    | what happens
//   header  | empty                          | the header ends, end_header() says what the body is
//           | a field, or its continuation   | kept
//           | a boundary of an open multipart| the header ends, then as in a body
//           | else                           | the header ends before it, the line is body
//   body    | a boundary of an open multipart| all parts inside of it end; "--" after it closes
//           | else                           | passes by
//
// Lines of a body are copied only when the end of a chunk cuts them, and then only their begin.
#include "mail/mime.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "mail/header.h"
#include "mail/words.h"

namespace goniec {
namespace {

enum class Place { header, body };

// An open part on the way from the message down to where the scanner is.
struct Open {
  std::size_t part = 0;
  bool closed = false;  // its closing boundary was seen: what follows is epilogue
};

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_header_line(std::string_view text) {
  const auto block = scan_header(text, {~std::size_t{0}, ~std::size_t{0}, 0});
  return block && block->fields.size() == 1;
}

}  // namespace

struct MimeScanner::State {
  explicit State(MimeLimits given) : limits(given) { open_part("text/plain", 0); }

  void feed(std::string_view chunk);
  void line(std::string_view text, std::uint64_t octets);
  bool boundary_line(std::string_view text, std::uint64_t octets);
  bool header_line(std::string_view text, bool cut);
  void end_header(std::uint64_t body_begin);
  void read_fields(MimePart& part);
  void open_part(std::string_view type, std::uint64_t header_begin);
  void close_down_to(std::size_t level, std::uint64_t end);

  MimeLimits limits;
  MimeStructure result;
  std::vector<Open> open;  // the last is where we are
  Place place = Place::header;
  std::string header;        // of the innermost part, as far as read
  std::string default_type;  // of the innermost part
  std::uint64_t offset = 0;  // of the line at hand
  unsigned line_end = 0;     // octets of the line end before it
  std::string pending;       // the begin of a line that a chunk cut
  std::uint64_t pending_octets = 0;
  char last_character = 0;  // of the chunk before
};

void MimeScanner::State::open_part(std::string_view type, std::uint64_t header_begin) {
  if (result.parts.size() == limits.parts) {
    result.faults.too_many_parts = true;
    return;
  }
  MimePart part;
  if (!open.empty()) {
    part.parent = open.back().part;
    part.depth = open.size();
  }
  part.header_begin = part.body_begin = part.body_end = header_begin;
  open.push_back({result.parts.size(), false});
  result.parts.push_back(std::move(part));
  default_type = type;
  place = Place::header;
  header.clear();
}

// All open parts from `level` inwards end at `end`.
void MimeScanner::State::close_down_to(std::size_t level, std::uint64_t end) {
  if (place == Place::header && open.size() > level) {  // the innermost has no body at all
    auto& part = result.parts[open.back().part];
    part.body_begin = std::max(part.header_begin, end);
    read_fields(part);
  }
  while (open.size() > level) {
    auto& part = result.parts[open.back().part];
    part.body_end = std::max(part.body_begin, end);
    if (part.is_multipart() && !open.back().closed) result.faults.not_closed = true;
    open.pop_back();
  }
  place = Place::body;
}

void MimeScanner::State::read_fields(MimePart& part) {
  part.type = default_type;
  const auto block = scan_header(header, {~std::size_t{0}, ~std::size_t{0}, 0});
  if (!block) return;
  if (const auto* field = find_field(*block, "Content-Type")) {
    const auto parsed = parse_parameterized(field->value);
    if (parsed.value.find('/') != std::string::npos) part.type = parsed.value;
    if (const auto* charset = parsed.find("charset")) part.charset = *charset;
    if (const auto* name = parsed.find("name")) part.file_name = *name;
    if (part.type.starts_with("multipart/")) {
      const auto* boundary = parsed.find("boundary");
      if (boundary && boundary->size() <= limits.boundary_octets) {
        part.boundary = boundary->substr(0, boundary->find_last_not_of(" \t") + 1);
      }
      if (part.boundary.empty()) result.faults.no_boundary = true;
    }
  }
  if (const auto* field = find_field(*block, "Content-Transfer-Encoding")) {
    part.encoding = transfer_encoding_of(field->value);
  }
  if (const auto* field = find_field(*block, "Content-Disposition")) {
    const auto parsed = parse_parameterized(field->value);
    part.disposition = parsed.value;
    if (const auto* name = parsed.find("filename")) part.file_name = *name;
  }
}

// The header of the innermost part ended; a message in its body begins with a header again.
void MimeScanner::State::end_header(std::uint64_t body_begin) {
  const auto index = open.back().part;
  auto& part = result.parts[index];
  part.body_begin = part.body_end = body_begin;
  place = Place::body;
  read_fields(part);
  const bool encoded = part.encoding == TransferEncoding::base64 ||
                       part.encoding == TransferEncoding::quoted_printable;
  const bool message = (part.type == "message/rfc822" || part.type == "message/global") && !encoded;
  if (!message && !part.is_multipart()) return;
  if (open.size() > limits.depth) {
    result.faults.too_deep = true;
    part.boundary.clear();
    return;
  }
  if (!message) return;
  const auto before = result.parts.size();
  open_part("text/plain", body_begin);
  result.parts[index].holds_message = result.parts.size() > before;
}

// A line that begins with "--": true when it is a boundary. RFC 2046 §5.1.1: it is enough that the
// line begins with the boundary; of several that fit, the longest is meant, then the innermost.
bool MimeScanner::State::boundary_line(std::string_view text, std::uint64_t octets) {
  const auto candidate = without_line_end(text).substr(2);
  const MimePart* best = nullptr;
  std::size_t level = 0;
  for (std::size_t at = open.size(); at-- > 0;) {
    const auto& part = result.parts[open[at].part];
    const bool fits = !part.boundary.empty() && candidate.starts_with(part.boundary);
    if (!fits || (best && part.boundary.size() <= best->boundary.size())) continue;
    best = &part;
    level = at;
  }
  if (!best || open[level].closed) return false;
  const bool closing = candidate.substr(best->boundary.size()).starts_with("--");
  const bool digest = best->type == "multipart/digest";  // RFC 2046 §5.1.5
  close_down_to(level + 1, offset - std::min<std::uint64_t>(offset, line_end));
  if (closing) {
    open[level].closed = true;
  } else {
    open_part(digest ? "message/rfc822" : "text/plain", offset + octets);
  }
  return true;
}

// False: the line is no part of the header, which ended before it.
bool MimeScanner::State::header_line(std::string_view text, bool cut) {
  if (without_line_end(text).empty()) {
    end_header(offset + text.size());
    return true;
  }
  const bool continued = is_blank(text[0]) && !header.empty();
  if (!continued && !is_header_line(text)) {
    result.faults.malformed_header = true;
    end_header(offset);
    return false;
  }
  if (cut || header.size() + text.size() > limits.header_octets) {
    result.faults.large_header = true;  // what is beyond is passed over
  } else {
    header += text;
  }
  return true;
}

// One line; `text` is the begin of it when it has more octets. A whole one is cut where one that
// came in pieces was, so that both read the same.
void MimeScanner::State::line(std::string_view text, std::uint64_t octets) {
  text = text.substr(0, limits.header_octets);
  const bool cut = text.size() < octets;
  if (!text.starts_with("--") || !boundary_line(text, octets)) {
    // A line that ends the header of a message in a message may end the inner one's at once.
    while (place == Place::header && !header_line(text, cut)) {
    }
  }
  offset += octets;
}

void MimeScanner::State::feed(std::string_view chunk) {
  while (!chunk.empty()) {
    const auto* found = static_cast<const char*>(std::memchr(chunk.data(), '\n', chunk.size()));
    const auto piece =
        chunk.substr(0, found ? static_cast<std::size_t>(found - chunk.data()) + 1 : chunk.size());
    chunk.remove_prefix(piece.size());
    const bool whole = found && pending_octets == 0;
    if (!whole) {
      const std::size_t kept =
          place == Place::header ? limits.header_octets : limits.boundary_octets + 8;
      if (pending.size() < kept) pending += piece.substr(0, kept - pending.size());
      pending_octets += piece.size();
    }
    const char before_last = piece.size() > 1 ? piece[piece.size() - 2] : last_character;
    last_character = piece.back();
    if (!found) continue;
    line(whole ? piece : std::string_view(pending), whole ? piece.size() : pending_octets);
    line_end = before_last == '\r' ? 2 : 1;
    pending.clear();
    pending_octets = 0;
  }
}

MimeScanner::MimeScanner(MimeLimits limits) : state_(std::make_unique<State>(limits)) {}
MimeScanner::~MimeScanner() = default;
MimeScanner::MimeScanner(MimeScanner&&) noexcept = default;
MimeScanner& MimeScanner::operator=(MimeScanner&&) noexcept = default;

void MimeScanner::feed(std::string_view chunk) {
  state_->feed(chunk);
}

MimeStructure MimeScanner::finish() {
  CHECK(!state_->open.empty());
  if (state_->pending_octets > 0) state_->line(state_->pending, state_->pending_octets);
  state_->close_down_to(0, state_->offset);
  return std::move(state_->result);
}

MimeStructure scan_mime(std::string_view message, const MimeLimits& limits) {
  MimeScanner scanner(limits);
  scanner.feed(message);
  return scanner.finish();
}

}  // namespace goniec
