// The keys that mail is signed with (DKIM), a domain and a selector each. In the store (kind
// "dkim", key "domain/selector", JSON), with the private key in PEM: the files of the store are
// 0600, like the hashes of passwords beside it. In memory behind a lock for readers; a change is
// committed first, then seen.
//
//   pending --its record is in DNS, or by hand--> active --the next one becomes active--> retiring
//   any --retire--> retired: the private key is gone, what is published is revoked
//
// One key of each algorithm signs for a domain: the newest active one. Mail from a domain without
// keys is signed by the nearest domain above it that has some (relaxed alignment of DMARC), never
// by another. A pending key never signs.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "mail/address.h"
#include "store/committer.h"
#include "trust/dkim_signer.h"

namespace goniec {

enum class SigningKeyState { pending, active, retiring, retired };
std::string_view name_of(SigningKeyState state);

struct SigningKey {
  Domain domain;
  std::string selector;
  KeyAlgorithm algorithm = KeyAlgorithm::rsa;
  unsigned bits = 0;
  SigningKeyState state = SigningKeyState::pending;
  Instant created{}, changed{};           // changed: of the state
  std::string public_data;                // what p= holds
  std::shared_ptr<const PrivateKey> key;  // null: retired

  std::string record_name() const { return key_name(selector, domain); }
  std::string record() const;  // what is to be published: of a retired key with an empty p=
};

class SigningKeys {
 public:
  SigningKeys() = default;
  // Reads all; damaged names the object. Before: there are none.
  Result<void> open(Committer& committer, Reader& reader);

  // ---- any thread, no waiting
  std::vector<SigningKey> all() const;  // by domain, then oldest first
  // How mail from this domain is signed; nullopt: not at all.
  std::optional<DkimSigning> signing_for(const Domain& author) const;

  // ---- changes, durable when they end
  Task<Result<void>> add(Loop& loop, SigningKey key);  // conflict: the selector is taken
  // not_found; conflict: from retired there is no way back. Active: what was active of the same
  // domain and algorithm becomes retiring.
  Task<Result<void>> set_state(Loop& loop, Domain domain, std::string selector,
                               SigningKeyState state);

 private:
  using Name = std::pair<Domain, std::string>;
  Task<Result<void>> put(Loop& loop, SigningKey key, bool must_be_new);
  void choose(const Domain& domain);  // REQUIRES the lock for writing
  Committer* committer_ = nullptr;
  mutable std::shared_mutex mutex_;
  std::map<Name, SigningKey> keys_;
  std::map<Domain, DkimSigning> chosen_;  // of what is active
};

}  // namespace goniec
