// Certificates as PEM: reading files, making a self-signed one, and what one says of itself.
// Keys are ECDSA P-256; names go in as subjectAltName (RFC 5280 §4.2.1.6), after a check that they
// are plain: OpenSSL reads them in a syntax of its own.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "base/digest.h"
#include "net/openssl.h"
#include "net/tls.h"

namespace goniec {
namespace {

constexpr std::uint64_t pem_limit = 1 << 20;

Result<std::string> read_pem(Disk& disk, const std::string& path) {
  auto file = TRY(disk.open(path, OpenMode::read));
  const std::uint64_t octets = TRY(file->size());
  if (octets > pem_limit) return fail(ErrorKind::config, path + " is too big for a PEM file");
  std::string text(octets, '\0');
  text.resize(TRY(file->read_at(0, text)));
  return text;
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long octets = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(octets)};
}

std::string subject_names(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) {
    if (!result.empty()) result += ',';
    result += (IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  }
  return result;
}

bool add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (!extension) return false;
  const int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added == 1;
}

// A name of letters, digits, hyphens and dots: it goes into OpenSSL's extension syntax.
bool is_plain_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '-' && c != '.' && c != '*' && c != ':') return false;
  }
  return true;
}

bool fill(X509* certificate, EVP_PKEY* key, const std::vector<std::string>& names, unsigned days) {
  std::uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), static_cast<long>(days) * 86400);
  X509_NAME* subject = X509_get_subject_name(certificate);
  const std::string common = names.front().substr(0, 64);  // RFC 5280 A.1: ub-common-name
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  return X509_set_pubkey(certificate, key) == 1 &&
         add_extension(certificate, NID_subject_alt_name, subject_names(names)) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

Instant to_instant(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return Instant(std::chrono::seconds(timegm(&parts)));
}

}  // namespace

Result<TlsCertificate> read_certificate(Disk& disk, const std::string& chain_path,
                                        const std::string& key_path) {
  TlsCertificate certificate;
  certificate.chain_pem = TRY(read_pem(disk, chain_path));
  certificate.key_pem = TRY(read_pem(disk, key_path));
  return certificate;
}

Result<TlsCertificate> make_self_signed(const std::vector<std::string>& names, unsigned days) {
  if (names.empty()) return fail(ErrorKind::usage, "a certificate needs a name");
  for (const std::string& name : names) {
    if (!is_plain_name(name))
      return fail(ErrorKind::usage, "not a name for a certificate: " + name);
  }
  const OpensslPtr<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
  const OpensslPtr<X509, X509_free> certificate(X509_new());
  if (!key || !certificate || !fill(certificate.get(), key.get(), names, days)) {
    return fail(ErrorKind::bad_data, "cannot make a certificate: " + openssl_error());
  }
  const OpensslPtr<BIO, BIO_free_all> chain(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(chain.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return fail(ErrorKind::bad_data, "cannot write a certificate: " + openssl_error());
  }
  return TlsCertificate{bio_text(chain.get()), bio_text(secret.get())};
}

Result<TlsCertificateFacts> facts_of(const std::string& chain_pem) {
  const OpensslPtr<BIO, BIO_free_all> bio(
      BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())));
  const OpensslPtr<X509, X509_free> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return fail(ErrorKind::config, "no PEM certificate: " + openssl_error());
  TlsCertificateFacts facts;
  facts.names = names_of(certificate.get());
  facts.not_before = to_instant(X509_get0_notBefore(certificate.get()));
  facts.not_after = to_instant(X509_get0_notAfter(certificate.get()));
  unsigned char* der = nullptr;
  const int octets = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der);
  if (octets > 0) {
    facts.public_key_sha256 =
        view(sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(octets)}));
  }
  OPENSSL_free(der);
  return facts;
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  auto* list = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list, i);
    if (name->type != GEN_DNS) continue;
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    std::string_view text(data, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    if (text.find('\0') == std::string_view::npos) names.push_back(to_lower(text));
  }
  GENERAL_NAMES_free(list);
  return names;
}

std::string openssl_error() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    char buffer[256];
    ERR_error_string_n(code, buffer, sizeof buffer);
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += "; ";
    text += reason ? reason : buffer;
  }
  return text.empty() ? "unknown reason" : text;
}

}  // namespace goniec
