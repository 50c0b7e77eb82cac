// One outgoing connection: a Stream, its ClientSession, and the steps between them.
//
//   open()  connect -> (TLS at once) -> greeting, EHLO, STARTTLS, login -> Ready     or Refused
//   run()   drives the session until it is Ready, Done, NeedBody, Failed or Close
//
// Timeouts by phase (RFC 5321 §4.5.3.2). What TLS must be is a TlsRequirement (trust/): after the
// handshake the chain that was shown is judged by it, and nothing of a message, not even EHLO, goes
// over a connection that is less. A TLS handshake that fails under an opportunistic requirement is
// told as Refused{tls_failed}: the caller may try the same host once more in clear, for this
// attempt only (SEMANTICS: a downgrade lasts one attempt). How each session went is told to
// OutboundTls::on_session.
//
// At an end of the server only a connection that carries content is waited for: its peer may have
// the message before the answer is here. All others are given up where they are.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "mail/journey.h"
#include "net/tls.h"
#include "outbound/dispatcher.h"
#include "outbound/hosts.h"
#include "outbound/outbound_tls.h"
#include "outbound/transcript.h"
#include "proto/smtp/client.h"
#include "run/world.h"

namespace goniec {

struct Refused {
  Reply reply;              // code 0: no reply
  std::string phase;        // "connect", "tls", "greeting", "helo", "auth"
  bool tls_failed = false;  // opportunistic TLS broke: clear text may be tried
  bool permanent = false;   // no later try can be better (RFC 8689 §4.2.1)
};

enum class ClearText { as_route_says, this_once };

class OutgoingConnection;

// All connections of one who opens them, so that they can be given up together.
class OpenConnections {
 public:
  void give_up();  // what carries no content; from now on connect_to_first() tries no other host
  bool given_up() const { return given_up_; }

 private:
  friend class OutgoingConnection;
  std::set<OutgoingConnection*> all_;
  bool given_up_ = false;
};

class OutgoingConnection {
 public:
  OutgoingConnection(World& world, std::shared_ptr<const DispatcherOptions> options,
                     const Route& route, HostAddress host, std::shared_ptr<const OutboundTls> tls,
                     TlsRequirement need, OpenConnections& all);
  ~OutgoingConnection();
  OutgoingConnection(const OutgoingConnection&) = delete;
  OutgoingConnection& operator=(const OutgoingConnection&) = delete;
  Task<std::optional<Refused>> open(ClearText clear);  // nothing: Ready
  Task<smtp::client::Step> run();                      // Ready, NeedBody, Done, Failed or Close
  smtp::ClientSession& session() { return *session_; }
  const HostAddress& host() const { return host_; }
  std::string site() const;  // "mx.wp.pl[212.77.101.4]:25"
  std::optional<TlsFacts> tls() const { return session_ ? session_->tls() : std::nullopt; }
  std::string tls_required() const;  // Outcome::tls_required
  Duration opened_in() const { return opened_in_; }
  void
  give_up();  // unless it carries content: what it waits for fails; one that is idle may quit()
  bool was_given_up() const { return was_given_up_; }
  Transcript& transcript() { return transcript_; }
  Task<void> quit();  // QUIT, its reply, close

 private:
  smtp::ClientOptions client_options(ClearText clear) const;
  struct Dial;
  Task<Result<std::unique_ptr<Stream>>> connect(Moment deadline);
  Task<Result<void>> start_tls();
  Result<void> judge(TlsStream& secured);
  Refused refused_for_tls(smtp::client::Failed failed, bool opportunistic);
  std::optional<Refused> judge_open_session();
  TlsJudgement judge_without_tls() const;
  void tell(TlsFault fault, std::string why, bool encrypted) const;
  void gather(std::string bytes);
  void write_down(std::string_view bytes, std::optional<smtp::Phase> waits_in);
  void write_down_tls();
  bool writes_down() const { return static_cast<bool>(options_->keep_transcript); }
  Duration timeout_of(smtp::Phase phase) const;

  World& world_;
  std::shared_ptr<const DispatcherOptions> options_;  // of its time: a reload makes new ones
  Route route_;
  HostAddress host_;
  std::shared_ptr<const OutboundTls> tls_;
  TlsRequirement need_;
  std::optional<TlsRefusal> refusal_;  // of the chain that was shown
  std::string handshake_error_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<smtp::ClientSession> session_;
  std::string buffer_;
  std::string gathered_;  // to be written with what follows
  Transcript transcript_;
  Duration opened_in_{};
  bool handshake_failed_ = false;
  OpenConnections& all_;
  std::shared_ptr<Dial> dial_;           // while it connects
  Stream* in_handshake_ = nullptr;       // the stream below, while TLS begins
  std::optional<smtp::Phase> waits_in_;  // for a reply
  bool carries_content_ = false, was_given_up_ = false;
};

// The first host of the list that a session can be opened to; what an opportunistic TLS broke is
// tried once more in clear. None: `failure` holds the last host's reply, phase and site, `failed`
// when every host refuses all mail (RFC 7504), else `queued`; `transcript` what all of them said.
struct ConnectPlan {
  const Route& route;
  const HostList& hosts;
  MessageTlsWish wish = {};
  bool only_ipv4 = false;
  std::string* transcript = nullptr;
};
Task<std::unique_ptr<OutgoingConnection>> connect_to_first(
    World& world, std::shared_ptr<const DispatcherOptions> options, ConnectPlan plan,
    std::shared_ptr<const OutboundTls> tls, OpenConnections& all, Outcome& failure);

// The list of a transport that asks no DNS: a socket of this machine.
HostList unix_hosts(const Route& route);

}  // namespace goniec
