// See explain.h.
#include "app/explain.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "api/call.h"
#include "api/search_query.h"
#include "base/json.h"
#include "base/text.h"
#include "config/bounce_rules.h"
#include "mail/bounce_words.h"

namespace goniec {
namespace {

struct Refusal {
  std::string recipient;  // "" of a text on the command line
  Reply reply;
  std::string site, domain, phase;
};

Language language_of(const std::string& given) {
  if (!given.empty()) return given == "pl" ? Language::polish : Language::english;
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0')
      return std::string_view(value).starts_with("pl") ? Language::polish : Language::english;
  }
  return Language::english;
}

// The operator's rules come first where there is a config that reads; the command must work where
// there is none.
std::expected<BounceRules, int> rules_of(const Common& common) {
  std::string folder = "/etc/goniec/bounces.d";
  if (std::filesystem::exists(common.config_file)) {
    if (const auto loaded = load_config(common.config_file)) folder = loaded->config.bounces.rules;
  }
  auto rules = load_bounce_rules(folder);
  if (rules) return std::move(*rules);
  return std::unexpected(print_error({ErrorKind::config, text_of(rules.error())}));
}

bool is_id(std::string_view text) {
  if (text.find_first_of(" \t\n") != std::string_view::npos) return false;
  if (text.starts_with('<') && text.ends_with('>') && text.find('@') != std::string_view::npos)
    return true;
  return parse_email_id(text) || text.find('@') != std::string_view::npos;
}

// The last thing that became of each recipient, when it was no success.
std::vector<Refusal> refusals_in(const JsonValue& trace) {
  std::vector<Refusal> refusals;
  const auto stages = trace.at("stages");
  for (const auto& stage : stages ? stages->items() : std::vector<JsonValue>()) {
    const auto recipient = stage.text_at("recipient");
    const auto name = stage.text_at("stage");
    if (recipient.empty() || (name != "deliver" && name != "route")) continue;
    const auto found = std::ranges::find(refusals, recipient, &Refusal::recipient);
    const bool good = stage.text_at("rule") == "delivered" || stage.text_at("rule") == "relayed";
    if (good && found != refusals.end()) refusals.erase(found);
    if (good || stage.text_at("class").empty()) continue;
    const auto sign = recipient.rfind('@');
    Refusal one{recipient, Reply::from_one_line(stage.text_at("reply")), stage.text_at("site"),
                sign == std::string::npos ? "" : recipient.substr(sign + 1),
                name == "route" ? "route" : stage.text_at("phase")};
    if (found != refusals.end()) {
      *found = std::move(one);
    } else {
      refusals.push_back(std::move(one));
    }
  }
  return refusals;
}

void write_text_or_null(JsonWriter& json, std::string_view key, std::string_view text) {
  json.key(key);
  if (text.empty()) {
    json.null();
  } else {
    json.text(text);
  }
}

void write_one(JsonWriter& json, const Refusal& refusal, const BounceVerdict& verdict,
               Language language) {
  const auto& words = bounce_words(verdict.hint);
  json.object();
  write_text_or_null(json, "recipient", refusal.recipient);
  json.key("reply").text(refusal.recipient.empty() ? printable(refusal.reply.lines.at(0), 2000)
                                                   : refusal.reply.one_line());
  json.key("code").number(refusal.reply.code);
  write_text_or_null(json, "enhanced", refusal.reply.enhanced.text());
  write_text_or_null(json, "provider", verdict.provider);
  json.key("class").text(name_of(verdict.klass));
  json.key("permanent").boolean(verdict.permanence == Permanence::permanent);
  json.key("hint").text(verdict.hint).key("actor").text(name_of(words.actor));
  json.key("cause").text(words.cause(language)).key("fix").text(words.fix(language));
  json.key("rule").text(verdict.rule);
  write_text_or_null(json, "where", verdict.where);
  json.end();
}

std::string explained(const BounceRules& rules, const Refusal& refusal,
                      const BounceVerdict& verdict, Language language) {
  const bool english = language == Language::english;
  const auto& words = bounce_words(verdict.hint);
  std::string out;
  const auto line = [&](std::string_view in_english, std::string_view in_polish,
                        std::string_view value) {
    if (value.empty()) return;
    const auto label = english ? in_english : in_polish;
    // Columns count letters, not octets.
    const auto letters = static_cast<std::size_t>(
        std::ranges::count_if(label, [](char c) { return (c & 0xC0) != 0x80; }));
    out += fmt::format("  {}{}{}\n", label, std::string(12 - letters, ' '), value);
  };
  if (!refusal.recipient.empty())
    out += fmt::format("{}\n  {}\n", printable(refusal.recipient, 320),
                       printable(refusal.reply.one_line(), 500));
  line("cause", "przyczyna", words.cause(language));
  line("who acts", "kto działa", actor_words(words.actor, language));
  line("what to do", "co zrobić", words.fix(language));
  const bool permanent = verdict.permanence == Permanence::permanent;
  line("class", "klasa",
       fmt::format("{}, {}", name_of(verdict.klass),
                   permanent ? (english ? "the address is dead" : "adres nie działa")
                             : (english ? "says nothing against the address"
                                        : "nie świadczy przeciw adresowi")));
  line("provider", "dostawca", rules.title_of(verdict.provider));
  line("rule", "reguła",
       verdict.where.empty() ? verdict.rule : fmt::format("{} ({})", verdict.rule, verdict.where));
  return out;
}

std::expected<std::vector<Refusal>, int> refusals_of(const Common& common,
                                                     const ExplainReplyOptions& options,
                                                     const std::string& text) {
  if (!is_id(text)) {
    Refusal one;
    one.reply = read_reply(text);
    one.site = options.host;
    return std::vector<Refusal>{std::move(one)};
  }
  const auto client = client_of(common);
  if (!client) return std::unexpected(client.error());
  const auto trace = client->call("GET", "/api/v1/trace?id=" + encode_percent(text));
  if (!trace) return std::unexpected(print_error(trace.error()));
  return refusals_in(*trace);
}

}  // namespace

int run_explain_reply(const Common& common, const ExplainReplyOptions& options) {
  std::string text;
  for (const auto& word : options.words) text += (text.empty() ? "" : " ") + word;
  if (trim(text).empty())
    return print_error({ErrorKind::usage, "nothing to explain; fix: goniec explain \"550 …\""});
  const auto rules = rules_of(common);
  if (!rules) return rules.error();
  const auto refusals = refusals_of(common, options, text);
  if (!refusals) return refusals.error();
  const auto language = language_of(options.language);
  JsonWriter json;
  json.object().key("language").text(language == Language::polish ? "pl" : "en");
  json.key("explanations").array();
  std::string out;
  for (const auto& refusal : *refusals) {
    const auto verdict = rules->classify(
        refusal.reply, {.site = refusal.site, .domain = refusal.domain, .phase = refusal.phase});
    write_one(json, refusal, verdict, language);
    if (refusal.recipient.empty() && refusal.reply.code == 0 && !refusal.reply.enhanced &&
        verdict.rule == "code") {
      return print_error({ErrorKind::usage,
                          fmt::format("\"{}\" is neither a server's reply nor the id of a message; "
                                      "fix: goniec explain \"550 5.1.1 User unknown\"",
                                      printable(refusal.reply.lines.at(0), 80))});
    }
    out += explained(*rules, refusal, verdict, language);
  }
  json.end().end();
  if (common.json) {
    print(std::move(json).take() + "\n");
  } else if (refusals->empty()) {
    print(language == Language::polish ? "Nikt tej wiadomości nie odmówił.\n"
                                       : "Nobody has refused this message.\n");
  } else {
    print(out);
  }
  return exit_done;
}

}  // namespace goniec
