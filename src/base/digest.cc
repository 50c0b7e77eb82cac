// Digests: see digest.h. CRC32C uses the SSE4.2 instruction where the processor has it (asked at
// run time) and eight tables otherwise; both give the same value, and a test holds them together.
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "base/result.h"
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace goniec {
namespace {

using Crc = std::uint32_t (*)(std::string_view, std::uint32_t);

constexpr std::uint32_t castagnoli = 0x82F63B78;  // reflected

constexpr auto crc_tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t crc = octet;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? castagnoli : 0);
    tables[0][octet] = crc;
  }
  for (std::size_t octet = 0; octet < 256; ++octet) {
    for (std::size_t table = 1; table < 8; ++table) {
      const auto before = tables[table - 1][octet];
      tables[table][octet] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::string_view data,
                                                                      std::uint32_t previous) {
  std::uint64_t crc = ~previous;
  const char* at = data.data();
  std::size_t left = data.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}
#endif

Crc best_crc32c() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction;
#endif
  return crc32c_by_table;
}

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto base64_values = [] {
  std::array<signed char, 256> values{};
  values.fill(-1);
  for (std::size_t at = 0; at < base64_digits.size(); ++at) {
    values[static_cast<unsigned char>(base64_digits[at])] = static_cast<signed char>(at);
  }
  return values;
}();

}  // namespace

std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t previous) {
  std::uint32_t crc = ~previous;
  std::size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t octet = 0; octet < 8; ++octet) {  // compiles to one load
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[at + octet]))
              << (8 * octet);
    }
    word ^= crc;
    crc = 0;
    for (std::size_t octet = 0; octet < 8; ++octet) {
      crc ^= crc_tables[7 - octet][(word >> (8 * octet)) & 0xFF];
    }
  }
  for (; at < data.size(); ++at) {
    crc = (crc >> 8) ^ crc_tables[0][(crc ^ static_cast<unsigned char>(data[at])) & 0xFF];
  }
  return ~crc;
}

std::uint32_t crc32c(std::string_view data, std::uint32_t previous) {
  static const Crc chosen = best_crc32c();
  return chosen(data, previous);
}

Sha256 sha256(std::string_view data) {
  Sha256 digest;
  CHECK(EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

namespace {
EVP_MD_CTX* context_of(void* context) {
  return static_cast<EVP_MD_CTX*>(context);
}
}  // namespace

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ && EVP_DigestInit_ex2(context_of(context_), EVP_sha256(), nullptr) == 1);
}

Sha256Stream::Sha256Stream(const Sha256Stream& other) : context_(EVP_MD_CTX_new()) {
  CHECK(context_ && EVP_MD_CTX_copy_ex(context_of(context_), context_of(other.context_)) == 1);
}

Sha256Stream& Sha256Stream::operator=(const Sha256Stream& other) {
  if (this != &other)
    CHECK(EVP_MD_CTX_copy_ex(context_of(context_), context_of(other.context_)) == 1);
  return *this;
}

Sha256Stream::~Sha256Stream() {
  EVP_MD_CTX_free(context_of(context_));
}

void Sha256Stream::add(std::string_view octets) {
  CHECK(EVP_DigestUpdate(context_of(context_), octets.data(), octets.size()) == 1);
}

Sha256 Sha256Stream::finish() const {
  Sha256Stream last(*this);
  Sha256 digest;
  CHECK(EVP_DigestFinal_ex(context_of(last.context_), digest.data(), nullptr) == 1);
  return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view data) {
  Sha256 digest;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(),
             nullptr) != nullptr);
  return digest;
}

Sha256 pbkdf2_sha256(std::string_view password, std::string_view salt, unsigned iterations) {
  Sha256 key;
  CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                          reinterpret_cast<const unsigned char*>(salt.data()),
                          static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                          static_cast<int>(key.size()), key.data()) == 1);
  return key;
}

namespace {

const EVP_MD* algorithm_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::sha1:
      return EVP_sha1();
    case DigestKind::sha256:
      return EVP_sha256();
    case DigestKind::sha512:
      return EVP_sha512();
  }
  CHECK(false);
}

unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::size_t digest_octets(DigestKind kind) {
  return static_cast<std::size_t>(EVP_MD_get_size(algorithm_of(kind)));
}

std::string digest(DigestKind kind, std::string_view data) {
  std::string out(digest_octets(kind), '\0');
  CHECK(EVP_Digest(data.data(), data.size(), octets(out), nullptr, algorithm_of(kind), nullptr) ==
        1);
  return out;
}

std::string hmac(DigestKind kind, std::string_view key, std::string_view data) {
  std::string out(digest_octets(kind), '\0');
  CHECK(HMAC(algorithm_of(kind), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(data.data()), data.size(), octets(out),
             nullptr) != nullptr);
  return out;
}

std::string pbkdf2(DigestKind kind, std::string_view password, std::string_view salt,
                   unsigned iterations) {
  std::string out(digest_octets(kind), '\0');
  CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                          reinterpret_cast<const unsigned char*>(salt.data()),
                          static_cast<int>(salt.size()), static_cast<int>(iterations),
                          algorithm_of(kind), static_cast<int>(out.size()), octets(out)) == 1);
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_base64(std::string_view data) {
  std::string text;
  text.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < data.size(); at += 3) {
    const auto group = data.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t octet = 0; octet < 3; ++octet) {
      bits = (bits << 8) | (octet < group.size() ? static_cast<unsigned char>(group[octet]) : 0u);
    }
    for (std::size_t digit = 0; digit < 4; ++digit) {
      text += digit <= group.size() ? base64_digits[(bits >> (18 - 6 * digit)) & 63] : '=';
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string data;
  data.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (char c : text.substr(0, text.size() - padding)) {
    const int value = base64_values[static_cast<unsigned char>(c)];
    if (value < 0) return {};
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      data += static_cast<char>((bits >> held) & 0xFF);
    }
  }
  // RFC 4648 §3.5: the bits that pad the last octet are zero, else two texts would mean one value.
  if ((bits & ((1u << held) - 1)) != 0 || held != padding * 2) return {};
  return data;
}

std::string to_hex(std::string_view data) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(data.size() * 2);
  for (char c : data) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return {};
  std::string data;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int high = value(text[at]), low = value(text[at + 1]);
    if (high < 0 || low < 0) return {};
    data += static_cast<char>(high * 16 + low);
  }
  return data;
}

}  // namespace goniec
