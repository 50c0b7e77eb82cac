// See dmarc.h. RFC 9989 §4.10: the tree walk, what it says about policy and organisation, and the
// alignment of what passed.
#include "trust/dmarc.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "mail/address.h"

namespace goniec {
namespace {

constexpr std::size_t long_name = 8;  // §4.10: from 8 labels on the walk jumps to 7

bool is_temporary(const DnsAnswer& answer) {
  return answer.status == DnsStatus::temporary || answer.status == DnsStatus::bogus;
}

std::string normal(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return to_lower(domain);
}

bool is_below(std::string_view name, std::string_view domain) {
  return name.size() > domain.size() && name.ends_with(domain) &&
         name[name.size() - domain.size() - 1] == '.';
}

// The names a walk asks about, the longest first (§4.10).
std::vector<std::string> walk_names(const std::string& domain, const DmarcLimits& limits) {
  std::vector<std::string> names{domain};
  const auto labels = split(domain, '.');
  std::size_t left = labels.size() < long_name ? labels.size() - 1 : long_name - 1;
  for (; left > 0 && names.size() < limits.walk; --left) {
    std::string name;
    for (std::size_t at = labels.size() - left; at < labels.size(); ++at) {
      if (!name.empty()) name += '.';
      name += labels[at];
    }
    names.push_back(std::move(name));
  }
  return names;
}

// What stands at _dmarc.NAME.
struct Place {
  std::string name;
  bool temporary = false;
  std::optional<DmarcRecord> record;
};

std::optional<Place> look_at(Findings& findings, const std::string& name) {
  const DnsAnswer* answer = findings.find("_dmarc." + name, DnsType::txt);
  if (!answer) return std::nullopt;
  Place place{name, is_temporary(*answer), {}};
  std::vector<const std::string*> records;
  for (const DnsRecord& record : answer->records) {
    const auto* text = std::get_if<std::string>(&record);
    if (text && is_dmarc_record(*text)) records.push_back(text);
  }
  if (records.size() != 1) return place;  // §4.10: several are all discarded
  if (auto parsed = parse_dmarc_record(*records[0])) place.record = *std::move(parsed);
  return place;
}

// A whole walk: places with records, the longest name first.
struct Walk {
  std::vector<Place> found;
  bool temporary = false;  // an answer that would count is lacking for now
};

std::optional<Walk> walk(Findings& findings, const std::string& domain, const DmarcLimits& limits) {
  const auto names = walk_names(domain, limits);
  // The first alone, for most domains have their record and need no more; the rest together.
  std::vector<std::optional<Place>> places;
  places.push_back(look_at(findings, names[0]));
  if (!places[0]) return std::nullopt;
  const auto stops = [](const Place& place) {
    return place.record && place.record->psd != DmarcPsd::unknown;
  };
  bool lacking = false;
  if (!stops(*places[0])) {
    for (std::size_t at = 1; at < names.size(); ++at) {
      places.push_back(look_at(findings, names[at]));
      lacking = lacking || !places.back();
    }
  }
  if (lacking) return std::nullopt;
  Walk walk;
  for (auto& place : places) {
    walk.temporary = walk.temporary || place->temporary;
    const bool last = stops(*place);
    if (place->record) walk.found.push_back(*std::move(place));
    if (last) break;
  }
  return walk;
}

// §4.10.2. REQUIRES a walk that began at `domain`.
std::string organisation_in(const Walk& walk, const std::string& domain) {
  for (const Place& place : walk.found) {
    if (place.record->psd == DmarcPsd::no) return place.name;
    if (place.record->psd == DmarcPsd::yes && place.name != domain) {
      const auto above = domain.size() - place.name.size() - 1;  // the dot before it
      const auto dot = above == 0 ? std::string::npos : domain.rfind('.', above - 1);
      return dot == std::string::npos ? domain : domain.substr(dot + 1);
    }
  }
  return walk.found.empty() ? domain : walk.found.back().name;
}

class Judgement {
 public:
  Judgement(Findings& findings, const DmarcQuery& query, const DmarcLimits& limits)
      : findings_(findings), query_(query), limits_(limits) {}
  std::optional<DmarcVerdict> judge();

 private:
  enum class Aligned { no, yes, unknown };
  enum class Step { lacking, done, go_on };
  Step find_policy();
  Step apply(const Place& place);
  Step judge_identifiers();
  std::optional<Aligned> aligned(const std::string& domain, DmarcAlignment mode);
  DmarcVerdict finished(DmarcResult result, std::string problem = {}) {
    verdict_.result = result;
    verdict_.problem = std::move(problem);
    return std::move(verdict_);
  }
  Step end(DmarcResult result, std::string problem = {}) {
    verdict_.result = result;
    verdict_.problem = std::move(problem);
    return Step::done;
  }

  Findings& findings_;
  const DmarcQuery& query_;
  const DmarcLimits& limits_;
  DmarcVerdict verdict_;
  bool passed_ = false, unknown_ = false;
};

// §4.10.1: the record of the author's domain, else of its organisation, else of its suffix.
Judgement::Step Judgement::find_policy() {
  const auto own = look_at(findings_, verdict_.author);
  if (!own) return Step::lacking;
  if (own->temporary)
    return end(DmarcResult::temp_error,
               fmt::format("no DNS answer about _dmarc.{}", verdict_.author));
  if (own->record) return apply(*own);
  auto above = walk(findings_, verdict_.author, limits_);
  if (!above) return Step::lacking;
  if (above->temporary)
    return end(DmarcResult::temp_error,
               fmt::format("no DNS answer about a domain above {}", verdict_.author));
  if (above->found.empty()) return end(DmarcResult::none, "no DMARC record");
  verdict_.organisational_domain = organisation_in(*above, verdict_.author);
  const Place* chosen = nullptr;
  for (const Place& place : above->found) {
    if (place.name == verdict_.organisational_domain) chosen = &place;
    if (!chosen && place.record->psd == DmarcPsd::yes) chosen = &place;
  }
  if (!chosen) return end(DmarcResult::none, "no DMARC record");
  return apply(*chosen);
}

Judgement::Step Judgement::apply(const Place& place) {
  const DmarcRecord& record = *place.record;
  verdict_.record = record;
  verdict_.record_domain = place.name;
  if (!record.is_usable())
    return end(DmarcResult::none,
               fmt::format("the record of {} has no valid policy and no rua", place.name));
  verdict_.policy_tag = "p";
  verdict_.published = record.policy.value_or(DmarcPolicy::none);
  if (record.wrong_policy) verdict_.published = DmarcPolicy::none;
  if (!record.wrong_policy && place.name != verdict_.author) {
    const auto below = record.subdomain_policy.value_or(*verdict_.published);
    if (record.subdomain_policy) verdict_.policy_tag = "sp";
    if (record.nonexistent_policy && *record.nonexistent_policy != below) {
      const DnsAnswer* author = findings_.find(verdict_.author, DnsType::a);
      if (!author) return Step::lacking;
      if (is_temporary(*author))
        return end(DmarcResult::temp_error, fmt::format("no DNS answer about {}", verdict_.author));
      const bool exists = author->status != DnsStatus::no_such_domain;
      if (!exists) verdict_.policy_tag = "np";
      verdict_.published = exists ? below : *record.nonexistent_policy;
    } else {
      verdict_.published = below;
    }
  }
  verdict_.policy = verdict_.published;
  if (record.testing) {  // §4.7 t: one level below
    verdict_.policy =
        *verdict_.published == DmarcPolicy::reject ? DmarcPolicy::quarantine : DmarcPolicy::none;
  }
  return Step::go_on;
}

// §4.4 and §4.10.2; nullopt: asked.
std::optional<Judgement::Aligned> Judgement::aligned(const std::string& domain,
                                                     DmarcAlignment mode) {
  if (domain.empty()) return Aligned::no;
  if (domain == verdict_.author) return Aligned::yes;
  if (mode == DmarcAlignment::strict) return Aligned::no;
  // One organisation has at least its last label in common: others are not asked about.
  const auto last = [](std::string_view name) { return name.substr(name.rfind('.') + 1); };
  if (last(domain) != last(verdict_.author)) return Aligned::no;
  const auto ours = organisational_domain_of(findings_, verdict_.author, limits_);
  if (!ours) return std::nullopt;
  if (!ours->known) return Aligned::unknown;
  verdict_.organisational_domain = ours->domain;
  if (domain != ours->domain && !is_below(domain, ours->domain)) return Aligned::no;
  const auto theirs = organisational_domain_of(findings_, domain, limits_);
  if (!theirs) return std::nullopt;
  if (!theirs->known) return Aligned::unknown;
  return ours->domain == theirs->domain ? Aligned::yes : Aligned::no;
}

Judgement::Step Judgement::judge_identifiers() {
  struct Identifier {
    const AuthenticatedDomain& domain;
    bool spf;
  };
  std::vector<Identifier> identifiers;
  if (query_.spf) identifiers.push_back({*query_.spf, true});
  std::size_t signatures = 0;
  for (const auto& each : query_.dkim) {
    if (each.state == AuthenticatedDomain::State::fail) continue;
    if (++signatures <= limits_.signatures) identifiers.push_back({each, false});
  }
  bool lacking = false;
  for (const auto& [identifier, spf] : identifiers) {
    if (identifier.state == AuthenticatedDomain::State::fail) continue;
    const std::string domain = normal(identifier.domain);
    const auto mode = spf ? verdict_.record->spf : verdict_.record->dkim;
    const auto alignment = aligned(domain, mode);
    lacking = lacking || !alignment;
    if (!alignment || *alignment == Aligned::no) continue;
    if (*alignment == Aligned::unknown ||
        identifier.state == AuthenticatedDomain::State::temporary) {
      unknown_ = true;
      continue;
    }
    passed_ = true;
    if (spf) verdict_.spf_aligned = true;
    if (!spf) verdict_.aligned_signatures.push_back(domain);
  }
  return lacking ? Step::lacking : Step::go_on;
}

std::optional<DmarcVerdict> Judgement::judge() {
  verdict_.author = normal(query_.author);
  if (verdict_.author.empty() || verdict_.author[0] == '[')
    return finished(DmarcResult::perm_error, "the author has no domain name");
  const Step policy = find_policy();
  if (policy == Step::lacking) return std::nullopt;
  if (policy == Step::done) return std::move(verdict_);
  if (judge_identifiers() == Step::lacking) return std::nullopt;
  if (passed_) return finished(DmarcResult::pass);
  if (unknown_)
    return finished(DmarcResult::temp_error, "an aligned check could not come to an end");
  return finished(DmarcResult::fail, "neither SPF nor DKIM passed for an aligned domain");
}

}  // namespace

std::string_view name_of(DmarcResult result) {
  switch (result) {
    case DmarcResult::none:
      return "none";
    case DmarcResult::pass:
      return "pass";
    case DmarcResult::fail:
      return "fail";
    case DmarcResult::temp_error:
      return "temperror";
    case DmarcResult::perm_error:
      return "permerror";
  }
  check_failed("a DMARC result without a name", __FILE__, __LINE__);
}

std::optional<DmarcVerdict> check_dmarc(Findings& findings, const DmarcQuery& query,
                                        const DmarcLimits& limits) {
  return Judgement(findings, query, limits).judge();
}

std::optional<OrganisationalDomain> organisational_domain_of(Findings& findings,
                                                             std::string_view domain,
                                                             const DmarcLimits& limits) {
  const std::string name = normal(domain);
  const auto walked = walk(findings, name, limits);
  if (!walked) return std::nullopt;
  if (walked->temporary) return OrganisationalDomain{};
  return OrganisationalDomain{true, organisation_in(*walked, name)};
}

AuthorDomains author_domains(const HeaderBlock& header) {
  AuthorDomains author;
  const std::size_t fields = count_fields(header, "From");
  if (fields == 0) return author;
  author.state = fields == 1 ? AuthorDomains::State::found : AuthorDomains::State::several;
  for (const HeaderField& field : header.fields) {
    if (!equal_ignoring_case(field.name, "From")) continue;
    const auto list = parse_header_mailboxes(field.value);
    const bool named = std::ranges::all_of(list.mailboxes, [](const HeaderMailbox& each) {
      return !each.address.domain().empty() && !each.address.domain().is_literal();
    });
    if (fields == 1 && (!list.complete || list.mailboxes.empty() || !named))
      author.state = AuthorDomains::State::malformed;
    for (const HeaderMailbox& mailbox : list.mailboxes) {
      const std::string& domain = mailbox.address.domain().ascii();
      if (domain.empty() || mailbox.address.domain().is_literal()) continue;
      if (std::ranges::find(author.domains, domain) == author.domains.end())
        author.domains.push_back(domain);
    }
  }
  return author;
}

}  // namespace goniec
