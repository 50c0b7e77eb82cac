// What one event makes of a message's row: pure, on values that the day's file gives and takes.
//
//   queued --deferred--> deferred --delivered--> delivered --complained--> complained
//     |  \--held--> held --released--> queued      (scheduled: queued until its time)
//     \--failed, expired, suppressed, deleted, canceled
// A rescheduled message is scheduled again.
//
// An event without a recipient means all that are not at an end yet (of `domain`, when it names
// one). What came to an end may still be bounced (a notice that came later) or complained about.
#pragma once
#include <map>

#include "store/search.h"

namespace goniec {

struct FoldedRecipient {
  MailStatus status = MailStatus::queued;
  Instant at{};
  Instant next_at{};
  std::uint32_t tries = 0;
  std::string provider, reply, site, klass;
  bool changed = true, gone = false;  // gone: replaced by what it expands to
};

struct FoldedMessage {
  // As the row has it, or as `received` said.
  Instant at{};
  SearchMessage facts;
  // What events change.
  MailStatus status = MailStatus::queued;
  Instant last_at{};
  std::uint64_t recipient_count = 0, opens = 0, clicks = 0;
  std::array<std::uint32_t, mail_statuses> states{};  // recipients in each
  std::string provider, reply, klass;
  std::vector<std::string> new_providers;  // beside those the file knows

  std::map<std::string, FoldedRecipient> recipients;  // those at hand
  bool all_at_hand = false;
  bool is_new = false, changed = false, words_changed = false;
};

// Whether the event is about all recipients: they must be at hand then, else its own.
bool concerns_all(const SearchChange& change);
void fold(FoldedMessage& message, const SearchChange& change);
// Counts and status by the recipients. REQUIRES all at hand.
void recount(FoldedMessage& message);
// As a list shows it.
SearchRow row_of(MessageId id, FoldedMessage&& message, const SearchLimits& limits);

}  // namespace goniec
