// Where log records go. A record is an event with fields and a stable name; the sink
// (duties/maillog, app) writes it as Postfix-grammar text, JSON or journal. Logging never blocks:
// the ring behind the sink drops with a counter when it is full. Never message content, never
// secrets.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace goniec {

enum class LogLevel { debug, info, warning, error };

struct LogRecord {
  Instant at{};
  LogLevel level = LogLevel::info;
  std::string event;    // stable name, e.g. "smtp.reject", "delivery", "store.sealed"
  std::string program;  // Postfix grammar: "smtpd", "submission/smtpd", "smtp", "qmgr", "pop3"…
  std::string text;     // the line in Postfix grammar, without program and pid
  std::vector<std::pair<std::string, std::string>> fields;  // for JSON
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogRecord record) = 0;  // any thread; never blocks; may drop when full
  virtual void flush() {}                    // waits until what was written is out: before an exit
};

// For tests and for engines built without a sink.
LogSink& null_log();

}  // namespace goniec
