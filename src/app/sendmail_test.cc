// sendmail: what its callers type, and what becomes of their messages.
#include "app/sendmail.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

SendmailArguments parsed(std::vector<std::string> arguments,
                         std::string_view program = "sendmail") {
  auto result = parse_sendmail(program, arguments);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  return result.value_or(SendmailArguments{});
}

TEST(Sendmail, the_flags_of_real_callers_are_understood) {
  const auto php = parsed({"-t", "-i", "-fa@b.pl"});
  EXPECT_TRUE(php.recipients_from_header);
  EXPECT_FALSE(php.dot_ends);
  EXPECT_EQ(php.sender, "a@b.pl");

  const auto cron = parsed({"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"});
  EXPECT_EQ(cron.full_name, "CronDaemon");
  EXPECT_EQ(cron.body, "8BITMIME");
  EXPECT_EQ(cron.recipients, std::vector<std::string>{"root"});

  const auto mutt = parsed(
      {"-oem", "-oi", "-f", "a@b.pl", "-Nfailure,delay", "-Rhdrs", "--", "-x@y.pl", "z@y.pl"});
  EXPECT_FALSE(mutt.dot_ends);
  EXPECT_EQ(mutt.notify, "failure,delay");
  EXPECT_EQ(mutt.ret, "hdrs");
  EXPECT_EQ(mutt.recipients, (std::vector<std::string>{"-x@y.pl", "z@y.pl"}));

  EXPECT_TRUE(parsed({"-ti"}).recipients_from_header);
  EXPECT_EQ(parsed({"-f", "<>", "a@b.pl"}).sender, "");
  EXPECT_EQ(parsed({"-f", "", "a@b.pl"}).sender, "");
  EXPECT_EQ(parsed({"-r", "<a@b.pl>", "c"}).sender, "a@b.pl");
  EXPECT_EQ(parsed({"a", "-f"}).recipients.size(),
            2u);  // flags end at the first address, as in Postfix
}

TEST(Sendmail, modes_come_by_flag_and_by_name) {
  EXPECT_EQ(parsed({"-bs"}).mode, SendmailMode::smtp);
  EXPECT_EQ(parsed({"-bp"}).mode, SendmailMode::list_queue);
  EXPECT_EQ(parsed({}, "mailq").mode, SendmailMode::list_queue);
  EXPECT_EQ(parsed({"-bi"}).mode, SendmailMode::new_aliases);
  EXPECT_EQ(parsed({}, "newaliases").mode, SendmailMode::new_aliases);
  EXPECT_EQ(parsed({"-bv", "a"}).mode, SendmailMode::verify);
  EXPECT_EQ(parsed({"-bd", "-q30m"}).mode, SendmailMode::run_queue);
  EXPECT_EQ(parsed({"-bd"}).mode, SendmailMode::refuse_daemon);
  EXPECT_EQ(parsed({"-bm", "a"}).mode, SendmailMode::deliver);
  for (const auto* flag : {"-q", "-qI123", "-qRwp.pl", "-qSx"})
    EXPECT_EQ(parsed({flag}).mode, SendmailMode::run_queue);
}

TEST(Sendmail, what_postfix_ignores_is_ignored) {
  for (const auto* flag : {"-oem", "-oee", "-oeq", "-odb", "-odi", "-odq", "-om", "-o7", "-o8",
                           "-oA/x", "-em", "-m", "-n", "-U", "-G", "-Ac", "-Am", "-v"}) {
    EXPECT_EQ(parsed({flag, "a@b.pl"}).recipients, std::vector<std::string>{"a@b.pl"}) << flag;
  }
  for (const auto* flag : {"-O", "-L", "-X", "-h", "-p"}) {
    EXPECT_EQ(parsed({flag, "value", "a@b.pl"}).recipients, std::vector<std::string>{"a@b.pl"})
        << flag;
  }
}

TEST(Sendmail, a_wrong_flag_is_named_with_exit_64) {
  struct Case {
    std::vector<std::string> arguments;
    std::string_view named;
  };
  for (const auto& each : std::vector<Case>{{{"-Z"}, "-Z"},
                                            {{"-tZ"}, "-Z in -tZ"},
                                            {{"--help"}, "--"},
                                            {{"-f"}, "-f needs a value"},
                                            {{"-bx"}, "-bx"},
                                            {{"-N", "often", "a"}, "-N often"},
                                            {{"-R", "half", "a"}, "-R half"},
                                            {{"-B", "9BIT", "a"}, "-B 9BIT"}}) {
    const auto result = parse_sendmail("sendmail", each.arguments);
    ASSERT_FALSE(result.has_value()) << each.named;
    EXPECT_EQ(exit_code(result.error().kind), 64);
    EXPECT_NE(result.error().message.find(each.named), std::string::npos) << result.error().message;
  }
}

CompletedMessage completed(std::string_view text, bool from_header = false) {
  MessageFacts facts;
  facts.from_address = "anna";
  facts.full_name = "Anna \"A\" Nowak";
  facts.domain = "mail.example.pl";
  facts.now = Instant(std::chrono::seconds(1'795'435'801));
  facts.unique = "77";
  facts.recipients_from_header = from_header;
  auto message = complete_message(text, facts);
  EXPECT_TRUE(message.has_value());
  return message.value_or(CompletedMessage{});
}

TEST(Sendmail, missing_fields_are_added_and_given_ones_stay) {
  const auto bare = completed("hello\n").text;
  EXPECT_NE(bare.find("From: \"Anna \\\"A\\\" Nowak\" <anna@mail.example.pl>\n"), std::string::npos)
      << bare;
  EXPECT_NE(bare.find("\nDate: "), std::string::npos);
  EXPECT_NE(bare.find("\nMessage-ID: <"), std::string::npos);
  EXPECT_NE(bare.find(".77@mail.example.pl>\n"), std::string::npos);
  EXPECT_NE(bare.find("\nTo: undisclosed-recipients:;\n\nhello\n"), std::string::npos) << bare;
  const std::string whole =
      "From: a@b.pl\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <x@y>\nTo: c@d.pl\n\nbody\n";
  EXPECT_EQ(completed(whole).text, whole);
}

TEST(Sendmail, odd_input_becomes_a_message) {
  const std::string head = "From: a@b.pl\nDate: x\nMessage-ID: <x@y>\nTo: c@d.pl\n";
  EXPECT_EQ(
      completed("From: a@b.pl\r\nDate: x\r\nMessage-ID: <x@y>\r\nTo: c@d.pl\r\n\r\nb\r\n").text,
      head + "\nb\n");
  EXPECT_EQ(completed("From a@b Mon Jan 1\n" + head + "\nb\n").text, head + "\nb\n");
  EXPECT_EQ(completed(head + "no field\nb\n").text, head + "\nno field\nb\n");
  EXPECT_EQ(completed(head + std::string("\nb\0c\n", 5)).text, head + "\nbc\n");
  const auto cron =
      completed("From: root (Cron Daemon)\nTo: root\nDate: x\nMessage-ID: <x@y>\n\n").text;
  EXPECT_NE(cron.find("From: root@mail.example.pl (Cron Daemon)\nTo: root@mail.example.pl\n"),
            std::string::npos)
      << cron;
}

TEST(Sendmail, recipients_come_from_the_header_and_bcc_goes) {
  struct Case {
    std::string_view header;
    std::vector<std::string> expected;
  };
  for (const auto& each : std::vector<Case>{
           {"To: a@b.pl\n", {"a@b.pl"}},
           {"To: a@b.pl, c@d.pl\nCc: \"x, y\" <e@f.pl>\nBcc: g@h.pl\n",
            {"a@b.pl", "c@d.pl", "e@f.pl", "g@h.pl"}},
           {"To: root\n", {"root"}},
           {"To: Anna Nowak <a@b.pl>,\n Jan <c@d.pl>\n", {"a@b.pl", "c@d.pl"}},
           {"To: friends: a@b.pl, c@d.pl;, e@f.pl\n", {"a@b.pl", "c@d.pl", "e@f.pl"}},
           {"To: undisclosed-recipients:;\nBcc: a@b.pl\n", {"a@b.pl"}},
           {"To: a@b.pl (a comment, with (commas))\n", {"a@b.pl"}},
           {"To: \"odd, name\"@b.pl\n", {"\"odd, name\"@b.pl"}},
           {"To: a@b.pl\nCc: a@b.pl\n", {"a@b.pl"}},
           {"To: a@b.pl\nResent-To: c@d.pl\nResent-Bcc: e@f.pl\n", {"c@d.pl", "e@f.pl"}},
           {"Subject: nobody\n", {}},
       }) {
    const auto message = completed(std::string(each.header) + "\nbody\n", true);
    EXPECT_EQ(message.recipients, each.expected) << each.header;
    EXPECT_EQ(message.text.find("cc: g@h"), std::string::npos);
    EXPECT_EQ(to_lower(message.text).find("\nbcc:"), std::string::npos) << message.text;
  }
}

}  // namespace
}  // namespace goniec
