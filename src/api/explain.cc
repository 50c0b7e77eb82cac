// See explain.h.
#include "api/explain.h"

#include "api/email_story.h"
#include "api/emails.h"
#include "api/event_page.h"
#include "api/unsubscribe_page.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t most_reply_octets = 10'000;

std::string_view who_of(BounceActor actor) {
  switch (actor) {
    case BounceActor::sender:
      return "sender";
    case BounceActor::recipient:
      return "recipient";
    case BounceActor::postmaster:
      return "receiver";
    case BounceActor::server:
      return "admin";
    case BounceActor::nobody:
      return "nobody";
  }
  CHECK(false);
}

std::string domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  return at == std::string_view::npos ? std::string() : to_lower(address.substr(at + 1));
}

// UUID or queue id; of a Message-ID the messages that had it, the latest first.
Task<ApiResult<std::vector<MessageId>>> messages_of(ApiContext& context, std::string text) {
  if (text.find('@') == std::string::npos) {
    const auto id = CO_TRY(email_id_of(text));
    co_return std::vector{id};
  }
  std::string_view name(text);
  if (name.starts_with('<') && name.ends_with('>')) name = name.substr(1, name.size() - 2);
  auto found = co_await context.readers.read(
      context.world.loop,
      [name = std::string(name)](Reader& reader) { return reader.find_by_message_id(name); });
  if (!found) co_return std::unexpected(api_error(found.error()));
  co_return *std::move(found);
}

Task<ApiReply> explain_message(ApiContext& context, ApiCall call, Language language) {
  const auto ids = co_await messages_of(context, std::string(call.parameter("id")));
  if (!ids) co_return error_reply(ids.error());
  std::optional<ApiError> error;
  for (const MessageId id : *ids) {
    const auto story = co_await find_story(context, call.principal, id);
    if (!story) {
      error = story.error();
      continue;
    }
    const auto rules = rules_of(context);
    JsonWriter w;
    w.object().key("object").text("list").key("id").text(uuid_of(id)).key("data").array();
    for (const RecipientStory& each : story->recipients) {
      if (!each.is_refused()) continue;
      w.object().key("email").text(each.address).key("reply").text(each.last_reply);
      write_explanation(w, rules.get(), refusal_of(each), language);
      w.end();
    }
    w.end().end();
    co_return json_reply(std::move(w));
  }
  co_return error_reply(error.value_or(ApiError{404, "not_found", "there is no such message", {}}));
}

}  // namespace

Language language_of(const ApiCall& call) {
  return prefers_polish(call.header("accept-language")) ? Language::polish : Language::english;
}

RefusalFacts refusal_of(const RecipientStory& story) {
  return {story.last_reply, {}, story.host, domain_of(story.address), story.phase};
}

void write_explanation(JsonWriter& w, const BounceRules* rules, const RefusalFacts& facts,
                       Language language) {
  const BounceRules none;
  const BounceRules& all = rules ? *rules : none;
  const auto reply = read_reply(facts.reply);
  const auto verdict = all.classify(reply, {.provider = facts.provider,
                                            .site = facts.site,
                                            .domain = facts.domain,
                                            .phase = facts.phase});
  const auto& words = bounce_words(verdict.hint);
  const bool permanent = verdict.permanence == Permanence::permanent;
  w.key("class").text(name_of(verdict.klass));
  w.key("type").text(permanent ? "permanent" : "transient").key("hint").text(verdict.hint);
  if (reply.code != 0) w.key("code").number(reply.code);
  if (const auto enhanced = reply.enhanced.text(); !enhanced.empty())
    w.key("enhanced").text(enhanced);
  w.key("cause").text(words.cause(language)).key("who").text(who_of(words.actor));
  w.key("fix").text(words.fix(language)).key("suppresses").boolean(verdict.is_dead_address());
  w.key("rule").text(verdict.where.empty() ? verdict.rule
                                           : fmt::format("{} ({})", verdict.rule, verdict.where));
  if (!verdict.provider.empty()) w.key("provider").text(verdict.provider);
  w.key("language").text(language == Language::polish ? "pl" : "en");
}

Task<ApiReply> explain_refusal(ApiContext& context, ApiCall call) {
  Language language = language_of(call);
  if (const auto lang = call.parameter("lang"); !lang.empty()) {
    if (lang != "en" && lang != "pl")
      co_return error_reply(ApiError{422, "invalid_parameter", "en or pl is wanted", "lang"});
    language = lang == "pl" ? Language::polish : Language::english;
  }
  const auto reply = call.parameter("reply");
  if (!call.parameter("id").empty())
    co_return co_await explain_message(context, std::move(call), language);
  if (trim(reply).empty())
    co_return error_reply(ApiError{422, "missing_required_field",
                                   "an answer of a server, or the id of a message", "reply"});
  if (reply.size() > most_reply_octets)
    co_return error_reply(ApiError{422, "invalid_parameter", "it is too long", "reply"});
  const auto rules = rules_of(context);
  JsonWriter w;
  w.object();
  write_explanation(w, rules.get(),
                    {std::string(reply),
                     std::string(call.parameter("provider")),
                     std::string(call.parameter("host")),
                     to_lower(call.parameter("domain")),
                     {}},
                    language);
  w.end();
  co_return json_reply(std::move(w));
}

}  // namespace goniec
