// The mail log: records and events as lines, in the grammar of Postfix (which pflogsumm, logwatch
// and fail2ban read) or as JSON, to stderr, the journal or a file.
//
//   notices (connections, refusals, failed logins) -> LogSink::write -> bounded ring -> writer
//   thread -> line
//   events (received, delivered…) -> EventLog reads the store up to the synced sequence -> the same
//   ring
//
// The ring drops with a counter when it is full: a stranger cannot fill memory or disk, and nobody
// waits for a log. Events are never dropped before they were formatted, but the log is not durable:
// what a crash leaves unwritten is in `goniec trace` all the same. One line is `MMM dd hh:mm:ss
// host goniec/PROGRAM[pid]: text`, local time, as syslog writes it; the journal gets the text with
// SYSLOG_IDENTIFIER and fields. JSON is one object a line, UTC.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "mail/journey.h"
#include "store/committer.h"

namespace goniec {

enum class MaillogStyle { postfix, json, both };
struct MaillogOptions {
  std::string to = "stderr";  // "stderr", "journal" or a path
  MaillogStyle style = MaillogStyle::postfix;
  std::string hostname;  // as in a syslog line: up to the first dot
  int pid = 0;
  std::size_t ring_records = 20000;
};

// ---------------------------------------------------------------- lines (pure)
std::string postfix_text(const LogRecord& record);  // controls escaped, one line
std::string postfix_line(const LogRecord& record,
                         const MaillogOptions& options);  // with its prefix, no LF
std::string json_line(const LogRecord& record, const MaillogOptions& options);
Result<JsonValue> event_data_of(const Event& event);
std::vector<LogRecord> records_of(const Event& event);  // the lines that an event is
std::vector<LogRecord> records_of(const Event& event, const JsonValue& data);

// "removed" closes a message when its last recipient is settled, which one event does not know.
class RemovedLines {
 public:
  std::vector<LogRecord> after(const Event& event);
  std::vector<LogRecord> after(const Event& event, const JsonValue& data);

 private:
  static constexpr std::size_t messages_limit = 100000;
  std::map<MessageId, std::set<std::string>> open_;  // recipients not settled
};

// ---------------------------------------------------------------- sink
class Maillog final : public LogSink {
 public:
  // io or not_permitted: the file or the journal cannot be opened.
  static Result<std::unique_ptr<Maillog>> open(MaillogOptions options, Metrics* metrics = nullptr);
  ~Maillog() override;  // writes what waits
  void write(LogRecord record) override;
  Result<void> reopen(MaillogOptions options);  // SIGHUP, reload
  std::uint64_t dropped() const;

 private:
  struct State;
  explicit Maillog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// ---------------------------------------------------------------- events to lines
// Follows the event log from where it stands at start(), on one loop.
class EventLog {
 public:
  EventLog(Loop& loop, ReaderPool& readers, LogSink& sink)
      : loop_(loop), readers_(readers), sink_(sink) {}
  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // writes what is synced by now

 private:
  Task<void> run();
  Task<bool> copy();  // one batch; true: there may be more
  Loop& loop_;
  ReaderPool& readers_;
  LogSink& sink_;
  RemovedLines removed_;
  std::uint64_t sequence_ = 0;
  bool stopping_ = false, running_ = false;
  Signal ended_;
};

}  // namespace goniec
