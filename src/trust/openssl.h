// Internal to trust/: owning pointers of OpenSSL's certificate types. No header of another room
// includes this. An OpenSSL call that failed leaves its reasons in a queue of the thread: whoever
// expects failures clears it, so that TLS does not show them later.
#pragma once
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace goniec::trust {

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using CertificatePtr = std::unique_ptr<X509, Release<X509_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Release<X509_STORE_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;

// The certificate of these octets, and of nothing behind them; null: none.
inline CertificatePtr certificate_of(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* const end = at + der.size();
  CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (certificate && at != end) return nullptr;
  return certificate;
}

}  // namespace goniec::trust
