// See chain.h.
#include "trust/chain.h"

#include <openssl/pem.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "trust/openssl.h"

namespace goniec {

using trust::certificate_of;
using trust::CertificatePtr;
using trust::Release;
using trust::StorePtr;

struct TrustRoots::State {
  StorePtr store;
  std::size_t count = 0;
};

namespace {

constexpr int auth_level = 2;  // OpenSSL: 112 bits, RSA of 2048 and SHA-256

struct StackRelease {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // borrowed members
};
using BorrowedStack = std::unique_ptr<STACK_OF(X509), StackRelease>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX_free>>;

ChainVerdict fault(ChainFault kind, std::string why) {
  return ChainVerdict{kind, std::move(why)};
}

struct ReadChain {
  std::vector<CertificatePtr> certificates;
  std::string why;  // "": read
};

ReadChain read(const std::vector<std::string>& chain, const ChainLimits& limits) {
  ReadChain result;
  if (chain.empty()) {
    result.why = "no certificate was shown";
  } else if (chain.size() > limits.certificates) {
    result.why = fmt::format("{} certificates were shown, at most {} are looked at", chain.size(),
                             limits.certificates);
  }
  for (const std::string& der : chain) {
    if (!result.why.empty()) break;
    CertificatePtr certificate =
        der.size() <= limits.certificate_octets ? certificate_of(der) : nullptr;
    if (!certificate)
      result.why = fmt::format("certificate {} cannot be read", result.certificates.size());
    else
      result.certificates.push_back(std::move(certificate));
  }
  return result;
}

std::string names_of(X509* certificate) {
  std::string shown;
  auto* list = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const int count = sk_GENERAL_NAME_num(list);
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list, i);
    if (name->type != GEN_DNS) continue;
    const std::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    if (!shown.empty()) shown += ", ";
    if (shown.size() > 200) {
      shown += "…";
      break;
    }
    shown += printable(text, 100);
  }
  GENERAL_NAMES_free(list);
  return shown.empty() ? "no host name" : shown;
}

enum class CommonName { never, without_other_names };

// RFC 9525 §6.3: a wildcard stands for one whole leftmost label.
bool is_for(X509* certificate, const std::string& name, CommonName common) {
  if (name.empty() || name.starts_with('.')) return false;  // OpenSSL: "any name below"
  unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  if (common == CommonName::never) flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  return X509_check_host(certificate, name.data(), name.size(), flags, nullptr) == 1;
}

ChainVerdict check_names(X509* certificate, const std::vector<std::string>& names,
                         CommonName common) {
  CHECK(!names.empty());
  const bool matches = std::ranges::any_of(
      names, [&](const std::string& name) { return is_for(certificate, name, common); });
  if (matches) return {};
  std::string wanted;
  for (const std::string& name : names) wanted += (wanted.empty() ? "" : " or ") + name;
  return fault(ChainFault::host_mismatch, fmt::format("the certificate is for {}, not for {}",
                                                      names_of(certificate), printable(wanted)));
}

ChainFault fault_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return ChainFault::expired;
    default:
      return ChainFault::not_trusted;
  }
}

struct Purpose {
  unsigned long flags = 0;
  CommonName common = CommonName::never;
};

ChainVerdict verify(const std::vector<CertificatePtr>& chain, X509_STORE* store,
                    const std::vector<std::string>& names, Instant now, int depth,
                    Purpose purpose) {
  const BorrowedStack others(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].get());
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), store, chain.front().get(), others.get()) != 1)
    return fault(ChainFault::not_trusted, "OpenSSL cannot begin to verify");
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_depth(rules, depth);
  X509_VERIFY_PARAM_set_auth_level(rules, auth_level);
  X509_VERIFY_PARAM_set_flags(rules, purpose.flags);
  X509_VERIFY_PARAM_set_time(
      rules, std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  const bool good = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (!good) {
    return fault(fault_of(error), fmt::format("{} (certificate {} of the chain)",
                                              X509_verify_cert_error_string(error),
                                              X509_STORE_CTX_get_error_depth(context.get())));
  }
  return check_names(chain.front().get(), names, purpose.common);
}

int refuse_password(char*, int, int, void*) {
  return 0;
}

}  // namespace

std::string_view name_of(ChainFault fault) {
  switch (fault) {
    case ChainFault::none:
      return "none";
    case ChainFault::unreadable:
      return "unreadable";
    case ChainFault::not_trusted:
      return "not_trusted";
    case ChainFault::expired:
      return "expired";
    case ChainFault::host_mismatch:
      return "host_mismatch";
  }
  return "";
}

std::vector<std::string> certificates_of_pem(std::string_view pem) {
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-";
  std::vector<std::string> chain;
  for (auto at = pem.find(begin); at != std::string_view::npos; at = pem.find(begin, at)) {
    at += begin.size();
    const auto stop = pem.find(end, at);
    if (stop == std::string_view::npos) break;
    std::string text;
    for (char c : pem.substr(at, stop - at))
      if (c != '\n' && c != '\r' && c != ' ') text += c;
    if (auto der = from_base64(text); der && certificate_of(*der)) chain.push_back(*std::move(der));
    at = stop;
  }
  return chain;
}

TrustRoots::TrustRoots(std::unique_ptr<State> state) : state_(std::move(state)) {}
TrustRoots::~TrustRoots() = default;

std::size_t TrustRoots::size() const {
  return state_->count;
}

Result<std::shared_ptr<const TrustRoots>> TrustRoots::of_pem(std::string_view pem) {
  auto state = std::make_unique<State>();
  state->store.reset(X509_STORE_new());
  const std::unique_ptr<BIO, Release<BIO_free_all>> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (true) {
    const CertificatePtr root(PEM_read_bio_X509(bio.get(), nullptr, refuse_password, nullptr));
    if (!root) {
      const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (at_end) break;
      continue;
    }
    if (X509_STORE_add_cert(state->store.get(), root.get()) == 1) ++state->count;
  }
  ERR_clear_error();
  if (state->count == 0) return fail(ErrorKind::config, "there is no root certificate in the PEM");
  return std::shared_ptr<const TrustRoots>(new TrustRoots(std::move(state)));
}

ChainVerdict verify_pkix(const std::vector<std::string>& chain, const TrustRoots& roots,
                         const std::vector<std::string>& names, Instant now,
                         const ChainLimits& limits) {
  const ReadChain shown = read(chain, limits);
  if (!shown.why.empty()) return fault(ChainFault::unreadable, shown.why);
  return verify(shown.certificates, roots.state().store.get(), names, now, limits.depth, {});
}

ChainVerdict verify_to_anchors(const std::vector<std::string>& chain,
                               const std::vector<std::string>& anchors,
                               const std::vector<std::string>& names, Instant now,
                               const ChainLimits& limits) {
  const ReadChain shown = read(chain, limits);
  if (!shown.why.empty()) return fault(ChainFault::unreadable, shown.why);
  const StorePtr store(X509_STORE_new());
  for (const std::string& der : anchors)
    if (const CertificatePtr anchor = certificate_of(der))
      X509_STORE_add_cert(store.get(), anchor.get());
  return verify(shown.certificates, store.get(), names, now, limits.depth,
                {X509_V_FLAG_PARTIAL_CHAIN, CommonName::without_other_names});
}

}  // namespace goniec
