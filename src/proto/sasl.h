// SASL on the server and the client side without I/O: PLAIN (RFC 4616), LOGIN (draft-murchison),
// and SCRAM (RFC 5802, 7677): SHA-256 is what we offer, SHA-1 and SHA-512 are understood. Base64
// framing is the caller's (SMTP, POP3); here are octets. Never CRAM-MD5. A Secret is wiped when it
// goes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace goniec {

// A password or token in memory: wiped at its end, never logged, compared in constant time.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }
  std::string_view reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  void wipe();
  std::string value_;
};

struct PlainCredentials {
  std::string authorisation;  // authzid; "" = same as authentication
  std::string user;           // authcid, after SASLprep
  Secret password;            // after SASLprep
};
// "authzid NUL authcid NUL password", limits 255/255/1024 octets, UTF-8, no further NUL.
Result<PlainCredentials> parse_plain(std::string_view message);
std::string make_plain(const PlainCredentials& credentials);
// SASLprep (RFC 4013) as far as the suites ask: maps, NFKC for what is in range, prohibits
// controls.
Result<std::string> saslprep(std::string_view text);

struct ScramKeys {  // what is stored for a user; never the password
  std::string salt;
  std::uint32_t iterations = 0;
  std::string stored_key, server_key;
};
ScramKeys derive_scram_keys(std::string_view password, std::string salt, std::uint32_t iterations,
                            DigestKind kind = DigestKind::sha256);

// One authentication. client_first -> (ask for keys) -> server_first -> client_final ->
// server_final.
class ScramServer {
 public:
  explicit ScramServer(std::string server_nonce, DigestKind kind = DigestKind::sha256)
      : kind_(kind), server_nonce_(std::move(server_nonce)) {}
  Result<std::string> client_first(std::string_view message);  // the user name
  std::string server_first(const ScramKeys& keys);
  // The server-final message; an error (bad nonce, bad proof, grammar) fails the login.
  Result<std::string> client_final(std::string_view message);

 private:
  DigestKind kind_;
  std::string server_nonce_, nonce_, client_first_bare_, server_first_, gs2_header_;
  ScramKeys keys_;
};

class ScramClient {
 public:
  ScramClient(std::string user, Secret password, std::string client_nonce,
              DigestKind kind = DigestKind::sha256);
  std::string client_first();
  Result<std::string> client_final(std::string_view server_first);
  Result<void> check_server_final(std::string_view server_final);

 private:
  DigestKind kind_;
  std::string user_, client_nonce_, client_first_bare_, auth_message_, server_key_;
  Secret password_;
};

}  // namespace goniec
