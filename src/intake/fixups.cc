// See fixups.h.
#include "intake/fixups.h"

#include "base/text.h"
#include "mail/address.h"
#include "trust/authentication_results.h"

namespace goniec {
namespace {

constexpr std::size_t own_hops_limit = 5;

FixedHeader refused(std::uint16_t code, EnhancedCode enhanced, std::string text, std::string rule) {
  FixedHeader fixed;
  fixed.refusal = Reply(code, enhanced, std::move(text));
  fixed.rule = std::move(rule);
  return fixed;
}

// RFC 8601 §5: a field that says it is ours, and is not, is a forgery; in any spelling, also of the
// domain.
bool claims_to_be(std::string_view value, std::string_view hostname) {
  const std::string id = authserv_id_of(value);
  if (equal_ignoring_case(id, hostname)) return true;
  const auto claimed = Domain::parse(id), ours = Domain::parse(hostname);
  return claimed && ours && *claimed == *ours;
}

// SEMANTICS: more than one From, or several addresses without Sender, is a DMARC bypass.
std::optional<std::string> from_fault(const HeaderBlock& block) {
  if (count_fields(block, "From") > 1) return "the message has more than one From field";
  const HeaderField* from = find_field(block, "From");
  if (!from || find_field(block, "Sender")) return std::nullopt;
  if (parse_header_mailboxes(unfold(from->value)).mailboxes.size() > 1)
    return "the From field has several addresses and there is no Sender field";
  return std::nullopt;
}

// Our own hop in a Received field: "by HOSTNAME" as a word.
bool is_own_hop(std::string_view value, std::string_view hostname) {
  const std::string text = to_lower(unfold(value));
  const std::string wanted = "by " + to_lower(hostname);
  for (std::size_t at = text.find(wanted); at != std::string::npos;
       at = text.find(wanted, at + 1)) {
    const std::size_t end = at + wanted.size();
    const bool starts =
        at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t' || text[at - 1] == ')';
    const bool ends = end == text.size() || text[end] == ' ' || text[end] == '\t' ||
                      text[end] == ';' || text[end] == '(';
    if (starts && ends) return true;
  }
  return false;
}

std::optional<FixedHeader> loop_refusal(const HeaderBlock& block, const FixupOptions& options) {
  std::size_t received = 0, own = 0;
  for (const HeaderField& field : block.fields) {
    if (!equal_ignoring_case(field.name, "Received")) continue;
    ++received;
    if (is_own_hop(field.value, options.hostname)) ++own;
  }
  // RFC 5321 §6.3: at least 100.
  if (received > options.limits.received_fields)
    return refused(554, {5, 4, 6},
                   fmt::format("mail loop: {} Received fields, the limit is {}", received,
                               options.limits.received_fields),
                   "content.loop");
  if (own >= own_hops_limit)
    return refused(554, {5, 4, 6},
                   fmt::format("mail loop: this message has passed {} {} times already",
                               options.hostname, own),
                   "content.loop");
  return std::nullopt;
}

bool is_removed(const HeaderField& field, const FixupOptions& options) {
  if (equal_ignoring_case(field.name, "Return-Path")) return true;  // only final delivery adds it
  if (equal_ignoring_case(field.name, "Authentication-Results"))
    return claims_to_be(field.value, options.hostname);
  return is_submission(options.source) &&
         equal_ignoring_case(field.name, "Bcc");  // RFC 6409 §8, RFC 5322 §3.6.3
}

}  // namespace

bool is_submission(Source source) {
  return source == Source::submission || source == Source::sendmail || source == Source::api;
}

FixedHeader fix_header(std::string_view block, const FixupOptions& options) {
  auto scanned = scan_header(block, options.limits);
  if (!scanned) return refused(552, {5, 3, 4}, scanned.error().message, "content.header_size");
  if (auto loop = loop_refusal(*scanned, options)) return std::move(*loop);
  if (options.source == Source::smtp) {
    if (auto fault = from_fault(*scanned))
      return refused(550, {5, 6, 0}, std::move(*fault), "content.from");
  }
  FixedHeader fixed;
  fixed.rule = "content.ok";
  fixed.header.reserve(block.size() + 128);
  for (const HeaderField& field : scanned->fields) {
    if (is_removed(field, options)) continue;
    fixed.header += field.whole;
    if (!fixed.header.ends_with("\r\n")) fixed.header += "\r\n";
  }
  if (const HeaderField* id = find_field(*scanned, "Message-ID"))
    fixed.message_id = message_id_of(unfold(id->value));
  if (is_submission(options.source)) {
    if (!find_field(*scanned, "Date"))
      fixed.header += fmt::format("Date: {}\r\n", to_rfc5322(options.now));
    if (!find_field(*scanned, "Message-ID")) {
      fixed.message_id = fmt::format("{}@{}", options.id.text(), options.hostname);
      fixed.header += fmt::format("Message-ID: <{}>\r\n", fixed.message_id);
    }
  }
  fixed.header += "\r\n";
  return fixed;
}

}  // namespace goniec
