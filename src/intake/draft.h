// Where a message is made. Every message enters by a Draft: SMTP, LMTP, sendmail, API, DSN,
// reports.
//
//   open -> write(octets)* -> commit() -> reply          or destroy: nothing was kept
//
// Octets are the message as it comes (CRLF line ends), header first, in pieces of any size. At the
// end of the header block the header is checked and fixed (fixups.h); the body streams into chunks
// of 64 KiB: up to 256 KiB are kept and go into the commit of the envelope, beyond that 256 KiB
// ride to the store at a time, so that a message of any size costs its session a bounded buffer.
// commit() ends after message, entries and the Received event are durable in one transaction; only
// then is the reply 250. CRC32C covers header and body. What was submitted is signed (sign.h). What
// an alias leads out of the house is sealed, and its entries have a sender of their own
// (docs/decisions/forwarding.md).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "intake/arrival_check.h"
#include "intake/expand.h"
#include "intake/fixups.h"
#include "intake/sign.h"
#include "mail/journey.h"
#include "queue/event_data.h"
#include "queue/queue.h"
#include "run/world.h"

namespace goniec {

struct IntakeOptions {
  std::string hostname;
  std::size_t kept_octets = 256 * 1024;
  std::size_t chunk_octets = 64 * 1024;
  SigningDoors signing;
  Forwarding* forwarding = nullptr;  // null: nothing is rewritten, nothing comes back
  ForwardingOptions forward;

  ForwardingDoor forwarding_door(Instant now) const { return {forwarding, forward, now}; }
};

struct DraftFacts {
  Source source = Source::smtp;
  Caller caller;            // sendmail, dsn: empty
  Transaction transaction;  // sender and the envelope's recipients
  std::string submitter;
  bool verified_sender = false;
  unsigned uid = 0;  // sendmail
  MessageId parent;
  std::vector<KnownReturn> returns;  // among the recipients
  std::vector<StageFact> stages;     // connect, identify, envelope so far
  // Submission: may the caller use this address in From? Unset: not checked.
  std::function<bool(const Address&)> may_use_from;
  ArrivalCheck* check = nullptr;  // outlives the Draft
};

class Draft {
 public:
  Draft(Queue& queue, const Directory& directory, const IntakeOptions& options, Loop& loop,
        DraftFacts facts);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  MessageId id() const;
  // A refusal (header too big, loop, store full) is kept and given by commit(); octets after it are
  // dropped.
  Task<void> write(std::string_view octets);
  Task<Reply> commit();                        // 250 2.0.0 Ok: queued as ID, or why not
  void refuse(Reply reply, std::string rule);  // by the caller; the first refusal counts
  // In memory now; what goes on to its carriers with the commit is counted twice.
  std::size_t held_octets() const;
  // About the most that it comes to, of a message of such a size.
  static std::size_t most_held(std::uint64_t message_octets, const IntakeOptions& options);
  const std::string& rule() const;  // of the refusal, or "content.ok"

  struct State;  // draft.cc

 private:
  std::unique_ptr<State> state_;
};

// A composed message as a spool request, without commit: for DSNs that ride in a settle.
// An empty vector of entries: nobody to send to.
Result<SpoolRequest> make_spool_request(Queue& queue, const Directory& directory,
                                        const IntakeOptions& options, Loop& loop, DraftFacts facts,
                                        std::string header, std::string body);

}  // namespace goniec
