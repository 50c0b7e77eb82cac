// See event_data.h.
#include "queue/event_data.h"

#include <algorithm>

#include "base/json.h"

namespace goniec {
namespace {

double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1e6;
}
double milliseconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1e3;
}

void write_tls(JsonWriter& json, const std::optional<TlsFacts>& tls) {
  if (!tls) return;
  json.key("tls").object().key("version").text(tls->version).key("cipher").text(tls->cipher);
  if (!tls->verified.empty()) json.key("verified").text(tls->verified);
  if (tls->resumed) json.key("resumed").boolean(true);
  json.end();
}

void write_why(JsonWriter& json, const std::optional<BounceVerdict>& why) {
  if (!why) return;
  json.key("class").text(name_of(why->klass));
  json.key("permanent").boolean(why->permanence == Permanence::permanent);
  json.key("hint").text(why->hint);
  if (!why->provider.empty()) json.key("provider").text(why->provider);
  json.key("class_rule").text(why->rule);
}

// The enhanced code for the log's dsn= field: the reply's own, or one by its class.
std::string dsn_code(const Outcome& outcome) {
  if (outcome.reply.enhanced) return outcome.reply.enhanced.text();
  switch (outcome.state) {
    case RecipientState::delivered:
    case RecipientState::relayed:
    case RecipientState::expanded:
      return "2.0.0";
    case RecipientState::queued:
      return outcome.reply.code == 0 ? "4.4.2" : "4.0.0";
    case RecipientState::failed:
      return "5.0.0";
    case RecipientState::expired:
      return "4.4.7";
  }
  return "4.0.0";
}

}  // namespace

std::string outcome_event_data(const Message& message, const Entry& entry, const Outcome& outcome,
                               Instant now, Instant next_at) {
  JsonWriter json;
  json.object().key("stage").text("deliver");
  json.key("ms").real(milliseconds(outcome.delay_connect + outcome.delay_transmit));
  json.key("route")
      .text(outcome.route)
      .key("site")
      .text(outcome.site)
      .key("phase")
      .text(outcome.phase);
  json.key("reply").text(outcome.reply.one_line()).key("dsn").text(dsn_code(outcome));
  json.key("tries").number(static_cast<std::int64_t>(entry.tries) + 1);
  json.key("delay").real(seconds(std::chrono::duration_cast<Duration>(now - message.received_at)));
  json.key("delays")
      .array()
      .real(seconds(outcome.delay_queue))
      .real(seconds(outcome.delay_connect));
  json.real(seconds(outcome.delay_transmit)).end();
  if (outcome.state == RecipientState::queued) json.key("next_at").text(to_rfc3339(next_at));
  write_why(json, outcome.why);
  write_tls(json, outcome.tls);
  if (!outcome.tls_required.empty()) json.key("tls_required").text(outcome.tls_required);
  json.key("from").text(message.sender.address.text()).key("size").number(message.content.size());
  if (!entry.sender.empty()) json.key("mail_from").text(entry.sender.text());
  json.end();
  return std::move(json).take();
}

std::string reason_event_data(std::string_view reason) {
  JsonWriter json;
  json.object().key("reason").text(reason).end();
  return std::move(json).take();
}

// Of all that is still queued in it.
std::string entry_event_data(std::string_view reason, const Entry& entry) {
  const auto queued =
      std::ranges::count(entry.recipients, RecipientState::queued, &EntryRecipient::state);
  JsonWriter json;
  json.object().key("reason").text(reason);
  if (!entry.domain.ascii().empty()) json.key("domain").text(entry.domain.ascii());
  json.key("recipients").number(queued).end();
  return std::move(json).take();
}

std::string expanded_event_data(std::span<const Address> targets) {
  JsonWriter json;
  json.object().key("to").array();
  for (const Address& target : targets) json.text(target.text());
  json.end().key("rule").text("alias").end();
  return std::move(json).take();
}

std::string rescheduled_event_data(Instant due) {
  JsonWriter json;
  json.object().key("next_at").text(to_rfc3339(due)).end();
  return std::move(json).take();
}

std::string notice_event_data(MessageId notice, std::string_view action) {
  JsonWriter json;
  json.object().key("message").text(notice.text()).key("action").text(action).end();
  return std::move(json).take();
}

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

void write_pairs(JsonWriter& json, std::string_view key, const Pairs& pairs) {
  if (pairs.empty()) return;
  json.key(key).object();
  for (const auto& [name, value] : pairs) json.key(name).text(value);
  json.end();
}

// Only what was asked for: most mail asks for nothing.
void write_options(JsonWriter& json, const SendOptions& options) {
  const auto text = [&json](std::string_view key, const std::string& value) {
    if (!value.empty()) json.key(key).text(value);
  };
  text("subject", options.subject);
  text("stream", options.stream);
  write_pairs(json, "tags", options.tags);
  write_pairs(json, "metadata", options.metadata);
  text("key", options.key_id);
  text("pool", options.pool);
  if (options.send_at != Instant{}) json.key("send_at").text(to_rfc3339(options.send_at));
  if (options.attachments) json.key("attachments").boolean(true);
  if (options.sandbox) json.key("sandbox").boolean(true);
}

}  // namespace

std::string received_event_data(const ReceivedEventFacts& facts) {
  const Message& message = facts.message;
  const bool from_wire = facts.caller.remote.port != 0;
  JsonWriter json;
  json.object().key("source").text(name_of(message.source));
  if (from_wire) {
    json.key("listener")
        .text(name_of(facts.caller.listener))
        .key("client")
        .text(facts.caller.remote.text());
    json.key("local").text(facts.caller.local.text()).key("helo").text(facts.transaction.helo);
    write_tls(json, facts.caller.tls);
  }
  if (facts.transaction.login) {
    json.key("login").text(facts.transaction.login->user.text());
    json.key("mechanism").text(facts.transaction.login->mechanism);
  }
  if (!message.submitter.empty()) json.key("submitter").text(message.submitter);
  json.key("from").text(message.sender.address.text()).key("size").number(message.content.size());
  json.key("message_id").text(message.message_id);
  if (message.parent) json.key("parent").text(message.parent.text());
  write_options(json, facts.options);
  json.key("recipients").array();
  for (const Recipient& recipient : facts.transaction.recipients)
    json.text(recipient.address.text());
  json.end().key("stages").array();
  for (const StageFact& stage : facts.stages) {
    json.object().key("stage").text(stage.stage).key("at").text(to_rfc3339(stage.at));
    json.key("ms").real(milliseconds(stage.took));
    if (!stage.recipient.empty()) json.key("recipient").text(stage.recipient);
    json.key("rule").text(stage.rule).key("reply").text(stage.reply).end();
  }
  json.end().end();
  return std::move(json).take();
}

std::optional<Address> sender_in_received(std::string_view data) {
  const auto value = JsonValue::parse(data);
  auto address = Address::parse(value ? value->text_at("from") : std::string());
  if (!address) return std::nullopt;
  return std::move(*address);
}

}  // namespace goniec
