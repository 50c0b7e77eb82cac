// The inside of a Draft, for the files that make it: draft.cc (header, body, commit) and
// draft_streams.cc (what a stream means). States: collecting the header -> streaming the body ->
// committed or refused. Included by nobody else.
#pragma once
#include <map>

#include "intake/draft.h"
#include "intake/track.h"
#include "mail/priority.h"

namespace goniec {

// Of a message that goes to nobody: for whoever asks why.
inline constexpr Duration unsent_kept = std::chrono::hours(1);

Reply reply_of(const Error& error);

struct Draft::State {
  Queue& queue;
  const Directory& directory;
  const IntakeOptions& options;
  Loop& loop;
  DraftFacts facts;
  Message message;
  Instant opened{};

  bool in_header = true;
  std::string header_buffer;
  std::vector<std::string> kept;  // body chunks, each chunk_octets but the last
  std::size_t kept_octets = 0;
  std::uint32_t written_chunks = 0;  // already on their way to the store
  MessageSigner signer;
  MessageSealer sealer;
  FoundAtArrival found{};
  bool sender_disproved = false;
  std::optional<Expansion> expansion;      // when it was found out before commit and is small
  Domain forwarded_by;                     // of it
  std::map<Domain, ForwardedSender> told;  // by the domain that forwards
  bool committed = false;
  std::string once_key;  // X-Idempotency-Key
  std::optional<MailPriority> priority;
  Idempotency::Claim once;           // of it, from commit on
  std::vector<Recipient> lists;      // aliases to several, as they were named
  std::optional<StreamKind> stream;  // of what was submitted
  std::optional<TrackPlan> track;    // the body is held until it has ended
  std::string tracked;               // it
  std::vector<LeftOut> left_out;
  std::optional<std::vector<Recipient>> remaining;  // without who was left out
  std::optional<Reply> refusal;
  std::string rule = "content.ok";

  void refuse(Reply reply, std::string why) {
    refusal = std::move(reply);
    rule = std::move(why);
    header_buffer = {};
    message.content.header = {};
    kept.clear();
    kept_octets = 0;
  }
  Task<void> close_header(std::size_t end);
  void end_header(std::size_t end);
  void settle_stream(std::string& header);
  void add_unsubscribe(std::string& header);
  void plan_tracking(const MailStream& of, const std::string& header);
  void receive_body(std::string_view octets);
  Task<void> finish_tracking();
  Task<Result<void>> leave_out_suppressed();
  Task<Result<bool>> stands_against(Recipient recipient, Address address);
  bool is_always_suppressed(const Address& address) const;
  bool may_be_out(const Address& address) const;
  void take_out_wishes();
  Reply accepted_reply(bool to_nobody) const;
  void tell_left_out(NoticePlan& plan) const;
  void tell_left_out(std::vector<Event>& events) const;
  const std::vector<Recipient>& wanted() const {
    return remaining ? *remaining : facts.transaction.recipients;
  }
  std::string take_options(std::string_view header);
  std::string fingerprint() const;
  Task<std::optional<Reply>> begin_once();
  std::optional<std::string> foreign_from(std::string_view header) const;
  void take_body(std::string_view octets);
  void take_signatures(SignedHeader made);
  void take_result(ArrivalResult checked);
  ForwardingDoor forwarding_door() const {
    ForwardingDoor door = options.forwarding_door(opened);
    door.known = facts.returns;
    return door;
  }
  void look_ahead();
  Task<Result<void>> prepare_forwarding();
  Address forwarded_sender(const FinalRecipient& final);
  bool has_return_path() const;
  bool goes_to_sandbox(const FinalRecipient& final) const;
  std::vector<Entry> make_entries(const Expansion& found);
  void add_stage(std::string stage, std::string why, std::string reply, std::string recipient);
  Task<void> ride_along();
  Task<void> write_one(ChunkWrite chunk, std::size_t& open, Signal& done);
  Result<SpoolRequest> make_request();
};

}  // namespace goniec
