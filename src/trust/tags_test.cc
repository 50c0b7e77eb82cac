// Tag lists: what is read, what is named as wrong.
#include "trust/tags.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Tags, names_keep_their_case_and_values_lose_the_white_space_around_them) {
  const auto list = parse_tags(" v=1;\r\n\ta = rsa-sha256 ; b= ab\r\n cd ;V=2;");
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->tags.size(), 4u);
  EXPECT_EQ(list->value("v"), "1");
  EXPECT_EQ(list->value("V"), "2");
  EXPECT_EQ(list->value("a"), "rsa-sha256");
  EXPECT_EQ(list->find("b")->raw, " ab\r\n cd ");
  EXPECT_EQ(without_white_space(*list->value("b")), "abcd");
  EXPECT_FALSE(list->value("c"));
}

TEST(Tags, an_empty_value_is_a_value) {
  const auto list = parse_tags("v=DKIM1; p=");
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->value("p"), "");
}

TEST(Tags, a_value_may_hold_equals_signs) {
  EXPECT_EQ(parse_tags("b=ab==")->value("b"), "ab==");
}

TEST(Tags, what_breaks_the_grammar_is_named_and_the_rest_is_still_read) {
  const struct {
    std::string text, problem;
    std::size_t tags;
  } cases[] = {
      {"", "is empty", 0},
      {" \r\n ", "is empty", 0},
      {";", "has an empty item", 0},
      {"a=1;;b=2", "has an empty item", 2},
      {"a=1; b; c=3", "has an item without '=': b", 2},
      {"a=1; =2", "has a name that is none: ", 1},
      {"1a=1", "has a name that is none: 1a", 0},
      {"a b=1", "has a name that is none: a b", 0},
      {"a=1; a=2", "has more than one a=", 2},
      {std::string("a=\x01; b=2"), "has controls in the value of a", 1},
  };
  for (const auto& each : cases) {
    const TagList list = read_tags(each.text);
    EXPECT_EQ(list.problem, each.problem) << each.text;
    EXPECT_EQ(list.tags.size(), each.tags) << each.text;
    EXPECT_FALSE(parse_tags(each.text)) << each.text;
  }
}

TEST(Tags, limits_hold) {
  std::string many;
  for (int i = 0; i < 101; ++i) many += "t" + std::to_string(i) + "=;";
  EXPECT_EQ(read_tags(many).tags.size(), 100u);
  EXPECT_FALSE(parse_tags(many));
  EXPECT_TRUE(read_tags("a=" + std::string(70'000, 'x')).tags.empty());
}

TEST(Tags, a_list_in_a_value_is_split_at_its_separator) {
  const auto items = split_tag_value("From : To:\r\n Subject");
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0], "From");
  EXPECT_EQ(items[1], "To");
  EXPECT_EQ(items[2], "Subject");
}

}  // namespace
}  // namespace goniec
