// TLS as a sans-I/O engine on OpenSSL, and a Stream over a Stream made of it.
//
// It promises: TLS 1.2 at least; no compression, no renegotiation; SNI picks the certificate; ALPN
// that names only foreign protocols ends the handshake with no_application_protocol (RFC 7301 §3.2,
// against ALPACA), no ALPN is fine; resumption in both roles; buffers exist only while bytes are in
// flight. A TCP end without close_notify is an error (truncation, RFC 8446 §6.1), never a clean
// end. Contexts are immutable and shared: a reload makes new ones, sessions keep theirs.
//
// It does not judge: a client that verifies by DANE or MTA-STS takes peer_chain() to trust/.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/journey.h"
#include "run/world.h"

namespace goniec {

struct TlsCertificate {  // PEM texts: the chain begins with the server's own certificate
  std::string chain_pem, key_pem;
};
Result<TlsCertificate> read_certificate(Disk& disk, const std::string& chain_path,
                                        const std::string& key_path);
// ECDSA P-256, for these names (DNS names or IP addresses), valid from an hour ago.
Result<TlsCertificate> make_self_signed(const std::vector<std::string>& names, unsigned days);

struct TlsCertificateFacts {
  std::vector<std::string> names;
  Instant not_before{}, not_after{};
  std::string public_key_sha256;  // 32 octets, of SubjectPublicKeyInfo: TLSA "3 1 1"
};
Result<TlsCertificateFacts> facts_of(const std::string& chain_pem);  // of its first certificate

enum class TlsTrust { none, system, given };
struct TlsClientTrust {
  TlsTrust roots = TlsTrust::none;
  std::string given_pem;  // for TlsTrust::given; beside the system's: more roots
};

class TlsContext {
 public:
  // REQUIRES at least one certificate. The first serves callers who name nobody or somebody
  // unknown.
  static Result<std::shared_ptr<const TlsContext>> server(
      const std::vector<TlsCertificate>& certificates);
  static Result<std::shared_ptr<const TlsContext>> client(const TlsClientTrust& trust = {});
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  struct State;
  const State& state() const { return *state_; }  // for net/tls only

 private:
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

enum class TlsVerify { none, pkix };
struct TlsOptions {
  std::string protocol;     // ALPN: "smtp", "pop3", "imap", "http/1.1"; "": not looked at
  std::string server_name;  // client: SNI, and the name that pkix verifies
  TlsVerify verify = TlsVerify::none;  // client
  std::string session_key;  // client: resume an earlier session kept under this key; "": never
};

class TlsEngine {
 public:
  enum class State { handshaking, open, closed, failed };  // closed: the peer said close_notify
  TlsEngine(std::shared_ptr<const TlsContext> context, TlsOptions options);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  void feed(std::string_view ciphertext);  // from the wire
  void feed_end();                         // the wire ended
  bool has_ciphertext() const;
  std::string take_ciphertext();  // for the wire; also after a failure: the alert

  State advance();  // the handshake, as far as the bytes allow
  State state() const;
  // Plaintext: 0 octets means more ciphertext is needed, or (state closed) that the peer ended.
  Result<std::size_t> read(std::span<char> into);
  bool can_read();                                 // read() would give octets, the end or an error
  Result<void> write(std::string_view plaintext);  // all of it, into ciphertext
  void close_notify();

  const Error& error() const;  // when failed
  TlsFacts facts() const;      // verified: "none", or "pkix" when that was asked and passed
  std::string negotiated_protocol() const;
  std::vector<std::string> peer_chain() const;  // DER, as sent, the peer's own first
  // RFC 9266 tls-exporter (32 octets), for SCRAM-PLUS; "" when this connection has none.
  std::string channel_binding() const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

class TlsStream : public Stream {
 public:
  virtual TlsFacts facts() const = 0;
  virtual std::string negotiated_protocol() const = 0;
  virtual std::vector<std::string> peer_chain() const = 0;
  virtual std::string channel_binding() const = 0;
};

// The handshake over `plain`, which the new stream owns. It ends by `deadline`, which stays the
// stream's deadline until it is moved. Failure: bad_data with what TLS said, closed or timed_out;
// `plain` is then closed, after the alert.
Task<Result<std::unique_ptr<TlsStream>>> start_tls_server(std::unique_ptr<Stream> plain,
                                                          std::shared_ptr<const TlsContext> context,
                                                          TlsOptions options, Moment deadline);
Task<Result<std::unique_ptr<TlsStream>>> start_tls_client(std::unique_ptr<Stream> plain,
                                                          std::shared_ptr<const TlsContext> context,
                                                          TlsOptions options, Moment deadline);

}  // namespace goniec
