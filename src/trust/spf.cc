// See spf.h. RFC 7208 §4: check_host() as plain recursion over a record; where an answer lacks,
// every function returns nullopt and the whole is run again when it is known.
#include "trust/spf.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "trust/reverse_name.h"
#include "trust/spf_record.h"

namespace goniec {
namespace {

constexpr std::size_t name_octets = 253;  // §7.3: longer names lose labels at the left
constexpr std::size_t label_octets = 63;  // RFC 1035 §2.3.4

bool is_temporary(const DnsAnswer& answer) {
  return answer.status == DnsStatus::temporary || answer.status == DnsStatus::bogus;
}
bool is_void(const DnsAnswer& answer) {
  return answer.status == DnsStatus::no_data || answer.status == DnsStatus::no_such_domain;
}

// §4.3: labels of 1 to 63 octets and no empty one; and of octets that can be asked about.
bool is_askable(std::string_view name) {
  if (name.empty() || name.size() > name_octets) return false;
  for (char c : name) {
    if (c < 0x20 || c >= 0x7F || c == '\\') return false;
  }
  for (std::string_view label : split(name, '.')) {
    if (label.empty() || label.size() > label_octets) return false;
  }
  return true;
}

std::string_view without_last_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool is_same_or_below(std::string_view name, std::string_view domain) {
  if (equal_ignoring_case(name, domain)) return true;
  return name.size() > domain.size() && name[name.size() - domain.size() - 1] == '.' &&
         equal_ignoring_case(name.substr(name.size() - domain.size()), domain);
}

SpfResult result_of(char qualifier) {
  switch (qualifier) {
    case '-':
      return SpfResult::fail;
    case '~':
      return SpfResult::soft_fail;
    case '?':
      return SpfResult::neutral;
    default:
      return SpfResult::pass;
  }
}

// Of one record: what check_host() returns (§4).
struct HostResult {
  SpfResult result = SpfResult::none;
  std::string mechanism, problem;
  std::optional<MacroString> explanation;  // of the record that decided
  std::string domain;                      // its domain: %{d} of the explanation
};

// Of one mechanism: matched or not, or an error that ends all.
struct Match {
  bool matched = false;
  std::optional<SpfResult> error;
  std::string problem;
};

class Check {
 public:
  Check(Findings& findings, const SpfQuery& query, const SpfLimits& limits, std::string local,
        std::string domain)
      : findings_(findings),
        query_(query),
        limits_(limits),
        local_(std::move(local)),
        sender_domain_(std::move(domain)) {}

  std::optional<HostResult> check_host(const std::string& domain);
  std::optional<std::string> explanation_of(const HostResult& host);
  unsigned lookups() const { return lookups_; }
  unsigned void_lookups() const { return voids_; }

 private:
  std::optional<HostResult> evaluate(const SpfRecord& record, const std::string& domain);
  std::optional<HostResult> redirect(const SpfRecord& record, const std::string& domain);
  std::optional<Match> match(const SpfDirective& directive, const std::string& domain);
  std::optional<Match> match_include(const std::string& target);
  std::optional<Match> match_addresses(const std::string& target, const SpfDirective& directive);
  std::optional<Match> match_mx(const std::string& target, const SpfDirective& directive);
  std::optional<Match> match_ptr(const std::string& target);
  std::optional<Match> match_exists(const std::string& target);
  // The expanded domain of a term; "" when it is no name that can be asked.
  std::optional<std::string> target_of(const std::optional<MacroString>& macros,
                                       const std::string& domain);
  std::optional<std::vector<std::string>> validated_names();
  std::optional<std::string> validated_name(const std::string& domain);
  std::optional<MacroFacts> facts_for(const MacroString& macros, const std::string& domain);

  bool contains(const IpAddress& address, const SpfDirective& directive) const;
  DnsType address_type() const { return query_.client.v6 ? DnsType::aaaa : DnsType::a; }
  static Match error(SpfResult result, std::string problem) {
    return {false, result, std::move(problem)};
  }
  // §4.6.4: one more void lookup; an error when it is one too many.
  Match void_lookup() {
    if (++voids_ <= limits_.void_lookups) return {};
    return error(SpfResult::perm_error,
                 fmt::format("more than {} terms ask for names that do not exist (void lookups)",
                             limits_.void_lookups));
  }

  Findings& findings_;
  const SpfQuery& query_;
  const SpfLimits& limits_;
  std::string local_, sender_domain_;
  unsigned lookups_ = 0, voids_ = 0;
};

HostResult host_error(SpfResult result, std::string problem) {
  return {result, {}, std::move(problem), {}, {}};
}

std::optional<HostResult> Check::check_host(const std::string& domain) {
  const DnsAnswer* answer = findings_.find(domain, DnsType::txt);
  if (!answer) return std::nullopt;
  if (is_temporary(*answer))
    return host_error(SpfResult::temp_error,
                      fmt::format("no DNS answer about {}: {}", domain, answer->why));
  const std::string* found = nullptr;
  for (const DnsRecord& record : answer->records) {
    const auto* text = std::get_if<std::string>(&record);
    if (!text || !is_spf_record(*text)) continue;
    if (found)  // §4.5
      return host_error(SpfResult::perm_error, domain + " has more than one SPF record");
    found = text;
  }
  if (!found) return host_error(SpfResult::none, domain + " has no SPF record");
  const auto record = parse_spf_record(*found);
  if (!record)  // §4.6: also when a term before it would match
    return host_error(SpfResult::perm_error,
                      fmt::format("the SPF record of {}: {}", domain, record.error().message));
  return evaluate(*record, domain);
}

std::optional<HostResult> Check::evaluate(const SpfRecord& record, const std::string& domain) {
  for (const SpfDirective& directive : record.directives) {
    auto match = this->match(directive, domain);
    if (!match) return std::nullopt;
    if (match->error) return host_error(*match->error, std::move(match->problem));
    if (match->matched)
      return HostResult{
          result_of(directive.qualifier), directive.text, {}, record.explanation, domain};
  }
  if (record.redirect) return redirect(record, domain);
  return HostResult{SpfResult::neutral, "default", {}, {}, domain};  // §4.7
}

// §6.1: the other domain's record decides, as if it were asked; none there is permerror.
std::optional<HostResult> Check::redirect(const SpfRecord& record, const std::string& domain) {
  if (++lookups_ > limits_.lookups)
    return host_error(SpfResult::perm_error,
                      fmt::format("more than {} terms that ask DNS", limits_.lookups));
  const auto target = target_of(record.redirect, domain);
  if (!target) return std::nullopt;
  if (target->empty())
    return host_error(SpfResult::perm_error, "redirect= leads to what is no domain name");
  auto result = check_host(*target);
  if (result && result->result == SpfResult::none)
    return host_error(SpfResult::perm_error,
                      fmt::format("redirect={}: there is no SPF record", *target));
  return result;
}

std::optional<Match> Check::match(const SpfDirective& directive, const std::string& domain) {
  switch (directive.mechanism) {
    case SpfMechanism::all:
      return Match{true, {}, {}};
    case SpfMechanism::ip4:
    case SpfMechanism::ip6:
      return Match{directive.network && directive.network->contains(query_.client), {}, {}};
    default:
      break;
  }
  if (++lookups_ > limits_.lookups)
    return error(SpfResult::perm_error,
                 fmt::format("more than {} terms that ask DNS", limits_.lookups));
  const auto target = target_of(directive.domain, domain);
  if (!target) return std::nullopt;
  if (target->empty()) {
    if (directive.mechanism == SpfMechanism::include)
      return error(SpfResult::perm_error, "include: names what is no domain name");
    return void_lookup();
  }
  switch (directive.mechanism) {
    case SpfMechanism::include:
      return match_include(*target);
    case SpfMechanism::a:
      return match_addresses(*target, directive);
    case SpfMechanism::mx:
      return match_mx(*target, directive);
    case SpfMechanism::ptr:
      return match_ptr(*target);
    default:
      return match_exists(*target);
  }
}

// §5.2: the table of results.
std::optional<Match> Check::match_include(const std::string& target) {
  auto host = check_host(target);
  if (!host) return std::nullopt;
  switch (host->result) {
    case SpfResult::pass:
      return Match{true, {}, {}};
    case SpfResult::fail:
    case SpfResult::soft_fail:
    case SpfResult::neutral:
      return Match{};
    case SpfResult::temp_error:
      return error(SpfResult::temp_error, std::move(host->problem));
    case SpfResult::perm_error:
      return error(SpfResult::perm_error, std::move(host->problem));
    case SpfResult::none:
      break;
  }
  return error(SpfResult::perm_error, fmt::format("include:{}: {}", target, host->problem));
}

bool Check::contains(const IpAddress& address, const SpfDirective& directive) const {
  const auto prefix = query_.client.v6 ? directive.prefix6 : directive.prefix4;
  return IpNetwork{address, prefix}.contains(query_.client);
}

std::optional<Match> Check::match_addresses(const std::string& target,
                                            const SpfDirective& directive) {
  const DnsAnswer* answer = findings_.find(target, address_type());
  if (!answer) return std::nullopt;
  if (is_temporary(*answer))
    return error(SpfResult::temp_error, fmt::format("no DNS answer about {}", target));
  if (is_void(*answer)) return void_lookup();
  for (const DnsRecord& record : answer->records) {
    const auto* address = std::get_if<IpAddress>(&record);
    if (address && contains(*address, directive)) return Match{true, {}, {}};
  }
  return Match{};
}

std::optional<Match> Check::match_mx(const std::string& target, const SpfDirective& directive) {
  const DnsAnswer* answer = findings_.find(target, DnsType::mx);
  if (!answer) return std::nullopt;
  if (is_temporary(*answer))
    return error(SpfResult::temp_error, fmt::format("no DNS answer about the MX of {}", target));
  if (is_void(*answer)) return void_lookup();
  if (answer->records.size() > limits_.mx_names)
    return error(SpfResult::perm_error,
                 fmt::format("{} has more than {} MX", target, limits_.mx_names));
  std::vector<const DnsAnswer*> hosts;
  bool lacking = false;
  for (const DnsRecord& record : answer->records) {
    const auto* mx = std::get_if<DnsMx>(&record);
    if (!mx || !is_askable(mx->exchange)) continue;  // also the null MX (RFC 7505)
    hosts.push_back(findings_.find(mx->exchange, address_type()));
    lacking = lacking || !hosts.back();
  }
  if (lacking) return std::nullopt;
  for (const DnsAnswer* host : hosts) {
    if (is_temporary(*host))
      return error(SpfResult::temp_error,
                   fmt::format("no DNS answer about an MX host of {}", target));
    for (const DnsRecord& record : host->records) {
      const auto* address = std::get_if<IpAddress>(&record);
      if (address && contains(*address, directive)) return Match{true, {}, {}};
    }
  }
  return Match{};
}

std::optional<Match> Check::match_exists(const std::string& target) {
  const DnsAnswer* answer = findings_.find(target, DnsType::a);  // §5.7: A, also for IPv6
  if (!answer) return std::nullopt;
  if (is_temporary(*answer))
    return error(SpfResult::temp_error, fmt::format("no DNS answer about {}", target));
  if (is_void(*answer)) return void_lookup();
  return Match{!answer->records.empty(), {}, {}};
}

// §5.5: names of the client whose addresses have the client. Errors skip the name.
std::optional<std::vector<std::string>> Check::validated_names() {
  const DnsAnswer* names = findings_.find(reverse_name(query_.client), DnsType::ptr);
  if (!names) return std::nullopt;
  std::vector<std::pair<std::string, const DnsAnswer*>> candidates;
  bool lacking = false;
  for (const DnsRecord& record : names->records) {
    if (candidates.size() == limits_.ptr_names) break;
    const auto* name = std::get_if<std::string>(&record);
    if (!name || !is_askable(without_last_dot(*name))) continue;
    candidates.emplace_back(to_lower(without_last_dot(*name)),
                            findings_.find(*name, address_type()));
    lacking = lacking || !candidates.back().second;
  }
  if (lacking) return std::nullopt;
  std::vector<std::string> validated;
  for (const auto& [name, answer] : candidates) {
    const bool agrees = std::ranges::any_of(answer->records, [&](const DnsRecord& record) {
      const auto* address = std::get_if<IpAddress>(&record);
      return address && *address == query_.client;
    });
    if (agrees) validated.push_back(name);
  }
  return validated;
}

std::optional<Match> Check::match_ptr(const std::string& target) {
  const auto names = validated_names();
  if (!names) return std::nullopt;
  for (const std::string& name : *names) {
    if (is_same_or_below(name, target)) return Match{true, {}, {}};
  }
  const DnsAnswer* answer = findings_.find(reverse_name(query_.client), DnsType::ptr);
  if (answer && is_void(*answer)) return void_lookup();
  return Match{};
}

// §7.3: the domain itself, else a name below it, else any, else "unknown".
std::optional<std::string> Check::validated_name(const std::string& domain) {
  const auto names = validated_names();
  if (!names) return std::nullopt;
  for (const std::string& name : *names) {
    if (equal_ignoring_case(name, domain)) return name;
  }
  for (const std::string& name : *names) {
    if (is_same_or_below(name, domain)) return name;
  }
  return names->empty() ? "unknown" : names->front();
}

std::optional<MacroFacts> Check::facts_for(const MacroString& macros, const std::string& domain) {
  MacroFacts facts{.local = local_,
                   .sender_domain = sender_domain_,
                   .domain = domain,
                   .helo = query_.helo,
                   .client = query_.client,
                   .receiver = query_.receiver,
                   .now = query_.now};
  if (uses(macros, 'p')) {
    auto name = validated_name(domain);
    if (!name) return std::nullopt;
    facts.validated = *std::move(name);
  }
  return facts;
}

std::optional<std::string> Check::target_of(const std::optional<MacroString>& macros,
                                            const std::string& domain) {
  if (!macros) return domain;
  const auto facts = facts_for(*macros, domain);
  if (!facts) return std::nullopt;
  std::string expanded = expand(*macros, *facts);
  std::string_view name = without_last_dot(expanded);
  while (name.size() > name_octets) {  // §7.3
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) return "";
    name.remove_prefix(dot + 1);
  }
  return is_askable(name) ? to_lower(name) : std::string{};
}

// §6.2: whatever is wrong with it, it is then simply not there.
std::optional<std::string> Check::explanation_of(const HostResult& host) {
  const auto target = target_of(host.explanation, host.domain);
  if (!target) return std::nullopt;
  if (target->empty()) return "";
  const DnsAnswer* answer = findings_.find(*target, DnsType::txt);
  if (!answer) return std::nullopt;
  if (answer->records.size() != 1) return "";
  const auto* text = std::get_if<std::string>(&answer->records[0]);
  const auto macros =
      text ? parse_macro_string(*text, MacroPlace::explanation) : Result<MacroString>{};
  if (!text || !macros) return "";
  const auto facts = facts_for(*macros, host.domain);
  if (!facts) return std::nullopt;
  std::string explanation = expand(*macros, *facts);
  const bool plain = std::ranges::all_of(explanation, [](char c) { return c >= 0x20 && c < 0x7F; });
  if (!plain) return "";
  if (explanation.size() > limits_.explanation_octets)
    explanation.resize(limits_.explanation_octets);
  return explanation;
}

}  // namespace

std::string_view name_of(SpfResult result) {
  switch (result) {
    case SpfResult::none:
      return "none";
    case SpfResult::neutral:
      return "neutral";
    case SpfResult::pass:
      return "pass";
    case SpfResult::fail:
      return "fail";
    case SpfResult::soft_fail:
      return "softfail";
    case SpfResult::temp_error:
      return "temperror";
    case SpfResult::perm_error:
      return "permerror";
  }
  check_failed("an SPF result without a name", __FILE__, __LINE__);
}

std::optional<SpfVerdict> check_spf(Findings& findings, const SpfQuery& query,
                                    const SpfLimits& limits) {
  SpfVerdict verdict;
  verdict.by_helo = query.domain.empty();  // §2.4
  verdict.domain = to_lower(without_last_dot(verdict.by_helo ? query.helo : query.domain));
  std::string local = verdict.by_helo || query.local.empty() ? "postmaster" : query.local;  // §4.3
  if (!is_askable(verdict.domain) || verdict.domain.find('.') == std::string::npos ||
      verdict.domain[0] == '[') {  // §4.3
    verdict.problem = "the identity has no domain name";
    return verdict;
  }
  Check check(findings, query, limits, std::move(local), verdict.domain);
  auto host = check.check_host(verdict.domain);
  if (!host) return std::nullopt;
  if (host->result == SpfResult::fail && host->explanation) {
    auto explanation = check.explanation_of(*host);
    if (!explanation) return std::nullopt;
    verdict.explanation = *std::move(explanation);
  }
  verdict.result = host->result;
  verdict.mechanism = std::move(host->mechanism);
  verdict.problem = std::move(host->problem);
  verdict.lookups = check.lookups();
  verdict.void_lookups = check.void_lookups();
  return verdict;
}

}  // namespace goniec
