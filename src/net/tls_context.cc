// SSL_CTX objects and their callbacks: SNI, ALPN, new sessions.
#include "net/tls_context.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstring>

namespace goniec {
namespace {

int peer_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

SslContextPtr new_context(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  if (!context) return nullptr;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);  // RFC 8996, RFC 9325 §3.1.1
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_cipher_list(context.get(), "HIGH:!aNULL:!eNULL:!PSK:!SRP:!kRSA:!DSS");
  return context;
}

// RFC 7301 §3.2: a list without our protocol is fatal, so that bytes of one protocol cannot be
// played to the server of another under the same certificate. OpenSSL calls this only when a list
// came.
int select_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned int octets, void*) {
  const std::string& ours = peer_of(ssl)->protocol;
  if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
  for (unsigned int at = 0; at < octets; at += 1u + offered[at]) {
    if (at + 1u + offered[at] > octets) break;
    if (offered[at] == ours.size() &&
        std::memcmp(offered + at + 1, ours.data(), ours.size()) == 0) {
      *chosen = offered + at + 1;
      *length = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int select_certificate(SSL* ssl, int*, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  if (SSL_CTX* context = peer_of(ssl)->context->for_name(to_lower(name))) {
    SSL_set_SSL_CTX(ssl, context);
  }
  // An unknown name gets the default certificate: mail clients name what they resolved, not us.
  return SSL_TLSEXT_ERR_OK;
}

int keep_new_session(SSL* ssl, SSL_SESSION* session) {
  const TlsPeer* peer = peer_of(ssl);
  if (!peer || peer->session_key.empty()) return 0;
  peer->context->keep_session(peer->session_key, SslSessionPtr(session));
  return 1;  // the reference is ours now
}

int no_password(char*, int, int, void*) {
  return 0;
}

Result<void> use_certificate(SSL_CTX* context, const TlsCertificate& certificate) {
  const OpensslPtr<BIO, BIO_free_all> chain(BIO_new_mem_buf(
      certificate.chain_pem.data(), static_cast<int>(certificate.chain_pem.size())));
  OpensslPtr<X509, X509_free> own(PEM_read_bio_X509(chain.get(), nullptr, no_password, nullptr));
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return fail(ErrorKind::config, "the certificate file: " + openssl_error());
  }
  while (X509* above = PEM_read_bio_X509(chain.get(), nullptr, no_password, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, above) != 1) {
      X509_free(above);
      return fail(ErrorKind::config, "the certificate chain: " + openssl_error());
    }
  }
  ERR_clear_error();  // the end of the file
  const OpensslPtr<BIO, BIO_free_all> secret(
      BIO_new_mem_buf(certificate.key_pem.data(), static_cast<int>(certificate.key_pem.size())));
  const OpensslPtr<EVP_PKEY, EVP_PKEY_free> key(
      PEM_read_bio_PrivateKey(secret.get(), nullptr, no_password, nullptr));
  if (!key) return fail(ErrorKind::config, "the key file: " + openssl_error());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorKind::config,
                "the key does not belong to the certificate: " + openssl_error());
  }
  return {};
}

Result<void> use_roots(SSL_CTX* context, const TlsClientTrust& trust) {
  switch (trust.roots) {
    case TlsTrust::none:
      return {};
    case TlsTrust::system:
      if (SSL_CTX_set_default_verify_paths(context) != 1) {
        return fail(ErrorKind::config, "the system's root certificates: " + openssl_error());
      }
      if (trust.given_pem.empty()) return {};
      break;
    case TlsTrust::given:
      break;
  }
  const OpensslPtr<BIO, BIO_free_all> bio(
      BIO_new_mem_buf(trust.given_pem.data(), static_cast<int>(trust.given_pem.size())));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  unsigned count = 0;
  while (X509* root = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
    X509_STORE_add_cert(store, root);
    X509_free(root);
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(ErrorKind::config, "no root certificate in the given PEM");
  return {};
}

}  // namespace

TlsPeer* peer_of(const SSL* ssl) {
  return static_cast<TlsPeer*>(SSL_get_ex_data(ssl, peer_index()));
}
void set_peer(SSL* ssl, TlsPeer* peer) {
  SSL_set_ex_data(ssl, peer_index(), peer);
}

SSL_CTX* TlsContext::State::for_name(std::string_view name) const {
  if (auto exact = by_name.find(name); exact != by_name.end()) return exact->second;
  const auto dot = name.find('.');  // RFC 9525 §6.3: a wildcard is the whole leftmost label
  if (dot == std::string_view::npos) return nullptr;
  auto wild = by_name.find("*" + std::string(name.substr(dot)));
  return wild == by_name.end() ? nullptr : wild->second;
}

void TlsContext::State::keep_session(const std::string& key, SslSessionPtr session) const {
  std::lock_guard lock(mutex);
  if (sessions.size() >= session_limit && !sessions.contains(key)) sessions.erase(sessions.begin());
  sessions[key] = std::move(session);
}

// Taken out: a TLS 1.3 ticket is used once (RFC 8446 §C.4); a new one comes with each connection.
SslSessionPtr TlsContext::State::take_session(const std::string& key) const {
  std::lock_guard lock(mutex);
  auto node = sessions.extract(key);
  return node ? std::move(node.mapped()) : nullptr;
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::server(
    const std::vector<TlsCertificate>& certificates) {
  if (certificates.empty()) return fail(ErrorKind::config, "TLS needs a certificate");
  auto state = std::make_unique<State>();
  for (const TlsCertificate& certificate : certificates) {
    SslContextPtr context = new_context(TLS_server_method());
    if (!context) return fail(ErrorKind::config, "TLS: " + openssl_error());
    SSL_CTX* raw = context.get();
    TRY(use_certificate(raw, certificate));
    static constexpr unsigned char name[] = {'g', 'o', 'n', 'i', 'e', 'c'};
    SSL_CTX_set_session_id_context(raw, name, sizeof name);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // tickets only: nothing kept here
    SSL_CTX_set_num_tickets(raw, 1);
    SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
    SSL_CTX_set_tlsext_servername_callback(raw, select_certificate);
    for (const std::string& host : names_of(SSL_CTX_get0_certificate(raw))) {
      state->by_name.emplace(host, raw);
    }
    state->contexts.push_back(std::move(context));
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(state)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsClientTrust& trust) {
  auto state = std::make_unique<State>();
  state->role = State::Role::client;
  SslContextPtr context = new_context(TLS_client_method());
  if (!context) return fail(ErrorKind::config, "TLS: " + openssl_error());
  TRY(use_roots(context.get(), trust));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), keep_new_session);
  state->contexts.push_back(std::move(context));
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(state)));
}

}  // namespace goniec
