// Words for links: what was written is read back, and nothing else is.
#include "trust/link_token.h"

#include <gtest/gtest.h>

namespace goniec::test {
namespace {

LinkToken token() {
  LinkToken made;
  made.kind = LinkKind::click;
  made.message = MessageId{0x0123456789ABCDEF};
  made.stream = "news";
  made.address = *Address::parse("anna+shop@example.pl");
  made.target = "https://example.pl/?a=1&b=2";
  return made;
}

const std::string old_secret(32, 'o'), new_secret(32, 'n');

TEST(LinkToken, WhatWasWrittenIsReadBack) {
  const LinkTokens tokens({new_secret});
  const auto word = tokens.write(token());
  ASSERT_TRUE(word.has_value());
  EXPECT_EQ(word->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_"),
            std::string::npos);
  EXPECT_EQ(tokens.read(LinkKind::click, *word), token());
  LinkToken bare = token();
  bare.address = {};
  bare.target.clear();
  EXPECT_EQ(tokens.read(LinkKind::click, *tokens.write(bare)), bare);
}

TEST(LinkToken, AChangedCharacterAnywhereIsRefused) {
  const LinkTokens tokens({new_secret});
  const std::string word = *tokens.write(token());
  for (std::size_t at = 0; at < word.size(); ++at) {
    std::string changed = word;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(tokens.read(LinkKind::click, changed).has_value()) << at;
  }
  EXPECT_FALSE(tokens.read(LinkKind::click, word + "=").has_value());
  EXPECT_FALSE(tokens.read(LinkKind::click, word.substr(0, word.size() - 4)).has_value());
  EXPECT_FALSE(tokens.read(LinkKind::click, "").has_value());
}

TEST(LinkToken, AWordOfOneKindIsNoneOfAnother) {
  const LinkTokens tokens({new_secret});
  const std::string word = *tokens.write(token());
  EXPECT_FALSE(tokens.read(LinkKind::unsubscribe, word).has_value());
  EXPECT_FALSE(tokens.read(LinkKind::open, word).has_value());
}

TEST(LinkToken, OldSecretsVerifyAndForeignOnesDoNot) {
  const LinkTokens old({old_secret}), rotated({new_secret, old_secret}), other({new_secret});
  const std::string word = *old.write(token());
  EXPECT_TRUE(rotated.read(LinkKind::click, word).has_value());
  EXPECT_FALSE(other.read(LinkKind::click, word).has_value());
  const std::string brief = old.write_short(token().message);
  EXPECT_EQ(rotated.read_short(brief), token().message);
  EXPECT_FALSE(other.read_short(brief).has_value());
}

TEST(LinkToken, TheShortFormFitsIntoALocalPartInAnyCase) {
  const LinkTokens tokens({new_secret});
  const std::string word = tokens.write_short(token().message);
  EXPECT_EQ(word.size(), 29u);
  std::string upper = word;
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  EXPECT_EQ(tokens.read_short(upper), token().message);
  for (std::size_t at = 0; at < word.size(); ++at) {
    std::string changed = word;
    changed[at] = changed[at] == '0' ? '1' : '0';
    EXPECT_FALSE(tokens.read_short(changed).has_value()) << at;
  }
}

TEST(LinkToken, WhatIsTooLongIsNotWritten) {
  const LinkTokens tokens({new_secret});
  LinkToken long_one = token();
  long_one.target.assign(LinkTokenLimits{}.target_octets + 1, 'a');
  EXPECT_FALSE(tokens.write(long_one).has_value());
}

}  // namespace
}  // namespace goniec::test
