// Events as webhooks show them (queue/event_view.h): a list, one, a live tail.
//
//   GET /api/v1/events?type=&email_id=&recipient=&stream=&provider=&class=&since=&until=&order=desc
//       &limit=50&after=evt_…
//     {"object":"list","data":[event…],"has_more":bool,"next":"evt_…"|null}
//   GET /api/v1/events/{id}
//   GET /api/v1/live?type=&stream=&after=evt_…         text/event-stream
//
// A list reads the event log, newest first (order=asc: oldest first), and looks at a bounded number
// of events a call: with filters that fit little, a page may be short, even empty, and still say
// has_more; `next` goes on from there.
//
// The tail: `id:` event id, `event:` type, `data:` the event. It goes on behind `Last-Event-ID` (or
// `after`), else begins now; a comment each 15 s keeps it open. A tail that falls behind by more
// than it may is told how many events it does not get ("event: skipped"). So many tails at a time
// are served, and so many of one caller; beyond that 503 and 429.
#pragma once
#include <map>
#include <string>

#include "api/call.h"

namespace goniec {

struct LiveLimits {
  std::size_t tails = 50, tails_of_one = 5;
  std::size_t batch = 200;    // events in one write
  std::size_t behind = 5000;  // events; more are skipped
  Duration look = std::chrono::milliseconds(500), heartbeat = std::chrono::seconds(15);
  Duration longest = std::chrono::hours(12);  // then the client comes again by itself
};

// Who listens now. Lives on the API's loop, and longer than any ticket.
class LiveTails {
 public:
  explicit LiveTails(LiveLimits limits = {}) : limits_(limits) {}
  const LiveLimits& limits() const { return limits_; }
  // A place, given back with its last owner; or why there is none: try_later (all are taken),
  // not_permitted (the caller has enough).
  class Ticket {
   public:
    Ticket(LiveTails& tails, std::string who) : tails_(tails), who_(std::move(who)) {}
    ~Ticket() { tails_.leave(who_); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    LiveTails& tails_;
    std::string who_;
  };
  Result<std::shared_ptr<Ticket>> enter(std::string who);
  void stop() { stopping_ = true; }  // all end at their next look
  bool stopping() const { return stopping_; }

 private:
  void leave(const std::string& who);
  LiveLimits limits_;
  std::map<std::string, std::size_t> of_;
  std::size_t all_ = 0;
  bool stopping_ = false;
};

Task<ApiReply> list_event_views(ApiContext& context, ApiCall call);
Task<ApiReply> show_event_view(ApiContext& context, ApiCall call);
Task<ApiReply> follow_events(ApiContext& context, ApiCall call);

}  // namespace goniec
