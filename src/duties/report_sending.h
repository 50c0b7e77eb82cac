// Sends reports about others, when the operator asked for it: what incoming mail and outgoing
// sessions told (trust/report_aggregate.h) is counted, kept in the store, and sent when its UTC day
// is over: by mail through intake like any other message, TLS reports also by https (RFC 8460
// §5.4).
//
//   any thread --collect--> bounded line --each step--> aggregates --changed days--> objects
//   a day over + delay --> DNS says who may get it --> a mail or a post each --> day forgotten
//
// A TLS report that is not taken is tried again, each pause twice the last, for a day (RFC 8460
// §5.5); who got it does not get it again for that. A web server must prove its name; where it
// redirects to nothing is posted, and what it answers is not read.
//
// A crash loses what came since the last step (a minute); a stop loses nothing. A crash after the
// mail and before the forgetting sends the report again, with the same Report-ID. What cannot be
// sent for three days is dropped and said. Lives on one loop but for collect().
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "accounts/directory.h"
#include "base/log.h"
#include "base/metrics.h"
#include "intake/draft.h"
#include "queue/queue.h"
#include "store/committer.h"
#include "trust/report_aggregate.h"

namespace goniec {

struct ReportSendingSettings {
  bool send = false;
  std::string from;  // address of ours, whose domain signs
  Reporter reporter;
};

struct ReportSendingOptions {
  std::function<ReportSendingSettings()> settings;  // as in force
  Duration step = std::chrono::minutes(1);
  Duration delay = std::chrono::minutes(10);  // after the day's end, and up to `spread` more
  Duration spread = std::chrono::minutes(50);
  Duration patience = std::chrono::days(3);     // for a DNS that does not answer
  Duration asking = std::chrono::seconds(30);   // of DNS, a report
  std::size_t line = 20'000;                    // observations that wait for a step
  Duration posting = std::chrono::seconds(30);  // of one report
  Duration first_pause = std::chrono::minutes(5), last_pause = std::chrono::hours(4);
  Duration redelivery = std::chrono::hours(24);
  // Posts go to no address in a private network.
  std::function<bool()> only_public = [] { return true; };
};

class ReportSending {
 public:
  ReportSending(World& world, Queue& queue, Committer& committer, ReaderPool& readers,
                const Directory& directory, const IntakeOptions& intake,
                ReportSendingOptions options, Metrics& metrics, LogSink& log);
  bool wants() const { return wanted_.load(std::memory_order_relaxed); }  // any thread
  // Any thread; nothing where sending is off.
  void collect(DmarcObservation observation, Instant at);
  void collect(TlsObservation observation, Instant at);

  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // after what is under way; what was collected is kept

  // Now, also of the day that is not over (under an id of its own): how many mails and posts.
  Task<std::size_t> send_now();

 private:
  Task<void> run();
  Task<void> restore();
  Task<void> keep_changed();
  void drain();
  enum class Pauses { kept, passed_over };
  Task<std::size_t> send_before(std::int64_t day, Pauses pauses);
  Task<std::size_t> send_dmarc(PendingKey key);
  Task<std::size_t> send_tls(PendingKey key);
  Task<bool> send_mail(std::string to, ComposedReport mail);
  Task<bool> post(std::string url, const TlsReport& report);
  Task<std::vector<std::string>> tls_destinations(PendingKey key, bool& try_later);
  bool waits(const PendingKey& key) const;
  Task<void> forget(std::string_view kind, PendingKey key);
  bool is_too_old(const PendingKey& key) const;
  void say(LogLevel level, std::string event, std::string text);

  World& world_;
  Queue& queue_;
  Committer& committer_;
  ReaderPool& readers_;
  const Directory& directory_;
  const IntakeOptions& intake_;
  ReportSendingOptions options_;
  LogSink& log_;
  Counter &sent_, &dropped_;
  std::atomic<bool> wanted_ = false;  // the setting, as of the last step
  std::mutex mutex_;
  std::vector<std::pair<DmarcObservation, Instant>> dmarc_line_;
  std::vector<std::pair<TlsObservation, Instant>> tls_line_;
  DmarcAggregate dmarc_;
  TlsAggregate tls_;
  struct Tries {  // of a TLS report, since the server started
    Moment first{}, next{};
    Duration pause{};
    std::set<std::string> done;  // destinations
  };
  std::map<PendingKey, Tries> tries_;
  Duration delay_{};
  std::uint64_t told_dropped_ = 0;
  bool stopping_ = false, running_ = false, busy_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_, free_;
};

}  // namespace goniec
