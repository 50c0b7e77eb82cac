// Calls about templates, and mail by a template, through the doors of the web.
#include "api/templates.h"

#include <gtest/gtest.h>

#include "api/api_for_tests.h"

namespace goniec {
namespace {

class TemplateCalls : public testing::Test {
 protected:
  TemplateCalls() {
    ApiKey wanted;
    wanted.name = "all";
    wanted.scopes = KeyScopes::all();
    key_ = api_.make_key(wanted);
    wanted.scopes = {.send = true};
    sender_ = api_.make_key(wanted);
  }
  ApiReply call(std::string method, const std::string& target, std::string body = "") {
    return api_.web(std::move(method), target, std::move(body), key_);
  }
  std::string field_of(const ApiReply& reply) { return api_.json(reply).text_at("field"); }

  test::TestApi api_;
  std::string key_, sender_;
};

TEST_F(TemplateCalls, a_template_is_made_changed_published_and_gone) {
  const auto made = call("POST", "/api/v1/templates",
                         R"({"name":"Welcome","alias":"welcome","subject":"Hi {{name}}",
                             "text":"{{name}}","reply_to":"r@example.pl",
                             "variants":{"pl":{"subject":"Cześć {{name}}","text":"{{name}}"}}})");
  ASSERT_EQ(made.status, 201u) << made.body;
  EXPECT_EQ(api_.json(made).text_at("status"), "draft");
  EXPECT_EQ(call("PATCH", "/api/v1/templates/welcome", R"({"html":"<p>{{name}}</p>"})").status,
            200u);
  const auto published = call("POST", "/api/v1/templates/welcome/publish");
  EXPECT_EQ(api_.json(published).text_at("status"), "published");
  EXPECT_FALSE(api_.json(published).boolean_at("has_unpublished_versions", true));
  const auto filled = call("POST", "/templates/render",
                           R"({"alias":"welcome","language":"pl","variables":{"name":"<O>"}})");
  EXPECT_EQ(api_.json(filled).text_at("subject"), "Cześć <O>");
  const auto missing = call("POST", "/templates/render", R"({"subject":"{{a}}"})");
  EXPECT_EQ(api_.json(missing).at("missing")->items().at(0).text(), "a");
  EXPECT_EQ(call("DELETE", "/api/v1/templates/welcome").status, 200u);
  EXPECT_EQ(call("GET", "/api/v1/templates/welcome").status, 404u);
}

TEST_F(TemplateCalls, lists_follow_one_another) {
  for (const auto* name : {"a", "b", "c"})
    ASSERT_EQ(call("POST", "/templates", fmt::format(R"({{"name":"{}"}})", name)).status, 201u);
  const auto first = api_.json(call("GET", "/api/v1/templates?limit=2"));
  EXPECT_EQ(first.at("data")->items().size(), 2u);
  EXPECT_TRUE(first.boolean_at("has_more"));
  const auto second =
      api_.json(call("GET", "/api/v1/templates?limit=2&after=" + first.text_at("next")));
  EXPECT_EQ(second.at("data")->items().size(), 1u);
  EXPECT_FALSE(second.boolean_at("has_more"));
}

TEST_F(TemplateCalls, a_refusal_names_the_member) {
  struct Case {
    std::string_view body, field;
  };
  const Case cases[] = {
      {R"({"name":"A","html":"{{#x}}"})", "html"},
      {R"({"name":"A","variants":{"pl":{"text":"{{"}}})", "variants.pl.text"},
      {R"({"name":"A","variants":{"pl":{"txt":""}}})", "variants.pl.txt"},
      {R"({"name":"A","htm":""})", "htm"},
      {R"({"name":"A","alias":"9"})", "alias"},
      {R"({"subject":"A"})", "name"},
      {R"({"name":"A","variables":[{"type":"string"}]})", "variables[0].key"},
  };
  for (const auto& one : cases) {
    const auto reply = call("POST", "/api/v1/templates", std::string(one.body));
    EXPECT_EQ(reply.status, 422u) << one.body;
    EXPECT_EQ(field_of(reply), one.field) << reply.body;
  }
  EXPECT_EQ(api_.web("POST", "/api/v1/templates", R"({"name":"A"})", sender_).status, 403u);
}

TEST_F(TemplateCalls, mail_is_sent_by_a_template) {
  ASSERT_EQ(call("POST", "/templates",
                 R"({"name":"W","alias":"w","subject":"Hi {{name}}","html":"<p>{{name}}</p>"})")
                .status,
            201u);
  const std::string mail = R"({"from":"anna@example.pl","to":"anna@example.pl",
                               "template":{"alias":"w","variables":{"name":"O"}}})";
  EXPECT_EQ(field_of(call("POST", "/emails", mail)), "template");  // a draft
  ASSERT_EQ(call("POST", "/templates/w/publish").status, 200u);
  const auto sent = call("POST", "/emails", mail);
  EXPECT_EQ(sent.status, 200u) << sent.body;
  EXPECT_EQ(field_of(call("POST", "/emails",
                          R"({"from":"anna@example.pl","to":"anna@example.pl","text":"t",
                              "template":{"alias":"w"}})")),
            "template");
  EXPECT_EQ(field_of(call("POST", "/emails",
                          R"({"from":"anna@example.pl","to":"anna@example.pl",
                              "template":{"alias":"none"}})")),
            "template.alias");
}

TEST_F(TemplateCalls, the_content_of_an_attachment_may_be_a_buffer_of_node) {
  const auto sent = call("POST", "/emails",
                         R"({"from":"anna@example.pl","to":"anna@example.pl","text":"t",
                             "attachments":[{"filename":"a",
                               "content":{"type":"Buffer","data":[104,105]}}]})");
  EXPECT_EQ(sent.status, 200u) << sent.body;
  const auto wrong = call("POST", "/emails",
                          R"({"from":"anna@example.pl","to":"anna@example.pl","text":"t",
                              "attachments":[{"filename":"a",
                               "content":{"type":"Buffer","data":[256]}}]})");
  EXPECT_EQ(field_of(wrong), "attachments[0].content");
}

}  // namespace
}  // namespace goniec
