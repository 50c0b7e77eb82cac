// The client side of SMTP and LMTP without I/O (RFC 5321, 2033, 2920, 3030, 3207, 3461, 4954, 6152,
// 6531). One session may carry many transactions; one transaction serves many recipients.
//
//   next() -> Step
//     Send{bytes}            write it (pipelined commands come in one Send where PIPELINING was
//     offered) NeedInput{phase}       read; the phase names the timeout that applies (RFC 5321
//     §4.5.3.2) StartTls               start the handshake, then tls_started(facts) or
//     tls_failed(why) Ready                  greeted, in TLS if it was to be, logged in: begin() or
//     quit() NeedBody               give the next octets: body(chunk, last). They are dot-stuffed
//     or sent in BDAT;
//                            bare CR, bare LF and NUL never leave (sanitised: SEMANTICS "never send
//                            one")
//     Done{results}          the transaction is over: one result for each recipient, in order
//     Failed{reply, phase}   the session is over before or between transactions; all recipients of
//     a
//                            transaction that was open got their result in a Done before
//     Close                  close the stream (after quit, after 421, after Failed)
//
// Peers lie: replies are bounded (limits), multi-line codes that differ, text of any octets, an
// early 221 or 421 anywhere, a close at any place. No success is ever reported without a 2xx to the
// final dot. A reply that nobody asked for ends the session: who answers before the question may
// not be believed after it. What was buffered in clear is dropped at STARTTLS. No login over clear
// text unless `login_in_clear`, none over unverified TLS unless `login_unverified`.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mail/journey.h"
#include "proto/sasl.h"

namespace goniec::smtp {

enum class ClientTls { none, opportunistic, required, active };  // active: implicit TLS, already up

struct ClientLimits {
  std::size_t reply_octets = 64 * 1024;  // a whole reply
  std::size_t reply_lines = 500;
  std::size_t line_octets = 8 * 1024;
  std::size_t recipients_transaction = 100;  // unless LIMITS RCPTMAX says less (RFC 9422)
};

struct ClientLogin {
  std::string user;
  Secret password;
};

struct ClientOptions {
  std::string hostname;  // for EHLO
  bool lmtp = false;
  ClientTls tls = ClientTls::opportunistic;
  std::optional<ClientLogin> login;
  bool login_in_clear = false;    // only for a laboratory or a loopback relay with tls = "none"
  bool login_unverified = false;  // log in though nobody verified the certificate
  std::string client_nonce;       // for SCRAM
  ClientLimits limits;
};

struct Extensions {  // what EHLO offered
  bool pipelining = false, chunking = false, eight_bit = false, smtputf8 = false, dsn = false,
       starttls = false, enhanced_codes = false, requiretls = false;
  std::optional<std::uint64_t> size;  // 0: no limit told
  std::vector<std::string> mechanisms;
  std::optional<std::size_t> max_recipients;  // LIMITS RCPTMAX
  std::optional<std::size_t> max_mails;       // LIMITS MAILMAX
};

struct ClientTransaction {
  Sender sender;
  std::vector<Recipient> recipients;  // at most what capacity() says
  std::uint64_t size = 0;             // octets of the message
  bool eight_bit = false;             // content has octets above 127
  // Ask only: MAIL, RCPT, RSET. Each result is the reply to RCPT; a positive one stays `queued`.
  bool probe = false;
};

struct ClientResult {
  RecipientState state =
      RecipientState::queued;  // delivered; relayed (no DSN offered); failed; queued = deferred
  Reply reply;                 // code 0: connection lost; text says so
  std::string phase;           // "mail", "rcpt", "data", "dot"
  bool uncertain = false;      // lost between the final dot and its reply: a retry may duplicate
};

enum class Phase { greeting, helo, starttls, auth, mail, rcpt, data, body, dot, reset, quit };
std::string_view name_of(Phase phase);

namespace client {
struct Send {
  std::string bytes;
};
struct NeedInput {
  Phase phase = Phase::greeting;
};
struct StartTls {};
struct Ready {};
struct NeedBody {};
struct Done {
  std::vector<ClientResult> results;
};
struct Failed {
  Reply reply;
  Phase phase = Phase::greeting;
};  // reply code 0: no reply
struct Close {};
using Step = std::variant<Send, NeedInput, StartTls, Ready, NeedBody, Done, Failed, Close>;
}  // namespace client

class ClientSession {
 public:
  explicit ClientSession(ClientOptions options);
  ~ClientSession();
  ClientSession(ClientSession&&) noexcept;
  ClientSession& operator=(ClientSession&&) noexcept;

  client::Step next();
  void receive(std::string_view bytes);
  void receive_end(std::string why);  // closed, reset, timeout: why, for the diagnostic
  void tls_started(TlsFacts facts);   // after StartTls; ClientTls::active: before the first next()
  void tls_failed(std::string why);
  void begin(ClientTransaction transaction);     // REQUIRES Ready
  void body(std::string_view chunk, bool last);  // REQUIRES NeedBody
  void abort_body();  // the content cannot be read: end without sending the dot
  void quit();        // REQUIRES Ready

  const Extensions& extensions() const;
  const std::string& greeting() const;  // the peer's name in its greeting
  const std::optional<TlsFacts>& tls() const;
  const std::optional<Reply>& starttls_refused()
      const;                     // opportunistic: the session went on in clear
  std::size_t capacity() const;  // recipients a transaction may carry now

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec::smtp
