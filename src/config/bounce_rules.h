// Rule files of the bounce classifier (mail/bounce.h) from TOML: those built in from data/bounces,
// and the operator's, which come first. A file is
//
//   version = 1
//   [[provider]]                        # who: the first that knows a name has it
//   name = "wp"
//   title = "WP"
//   hosts = ["wp.pl"]                   # MX hosts: the name and all below it
//   domains = ["wp.pl"]                 # of recipients
//   [[rule]]                            # the first that matches decides
//   name = "wp.quota"
//   provider = ["wp"]                   # any of; as all lists here
//   code = ["552", "4xx"]               # "none": no answer
//   enhanced = ["5.2.2", "x.7.x"]
//   phase = ["rcpt"]
//   text = ["quota*exceeded"]
//   unless = ["attachment"]             # none of
//   link = ["p=noSuchUser"]             # in a link of the text
//   class = "mailbox_full"
//   permanent = false                   # else by class and code
//   hint = "bounce.mailbox_full"        # else the class's; of mail/bounce_words
//
// Promises: every problem of all files is found at once, with file:line; one wrong file and none is
// used.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "mail/bounce.h"

namespace goniec {

struct BounceRuleFile {
  std::string name;  // "gmail.toml", or the path
  std::string text;
};

// In order: the first file's rules are asked first.
std::expected<BounceRules, ConfigProblems> parse_bounce_rules(
    const std::vector<BounceRuleFile>& files);
std::vector<BounceRuleFile> built_in_bounce_files();
// FOLDER/*.toml by name, then what is built in. A folder that is not there, or "", has no rules.
std::expected<BounceRules, ConfigProblems> load_bounce_rules(const std::string& folder);

}  // namespace goniec
