// The pure table from facts to verdicts (HOUSE §4): who may relay, which recipient is taken, whose
// address may be used. Every verdict names its rule. No I/O, no state.
//
//   recipient, first match wins:
//     recipient.unknown    our domain, nobody of that name                        550 5.1.1
//     recipient.quota      the mailbox is full                                    452 4.2.2
//     recipient.local      a mailbox or an alias here                             250 2.1.5
//     relay.domain         a relay domain takes it                                250 2.1.5
//     recipient.verify_*   a relay domain asked its next hop                      as that said
//     relay.login          the caller logged in                                   250 2.1.5
//     relay.trusted        the caller's address is in the listener's `trust`      250 2.1.5
//     relay.denied         everything else                                        554 5.7.1
//   sender, first match wins:
//     sender.ownership     logged in, and the address is not the account's        553 5.7.1
//     sender.full_disk     no room for mail                                       452 4.3.1
//     sender.ok                                                                   250 2.1.0
#pragma once
#include <optional>

#include "accounts/directory.h"
#include "mail/journey.h"

namespace goniec {

struct RecipientFacts {
  const Address& address;
  ListenerKind listener;
  bool logged_in = false;
  bool trusted = false;
  RecipientKind kind = RecipientKind::remote;
  bool over_quota = false;
  std::optional<Reply> verified;  // kind verify: what the next hop said
};
Verdict judge_recipient(const RecipientFacts& facts);

struct SenderFacts {
  const Sender& sender;
  bool logged_in = false;
  bool may_send_as = true;
  bool disk_full = false;
};
Verdict judge_sender(const SenderFacts& facts);

}  // namespace goniec
