// See search_change.h.
#include "queue/search_change.h"

#include "base/json.h"
#include "base/text.h"
#include "queue/event_view.h"

namespace goniec {
namespace {

NamedTexts names_at(const JsonValue& data, std::string_view key) {
  NamedTexts names;
  const auto object = data.at(key);
  if (!object) return names;
  for (const auto& name : object->keys()) names.emplace_back(name, object->text_at(name));
  return names;
}

std::vector<std::string> texts_at(const JsonValue& data, std::string_view key) {
  std::vector<std::string> texts;
  if (const auto list = data.at(key))
    for (const auto& each : list->items()) texts.push_back(each.text().value_or(""));
  return texts;
}

SearchMessage message_of(const JsonValue& data) {
  SearchMessage message;
  message.from = data.text_at("from");
  message.subject = data.text_at("subject");
  message.message_id = data.text_at("message_id");
  message.source = data.text_at("source");
  message.stream = data.text_at("stream");
  message.pool = data.text_at("pool");
  message.key = data.text_at("key");
  message.tags = names_at(data, "tags");
  message.metadata = names_at(data, "metadata");
  message.recipients = texts_at(data, "recipients");
  message.octets = static_cast<std::uint64_t>(std::max<std::int64_t>(0, data.integer_at("size")));
  if (const auto at = parse_rfc3339(data.text_at("send_at"))) message.send_at = *at;
  message.attachments = data.boolean_at("attachments");
  message.sandbox = data.boolean_at("sandbox");
  return message;
}

bool is_outcome(EventKind kind) {
  using enum EventKind;
  return kind == delivered || kind == relayed || kind == deferred || kind == failed ||
         kind == expired;
}

// What another server took says a site.
SearchTls tls_of(const Event& event, const JsonValue& data) {
  using enum SearchTls::Proof;
  SearchTls tls;
  if (event.kind != EventKind::relayed || data.text_at("site").empty()) return tls;
  tls.proof = clear;
  const auto facts = data.at("tls");
  if (!facts) return tls;
  tls.version = facts->text_at("version");
  const auto proof = facts->text_at("verified");
  tls.proof = proof == "dane"      ? dane
              : proof == "mta_sts" ? mta_sts
              : proof == "pkix"    ? pkix
                                   : nothing;
  return tls;
}

void set_outcome(SearchChange& change, const Event& event, const JsonValue& data,
                 const BounceRules& rules) {
  auto meaning = meaning_of(event, data, &rules);
  change.provider = std::move(meaning.provider);
  change.klass = std::move(meaning.klass);
  change.site = data.text_at("site");
  change.reply = data.text_at("reply");
  change.pool = data.text_at("pool");
  if (const auto at = parse_rfc3339(data.text_at("next_at"))) change.next_at = *at;
  change.tries = static_cast<std::uint32_t>(std::max<std::int64_t>(0, data.integer_at("tries")));
  const auto delay = data.at("delay");
  const double seconds = delay ? delay->real().value_or(0) : 0;
  change.took = Duration(static_cast<std::int64_t>(std::max(0.0, seconds) * 1e6));
  change.tls = tls_of(event, data);
}

}  // namespace

SearchChange change_of(const Event& event, const BounceRules& rules) {
  SearchChange change;
  change.sequence = event.sequence;
  change.kind = event.kind;
  change.message = event.message;
  change.at = event.at;
  change.recipient = event.recipient;
  const auto parsed = JsonValue::parse(event.data.empty() ? "{}" : event.data);
  if (!parsed) return change;
  if (event.kind == EventKind::received) {
    change.received = message_of(*parsed);
  } else if (event.kind == EventKind::expanded) {
    change.targets = texts_at(*parsed, "to");
  } else if (is_outcome(event.kind)) {
    set_outcome(change, event, *parsed, rules);
  } else {
    change.domain = parsed->text_at("domain");
    change.recipients =
        static_cast<std::uint64_t>(std::max<std::int64_t>(1, parsed->integer_at("recipients", 1)));
    change.pool = parsed->text_at("pool");
    change.machine = parsed->boolean_at("machine");
    if (const auto at = parse_rfc3339(parsed->text_at("next_at"))) change.send_at = *at;
  }
  return change;
}

}  // namespace goniec
