// Filling in templates: what mustache promises, what is nothing, and what is refused.
#include "accounts/template_text.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

std::string filled(std::string_view source, std::string_view model,
                   TemplateEscape escape = TemplateEscape::html, TemplateLimits limits = {}) {
  const auto json = JsonValue::parse(model);
  if (!json) return "MODEL: " + json.error().message;
  const auto text = fill_template(source, *json, escape, limits);
  return text ? text->text : "REFUSED: " + text.error().message;
}

TEST(TemplateTextTest, fills_in_what_mustache_promises) {
  struct Case {
    std::string_view source, model, wanted;
  };
  const Case cases[] = {
      {"Hi {{name}}!", R"({"name":"Ola"})", "Hi Ola!"},
      {"{{a.b.c}}", R"({"a":{"b":{"c":7}}})", "7"},
      {"{{missing}}|{{a.b}}", R"({"a":1})", "|"},
      {"{{#items}}<{{n}}>{{/items}}", R"({"items":[{"n":1},{"n":2}]})", "<1><2>"},
      {"{{#items}}{{.}},{{/items}}", R"({"items":["a","b"]})", "a,b,"},
      {"{{#each items}}{{.}}{{/each}}", R"({"items":[1,2]})", "12"},
      {"{{#each a}}{{#each b}}{{.}}{{/each}};{{/each}}", R"({"a":[{"b":[1,2]},{"b":[3]}]})",
       "12;3;"},
      {"{{#who}}{{name}} of {{../firm}}{{/who}}",
       R"({"firm":"F","who":{"name":"N","firm":"inner"}})", "N of F"},
      {"{{#who}}{{name}} of {{firm}}{{/who}}", R"({"firm":"F","who":{"name":"N"}})", "N of F"},
      {"{{^items}}none{{/items}}", R"({"items":[]})", "none"},
      {"{{!a comment {{ }}x", "{}", "x"},
      {"{{x}}", R"({"x":"<a href=\"b\">&'"})", "&lt;a href=&quot;b&quot;&gt;&amp;&#39;"},
      {"{{{x}}}{{&x}}{{& x }}", R"({"x":"<"})", "<<<"},
      {"{{x}} {{y}} {{z}} {{n}}", R"({"x":true,"y":false,"z":0,"n":null})", "true false 0 "},
      {"{{x}}", R"({"x":1.5})", "1.5"},
      {"{ {{x}} } {{=x", R"({"x":1})", "REFUSED: line 1: a tag is not closed"},
      {"zażółć {{imię}}", R"({"imię":"Józef"})", "zażółć Józef"},
      {"a\r\n{{#x}}\r\nb\r\n{{/x}}\r\nc\r\n", R"({"x":true})", "a\r\nb\r\nc\r\n"},
      {"{{x}}", R"({"x":"{{y}}","y":"no"})", "{{y}}"},
      {"{", "{}", "{"},
      {"}}{", "{}", "}}{"},
      {"", "{}", ""},
  };
  for (const auto& one : cases) EXPECT_EQ(filled(one.source, one.model), one.wanted) << one.source;
  EXPECT_EQ(filled("{{x}}", R"({"x":"<&\"'"})", TemplateEscape::none), "<&\"'");
}

TEST(TemplateTextTest, a_section_skips_what_is_nothing) {
  for (const auto* nothing : {"null", "false", "0", "0.0", "\"\"", "[]"}) {
    const auto model = fmt::format(R"({{"x":{}}})", nothing);
    EXPECT_EQ(filled("{{#x}}yes{{/x}}{{^x}}no{{/x}}", model), "no") << nothing;
  }
  for (const auto* something : {"true", "1", "-0.5", "\"0\"", "[0]", "{}", "{\"a\":1}"}) {
    const auto model = fmt::format(R"({{"x":{}}})", something);
    EXPECT_EQ(filled("{{#x}}yes{{/x}}{{^x}}no{{/x}}", model), "yes") << something;
  }
}

TEST(TemplateTextTest, says_where_a_template_is_wrong) {
  struct Case {
    std::string_view source, wanted;
  };
  const Case cases[] = {
      {"a\n{{#x}}\n", "line 2: the section \"x\" is not closed"},
      {"a\n\n{{/x}}", "line 3: {{/x}} closes nothing"},
      {"{{#a}}{{#b}}{{/a}}{{/b}}", "line 1: {{/a}} closes nothing"},
      {"{{", "line 1: a tag is not closed"},
      {"{{{x}}", "line 1: a tag is not closed"},
      {"{{}}", "line 1: a tag has no name"},
      {"{{# }}", "line 1: a tag has no name"},
      {"{{> other}}", "line 1: partials are not possible"},
      {"{{=<% %>=}}", "line 1: other delimiters are not possible"},
      {"{{a#b}}", "line 1: \"a#b\" is no name"},
  };
  for (const auto& one : cases) {
    const auto checked = check_template(one.source);
    ASSERT_FALSE(checked) << one.source;
    EXPECT_EQ(checked.error().message, one.wanted) << one.source;
    EXPECT_EQ(filled(one.source, "{}"), "REFUSED: " + std::string(one.wanted));
  }
  std::string name("{{a\x01");
  EXPECT_FALSE(check_template(name + "1}}"));
}

TEST(TemplateTextTest, neither_depth_nor_lists_in_lists_cost_more_than_the_budget) {
  std::string deep, ends;
  for (int i = 0; i < 17; ++i) {
    deep += "{{#x}}";
    ends += "{{/x}}";
  }
  EXPECT_EQ(filled(deep + ends, "{}"), "REFUSED: line 1: sections are too deep");
  std::string list = "[1";
  for (int i = 0; i < 999; ++i) list += ",1";
  list += "]";
  const auto model = R"({"x":)" + list + "}";
  const std::string_view over =
      "REFUSED: the filled template is too large, or takes too long to fill";
  // 1000^4 rounds that write nothing, and 1000^2 of 60 octets.
  EXPECT_EQ(filled("{{#x}}{{#x}}{{#x}}{{#x}}{{/x}}{{/x}}{{/x}}{{/x}}", model), over);
  EXPECT_EQ(filled("{{#x}}{{#x}}" + std::string(60, 'a') + "{{/x}}{{/x}}", model), over);
  const auto large = fmt::format(R"({{"x":"{}","l":{}}})", std::string(100'000, 'b'), list);
  EXPECT_EQ(filled("{{#l}}{{x}}{{/l}}", large), over);
  EXPECT_EQ(filled("{{#x}}.{{/x}}", model), std::string(1000, '.'));
  EXPECT_FALSE(check_template(std::string(300 * 1024, 'a')));
  std::string many;
  for (int i = 0; i < 5001; ++i) many += "{{a}}";
  EXPECT_FALSE(check_template(many));
}

TEST(TemplateTextTest, names_what_the_model_has_not) {
  const auto filled = fill_template("{{a}}{{b}}{{a}}{{#c}}{{d}}{{/c}}{{n}}",
                                    *JsonValue::parse(R"({"n":null})"), TemplateEscape::html);
  ASSERT_TRUE(filled);
  EXPECT_EQ(filled->missing, (std::vector<std::string>{"a", "b"}));
}

TEST(TemplateTextTest, suggests_a_model) {
  EXPECT_EQ(
      suggested_model({"{{#who}}{{name}}{{/who}}{{^none}}{{plain}}{{/none}}", "{{a.b}} {{.}}"}),
      R"({"a":{"b":"b_Value"},"none":"none_Value","plain":"plain_Value","who":{"name":"name_Value"}})");
}

}  // namespace
}  // namespace goniec
