// Mailboxes: what a reader (POP3, later IMAP) and local delivery need of them. Everything is in the
// store; here are its verbs for one mailbox, the quota, and the right to hold a mailbox alone.
//
// Reading goes over the ReaderPool (off the loops), removing over the commit thread: remove() ends
// when it is durable. A message is read as pieces of at most 256 KiB (header) and 64 KiB (body
// chunks): one piece a reader is in memory, whatever the message's size.
// A POP3 session holds its mailbox alone (RFC 1939 §8): MailboxLock, any thread, any shard of the
// process. Local delivery does not ask for it: a session sees the messages there were when it
// began.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accounts/directory.h"
#include "store/committer.h"

namespace goniec {

// Holds a mailbox while it lives. May be destroyed on any thread.
class MailboxLock {
 public:
  MailboxLock(MailboxLock&&) noexcept;
  MailboxLock& operator=(MailboxLock&&) noexcept;
  ~MailboxLock();

 private:
  friend class Mailboxes;
  struct Held;
  explicit MailboxLock(std::unique_ptr<Held> held);
  std::unique_ptr<Held> held_;
};

// The octets of one message in order: prepend (of the mailbox, then of the content), header, body
// chunks.
class MailboxReading {
 public:
  MailboxReading(ReaderPool& readers, MailboxMessage message);
  // The next piece; "" at the end. damaged: a piece is missing or fails its checksum.
  Task<Result<std::string>> next(Loop& loop);

 private:
  ReaderPool& readers_;
  MailboxMessage message_;
  bool started_ = false;
  std::uint32_t chunks_ = 0, next_chunk_ = 0;
};

enum class QuotaAnswer { fits, full };

class Mailboxes {
 public:
  Mailboxes(const Directory& directory, Committer& committer, ReaderPool& readers);
  ~Mailboxes();

  // nullopt: somebody holds it.
  std::optional<MailboxLock> try_lock(const Address& mailbox);
  Task<Result<std::vector<MailboxMessage>>> list(Loop& loop, Address mailbox,
                                                 std::string folder = "INBOX");
  Task<Result<MailboxUsage>> usage(Loop& loop, Address mailbox, std::string folder = "INBOX");
  Task<Result<std::uint64_t>> octets(Loop& loop, Address mailbox);  // all folders
  // Would `octets` more fit into the user's quota? not_found: no such user. full: 452 4.2.2 or
  // 552 5.2.2. Two deliveries at once may both fit: a quota is a brake, not a wall.
  Task<Result<QuotaAnswer>> check_quota(Loop& loop, Address mailbox, std::uint64_t octets);
  MailboxReading open(MailboxMessage message);
  Task<Result<void>> remove(Loop& loop, MailboxRemove request);  // durable when it ends

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
