// The timeline of one message as text (trace_view.h).
#include "app/trace_view.h"

#include "api/call.h"
#include "base/text.h"

namespace goniec {

namespace {

std::string tls_text(const JsonValue& stage) {
  const auto tls = stage.at("tls");
  if (!tls || !tls->is_object()) return {};
  const auto verified = tls->text_at("verified");
  return fmt::format("  {} {}{}", tls->text_at("version"), tls->text_at("cipher"),
                     verified.empty() || verified == "none" ? "" : " verified by " + verified);
}

// "12:00:01.123": the day stands in the first line.
std::string clock_text(const JsonValue& stage) {
  const auto at = stage.text_at("at");
  return at.size() >= 23 ? at.substr(11, 12) : at;
}

std::string took_text(const JsonValue& stage) {
  const auto ms = stage.at("ms");
  const double value = ms ? ms->real().value_or(0) : 0;
  return value > 0 ? fmt::format("{:.1f} ms", value) : std::string();
}

void append(std::string& line, std::string_view label, const std::string& text) {
  if (!text.empty())
    line += fmt::format("  {}{}{}", label, label.empty() ? "" : " ", printable(text, 500));
}

std::string stage_line(const JsonValue& stage) {
  auto line = fmt::format("  {:<9} {:<12} {:>10}", stage.text_at("stage"), clock_text(stage),
                          took_text(stage));
  append(line, "", stage.text_at("recipient"));
  append(line, "", stage.text_at("client"));
  append(line, "helo", stage.text_at("helo"));
  append(line, "login", stage.text_at("login"));
  append(line, "by", stage.text_at("submitter"));
  append(line, "rule", stage.text_at("rule"));
  append(line, "via", stage.text_at("site"));
  append(line, "MAIL FROM", stage.text_at("mail_from"));
  line += tls_text(stage);
  append(line, "TLS had to be", stage.text_at("tls_required"));
  append(line, "->", stage.text_at("reply"));
  append(line, "class", stage.text_at("class"));
  append(line, "next try", stage.text_at("next_at"));
  return line + "\n";
}

}  // namespace

std::string trace_text(const JsonValue& trace) {
  const auto from = trace.text_at("from");
  auto out = fmt::format("{}  from {}  {}  {}\n", trace.text_at("id"), from.empty() ? "<>" : from,
                         size_text(trace.integer_at("size")), trace.text_at("received_at"));
  if (const auto message_id = trace.text_at("message_id"); !message_id.empty()) {
    out += fmt::format("  Message-ID <{}>\n", printable(message_id, 300));
  }
  const auto stages = trace.at("stages");
  for (const auto& stage : stages ? stages->items() : std::vector<JsonValue>())
    out += stage_line(stage);
  const auto recipients = trace.at("recipients");
  for (const auto& each : recipients ? recipients->items() : std::vector<JsonValue>()) {
    out += fmt::format("  = {:<9} {}\n", each.text_at("state"), each.text_at("to"));
  }
  return out;
}

std::string transcript_text(const JsonValue& transcript) {
  std::string out;
  const auto attempts = transcript.at("attempts");
  for (const auto& attempt : attempts ? attempts->items() : std::vector<JsonValue>()) {
    const auto whole = attempt.at("whole");
    out += fmt::format("\n{}  {}{}\n", attempt.text_at("at"), attempt.text_at("host"),
                       whole && whole->boolean().value_or(false)
                           ? ""
                           : "  (the conversation is not kept; this is what the timeline knows)");
    const auto lines = attempt.at("lines");
    for (const auto& line : lines ? lines->items() : std::vector<JsonValue>()) {
      const auto ms = line.at("ms");
      const auto from = line.text_at("from");
      out += fmt::format("  {:>7.0f} ms  {} {}\n", ms ? ms->real().value_or(0) : 0,
                         from == "us"     ? "->"
                         : from == "them" ? "<-"
                                          : "  ",
                         printable(line.text_at("text"), 2000));
    }
  }
  return out.empty() ? "\nNo other server was spoken to.\n" : out;
}

int run_trace(const Common& common, const std::string& id, bool with_transcript) {
  const auto client = client_of(common);
  if (!client) return client.error();
  auto trace = client->call("GET", "/api/v1/trace?id=" + encode_percent(id));
  if (!trace) return print_error(trace.error());
  std::string out = common.json ? trace->dump() + "\n" : trace_text(*trace);
  if (with_transcript) {
    const auto said = client->call(
        "GET", "/api/v1/emails/" + encode_percent(trace->text_at("id")) + "/transcript");
    if (!said) return print_error(said.error());
    out = common.json ? said->dump() + "\n" : out + transcript_text(*said);
  }
  print(out);
  return exit_done;
}

}  // namespace goniec
