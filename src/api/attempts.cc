// See attempts.h.
#include "api/attempts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace goniec {
namespace {

// The kept conversation that ended nearest to the attempt, at its host.
const KeptTranscript* conversation_of(const Attempt& attempt,
                                      const std::vector<KeptTranscript>& kept) {
  constexpr auto near = std::chrono::minutes(2);  // a settled attempt may wait for the disk
  const KeptTranscript* best = nullptr;
  auto least = std::chrono::duration_cast<Duration>(near);
  for (const auto& each : kept) {
    const auto apart = std::chrono::duration_cast<Duration>(std::chrono::abs(attempt.at - each.at));
    if (each.site != attempt.host || apart >= least) continue;
    best = &each;
    least = apart;
  }
  return best;
}

void give_conversations(std::vector<Attempt>& attempts, const std::vector<KeptTranscript>& kept) {
  for (auto& attempt : attempts) attempt.said = conversation_of(attempt, kept);
  std::map<const KeptTranscript*, Instant> nearest;
  for (const auto& attempt : attempts) {
    if (!attempt.said) continue;
    const auto [at, fresh] = nearest.emplace(attempt.said, attempt.at);
    if (std::chrono::abs(attempt.at - attempt.said->at) <
        std::chrono::abs(at->second - attempt.said->at))
      at->second = attempt.at;
  }
  for (auto& attempt : attempts)
    if (attempt.said && nearest.at(attempt.said) != attempt.at) attempt.said = nullptr;
}

// "12\t>\tMAIL FROM:<a@b.test>" (outbound/transcript.h)
void write_lines(JsonWriter& w, std::string_view text) {
  for (const auto line : split(text, '\n')) {
    const auto first = line.find('\t');
    if (first == std::string_view::npos || line.size() < first + 3) continue;
    const char from = line[first + 1];
    w.object().key("ms").raw(line.substr(0, first));
    w.key("from").text(from == '>' ? "us" : from == '<' ? "them" : "note");
    w.key("text").text(line.substr(first + 3)).end();
  }
}

std::string_view command_of(std::string_view phase) {
  if (phase == "helo") return "EHLO";
  if (phase == "mail") return "MAIL FROM";
  if (phase == "rcpt") return "RCPT TO";
  if (phase == "data") return "DATA";
  if (phase == "dot") return "(the message) .";
  return "";
}

}  // namespace

bool is_attempt(EventKind kind) {
  using enum EventKind;
  return kind == delivered || kind == relayed || kind == deferred || kind == failed;
}

std::vector<Attempt> attempts_of(const std::vector<Event>& events) {
  std::vector<Attempt> attempts;
  for (const auto& event : events) {
    if (!is_attempt(event.kind)) continue;
    const auto data = JsonValue::parse(event.data.empty() ? "{}" : event.data);
    if (!data) continue;
    Attempt attempt;
    attempt.at = event.at;
    attempt.host = data->text_at("site");
    attempt.phase = data->text_at("phase");
    attempt.reply = data->text_at("reply");
    attempt.number = data->integer_at("tries");
    if (const auto ms = data->at("ms")) attempt.ms = ms->real().value_or(0);
    if (const auto tls = data->at("tls")) attempt.tls = tls->dump();
    const auto same = std::ranges::find_if(attempts, [&](const Attempt& each) {
      return each.at == attempt.at && each.host == attempt.host && each.reply == attempt.reply;
    });
    auto& into = same == attempts.end() ? attempts.emplace_back(std::move(attempt)) : *same;
    into.recipients.push_back(event.recipient);
  }
  return attempts;
}

void find_conversations(std::vector<Attempt>& attempts, const std::vector<KeptTranscript>& kept) {
  give_conversations(attempts, kept);
  std::vector<Attempt> joined;
  for (auto& attempt : attempts) {
    const auto same = std::ranges::find_if(joined, [&](const Attempt& each) {
      return attempt.said != nullptr && each.said == attempt.said && each.number == attempt.number;
    });
    if (same == joined.end()) {
      joined.push_back(std::move(attempt));
    } else {
      same->recipients.insert(same->recipients.end(), attempt.recipients.begin(),
                              attempt.recipients.end());
    }
  }
  attempts = std::move(joined);
}

void write_attempt(JsonWriter& w, const Attempt& attempt) {
  w.object().key("attempt").number(attempt.number).key("at").text(to_rfc3339(attempt.at));
  w.key("host").text(attempt.host).key("recipients").array();
  for (const auto& each : attempt.recipients) w.text(each);
  w.end().key("tls");
  if (attempt.tls.empty())
    w.null();
  else
    w.raw(attempt.tls);
  w.key("whole").boolean(attempt.said != nullptr).key("lines").array();
  if (attempt.said) {
    write_lines(w, attempt.said->text);
    w.end().end();
    return;
  }
  const auto line = [&](std::string_view from, std::string_view text) {
    w.object().key("ms").real(attempt.ms).key("from").text(from).key("text").text(text).end();
  };
  if (!attempt.host.empty()) line("note", fmt::format("to {}", attempt.host));
  if (attempt.phase == "rcpt") {
    for (const auto& each : attempt.recipients) line("us", fmt::format("RCPT TO:<{}>", each));
  } else if (const auto command = command_of(attempt.phase); !command.empty()) {
    line("us", command);
  } else if (!attempt.phase.empty()) {
    line("note", attempt.phase);
  }
  line(attempt.host.empty() ? "note" : "them", attempt.reply);
  w.end().end();
}

}  // namespace goniec
