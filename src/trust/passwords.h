// Passwords: argon2id, 19 MiB, 2 passes, 1 lane (the OWASP minimum), by libsodium; RFC 9106.
//
// The text form is the usual "$argon2id$v=19$m=19456,t=2,p=1$salt$hash", so that hashes made by
// other programs are understood too. Each call burns some 20 to 40 ms and 19 MiB: run it on the
// Offload pool, never on a loop. verify_nobody() costs the same as verifying a true user, so that
// time does not tell who exists. A hash is a secret: it is stored, never shown or logged.
// random_secret() is real randomness, for keys; it decides nothing a simulation would notice.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace goniec {

struct PasswordLimits {
  std::size_t octets = 1024;  // longer: bad_data, or false
};

// bad_data: empty or too long; try_later: no memory for it.
Result<std::string> hash_password(std::string_view password, PasswordLimits limits = {});
bool verify_password(const std::string& hash, std::string_view password,
                     PasswordLimits limits = {});
// False, at the cost of verify_password.
bool verify_nobody(std::string_view password, PasswordLimits limits = {});
// An argon2 hash that verify_password can read: guards what is imported.
bool is_password_hash(std::string_view text);

std::string random_secret(std::size_t octets);

}  // namespace goniec
