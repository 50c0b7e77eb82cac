// Reports that come by mail: follows the event log and reads what was delivered to the configured
// address into the store (trust/report_store.h).
//
//   waiting --step--> events after the position --one that leads to the address--> read the mail
//     --> parse on the offload pool --> objects (durable) --> position (durable) --> waiting
//
// Lives on one loop. A crash between object and position reads the mail again: the same report has
// the same key. A mail that holds no report, or a broken one, is told in the log and stays in its
// mailbox like any other. Without an address nothing is read, and the position stands at the end.
// Once a day what is past `keep` is forgotten.
#pragma once
#include <functional>

#include "accounts/directory.h"
#include "base/log.h"
#include "base/metrics.h"
#include "queue/queue.h"
#include "store/committer.h"

namespace goniec {

struct ReportingSettings {
  std::string address;  // "": none
  Duration keep = std::chrono::days(400);
};

struct ReportingOptions {
  std::function<ReportingSettings()> settings;  // as in force
  Duration step = std::chrono::seconds(5);
  std::size_t events = 500;  // a reading
  std::size_t mail_octets = 40u << 20;
};

class ReportIntake {
 public:
  ReportIntake(World& world, Queue& queue, Committer& committer, ReaderPool& readers,
               const Directory& directory, ReportingOptions options, Metrics& metrics,
               LogSink& log);
  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // after the mail under way

 private:
  struct Parsed;
  Task<void> run();
  Task<bool> follow();  // true: there is more
  Task<void> read_mail(MessageId id);
  Task<Result<std::string>> whole_mail(MessageId id);
  Task<void> find_position();
  Task<void> keep_position();
  Task<void> forget_old();
  bool leads_here(const Event& event, const Address& address) const;
  static Parsed parse(const std::string& mail, Instant now);
  void say(LogLevel level, std::string event, std::string text);

  World& world_;
  Queue& queue_;
  Committer& committer_;
  ReaderPool& readers_;
  const Directory& directory_;
  ReportingOptions options_;
  LogSink& log_;
  Counter &read_, &refused_;
  std::uint64_t position_ = 0, kept_position_ = 0;
  Moment next_sweep_{};
  bool stopping_ = false, running_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
