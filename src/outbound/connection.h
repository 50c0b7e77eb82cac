// One outgoing connection: a Stream, its ClientSession, and the steps between them.
//
//   open()  connect -> (TLS at once) -> greeting, EHLO, STARTTLS, login -> Ready     or Refused
//   run()   drives the session until it is Ready, Done, NeedBody, Failed or Close
//
// Timeouts by phase (RFC 5321 §4.5.3.2). A TLS handshake that fails under an opportunistic policy
// is told as Refused{tls_failed}: the caller may try the same host once more in clear, for this
// attempt only (SEMANTICS: a downgrade lasts one attempt).
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "mail/journey.h"
#include "net/tls.h"
#include "outbound/dispatcher.h"
#include "outbound/hosts.h"
#include "proto/smtp/client.h"
#include "run/world.h"

namespace goniec {

struct Refused {
  Reply reply;              // code 0: no reply
  std::string phase;        // "connect", "tls", "greeting", "helo", "auth"
  bool tls_failed = false;  // opportunistic TLS broke: clear text may be tried
};

enum class ClearText { as_route_says, this_once };

class OutgoingConnection {
 public:
  OutgoingConnection(World& world, std::shared_ptr<const DispatcherOptions> options,
                     const Route& route, HostAddress host, std::shared_ptr<const TlsContext> tls);
  Task<std::optional<Refused>> open(ClearText clear);  // nothing: Ready
  Task<smtp::client::Step> run();                      // Ready, NeedBody, Done, Failed or Close
  smtp::ClientSession& session() { return *session_; }
  const HostAddress& host() const { return host_; }
  std::string site() const;  // "mx.wp.pl[212.77.101.4]:25"
  std::optional<TlsFacts> tls() const { return session_ ? session_->tls() : std::nullopt; }
  Duration opened_in() const { return opened_in_; }
  Task<void> quit();  // QUIT, its reply, close

 private:
  smtp::ClientOptions client_options(ClearText clear) const;
  Task<Result<void>> start_tls();
  void gather(std::string bytes);
  Duration timeout_of(smtp::Phase phase) const;

  World& world_;
  std::shared_ptr<const DispatcherOptions> options_;  // of its time: a reload makes new ones
  Route route_;
  HostAddress host_;
  std::shared_ptr<const TlsContext> tls_context_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<smtp::ClientSession> session_;
  std::string buffer_;
  std::string gathered_;  // to be written with what follows
  Duration opened_in_{};
  bool handshake_failed_ = false;
};

// The first host of the list that a session can be opened to; what an opportunistic TLS broke is
// tried once more in clear. None: `failure` holds the last host's reply, phase and site, `failed`
// when every host refuses all mail (RFC 7504), else `queued`.
struct ConnectPlan {
  const Route& route;
  const HostList& hosts;
  bool only_ipv4 = false;
};
Task<std::unique_ptr<OutgoingConnection>> connect_to_first(
    World& world, std::shared_ptr<const DispatcherOptions> options, ConnectPlan plan,
    std::shared_ptr<const TlsContext> tls, const bool& stopping, Outcome& failure);

// The list of a transport that asks no DNS: a socket of this machine.
HostList unix_hosts(const Route& route);

}  // namespace goniec
