// See html.h.
// The parser may give one tag twice, where it mends nesting (adoption of formatting elements): a
// place is taken once. A tag that it made up has no place in the text.
#include "mail/html.h"

#include <gumbo.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace goniec {
namespace {

struct Walk {
  std::string_view html;
  std::string mark;
  std::map<std::size_t, HtmlLink> links;
  std::size_t body_end = std::string_view::npos;

  std::size_t offset_of(const char* at) const {
    const bool inside = at >= html.data() && at <= html.data() + html.size();
    return inside ? static_cast<std::size_t>(at - html.data()) : std::string_view::npos;
  }
  void take(const GumboElement& element, bool marked);
};

void Walk::take(const GumboElement& element, bool marked) {
  if (element.tag == GUMBO_TAG_BODY && element.original_end_tag.length > 0)
    body_end = offset_of(element.original_end_tag.data);
  if (element.tag != GUMBO_TAG_A && element.tag != GUMBO_TAG_AREA) return;
  const GumboAttribute* href = gumbo_get_attribute(&element.attributes, "href");
  if (!href || !href->original_value.data || href->original_value.length == 0) return;
  HtmlLink link;
  link.begin = offset_of(href->original_value.data);
  if (link.begin == std::string_view::npos) return;
  link.end = link.begin + href->original_value.length;
  if (link.end > html.size()) return;
  link.url = trim(href->value);
  if (link.url.empty()) return;
  link.marked = marked;
  links.try_emplace(link.begin, std::move(link));
}

// A stack of its own: the tree may be deep.
void walk_tree(const GumboNode* root, Walk& walk) {
  struct Step {
    const GumboNode* node;
    bool marked;
  };
  std::vector<Step> stack{{root, false}};
  while (!stack.empty()) {
    const Step step = stack.back();
    stack.pop_back();
    if (step.node->type != GUMBO_NODE_ELEMENT && step.node->type != GUMBO_NODE_TEMPLATE) continue;
    const GumboElement& element = step.node->v.element;
    const bool marked =
        step.marked || gumbo_get_attribute(&element.attributes, walk.mark.c_str()) != nullptr;
    walk.take(element, marked);
    for (unsigned i = 0; i < element.children.length; ++i)
      stack.push_back({static_cast<const GumboNode*>(element.children.data[i]), marked});
  }
}

}  // namespace

Result<HtmlPlaces> find_html_places(std::string_view html, std::string_view mark,
                                    const HtmlLimits& limits) {
  if (html.size() > limits.octets)
    return fail(ErrorKind::bad_data,
                fmt::format("an HTML part of {} octets, at most {}", html.size(), limits.octets));
  const auto tags = static_cast<std::size_t>(std::ranges::count(html, '<'));
  if (tags > limits.tags)
    return fail(ErrorKind::bad_data,
                fmt::format("an HTML part of {} tags, at most {}", tags, limits.tags));
  Walk walk;
  walk.html = html;
  walk.mark = mark;
  GumboOutput* output = gumbo_parse_with_options(&kGumboDefaultOptions, html.data(), html.size());
  if (!output) return fail(ErrorKind::bad_data, "an HTML part that cannot be read");
  walk_tree(output->root, walk);
  gumbo_destroy_output(&kGumboDefaultOptions, output);
  HtmlPlaces places;
  places.body_end = walk.body_end == std::string_view::npos ? html.size() : walk.body_end;
  for (auto& [begin, link] : walk.links) {
    if (!places.links.empty() && begin < places.links.back().end) continue;
    places.links.push_back(std::move(link));
  }
  return places;
}

std::string apply_edits(std::string_view text, const std::vector<TextEdit>& edits) {
  std::string out;
  std::size_t at = 0;
  for (const TextEdit& edit : edits) {
    CHECK(edit.begin >= at && edit.end >= edit.begin && edit.end <= text.size());
    out += text.substr(at, edit.begin - at);
    out += edit.text;
    at = edit.end;
  }
  out += text.substr(at);
  return out;
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace goniec
