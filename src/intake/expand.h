// From the recipients of an envelope to where copies really go: aliases resolved to depth 10 and at
// most 1,000 results a recipient, each final address once a message, loops end. Pure over a
// Directory. RFC 3461 §5.2.7: an alias with one target passes NOTIFY and ORCPT on; an alias with
// several is an expansion (Action: expanded for NOTIFY=SUCCESS) and its targets get NOTIFY without
// SUCCESS.
//
// An address of the Sender Rewriting Scheme that was made here (accounts/forwarding.h) is as an
// alias of one: of the sender who stands behind it.
#pragma once
#include <span>
#include <vector>

#include "accounts/directory.h"
#include "accounts/forwarding.h"
#include "mail/journey.h"

namespace goniec {

struct ExpandLimits {
  std::size_t depth = 10;
  std::size_t results = 1000;
};

struct FinalRecipient {
  // ORCPT is set to the envelope's address when an alias changed it and none was given.
  Recipient recipient;
  bool local = false;  // a mailbox of this store; else by route
  std::string rule;    // "user", "alias", "relay", "remote"…
  // Whose alias led to a server that is none of ours (Forwarding::domain_for); empty: none.
  Domain forwarded_by;
};
struct Expansion {
  std::vector<FinalRecipient> recipients;
  struct Expanded {
    Recipient recipient;
    std::vector<Address> targets;
  };
  std::vector<Expanded> expanded;  // aliases to several
  bool returns = false;            // a recipient is an SRS address of ours
  // The first domain that forwards; empty: nothing leaves by an alias.
  Domain forwarded_by() const;
};
// A return address that names a message, and its sender, which who took the recipient looked up.
struct KnownReturn {
  Address recipient, sender;
};
// Who knows in whose name mail leaves, and reads SRS addresses; null: nobody, and nothing is
// forwarded.
struct ForwardingDoor {
  const Forwarding* forwarding = nullptr;
  ForwardingOptions options;
  Instant now{};
  std::span<const KnownReturn> known = {};
};
// bad_data: too deep or too many (names the alias): 550 5.4.6 / 5.2.4.
Result<Expansion> expand_recipients(const Directory& directory,
                                    const std::vector<Recipient>& recipients, ExpandLimits limits,
                                    const ForwardingDoor& door = {});

}  // namespace goniec
