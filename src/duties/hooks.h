// Tells webhooks what happened: follows the event log for each of them, at its own pace.
//
//   event log --fill--> deliveries (hooks.db) --due, in order--> POST --2xx--> delivered
//                                               |--else--> again by the schedule, or dead
//
// Promises: at least once, under one id for ever. Events of one message reach a webhook one after
// another; those of others do not wait for it. The event log is the queue: while `window`
// deliveries of a webhook wait, nothing more is read for it, so that a receiver that is away costs
// no memory. After `probe_after` failures in a row one call at a time goes out until one succeeds.
// 410 disables the webhook at once, `give_up` of nothing but failures too, also over restarts: the
// admin gets a mail, and what waits stays and goes out when it is enabled again. An answer's status
// decides, however long its body is. Until the positions are known nobody is told anything.
// Redirects are not followed; private addresses are refused unless the configuration allows them.
//
// Lives on one loop. A stop waits for the calls under way, at most `attempt`.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "accounts/webhooks.h"
#include "base/metrics.h"
#include "duties/hook_call.h"
#include "intake/draft.h"
#include "store/committer.h"
#include "store/hook_log.h"

namespace goniec {

struct HooksSettings {
  bool private_targets = false;
  Duration keep = std::chrono::days(30);  // what ended
  Address owner;  // gets the mail about a webhook that was disabled; empty: nobody
};

struct HooksOptions {
  std::function<HooksSettings()> settings;  // as in force
  std::vector<Duration> schedule = {std::chrono::seconds(5),  std::chrono::minutes(1),
                                    std::chrono::minutes(5),  std::chrono::minutes(15),
                                    std::chrono::minutes(30), std::chrono::hours(1),
                                    std::chrono::hours(2),    std::chrono::hours(4),
                                    std::chrono::hours(8),    std::chrono::hours(12)};
  double jitter = 0.1;
  Duration attempt = std::chrono::seconds(10);
  Duration give_up = std::chrono::days(3);
  Duration step = std::chrono::milliseconds(500);
  Duration reading_pause = std::chrono::seconds(5);  // after what could not be read
  std::size_t window = 1000, parallel = 8, events = 500, batch = 100;
  std::size_t probe_after = 5;
  std::size_t response_octets = 1000;  // kept of an answer
  std::size_t known_messages = 5000;   // whose first event is remembered
};

// What one call came to.
struct HookOutcome {
  HookAttempt attempt;
  bool delivered = false, gone = false;  // gone: 410
};

class Hooks {
 public:
  Hooks(World& world, ReaderPool& readers, Webhooks& webhooks, HookLog& log, HooksOptions options,
        Metrics& metrics, LogSink& sink);
  ~Hooks();
  // Composes the mail to the owner through intake; before start().
  void set_mail(std::function<Task<void>(Address to, std::string subject, std::string text)> mail);
  void start();       // on its loop; stop() before the end
  Task<void> stop();  // no new calls; after those under way

  // A webhook was made, changed or removed, or deliveries wait again: looks now.
  void look(const std::string& id);
  // Sends an event of type "webhook.test" at once; nothing of it is kept.
  Task<HookOutcome> test(std::shared_ptr<const Webhook> webhook);

 private:
  struct Runner;
  struct Known;
  Task<void> run();
  Task<std::optional<Known>> read_positions();  // nullopt: stopped before
  Task<void> tell_what_was_lost();
  void add_runner(const Webhook& webhook, const Known& known);
  Task<void> forgive(Runner& runner);
  Task<void> follow(std::shared_ptr<Runner> runner);
  Task<void> fill(Runner& runner);
  Task<bool> read_events(Runner& runner);
  Task<void> load_waiting(Runner& runner);
  void start_due(const std::shared_ptr<Runner>& runner);
  Task<void> tell(std::shared_ptr<Runner> runner, std::vector<std::uint64_t> sequences);
  Task<HookOutcome> call(std::shared_ptr<const Webhook> webhook, std::string id, std::string body);
  Task<void> note(Runner& runner, std::vector<std::uint64_t> sequences, HookOutcome outcome);
  Task<void> disable(Runner& runner, std::string reason);
  // Errors are those of a reader: the log could not be asked, whatever it holds.
  Task<Result<std::optional<HookEvent>>> event_of(std::uint64_t sequence);
  Task<Result<EventMessage>> message_of(Event event);
  void put_back(Runner& runner, const std::vector<std::uint64_t>& sequences);
  Task<void> sweep();
  Instant next_try(std::uint32_t tries, Instant now);
  void say(LogLevel level, std::string event, std::string text);

  World& world_;
  ReaderPool& readers_;
  Webhooks& webhooks_;
  HookLog& log_;
  HooksOptions options_;
  LogSink& sink_;
  Counter &delivered_, &failed_, &dead_, &set_aside_;
  Gauge& waiting_;
  std::function<Task<void>(Address, std::string, std::string)> mail_;
  std::map<std::string, std::shared_ptr<Runner>> runners_;
  std::map<MessageId, EventMessage> known_;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
  Moment next_sweep_{}, planned_{};
  bool stopping_ = false;
  std::size_t running_ = 0;
};

}  // namespace goniec
