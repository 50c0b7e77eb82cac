// See log_lines.h. Every text of the peer goes through printable().
#include "inbound/log_lines.h"

#include "base/text.h"

namespace goniec {
namespace {

std::string shown(const Caller& caller) {
  return fmt::format("unknown[{}]", caller.remote.address.text());
}

LogRecord line(const Caller& caller, Instant at, LogLevel level, std::string event,
               std::string text) {
  LogRecord record;
  record.at = at;
  record.level = level;
  record.event = std::move(event);
  record.program = smtpd_program(caller.listener);
  record.text = std::move(text);
  record.fields.emplace_back("ip", caller.remote.address.text());
  record.fields.emplace_back("listener", std::string(name_of(caller.listener)));
  return record;
}

}  // namespace

std::string smtpd_program(ListenerKind kind) {
  switch (kind) {
    case ListenerKind::submission:
      return "submission/smtpd";
    case ListenerKind::submissions:
      return "smtps/smtpd";
    case ListenerKind::lmtp:
      return "lmtpd";
    default:
      return "smtpd";
  }
}

LogRecord connect_line(const Caller& caller, Instant at) {
  return line(caller, at, LogLevel::info, "smtp.connect", "connect from " + shown(caller));
}

LogRecord disconnect_line(const Caller& caller, const smtp::SessionCounts& counts, Instant at) {
  std::string text = "disconnect from " + shown(caller);
  for (const auto& verb : counts.verbs) {
    const bool all = verb.accepted == verb.total;
    const std::string name = to_lower(verb.name);
    text += all ? fmt::format(" {}={}", name, verb.total)
                : fmt::format(" {}={}/{}", name, verb.accepted, verb.total);
  }
  text += fmt::format(" commands={}", counts.commands);
  return line(caller, at, LogLevel::info, "smtp.disconnect", std::move(text));
}

LogRecord refused_connection_line(const Caller& caller, const Reply& reply, std::string_view rule,
                                  Instant at) {
  LogRecord record = line(caller, at, LogLevel::info, "smtp.refused",
                          fmt::format("NOQUEUE: reject: CONNECT from {}: {}; proto=SMTP",
                                      shown(caller), printable(reply.one_line(), 500)));
  record.fields.emplace_back("rule", rule);
  return record;
}

LogRecord reject_line(const Caller& caller, const Transaction& transaction, std::string_view phase,
                      std::string_view recipient, const Reply& reply, std::string_view rule,
                      Instant at) {
  std::string text =
      fmt::format("NOQUEUE: reject: {} from {}: {}; from=<{}>", phase, shown(caller),
                  printable(reply.one_line(), 500), printable(transaction.sender.address.text()));
  if (!recipient.empty()) text += fmt::format(" to=<{}>", printable(recipient));
  text += fmt::format(" proto={} helo=<{}>", transaction.extended ? "ESMTP" : "SMTP",
                      printable(transaction.helo));
  LogRecord record = line(caller, at, LogLevel::info, "smtp.reject", std::move(text));
  record.fields.emplace_back("rule", rule);
  record.fields.emplace_back("reply", reply.one_line());
  return record;
}

LogRecord login_failed_line(const Caller& caller, std::string_view mechanism, std::string_view user,
                            std::string_view rule, Instant at) {
  LogRecord record = line(
      caller, at, LogLevel::warning, "login.failed",
      fmt::format("warning: {}: SASL {} authentication failed: {}, sasl_username={}", shown(caller),
                  mechanism, rule == "login.password" ? "invalid credentials" : "not now",
                  printable(user)));
  record.fields.emplace_back("rule", rule);
  return record;
}

LogRecord cut_line(const Caller& caller, std::string_view what, std::string_view phase,
                   Instant at) {
  return line(caller, at, LogLevel::info, "smtp.cut",
              fmt::format("{} after {} from {}", what, phase, shown(caller)));
}

}  // namespace goniec
