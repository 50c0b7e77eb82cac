// The journey of a message, as types. Read this first.
//
//   Caller -> Transaction -> Verdict -> Message -> Entry -> Route -> Lease -> Outcome -> Event
//
// A type moves forward only: each stage adds, none edits. A rewrite makes a new Message with a
// parent.
//   accept    net, inbound/admission  Caller       who connected, to what, over what
//   session   proto/smtp/server       Transaction  what they asked: grammar and order only
//   policy    inbound/policy          Verdict      accept, defer or reject, and the rule behind it
//   spool     intake -> queue         Message      made durable in ONE transaction, then 250
//   schedule  queue                   Entry        one recipient domain of one message, retry state
//   route     queue/route, outbound   Route        which hosts, what TLS, what transport
//   deliver   outbound/attempt        Lease        the right to try an entry until a time
//   result    attempt -> queue        Outcome      per recipient
//   event     store                   Event        written in the same transaction as its cause
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "mail/address.h"
#include "mail/bounce.h"
#include "mail/reply.h"

namespace goniec {

// ---------------------------------------------------------------- accept
struct IpAddress {  // IPv4 is kept as IPv4, an IPv4-mapped IPv6 address becomes IPv4
  std::array<std::uint8_t, 16> octets{};
  bool v6 = false;
  auto operator<=>(const IpAddress&) const = default;
  std::string text() const;  // "192.0.2.1", "2001:db8::1"
  static std::optional<IpAddress> parse(std::string_view text);
  bool is_loopback() const;
  bool is_private() const;  // RFC 1918, 4193, 6598, link-local, loopback, unspecified, multicast
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
  std::string text() const;  // "192.0.2.1:25", "[2001:db8::1]:25"
};

struct IpNetwork {  // "127.0.0.0/8", "2001:db8::/32", or one address
  IpAddress address;
  unsigned prefix = 0;
  static std::optional<IpNetwork> parse(std::string_view text);
  bool contains(const IpAddress& candidate) const;
};

enum class ListenerKind {
  mx,
  submission,
  submissions,
  lmtp,
  pop3,
  pop3s,
  imap,
  imaps,
  http,
  https,
  admin
};
std::string_view name_of(ListenerKind kind);
std::optional<ListenerKind> listener_kind_of(std::string_view name);

struct TlsFacts {
  std::string version;      // "TLSv1.3"
  std::string cipher;       // "TLS_AES_256_GCM_SHA384"
  std::string server_name;  // SNI
  bool resumed = false;
  std::string verified;  // "none", "dane", "mta_sts", "pkix"
};

struct Caller {
  Endpoint remote, local;  // after PROXY, what PROXY said
  ListenerKind listener = ListenerKind::mx;
  std::optional<Endpoint> proxy;  // the PROXY peer, when there was one
  std::optional<TlsFacts> tls;
  Instant connected_at{};
  bool trusted = false;  // the address is in the listener's `trust`
};

// ---------------------------------------------------------------- session
enum class BodyType { seven_bit, eight_bit };
enum class DsnReturn { unspecified, full, headers };
struct NotifyOptions {  // RFC 3461 §4.1; none of them set: not given
  bool never = false, success = false, failure = false, delay = false;
  bool given() const { return never || success || failure || delay; }
  bool wants_failure() const { return !given() || failure; }
  bool operator==(const NotifyOptions&) const = default;
  std::string text() const;  // "SUCCESS,FAILURE"
};

struct Sender {
  Address address;  // empty: <>
  std::optional<std::uint64_t> declared_size;
  BodyType body = BodyType::seven_bit;
  bool smtputf8 = false;
  DsnReturn ret = DsnReturn::unspecified;
  bool requiretls = false;  // RFC 8689 §2: onward over verified TLS alone
  std::optional<std::string>
      envelope_id;  // ENVID as given, xtext (never decoded into a line format)
};

struct Recipient {
  Address address;
  NotifyOptions notify;
  std::optional<std::string> original_recipient;  // ORCPT as given: "rfc822;xtext"
};

struct Login {
  Address user;           // the account
  std::string mechanism;  // "PLAIN"
};

struct Transaction {
  std::string helo;
  bool extended = false;  // EHLO or LHLO
  std::optional<Login> login;
  Sender sender;
  std::vector<Recipient> recipients;  // accepted ones
};

// ---------------------------------------------------------------- policy
struct Verdict {
  enum class Kind { accept, defer, reject } kind = Kind::accept;
  Reply reply;
  std::string rule;  // stable name of the rule that decided: "relay.denied", "recipient.unknown"
};

// ---------------------------------------------------------------- spool
enum class Source { smtp, submission, lmtp, sendmail, api, dsn, report };
std::string_view name_of(Source source);

// The content of a message on disk: prepend + header + body chunks. Lives while it has a holder.
struct Content {
  std::string prepend;  // trace fields we add, each line CRLF-ended
  std::string header;   // header block as received or fixed up, with the empty line at its end
  std::uint64_t body_octets = 0;
  std::uint32_t body_chunks = 0;  // of at most 64 KiB each
  std::uint32_t crc32c = 0;       // over header + body (not prepend)
  std::uint64_t size() const { return prepend.size() + header.size() + body_octets; }
};

struct Message {
  MessageId id;
  MessageId parent;  // 0: none. The message that this one rewrites or reports on
  Source source = Source::smtp;
  Sender sender;
  Instant received_at{};
  std::string message_id;         // Message-ID field without <>, for trace
  std::string submitter;          // account, "uid=33" for sendmail, "" for mx
  std::string stream;             // later: transactional, bulk
  std::uint8_t priority = 0;      // kept, no interface yet
  Instant not_before{};           // kept, no interface yet (scheduled release)
  bool requires_8bit = false;     // an octet above 127 in header or body
  bool tls_policies_off = false;  // RFC 8689 §3: the field TLS-Required: No
  bool verified_sender = false;   // authenticated or local: a DSN may be sent (no backscatter)
  Content content;
};

// ---------------------------------------------------------------- schedule
enum class RecipientState : std::uint8_t { queued, delivered, relayed, failed, expired, expanded };
std::string_view name_of(RecipientState state);

struct EntryRecipient {
  Recipient recipient;
  RecipientState state = RecipientState::queued;
  std::uint32_t tries = 0;
  bool delay_notified = false;
  std::string reply;  // last reply, one line ("" = none yet)
  std::string site;   // last host tried, "mx.wp.pl[212.77.101.4]:25"
};

enum class EntryState : std::uint8_t { due, leased, held, settled };

struct EntryId {
  MessageId message;
  std::uint32_t number = 0;  // from 0, unique in the message
  auto operator<=>(const EntryId&) const = default;
};

struct Entry {
  EntryId id;
  Domain domain;       // recipient domain; for local mailboxes the local domain
  bool local = false;  // goes to mailboxes of this store
  // What MAIL FROM names when an alias led out of the house: rewritten, or as it was
  // (docs/decisions/forwarding.md). Empty: the message's own sender.
  Address sender;
  std::vector<EntryRecipient> recipients;
  EntryState state = EntryState::due;
  Instant due{};
  Instant expires{};
  std::uint32_t tries = 0;
  std::uint8_t priority = 0;
};

// ---------------------------------------------------------------- deliver
struct Lease {
  EntryId entry;
  std::uint64_t fence = 0;  // a settle with an older fence is refused
};

// ---------------------------------------------------------------- result
struct Outcome {
  std::uint32_t recipient = 0;                    // index in Entry::recipients
  RecipientState state = RecipientState::queued;  // queued: deferred
  Reply reply;                                    // code 0: no reply, text says what happened
  std::string site;   // "mx.wp.pl[212.77.101.4]:25", "mailbox", "" before a host was chosen
  std::string route;  // the rule that chose the way: "mx", "route 2 (goniec.toml:41)", "local"
  std::string phase;  // "connect", "tls", "helo", "mail", "rcpt", "data", "dot", "route", "local"
  std::optional<TlsFacts> tls;
  std::string tls_required;  // what the connection had to be, and who said so; "": anything
  Duration delay_queue{}, delay_connect{}, delay_transmit{};
  std::optional<BounceVerdict> why;  // of what did not go well; the queue sets it
};

// ---------------------------------------------------------------- event
enum class EventKind : std::uint8_t {
  received,
  delivered,
  relayed,
  deferred,
  failed,
  expired,
  held,
  released,
  retried,
  deleted,
  delay_notice,
  dsn_sent,
  expanded,
  complained,    // a feedback report (RFC 5965) names it
  opened,        // an image of it was loaded
  clicked,       // a link of it was followed
  unsubscribed,  // its recipient left the stream
  suppressed,    // a recipient was not tried: see accounts/suppressions
  canceled,      // before it was due
  rescheduled,
  suppression_added,  // of an address in a stream
  suppression_removed,
  object_changed,  // a domain, key, template… was made, changed or removed
  webhook_disabled
};
std::string_view name_of(EventKind kind);
std::optional<EventKind> event_kind_of(std::string_view name);

struct Event {
  std::uint64_t sequence = 0;  // given by the store, gapless in commit order
  EventKind kind = EventKind::received;
  MessageId message;
  Instant at{};
  std::string recipient;  // "" when it concerns the whole message
  std::string data;       // JSON object: facts of the stage (rule, reply, site, tls, delays…)
};

}  // namespace goniec
