// Who is who: domains, users, aliases. One call answers "who is this recipient".
//
// The objects live in the store (kind "domain", "user", "alias"; JSON), the whole directory also in
// memory behind a lock for readers that is held for a look-up only; a change is committed first,
// then seen. Changes run one after another. /etc/aliases files (config [local] aliases) are a
// second, read-only source: the store wins. `|command`, `/file` and `:include:` there are errors
// that name the line. A name without domain there is name@<first local domain>, and answers at the
// hostname too.
//
// Rules: domains compare as Domain; local parts of local users compare ignoring ASCII case (and by
// NFC-less octets above 127); "user+tag" is `user` unless "user+tag" exists itself (separator '+');
// a quoted local part that needs no quotes is the same mailbox. Order: user, alias, user without
// tag, alias without tag, catch-all alias '*@domain', unknown. <postmaster>, postmaster@ and abuse@
// of every local domain always resolve (to the alias or user if made, else to the admin address,
// else to the oldest user). Users and aliases are kept with lower-case local parts: the canonical
// spelling. A relay domain accepts by its `recipients`: a list, any, or verify (asks the next hop;
// accounts only says "verify", inbound asks).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "mail/address.h"
#include "proto/sasl.h"
#include "run/world.h"
#include "store/committer.h"

namespace goniec {

enum class RelayRecipients { list, verify, any };

struct DomainObject {
  Domain domain;
  bool relay = false;
  RelayRecipients recipients = RelayRecipients::any;  // of a relay domain
  std::vector<std::string> listed;                    // local parts or addresses, when list
  Instant created{};                                  // add_domain sets it; the first is the oldest
};

struct UserObject {
  Address address;
  std::string password_hash;  // argon2id, "" = no login
  std::optional<ScramKeys> scram;
  std::uint64_t quota_octets = 0;    // 0: none
  std::vector<std::string> send_as;  // patterns: "sales@example.pl", "*@example.pl", "*"
  Instant created{};
};

struct AliasObject {
  Address address;  // local part "*" is the catch-all
  std::vector<Address> targets;
};

struct DirectoryOptions {
  std::string hostname;
  std::optional<Address> admin;          // default postmaster@<first domain>
  std::vector<std::string> alias_files;  // aliases(5)
};

enum class RecipientKind {
  mailbox,  // `mailbox` of a user here
  alias,    // `targets` to resolve further
  relay,    // a relay domain accepts it: goes by its route
  verify,   // a relay domain that asks the next hop
  remote,   // not ours
  unknown,  // our domain, nobody of that name: 550 5.1.1
};
struct Resolved {
  RecipientKind kind = RecipientKind::remote;
  Address mailbox;               // mailbox: the account (canonical spelling)
  std::vector<Address> targets;  // alias
  std::string rule;              // what decided: "user", "alias", "catch-all", "sub-address"…
};

class Directory {
 public:
  // Reads all objects and alias files; config error naming file:line.
  static Result<std::unique_ptr<Directory>> open(DirectoryOptions options, Committer& committer,
                                                 Reader& reader);
  ~Directory();

  // ---- any thread, no waiting
  Resolved resolve(const Address& recipient) const;
  Resolved resolve_postmaster() const;               // <postmaster> without domain
  bool is_local_domain(const Domain& domain) const;  // local or relay
  bool is_mail_domain(const Domain& domain) const;   // local, not relay
  Domain first_domain() const;  // the oldest that is not relayed; empty: there is none
  std::optional<UserObject> user(const Address& address) const;  // canonical match, no sub-address
  // May `login` send as `sender` (envelope or From)? Own address, its sub-addresses, aliases that
  // lead to it alone, and its send_as patterns. <> is always allowed.
  bool may_send_as(const Address& login, const Address& sender) const;
  std::vector<DomainObject> domains() const;
  std::vector<UserObject> users() const;
  std::vector<AliasObject> aliases() const;
  Address admin() const;  // empty: there is no domain yet

  // ---- changes, durable when they end
  Task<Result<void>> add_domain(Loop& loop, DomainObject domain);  // conflict: exists
  // conflict: it has users or aliases, which are named
  Task<Result<void>> remove_domain(Loop& loop, Domain domain);
  // not_found: its domain is not local. conflict: the address is taken. bad_data: send_as
  Task<Result<void>> add_user(Loop& loop, UserObject user);
  Task<Result<void>> replace_user(Loop& loop, UserObject user);  // passwd, quota; created stays
  Task<Result<void>> remove_user(Loop& loop, Address address);
  Task<Result<void>> add_alias(Loop& loop, AliasObject alias);      // loops are found: conflict
  Task<Result<void>> replace_alias(Loop& loop, AliasObject alias);  // other targets; not_found
  Task<Result<void>> remove_alias(Loop& loop, Address address);
  Result<void> reload_alias_files(std::vector<std::string> files);  // newaliases, reload

 private:
  struct State;
  explicit Directory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace goniec
