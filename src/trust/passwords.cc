// argon2id by libsodium: one place that knows its cost and its calls.
#include "trust/passwords.h"

#include <sodium.h>

#include <array>
#include <cstring>

namespace goniec {
namespace {

constexpr unsigned long long passes = 2;
constexpr std::size_t memory_octets = 19 * 1024 * 1024;

void start_sodium() {
  static const bool ready = sodium_init() >= 0;
  CHECK(ready);
}

bool verify(const std::string& hash, std::string_view password) {
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

}  // namespace

Result<std::string> hash_password(std::string_view password, PasswordLimits limits) {
  start_sodium();
  if (password.empty()) return fail(ErrorKind::bad_data, "the password is empty");
  if (password.size() > limits.octets)
    return fail(ErrorKind::bad_data,
                "the password is longer than " + std::to_string(limits.octets) + " octets");
  std::array<char, crypto_pwhash_STRBYTES> text{};
  if (crypto_pwhash_str_alg(text.data(), password.data(), password.size(), passes, memory_octets,
                            crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(ErrorKind::try_later, "no memory to hash a password (19 MiB)");
  return std::string(text.data());
}

bool is_password_hash(std::string_view text) {
  return text.size() < crypto_pwhash_STRBYTES && text.find('\0') == std::string_view::npos &&
         text.starts_with("$argon2");
}

bool verify_password(const std::string& hash, std::string_view password, PasswordLimits limits) {
  start_sodium();
  if (!is_password_hash(hash) || password.empty() || password.size() > limits.octets)
    return verify_nobody(password, limits);
  return verify(hash, password);
}

bool verify_nobody(std::string_view password, PasswordLimits limits) {
  // Made once a process, of a password that nobody knows.
  static const Result<std::string> nobody = hash_password(random_secret(32));
  if (nobody) verify(*nobody, password.substr(0, limits.octets));
  return false;
}

std::string random_secret(std::size_t octets) {
  start_sodium();
  std::string secret(octets, '\0');
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

}  // namespace goniec
