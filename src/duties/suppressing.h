// Decides by itself whom to leave alone: follows the event log and suppresses an address in the
// stream of the message (accounts/suppressions.h), with the event that caused it as evidence. Only
// three things do that:
//
//   failed        the server that would hold the mailbox said, for good, that there is none: to
//                 RCPT or DATA, or in a notification that came back to a return path of ours
//   complained    the recipient called it spam, and the report proves that it had the mail: by the
//                 signed word of an unsubscribe link, the return path that we made for it, our own
//                 queue id, or its Message-ID. What is of no message of ours is told and counted.
//   unsubscribed  by mail to the address in List-Unsubscribe; by a link it has its entry already
// Never: a verdict about content or sender, a limit, a full mailbox, DNS, a timeout.
//
//   waiting --step--> events after the position --received, with a report in it--> read the mail
//       --> `failed` or `complained` of the message that it is about (durable) --> position
//   ------------------ failed, complained --> suppression + suppression_added (durable)
//
// So a notification and a report become events first, and are met again as such. A crash between
// event and position reads the mail again, and so does what could not be read or written: whose
// event stands already gets no other. Lives on one loop. The first time it begins at the end of
// what has happened. Once an hour what is over is forgotten, a batch at a time.
#pragma once
#include <functional>
#include <set>

#include "accounts/forwarding.h"
#include "accounts/links.h"
#include "accounts/streams.h"
#include "accounts/suppressions.h"
#include "base/log.h"
#include "base/metrics.h"
#include "mail/returned_mail.h"
#include "queue/queue.h"
#include "store/committer.h"

namespace goniec {

// What a feedback report (RFC 5965) is about, as far as it says.
struct Complaint {
  std::string header;                  // of the mail that was reported, its own fields
  Address recipient;                   // Original-Rcpt-To; empty: not said
  std::string type;                    // "abuse"
  std::string mail_from;               // Original-Mail-From; ""
  std::vector<std::string> queue_ids;  // under which this server had it, by its Received fields
};

struct SuppressingOptions {
  // Is the address itself refused for good (mail/bounce.h)? Unset: nothing is.
  std::function<bool(const Reply&, std::string_view site, std::string_view domain,
                     std::string_view phase)>
      is_dead_address;
  // nullopt: no feedback report. Unset: complaints are not read.
  std::function<std::optional<Complaint>(std::string_view mail)> read_complaint;
  std::function<ForwardingOptions()> forward;
  Domain sandbox;  // addresses below it are suppressed by nobody; empty: none
  Duration step = std::chrono::seconds(2);
  std::size_t events = 500;  // a reading
  std::size_t mail_octets = 2u << 20;
};

struct SuppressingParts {
  World& world;
  Queue& queue;
  Committer& committer;
  ReaderPool& readers;
  const Directory& directory;
  const Forwarding& forwarding;
  const Links& links;
  Suppressions& suppressions;
  Metrics& metrics;
  LogSink& log;
};

class Suppressing {
 public:
  Suppressing(SuppressingParts parts, SuppressingOptions options);
  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // after what is under way

 private:
  struct Origin;     // of a message: what its Received event says
  struct Reporting;  // a mail with a report in it, and what it causes
  struct Reported {
    MessageId message;
    bool is_proven = false;  // by a signed return path; the rest can be guessed
  };
  Task<void> run();
  Task<bool> follow();  // true: there is more
  Task<bool> take(Event event);
  Task<bool> take_failed(Event event);
  Task<bool> take_complained(Event event);
  Task<bool> take_wishes(Event event);
  Task<bool> take_report(Event event);
  Task<void> take_notification(Event event, std::string mail);
  Task<void> take_failures(Reporting reporting, const ReturnedMail& report, MessageId message);
  Task<void> take_complaint(Event event, std::string mail);
  Task<Origin> origin_of(MessageId message);
  Task<std::set<std::string>> told_by(Reporting report, MessageId message);
  Task<Origin> origin_of_complaint(const Complaint& complaint);
  Task<std::vector<Reported>> reported_messages(const Complaint& complaint);
  void count_complaint(std::string_view result);
  Task<bool> suppress(Suppression entry);
  Task<bool> keep(std::vector<Event> events);  // all of them or none
  Task<std::optional<std::string>> whole_mail(MessageId id);
  void look_again_after(const Error& error);
  Task<bool> find_position();  // false: stopped before
  Task<bool> read_position();  // false: not known yet
  Task<void> wait_for(Duration duration);
  Task<void> keep_position();
  void say(LogLevel level, std::string event, std::string text);

  SuppressingParts parts_;
  SuppressingOptions options_;
  std::uint64_t position_ = 0;
  std::optional<std::uint64_t> kept_position_;  // none: there is none in the store
  Moment next_sweep_{};
  bool stopping_ = false, running_ = false;
  bool looks_again_ = false;  // what the event under way causes could not be done now
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
