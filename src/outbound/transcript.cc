// See transcript.h.
#include "outbound/transcript.h"

#include <fmt/format.h>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view hidden = "(not shown)";

// "AUTH PLAIN dGVzd…" -> "AUTH PLAIN (not shown)"; an answer to a challenge is hidden whole.
std::string without_secret(std::string_view line) {
  constexpr std::string_view command = "AUTH ";
  if (!starts_with_ignoring_case(line, command)) return std::string(hidden);
  const auto space = line.find(' ', command.size());
  if (space == std::string_view::npos) return std::string(line);
  return fmt::format("{} {}", line.substr(0, space), hidden);
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void Transcript::begin_message(Moment now, bool reused) {
  if (!in_message_) opened_ = began_;
  in_message_ = true;
  message_.clear();
  heard_.clear();
  left_out_ = 0;
  content_ = 0;
  if (!reused) return;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - opened_).count();
  began_ = now;
  note(now, fmt::format("the session was opened for another message, {} ms before", since));
}

void Transcript::add(Moment now, char from, std::string_view text) {
  std::string& into = in_message_ ? message_ : opening_;
  if (opening_.size() + message_.size() > text_octets) {
    ++left_out_;
    return;
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - began_).count();
  fmt::format_to(std::back_inserter(into), "{}\t{}\t{}\n", ms, from, printable(text, line_octets));
}

void Transcript::flush_content(Moment now) {
  if (content_ == 0) return;
  add(now, '>', fmt::format("(content, {} octets)", content_));
  content_ = 0;
}

void Transcript::note(Moment now, std::string_view text) {
  flush_content(now);
  add(now, '*', text);
}

void Transcript::said(Moment now, std::string_view bytes, bool in_login) {
  flush_content(now);
  for (const auto piece : split(bytes, '\n')) {
    const auto line = without_line_end(piece);
    if (piece.empty()) continue;
    if (in_login)
      add(now, '>', without_secret(line));
    else
      add(now, '>', line);
  }
}

void Transcript::heard(Moment now, std::string_view bytes, bool in_login) {
  flush_content(now);
  heard_ += bytes;
  std::size_t from = 0;
  for (;;) {
    const auto end = heard_.find('\n', from);
    if (end == std::string::npos) break;
    const auto line = without_line_end(std::string_view(heard_).substr(from, end - from));
    if (in_login && line.starts_with("334"))
      add(now, '<', fmt::format("334 {}", hidden));
    else
      add(now, '<', line);
    from = end + 1;
  }
  heard_.erase(0, from);
  if (heard_.size() <= line_octets) return;  // a line without end is told in pieces
  add(now, '<', heard_);
  heard_.clear();
}

void Transcript::before(std::string text) {
  text += opening_;
  opening_ = std::move(text);
}

std::string Transcript::text() const {
  std::string out = opening_ + message_;
  if (left_out_ > 0) out += fmt::format("0\t*\t{} more lines are left out\n", left_out_);
  return out;
}

}  // namespace goniec
