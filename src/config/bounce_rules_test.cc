// The rule files that are built in, and what a broken one says.
#include "config/bounce_rules.h"

#include <gtest/gtest.h>

#include <set>

#include "mail/bounce_words.h"

namespace goniec {
namespace {

const BounceRules& built_in() {
  static const BounceRules rules = [] {
    auto loaded = load_bounce_rules("");
    if (!loaded) ADD_FAILURE() << text_of(loaded.error());
    return loaded ? std::move(*loaded) : BounceRules();
  }();
  return rules;
}

struct Case {
  std::string_view text, host;
  BounceClass klass;
  Permanence permanence;
  std::string_view hint;
};

TEST(BounceRuleFiles, what_is_built_in_reads_answers_of_providers_as_they_mean_them) {
  using enum BounceClass;
  using enum Permanence;
  const Case cases[] = {
      {"550-5.1.1 The email account that you tried to reach does not exist. Please try\n550 5.1.1 "
       "double-checking https://support.google.com/mail/?p=NoSuchUser a1-2 - gsmtp",
       "gmail-smtp-in.l.google.com", bad_mailbox, permanent, "bounce.bad_mailbox"},
      {"550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
       "gmail-smtp-in.l.google.com", auth_policy, temporary, "bounce.auth_policy"},
      {"452 4.2.2 The recipient's inbox is out of storage space.", "aspmx.l.google.com",
       mailbox_full, temporary, "bounce.mailbox_full"},
      {"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "",
       ip_blocklisted, temporary, "bounce.ip_blocklisted"},
      {"450 4.2.0 <jan@example.pl>: Recipient address rejected: Greylisted, see http://postgrey",
       "", greylisted, temporary, "bounce.greylisted"},
      {"550 5.1.1 <spam@full.example>: Recipient address rejected: User unknown in local recipient "
       "table",
       "", bad_mailbox, permanent, "bounce.bad_mailbox"},
      {"450 4.1.1 <jan@example.pl>: Recipient address rejected: User unknown", "", bad_mailbox,
       temporary, "bounce.bad_mailbox"},
      {"552 5.2.2 Mailbox full", "", mailbox_full, temporary, "bounce.mailbox_full"},
  };
  for (const auto& one : cases) {
    const auto verdict = built_in().classify(read_reply(one.text), {.site = one.host});
    EXPECT_EQ(name_of(verdict.klass), name_of(one.klass)) << one.text << " by " << verdict.rule;
    EXPECT_EQ(name_of(verdict.permanence), name_of(one.permanence)) << one.text;
    EXPECT_EQ(verdict.hint, one.hint) << one.text << " by " << verdict.rule;
  }
}

TEST(BounceRuleFiles, providers_are_known_by_host_before_domain) {
  EXPECT_EQ(built_in().provider_of("gmail-smtp-in.l.google.com[1.2.3.4]:25", "example.pl"),
            "gmail");
  EXPECT_EQ(built_in().provider_of("example-pl.mail.protection.outlook.com"), "microsoft365");
  EXPECT_EQ(built_in().provider_of("hotmail-com.olc.protection.outlook.com"), "outlook");
  EXPECT_EQ(built_in().provider_of("mx.wp.pl"), "wp");
  EXPECT_EQ(built_in().provider_of("relay.example.pl", "vp.pl"), "onet");
  EXPECT_EQ(built_in().provider_of("mx.example.pl", "example.pl"), "");
}

TEST(BounceRuleFiles, a_rule_of_the_operator_comes_before_ours) {
  auto files = built_in_bounce_files();
  files.insert(files.begin(), {"mine.toml",
                               "version = 1\n[[rule]]\nname = \"mine.odd\"\ntext = [\"User "
                               "unknown\"]\nclass = \"content_blocked\"\n"});
  const auto rules = parse_bounce_rules(files);
  ASSERT_TRUE(rules) << text_of(rules.error());
  const auto verdict = rules->classify(read_reply("550 5.1.1 user  UNKNOWN"));
  EXPECT_EQ(verdict.rule, "mine.odd");
  EXPECT_EQ(verdict.where, "mine.toml:2");
  EXPECT_EQ(verdict.klass, BounceClass::content_blocked);
}

TEST(BounceRuleFiles, a_broken_file_says_its_line) {
  const auto rules = parse_bounce_rules({{"broken.toml",
                                          "version = 1\n[[rule]]\nname = \"x\"\nclas = "
                                          "\"other\"\ncode = [\"750\"]\nprovider = [\"nobody\"]"}});
  ASSERT_FALSE(rules);
  EXPECT_EQ(text_of(rules.error()),
            "broken.toml:4: unknown key \"clas\"; did you mean class?\n"
            "broken.toml:5: code = \"750\" is not \"550\", \"4xx\", \"5xx\" or \"none\"\n"
            "broken.toml:2: a rule needs a class; fix: class = \"mailbox_full\"\n"
            "broken.toml:2: no [[provider]] is named \"nobody\"\n");
}

TEST(BounceRuleFiles, every_class_has_words_in_both_languages) {
  std::set<std::string_view> seen;
  for (const auto& words : all_bounce_words()) {
    EXPECT_TRUE(seen.insert(words.hint).second) << words.hint;
    for (const auto language : {Language::english, Language::polish}) {
      EXPECT_TRUE(words.cause(language).ends_with('.')) << words.hint;
      EXPECT_TRUE(words.fix(language).ends_with('.')) << words.hint;
    }
  }
  for (std::size_t at = 0; at < bounce_class_count; ++at)
    EXPECT_TRUE(is_bounce_hint("bounce." + std::string(name_of(static_cast<BounceClass>(at)))));
}

}  // namespace
}  // namespace goniec
