// Who gets no mail of a stream, why, and what is the evidence. Mail to such an address is not tried
// (intake/draft.h): the event `suppressed` says so. Reasons (docs/suppression.md):
//
//   bad_mailbox    the mailbox does not exist, said the server that would hold it
//   complained     the recipient called it spam (ARF)
//   unsubscribed   the recipient asked for no more
//   manual         somebody here decided it; of one stream, or of all ("*")
// Nothing else ever suppresses: a verdict about the content, a limit, a full mailbox or a broken
// DNS say nothing about whether a person wants mail.
//
// In the store (kind "suppression", key "stream/address"): {"reason","origin","evidence","message",
// "note","created_at","expires_at"}. The address is canonical as in the directory: lower-case local
// part, no other folding ("anna+shop@" is not "anna@").
//
// In memory: an index of 8 octets an entry, at most half full (16 MiB hold a million). It answers
// "certainly not" without waiting; what may be suppressed is read from the store, which knows. Two
// keys of one fingerprint (of a million: once in 30 million indexes) would go together when one
// is removed, until the next start.
#pragma once
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.h"
#include "store/committer.h"

namespace goniec {

enum class SuppressionReason { bad_mailbox, complained, unsubscribed, manual };
std::string_view name_of(SuppressionReason reason);
std::optional<SuppressionReason> suppression_reason_of(std::string_view name);

inline constexpr std::string_view all_streams = "*";

struct Suppression {
  std::string stream;  // an id, or "*"
  Address address;     // add() makes it canonical
  SuppressionReason reason = SuppressionReason::manual;
  // Where it came from: "delivery", "dsn", "feedback_loop", "one_click", "page", "mail" (all by the
  // recipient or his server); "api", "cli", "dashboard", "import" (by us).
  std::string origin;
  std::string evidence;  // id of the event that caused it, "evt_…"; "": see `message`, or none
  MessageId message;     // the message that it is about; none: not known
  std::string note;
  Instant created{};  // add() sets it where it is zero
  Instant expires{};  // zero: never
  std::string key() const;
  bool is_over(Instant now) const { return expires != Instant{} && expires <= now; }
};

// The lower-case local part that addresses are compared by.
Address suppression_address(const Address& address);

// A set of 64-bit fingerprints: open addressing, at most half full. One thread at a time.
class FingerprintSet {
 public:
  bool contains(std::uint64_t fingerprint) const;
  bool insert(std::uint64_t fingerprint);  // false: was there
  bool erase(std::uint64_t fingerprint);   // false: was not there
  std::size_t size() const { return size_; }
  std::size_t octets() const { return slots_.size() * sizeof(std::uint64_t); }

 private:
  std::size_t place_of(std::uint64_t fingerprint) const;
  void grow();
  std::vector<std::uint64_t> slots_;  // 0: free
  std::size_t size_ = 0;
};

struct SuppressionLimits {
  std::size_t batch = 500;  // of one transaction
  std::size_t note_octets = 500;
  std::size_t page = 1000;
};

struct SuppressionFilter {
  std::string stream;   // "": all
  std::string address;  // part of it, any case; "": all
  std::optional<SuppressionReason> reason;
  std::string after;  // a key: those above it
  std::size_t limit = 100;
};
struct SuppressionPage {
  std::vector<Suppression> entries;
  std::string next;  // the key to go on after; "": that was all
};

class Suppressions {
 public:
  Suppressions() = default;
  // Reads all keys. Once, before the threads run.
  Result<void> open(Committer& committer, ReaderPool& readers, Reader& reader);

  // ---- any thread, no waiting
  // false: certainly nothing stands against mail of this stream to this address.
  bool may_hold(std::string_view stream, const Address& address) const;
  std::size_t size() const;
  std::size_t octets() const;  // of the index

  // ---- reads, on the caller's loop
  // What stands against mail of this stream to this address now: its own entry, else that of "*".
  Task<Result<std::optional<Suppression>>> find(Loop& loop, std::string stream, Address address);
  // All entries of an address, of every stream, also those that are over.
  Task<Result<std::vector<Suppression>>> of_address(Loop& loop, Address address,
                                                    std::vector<std::string> streams);
  Task<Result<SuppressionPage>> list(Loop& loop, SuppressionFilter filter);

  // ---- changes: durable when they end, with an event suppression_added or suppression_removed
  // each, in one transaction. One result an item: true: it is new or changed. What is there stays,
  // unless it is over, or the new one is the recipient's own wish (complained, unsubscribed) and
  // the old one is not. `cause` rides in the same transaction (unsubscribed…), when anything
  // changed.
  Task<Result<std::vector<bool>>> add(Loop& loop, std::vector<Suppression> batch,
                                      std::vector<Event> cause = {});
  // By whom and why goes into the event. false: there was none.
  struct Removal {
    std::string stream;
    Address address;
  };
  Task<Result<std::vector<bool>>> remove(Loop& loop, std::vector<Removal> batch, std::string origin,
                                         std::vector<Event> cause = {});
  // Removes what is over, at most a batch: how many.
  Task<Result<std::size_t>> sweep(Loop& loop, Instant now);
  bool swept_all() const { return swept_.empty(); }  // the last sweep() came to the end

 private:
  Committer* committer_ = nullptr;
  ReaderPool* readers_ = nullptr;
  mutable std::shared_mutex mutex_;
  FingerprintSet index_;
  std::string swept_;  // sweep() goes on after this key
};

// A recipient's own wish: the entry and the event `unsubscribed` of the message, together. true:
// it is new.
struct Unsubscribe {
  MessageId message;
  std::string stream;
  Address address;
  std::string origin;  // "one_click", "page", "mail"
};
Task<Result<bool>> unsubscribe(Suppressions& suppressions, Loop& loop, Unsubscribe wish);

}  // namespace goniec
