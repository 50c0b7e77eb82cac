// The tag=value list of RFC 6376 §3.2, in which DKIM, ARC, DMARC, MTA-STS and TLS-RPT are written:
// "v=1; a=rsa-sha256; b=...". One pass, views into the given text, which must outlive them.
//
// Names keep their case and are compared so (§3.2: "case-sensitive"); values are as written,
// without the white space at both ends, white space inside kept. Octets of UTF-8 are let through
// (RFC 8616). A list is `problem`-free when it follows the grammar: who must be strict (a
// signature, a key) refuses a list with a problem; who must ignore what is wrong (DMARC) reads
// `tags`, which holds all that could be read, duplicates in order.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

struct TagLimits {
  std::size_t octets = 64 * 1024;  // beyond: no tags, a problem
  std::size_t tags = 100;          // beyond: the rest is not read, a problem
};

struct Tag {
  std::string_view name;
  std::string_view value;  // without white space (also folds) at both ends
  std::string_view raw;    // between '=' and ';', as written
};

struct TagList {
  std::vector<Tag> tags;
  std::string problem;  // "" : none; else the first, as words after "the tag list ": "is empty"

  // The first of this name; nullptr: none.
  const Tag* find(std::string_view name) const;
  std::optional<std::string_view> value(std::string_view name) const;
};

TagList read_tags(std::string_view text, TagLimits limits = {});
Result<TagList> parse_tags(std::string_view text, TagLimits limits = {});  // bad_data: the problem

// "a : b:c" by its separator, white space around each taken away; empty items stay (RFC 6376 §3.5).
std::vector<std::string_view> split_tag_value(std::string_view value, char separator = ':');
// The value without any white space: for base64 and for numbers written over folds.
std::string without_white_space(std::string_view value);
// SP, TAB, CR and LF at both ends.
std::string_view trim_folding(std::string_view text);

}  // namespace goniec
