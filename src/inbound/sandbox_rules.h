// What the receiver of the sandbox answers to whom: one table, by the local part before '+'. Every
// other recipient is accepted. Pure; the receiver (sandbox.h) says it on the wire.
//
// | local part       | what happens                                           | class         |
// |------------------|--------------------------------------------------------|---------------|
// | hard             | 550 5.1.1 at RCPT                                      | bad_mailbox   |
// | soft             | 452 4.2.2 at RCPT, each time                           | mailbox_full  |
// | greylist         | 451 4.7.1 at RCPT, once a sender and recipient         | greylisted    |
// | mailboxfull      | 550 5.2.2 at RCPT                                      | mailbox_full  |
// | blocked          | 554 5.7.1 at RCPT, a blocklist                         | ip_blocklisted |
// | ratelimit, rate  | 421 4.7.28 at RCPT, beyond `rate` in `rate_time`       | rate_limited  |
// | spam             | 550 5.7.1 at the end of the message                    | content       |
// | toobig           | 552 5.3.4 at the end of the message                    | too_big       |
// | slow             | accepted after `slow`                                  |               |
// | latebounce       | accepted, then a notification 5.1.1                    | bad_mailbox   |
// | complaint        | accepted, then a feedback report                       | complained    |
// | ooo, autoreply   | accepted, then an automatic answer                     | auto_reply    |
// `suppressed` is left out before it comes here (intake/draft.h).
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "mail/address.h"
#include "mail/reply.h"
#include "run/world.h"

namespace goniec {

struct SandboxLimits {
  unsigned rate = 2;  // messages to ratelimit@
  Duration rate_time = std::chrono::minutes(1);
  Duration slow = std::chrono::seconds(10);
  Duration after = std::chrono::seconds(1);  // until what follows a delivery
  std::size_t remembered = 10'000;           // pairs that were greylisted
  std::size_t kept_octets = 64 * 1024;       // of a message: for what is sent back
  std::size_t line_octets = 8192;
  std::size_t connections = 100;
  Duration idle = std::chrono::minutes(5);
};

enum class SandboxSequel { none, late_bounce, complaint, auto_reply };

// At RCPT: what is answered, and at the end of the message.
struct SandboxAnswer {
  Reply at_rcpt{250, {2, 1, 5}, "Ok"};
  Reply at_end{250, {2, 0, 0}, "Ok: the sandbox has it"};
  Duration wait{};
  SandboxSequel sequel = SandboxSequel::none;
};

class SandboxRules {
 public:
  SandboxRules(Domain domain, SandboxLimits limits) : domain_(std::move(domain)), limits_(limits) {}
  SandboxAnswer answer(const Address& sender, const Address& recipient, Instant now);

 private:
  bool was_greylisted(const Address& sender, const Address& recipient);
  bool is_over_rate(Instant now);
  Domain domain_;
  SandboxLimits limits_;
  std::map<std::string, unsigned> greylisted_;
  Instant rate_began_{};
  unsigned rate_count_ = 0;
};

// What a magic recipient sends back: whole messages, header and body, CRLF lines.
struct SandboxSequelFacts {
  Address sender, recipient;  // of the envelope that was accepted
  std::string_view original;  // its header at least
  std::string_view hostname;
  std::string_view seed;  // of boundaries and ids
  Instant at{};
};
std::string sandbox_notification(const SandboxSequelFacts& facts);
std::string sandbox_complaint(const SandboxSequelFacts& facts);
std::string sandbox_auto_reply(const SandboxSequelFacts& facts);

}  // namespace goniec
