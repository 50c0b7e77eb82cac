// Final delivery to mailboxes of this store: an outcome and a mailbox append for each recipient,
// which the queue writes in the settle's one transaction. Checks that the mailbox (still) exists
// and its quota: over quota is deferred (452 4.2.2), gone is failed (550 5.1.1). Adds Return-Path
// and Delivered-To. What intake marked as junk (mail/trace.h) goes to the folder Junk. Delivered-To
// of the same mailbox already in the header: a loop, 554 5.4.6.
#pragma once
#include <memory>

#include "accounts/directory.h"
#include "queue/queue.h"
#include "run/world.h"

namespace goniec {

class LocalDelivery {
 public:
  LocalDelivery(const Directory& directory, ReaderPool& readers, Queue& queue, Loop& loop);
  Task<void> deliver(ReadyEntry entry);  // settles

 private:
  Task<Reply> place(const ReadyEntry& ready, const Address& recipient, std::string_view header);

  const Directory& directory_;
  ReaderPool& readers_;
  Queue& queue_;
  Loop& loop_;
};

}  // namespace goniec
