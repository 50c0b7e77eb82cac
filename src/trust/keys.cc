// Keys by OpenSSL's EVP: see keys.h. Every handle has an owner; an error of the library becomes
// a sentence, and its error queue is left empty for whoever comes next on this thread.
#include "trust/keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>

namespace goniec {

struct KeyInner {
  EVP_PKEY* key = nullptr;
  KeyAlgorithm algorithm = KeyAlgorithm::rsa;
};
void KeyInnerEnd::operator()(KeyInner* inner) const {
  EVP_PKEY_free(inner->key);
  delete inner;
}

namespace {

template <auto end>
struct Ends {
  template <class T>
  void operator()(T* handle) const {
    end(handle);
  }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, Ends<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Ends<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Ends<EVP_MD_CTX_free>>;
using Memory = std::unique_ptr<BIO, Ends<BIO_free>>;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

unsigned bits_of(const EVP_PKEY* key) {
  return static_cast<unsigned>(std::max(0, EVP_PKEY_get_bits(key)));
}

unsigned exponent_bits(const EVP_PKEY* key) {
  BIGNUM* exponent = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) return 0;
  const auto bits = static_cast<unsigned>(BN_num_bits(exponent));
  BN_free(exponent);
  return bits;
}

Result<void> check_rsa(const EVP_PKEY* key, unsigned least_bits, KeyLimits limits) {
  const unsigned bits = bits_of(key);
  if (bits < least_bits)
    return fail(ErrorKind::bad_data, "the RSA key has " + std::to_string(bits) +
                                         " bits, at least " + std::to_string(least_bits) +
                                         " are needed (RFC 8301)");
  if (bits > limits.most_bits)
    return fail(ErrorKind::bad_data, "the RSA key has " + std::to_string(bits) + " bits, at most " +
                                         std::to_string(limits.most_bits) + " are taken");
  const unsigned exponent = exponent_bits(key);
  if (exponent < 2 || exponent > limits.exponent_bits)
    return fail(ErrorKind::bad_data, "the exponent of the RSA key has " + std::to_string(exponent) +
                                         " bits, 2 to " + std::to_string(limits.exponent_bits) +
                                         " are taken");
  return {};
}

// The RSAPublicKey inside a SubjectPublicKeyInfo that names rsaEncryption; empty: the octets are
// something else. OpenSSL's own way through its decoders takes ten times a whole verification.
std::string_view inside_key_info(std::string_view data) {
  static constexpr std::string_view algorithm(
      "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", 15);
  // Takes tag and length (at most two octets of it) away; what is left must be of that length.
  const auto open = [&](char tag) {
    if (data.size() < 4 || data[0] != tag) return false;
    const auto first = static_cast<unsigned char>(data[1]);
    const std::size_t more = first < 0x80 ? 0 : first - 0x80u;
    if (more > 2) return false;
    std::size_t length = more == 0 ? first : 0;
    for (std::size_t at = 0; at < more; ++at)
      length = length * 256 + static_cast<unsigned char>(data[2 + at]);
    data.remove_prefix(2 + more);
    return data.size() == length;
  };
  if (!open('\x30') || !data.starts_with(algorithm)) return {};
  data.remove_prefix(algorithm.size());
  if (!open('\x03') || data.empty() || data[0] != 0) return {};
  return data.substr(1);
}

// SubjectPublicKeyInfo as everybody publishes, or the RSAPublicKey that RFC 6376 §3.6.1 names.
KeyHandle read_rsa(std::string_view data) {
  if (const auto inside = inside_key_info(data); !inside.empty()) data = inside;
  const unsigned char* at = octets(data);
  KeyHandle key(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(data.size())));
  if (!key) {
    at = octets(data);
    key.reset(d2i_PUBKEY(nullptr, &at, static_cast<long>(data.size())));
  }
  ERR_clear_error();
  if (!key || at != octets(data) + data.size()) return nullptr;
  return EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA ? std::move(key) : nullptr;
}

std::string sign_rsa(EVP_PKEY* key, const Sha256& digest) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  std::size_t size = 0;
  CHECK(context && EVP_PKEY_sign_init(context.get()) == 1);
  CHECK(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1);
  CHECK(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1);
  CHECK(EVP_PKEY_sign(context.get(), nullptr, &size, digest.data(), digest.size()) == 1);
  std::string signature(size, '\0');
  CHECK(EVP_PKEY_sign(context.get(), octets(signature), &size, digest.data(), digest.size()) == 1);
  signature.resize(size);
  return signature;
}

// RFC 8463 §3: what Ed25519 signs is the SHA-256.
std::string sign_ed25519(EVP_PKEY* key, const Sha256& digest) {
  DigestContext context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  CHECK(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1);
  CHECK(EVP_DigestSign(context.get(), octets(signature), &size, digest.data(), digest.size()) == 1);
  signature.resize(size);
  return signature;
}

bool verify_rsa(EVP_PKEY* key, const Sha256& digest, std::string_view signature) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  return context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
         EVP_PKEY_verify(context.get(), octets(signature), signature.size(), digest.data(),
                         digest.size()) == 1;
}

bool verify_ed25519(EVP_PKEY* key, const Sha256& digest, std::string_view signature) {
  DigestContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), digest.data(),
                          digest.size()) == 1;
}

int no_pass_phrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

std::string_view name_of(KeyAlgorithm algorithm) {
  return algorithm == KeyAlgorithm::rsa ? "rsa" : "ed25519";
}

Result<PrivateKey> PrivateKey::generate(KeyAlgorithm algorithm, unsigned bits, KeyLimits limits) {
  if (algorithm == KeyAlgorithm::rsa && (bits < limits.signing_bits || bits > limits.most_bits))
    return fail(ErrorKind::bad_data, "an RSA key of ours has " +
                                         std::to_string(limits.signing_bits) + " to " +
                                         std::to_string(limits.most_bits) + " bits");
  EVP_PKEY* key = algorithm == KeyAlgorithm::rsa
                      ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits})
                      : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  ERR_clear_error();
  if (!key) return fail(ErrorKind::try_later, "OpenSSL could not make a key");
  return PrivateKey(new KeyInner{key, algorithm});
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem, KeyLimits limits) {
  Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyHandle key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_pass_phrase, nullptr));
  ERR_clear_error();
  if (!key) return fail(ErrorKind::bad_data, "no private key in PEM, or one under a pass phrase");
  const int kind = EVP_PKEY_get_base_id(key.get());
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519)
    return fail(ErrorKind::bad_data, "the private key is neither RSA nor Ed25519");
  if (kind == EVP_PKEY_RSA) TRY(check_rsa(key.get(), limits.valid_bits, limits));
  return PrivateKey(new KeyInner{key.release(),
                                 kind == EVP_PKEY_RSA ? KeyAlgorithm::rsa : KeyAlgorithm::ed25519});
}

std::string PrivateKey::pem() const {
  Memory memory(BIO_new(BIO_s_mem()));
  CHECK(memory && PEM_write_bio_PKCS8PrivateKey(memory.get(), inner_->key, nullptr, nullptr, 0,
                                                nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

KeyAlgorithm PrivateKey::algorithm() const {
  return inner_->algorithm;
}
unsigned PrivateKey::bits() const {
  return bits_of(inner_->key);
}

std::string PrivateKey::public_data() const {
  if (inner_->algorithm == KeyAlgorithm::ed25519) {
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    CHECK(EVP_PKEY_get_raw_public_key(inner_->key, octets(raw), &size) == 1 && size == 32);
    return raw;
  }
  unsigned char* data = nullptr;
  const int size = i2d_PUBKEY(inner_->key, &data);
  CHECK(size > 0);
  std::string result(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return result;
}

std::string PrivateKey::sign(const Sha256& digest) const {
  return inner_->algorithm == KeyAlgorithm::rsa ? sign_rsa(inner_->key, digest)
                                                : sign_ed25519(inner_->key, digest);
}

Result<PublicKey> PublicKey::from_data(KeyAlgorithm algorithm, std::string_view data,
                                       KeyLimits limits) {
  if (algorithm == KeyAlgorithm::ed25519) {
    if (data.size() != 32)
      return fail(ErrorKind::bad_data,
                  "an Ed25519 key has 32 octets (RFC 8463), not " + std::to_string(data.size()));
    EVP_PKEY* raw =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(data), data.size());
    ERR_clear_error();
    if (!raw) return fail(ErrorKind::bad_data, "the Ed25519 key is none");
    return PublicKey(new KeyInner{raw, algorithm});
  }
  KeyHandle key = read_rsa(data);
  if (!key) return fail(ErrorKind::bad_data, "the RSA key is none");
  TRY(check_rsa(key.get(), limits.valid_bits, limits));
  return PublicKey(new KeyInner{key.release(), algorithm});
}

KeyAlgorithm PublicKey::algorithm() const {
  return inner_->algorithm;
}
unsigned PublicKey::bits() const {
  return bits_of(inner_->key);
}

bool PublicKey::verify(const Sha256& digest, std::string_view signature) const {
  const bool good = inner_->algorithm == KeyAlgorithm::rsa
                        ? verify_rsa(inner_->key, digest, signature)
                        : verify_ed25519(inner_->key, digest, signature);
  ERR_clear_error();
  return good;
}

}  // namespace goniec
