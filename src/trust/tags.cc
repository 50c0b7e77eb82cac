// The tag=value list of RFC 6376 §3.2, one pass over the text.
#include "trust/tags.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr bool is_folding(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// RFC 6376 §3.2: ALPHA *(ALPHA / DIGIT / "_").
bool is_tag_name(std::string_view name) {
  if (name.empty() || !is_alpha(name.front())) return false;
  return std::ranges::all_of(name, [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
}

// VALCHAR and white space; from 0x80 on the octets of RFC 8616.
bool is_tag_value(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet >= 0x21 && octet != 0x7f) || is_folding(c);
  });
}

void note(TagList& list, std::string problem) {
  if (list.problem.empty()) list.problem = std::move(problem);
}

void read_one(TagList& list, std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos)
    return note(list, "has an item without '=': " + printable(trim_folding(text), 40));
  Tag tag;
  tag.name = trim_folding(text.substr(0, equals));
  tag.raw = text.substr(equals + 1);
  tag.value = trim_folding(tag.raw);
  if (!is_tag_name(tag.name))
    return note(list, "has a name that is none: " + printable(tag.name, 40));
  if (!is_tag_value(tag.value))
    return note(list, "has controls in the value of " + printable(tag.name, 40));
  if (list.find(tag.name)) note(list, "has more than one " + printable(tag.name, 40) + "=");
  list.tags.push_back(tag);
}

}  // namespace

std::string_view trim_folding(std::string_view text) {
  while (!text.empty() && is_folding(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_folding(text.back())) text.remove_suffix(1);
  return text;
}

const Tag* TagList::find(std::string_view name) const {
  const auto found = std::ranges::find(tags, name, &Tag::name);
  return found == tags.end() ? nullptr : &*found;
}

std::optional<std::string_view> TagList::value(std::string_view name) const {
  const Tag* tag = find(name);
  return tag ? std::optional(tag->value) : std::nullopt;
}

TagList read_tags(std::string_view text, TagLimits limits) {
  TagList list;
  if (text.size() > limits.octets) {
    note(list, "is longer than " + std::to_string(limits.octets) + " octets");
    return list;
  }
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    const std::string_view item = text.substr(0, end);
    const bool last = end == text.size();
    text.remove_prefix(last ? end : end + 1);
    // One ';' may end the list; nothing between two is an item that is missing.
    if (trim_folding(item).empty()) {
      if (!last) note(list, "has an empty item");
      continue;
    }
    if (list.tags.size() == limits.tags) {
      note(list, "has more than " + std::to_string(limits.tags) + " items");
      return list;
    }
    read_one(list, item);
  }
  if (list.tags.empty()) note(list, "is empty");
  return list;
}

Result<TagList> parse_tags(std::string_view text, TagLimits limits) {
  TagList list = read_tags(text, limits);
  if (!list.problem.empty()) return fail(ErrorKind::bad_data, "the tag list " + list.problem);
  return list;
}

std::vector<std::string_view> split_tag_value(std::string_view value, char separator) {
  std::vector<std::string_view> items = split(value, separator);
  for (std::string_view& item : items) item = trim_folding(item);
  return items;
}

std::string without_white_space(std::string_view value) {
  std::string result;
  result.reserve(value.size());
  std::ranges::copy_if(value, std::back_inserter(result), [](char c) { return !is_folding(c); });
  return result;
}

}  // namespace goniec
