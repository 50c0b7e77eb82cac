// Answers become words, rules decide in order, the code where none does.
#include "mail/bounce.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Bounce, codes_are_found_in_what_a_person_pastes) {
  struct Case {
    std::string_view text;
    int code;
    std::string_view enhanced;
  };
  const Case cases[] = {
      {"550 5.1.1 no such user", 550, "5.1.1"},
      {"host mx.x.test[192.0.2.1] said: 550-5.1.1 gone 550 5.1.1 away (in reply to RCPT TO)", 550,
       "5.1.1"},
      {"SMTP error from remote mail server after RCPT TO:<a@b.test>: 452 4.2.2 full", 452, "4.2.2"},
      {"sorry, no mailbox here by that name. (#5.1.1)", 0, "5.1.1"},
      {"554-192.0.2.55 is listed", 554, ""},
      {"connect to mx.x.test[192.0.2.1]:587: Connection refused", 0, ""},
      {"smtp; 550 #5.1.0 Address rejected.", 550, "5.1.0"},
      {"421-4.7.0 wait", 421, "4.7.0"},
      {"the file has 5500 octets and version 5.1.1.7", 0, ""},
      {"", 0, ""},
  };
  for (const auto& one : cases) {
    const auto reply = read_reply(one.text);
    EXPECT_EQ(reply.code, one.code) << one.text;
    EXPECT_EQ(reply.enhanced.text(), one.enhanced) << one.text;
  }
}

TEST(Bounce, names_and_links_are_no_words_of_the_server) {
  const auto text = bounce_text(read_reply(
      "550-5.1.1 <Spam@Full.test>:  User\tunknown\n550 5.1.1 see https://x.test/Blacklist a@b"));
  EXPECT_EQ(text.words, "<@>: user unknown see @");
  EXPECT_EQ(text.links, "https://x.test/blacklist");
}

TEST(Bounce, a_rule_asks_for_all_that_it_names) {
  BounceRule rule;
  rule.name = "mine";
  rule.file = "mine.toml";
  rule.line = 7;
  rule.providers = {"wp"};
  rule.codes = {*CodePattern::parse("5xx")};
  rule.enhanced = {*EnhancedPattern::parse("x.2.2")};
  rule.phases = {"rcpt"};
  rule.texts = {"Quota*Exceeded"};
  rule.unless = {"sending quota"};
  rule.klass = BounceClass::mailbox_full;
  const BounceRules rules({{"wp", "WP", {"wp.pl"}, {}}}, {rule});
  const auto klass = [&](std::string_view text, BounceFacts facts) {
    return rules.classify(read_reply(text), facts).klass;
  };
  const BounceFacts facts{.site = "mx.wp.pl[192.0.2.1]:25", .phase = "rcpt"};
  const auto verdict = rules.classify(read_reply("552 5.2.2 quota of <a@b> exceeded"), facts);
  EXPECT_EQ(verdict.klass, BounceClass::mailbox_full);
  EXPECT_EQ(verdict.permanence, Permanence::temporary);
  EXPECT_EQ(verdict.where, "mine.toml:7");
  EXPECT_EQ(verdict.hint, "bounce.mailbox_full");
  EXPECT_EQ(verdict.provider, "wp");
  EXPECT_EQ(klass("452 5.2.2 quota exceeded", facts), BounceClass::other);
  EXPECT_EQ(klass("552 5.2.3 quota exceeded", facts), BounceClass::other);
  EXPECT_EQ(klass("552 5.2.2 exceeded quota", facts), BounceClass::other);
  EXPECT_EQ(klass("552 5.2.2 sending quota exceeded", facts), BounceClass::other);
  EXPECT_EQ(klass("552 5.2.2 quota exceeded", {.site = "mx.wp.pl", .phase = "dot"}),
            BounceClass::other);
  EXPECT_EQ(klass("552 5.2.2 quota exceeded", {.site = "mx.awp.pl", .phase = "rcpt"}),
            BounceClass::other);
}

TEST(Bounce, without_rules_the_code_decides) {
  const BounceRules rules;
  EXPECT_EQ(rules.classify(read_reply("550 no")).hint, "bounce.other");
  EXPECT_EQ(rules.classify(read_reply("450 no")).hint, "bounce.other.temporary");
  EXPECT_EQ(rules.classify(Reply()).permanence, Permanence::temporary);
}

TEST(Bounce, only_a_dead_address_is_permanent) {
  BounceRule mailbox;
  mailbox.texts = {"unknown"};
  mailbox.klass = BounceClass::bad_mailbox;
  BounceRule spam;
  spam.texts = {"spam"};
  spam.klass = BounceClass::content_blocked;
  const BounceRules rules({}, {mailbox, spam});
  EXPECT_TRUE(rules.classify(read_reply("550 unknown")).is_dead_address());
  EXPECT_FALSE(rules.classify(read_reply("450 unknown")).is_dead_address());
  EXPECT_FALSE(rules.classify(read_reply("unknown (#4.1.1)")).is_dead_address());
  EXPECT_EQ(rules.classify(read_reply("550 spam")).permanence, Permanence::temporary);
}

TEST(Bounce, every_class_and_actor_has_its_name) {
  for (std::size_t at = 0; at < bounce_class_count; ++at) {
    const auto klass = static_cast<BounceClass>(at);
    EXPECT_EQ(bounce_class_of(name_of(klass)), klass);
  }
  EXPECT_FALSE(bounce_class_of("bad"));
}

}  // namespace
}  // namespace goniec
