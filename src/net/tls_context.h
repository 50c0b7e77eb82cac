// Internal to net/tls: what a TlsContext holds. A server has one SSL_CTX a certificate, all with
// the tickets of the first; a client has one SSL_CTX and keeps at most `session_limit` sessions to
// resume.
#pragma once
#include <map>
#include <mutex>
#include <unordered_map>

#include "net/openssl.h"
#include "net/tls.h"

namespace goniec {

using SslContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using SslSessionPtr = OpensslPtr<SSL_SESSION, SSL_SESSION_free>;

struct TlsContext::State {
  enum class Role { server, client } role = Role::server;
  std::vector<SslContextPtr> contexts;
  std::map<std::string, SSL_CTX*, std::less<>> by_name;  // "mx.example", "*.example"

  static constexpr std::size_t session_limit = 1000;
  mutable std::mutex mutex;  // of what follows: a context is shared by shards
  mutable std::unordered_map<std::string, SslSessionPtr> sessions;

  SSL_CTX* for_name(std::string_view name) const;  // nullptr: nobody of that name
  void keep_session(const std::string& key, SslSessionPtr session) const;
  SslSessionPtr take_session(const std::string& key) const;
};

// What an SSL object knows of its engine, for callbacks.
struct TlsPeer {
  const TlsContext::State* context = nullptr;
  std::string protocol, session_key;
};
TlsPeer* peer_of(const SSL* ssl);
void set_peer(SSL* ssl, TlsPeer* peer);

}  // namespace goniec
