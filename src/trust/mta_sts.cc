// See mta_sts.h.
#include "trust/mta_sts.h"

#include <algorithm>

#include "base/text.h"
#include "mail/address.h"
#include "mail/journey.h"

namespace goniec {

namespace {

constexpr std::string_view record_version = "v=STSv1";

bool is_name_octet(char c) {
  return is_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

// RFC 8461 §3.1, sts-ext-name: at most 32 octets, the first a letter or digit.
bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && (is_alpha(name[0]) || is_digit(name[0])) &&
         std::ranges::all_of(name, is_name_octet);
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 32 &&
         std::ranges::all_of(id, [](char c) { return is_alpha(c) || is_digit(c); });
}

// %x21-3A / %x3C / %x3E-7E: no "=", no ";", no blank.
bool is_record_value(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) {
    return c > 0x20 && c < 0x7F && c != ';' && c != '=';
  });
}

std::unexpected<Error> broken(std::string why) {
  return fail(ErrorKind::bad_data, std::move(why));
}

}  // namespace

// ------------------------------------------------------------------------------------ record
Result<std::string> parse_mta_sts_record(std::string_view text) {
  if (!text.starts_with(record_version)) return broken("it does not begin with v=STSv1");
  std::string_view rest = trim(text.substr(record_version.size()));
  if (!rest.starts_with(';')) return broken("v=STSv1 is not followed by a semicolon");
  std::optional<std::string> id;
  bool at_end = false;
  for (std::string_view field : split(rest.substr(1), ';')) {
    if (at_end) return broken("there is an empty field");
    field = trim(field);
    if (field.empty()) {  // one semicolon may stand at the end
      at_end = true;
      continue;
    }
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) return broken("a field has no value");
    const std::string_view name = field.substr(0, equals), value = field.substr(equals + 1);
    if (!is_field_name(name)) return broken("a field has a bad name");
    if (name == "id") {
      if (!is_id(value)) return broken("its id is not 1 to 32 letters and digits");
      if (!id) id = value;  // §3.1: the first of two counts
    } else if (!is_record_value(value)) {
      return broken("a field has a bad value");
    }
  }
  if (!id) return broken("it has no id");
  return *std::move(id);
}

MtaStsRecord judge_mta_sts_record(const DnsAnswer& answer) {
  using Kind = MtaStsRecord::Kind;
  switch (answer.status) {
    case DnsStatus::temporary:
      return {Kind::unknown, {}, answer.why};
    case DnsStatus::bogus:
      return {Kind::bogus, {}, answer.why};
    case DnsStatus::no_data:
    case DnsStatus::no_such_domain:
      return {Kind::absent, {}, "there is no record"};
    case DnsStatus::found:
      break;
  }
  std::vector<std::string_view> records;
  for (const DnsRecord& each : answer.records)
    if (const auto* text = std::get_if<std::string>(&each))
      if (text->starts_with(record_version)) records.push_back(*text);
  // §3.1: others are discarded; then exactly one must be left.
  if (records.empty()) return {Kind::absent, {}, "there is no record"};
  if (records.size() > 1)
    return {Kind::absent, {}, fmt::format("there are {} records", records.size())};
  auto id = parse_mta_sts_record(records.front());
  if (!id) return {Kind::absent, {}, "the record is broken: " + id.error().message};
  return {Kind::found, *std::move(id), {}};
}

std::string mta_sts_record_name(std::string_view domain) {
  return fmt::format("_mta-sts.{}", domain);
}

std::string mta_sts_policy_host(std::string_view domain) {
  return fmt::format("mta-sts.{}", domain);
}

// ------------------------------------------------------------------------------------ policy
std::string_view name_of(MtaStsMode mode) {
  switch (mode) {
    case MtaStsMode::none:
      return "none";
    case MtaStsMode::testing:
      return "testing";
    case MtaStsMode::enforce:
      return "enforce";
  }
  return "";
}

namespace {

struct PolicyFields {  // as given, the first of each
  std::optional<std::string_view> version, mode, max_age;
  std::vector<std::string_view> mx;
};

// §3.2, sts-policy-ext-value: printable and UTF-8, blanks only inside.
bool is_policy_value(std::string_view value) {
  return !value.empty() && is_utf8(value) && std::ranges::all_of(value, [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
}

Result<PolicyFields> read_fields(std::string_view text, const MtaStsLimits& limits) {
  PolicyFields fields;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos)
      return broken(fmt::format("the line '{}' has no colon", printable(line, 40)));
    const std::string_view name = line.substr(0, colon), value = trim(line.substr(colon + 1));
    if (!is_field_name(name))
      return broken(fmt::format("'{}' is no name of a field", printable(name, 40)));
    if (!is_policy_value(value)) return broken(fmt::format("{} has no value, or a bad one", name));
    if (name == "version" && !fields.version) fields.version = value;
    if (name == "mode" && !fields.mode) fields.mode = value;
    if (name == "max_age" && !fields.max_age) fields.max_age = value;
    if (name == "mx" && fields.mx.size() < limits.mx_patterns) fields.mx.push_back(value);
  }
  return fields;
}

bool is_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (starts_with_ignoring_case(text, "IPv6:")) text.remove_prefix(5);
  return IpAddress::parse(text).has_value();
}

// "" for an address: it is skipped.
Result<std::string> read_pattern(std::string_view given) {
  if (is_address(given)) return std::string();
  const bool wild = given.starts_with("*.");
  const std::string_view name = wild ? given.substr(2) : given;
  const auto domain = Domain::parse(name);
  if (!domain || domain->is_literal() || name.find('*') != std::string_view::npos ||
      name.ends_with('.'))
    return broken(fmt::format("mx '{}' is neither a name nor *.NAME", printable(given, 80)));
  return (wild ? "*." : "") + domain->ascii();
}

Result<std::uint32_t> read_max_age(std::string_view given, const MtaStsLimits& limits) {
  // §3.2: 1*10DIGIT, so that no number of seconds is too large to be read.
  const auto seconds = given.size() <= 10 ? parse_unsigned(given) : std::nullopt;
  if (!seconds) return broken(fmt::format("max_age '{}' is no number", printable(given, 40)));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(*seconds, limits.longest_max_age));
}

}  // namespace

Result<MtaStsPolicy> parse_mta_sts_policy(std::string_view text, const MtaStsLimits& limits) {
  if (text.size() > limits.policy_octets)
    return broken(fmt::format("it is longer than {} octets", limits.policy_octets));
  const PolicyFields fields = TRY(read_fields(text, limits));
  if (fields.version != "STSv1") return broken("its version is not STSv1");
  MtaStsPolicy policy;
  if (fields.mode == "enforce")
    policy.mode = MtaStsMode::enforce;
  else if (fields.mode == "testing")
    policy.mode = MtaStsMode::testing;
  else if (fields.mode != "none")
    return broken("its mode is not one of enforce, testing, none");
  if (!fields.max_age) return broken("it has no max_age");
  policy.max_age = TRY(read_max_age(*fields.max_age, limits));
  for (std::string_view given : fields.mx) {
    std::string pattern = TRY(read_pattern(given));
    if (!pattern.empty() && std::ranges::find(policy.mx, pattern) == policy.mx.end())
      policy.mx.push_back(std::move(pattern));
  }
  if (policy.mode != MtaStsMode::none && fields.mx.empty()) return broken("it names no mx");
  return policy;
}

std::string print_mta_sts_policy(const MtaStsPolicy& policy) {
  std::string text = fmt::format("version: STSv1\nmode: {}\n", name_of(policy.mode));
  for (const std::string& pattern : policy.mx) text += fmt::format("mx: {}\n", pattern);
  return text + fmt::format("max_age: {}\n", policy.max_age);
}

bool allows_mx(const MtaStsPolicy& policy, std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto parsed = Domain::parse(host);
  if (!parsed || parsed->is_literal() || IpAddress::parse(host)) return false;
  const std::string& name = parsed->ascii();
  return std::ranges::any_of(policy.mx, [&](const std::string& pattern) {
    if (!pattern.starts_with("*.")) return pattern == name;
    const auto dot = name.find('.');  // §4.1: the star is the whole leftmost label
    return dot != std::string::npos && dot > 0 &&
           std::string_view(name).substr(dot) == std::string_view(pattern).substr(1);
  });
}

Result<MtaStsPolicy> judge_mta_sts_reply(const MtaStsReply& reply, const MtaStsLimits& limits) {
  if (reply.status >= 300 && reply.status < 400)
    return broken(fmt::format("the web server redirects ({}): that is not followed", reply.status));
  if (reply.status != 200) return broken(fmt::format("the web server answered {}", reply.status));
  const std::string_view type =
      trim(std::string_view(reply.content_type).substr(0, reply.content_type.find(';')));
  if (!equal_ignoring_case(type, "text/plain"))
    return broken(fmt::format("the web server sent '{}', not text/plain", printable(type, 60)));
  auto policy = parse_mta_sts_policy(reply.body, limits);
  if (!policy) return broken("the policy is broken: " + policy.error().message);
  return policy;
}

// ------------------------------------------------------------------------------------ cache
bool MtaStsKnown::in_force(Instant now) const {
  // A clock that was put back does not make a policy live longer than its max_age from now.
  const auto age = now - fetched_at;
  return age >= -std::chrono::hours(24) && age < std::chrono::seconds(policy.max_age);
}

MtaStsDecision decide_mta_sts(const std::optional<MtaStsKnown>& known,
                              const std::optional<MtaStsFailure>& failure,
                              const MtaStsRecord& record, Instant now, const MtaStsLimits& limits) {
  using Kind = MtaStsRecord::Kind;
  const bool in_force = known && known->in_force(now);
  const bool paused = failure && record.kind == Kind::found && failure->id == record.id &&
                      now - failure->at < limits.pause && now >= failure->at;
  switch (record.kind) {
    case Kind::absent:
    case Kind::unknown:
      if (in_force) return {MtaStsStep::apply, true, "in force until its max_age: " + record.why};
      return {MtaStsStep::apply, false, record.why};
    case Kind::bogus:
      if (in_force) return {MtaStsStep::apply, true, "in force until its max_age: " + record.why};
      return {MtaStsStep::wait, false, record.why};
    case Kind::found:
      break;
  }
  if (paused) return {MtaStsStep::apply, in_force, "the last fetch failed: " + failure->why};
  if (!in_force) return {MtaStsStep::fetch, false, "not known yet"};
  if (known->id != record.id) return {MtaStsStep::fetch, true, "the record has another id"};
  const Duration refresh =
      std::min<Duration>(limits.refresh, std::chrono::seconds(known->policy.max_age) / 2);
  if (now - known->fetched_at >= refresh)
    return {MtaStsStep::apply_and_fetch, true, "in force; fetched again before it expires"};
  return {MtaStsStep::apply, true, "in force"};
}

std::optional<MtaStsKnown> after_fetch(std::optional<MtaStsKnown> known, const MtaStsRecord& record,
                                       const Result<MtaStsPolicy>& fetched, Instant now) {
  if (fetched) return MtaStsKnown{record.id, *fetched, now};
  if (known && known->in_force(now)) return known;
  return std::nullopt;
}

}  // namespace goniec
