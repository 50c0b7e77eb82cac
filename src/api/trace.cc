// From events to the timeline (trace.h).
#include "api/trace.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace goniec {

namespace {

// Members of an event's data that pass into a stage as they are, where they exist.
void copy_members(JsonWriter& w, const JsonValue& data,
                  std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    if (const auto value = data.at(name)) w.key(name).raw(value->dump());
  }
}

void write_optional(JsonWriter& w, std::string_view key, std::string_view text) {
  w.key(key);
  if (text.empty()) {
    w.null();
  } else {
    w.text(text);
  }
}

void open_stage(JsonWriter& w, std::string_view stage, std::string_view at, double ms,
                std::string_view recipient) {
  w.object().key("stage").text(stage).key("at").text(at).key("ms").real(ms);
  write_optional(w, "recipient", recipient);
}

void write_verdict(JsonWriter& w, std::string_view rule, std::string_view reply,
                   const std::optional<JsonValue>& tls) {
  write_optional(w, "rule", rule);
  write_optional(w, "reply", reply);
  w.key("tls");
  if (tls) {
    w.raw(tls->dump());
  } else {
    w.null();
  }
}

// connect, identify, envelope and content ride inside Received.
void write_received(JsonWriter& w, const JsonValue& data) {
  const auto stages = data.at("stages");
  if (!stages) return;
  for (const auto& stage : stages->items()) {
    const auto name = stage.text_at("stage");
    const auto ms = stage.at("ms");
    open_stage(w, name, stage.text_at("at"), ms ? ms->real().value_or(0) : 0,
               stage.text_at("recipient"));
    const bool carries_tls = name == "connect";
    write_verdict(w, stage.text_at("rule"), stage.text_at("reply"),
                  carries_tls ? data.at("tls") : std::nullopt);
    if (name == "connect") copy_members(w, data, {"listener", "client", "local", "source"});
    if (name == "identify") copy_members(w, data, {"helo", "login", "mechanism", "submitter"});
    w.end();
  }
}

bool is_outcome(EventKind kind) {
  using enum EventKind;
  return kind == delivered || kind == relayed || kind == deferred || kind == failed ||
         kind == expired;
}

// What a refusal means (mail/bounce.h).
constexpr std::initializer_list<std::string_view> why_members = {"class", "permanent", "hint",
                                                                 "provider", "class_rule"};

void write_outcome(JsonWriter& w, const Event& event, const JsonValue& data) {
  const auto at = to_rfc3339(event.at);
  const auto ms = data.at("ms");
  const auto route = data.text_at("route");
  const auto phase = data.text_at("phase");
  if (!route.empty()) {
    open_stage(w, "route", at, 0, event.recipient);
    write_verdict(w, route, phase == "route" ? data.text_at("reply") : std::string(), std::nullopt);
    copy_members(w, data, {"site"});
    if (phase == "route") copy_members(w, data, why_members);
    w.end();
  }
  if (phase == "route" && event.kind != EventKind::expired) return;  // it never came to a host
  open_stage(w, "deliver", at, ms ? ms->real().value_or(0) : 0, event.recipient);
  write_verdict(w, name_of(event.kind), data.text_at("reply"), data.at("tls"));
  copy_members(w, data,
               {"site", "phase", "dsn", "tries", "delays", "next_at", "tls_required", "mail_from"});
  copy_members(w, data, why_members);
  w.end();
}

void write_other(JsonWriter& w, const Event& event, const JsonValue& data) {
  const bool is_route = event.kind == EventKind::expanded;
  open_stage(w, is_route ? "route" : "deliver", to_rfc3339(event.at), 0, event.recipient);
  write_verdict(w, is_route ? data.text_at("rule", "alias") : std::string(name_of(event.kind)),
                data.text_at("reason"), std::nullopt);
  copy_members(w, data, {"to", "message", "action"});
  w.end();
}

// What became of each recipient, in the order in which they appeared.
class RecipientStates {
 public:
  void set(std::string_view address, std::string_view state) {
    if (address.empty()) {
      for (auto& [known, old] : states_) {
        if (old == "queued" || old == "deferred" || old == "held") old = state;
      }
      return;
    }
    const auto found =
        std::ranges::find(states_, address, &std::pair<std::string, std::string>::first);
    if (found == states_.end()) {
      states_.emplace_back(address, state);
    } else {
      found->second = state;
    }
  }
  // An envelope recipient that no outcome and no entry knows was replaced by its alias.
  void settle_unknown() {
    for (auto& [known, state] : states_) {
      if (state == "queued") state = "expanded";
    }
  }
  void write(JsonWriter& w) const {
    for (const auto& [address, state] : states_)
      w.object().key("to").text(address).key("state").text(state).end();
  }

 private:
  std::vector<std::pair<std::string, std::string>> states_;
};

void follow(RecipientStates& states, const Event& event, const JsonValue& data) {
  using enum EventKind;
  switch (event.kind) {
    case received:
      if (const auto list = data.at("recipients")) {
        for (const auto& each : list->items()) states.set(each.text().value_or(""), "queued");
      }
      return;
    case expanded:
      states.set(event.recipient, "expanded");
      if (const auto list = data.at("to")) {
        for (const auto& each : list->items()) states.set(each.text().value_or(""), "queued");
      }
      return;
    case held:
      states.set(event.recipient, "held");
      return;
    case released:
    case retried:
      states.set(event.recipient, "queued");
      return;
    case delivered:
    case relayed:
    case deferred:
    case failed:
    case expired:
    case deleted:
    case suppressed:
    case canceled:
      states.set(event.recipient, name_of(event.kind));
      return;
    case delay_notice:
    case dsn_sent:
    case complained:
    case opened:
    case clicked:
    case unsubscribed:
    case rescheduled:
    case suppression_added:
    case suppression_removed:
    case object_changed:
    case webhook_disabled:
      return;
  }
}

}  // namespace

std::string trace_json(MessageId id, const std::vector<Event>& events,
                       const std::vector<Entry>& entries) {
  JsonWriter stages;
  stages.array();
  RecipientStates states;
  JsonWriter w;
  w.object().key("id").text(id.text());
  for (const auto& event : events) {
    const auto parsed = JsonValue::parse(event.data.empty() ? "{}" : event.data);
    if (!parsed) continue;
    follow(states, event, *parsed);
    if (event.kind == EventKind::received) {
      w.key("message_id")
          .text(parsed->text_at("message_id"))
          .key("from")
          .text(parsed->text_at("from"));
      w.key("size")
          .number(parsed->integer_at("size"))
          .key("received_at")
          .text(to_rfc3339(event.at));
      write_received(stages, *parsed);
    } else if (is_outcome(event.kind)) {
      write_outcome(stages, event, *parsed);
    } else {
      write_other(stages, event, *parsed);
    }
  }
  bool alive = false;
  for (const auto& entry : entries) {
    if (entry.state == EntryState::settled) continue;
    alive = true;
    for (const auto& each : entry.recipients) {
      if (each.state != RecipientState::queued) continue;
      const auto state = entry.state == EntryState::held ? "held"
                         : each.tries > 0                ? "deferred"
                                                         : "queued";
      states.set(each.recipient.address.text(), state);
    }
  }
  if (!alive) states.settle_unknown();
  stages.end();
  w.key("stages").raw(std::move(stages).take());
  w.key("recipients").array();
  states.write(w);
  w.end().end();
  return std::move(w).take();
}

}  // namespace goniec
