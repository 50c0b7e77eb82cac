// What a refusal means. An answer that is not 2xx, or what happened instead of one, becomes one of
// a small fixed set of classes, with who must act; the words for people are in bounce_words.h.
//
//   reply + facts -> rules in order, the first that matches decides -> BounceVerdict
//
// Rules are data: src/config/bounce_rules reads data/bounces/*.toml, which are built in, and the
// operator's own before them. A rule asks for any of: provider, reply code, enhanced code (RFC
// 3463), phase, texts. A text is matched without case, white space as one blank, `*` standing for
// any run of octets; each pattern is looked for once from left to right, so that the time grows
// with the text alone. Mail addresses in it are an "@" only and links stand apart, so that no name
// and no link is mistaken for a word of the server. Where no rule matches, the code decides.
//
// "Permanent" is said of the address: no mail will reach it later either, whatever the sender or
// this server changes (a hard bounce). A message refused for its content, size or origin is not
// that, whichever code was used; it is therefore safe to act on `is_dead_address`.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/reply.h"

namespace goniec {

enum class BounceClass : std::uint8_t {
  bad_mailbox,
  bad_domain,
  mailbox_full,
  message_too_big,
  content_blocked,
  spam_reputation,
  ip_blocklisted,
  auth_policy,
  rate_limited,
  greylisted,
  dns_error,
  connection,
  tls,
  protocol,
  relay_denied,
  auto_reply,
  other
};
inline constexpr std::size_t bounce_class_count = 17;
std::string_view name_of(BounceClass klass);  // "bad_mailbox"
std::optional<BounceClass> bounce_class_of(std::string_view name);

// Who can change it. `nobody`: it is retried, there is nothing to do.
enum class BounceActor : std::uint8_t { sender, recipient, postmaster, server, nobody };
std::string_view name_of(BounceActor actor);  // "postmaster": of the receiving side

enum class Permanence : std::uint8_t { permanent, temporary };
std::string_view name_of(Permanence permanence);

// What is known beside the answer; each may be empty.
struct BounceFacts {
  std::string_view provider;  // as provider_of() names it; "": found by site and domain
  std::string_view site;      // "mx.wp.pl[212.77.101.4]:25"
  std::string_view domain;    // of the recipient
  std::string_view phase;     // of Outcome: "connect", "tls", "rcpt", "dot"…
  bool given_up = false;      // a report says so: 4xx counts as 5xx
};

struct BounceVerdict {
  BounceClass klass = BounceClass::other;
  Permanence permanence = Permanence::temporary;
  std::string rule;      // "gmail.quota"; "code": no rule matched
  std::string where;     // "gmail.toml:12"; "" for "code"
  std::string hint;      // key of bounce_words.h: "bounce.mailbox_full"
  std::string provider;  // "gmail"; "" unknown
  // Safe to suppress: the address itself is refused for good.
  bool is_dead_address() const {
    return klass == BounceClass::bad_mailbox && permanence == Permanence::permanent;
  }
};

struct BounceProvider {
  std::string name;                         // "gmail": also a metric's label
  std::string title;                        // "Gmail"
  std::vector<std::string> hosts, domains;  // a name and all below it, lower case, A-labels
};

// One number of a code pattern; -1: any.
struct EnhancedPattern {
  int klass = -1, subject = -1, detail = -1;
  static std::optional<EnhancedPattern> parse(std::string_view text);  // "5.1.1", "x.2.2", "5.7.x"
  bool matches(const EnhancedCode& code) const;
};
struct CodePattern {
  int least = 0, most = 0;
  static std::optional<CodePattern> parse(std::string_view text);  // "550", "4xx", "none"
  bool matches(std::uint16_t code) const { return code >= least && code <= most; }
};

// What is empty is not asked for; of each list one must match, of `unless` none.
struct BounceRule {
  std::string name;
  std::vector<std::string> providers;
  std::vector<CodePattern> codes;
  std::vector<EnhancedPattern> enhanced;
  std::vector<std::string> phases, texts, unless, links;
  BounceClass klass = BounceClass::other;
  std::optional<Permanence> permanence;  // not given: by class and code
  std::string hint;                      // "": the class's own
  std::string file;
  unsigned line = 0;
};

class BounceRules {
 public:
  BounceRules();  // none: the code alone decides
  BounceRules(std::vector<BounceProvider> providers, std::vector<BounceRule> rules);
  ~BounceRules();
  BounceRules(BounceRules&&) noexcept;
  BounceRules& operator=(BounceRules&&) noexcept;

  BounceVerdict classify(const Reply& reply, const BounceFacts& facts = {}) const;

  // "gmail"; "" when it is nobody's we know. By the host first (a name or a site), else the domain.
  std::string_view provider_of(std::string_view host, std::string_view domain = {}) const;
  std::string_view title_of(std::string_view provider) const;  // "Gmail"; the name when unknown
  std::span<const BounceProvider> providers() const;           // bounded: the rule files' own
  std::size_t rule_count() const;

 private:
  struct State;  // bounce.cc
  std::unique_ptr<const State> state_;
};

// An answer out of what a person or a report pastes: "host mx.x[1.2.3.4] said: 550-5.1.1 no such
// 550 5.1.1 user (in reply to RCPT TO)". The first code and enhanced code that stand as words; the
// text stays as it is. Code 0: there is none.
Reply read_reply(std::string_view text);

// An answer as rules see it: lower case, white space as one blank, the codes that each line repeats
// left out, a mail address as "@". At most `bounce_text_octets`.
inline constexpr std::size_t bounce_text_octets = 4096;
struct BounceText {
  std::string words;
  std::string links;  // "https://…", one blank between
};
BounceText bounce_text(const Reply& reply);

}  // namespace goniec
