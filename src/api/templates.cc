// See templates.h.
#include "api/templates.h"

#include <algorithm>

#include "accounts/templates.h"
#include "api/body.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t page_most = 100;

void text_or_null(JsonWriter& w, std::string_view name, const std::string& text) {
  w.key(name);
  if (text.empty()) {
    w.null();
  } else {
    w.text(text);
  }
}

void write_content(JsonWriter& w, const TemplateContent& content) {
  w.key("subject").text(content.subject).key("html").text(content.html);
  w.key("text").text(content.text);
}

void write_template(JsonWriter& w, const MailTemplate& form) {
  w.object().key("object").text("template").key("id").text(form.id);
  w.key("number").number(form.number).key("name").text(form.name);
  text_or_null(w, "alias", form.alias);
  w.key("status").text(form.published() ? "published" : "draft");
  write_content(w, form.draft.main);
  text_or_null(w, "from", form.from);
  w.key("reply_to");
  if (form.reply_to.empty()) {
    w.null();
  } else {
    w.array().text(form.reply_to).end();
  }
  w.key("is_layout").boolean(form.is_layout);
  text_or_null(w, "layout", form.layout);
  w.key("variables").raw(form.variables.empty() ? "null" : form.variables);
  w.key("variants").object();
  for (const auto& [language, content] : form.draft.variants) {
    w.key(language).object();
    write_content(w, content);
    w.end();
  }
  w.end().key("versions").number(form.published() ? form.published()->number : 0);
  w.key("has_unpublished_versions").boolean(form.has_unpublished());
  text_or_null(w, "published_at", form.published() ? to_rfc3339(form.published()->at) : "");
  w.key("created_at").text(to_rfc3339(form.created));
  w.key("updated_at").text(to_rfc3339(form.updated)).end();
}

ApiReply template_reply(const MailTemplate& form, unsigned status = 200) {
  JsonWriter w;
  write_template(w, form);
  return json_reply(std::move(w), status);
}

// "alias: it is taken" names its member.
ApiReply refused(const Error& error) {
  const auto colon = error.message.find(": ");
  const auto field = error.message.substr(0, colon);
  const bool named = colon != std::string::npos && field.find(' ') == std::string::npos;
  return error_reply(api_error(error, named ? field : ""));
}

ApiReply stored_reply(const Result<MailTemplate>& stored, unsigned status = 200) {
  return stored ? template_reply(*stored, status) : refused(stored.error());
}

ApiReply not_found(std::string_view name) {
  return error_reply(api_error(
      {ErrorKind::not_found, fmt::format("there is no template \"{}\"", printable(name, 60))}));
}

ApiResult<> content_into(const JsonValue& json, TemplateContent& content, std::string_view path) {
  if (const auto text = TRY(text_member(json, "subject", path))) content.subject = *text;
  if (const auto text = TRY(text_member(json, "html", path))) content.html = *text;
  if (const auto text = TRY(text_member(json, "text", path))) content.text = *text;
  return {};
}

ApiResult<> variants_into(const JsonValue& json, TemplateTexts& texts) {
  const auto variants = member(json, "variants");
  if (!variants) return {};
  if (!variants->is_object())
    return refuse_field("variants", "an object is wanted: {\"pl\": {\"subject\": …}}");
  texts.variants.clear();
  for (const auto& language : variants->keys()) {
    const auto one = *variants->at(language);
    const auto path = member_path("variants", language);
    if (!one.is_object()) return refuse_field(path, "an object is wanted");
    TRY(only_known(one, {"subject", "html", "text"}, path));
    TRY(content_into(one, texts.variants[language], path));
  }
  return {};
}

ApiResult<> variables_into(const JsonValue& json, MailTemplate& form) {
  const auto list = member(json, "variables");
  if (!list) return {};
  if (!list->is_array()) return refuse_field("variables", "a list is wanted");
  const auto items = list->items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto path = fmt::format("variables[{}]", i);
    if (!items[i].is_object()) return refuse_field(path, "an object is wanted");
    TRY(only_known(items[i], {"key", "type", "fallback_value"}, path));
    TRY(required_text(items[i], "key", path));
  }
  form.variables = items.empty() ? "" : list->dump();
  return {};
}

// What the body gives is taken over, the rest stays.
ApiResult<MailTemplate> changed(const ApiCall& call, MailTemplate form) {
  const auto json =
      TRY(body_object(call.body, {"name", "alias", "subject", "html", "text", "from", "reply_to",
                                  "variants", "variables", "layout", "is_layout"}));
  struct Field {
    std::string_view name;
    std::string& target;
  };
  const Field fields[] = {
      {"name", form.name}, {"alias", form.alias}, {"from", form.from}, {"layout", form.layout}};
  for (const auto& field : fields) {
    if (auto text = TRY(text_member(json, field.name))) field.target = std::move(*text);
  }
  if (json.at("alias") && !member(json, "alias")) form.alias.clear();
  const auto reply_to = TRY(texts_member(json, "reply_to"));
  if (!reply_to.empty()) form.reply_to = fmt::format("{}", fmt::join(reply_to, ", "));
  if (const auto layout = TRY(flag_member(json, "is_layout"))) form.is_layout = *layout;
  TRY(content_into(json, form.draft.main, ""));
  TRY(variants_into(json, form.draft));
  TRY(variables_into(json, form));
  return form;
}

}  // namespace

Task<ApiReply> list_templates(ApiContext& context, ApiCall call) {
  const auto limit = parse_unsigned(call.parameter("limit")).value_or(page_most);
  const auto after = call.parameter("after");
  auto all = context.templates.all();
  std::ranges::reverse(all);  // newest first
  auto from = all.begin();
  if (!after.empty()) {
    from = std::ranges::find(all, after, &MailTemplate::id);
    if (from == all.end())
      co_return error_reply(ApiError{.message = "no template has this id", .field = "after"});
    ++from;
  }
  const auto left = static_cast<std::size_t>(all.end() - from);
  const auto count = std::min({left, std::max<std::size_t>(limit, 1), page_most});
  JsonWriter w;
  w.object().key("object").text("list").key("data").array();
  for (std::size_t i = 0; i < count; ++i) write_template(w, from[static_cast<std::ptrdiff_t>(i)]);
  w.end().key("has_more").boolean(count < left).key("next");
  if (count < left) {
    w.text(from[static_cast<std::ptrdiff_t>(count) - 1].id);
  } else {
    w.null();
  }
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> create_template(ApiContext& context, ApiCall call) {
  auto form = changed(call, {});
  if (!form) co_return error_reply(form.error());
  co_return stored_reply(
      co_await context.templates.add(context.world.loop, std::move(*form), Templates::Publish::no),
      201);
}

Task<ApiReply> show_template(ApiContext& context, ApiCall call) {
  const auto form = context.templates.find(call.argument);
  co_return form ? template_reply(*form) : not_found(call.argument);
}

Task<ApiReply> change_template(ApiContext& context, ApiCall call) {
  auto found = context.templates.find(call.argument);
  if (!found) co_return not_found(call.argument);
  auto form = changed(call, std::move(*found));
  if (!form) co_return error_reply(form.error());
  co_return stored_reply(co_await context.templates.replace(context.world.loop, std::move(*form),
                                                            Templates::Publish::no));
}

Task<ApiReply> remove_template(ApiContext& context, ApiCall call) {
  const auto found = context.templates.find(call.argument);
  if (!found) co_return not_found(call.argument);
  const auto removed = co_await context.templates.remove(context.world.loop, found->id);
  if (!removed) co_return refused(removed.error());
  JsonWriter w;
  w.object().key("object").text("template").key("id").text(found->id);
  w.key("deleted").boolean(true).end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> publish_template(ApiContext& context, ApiCall call) {
  auto found = context.templates.find(call.argument);
  if (!found) co_return not_found(call.argument);
  co_return stored_reply(co_await context.templates.replace(context.world.loop, std::move(*found),
                                                            Templates::Publish::yes));
}

Task<ApiReply> duplicate_template(ApiContext& context, ApiCall call) {
  auto found = context.templates.find(call.argument);
  if (!found) co_return not_found(call.argument);
  found->alias.clear();
  found->versions.clear();
  found->name += " (copy)";
  co_return stored_reply(co_await context.templates.add(context.world.loop, std::move(*found),
                                                        Templates::Publish::no));
}

Task<ApiReply> render_template(ApiContext& context, ApiCall call) {
  const auto json =
      body_object(call.body, {"id", "alias", "subject", "html", "text", "variables", "language"});
  if (!json) co_return error_reply(json.error());
  TemplateContent content;
  if (const auto given = content_into(*json, content, ""); !given)
    co_return error_reply(given.error());
  auto model = member(*json, "variables");
  if (model && !model->is_object())
    co_return error_reply(ApiError{.message = "an object is wanted", .field = "variables"});
  if (!model) model = *JsonValue::parse("{}");
  const auto name = json->text_at("id", json->text_at("alias"));
  Result<FilledTemplate> filled;
  if (name.empty()) {
    filled = fill_content(content, *model);
  } else {
    const auto form = context.templates.find(name);
    if (!form) co_return not_found(name);
    filled =
        context.templates.fill(*form, Templates::Which::draft, json->text_at("language"), *model);
  }
  if (!filled) co_return refused(filled.error());
  JsonWriter w;
  w.object();
  write_content(w, filled->content);
  w.key("missing").array();
  for (const auto& each : filled->missing) w.text(each);
  w.end().end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
