// A person reads mail by POP3 (RFC 1939): the session of one connection, from accept to close. It
// turns proto/pop3 (which decides what may be said) over a Stream, asks Logins and Mailboxes, and
// keeps time.
//
// Promises: one session holds a mailbox alone, in the whole process (RFC 1939 §8); the list is that
// of the moment of login, whatever is delivered after; a UIDL is the mailbox's validity and the
// message's uid, both for life; what DELE marked is removed, durably, before the +OK of QUIT, and
// only by QUIT. A message costs one piece of at most 256 KiB in memory, whatever its size; none
// when idle. Time: `idle` between commands (RFC 1939 §3 asks for ten minutes), `before_login` all
// together before a login, `session` in all; a client that does not read its answer is cut after
// `idle`. Passwords go by TLS only: STLS (RFC 2595), or pop3s. Failed logins are slowed down by
// Logins.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "accounts/login.h"
#include "accounts/mailbox.h"
#include "base/log.h"
#include "net/tls.h"
#include "proto/pop3.h"
#include "run/world.h"

namespace goniec {

struct Pop3Options {
  std::string hostname;
  std::string version;                    // CAPA IMPLEMENTATION; "": not told
  std::shared_ptr<const TlsContext> tls;  // null: no certificate
  bool login_without_tls = false;         // laboratories only
  Duration idle = std::chrono::minutes(10);
  Duration before_login = std::chrono::minutes(3);
  Duration session = std::chrono::hours(12);
  Duration tls_handshake = std::chrono::seconds(60);
  pop3::Limits limits;
};

struct Pop3Listener {
  ListenerKind kind = ListenerKind::pop3;  // or pop3s
  std::vector<IpNetwork> proxy_from;       // PROXY protocol is required from these
};

// May this address connect now? `ticket` is held while the session lives.
struct Pop3Admission {
  std::shared_ptr<void> ticket;
  std::string refusal;  // "" = come in; else why not, in words for the client
};

// What all sessions of a shard share.
struct Pop3Parts {
  World& world;
  Mailboxes& mailboxes;
  Logins& logins;
  Metrics& metrics;
  LogSink& log;
  std::function<std::shared_ptr<const Pop3Options>()> options;
  std::function<Pop3Admission(const IpAddress&)> admit;  // empty: all may
};

class Pop3Session {
 public:
  Pop3Session(Pop3Parts& parts, Pop3Listener listener, std::unique_ptr<Stream> stream);
  ~Pop3Session();
  Pop3Session(const Pop3Session&) = delete;
  Pop3Session& operator=(const Pop3Session&) = delete;
  Task<void> run();
  void shut_down();  // says so between two commands, and closes
  void abort();      // closes the stream: run() ends

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
