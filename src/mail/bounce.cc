// Matching rules against an answer: see bounce.h.
#include "mail/bounce.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <unordered_map>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::array<std::string_view, bounce_class_count> class_names{
    "bad_mailbox",     "bad_domain",     "mailbox_full", "message_too_big", "content_blocked",
    "spam_reputation", "ip_blocklisted", "auth_policy",  "rate_limited",    "greylisted",
    "dns_error",       "connection",     "tls",          "protocol",        "relay_denied",
    "auto_reply",      "other"};

// Whether `text` has the literal pieces of `pattern` one behind the other.
bool has_pattern(std::string_view text, std::string_view pattern) {
  for (;;) {
    const auto star = pattern.find('*');
    const auto piece = pattern.substr(0, star);
    const auto at = text.find(piece);
    if (at == std::string_view::npos) return false;
    if (star == std::string_view::npos) return true;
    text.remove_prefix(at + piece.size());
    pattern.remove_prefix(star + 1);
  }
}

bool is_delimiter(char c) {
  return c == '<' || c == '>' || c == '"' || c == '\'' || c == '(' || c == ')' || c == '[' ||
         c == ']' || c == ',' || c == ';' || c == ':' || c == '{' || c == '}' || c == '=';
}

// One word without its blanks: a link goes apart, addresses become "@".
void add_word(BounceText& out, std::string_view word, std::string_view code,
              std::string_view enhanced) {
  // A reply of several lines repeats its codes on each: "550-5.1.1 the 550 5.1.1 user".
  if (!code.empty() && word.starts_with(code) && (word.size() == 3 || word[3] == '-'))
    word.remove_prefix(std::min<std::size_t>(word.size(), 4));
  if (word.empty() || (!enhanced.empty() && word == enhanced)) return;
  if (!out.words.empty() && out.words.back() != ' ') out.words += ' ';
  std::size_t at = 0;
  while (at < word.size()) {
    const auto rest = word.substr(at);
    if (starts_with_ignoring_case(rest, "http://") || starts_with_ignoring_case(rest, "https://") ||
        starts_with_ignoring_case(rest, "www.")) {
      const auto end = std::min(rest.find_first_of("<>\"'()"), rest.size());
      if (!out.links.empty()) out.links += ' ';
      out.links += to_lower(rest.substr(0, end));
      at += end;
      continue;
    }
    std::size_t end = 0;
    while (end < rest.size() && !is_delimiter(rest[end])) ++end;
    const auto part = rest.substr(0, end);
    const auto sign = part.find('@');
    const bool address = sign != std::string_view::npos && sign > 0 && sign + 1 < part.size();
    out.words += address ? "@" : to_lower(part);
    if (end < rest.size()) out.words += to_lower(rest[end++]);
    at += end;
  }
}

// Which runs of three octets a text has, by a hash: of many hundred patterns nearly all are told
// by this that they cannot match, so that only few are looked for.
class Grams {
 public:
  explicit Grams(std::string_view text) {
    for (std::size_t at = 0; at + size <= text.size(); ++at) has_.set(of(text.substr(at)));
  }
  bool has(std::size_t gram) const { return has_[gram]; }
  static constexpr std::size_t size = 3, count = 1 << 14;
  static std::size_t of(std::string_view text) {
    const auto octet = [&](std::size_t at) {
      return static_cast<std::size_t>(static_cast<unsigned char>(text[at]));
    };
    return (octet(0) * 2851 + octet(1) * 211 + octet(2) * 31) % count;
  }

 private:
  std::bitset<count> has_;
};

// A pattern with the grams of its longest piece.
struct Pattern {
  std::string text;
  std::vector<std::size_t> grams;

  explicit Pattern(std::string_view written) : text(to_lower(written)) {
    std::string_view longest;
    for (const auto piece : split(text, '*')) {
      if (piece.size() > longest.size()) longest = piece;
    }
    for (std::size_t at = 0; at + Grams::size <= longest.size(); at += Grams::size)
      grams.push_back(Grams::of(longest.substr(at)));
  }
  bool is_in(std::string_view words, const Grams& has) const {
    return std::all_of(grams.begin(), grams.end(), [&](auto gram) { return has.has(gram); }) &&
           has_pattern(words, text);
  }
};
struct RulePatterns {
  std::vector<Pattern> texts, unless, links;
};

template <class List, class Test>
bool asks_and_finds_none(const List& list, Test test) {
  return !list.empty() && std::none_of(list.begin(), list.end(), test);
}

std::string_view host_of(std::string_view site) {
  site = site.substr(0, site.find('['));
  if (const auto colon = site.find(':'); colon != std::string_view::npos)
    site = site.substr(0, colon);
  if (site.ends_with('.')) site.remove_suffix(1);
  return site;
}

Permanence permanence_by_class(BounceClass klass, const Reply& reply, bool given_up) {
  const bool address = klass == BounceClass::bad_mailbox || klass == BounceClass::bad_domain;
  const bool temporary =
      reply.code != 0 ? reply.is_transient() : reply.enhanced && reply.enhanced.klass == 4;
  return address && (given_up || !temporary) ? Permanence::permanent : Permanence::temporary;
}

}  // namespace

std::string_view name_of(BounceClass klass) {
  return class_names.at(static_cast<std::size_t>(klass));
}

std::optional<BounceClass> bounce_class_of(std::string_view name) {
  const auto found = std::find(class_names.begin(), class_names.end(), name);
  if (found == class_names.end()) return {};
  return static_cast<BounceClass>(found - class_names.begin());
}

std::string_view name_of(BounceActor actor) {
  switch (actor) {
    case BounceActor::sender:
      return "sender";
    case BounceActor::recipient:
      return "recipient";
    case BounceActor::postmaster:
      return "postmaster";
    case BounceActor::server:
      return "server";
    case BounceActor::nobody:
      return "nobody";
  }
  return "nobody";
}

std::string_view name_of(Permanence permanence) {
  return permanence == Permanence::permanent ? "permanent" : "temporary";
}

std::optional<EnhancedPattern> EnhancedPattern::parse(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 3) return {};
  std::array<int, 3> numbers{};
  for (std::size_t at = 0; at < 3; ++at) {
    const auto number = parse_unsigned(parts[at]);
    if (parts[at] != "x" && (!number || *number > 999)) return {};
    numbers.at(at) = number ? static_cast<int>(*number) : -1;
  }
  return EnhancedPattern{numbers[0], numbers[1], numbers[2]};
}

bool EnhancedPattern::matches(const EnhancedCode& code) const {
  return code && (klass < 0 || klass == code.klass) && (subject < 0 || subject == code.subject) &&
         (detail < 0 || detail == code.detail);
}

std::optional<CodePattern> CodePattern::parse(std::string_view text) {
  if (text == "none") return CodePattern{0, 0};
  if (text == "4xx") return CodePattern{400, 499};
  if (text == "5xx") return CodePattern{500, 599};
  const auto number = parse_unsigned(text);
  if (!number || *number < 400 || *number > 599) return {};
  return CodePattern{static_cast<int>(*number), static_cast<int>(*number)};
}

struct BounceRules::State {
  std::vector<BounceProvider> providers;
  std::vector<BounceRule> rules;
  std::vector<RulePatterns> patterns;  // of each rule
  // A name and all below it -> index in `providers`.
  std::unordered_map<std::string, std::size_t> hosts, domains;

  const BounceProvider* find(const std::unordered_map<std::string, std::size_t>& names,
                             std::string_view name) const {
    std::string lower = to_lower(name);
    std::string_view left = lower;
    while (!left.empty()) {
      if (const auto found = names.find(std::string(left)); found != names.end())
        return &providers[found->second];
      const auto dot = left.find('.');
      if (dot == std::string_view::npos) return nullptr;
      left.remove_prefix(dot + 1);
    }
    return nullptr;
  }

  struct Looked {  // what is asked
    const Reply& reply;
    const BounceFacts& facts;
    std::string_view provider;
    BounceText text;
    Grams words{text.words}, links{text.links};
  };
  static bool matches(const BounceRule& rule, const RulePatterns& patterns, const Looked& at) {
    const auto in_words = [&](const Pattern& one) { return one.is_in(at.text.words, at.words); };
    const auto in_links = [&](const Pattern& one) { return one.is_in(at.text.links, at.links); };
    return !asks_and_finds_none(rule.providers,
                                [&](const auto& one) { return one == at.provider; }) &&
           !asks_and_finds_none(rule.codes,
                                [&](const auto& one) { return one.matches(at.reply.code); }) &&
           !asks_and_finds_none(rule.enhanced,
                                [&](const auto& one) { return one.matches(at.reply.enhanced); }) &&
           !asks_and_finds_none(rule.phases,
                                [&](const auto& one) { return one == at.facts.phase; }) &&
           !asks_and_finds_none(patterns.texts, in_words) &&
           !asks_and_finds_none(patterns.links, in_links) &&
           std::none_of(patterns.unless.begin(), patterns.unless.end(), in_words);
  }
};

BounceRules::BounceRules() : BounceRules({}, {}) {}

BounceRules::BounceRules(std::vector<BounceProvider> providers, std::vector<BounceRule> rules) {
  auto state = std::make_unique<State>();
  state->providers = std::move(providers);
  state->rules = std::move(rules);
  for (std::size_t at = 0; at < state->providers.size(); ++at) {
    for (const auto& host : state->providers[at].hosts) state->hosts.try_emplace(host, at);
    for (const auto& domain : state->providers[at].domains) state->domains.try_emplace(domain, at);
  }
  for (auto& rule : state->rules) {
    RulePatterns& patterns = state->patterns.emplace_back();
    for (const auto& text : rule.texts) patterns.texts.emplace_back(text);
    for (const auto& text : rule.unless) patterns.unless.emplace_back(text);
    for (const auto& text : rule.links) patterns.links.emplace_back(text);
    if (rule.hint.empty()) rule.hint = "bounce." + std::string(name_of(rule.klass));
  }
  state_ = std::move(state);
}

BounceRules::~BounceRules() = default;
BounceRules::BounceRules(BounceRules&&) noexcept = default;
BounceRules& BounceRules::operator=(BounceRules&&) noexcept = default;

BounceVerdict BounceRules::classify(const Reply& reply, const BounceFacts& facts) const {
  BounceVerdict verdict;
  verdict.provider =
      facts.provider.empty() ? provider_of(facts.site, facts.domain) : facts.provider;
  const State::Looked looked{reply, facts, verdict.provider, bounce_text(reply)};
  for (std::size_t at = 0; at < state_->rules.size(); ++at) {
    const BounceRule& rule = state_->rules[at];
    if (!State::matches(rule, state_->patterns[at], looked)) continue;
    verdict.klass = rule.klass;
    verdict.permanence =
        rule.permanence.value_or(permanence_by_class(rule.klass, reply, facts.given_up));
    verdict.rule = rule.name;
    verdict.where = fmt::format("{}:{}", rule.file, rule.line);
    verdict.hint = rule.hint;
    return verdict;
  }
  verdict.rule = "code";
  verdict.hint = reply.is_permanent() ? "bounce.other" : "bounce.other.temporary";
  return verdict;
}

std::string_view BounceRules::provider_of(std::string_view host, std::string_view domain) const {
  const auto* found = state_->find(state_->hosts, host_of(host));
  if (found == nullptr) found = state_->find(state_->domains, host_of(domain));
  return found == nullptr ? std::string_view() : found->name;
}

std::string_view BounceRules::title_of(std::string_view provider) const {
  for (const auto& one : state_->providers) {
    if (one.name == provider) return one.title;
  }
  return provider;
}

std::span<const BounceProvider> BounceRules::providers() const {
  return state_->providers;
}

std::size_t BounceRules::rule_count() const {
  return state_->rules.size();
}

BounceText bounce_text(const Reply& reply) {
  const auto code = reply.code == 0 ? std::string() : std::to_string(reply.code);
  BounceText out;
  for (const std::string& line : reply.lines) {
    const auto text = std::string_view(line).substr(0, bounce_text_octets);
    for (std::size_t at = 0; at < text.size() && out.words.size() < bounce_text_octets;) {
      const auto end = std::min(text.find_first_of(" \t\r\n", at), text.size());
      add_word(out, text.substr(at, end - at), code, reply.enhanced.text());
      at = end + 1;
    }
  }
  return out;
}

}  // namespace goniec
