// What was told to which webhook: a delivery an event and webhook, and its attempts. A projection
// beside the event log, in a SQLite file of its own (hooks.db): the log is the queue, this is how
// far each webhook has come in it.
//
//   waiting --2xx--> delivered        waiting --no time left, 410--> dead --replay--> waiting
//
// Promises: a position and the deliveries up to it are one transaction; what a power cut takes back
// is told again, under the same id (at least once). A file that is damaged is set aside with an
// alarm, and every webhook goes on from the end of the event log: a file knows where that was when
// it was made, and a webhook that it has no position of begins there, or where it was made itself,
// whichever came later.
//
// Any thread; calls wait for the disk and for each other, so not on a loop.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"

namespace goniec {

enum class HookState : std::uint8_t { waiting, delivered, dead };

struct HookDelivery {
  std::uint64_t sequence = 0;  // of the event
  std::string type;            // "email.bounced"
  std::string order;           // deliveries of one order go one after another; "": of none
  HookState state = HookState::waiting;
  std::uint32_t tries = 0;
  Instant at{};       // of the event
  Instant next_at{};  // waiting: not before
  std::optional<int> last_status;
  std::string last_error;
};

struct HookAttempt {
  std::uint64_t sequence = 0;
  std::uint32_t number = 0;  // from 1
  Instant at{};
  Duration took{};
  std::optional<int> status;    // none: no answer
  std::string error, response;  // response: its first octets
};

struct HookPosition {
  std::uint64_t sequence = 0;            // all events up to it became deliveries
  std::optional<Instant> failing_since;  // nothing was delivered since
  std::uint64_t waiting = 0;
};

struct HookCounts {
  std::uint64_t delivered = 0, failed = 0;  // attempts
};

struct HookFilter {
  std::optional<HookState> state;
  std::uint64_t before = UINT64_MAX;  // sequence: for the following page
  std::size_t limit = 50;
};

class HookLog {
 public:
  virtual ~HookLog() = default;
  virtual Result<std::map<std::string, HookPosition>> positions() = 0;
  // The last event when the file was made: a webhook without a position is not told of what came
  // before.
  virtual Result<std::uint64_t> beginning() = 0;
  virtual bool was_set_aside() const = 0;  // by this opening; nothing is known of what was told
  // New deliveries and how far the webhook is now.
  virtual Result<void> advance(const std::string& hook, std::uint64_t position,
                               const std::vector<HookDelivery>& added) = 0;
  // The delivery as it is after the attempt (none: it only changed).
  virtual Result<void> settle(const std::string& hook, const HookDelivery& delivery,
                              const std::optional<HookAttempt>& attempt,
                              std::optional<Instant> failing_since) = 0;
  // It has not failed, whatever came before.
  virtual Result<void> forgive(const std::string& hook) = 0;
  // Waiting ones above `after`, by sequence.
  virtual Result<std::vector<HookDelivery>> waiting(const std::string& hook, std::uint64_t after,
                                                    std::size_t limit) = 0;
  virtual Result<std::vector<HookDelivery>> list(const std::string& hook,
                                                 const HookFilter& filter) = 0;  // newest first
  virtual Result<std::optional<HookDelivery>> find(const std::string& hook,
                                                   std::uint64_t sequence) = 0;
  virtual Result<std::vector<HookAttempt>> attempts(const std::string& hook,
                                                    std::uint64_t sequence) = 0;  // oldest first
  virtual Result<std::vector<HookAttempt>> recent(const std::string& hook,
                                                  std::size_t limit) = 0;  // newest first
  virtual Result<HookCounts> counts(const std::string& hook, Instant since) = 0;
  // Those in [from, to) of their time that are in `state` wait again, with all tries before them.
  virtual Result<std::uint64_t> replay(const std::string& hook, HookState state, Instant from,
                                       Instant to, Instant now) = 0;
  virtual Result<std::uint64_t> count(const std::string& hook, HookState state, Instant from,
                                      Instant to) = 0;
  virtual Result<void> forget(const std::string& hook) = 0;
  // What ended before; waiting ones stay. How many rows went, at most `limit` of each kind.
  virtual Result<std::uint64_t> sweep(Instant before, std::size_t limit) = 0;
};

// `last_event`: sequence of the event log's last one.
Result<std::unique_ptr<HookLog>> open_hook_log(const std::string& path, LogSink& log, Instant now,
                                               std::uint64_t last_event);

}  // namespace goniec
