// See self_signed.h. Every handle has an owner; a failure of the library, which is none of its
// input's, is one sentence.
#include "trust/self_signed.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "trust/openssl.h"

namespace goniec {
namespace {

using trust::CertificatePtr;
using trust::KeyPtr;
using trust::Release;
using Memory = std::unique_ptr<BIO, Release<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Release<X509_EXTENSION_free>>;

constexpr long day_seconds = 24 * 3600;

std::unexpected<Error> failed() {
  ERR_clear_error();
  return fail(ErrorKind::io, "a certificate could not be made");
}

template <class Write>
std::string pem_of(Write write) {
  const Memory memory(BIO_new(BIO_s_mem()));
  if (!memory || write(memory.get()) != 1) return {};
  char* text = nullptr;
  const long octets = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, static_cast<std::size_t>(octets));
}

bool is_address(const std::string& name) {
  return name.find(':') != std::string::npos ||
         name.find_first_not_of("0123456789.") == std::string::npos;
}

bool add_names(X509* certificate, const std::vector<std::string>& names) {
  std::string value;
  for (const std::string& name : names)
    value += (value.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
  const Extension extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

}  // namespace

Result<SelfSigned> make_self_signed(const std::vector<std::string>& names, unsigned days) {
  CHECK(!names.empty());
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  std::uint64_t serial = 0;
  if (!key || !certificate ||
      RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1)
    return failed();
  X509* const made = certificate.get();
  X509_NAME* const subject = X509_get_subject_name(made);
  const auto* common = reinterpret_cast<const unsigned char*>(names.front().c_str());
  const bool written =
      X509_set_version(made, 2) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(made), -day_seconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(made), day_seconds * static_cast<long>(days)) != nullptr &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1 &&
      X509_set_issuer_name(made, subject) == 1 && X509_set_pubkey(made, key.get()) == 1 &&
      add_names(made, names) && X509_sign(made, key.get(), EVP_sha256()) > 0;
  if (!written) return failed();
  SelfSigned result;
  result.certificate = pem_of([&](BIO* memory) { return PEM_write_bio_X509(memory, made); });
  result.key = pem_of([&](BIO* memory) {
    return PEM_write_bio_PrivateKey(memory, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  if (result.certificate.empty() || result.key.empty()) return failed();
  return result;
}

}  // namespace goniec
