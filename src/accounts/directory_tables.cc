// The rules of "who is this recipient", top-down; see directory.h for their order.
#include "accounts/directory_tables.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t alias_depth = 10;  // of chains that may_send_as follows

// RFC 5321 §4.5.1 (postmaster), RFC 2142 §4 (abuse).
bool is_role(std::string_view canonical_local) {
  return canonical_local == "postmaster" || canonical_local == "abuse";
}

Resolved to_mailbox(const Address& mailbox, std::string rule) {
  return {RecipientKind::mailbox, mailbox, {}, std::move(rule)};
}

Resolved to_alias(const Address& alias, std::vector<Address> targets, std::string rule) {
  return {RecipientKind::alias, alias, std::move(targets), std::move(rule)};
}

Resolved nobody() {
  return {RecipientKind::unknown, {}, {}, "unknown"};
}

Address catch_all_of(const Domain& domain) {
  return Address::make("*", domain);
}

}  // namespace

Address canonical(const Address& address) {
  if (address.empty()) return address;
  return Address::make(to_lower(address.local()), address.domain());
}

Address without_tag(const Address& address) {
  const std::size_t plus = address.local().find('+');
  if (plus == std::string::npos || plus == 0) return address;
  return Address::make(address.local().substr(0, plus), address.domain());
}

DirectoryTables::DirectoryTables(DirectoryOptions options) : options_(std::move(options)) {
  if (auto host = Domain::parse(options_.hostname)) host_ = std::move(*host);
}

Resolved DirectoryTables::resolve(const Address& recipient) const {
  const Address name = canonical(recipient);
  const DomainObject* domain_object = domain(recipient.domain());
  if (domain_object)
    return domain_object->relay ? resolve_relay(*domain_object, recipient) : resolve_local(name);
  // Mail of the machine itself (cron to root@hostname): alias files and roles only.
  if (!host_.empty() && recipient.domain() == host_) {
    if (auto found = find_file_alias(name)) return std::move(*found);
    if (is_role(name.local()))
      if (auto role = resolve_role(name); role.kind != RecipientKind::unknown) return role;
  }
  return {RecipientKind::remote, {}, {}, "remote"};
}

Resolved DirectoryTables::resolve_local(const Address& name) const {
  if (auto found = find_name(name)) return std::move(*found);
  if (const Address base = without_tag(name); base != name) {
    if (auto found = find_name(base)) {
      found->rule = "sub-address";
      return std::move(*found);
    }
  }
  const Address catch_all = catch_all_of(name.domain());
  if (const AliasObject* object = alias(catch_all))
    return to_alias(catch_all, object->targets, "catch-all");
  if (is_role(name.local())) return resolve_role(name);
  return nobody();
}

Resolved DirectoryTables::resolve_relay(const DomainObject& object,
                                        const Address& recipient) const {
  const Address name = canonical(recipient);
  if (const AliasObject* found = alias(name)) return to_alias(name, found->targets, "alias");
  const Resolved relayed{RecipientKind::relay, {}, {}, "domain"};
  switch (object.recipients) {
    case RelayRecipients::any:
      return relayed;
    case RelayRecipients::verify:
      return {RecipientKind::verify, {}, {}, "domain.verify"};
    case RelayRecipients::list:
      break;
  }
  if (name.local() == "postmaster") return relayed;  // RFC 5321 §4.5.1
  const auto names_it = [&](const std::string& listed) {
    if (listed.find('@') == std::string::npos) return equal_ignoring_case(listed, name.local());
    const auto address = Address::parse(listed);
    return address && canonical(*address) == name;
  };
  if (std::ranges::any_of(object.listed, names_it))
    return {RecipientKind::relay, {}, {}, "domain.list"};
  return nobody();
}

std::optional<Resolved> DirectoryTables::find_name(const Address& name) const {
  if (users_.contains(name)) return to_mailbox(name, "user");
  if (const AliasObject* object = alias(name)) return to_alias(name, object->targets, "alias");
  return find_file_alias(name);
}

std::optional<Resolved> DirectoryTables::find_file_alias(const Address& name) const {
  const Domain& default_domain = first_domain_.empty() ? host_ : first_domain_;
  auto found = file_aliases_.find({name.local(), name.domain()});
  if (found == file_aliases_.end() && (name.domain() == default_domain || name.domain() == host_))
    found = file_aliases_.find({name.local(), Domain()});
  if (found == file_aliases_.end()) return {};
  std::vector<Address> targets;
  for (const AliasesName& target : found->second)
    targets.push_back(
        Address::make(target.local, target.domain.empty() ? default_domain : target.domain));
  return to_alias(name, std::move(targets), "aliases file");
}

Resolved DirectoryTables::resolve_role(const Address& name) const {
  const Address to = admin();
  if (!to.empty() && canonical(to) != name) return to_alias(name, {to}, "postmaster");
  if (const UserObject* user = oldest_user()) return to_mailbox(user->address, "postmaster");
  return nobody();
}

Resolved DirectoryTables::resolve_postmaster() const {
  const Domain& domain = first_domain_.empty() ? host_ : first_domain_;
  if (domain.empty()) return nobody();
  const Resolved resolved = resolve(Address::make("postmaster", domain));
  if (resolved.kind != RecipientKind::remote) return resolved;
  return nobody();  // no domain here yet, and no admin
}

Address DirectoryTables::admin() const {
  if (options_.admin) return *options_.admin;
  if (first_domain_.empty()) return {};
  return Address::make("postmaster", first_domain_);
}

const UserObject* DirectoryTables::oldest_user() const {
  const auto oldest =
      std::ranges::min_element(users_, {}, [](const auto& entry) { return entry.second.created; });
  return oldest == users_.end() ? nullptr : &oldest->second;
}

bool DirectoryTables::may_send_as(const Address& login, const Address& sender) const {
  if (sender.empty()) return true;
  const UserObject* account = user(login);
  if (!account) return false;
  const auto allows = [&](const std::string& pattern) {
    return matches_send_as(pattern, sender) || matches_send_as(pattern, without_tag(sender));
  };
  if (std::ranges::any_of(account->send_as, allows)) return true;
  Address next = sender;
  for (std::size_t depth = 0; depth <= alias_depth; ++depth) {
    const Resolved resolved = resolve(next);
    if (resolved.kind == RecipientKind::mailbox) return resolved.mailbox == account->address;
    if (resolved.kind != RecipientKind::alias || resolved.targets.size() != 1) return false;
    next = resolved.targets.front();
  }
  return false;
}

bool DirectoryTables::makes_loop(const AliasObject& made) const {
  const Address address = canonical(made.address);
  const bool is_catch_all = address.local() == "*";
  // Would this name be the new alias?
  const auto is_made = [&](const Address& target) {
    const Address name = canonical(target);
    if (name == address) return true;
    if (find_name(name)) return false;
    if (without_tag(name) == address) return true;
    return is_catch_all && name.domain() == address.domain() && !find_name(without_tag(name));
  };
  std::vector<Address> waiting = made.targets;
  std::vector<Address> seen;
  while (!waiting.empty()) {
    const Address target = canonical(waiting.back());
    waiting.pop_back();
    if (is_made(target)) return true;
    if (std::ranges::find(seen, target) != seen.end()) continue;
    seen.push_back(target);
    const Resolved resolved = resolve(target);
    waiting.insert(waiting.end(), resolved.targets.begin(), resolved.targets.end());
  }
  return false;
}

const DomainObject* DirectoryTables::domain(const Domain& name) const {
  const auto found = domains_.find(name);
  return found == domains_.end() ? nullptr : &found->second;
}

const UserObject* DirectoryTables::user(const Address& address) const {
  const auto found = users_.find(canonical(address));
  return found == users_.end() ? nullptr : &found->second;
}

const AliasObject* DirectoryTables::alias(const Address& address) const {
  const auto found = aliases_.find(canonical(address));
  return found == aliases_.end() ? nullptr : &found->second;
}

std::vector<std::string> DirectoryTables::names_in(const Domain& name, std::size_t limit) const {
  std::vector<std::string> names;
  const auto collect = [&](const auto& table) {
    for (const auto& [address, object] : table)
      if (address.domain() == name && names.size() < limit) names.push_back(address.text());
  };
  collect(users_);
  collect(aliases_);
  return names;
}

void DirectoryTables::put(DomainObject object) {
  const Domain key = object.domain;
  domains_.insert_or_assign(key, std::move(object));
  choose_first_domain();
}

void DirectoryTables::put(UserObject object) {
  object.address = canonical(object.address);
  const Address key = object.address;
  users_.insert_or_assign(key, std::move(object));
}

void DirectoryTables::put(AliasObject object) {
  object.address = canonical(object.address);
  const Address key = object.address;
  aliases_.insert_or_assign(key, std::move(object));
}

void DirectoryTables::remove_domain(const Domain& name) {
  domains_.erase(name);
  choose_first_domain();
}

void DirectoryTables::remove_user(const Address& address) {
  users_.erase(canonical(address));
}

void DirectoryTables::remove_alias(const Address& address) {
  aliases_.erase(canonical(address));
}

void DirectoryTables::choose_first_domain() {
  const DomainObject* first = nullptr;
  for (const auto& [name, object] : domains_)
    if (!object.relay && (!first || object.created < first->created)) first = &object;
  first_domain_ = first ? first->domain : Domain();
}

Result<DirectoryTables::FileAliases> DirectoryTables::read_files(
    const std::vector<std::string>& files) {
  FileAliases aliases;
  for (const std::string& file : files) {
    // The first file that has a name wins.
    for (AliasesLine& line : TRY(read_aliases_file(file)))
      aliases.try_emplace({line.name.local, line.name.domain}, std::move(line.targets));
  }
  return aliases;
}

}  // namespace goniec
