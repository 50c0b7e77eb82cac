// The keys that programs call the API with, and log in to submission with, any user name beside
// them. In the store (kind "key", JSON, by id); in memory behind a lock for readers; a change is
// committed first, then seen.
//
// A secret is 160 bits and more of real randomness, spelled "pk_live_…", "pk_test_…" (sandbox) or,
// for clients that insist, "SG.…". It is shown once, when it is made. Kept is its SHA-256 alone: of
// so much chance a slow hash protects nothing more, and a key is looked up at each call.
//
//   scope send    send mail, and change what it sent itself (cancel, reschedule, resend)
//         read    messages, events, statistics
//         manage  domains, keys, users, the queue, the server
// Bound to a domain, a key sends as that domain and those below it alone; without, as any domain of
// this server. Bound to networks, it is no key from elsewhere. When a key was used last is known in
// memory and written now and then (flush_use), never for each use.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "accounts/directory.h"
#include "mail/journey.h"
#include "store/committer.h"

namespace goniec {

enum class KeyScope { send, read, manage };
std::string_view name_of(KeyScope scope);
std::optional<KeyScope> key_scope_of(std::string_view name);

struct KeyScopes {
  bool send = false, read = false, manage = false;
  bool has(KeyScope scope) const;
  void add(KeyScope scope);
  bool any() const { return send || read || manage; }
  static KeyScopes all() { return {true, true, true}; }
  std::vector<std::string> names() const;
};

enum class KeySpelling { native, sendgrid };

struct ApiKey {
  std::string id;    // "key_" and 16 digits
  std::string name;  // for people
  std::string hint;  // how the secret begins: "pk_live_7Q3F"
  KeyScopes scopes;
  Domain domain;                    // empty: any domain of this server
  std::string stream;               // "": any
  std::vector<IpNetwork> networks;  // empty: from anywhere
  bool sandbox = false;             // what it sends leaves this machine in no case
  Instant created{};
  Instant last_used{};  // zero: never, as far as is known
  std::string last_used_from;
  std::string digest;  // SHA-256 of the secret, octets

  std::string submitter() const { return "key=" + id; }  // as Message::submitter
  bool may_come_from(const IpAddress& address) const;
};

bool is_or_is_below(const Domain& domain, const Domain& top);  // "a.b" is below "b"

// May mail by this key be from that address? <> is always allowed.
bool may_send_as(const ApiKey& key, const Directory& directory, const Address& sender);

std::string text_of(const IpNetwork& network);  // "192.0.2.0/24"; one address without its prefix

// Could it be a key of ours? Says nothing of whether it is.
bool looks_like_api_key(std::string_view text);

struct MadeKey {
  ApiKey key;
  std::string secret;  // the only time that it is seen
};

class ApiKeys {
 public:
  ApiKeys() = default;
  // Reads all; damaged names the object. Before: there are none.
  Result<void> open(Committer& committer, Reader& reader);

  // ---- any thread, no waiting
  std::optional<ApiKey> find(std::string_view secret) const;
  std::optional<ApiKey> by_id(std::string_view id) const;
  std::vector<ApiKey> all() const;  // newest first
  bool empty() const;
  void used(const std::string& id, Instant now, const IpAddress& from);

  // ---- changes, durable when they end
  // Of `wanted` the name, scopes, domain, stream, networks and sandbox are taken.
  Task<Result<MadeKey>> make(Loop& loop, ApiKey wanted, KeySpelling spelling);
  Task<Result<ApiKey>> revoke(Loop& loop, std::string id);  // not_found; what it was
  Task<void> flush_use(Loop& loop);

 private:
  struct Use {
    Instant at{};
    std::string from;
  };
  ApiKey with_use(ApiKey key) const;
  void keep(ApiKey key);  // REQUIRES the lock for writing
  Committer* committer_ = nullptr;
  mutable std::shared_mutex mutex_;
  std::map<std::string, ApiKey, std::less<>> keys_;
  std::unordered_map<std::string, std::string> ids_;  // by digest
  mutable std::mutex use_mutex_;
  std::map<std::string, Use, std::less<>> unwritten_;  // by id, since the last flush
};

}  // namespace goniec
