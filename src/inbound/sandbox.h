// The receiver of the sandbox: a mail server on a unix socket of this machine (LMTP, RFC 2033), to
// which the real client of outbound brings what must not leave. It keeps nothing. Magic recipients
// refuse, defer, and answer (sandbox_rules.h); what they send back enters as mail from elsewhere
// does, through intake. So every event of such a message is a true one.
//
// Speaks what the client uses: LHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT; one command at a time.
// Lives on one loop.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "inbound/sandbox_rules.h"
#include "intake/draft.h"

namespace goniec {

struct SandboxParts {
  World& world;
  Queue& queue;
  const Directory& directory;
  LogSink& log;
  std::function<IntakeOptions()> intake;
};

class Sandbox {
 public:
  Sandbox(SandboxParts parts, Domain domain, SandboxLimits limits = {});
  // Listens at `path` (0600). start() spawns; stop() before the end.
  Result<void> start(const std::string& path);
  Task<void> stop();

 private:
  struct Envelope;
  struct Session;
  Task<void> accept_loop();
  Task<void> serve(std::unique_ptr<Stream> stream);
  Task<bool> obey(Session& session, std::string line);
  Task<bool> take_message(Session& session);
  Task<void> send_back(SandboxSequel sequel, Address sender, Address recipient,
                       std::string original);
  Task<Address> owner_of(Address sender, std::vector<KnownReturn>& returns);

  SandboxParts parts_;
  SandboxLimits limits_;
  SandboxRules rules_;
  std::unique_ptr<Listener> listener_;
  std::vector<Stream*> streams_;
  std::size_t running_ = 0;
  std::uint64_t serial_ = 0;
  bool stopping_ = false;
  Signal changed_;
};

}  // namespace goniec
