// See postmark_templates.h.
#include "api/postmark_templates.h"

#include <algorithm>

#include "accounts/templates.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view not_found =
    "The 'TemplateId' or 'TemplateAlias' associated with this request is not valid or was not "
    "found.";

void text_or_null(JsonWriter& w, std::string_view name, const std::string& text) {
  w.key(name);
  if (text.empty()) {
    w.null();
  } else {
    w.text(text);
  }
}

void write_summary(JsonWriter& w, const MailTemplate& form) {
  w.key("TemplateType").text(form.is_layout ? "Layout" : "Standard");
  w.key("TemplateId").number(form.number).key("Name").text(form.name).key("Active").boolean(true);
  text_or_null(w, "Alias", form.alias);
  text_or_null(w, "LayoutTemplate", form.layout);
}

ApiReply summary_reply(const MailTemplate& form) {
  JsonWriter w;
  w.object();
  write_summary(w, form);
  w.end();
  return json_reply(std::move(w));
}

ApiReply stored_reply(const Result<MailTemplate>& stored) {
  if (stored) return summary_reply(*stored);
  switch (stored.error().kind) {
    case ErrorKind::conflict:
      return postmark_error(422, 1114, "The 'Alias' is already in use: " + stored.error().message);
    case ErrorKind::not_found:
      return postmark_error(422, 1101, std::string(not_found));
    case ErrorKind::try_later:
      return postmark_error(503, 100, stored.error().message);
    default:
      return postmark_error(422, 1109, stored.error().message);
  }
}

// What the body gives is taken over, the rest stays.
PostmarkResult<MailTemplate> changed(const JsonValue& json, MailTemplate form) {
  struct Field {
    std::string_view name;
    std::string& target;
  };
  auto& main = form.draft.main;
  const Field fields[] = {{"Name", form.name},       {"Alias", form.alias},
                          {"Subject", main.subject}, {"HtmlBody", main.html},
                          {"TextBody", main.text},   {"LayoutTemplate", form.layout}};
  for (const auto& field : fields) {
    const auto value = json.at(field.name);
    if (!value) continue;
    if (!value->is_null() && !value->is_text()) {
      return std::unexpected(PostmarkError{
          422, 402,
          fmt::format("Received invalid JSON input: '{}' must be a string.", field.name)});
    }
    field.target = value->text().value_or("");
  }
  if (json.at("TemplateType")) form.is_layout = json.text_at("TemplateType") == "Layout";
  if (form.name.empty())
    return std::unexpected(PostmarkError{422, 1120, "A 'Name' must be given."});
  if (form.is_layout && main.html.find("@content") == std::string::npos &&
      main.text.find("@content") == std::string::npos) {
    return std::unexpected(
        PostmarkError{422, 1126, "A layout must contain the {{{@content}}} placeholder."});
  }
  if (!form.is_layout && main.html.empty() && main.text.empty()) {
    return std::unexpected(
        PostmarkError{422, 1105, "A template needs 'HtmlBody' or 'TextBody' or both."});
  }
  return form;
}

std::string_view text_at(const JsonValue& json, std::string_view name, std::string& kept) {
  kept = json.text_at(name);
  return kept;
}

void write_section(JsonWriter& w, std::string_view name, const std::string& source,
                   const JsonValue& model, TemplateEscape escape) {
  const auto filled = fill_template(source, model, escape);
  w.key(name).object().key("ContentIsValid").boolean(filled.has_value());
  w.key("ValidationErrors").array();
  if (!filled) {
    w.object().key("Message").text(filled.error().message).key("Line").null();
    w.key("CharacterPosition").null().end();
  }
  w.end().key("RenderedContent").text(filled ? filled->text : "").end();
}

}  // namespace

Task<ApiReply> postmark_list_templates(ApiContext& context, PostmarkCall call) {
  const auto page = postmark_page(call.call);
  if (!page) co_return postmark_error(page.error());
  const auto type = to_lower(call.call.parameter("TemplateType"));
  const auto layout = call.call.parameter("LayoutTemplate");
  auto all = context.templates.all();
  std::erase_if(all, [&](const MailTemplate& form) {
    return (type == "standard" && form.is_layout) || (type == "layout" && !form.is_layout) ||
           (!layout.empty() && form.layout != layout);
  });
  JsonWriter w;
  w.object().key("TotalCount").number(all.size()).key("Templates").array();
  const auto end = std::min(all.size(), page->offset + page->count);
  for (auto i = page->offset; i < end; ++i) {
    w.object();
    write_summary(w, all[i]);
    w.end();
  }
  w.end().end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_show_template(ApiContext& context, PostmarkCall call) {
  const auto form = context.templates.find(call.arguments.at(0));
  if (!form) co_return postmark_error(422, 1101, std::string(not_found));
  const auto& main = form->draft.main;
  JsonWriter w;
  w.object();
  write_summary(w, *form);
  w.key("Subject").text(main.subject).key("AssociatedServerId").number(1);
  text_or_null(w, "HtmlBody", main.html);
  text_or_null(w, "TextBody", main.text);
  w.end();
  co_return json_reply(std::move(w));
}

Task<ApiReply> postmark_create_template(ApiContext& context, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  auto form = changed(*body, {});
  if (!form) co_return postmark_error(form.error());
  co_return stored_reply(co_await context.templates.add(context.world.loop, std::move(*form),
                                                        Templates::Publish::yes));
}

Task<ApiReply> postmark_edit_template(ApiContext& context, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  auto found = context.templates.find(call.arguments.at(0));
  if (!found) co_return postmark_error(422, 1101, std::string(not_found));
  auto form = changed(*body, std::move(*found));
  if (!form) co_return postmark_error(form.error());
  co_return stored_reply(co_await context.templates.replace(context.world.loop, std::move(*form),
                                                            Templates::Publish::yes));
}

Task<ApiReply> postmark_delete_template(ApiContext& context, PostmarkCall call) {
  const auto found = context.templates.find(call.arguments.at(0));
  if (!found) co_return postmark_error(422, 1101, std::string(not_found));
  const auto removed = co_await context.templates.remove(context.world.loop, found->id);
  if (!removed) co_return postmark_error(422, 1101, removed.error().message);
  co_return postmark_error(200, 0, fmt::format("Template {} removed.", found->number));
}

Task<ApiReply> postmark_validate_template(ApiContext&, PostmarkCall call) {
  const auto body = postmark_body(call.call);
  if (!body) co_return postmark_error(body.error());
  std::string subject, html, text;
  const std::vector<std::string_view> sources = {text_at(*body, "Subject", subject),
                                                 text_at(*body, "HtmlBody", html),
                                                 text_at(*body, "TextBody", text)};
  const auto suggested = suggested_model(sources);
  auto model = body->at("TestRenderModel");
  if (!model || !model->is_object()) {
    auto made = JsonValue::parse(suggested);
    if (!made) co_return postmark_error(422, 1109, made.error().message);
    model = *made;
  }
  bool valid = true;
  for (const auto source : sources) valid &= check_template(source).has_value();
  JsonWriter w;
  w.object().key("AllContentIsValid").boolean(valid);
  write_section(w, "HtmlBody", html, *model, TemplateEscape::html);
  write_section(w, "TextBody", text, *model, TemplateEscape::none);
  write_section(w, "Subject", subject, *model, TemplateEscape::none);
  w.key("SuggestedTemplateModel").raw(suggested).end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
