// The directory in memory: plain tables, the rules that answer "who is this recipient" over them,
// and the JSON form of the objects in the store. No lock, no store: Directory owns both.
//
// JSON (kind "domain", key the ASCII domain): {"relay","recipients","listed","created"}
//      (kind "user", key the address):        {"password_hash","scram","quota","send_as","created"}
//      (kind "alias", key the address):       {"targets"}
// A member that is missing has its default; octets of keys are base64, times RFC 3339.
#pragma once
#include <map>

#include "accounts/aliases_file.h"
#include "accounts/directory.h"

namespace goniec {

// Lower-case local part: how names of local users and aliases compare.
Address canonical(const Address& address);
// "user@d" of "user+tag@d"; the same when there is no tag.
Address without_tag(const Address& address);

std::string to_json(const DomainObject& domain);
std::string to_json(const UserObject& user);
std::string to_json(const AliasObject& alias);
Result<DomainObject> domain_from_json(std::string_view key, std::string_view json);
Result<UserObject> user_from_json(std::string_view key, std::string_view json);
Result<AliasObject> alias_from_json(std::string_view key, std::string_view json);

// "*", "*@domain" or an address: ignoring case.
bool matches_send_as(std::string_view pattern, const Address& sender);
Result<void> check_send_as(std::string_view pattern);

class DirectoryTables {
 public:
  explicit DirectoryTables(DirectoryOptions options);

  Resolved resolve(const Address& recipient) const;
  Resolved resolve_postmaster() const;
  bool may_send_as(const Address& login, const Address& sender) const;
  Address admin() const;
  const Domain& first_domain() const { return first_domain_; }
  const DomainObject* domain(const Domain& domain) const;
  const UserObject* user(const Address& address) const;
  const AliasObject* alias(const Address& address) const;
  // Would an alias of that address with those targets come back to itself?
  bool makes_loop(const AliasObject& alias) const;
  // Users and aliases in a domain, at most `limit` names.
  std::vector<std::string> names_in(const Domain& domain, std::size_t limit) const;

  void put(DomainObject domain);
  void put(UserObject user);
  void put(AliasObject alias);
  void remove_domain(const Domain& domain);
  void remove_user(const Address& address);
  void remove_alias(const Address& address);
  // The second source: alias files, read first and put in as a whole. config: file:line of each
  // error.
  using FileAliases = std::map<std::pair<std::string, Domain>, std::vector<AliasesName>>;
  static Result<FileAliases> read_files(const std::vector<std::string>& files);
  void put_files(FileAliases aliases) { file_aliases_ = std::move(aliases); }

  const std::map<Domain, DomainObject>& all_domains() const { return domains_; }
  const std::map<Address, UserObject>& all_users() const { return users_; }
  const std::map<Address, AliasObject>& all_aliases() const { return aliases_; }

 private:
  std::optional<Resolved> find_name(const Address& name) const;
  std::optional<Resolved> find_file_alias(const Address& name) const;
  Resolved resolve_local(const Address& name) const;
  Resolved resolve_relay(const DomainObject& domain, const Address& recipient) const;
  Resolved resolve_role(const Address& name) const;
  const UserObject* oldest_user() const;
  void choose_first_domain();

  DirectoryOptions options_;
  Domain host_;          // of options.hostname
  Domain first_domain_;  // the oldest local domain, or empty
  std::map<Domain, DomainObject> domains_;
  std::map<Address, UserObject> users_;  // canonical addresses
  std::map<Address, AliasObject> aliases_;
  FileAliases file_aliases_;
};

}  // namespace goniec
