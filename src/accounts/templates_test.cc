// Templates: versions, variants, layouts, what is refused, and that a restart finds them.
#include "accounts/templates.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "base/text.h"

namespace goniec {
namespace {

class TemplatesTest : public testing::Test {
 protected:
  TemplatesTest() { open(templates_); }
  void open(Templates& templates) {
    auto reader = house_.store->reader();
    CHECK(reader.has_value());
    CHECK(templates.open(house_.committer, **reader).has_value());
  }
  static MailTemplate form(std::string name, std::string alias, TemplateContent content) {
    MailTemplate made;
    made.name = std::move(name);
    made.alias = std::move(alias);
    made.draft.main = std::move(content);
    return made;
  }
  Result<MailTemplate> add(MailTemplate made,
                           Templates::Publish publish = Templates::Publish::yes) {
    return house_.wait(templates_.add(house_.shard, std::move(made), publish));
  }
  Result<MailTemplate> replace(MailTemplate made, Templates::Publish publish) {
    return house_.wait(templates_.replace(house_.shard, std::move(made), publish));
  }
  std::string subject(const MailTemplate& of, std::string_view language = "",
                      Templates::Which which = Templates::Which::published) {
    const auto filled = templates_.fill(of, which, language, *JsonValue::parse(R"({"n":"<Ola>"})"));
    return filled ? filled->content.subject : filled.error().message;
  }

  test::TestHouse house_;
  Templates templates_;
};

TEST_F(TemplatesTest, what_is_sent_is_the_newest_version_and_never_the_draft) {
  auto made = add(form("Welcome", "welcome", {"Hi {{n}}", "", "t"}), Templates::Publish::no);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(subject(*made), "the template \"Welcome\" is not published");
  EXPECT_EQ(subject(*made, "", Templates::Which::draft), "Hi <Ola>");
  made = replace(*made, Templates::Publish::yes);
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->has_unpublished());
  made->draft.main.subject = "Bye {{n}}";
  made = replace(*made, Templates::Publish::no);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->has_unpublished());
  EXPECT_EQ(subject(*made), "Hi <Ola>");
  for (int i = 0; i < 20; ++i) {
    made->draft.main.subject = fmt::format("{}", i);
    made = replace(*made, Templates::Publish::yes);
    ASSERT_TRUE(made);
  }
  EXPECT_EQ(subject(*made), "19");
  EXPECT_EQ(made->versions.size(), 10u);
  EXPECT_EQ(made->versions.back().number, 21u);
}

TEST_F(TemplatesTest, a_language_without_a_variant_gets_the_main_text) {
  auto made = form("Welcome", "welcome", {"Hi {{n}}", "<p>{{n}}</p>", ""});
  made.draft.variants["pl"] = {"Cześć {{n}}", "<p>{{n}}</p>", ""};
  const auto added = add(made);
  ASSERT_TRUE(added);
  EXPECT_EQ(subject(*added, "pl"), "Cześć <Ola>");
  EXPECT_EQ(subject(*added, "de"), "Hi <Ola>");
  const auto filled = templates_.fill(*added, Templates::Which::published, "",
                                      *JsonValue::parse(R"({"n":"<Ola>"})"));
  ASSERT_TRUE(filled);
  EXPECT_EQ(filled->content.html, "<p>&lt;Ola&gt;</p>");
}

TEST_F(TemplatesTest, a_layout_goes_around_what_is_filled_in) {
  auto layout =
      form("Frame", "frame", {"", "<h1>{{n}}</h1>{{{@content}}}", "== {{{@content}}} =="});
  layout.is_layout = true;
  ASSERT_TRUE(add(layout));
  auto inside = form("Inside", "inside", {"s", "<p>{{n}}</p>", "{{n}}"});
  inside.layout = "frame";
  const auto added = add(inside);
  ASSERT_TRUE(added);
  const auto filled =
      templates_.fill(*added, Templates::Which::published, "", *JsonValue::parse(R"({"n":"<"})"));
  ASSERT_TRUE(filled);
  EXPECT_EQ(filled->content.html, "<h1>&lt;</h1><p>&lt;</p>");
  EXPECT_EQ(filled->content.text, "== < ==");
  EXPECT_EQ(filled->content.subject, "s");
}

TEST_F(TemplatesTest, what_the_model_has_not_comes_from_its_fallback) {
  auto made = form("W", "w", {"{{n}} {{price}} {{other}}", "", ""});
  made.variables = R"([{"key":"price","type":"number","fallback_value":7},
                       {"key":"n","type":"string","fallback_value":"nobody"},
                       {"key":"other","type":"string","fallback_value":null}])";
  const auto added = add(made);
  ASSERT_TRUE(added);
  EXPECT_EQ(subject(*added), "<Ola> 7 ");
}

TEST_F(TemplatesTest, it_is_found_by_id_alias_and_number_also_after_a_restart) {
  auto made = form("A", "first", {"a", "<b>", "c"});
  made.draft.variants["pl"] = {"x", "y", "z"};
  made.layout = "frame";
  made.from = "a@example.pl";
  const auto a = add(made);
  const auto b = add(form("B", "", {"b", "", ""}));
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->number, b->number);
  Templates again;
  open(again);
  for (const auto& name : {a->id, std::string("first"), std::to_string(a->number)}) {
    const auto found = again.find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->id, a->id);
    EXPECT_EQ(found->draft, a->draft);
    EXPECT_EQ(found->layout, "frame");
    EXPECT_EQ(found->from, "a@example.pl");
    EXPECT_EQ(found->versions.size(), 1u);
  }
  EXPECT_FALSE(again.find(""));
  EXPECT_FALSE(again.find("second"));
  ASSERT_TRUE(house_.wait(templates_.remove(house_.shard, a->id)));
  EXPECT_EQ(house_.wait(templates_.remove(house_.shard, a->id)).error().kind, ErrorKind::not_found);
  EXPECT_FALSE(templates_.find("first"));
  EXPECT_EQ(templates_.all().size(), 1u);
}

TEST_F(TemplatesTest, a_wrong_template_is_refused_when_it_is_stored) {
  struct Case {
    MailTemplate made;
    std::string_view wanted;
  };
  ASSERT_TRUE(add(form("First", "taken", {"s", "", ""})));
  auto variant = form("V", "", {"s", "", ""});
  variant.draft.variants["pl"] = {"", "a\n{{#x}}", ""};
  auto language = form("V", "", {"s", "", ""});
  language.draft.variants["p l"] = {};
  const Case cases[] = {
      {form("", "", {}), "name: a template needs one, of at most 200 octets"},
      {form("A", "1st", {}),
       "alias: it begins with a letter, then come letters, digits, '-', '_' and '.'"},
      {form("A", "taken", {}), "alias: \"taken\" is taken"},
      {form("A", "", {"{{", "", ""}), "subject: line 1: a tag is not closed"},
      {variant, "variants.pl.html: line 2: the section \"x\" is not closed"},
      {language, "variants: \"p l\" is no language, like \"pl\""},
  };
  for (const auto& one : cases) {
    const auto refused = add(one.made);
    ASSERT_FALSE(refused) << one.wanted;
    EXPECT_EQ(refused.error().message, one.wanted);
  }
  EXPECT_EQ(templates_.all().size(), 1u);
}

TEST_F(TemplatesTest, each_change_is_an_event_as_of_other_objects) {
  auto made = add(form("Welcome", "welcome", {"Hi", "", "t"}));
  ASSERT_TRUE(made);
  made->draft.main.subject = "Hello";
  ASSERT_TRUE(replace(*made, Templates::Publish::yes));
  ASSERT_TRUE(house_.wait(templates_.remove(house_.shard, made->id)));
  EXPECT_FALSE(house_.wait(templates_.remove(house_.shard, made->id)));
  const auto events = *(*house_.store->reader())->events_after(0, 100);
  std::string actions;
  for (const Event& event : events) {
    ASSERT_EQ(event.kind, EventKind::object_changed);
    const auto data = *JsonValue::parse(event.data);
    EXPECT_EQ(data.text_at("object"), "template");
    EXPECT_EQ(data.text_at("key"), made->id);
    actions += data.text_at("action") + " ";
  }
  EXPECT_EQ(actions, "created updated deleted ");
}

}  // namespace
}  // namespace goniec
