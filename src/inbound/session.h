// One SMTP or LMTP connection: drives the sans-I/O ServerSession over a Stream and answers what it
// asks.
//
//   Stream -> bytes -> ServerSession -> Ask -> policy, directory, logins, Draft -> answer -> bytes
//
// Deadlines: a command must be complete `idle` after the last one; a message must come at least at
// `minimum_rate`; a session lasts `session` at most. A cut is told by 421 4.4.2. Buffers: one read
// buffer (2 KiB between messages, 16 KiB inside one), the session's own input (bounded by its
// limit), and the Draft's (bounded, charged to Admission as they grow). Facts of connect, identify
// and envelope ride inside Received.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "accounts/login.h"
#include "base/log.h"
#include "base/metrics.h"
#include "inbound/admission.h"
#include "inbound/checks.h"
#include "intake/draft.h"
#include "net/tls.h"
#include "proto/smtp/server.h"
#include "queue/queue.h"
#include "run/world.h"

namespace goniec {

struct InboundOptions {  // immutable; a reload makes a new one for new sessions
  std::string hostname;
  IntakeOptions intake;
  smtp::ServerLimits limits;
  smtp::LineEndPolicy bare_lf_on_mx = smtp::LineEndPolicy::reject;
  std::vector<IpNetwork> bare_lf_from;  // normalise for these on mx
  Duration idle = std::chrono::minutes(5);
  Duration session = std::chrono::hours(2);
  Duration tls_handshake = std::chrono::seconds(60);
  std::uint64_t minimum_rate = 1000;           // octets a second of a message, after `idle`
  std::shared_ptr<const TlsContext> tls;       // null: no certificate
  std::shared_ptr<const CheckOptions> checks;  // null: strangers are not checked
};

struct ListenerOptions {
  ListenerKind kind = ListenerKind::mx;
  std::vector<IpNetwork> trust, proxy_from;
};

// What all sessions of a shard share.
struct InboundParts {
  World& world;
  Queue& queue;
  const Directory& directory;
  Logins& logins;
  Admission& admission;
  Metrics& metrics;
  LogSink& log;
  std::function<std::shared_ptr<const InboundOptions>()> options;
  std::function<StoreHealth()> store_health;
  // Over quota now? And: asks the next hop about a recipient of a relay domain (app wires it to
  // outbound).
  std::function<Task<bool>(Address mailbox, std::uint64_t octets)> is_over_quota;
  std::function<Task<Reply>(Address recipient)> verify_recipient;
  std::function<void(const JudgedMessage&)> judged;  // may be unset
  DnsSilence dns_silence = {};
};

class SmtpSession {
 public:
  SmtpSession(InboundParts& parts, ListenerOptions listener, std::unique_ptr<Stream> stream);
  ~SmtpSession();
  Task<void> run();
  void shut_down();  // 421 4.3.2 at the next place between transactions
  void abort();      // closes the stream: run() ends

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
