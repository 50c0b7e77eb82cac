// Digests and encodings of bytes. CRC32C guards what is stored (not against malice); SHA-256 and
// HMAC are OpenSSL's. Base64 is RFC 4648 §4 with strict padding.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace goniec {

// Castagnoli, check value 0xE3069283. crc32c(b, crc32c(a)) is the value of a followed by b.
std::uint32_t crc32c(std::string_view data, std::uint32_t previous = 0);
std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t previous = 0);  // any processor

using Sha256 = std::array<unsigned char, 32>;
Sha256 sha256(std::string_view data);
Sha256 hmac_sha256(std::string_view key, std::string_view data);
Sha256 pbkdf2_sha256(std::string_view password, std::string_view salt, unsigned iterations);
// SHA-256 of what comes in pieces. A copy goes on by itself from what was added so far.
class Sha256Stream {
 public:
  Sha256Stream();
  Sha256Stream(const Sha256Stream& other);
  Sha256Stream& operator=(const Sha256Stream& other);
  ~Sha256Stream();
  void add(std::string_view octets);
  Sha256 finish() const;  // of all so far; more may be added

 private:
  void* context_;
};
inline std::string_view view(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
// The same of any kind; SHA-1 only for what the standards of others name (SCRAM-SHA-1).
enum class DigestKind { sha1, sha256, sha512 };
std::size_t digest_octets(DigestKind kind);
std::string digest(DigestKind kind, std::string_view data);
std::string hmac(DigestKind kind, std::string_view key, std::string_view data);
std::string pbkdf2(DigestKind kind, std::string_view password, std::string_view salt,
                   unsigned iterations);
bool equal_in_constant_time(std::string_view a, std::string_view b);  // length may leak

std::string to_base64(std::string_view data);
std::optional<std::string> from_base64(std::string_view text);  // nullopt: not canonical base64
std::string to_hex(std::string_view data);                      // lower case
std::optional<std::string> from_hex(std::string_view text);

}  // namespace goniec
