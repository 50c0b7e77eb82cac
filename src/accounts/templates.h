// Templates of mails: kept in the store (kind "template", key = id, JSON), all in memory behind a
// lock for readers; a change is committed first, then seen.
//
//   draft --publish--> version 1, 2, 3…       what is sent is the newest version, never the draft
//
// A template has a name for people, an alias for programs, a number for those that know Postmark's
// TemplateId, and its content in any languages: the main one, and variants ("pl", "en") that are
// asked for by name. A layout is a template whose {{{@content}}} is another template.
// Every text is checked when it is stored, so that sending fails for its model alone.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/template_text.h"
#include "base/time.h"
#include "run/world.h"
#include "store/committer.h"

namespace goniec {

struct TemplateStoreLimits {
  std::size_t templates = 1000;
  std::size_t versions = 10;  // published ones that are kept
  std::size_t variants = 10;
  std::size_t name_octets = 200;
};

struct TemplateContent {
  std::string subject, html, text;
  bool operator==(const TemplateContent&) const = default;
};

struct TemplateTexts {
  TemplateContent main;
  std::map<std::string, TemplateContent> variants;  // by language: "pl", "pt-BR"
  bool operator==(const TemplateTexts&) const = default;
};

struct TemplateVersion {
  std::uint64_t number = 1;
  Instant at{};
  TemplateTexts texts;
};

struct MailTemplate {
  std::string id;            // UUID; given by Templates::add
  std::uint64_t number = 0;  // given by Templates::add, never used again
  std::string name, alias;   // alias "": none
  bool is_layout = false;
  std::string layout;          // alias of the layout around it; "": none
  std::string from, reply_to;  // defaults of what is sent; "": none
  std::string variables;       // JSON array [{"key","type","fallback_value"}] or ""
  TemplateTexts draft;
  std::vector<TemplateVersion> versions;  // oldest first
  Instant created{}, updated{};

  const TemplateVersion* published() const { return versions.empty() ? nullptr : &versions.back(); }
  bool has_unpublished() const { return versions.empty() || versions.back().texts != draft; }
};

struct FilledTemplate {
  TemplateContent content;
  std::vector<std::string> missing;  // names that the model has not
};

class Templates {
 public:
  Result<void> open(Committer& committer, Reader& reader);  // damaged names the object

  // ---- any thread, no waiting
  std::vector<MailTemplate> all() const;                          // by number
  std::optional<MailTemplate> find(std::string_view name) const;  // id, alias, or number
  // Fills in what is published (or the draft), with the layout around it. `language` without a
  // variant is the main text. not_found: nothing is published; bad_data: as in fill_template.
  enum class Which { published, draft };
  Result<FilledTemplate> fill(const MailTemplate& form, Which which, std::string_view language,
                              const JsonValue& model) const;

  // ---- changes, durable when they end
  // conflict: the alias is taken; bad_data: a text, a name or a limit. `publish` makes a version.
  enum class Publish { no, yes };
  Task<Result<MailTemplate>> add(Loop& loop, MailTemplate form, Publish publish);
  Task<Result<MailTemplate>> replace(Loop& loop, MailTemplate form, Publish publish);  // by id
  Task<Result<void>> remove(Loop& loop, std::string id);

 private:
  Task<Result<MailTemplate>> put(Loop& loop, MailTemplate form, Publish publish);
  Result<void> claim(const MailTemplate& form);
  Committer* committer_ = nullptr;
  mutable std::shared_mutex mutex_;
  std::map<std::string, MailTemplate, std::less<>> templates_;  // by id
  std::set<std::string> claimed_;  // aliases whose change is being committed
};

// Also used for what is only tried: the texts as they are given.
Result<FilledTemplate> fill_content(const TemplateContent& content, const JsonValue& model);
// The model with the fallback values of what it has not.
Result<JsonValue> with_fallbacks(const JsonValue& model, std::string_view variables);

}  // namespace goniec
