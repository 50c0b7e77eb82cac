// The laws of a history, checked while it runs. Clients, peers, the node's doors and the store tell
// what happens; a law that is broken is a line in `broken`, and the history goes on (the first line
// is the cause, mostly).
//
//   acknowledged   what was answered 250 is delivered whole, or its sender was told, or is queued
//   leases         no entry is leased while it is leased; never more than the window holds
//   concurrency    never more connections to a site, in all, or messages on one, than allowed
//   rate           a site that did not answer is not called again within the pause for the dead
//   stampede       a site that nobody has reached since the start is called by one at a time
//   retries        each wait is the step of the schedule with its jitter, nothing is leased before
//                  it is due, and many waits of one step are spread; a plan that was synced holds
//                  after a restart
//   memory         sessions and messages being received within their budgets; the node's heap
//                  within what these, its leases and its connections may have
//   events         a cursor sees every sequence once, ascending, and after a crash the same again
//   reopening      a store opened twice after a crash holds the same
//   drain          the queue is empty some hours after the faults stopped
//
// All that is told goes into a hash: the same seed gives the same one.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "queue/schedule.h"
#include "store/store.h"

namespace goniec {

struct LawLimits {
  std::size_t connections_per_site = 20;
  std::size_t connections = 1000;  // outbound, in all
  std::size_t messages_per_connection = 100;
  Duration dead_pause{};  // between the calls of a site that did not answer
  std::size_t window_entries = 20000, window_octets = 64u << 20;
  std::size_t sessions = 10000, drafts = 2000;  // inbound; messages being received
  RetryPolicy retry;
};

class Laws {
 public:
  Laws(LawLimits limits, const Clock& clock) : limits_(std::move(limits)), clock_(clock) {}

  // Clients and peers. A token names a message (its Message-ID) all the way.
  void acknowledged(const std::string& token, const std::vector<std::string>& recipients);
  enum class Body { whole, damaged };
  void taken(const std::string& token, const std::string& recipient, Body body);
  // `notice`: the Message-ID of the notice itself; it need not return the header.
  void told_failed(const std::string& notice, const std::string& recipient);
  bool is_acknowledged(const std::string& token) const { return letters_.contains(token); }

  // The node's doors.
  void calling(std::size_t site);
  void given_up(std::size_t site);  // the call
  void connected(std::size_t site);
  void disconnected(std::size_t site);
  void reached(std::size_t site);  // it opened a session
  void messages_on_connection(std::size_t count);
  struct Load {
    std::size_t sessions = 0, drafts = 0;
    std::uint64_t heap_octets = 0;
  };
  void load(const Load& load);

  // The store, as asked and answered.
  void spooled(const Message& message);
  void leased(const Lease& lease, const Entry& entry, Instant now);
  void left(const EntryId& entry);  // settled or given back
  void planned(const Entry& after, Instant now, Instant due);
  void synced();                       // what was planned so far is durable
  void changed(const EntryId& entry);  // ended, or by hand: its plan is void
  void restarted();                    // all leases are forgotten, all connections gone

  // Looks: the queue against what is owed, and the events since the last look.
  void look(Reader& reader);
  void finish(Reader& reader);  // after the faults stopped and the queue had its time
  void same_twice(const std::vector<std::string>& one, const std::vector<std::string>& two);

  void note(std::string_view what);  // into the hash
  void note(std::uint64_t number);
  void break_law(const char* law, std::string text);

  struct Totals {
    std::uint64_t messages = 0, recipients = 0, taken = 0, taken_again = 0, bounced = 0;
    std::uint64_t leases = 0, waits = 0, events = 0, restarts = 0, looks = 0;
    std::size_t most_connections = 0, most_leases = 0, most_sessions = 0, most_drafts = 0;
    std::size_t most_outbound = 0;
    std::uint64_t most_heap_octets = 0;
  };
  const Totals& totals() const { return totals_; }
  std::uint64_t hash() const { return hash_; }
  const std::vector<std::string>& broken() const { return broken_; }
  std::size_t owed() const { return owed_.size(); }
  std::uint64_t seen_events() const { return cursor_; }  // finish() reads them all once more

 private:
  struct Letter {
    std::map<std::string, bool> recipients;  // whether its fate is known
  };
  struct Plan {  // when an entry is due, as the node was told and as the disk has it
    std::optional<Instant> told, durable;
  };
  struct Line {  // of a site
    std::size_t calls = 0, connections = 0;
    bool reached = false;             // since the start
    bool answers = false;             // one of the connections there are
    std::optional<Moment> failed_at;  // the last call, and nobody reached it since
  };
  void check_rate(std::size_t site, const Line& line);
  void failed(Line& line);
  struct Spread {  // waits of one step that began in one hour
    std::uint64_t count = 0;
    std::map<int, std::uint64_t> slices;  // of the jitter's span
  };
  void settle(const std::string& token, const std::string& recipient);
  std::size_t check_owed(Reader& reader);  // how many entries were read
  std::string story_of(Reader& reader, const std::string& token) const;
  void read_events(Reader& reader);
  void check_spread(const Spread& spread);

  LawLimits limits_;
  const Clock& clock_;
  std::map<std::string, Letter> letters_;
  std::set<std::pair<std::string, std::string>> owed_, ended_;
  std::map<MessageId, std::string> tokens_;
  std::map<std::string, std::string> notices_;  // their Message-ID, the token they are about
  std::map<EntryId, std::uint64_t> live_;
  std::map<EntryId, Plan> plans_;
  std::vector<EntryId> unsynced_;  // plans
  std::map<std::size_t, Line> lines_;
  std::size_t outbound_ = 0;  // calls and connections
  std::map<std::pair<std::int64_t, std::uint32_t>, Spread> spreads_;
  std::uint64_t cursor_ = 0, events_hash_ = 0;
  std::uint64_t owed_checked_again_ = 0;  // the look that reads the whole queue again
  Totals totals_;
  std::uint64_t hash_ = 1469598103934665603ull;
  std::vector<std::string> broken_;
};

}  // namespace goniec
