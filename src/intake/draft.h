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
//
// What was submitted belongs to a stream (docs/streams.md): bulk mail gets a way to unsubscribe,
// tracked mail is rewritten, recipients that are suppressed in the stream are left out, with an
// event each. When none is left the message is kept for an hour, and nothing is queued.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "intake/arrival_check.h"
#include "intake/bulk.h"
#include "intake/expand.h"
#include "intake/fixups.h"
#include "intake/idempotency.h"
#include "intake/sign.h"
#include "mail/journey.h"
#include "mail/send_options.h"
#include "queue/event_data.h"
#include "queue/queue.h"
#include "run/world.h"

namespace goniec {

struct IntakeOptions {
  std::string hostname;
  std::size_t kept_octets = 256 * 1024;
  std::size_t chunk_octets = 64 * 1024;
  SigningDoors signing;
  Forwarding* forwarding = nullptr;    // null: nothing is rewritten, nothing comes back
  Idempotency* idempotency = nullptr;  // null: X-Idempotency-Key says nothing
  ForwardingOptions forward;
  StreamDoors streams;

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
  SendOptions options;               // as asked by whoever submits
  std::vector<ObjectPut> objects;    // durable with the message
  std::vector<StageFact> stages;     // connect, identify, envelope so far
  // Submission: may the caller use this address in From? Unset: not checked.
  std::function<bool(const Address&)> may_use_from;
  ArrivalCheck* check = nullptr;  // outlives the Draft
};

// A recipient that was left out, because somebody decided so (accounts/suppressions.h).
struct LeftOut {
  Recipient recipient;
  Suppression why;
};

class Draft {
 public:
  Draft(Queue& queue, const Directory& directory, const IntakeOptions& options, Loop& loop,
        DraftFacts facts);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  MessageId id() const;
  void add_object(ObjectPut object);  // durable with the message, beside those of the facts
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
  // Of what was submitted, after commit(): the others got it, or nobody did.
  const std::vector<LeftOut>& left_out() const;

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
