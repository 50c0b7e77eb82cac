// Keys of signatures in mail: RSA with PKCS #1 v1.5 and SHA-256 (RFC 6376 §3.3, RFC 8301) and
// Ed25519 over a SHA-256 (RFC 8463 §3), by OpenSSL, whose types stay in keys.cc.
//
// What is refused: RSA below 1024 bits (RFC 8301 §3.2: never valid) and, for cost, above 8192 bits
// or with an exponent above 64 bits; a key of ours is made with at least 2048 bits. SHA-1 is not
// here at all (RFC 8301 §3.1).
//
// A private key is a secret: its PEM is stored, never shown or logged. Both classes may be used
// from many threads. generate() is real randomness; it decides nothing that a simulation would
// notice. An RSA signature burns 0.5 to 1 ms of a processor, Ed25519 some 50 µs.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace goniec {

struct KeyLimits {
  unsigned valid_bits = 1024;    // RFC 8301 §3.2: verifiers
  unsigned signing_bits = 2048;  // RFC 8301 §3.2: signers SHOULD
  unsigned most_bits = 8192;     // for cost
  unsigned exponent_bits = 64;   // for cost
};

enum class KeyAlgorithm { rsa, ed25519 };
std::string_view name_of(KeyAlgorithm algorithm);  // "rsa", "ed25519": the k= of a key record

struct KeyInner;
struct KeyInnerEnd {
  void operator()(KeyInner* inner) const;
};

class PrivateKey {
 public:
  // bits: of RSA. bad_data: fewer than signing_bits or more than most_bits.
  static Result<PrivateKey> generate(KeyAlgorithm algorithm, unsigned bits = 2048,
                                     KeyLimits limits = {});
  // PKCS #8 or the traditional form, without a pass phrase. bad_data: no such key, too weak.
  static Result<PrivateKey> from_pem(std::string_view pem, KeyLimits limits = {});

  std::string pem() const;  // PKCS #8
  KeyAlgorithm algorithm() const;
  unsigned bits() const;
  // What p= holds, before base64: SubjectPublicKeyInfo of RSA, the 32 octets of Ed25519.
  std::string public_data() const;
  std::string sign(const Sha256& digest) const;

 private:
  explicit PrivateKey(KeyInner* inner) : inner_(inner) {}
  std::unique_ptr<KeyInner, KeyInnerEnd> inner_;
};

class PublicKey {
 public:
  // bad_data: no such key, or one outside the limits.
  static Result<PublicKey> from_data(KeyAlgorithm algorithm, std::string_view data,
                                     KeyLimits limits = {});

  KeyAlgorithm algorithm() const;
  unsigned bits() const;
  bool verify(const Sha256& digest, std::string_view signature) const;

 private:
  explicit PublicKey(KeyInner* inner) : inner_(inner) {}
  std::unique_ptr<KeyInner, KeyInnerEnd> inner_;
};

}  // namespace goniec
