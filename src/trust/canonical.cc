// Canonical forms: see canonical.h. What may still turn out to be the end of a line or of the body
// (a CR, white space, line ends) waits as flags and a count, and goes out with the next content.
#include "trust/canonical.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t buffer_octets = 4096;

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Where octets begin that the relaxed form has to look at: CR, TAB, or SP that is not single.
std::size_t plain_run(std::string_view octets) {
  std::size_t at = 0;
  for (; at < octets.size(); ++at) {
    const char c = octets[at];
    if (c > ' ') [[likely]]
      continue;
    if (c == '\r' || c == '\t') break;
    if (c != ' ') continue;
    if (at + 1 == octets.size() || is_blank(octets[at + 1]) || octets[at + 1] == '\r') break;
  }
  return at;
}

}  // namespace

std::string_view name_of(Canonical form) {
  return form == Canonical::simple ? "simple" : "relaxed";
}

std::string canonical_field(Canonical form, const HeaderField& field) {
  if (form == Canonical::simple) {
    std::string result(field.whole);
    if (!result.ends_with("\r\n")) result += "\r\n";
    return result;
  }
  std::string result = to_lower(field.name);
  result += ':';
  bool blank = false, any = false;
  for (const char c : field.value) {
    if (is_blank(c) || c == '\r' || c == '\n') {
      blank = true;
      continue;
    }
    if (blank && any) result += ' ';
    blank = false;
    any = true;
    result += c;
  }
  result += "\r\n";
  return result;
}

void BodyHasher::add(std::string_view octets) {
  if (octets.empty()) return;
  if (buffer_.capacity() < buffer_octets) buffer_.reserve(buffer_octets);
  form_ == Canonical::simple ? add_simple(octets) : add_relaxed(octets);
}

void BodyHasher::finish() {
  if (cr_) content("\r");
  cr_ = false;
  blank_ = false;
  if (any_ || form_ == Canonical::simple) emit("\r\n");
  flush();
  buffer_ = {};
}

// A CR of before is a line end or content; returns how many octets were used for that.
std::size_t BodyHasher::take_marks(std::string_view octets) {
  if (!cr_) return 0;
  cr_ = false;
  if (octets.front() != '\n') {
    content("\r");
    return 0;
  }
  ++line_ends_;
  blank_ = false;
  return 1;
}

void BodyHasher::add_simple(std::string_view octets) {
  while (!octets.empty()) {
    octets.remove_prefix(take_marks(octets));
    const std::size_t end = std::min(octets.find('\r'), octets.size());
    if (end > 0) content(octets.substr(0, end));
    octets.remove_prefix(end);
    if (octets.empty()) return;
    cr_ = true;
    octets.remove_prefix(1);
  }
}

void BodyHasher::add_relaxed(std::string_view octets) {
  while (!octets.empty()) {
    octets.remove_prefix(take_marks(octets));
    // Behind white space more of it says nothing, and a SP is no single one.
    while (blank_ && !octets.empty() && is_blank(octets.front())) octets.remove_prefix(1);
    const std::size_t end = plain_run(octets);
    if (end > 0) content(octets.substr(0, end));
    octets.remove_prefix(end);
    if (octets.empty()) return;
    if (octets.front() == '\r')
      cr_ = true;
    else
      blank_ = true;
    octets.remove_prefix(1);
  }
}

// Content follows, so that what waited was not the end.
void BodyHasher::content(std::string_view octets) {
  for (; line_ends_ > 0; --line_ends_) emit("\r\n");
  if (blank_) emit(" ");
  blank_ = false;
  any_ = true;
  emit(octets);
}

void BodyHasher::emit(std::string_view octets) {
  const std::uint64_t left = length_ - std::min(octets_, length_);
  octets_ += octets.size();
  octets = octets.substr(0, std::min<std::uint64_t>(octets.size(), left));
  if (buffer_.size() + octets.size() > buffer_octets) flush();
  if (octets.size() > buffer_octets)
    hash_.add(octets);
  else
    buffer_.append(octets);
}

void BodyHasher::flush() {
  hash_.add(buffer_);
  buffer_.clear();
}

}  // namespace goniec
