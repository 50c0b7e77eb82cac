// A person asks to be forgotten: what the house wrote down about an address loses it.
//
//   event log    recipient and data: the address becomes a pseudonym, keyed and therefore without
//                meaning outside this server; subject and metadata of the messages concerned go,
//                replies about it are cut to their codes, and where it sent: client, helo, login
//   projection   the same (store/search.h)
//   mailbox      only when asked: the letters in INBOX of the address
//   what stays   counts, which know no person; what is still in the queue, until it is delivered
//                or given up; suppressions, without which the person would be written to again
//                (docs/analytics.md says why, and what backups and the journal still hold)
//
// The pseudonym is the same each time, so that events of one message still belong together, and
// what comes later for the address can be erased as well. Doing it twice does no harm.
#pragma once
#include <functional>

#include "store/committer.h"

namespace goniec {

struct ErasureRequest {
  Address address;
  bool dry_run = false;
  bool mailbox = false;  // its letters too
};
struct ErasureReport {
  std::uint64_t events = 0, messages = 0;  // events and rows in which it stood
  std::uint64_t letters = 0;               // of the mailbox
  std::uint64_t queued = 0;                // messages that still wait for or from it: they stay
  std::string pseudonym;
};

// "erased-0123456789abcdef@erased.invalid"
std::string pseudonym_of(std::string_view key, const Address& address);
// The event without the address; nullopt: it does not stand in it. Damaged data that holds it
// becomes empty.
std::optional<Event> event_without(const Event& event, const Address& address,
                                   std::string_view pseudonym);

struct ErasureParts {
  Committer& committer;
  ReaderPool& readers;
  // Of the projection: how many rows. Null: there is none.
  std::function<Task<Result<std::uint64_t>>(std::string address, std::string by, bool dry_run)>
      projection;
};
Task<Result<ErasureReport>> erase_person(Loop& loop, ErasureParts parts, ErasureRequest request);

}  // namespace goniec
