// See dmarc_record.h. RFC 9989 §4.8 has the grammar; tag names are read in any case, as its quoted
// strings allow.
#include "trust/dmarc_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "trust/tags.h"

namespace goniec {
namespace {

constexpr std::string_view version = "DMARC1";

std::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(ErrorKind::bad_data,
              fmt::format("'{}' is no DMARC record: {}", printable(text, 80), why));
}

bool is_version_tag(const Tag& tag) {
  return equal_ignoring_case(tag.name, "v") && tag.value == version;
}

const Tag* find_tag(const TagList& list, std::string_view name) {
  const auto at = std::ranges::find_if(
      list.tags, [&](const Tag& tag) { return equal_ignoring_case(tag.name, name); });
  return at == list.tags.end() ? nullptr : &*at;
}

bool has_twins(const TagList& list) {  // RFC 6376 §3.2: then the whole list is invalid
  std::vector<std::string> names;
  for (const Tag& tag : list.tags) names.push_back(to_lower(tag.name));
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

// "!10m" at the end of an address (RFC 7489 §6.2); nullopt: what stands there is no size.
std::optional<std::uint64_t> size_of(std::string_view text) {
  std::uint64_t unit = 1;
  if (!text.empty()) {
    constexpr std::string_view units = "kmgt";
    const auto at = units.find(to_lower(text.back()));
    if (at != std::string_view::npos) {
      unit = std::uint64_t{1} << (10 * (at + 1));
      text.remove_suffix(1);
    }
  }
  const auto count = parse_unsigned(text);
  if (!count || *count > (std::uint64_t{1} << 62) / unit) return std::nullopt;
  return *count * unit;
}

// RFC 3986 §3: a scheme, a colon, something, no blanks or controls; "mailto:" wants an address.
std::optional<DmarcReportAddress> report_address(std::string_view text) {
  DmarcReportAddress address;
  if (const auto mark = text.rfind('!'); mark != std::string_view::npos) {
    address.most_octets = size_of(text.substr(mark + 1));
    if (!address.most_octets) return std::nullopt;
    text = text.substr(0, mark);
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size())
    return std::nullopt;
  for (char c : text.substr(0, colon)) {
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return std::nullopt;
  }
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '<' || c == '>' || c == '"')
      return std::nullopt;
  }
  const bool mail = equal_ignoring_case(text.substr(0, colon), "mailto");
  const auto at = text.rfind('@');
  if (mail && (at == std::string_view::npos || at <= colon + 1 || at + 1 == text.size()))
    return std::nullopt;
  address.uri = text;
  return address;
}

std::vector<DmarcReportAddress> report_addresses(const TagList& list, std::string_view name,
                                                 const DmarcRecordLimits& limits) {
  std::vector<DmarcReportAddress> addresses;
  const Tag* tag = find_tag(list, name);
  if (!tag) return addresses;
  for (std::string_view each : split_tag_value(tag->value, ',')) {
    if (addresses.size() == limits.addresses) break;
    if (auto address = report_address(each)) addresses.push_back(*std::move(address));
  }
  return addresses;
}

// Whether the tag is absent or right; its policy goes to `place`.
bool read_policy(const TagList& list, std::string_view name, std::optional<DmarcPolicy>& place) {
  const Tag* tag = find_tag(list, name);
  if (tag) place = dmarc_policy_of(tag->value);
  return !tag || place.has_value();
}

bool tag_is(const TagList& list, std::string_view name, std::string_view value) {
  const Tag* tag = find_tag(list, name);
  return tag && equal_ignoring_case(tag->value, value);
}

}  // namespace

std::string_view name_of(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::none:
      return "none";
    case DmarcPolicy::quarantine:
      return "quarantine";
    case DmarcPolicy::reject:
      return "reject";
  }
  check_failed("a DMARC policy without a name", __FILE__, __LINE__);
}

std::optional<DmarcPolicy> dmarc_policy_of(std::string_view name) {
  for (auto policy : {DmarcPolicy::none, DmarcPolicy::quarantine, DmarcPolicy::reject}) {
    if (equal_ignoring_case(name, name_of(policy))) return policy;
  }
  return std::nullopt;
}

bool is_dmarc_record(std::string_view text) {
  const auto list = read_tags(text);
  return !list.tags.empty() && is_version_tag(list.tags[0]);
}

Result<DmarcRecord> parse_dmarc_record(std::string_view text, const DmarcRecordLimits& limits) {
  const auto list = read_tags(text);
  if (list.tags.empty() || !is_version_tag(list.tags[0]))
    return bad(text, "it does not begin with v=DMARC1");
  if (has_twins(list)) return bad(text, "a tag stands twice");
  DmarcRecord record;
  record.text = text;
  const bool right = read_policy(list, "p", record.policy);
  const bool right_sp = read_policy(list, "sp", record.subdomain_policy);
  const bool right_np = read_policy(list, "np", record.nonexistent_policy);
  record.wrong_policy = !right || !record.policy || !right_sp || !right_np;
  if (tag_is(list, "adkim", "s")) record.dkim = DmarcAlignment::strict;
  if (tag_is(list, "aspf", "s")) record.spf = DmarcAlignment::strict;
  if (tag_is(list, "psd", "y")) record.psd = DmarcPsd::yes;
  if (tag_is(list, "psd", "n")) record.psd = DmarcPsd::no;
  record.testing = tag_is(list, "t", "y");
  record.rua = report_addresses(list, "rua", limits);
  record.ruf = report_addresses(list, "ruf", limits);
  if (const Tag* options = find_tag(list, "fo"))
    record.failure_options = printable(options->value, 40);
  return record;
}

}  // namespace goniec
