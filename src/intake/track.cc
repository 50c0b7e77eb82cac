// See track.h.
#include "intake/track.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "mail/header.h"
#include "mail/html.h"
#include "mail/mime.h"

namespace goniec {
namespace {

bool is_web(std::string_view url) {
  return starts_with_ignoring_case(url, "https://") || starts_with_ignoring_case(url, "http://");
}

// A browser ends a header at it, a server a line.
bool has_controls(std::string_view url) {
  return std::ranges::any_of(url, [](char c) { return static_cast<unsigned char>(c) <= ' '; });
}

// Charsets whose octets below 128 are not ASCII: places found in them would be wrong.
bool holds_ascii(std::string_view charset) {
  for (const char* other : {"utf-16", "utf-32", "utf-7", "iso-2022", "ucs-2", "ucs-4", "hz-gb"})
    if (starts_with_ignoring_case(charset, other)) return false;
  return true;
}

bool is_sealed(const MimePart& part) {
  return part.type == "multipart/signed" || part.type == "multipart/encrypted" ||
         part.type == "application/pkcs7-mime" || part.type == "application/x-pkcs7-mime";
}

struct Rewriter {
  const TrackPlan& plan;
  const TrackLimits& limits;
  std::size_t links = 0;
  bool image = false;

  std::optional<std::string> word(LinkKind kind, std::string target) const {
    LinkToken token = plan.base;
    token.kind = kind;
    token.target = std::move(target);
    return plan.tokens->write(token);
  }
  std::optional<TextEdit> led_here(const HtmlLink& link, bool keeps_lines);
  std::string rewrite(const std::string& html, bool keeps_lines);
};

std::optional<TextEdit> Rewriter::led_here(const HtmlLink& link, bool keeps_lines) {
  if (link.marked || !is_web(link.url) || has_controls(link.url) || links == limits.links)
    return std::nullopt;
  if (link.url.starts_with(plan.web_url + "/")) return std::nullopt;
  const auto target = word(LinkKind::click, link.url);
  if (!target) return std::nullopt;
  std::string text = fmt::format("\"{}/c/{}\"", plan.web_url, *target);
  if (keeps_lines) {
    if (text.size() > limits.line_octets / 2) return std::nullopt;
    text = "\r\n" + text + "\r\n";  // white space around a value is nothing
  }
  ++links;
  return TextEdit{link.begin, link.end, std::move(text)};
}

std::string Rewriter::rewrite(const std::string& html, bool keeps_lines) {
  const auto places = find_html_places(html, no_track_attribute);
  if (!places) return html;
  std::vector<TextEdit> edits;
  for (const HtmlLink& link : places->links) {
    if (!plan.clicks) break;
    if (auto edit = led_here(link, keeps_lines)) edits.push_back(std::move(*edit));
  }
  const auto source = plan.opens && !image ? word(LinkKind::open, {}) : std::nullopt;
  const bool fits = edits.empty() || edits.back().end <= places->body_end;
  if (source && fits) {
    image = true;
    edits.push_back({places->body_end, places->body_end,
                     fmt::format("\r\n<img src=\"{}/o/{}.gif\" width=\"1\" height=\"1\" "
                                 "alt=\"\" style=\"display:block;border:0\">\r\n",
                                 plan.web_url, *source)});
  }
  return apply_edits(html, edits);
}

// The part as it stands in the message, with its links changed; nullopt: nothing changed.
std::optional<std::string> rewritten_part(std::string_view encoded, const MimePart& part,
                                          Rewriter& rewriter) {
  const bool keeps_lines = part.encoding != TransferEncoding::quoted_printable &&
                           part.encoding != TransferEncoding::base64;
  const std::string html = decode_transfer(part.encoding, encoded);
  std::string changed = rewriter.rewrite(html, keeps_lines);
  if (changed == html) return std::nullopt;
  std::string text = encode_transfer(part.encoding, changed);
  const bool ended = encoded.ends_with("\r\n");
  if (!ended && text.ends_with("\r\n")) text.resize(text.size() - 2);
  if (ended && !text.ends_with("\r\n")) text += "\r\n";
  return text;
}

}  // namespace

std::string why_not_tracked(std::string_view header) {
  const auto scanned = scan_header(header, HeaderLimits{});
  if (!scanned) return "broken";
  for (const char* seal : {"DKIM-Signature", "ARC-Seal"})
    if (find_field(*scanned, seal)) return "signed";
  return {};
}

TrackedBody track_body(std::string_view header, std::string body, const TrackPlan& plan,
                       const TrackLimits& limits) {
  TrackedBody tracked;
  tracked.why_not = why_not_tracked(header);
  if (tracked.why_not.empty() && body.size() > limits.body_octets) tracked.why_not = "too_large";
  const std::string whole = std::string(header) + body;
  const MimeStructure mime = scan_mime(whole);
  if (tracked.why_not.empty() && mime.faults.any()) tracked.why_not = "broken";
  if (tracked.why_not.empty() && std::ranges::any_of(mime.parts, is_sealed))
    tracked.why_not = "signed";
  if (!tracked.why_not.empty()) {
    tracked.body = std::move(body);
    return tracked;
  }
  Rewriter rewriter{.plan = plan, .limits = limits};
  std::vector<TextEdit> edits;
  for (const MimePart& part : mime.parts) {
    if (part.type != "text/html" || part.disposition == "attachment" || part.is_multipart() ||
        !holds_ascii(part.charset))
      continue;
    const std::size_t begin = part.body_begin, end = part.body_end;
    if (begin < header.size() || end < begin || end > whole.size()) continue;
    auto text = rewritten_part(std::string_view(whole).substr(begin, end - begin), part, rewriter);
    if (text) edits.push_back({begin - header.size(), end - header.size(), std::move(*text)});
  }
  tracked.links = rewriter.links;
  tracked.image = rewriter.image;
  if (edits.empty()) tracked.why_not = "no_html";
  tracked.body = apply_edits(body, edits);
  return tracked;
}

}  // namespace goniec
