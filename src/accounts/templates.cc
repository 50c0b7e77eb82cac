// See templates.h.
#include "accounts/templates.h"

#include <algorithm>
#include <mutex>

#include "base/digest.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr TemplateStoreLimits limits;
constexpr std::string_view kind = "template";

void write_content(JsonWriter& w, const TemplateContent& content) {
  w.object().key("subject").text(content.subject).key("html").text(content.html);
  w.key("text").text(content.text).end();
}

void write_texts(JsonWriter& w, const TemplateTexts& texts) {
  w.object().key("main");
  write_content(w, texts.main);
  w.key("variants").object();
  for (const auto& [language, content] : texts.variants) {
    w.key(language);
    write_content(w, content);
  }
  w.end().end();
}

std::string to_json(const MailTemplate& form) {
  JsonWriter w;
  w.object().key("number").number(form.number).key("name").text(form.name);
  w.key("alias").text(form.alias).key("is_layout").boolean(form.is_layout);
  w.key("layout").text(form.layout).key("from").text(form.from);
  w.key("reply_to").text(form.reply_to).key("variables").text(form.variables);
  w.key("created").text(to_rfc3339(form.created)).key("updated").text(to_rfc3339(form.updated));
  w.key("draft");
  write_texts(w, form.draft);
  w.key("versions").array();
  for (const auto& version : form.versions) {
    w.object().key("number").number(version.number).key("at").text(to_rfc3339(version.at));
    w.key("texts");
    write_texts(w, version.texts);
    w.end();
  }
  w.end().end();
  return std::move(w).take();
}

TemplateContent content_from(const std::optional<JsonValue>& json) {
  if (!json) return {};
  return {json->text_at("subject"), json->text_at("html"), json->text_at("text")};
}

TemplateTexts texts_from(const std::optional<JsonValue>& json) {
  TemplateTexts texts;
  if (!json) return texts;
  texts.main = content_from(json->at("main"));
  const auto variants = json->at("variants");
  for (const auto& language : variants ? variants->keys() : std::vector<std::string>())
    texts.variants[language] = content_from(variants->at(language));
  return texts;
}

Result<MailTemplate> from_json(std::string_view id, std::string_view text) {
  const auto json = JsonValue::parse(text);
  if (!json || !json->is_object() || json->integer_at("number") <= 0) {
    return fail(ErrorKind::damaged,
                fmt::format("the stored template \"{}\" cannot be read", printable(id)));
  }
  MailTemplate form;
  form.id = id;
  form.number = static_cast<std::uint64_t>(json->integer_at("number"));
  form.name = json->text_at("name");
  form.alias = json->text_at("alias");
  form.is_layout = json->boolean_at("is_layout");
  form.layout = json->text_at("layout");
  form.from = json->text_at("from");
  form.reply_to = json->text_at("reply_to");
  form.variables = json->text_at("variables");
  form.created = parse_rfc3339(json->text_at("created")).value_or(Instant{});
  form.updated = parse_rfc3339(json->text_at("updated")).value_or(Instant{});
  form.draft = texts_from(json->at("draft"));
  const auto versions = json->at("versions");
  for (const auto& each : versions ? versions->items() : std::vector<JsonValue>()) {
    form.versions.push_back({static_cast<std::uint64_t>(each.integer_at("number")),
                             parse_rfc3339(each.text_at("at")).value_or(Instant{}),
                             texts_from(each.at("texts"))});
  }
  return form;
}

std::string new_id() {
  auto octets = random_secret(16);
  octets[6] = static_cast<char>((octets[6] & 0x0f) | 0x40);  // a UUID of version 4
  octets[8] = static_cast<char>((octets[8] & 0x3f) | 0x80);
  const auto hex = to_hex(octets);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

Event change_event(const MailTemplate& form, std::string_view action) {
  Event event;
  event.kind = EventKind::object_changed;
  event.at = form.updated;
  JsonWriter w;
  w.object().key("object").text(kind).key("key").text(form.id).key("action").text(action);
  if (!form.alias.empty()) w.key("alias").text(form.alias);
  w.key("version").number(form.versions.empty() ? 0 : form.versions.back().number).end();
  event.data = std::move(w).take();
  return event;
}

// Seconds since 2025, so that a number comes never again, whatever was removed meanwhile.
std::uint64_t number_at(Instant now) {
  constexpr std::int64_t year_2025 = 1'735'689'600;
  const auto seconds = to_microseconds(now) / 1'000'000 - year_2025;
  return seconds > 0 ? static_cast<std::uint64_t>(seconds) : 1;
}

bool is_alias(std::string_view text) {
  if (text.empty() || text.size() > limits.name_octets || !is_alpha(text[0])) return false;
  return std::ranges::all_of(
      text, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_language(std::string_view text) {
  return text.size() >= 2 && text.size() <= 35 &&
         std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
}

Result<void> check_content(std::string_view where, const TemplateContent& content) {
  const std::pair<std::string_view, std::string_view> texts[] = {
      {"subject", content.subject}, {"html", content.html}, {"text", content.text}};
  for (const auto& [name, text] : texts) {
    if (const auto checked = check_template(text); !checked) {
      return fail(ErrorKind::bad_data,
                  fmt::format("{}{}: {}", where, name, checked.error().message));
    }
  }
  return {};
}

Result<void> check_form(const MailTemplate& form) {
  if (form.name.empty() || form.name.size() > limits.name_octets) {
    return fail(ErrorKind::bad_data, fmt::format("name: a template needs one, of at most {} octets",
                                                 limits.name_octets));
  }
  if (!form.alias.empty() && !is_alias(form.alias)) {
    return fail(ErrorKind::bad_data,
                "alias: it begins with a letter, then come letters, digits, '-', '_' and '.'");
  }
  if (form.draft.variants.size() > limits.variants)
    return fail(ErrorKind::bad_data, fmt::format("variants: at most {}", limits.variants));
  if (auto checked = check_content("", form.draft.main); !checked) return checked;
  for (const auto& [language, content] : form.draft.variants) {
    if (!is_language(language)) {
      return fail(ErrorKind::bad_data, fmt::format("variants: \"{}\" is no language, like \"pl\"",
                                                   printable(language, 40)));
    }
    const auto where = fmt::format("variants.{}.", language);
    if (auto checked = check_content(where, content); !checked) return checked;
  }
  return {};
}

}  // namespace

// ---------------------------------------------------------------- filling in
Result<FilledTemplate> fill_content(const TemplateContent& content, const JsonValue& model) {
  FilledTemplate filled;
  struct Part {
    const std::string& source;
    TemplateEscape escape;
    std::string& target;
  };
  const Part parts[] = {
      {content.subject, TemplateEscape::none, filled.content.subject},
      {content.html, TemplateEscape::html, filled.content.html},
      {content.text, TemplateEscape::none, filled.content.text},
  };
  for (const auto& part : parts) {
    auto one = TRY(fill_template(part.source, model, part.escape));
    part.target = std::move(one.text);
    for (auto& name : one.missing) {
      if (std::ranges::find(filled.missing, name) == filled.missing.end())
        filled.missing.push_back(std::move(name));
    }
  }
  return filled;
}

namespace {

// A copy of the object with one member more (or another value of it).
Result<JsonValue> with_member(const JsonValue& object, std::string_view name,
                              std::string_view text) {
  JsonWriter w;
  w.object();
  for (const auto& key : object.keys()) {
    if (key != name) w.key(key).raw(object.at(key)->dump());
  }
  w.key(name).text(text).end();
  return JsonValue::parse(std::move(w).take());
}

Result<FilledTemplate> fill_texts(const TemplateTexts& texts, std::string_view language,
                                  const JsonValue& model) {
  const auto variant = texts.variants.find(std::string(language));
  return fill_content(variant == texts.variants.end() ? texts.main : variant->second, model);
}

}  // namespace

Result<JsonValue> with_fallbacks(const JsonValue& model, std::string_view variables) {
  const auto list =
      variables.empty() ? std::nullopt : std::optional(TRY(JsonValue::parse(variables)));
  JsonWriter w;
  w.object();
  for (const auto& key : model.keys()) w.key(key).raw(model.at(key)->dump());
  for (const auto& each : list ? list->items() : std::vector<JsonValue>()) {
    const auto key = each.text_at("key");
    const auto fallback = each.at("fallback_value");
    if (!key.empty() && !model.at(key) && fallback && !fallback->is_null())
      w.key(key).raw(fallback->dump());
  }
  w.end();
  return JsonValue::parse(std::move(w).take());
}

Result<FilledTemplate> Templates::fill(const MailTemplate& form, Which which,
                                       std::string_view language, const JsonValue& model) const {
  const auto texts_of = [which](const MailTemplate& of) -> const TemplateTexts* {
    if (which == Which::draft) return &of.draft;
    return of.published() ? &of.published()->texts : nullptr;
  };
  const auto* texts = texts_of(form);
  if (!texts) {
    return fail(ErrorKind::not_found,
                fmt::format("the template \"{}\" is not published", printable(form.name)));
  }
  const auto whole = TRY(with_fallbacks(model, form.variables));
  auto filled = TRY(fill_texts(*texts, language, whole));
  if (form.layout.empty()) return filled;
  const auto layout = find(form.layout);
  const auto* around = layout && layout->is_layout ? texts_of(*layout) : nullptr;
  if (!around) return filled;
  for (auto part : {&TemplateContent::html, &TemplateContent::text}) {
    if ((filled.content.*part).empty()) continue;
    const auto inner = TRY(with_member(whole, "@content", filled.content.*part));
    auto outer = TRY(fill_texts(*around, language, inner));
    if (!(outer.content.*part).empty()) filled.content.*part = std::move(outer.content.*part);
  }
  return filled;
}

// ---------------------------------------------------------------- the objects
Result<void> Templates::open(Committer& committer, Reader& reader) {
  committer_ = &committer;
  const auto objects = TRY(reader.objects(kind));
  std::unique_lock lock(mutex_);
  for (const auto& [id, json] : objects) templates_[id] = TRY(from_json(id, json));
  return {};
}

std::vector<MailTemplate> Templates::all() const {
  std::vector<MailTemplate> all;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [id, form] : templates_) all.push_back(form);
  }
  std::ranges::sort(all, {}, &MailTemplate::number);
  return all;
}

std::optional<MailTemplate> Templates::find(std::string_view name) const {
  std::shared_lock lock(mutex_);
  if (const auto found = templates_.find(name); found != templates_.end()) return found->second;
  const auto number = parse_unsigned(name);
  for (const auto& [id, form] : templates_) {
    if (number ? form.number == *number : !form.alias.empty() && form.alias == name) return form;
  }
  return std::nullopt;
}

Result<void> Templates::claim(const MailTemplate& form) {
  if (form.alias.empty()) return {};
  std::unique_lock lock(mutex_);
  bool taken = claimed_.contains(form.alias);
  for (const auto& [id, other] : templates_) taken |= other.alias == form.alias && id != form.id;
  if (taken) return fail(ErrorKind::conflict, fmt::format("alias: \"{}\" is taken", form.alias));
  claimed_.insert(form.alias);
  return {};
}

Task<Result<MailTemplate>> Templates::put(Loop& loop, MailTemplate form, Publish publish) {
  CHECK(committer_);
  form.updated = loop.clock().now();
  if (publish == Publish::yes && form.has_unpublished()) {
    const auto number = form.versions.empty() ? 1 : form.versions.back().number + 1;
    form.versions.push_back({number, form.updated, form.draft});
    if (form.versions.size() > limits.versions) form.versions.erase(form.versions.begin());
  }
  CO_TRY(claim(form));
  FactsRequest request;
  request.puts.push_back({{std::string(kind), form.id}, to_json(form)});
  request.events.push_back(change_event(form, find(form.id) ? "updated" : "created"));
  const auto stored = co_await committer_->record(loop, std::move(request));
  std::unique_lock lock(mutex_);
  claimed_.erase(form.alias);
  if (!stored) co_return std::unexpected(stored.error());
  templates_[form.id] = form;
  co_return form;
}

Task<Result<MailTemplate>> Templates::add(Loop& loop, MailTemplate form, Publish publish) {
  form.id = new_id();
  form.created = loop.clock().now();
  form.number = number_at(form.created);
  CO_TRY(check_form(form));
  {
    std::shared_lock lock(mutex_);
    if (templates_.size() >= limits.templates) {
      co_return fail(ErrorKind::bad_data,
                     fmt::format("there may be {} templates", limits.templates));
    }
    for (const auto& [id, other] : templates_)
      form.number = std::max(form.number, other.number + 1);
  }
  co_return co_await put(loop, std::move(form), publish);
}

Task<Result<MailTemplate>> Templates::replace(Loop& loop, MailTemplate form, Publish publish) {
  CO_TRY(check_form(form));
  if (!find(form.id)) co_return fail(ErrorKind::not_found, "there is no such template");
  co_return co_await put(loop, std::move(form), publish);
}

Task<Result<void>> Templates::remove(Loop& loop, std::string id) {
  CHECK(committer_);
  auto form = find(id);
  if (!form || form->id != id) co_return fail(ErrorKind::not_found, "there is no such template");
  form->updated = loop.clock().now();
  FactsRequest request;
  request.removes.push_back({std::string(kind), id});
  request.events.push_back(change_event(*form, "deleted"));
  CO_TRY(co_await committer_->record(loop, std::move(request)));
  std::unique_lock lock(mutex_);
  templates_.erase(id);
  co_return Result<void>();
}

}  // namespace goniec
