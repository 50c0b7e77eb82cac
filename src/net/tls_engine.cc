// One SSL object between two strings: a BIO of our own reads from `in` and appends to `out`, and
// both give their memory back as soon as they are empty.
// Every SSL call is preceded by an empty error queue and, when it gives nothing, followed by
// settle(), which is the one place that reads SSL_get_error and moves the state.
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "net/tls_context.h"

namespace goniec {

struct TlsEngine::Body {
  std::shared_ptr<const TlsContext> context;
  TlsOptions options;
  TlsPeer peer;
  OpensslPtr<SSL, SSL_free> ssl;
  std::string in, out;
  std::size_t consumed = 0;  // of `in`
  bool wire_ended = false;
  State state = State::handshaking;
  Error error;

  void settle(int result);  // after an SSL call that did not give octets
  void compact();
};

namespace {

struct Wire {  // what the BIO sees
  std::string* in;
  std::size_t* consumed;
  const bool* ended;
  std::string* out;
};

int wire_write(BIO* bio, const char* data, int octets) {
  static_cast<Wire*>(BIO_get_data(bio))->out->append(data, static_cast<std::size_t>(octets));
  return octets;
}

int wire_read(BIO* bio, char* into, int octets) {
  const Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t count =
      std::min(static_cast<std::size_t>(octets), wire.in->size() - *wire.consumed);
  if (count == 0) {
    if (*wire.ended) return 0;
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(into, wire.in->data() + *wire.consumed, count);
  *wire.consumed += count;
  return static_cast<int>(count);
}

long wire_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) {
    const Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
    return *wire.ended && *wire.consumed == wire.in->size() ? 1 : 0;
  }
  return 0;
}

int wire_destroy(BIO* bio) {
  delete static_cast<Wire*>(BIO_get_data(bio));
  BIO_set_data(bio, nullptr);
  return 1;
}

const BIO_METHOD* wire_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "goniec wire");
    BIO_meth_set_write(fresh, wire_write);
    BIO_meth_set_read(fresh, wire_read);
    BIO_meth_set_ctrl(fresh, wire_control);
    BIO_meth_set_destroy(fresh, wire_destroy);
    return fresh;
  }();
  return method;
}

BIO* new_wire(Wire wire) {
  BIO* bio = BIO_new(wire_method());
  CHECK(bio != nullptr);
  BIO_set_data(bio, new Wire(wire));
  BIO_set_init(bio, 1);
  return bio;
}

std::string der_of(X509* certificate) {
  unsigned char* data = nullptr;
  const int octets = i2d_X509(certificate, &data);
  if (octets < 0) return {};
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(octets));
  OPENSSL_free(data);
  return der;
}

void prepare_client(SSL* ssl, const TlsContext::State& context, const TlsOptions& options) {
  SSL_set_connect_state(ssl);
  if (!options.protocol.empty()) {
    CHECK(options.protocol.size() < 256);
    const std::string list = static_cast<char>(options.protocol.size()) + options.protocol;
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
  const bool is_address = IpAddress::parse(options.server_name).has_value();
  if (!options.server_name.empty() && !is_address) {  // RFC 6066 §3: no address literals
    SSL_set_tlsext_host_name(ssl, options.server_name.c_str());
  }
  if (options.verify == TlsVerify::pkix) {
    CHECK(!options.server_name.empty());
    X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(parameters, options.server_name.c_str());
    } else {
      X509_VERIFY_PARAM_set1_host(parameters, options.server_name.c_str(), 0);
    }
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  }
  if (options.session_key.empty()) return;
  if (auto session = context.take_session(options.session_key)) SSL_set_session(ssl, session.get());
}

}  // namespace

void TlsEngine::Body::compact() {
  if (consumed == 0) return;
  if (consumed == in.size()) {
    std::string().swap(in);
  } else {
    in.erase(0, consumed);
  }
  consumed = 0;
}

void TlsEngine::Body::settle(int result) {
  const int reason = SSL_get_error(ssl.get(), result);
  compact();
  switch (reason) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return;
    case SSL_ERROR_ZERO_RETURN:
      state = State::closed;
      return;
    default:
      break;
  }
  const State before = std::exchange(state, State::failed);
  if (wire_ended && in.empty()) {
    ERR_clear_error();
    error = Error{ErrorKind::closed,
                  before == State::handshaking
                      ? "the peer ended the connection during the TLS handshake"
                      : "the peer ended the connection without TLS close_notify: truncated",
                  0};
    return;
  }
  std::string why = openssl_error();
  const long verified = SSL_get_verify_result(ssl.get());
  if (options.verify == TlsVerify::pkix && verified != X509_V_OK) {
    why += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
  }
  error = Error{ErrorKind::bad_data, "TLS: " + why, 0};
}

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, TlsOptions options)
    : body_(std::make_unique<Body>()) {
  body_->context = std::move(context);
  body_->options = std::move(options);
  const TlsContext::State& shared = body_->context->state();
  body_->peer = TlsPeer{&shared, body_->options.protocol, body_->options.session_key};
  body_->ssl.reset(SSL_new(shared.contexts.front().get()));
  CHECK(body_->ssl != nullptr);
  SSL* ssl = body_->ssl.get();
  set_peer(ssl, &body_->peer);
  BIO* wire = new_wire({&body_->in, &body_->consumed, &body_->wire_ended, &body_->out});
  SSL_set_bio(ssl, wire, wire);
  if (shared.role == TlsContext::State::Role::server) {
    SSL_set_accept_state(ssl);
  } else {
    prepare_client(ssl, shared, body_->options);
  }
}

TlsEngine::~TlsEngine() {
  // OpenSSL forbids resuming a session whose connection was not shut down; RFC 5246 §7.2.1 no
  // longer asks for that. One that failed stays forbidden.
  if (body_->state == State::open || body_->state == State::closed) {
    SSL_set_shutdown(body_->ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

void TlsEngine::feed(std::string_view ciphertext) {
  body_->in.append(ciphertext);
}
void TlsEngine::feed_end() {
  body_->wire_ended = true;
}
bool TlsEngine::has_ciphertext() const {
  return !body_->out.empty();
}
std::string TlsEngine::take_ciphertext() {
  return std::exchange(body_->out, {});
}
TlsEngine::State TlsEngine::state() const {
  return body_->state;
}
const Error& TlsEngine::error() const {
  return body_->error;
}

TlsEngine::State TlsEngine::advance() {
  if (body_->state != State::handshaking) return body_->state;
  ERR_clear_error();
  const int result = SSL_do_handshake(body_->ssl.get());
  if (result == 1) {
    body_->state = State::open;
    body_->compact();
  } else {
    body_->settle(result);
  }
  return body_->state;
}

Result<std::size_t> TlsEngine::read(std::span<char> into) {
  if (body_->state == State::failed) return std::unexpected(body_->error);
  if (body_->state != State::open || into.empty()) return 0;
  ERR_clear_error();
  const int limit = static_cast<int>(std::min<std::size_t>(into.size(), 1 << 20));
  const int result = SSL_read(body_->ssl.get(), into.data(), limit);
  if (result > 0) {
    body_->compact();
    return static_cast<std::size_t>(result);
  }
  body_->settle(result);
  if (body_->state == State::failed) return std::unexpected(body_->error);
  return 0;
}

bool TlsEngine::can_read() {
  if (body_->state != State::open) return body_->state != State::handshaking;
  if (body_->in.empty() && !body_->wire_ended && !SSL_has_pending(body_->ssl.get())) return false;
  ERR_clear_error();
  char first = 0;
  const int result = SSL_peek(body_->ssl.get(), &first, 1);
  if (result > 0) {
    body_->compact();
    return true;
  }
  body_->settle(result);
  return body_->state != State::open;
}

Result<void> TlsEngine::write(std::string_view plaintext) {
  if (body_->state == State::failed) return std::unexpected(body_->error);
  CHECK(body_->state != State::handshaking);
  while (!plaintext.empty()) {
    ERR_clear_error();
    const int limit = static_cast<int>(std::min<std::size_t>(plaintext.size(), 1 << 20));
    const int result = SSL_write(body_->ssl.get(), plaintext.data(), limit);
    if (result <= 0) {
      body_->settle(result);
      if (body_->state == State::failed) return std::unexpected(body_->error);
      return fail(ErrorKind::closed, "TLS: cannot write");
    }
    plaintext.remove_prefix(static_cast<std::size_t>(result));
  }
  return {};
}

void TlsEngine::close_notify() {
  if (body_->state != State::open && body_->state != State::closed) return;
  if (SSL_get_shutdown(body_->ssl.get()) & SSL_SENT_SHUTDOWN) return;
  ERR_clear_error();
  (void)SSL_shutdown(body_->ssl.get());
  ERR_clear_error();
}

TlsFacts TlsEngine::facts() const {
  const SSL* ssl = body_->ssl.get();
  TlsFacts facts;
  facts.version = SSL_get_version(ssl);
  const char* cipher = SSL_get_cipher_name(ssl);
  facts.cipher = cipher ? cipher : "";
  if (body_->context->state().role == TlsContext::State::Role::client) {
    facts.server_name = body_->options.server_name;
  } else if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
    facts.server_name = printable(name);
  }
  facts.resumed = SSL_session_reused(ssl) == 1;
  facts.verified = body_->options.verify == TlsVerify::pkix ? "pkix" : "none";
  return facts;
}

std::string TlsEngine::negotiated_protocol() const {
  const unsigned char* name = nullptr;
  unsigned octets = 0;
  SSL_get0_alpn_selected(body_->ssl.get(), &name, &octets);
  return {reinterpret_cast<const char*>(name), octets};
}

std::vector<std::string> TlsEngine::peer_chain() const {
  std::vector<std::string> chain;
  // Of a client this is the whole chain as sent; of a server it lacks the peer's own (not asked
  // for).
  STACK_OF(X509)* sent = SSL_get_peer_cert_chain(body_->ssl.get());
  for (int i = 0; i < sk_X509_num(sent); ++i) chain.push_back(der_of(sk_X509_value(sent, i)));
  return chain;
}

std::string TlsEngine::channel_binding() const {
  SSL* ssl = body_->ssl.get();
  if (body_->state == State::handshaking || body_->state == State::failed) return {};
  // RFC 9266 §4.1: only where the exporter is bound to the handshake.
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return {};
  static constexpr std::string_view label = "EXPORTER-Channel-Binding";
  std::string binding(32, '\0');
  const int done =
      SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(binding.data()),
                                 binding.size(), label.data(), label.size(), nullptr, 0, 1);
  return done == 1 ? binding : std::string();
}

}  // namespace goniec
