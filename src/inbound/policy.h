// The pure table from facts to verdicts (HOUSE §4): who may relay, which recipient is taken, whose
// address may be used. Every verdict names its rule. No I/O, no state.
//
//   recipient, first match wins:
//     srs.return           an address of ours stands for a sender (accounts/forwarding) 250 2.1.5
//     srs.wait             so, but for whom cannot be read now                    451 4.3.0
//     srs.forged           it was not made here, or changed on its way            550 5.1.1
//     srs.expired          it is older than forward.srs_valid                     550 5.1.1
//     srs.malformed        it has not the form                                    550 5.1.3
//     recipient.unsubscribe  a recipient of ours writes to get no more (intake/bulk) 250 2.1.5
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
//   content of a stranger (inbound/checks), first match wins; its way: [trust] and [[override]]:
//     dmarc.authors        From names more domains than are looked at             550 5.7.1
//     dmarc.reject         a domain of From asks for it, and its way is apply     550 5.7.1
//     spf.fail             SPF fails, its way is reject, and DMARC does not pass  550 5.7.23
//     dmarc.temporary      what a domain asks for could not be learned            451 4.7.1, taken
//     dmarc.quarantine     a domain of From asks for it                           junk
//     dmarc.arc            one of these, but a trusted sealer saw it pass         taken
//     dmarc.observed       one of these, and its way is observe                   taken
//     dmarc.none, dmarc.pass, dmarc.fail (of p=none), dmarc.no_author, dmarc.off  taken
//   and over it all, for a caller of a private network whose way is observe:
//     private.observed     what would have been refused, deferred or junk         taken
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "accounts/directory.h"
#include "mail/journey.h"
#include "trust/dmarc.h"
#include "trust/spf.h"
#include "trust/srs.h"

namespace goniec {

struct RecipientFacts {
  const Address& address;
  ListenerKind listener;
  bool logged_in = false;
  bool trusted = false;
  RecipientKind kind = RecipientKind::remote;
  bool over_quota = false;
  std::optional<Reply> verified;  // kind verify: what the next hop said
  std::optional<SrsStatus> srs;   // it is an address of forwarding's (accounts/forwarding.h)
  bool store_silent = false;      // and whose, cannot be read now
  bool unsubscribe = false;       // it takes a recipient's wish (intake/bulk.h)
};
Verdict judge_recipient(const RecipientFacts& facts);

struct SenderFacts {
  const Sender& sender;
  bool logged_in = false;
  bool may_send_as = true;
  bool disk_full = false;
};
Verdict judge_sender(const SenderFacts& facts);

enum class DmarcWay { apply, observe, off };
enum class SpfWay { observe, reject };
enum class TemporaryWay { accept, defer };
enum class JunkWay { folder, mark };
// A caller whose address nobody outside has (IpAddress::is_private): SPF says little of it.
enum class PrivateWay { observe, apply, skip };
struct TrustOverride {
  std::vector<std::string> domains;  // patterns, as of a route
  std::optional<DmarcWay> dmarc;
  std::optional<SpfWay> spf;
};
struct TrustPolicy {
  DmarcWay dmarc = DmarcWay::apply;
  SpfWay spf = SpfWay::observe;
  TemporaryWay temporary = TemporaryWay::accept;
  PrivateWay private_callers = PrivateWay::observe;
  std::vector<TrustOverride> overrides;  // the first that names the domain, and the way
  std::vector<std::string> arc_trusted;  // sealers whose word counts

  DmarcWay dmarc_for(std::string_view domain) const;
  SpfWay spf_for(std::string_view domain) const;
  bool trusts_sealer(std::string_view domain) const;
  bool looks_at(const IpAddress& client) const;       // is it judged at all
  bool only_observes(const IpAddress& client) const;  // judged, and nothing comes of it
};

struct ContentFacts {
  IpAddress client;
  const SpfVerdict& spf;
  std::vector<DmarcVerdict> dmarc;  // one a domain of From
  bool too_many_authors = false;
  bool no_author = false;      // From names no domain; else an empty `dmarc` is one that is off
  std::string dkim;            // for people: "no signature", "fail for example.org (body hash)"
  std::string trusted_sealer;  // whose intact chain says that DMARC passed; "" none
};
struct ContentVerdict {
  Verdict verdict;
  bool junk = false;
  std::string domain;  // whose wish or record decided; "" none
};
ContentVerdict judge_content(const ContentFacts& facts, const TrustPolicy& policy);

}  // namespace goniec
