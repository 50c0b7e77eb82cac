// The queue: the facade between those who make messages (intake), those who carry them (outbound)
// and the store. It knows no engine and no wire; it is told.
//
//   accept(request)  -> durable -> entries handed to their carrier (the dispatcher of the owning
//   shard)
//   settle(...)      -> outcomes, events, notices in one transaction; next try planned here
//   window           -> leases due entries from the store when their time comes, bounded
//
// Ready entries are bounded by `window_entries`: when more are due, they stay on disk until there
// is room. New mail is leased at its spool only while there is room; else it is due now and waits
// its turn. A domain may have `domain_share` of the room that is left, so that one whose mail does
// not move leaves room for the others (docs/decisions/window-shares.md). A domain has one owner
// (shard by hash of the domain), local mailboxes too.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "mail/journey.h"
#include "queue/notice.h"
#include "queue/route.h"
#include "queue/schedule.h"
#include "run/world.h"
#include "store/committer.h"
#include "store/store.h"

namespace goniec {

struct QueueLimits {
  std::size_t window_entries = 20000;  // leased and in memory, all shards
  std::size_t domain_share = 4;        // of a domain: a fourth of the room that is left,
  std::size_t domain_least = 64;       // and so many at any time
  std::size_t window_octets =
      64u << 20;  // of content kept beside them (small messages of new mail)
  std::size_t inline_octets =
      256 * 1024;  // content up to this is kept in memory while it is tried at once
};

struct QueueOptions {
  RetryPolicy retry;
  QueueLimits limits;
  std::string hostname;
  Duration keep_bodies{};  // [retention] bodies
  // What refusals mean; an attempt under way keeps those it began with.
  std::shared_ptr<const BounceRules> bounces = std::make_shared<const BounceRules>();
};

// Content that is still in memory, to save reading it back. Immutable, shared by a message's
// entries.
struct LoadedContent {
  std::string prepend, header, body;
};

// What a carrier gets: it must end in settle() or give_back().
struct ReadyEntry {
  Lease lease;
  Entry entry;
  std::shared_ptr<const Message> message;
  std::shared_ptr<const LoadedContent> content;  // null: read it from the store
  std::uint64_t octets = 0;                      // of the whole content
  Instant ready_at{};
};

// The dispatcher of one shard. Called on that shard's loop.
class Carrier {
 public:
  virtual ~Carrier() = default;
  virtual void carry(ReadyEntry entry) = 0;
  // Somebody wants a try now, by hand: what was learnt of sites that did not answer is old.
  virtual void look_again() {}
};

// Composes the DSNs of a plan and gives them as messages to spool (duties/notices; through intake).
class NoticeMaker {
 public:
  virtual ~NoticeMaker() = default;
  virtual Task<std::vector<SpoolRequest>> make(Loop& loop, std::shared_ptr<const Message> message,
                                               NoticePlan plan, Instant now) = 0;
};

class Queue {
 public:
  Queue(QueueOptions options, Committer& committer, ReaderPool& readers, Metrics& metrics,
        LogSink& log);
  ~Queue();

  // Before start(): shards in order, each with its loop and carrier.
  void add_shard(Loop& loop, Carrier& carrier);
  void set_notice_maker(NoticeMaker& maker);
  void start();  // begins to lease what is due, on the first shard's loop
  // Nothing more is leased and handed over; any thread. Before the carriers stop: what they give
  // back would be leased for them at once, again and again.
  void stop_leasing();
  Task<void> stop(
      Loop& loop);  // no new carry(); returns when every lease was settled or given back
  void set_options(QueueOptions options);  // reload

  MessageId next_id(Clock& clock, Random& random);  // any thread

  // Durable when it ends ok (250 may follow). Entries' due, expires and ids are set here.
  // `content` (optional) saves reading back. What `expanded` tells the sender is durable too.
  Task<Result<void>> accept(Loop& loop, SpoolRequest request,
                            std::shared_ptr<const LoadedContent> content, NoticePlan expanded = {});
  Task<Result<void>> write_chunk(Loop& loop, ChunkWrite chunk);
  void discard_chunks(MessageId id);  // the message will not come: its session ended

  // The end of an attempt. Plans the next try, events, delay notices and DSNs. `appends` for local
  // delivery. An outcome that the store refuses without being sealed is stored again later, with an
  // alarm each time: it may take long. An error: never stored; due again after a restart.
  Task<Result<void>> settle(Loop& loop, ReadyEntry entry, std::vector<Outcome> outcomes,
                            std::vector<MailboxAppend> appends = {});
  void give_back(ReadyEntry entry);  // not tried: due as before

  // Content for sending: prepend and header, then chunks.
  Task<Result<Content>> content(Loop& loop, MessageId id);
  Task<Result<std::string>> chunk(Loop& loop, MessageId id, std::uint32_t number);

  // Who sent it, from its Received event; nullopt: nothing is known of it any more, or it was <>.
  Task<Result<std::optional<Address>>> sender_of(Loop& loop, MessageId id);

  // By hand (goniec queue …): each id's entries that match. Results name what happened.
  Task<Result<std::vector<QueueItem>>> list(Loop& loop, QueueFilter filter);
  Task<Result<QueueStats>> stats(Loop& loop);
  Task<Result<Entry>> change(Loop& loop, QueueItem item, QueueAction action, std::string reason);
  // By its sender: the entry goes without a notice, told as `canceled` of each recipient that
  // waited; or it is due at another time, told as `rescheduled` (of the message: once is enough).
  Task<Result<Entry>> cancel(Loop& loop, QueueItem item, std::string reason);
  enum class Telling { event, none };
  Task<Result<Entry>> reschedule(Loop& loop, QueueItem item, Instant due, Telling telling);

  struct State;  // queue.cc

 private:
  std::unique_ptr<State> state_;
};

}  // namespace goniec
