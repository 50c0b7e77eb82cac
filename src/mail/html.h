// Links in HTML mail, found by a real parser (libgumbo; docs/decisions/html-by-gumbo.md), never by
// a pattern: what a browser takes for a link is one, what stands in a comment or a text is none.
//
// Nothing is written anew: what is found are places in the given text, and a change replaces the
// octets there and no others. Works on any charset that holds ASCII. Pure; no type of the parser
// leaves this file's .cc. Refuses a text beyond its limits, so that no nesting costs more than its
// octets: it is then left as it is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

struct HtmlLimits {
  std::size_t octets = 512 * 1024;
  std::size_t tags = 10'000;  // of '<': bounds the depth of the tree and the time of the parser
};

struct HtmlLink {
  std::size_t begin = 0, end = 0;  // of the value of href, its quotes included
  std::string url;                 // with references resolved ("&amp;"), without white space around
  bool marked = false;             // the tag, or one around it, has the attribute asked for
};

struct HtmlPlaces {
  std::vector<HtmlLink> links;  // of <a> and <area>, in order
  std::size_t body_end = 0;     // before </body>, or the end of the text
};

// `mark`: an attribute by which a link, or all links below it, are marked.
Result<HtmlPlaces> find_html_places(std::string_view html, std::string_view mark,
                                    const HtmlLimits& limits = {});

struct TextEdit {
  std::size_t begin = 0, end = 0;
  std::string text;
};
// REQUIRES edits in order, none over another.
std::string apply_edits(std::string_view text, const std::vector<TextEdit>& edits);

// As text of a page, or between double quotes as the value of an attribute.
std::string html_text(std::string_view text);

}  // namespace goniec
