// aliases(5) files as Debian, Postfix and people write them.
#include "accounts/aliases_file.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

std::string text_of(const AliasesName& name) {
  return name.domain.empty() ? name.local : name.local + "@" + name.domain.ascii();
}

std::string read(std::string_view text) {
  const auto lines = parse_aliases(text, "aliases");
  if (!lines) return "error: " + lines.error().message;
  std::string out;
  for (const AliasesLine& line : *lines) {
    out += std::to_string(line.line) + " " + text_of(line.name) + " =";
    for (const AliasesName& target : line.targets) out += " " + text_of(target);
    out += "; ";
  }
  return out;
}

TEST(AliasesFile, is_read_as_its_manual_says) {
  struct Case {
    const char* text;
    const char* aliases;
  };
  const Case cases[] = {
      {"", ""},
      {"# See man 5 aliases for format\npostmaster:    root\n", "2 postmaster = root; "},
      {"root: ann@example.pl", "1 root = ann@example.pl; "},
      {"Root:ann,bob ,  carl@x.org\n", "1 root = ann bob carl@x.org; "},
      {"list: ann,\n\tbob,\n# between\n\n  carl\nnext: x\n", "1 list = ann bob carl; 6 next = x; "},
      {"a: b # why\r\nc: d#e\r\n", "1 a = b; 2 c = d#e; "},
      {"\"odd: name\": \"an, other\", plain\n", "1 odd: name = an, other plain; "},
      {"office@Example.PL: ann\n", "1 office@example.pl = ann; "},
      {"a: \"b@c.pl\"\n", "1 a = b@c.pl; "},
      {"a: \"b c\"@d.pl\n", "1 a = b c@d.pl; "},
      {"me: \\me, you@b.pl,\n", "1 me = me you@b.pl; "},
  };
  for (const Case& one : cases) EXPECT_EQ(read(one.text), one.aliases) << one.text;
}

TEST(AliasesFile, never_runs_commands_and_never_writes_files) {
  for (const char* target : {"|/usr/bin/procmail", "\"|exec /bin/x -a b\"", "/dev/null",
                             "\"/var/mail/root\"", ":include:/etc/list", ":blackhole:"}) {
    const std::string said = read(std::string("ok: x\nbad: ") + target + "\n");
    EXPECT_TRUE(said.starts_with("error: aliases:2: ")) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << "one error: " << said;
  }
}

TEST(AliasesFile, tells_all_its_errors_at_once_with_their_lines) {
  const std::string said = read("no colon\na: b\nA: c\nd:\ne: \"open\nf: /x\n");
  for (const char* part :
       {"aliases:1: no colon", "aliases:3: \"a\" is given twice, first in line 2",
        "aliases:5: ", "aliases:6: /x: "})
    EXPECT_NE(said.find(part), std::string::npos) << part << " in " << said;
  EXPECT_TRUE(read("d:\n").starts_with("error: aliases:1: \"d\" has no targets"));
  EXPECT_TRUE(read("d: a b\n").starts_with("error: aliases:1: \"a b\" is neither"));
}

TEST(AliasesFile, that_is_missing_has_no_aliases) {
  const auto lines = read_aliases_file("/nonexistent/aliases");
  ASSERT_TRUE(lines.has_value());
  EXPECT_TRUE(lines->empty());
  EXPECT_FALSE(read_aliases_file("/").has_value()) << "a folder is no file";
}

}  // namespace
}  // namespace goniec
