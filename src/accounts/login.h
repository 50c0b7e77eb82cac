// Who may come in: passwords, SCRAM keys, throttling, and how much an account may send in an hour.
//
// argon2id (19 MiB, t=2, p=1) runs on the Offload pool; an unknown user costs the same and gets the
// same words (535 5.7.8). A success is remembered for minutes under an HMAC of a key of this
// process, so that clients that log in for every message do not cost 30 ms each. Failures slow
// down: per address and per account, 454 4.7.0 with the time after which to try again; a right
// password during the block is refused too. Tables are bounded (least recently seen goes).
//
// API keys (api_keys.h) count in the same table of addresses. Nobody guesses 190 bits: what the
// block spares is the noise, so a right key is let in during it, and a wrong one is told to wait.
#pragma once
#include <memory>
#include <optional>

#include "accounts/api_keys.h"
#include "accounts/directory.h"
#include "base/metrics.h"
#include "mail/journey.h"
#include "proto/sasl.h"
#include "run/world.h"

namespace goniec {

struct LoginLimits {
  std::size_t failures_per_address = 20;  // in `window`, then blocked
  // From one address block (/24, /48): a legitimate owner elsewhere still gets in.
  std::size_t failures_per_account = 10;
  Duration window = std::chrono::minutes(10);
  Duration block = std::chrono::minutes(10);
  Duration remember = std::chrono::minutes(5);
  std::size_t table_entries = 100000;
  std::uint64_t messages_per_account_hour = 500;  // 0: none
};

struct LoginAnswer {
  std::optional<Login> login;  // set: proved
  Reply reply;                 // SMTP words: 235 2.7.0, 535 5.7.8, 454 4.7.0
  std::string rule;            // "login.ok", "login.password", "login.throttled", "login.busy"
};

struct KeyAnswer {
  enum class Result { proved, unknown, elsewhere, throttled } result = Result::unknown;
  std::optional<ApiKey> key;  // set: proved; its use is noted
  Duration wait{};            // throttled
};

class Logins {
 public:
  Logins(const Directory& directory, LoginLimits limits, Metrics& metrics, Random& random);
  ~Logins();
  void use_keys(ApiKeys& keys);  // before: there are none
  KeyAnswer check_key(Clock& clock, IpAddress from, std::string_view secret);
  // May be asked before: what only looks like a key may be the password of an account.
  bool is_key(std::string_view secret) const;
  bool is_revoked(const ApiKey& key) const;
  Task<LoginAnswer> check_password(World& world, IpAddress from, PlainCredentials credentials,
                                   std::string mechanism);
  // For SCRAM: the stored keys, or keys made from the name that fail for certain (no oracle).
  ScramKeys scram_keys(std::string_view user) const;
  LoginAnswer scram_done(Clock& clock, IpAddress from, std::string_view user, bool proved);
  // Counts one message; 450 4.7.1 with the time when the account's hour is full.
  std::optional<Reply> count_message(Clock& clock, const Address& account);
  void set_limits(LoginLimits limits);  // reload

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
