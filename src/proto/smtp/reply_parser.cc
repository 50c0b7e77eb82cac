// See reply_parser.h.
#include "proto/smtp/reply_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace goniec::smtp {

namespace {

// Text of a peer, made safe for logs, events and notices.
std::string safe_text(std::string_view text) {
  const bool utf8 = is_utf8(text);
  std::string safe(text);
  for (char& c : safe) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '\t')
      c = ' ';
    else if (octet < 0x20 || octet == 0x7F || (octet >= 0x80 && !utf8))
      c = '?';
  }
  return safe;
}

}  // namespace

void ReplyParser::receive(std::string_view bytes) {
  if (start_ == buffer_.size()) {
    buffer_.clear();
    start_ = scanned_ = 0;
  }
  buffer_.append(bytes);
}

bool ReplyParser::empty() const {
  return start_ == buffer_.size() && reply_.lines.empty();
}

void ReplyParser::drop() {
  buffer_.clear();
  start_ = scanned_ = octets_ = 0;
  reply_ = {};
}

std::optional<std::string_view> ReplyParser::next_line() {
  const auto end = buffer_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
  start_ = scanned_ = end + 1;
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::unexpected<Error> ReplyParser::refuse(std::string why) {
  broken_ = Error{ErrorKind::bad_data, std::move(why)};
  return std::unexpected(*broken_);
}

Result<bool> ReplyParser::add_line(std::string_view line) {
  if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, is_digit) || line[0] < '1' ||
      line[0] > '5') {
    return refuse(fmt::format("not a reply of SMTP: \"{}\"", printable(line, 80)));
  }
  const auto code =
      static_cast<std::uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
  const bool last = line.size() == 3 || line[3] == ' ';
  if (!last && line[3] != '-') {
    return refuse(fmt::format("not a reply of SMTP: \"{}\"", printable(line, 80)));
  }
  if (!reply_.lines.empty() && reply_.code / 100 != code / 100) {
    return refuse(fmt::format("the codes {} and {} in one reply", reply_.code, code));
  }
  reply_.code = code;
  auto text = line.substr(std::min<std::size_t>(4, line.size()));
  auto rest = text;
  const auto enhanced = EnhancedCode::parse_prefix(rest);
  if (enhanced && enhanced.klass == code / 100) {  // RFC 2034 §4: the class must agree
    if (!reply_.enhanced) reply_.enhanced = enhanced;
    if (reply_.enhanced == enhanced) text = rest;
  }
  if (reply_.lines.size() >= limits_.lines) {
    return refuse(fmt::format("a reply of more than {} lines", limits_.lines));
  }
  reply_.lines.push_back(safe_text(text));
  return last;
}

Result<std::optional<Reply>> ReplyParser::take() {
  if (broken_) return std::unexpected(*broken_);
  while (const auto line = next_line()) {
    octets_ += line->size() + 2;
    if (line->size() > limits_.line_octets) {
      return refuse(fmt::format("a reply line of more than {} octets", limits_.line_octets));
    }
    if (octets_ > limits_.octets) {
      return refuse(fmt::format("a reply of more than {} octets", limits_.octets));
    }
    if (!TRY(add_line(*line))) continue;
    octets_ = 0;
    return std::exchange(reply_, {});
  }
  if (buffer_.size() - start_ > limits_.line_octets + 2) {
    return refuse(fmt::format("a reply line of more than {} octets", limits_.line_octets));
  }
  return std::nullopt;
}

}  // namespace goniec::smtp
