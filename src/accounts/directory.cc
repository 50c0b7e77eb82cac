// The facade over the tables: a lock for readers, and changes that are committed before they are
// seen. A change waits its turn (ChangeTurns), is checked, committed, and put into the tables;
// turns never block a loop, for they are handed over by Loop::post.
#include "accounts/directory.h"

#include <deque>
#include <mutex>
#include <shared_mutex>

#include "accounts/directory_tables.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t alias_targets = 1000;

// One change after another, from any loop.
class ChangeTurns {
 public:
  // Held while it lives.
  class Turn {
   public:
    explicit Turn(ChangeTurns& turns) : turns_(turns) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { turns_.pass_on(); }

   private:
    ChangeTurns& turns_;
  };

  // Ends when it is the caller's turn; make a Turn at once.
  Task<> wait(Loop& loop) {
    Completion<bool> mine;
    {
      std::lock_guard lock(mutex_);
      if (busy_)
        waiting_.push_back({&loop, &mine});
      else
        busy_ = true;
      if (waiting_.empty() || waiting_.back().mine != &mine) co_return;
    }
    co_await mine;
  }

 private:
  struct Waiting {
    Loop* loop;
    Completion<bool>* mine;
  };

  void pass_on() {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      busy_ = false;
      return;
    }
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    next.loop->post([mine = next.mine] { mine->complete(true); });
  }

  std::mutex mutex_;
  bool busy_ = false;
  std::deque<Waiting> waiting_;
};

std::unexpected<Error> exists(std::string_view what, const std::string& name) {
  return fail(ErrorKind::conflict, fmt::format("the {} {} exists already", what, name));
}

std::unexpected<Error> missing(std::string_view what, const std::string& name) {
  return fail(ErrorKind::not_found, fmt::format("there is no {} {}", what, name));
}

// Times are kept in milliseconds, so that memory and store agree.
Instant to_milliseconds(Instant at) {
  return std::chrono::floor<std::chrono::milliseconds>(at);
}

Result<void> check_user(const DirectoryTables& tables, const UserObject& user) {
  const DomainObject* domain = tables.domain(user.address.domain());
  if (!domain || domain->relay)
    return fail(ErrorKind::not_found,
                fmt::format("{} is no local domain: `goniec domain add {}` first",
                            user.address.domain().ascii(), user.address.domain().ascii()));
  if (user.address.local() == "*")
    return fail(ErrorKind::bad_data, "\"*\" is the name of a catch-all alias, not of a user");
  for (const std::string& pattern : user.send_as) TRY(check_send_as(pattern));
  return {};
}

Result<void> check_alias(const DirectoryTables& tables, const AliasObject& alias) {
  const std::string name = alias.address.text();
  if (!tables.domain(alias.address.domain()))
    return fail(ErrorKind::not_found,
                fmt::format("{} is no domain of this server", alias.address.domain().ascii()));
  if (alias.targets.empty())
    return fail(ErrorKind::bad_data, fmt::format("the alias {} has no targets", name));
  if (alias.targets.size() > alias_targets)
    return fail(ErrorKind::bad_data,
                fmt::format("the alias {} has more than {} targets", name, alias_targets));
  if (tables.user(alias.address)) return exists("user", name);
  if (tables.makes_loop(alias))
    return fail(ErrorKind::conflict, fmt::format("the alias {} would lead to itself", name));
  return {};
}

}  // namespace

struct Directory::State {
  State(DirectoryOptions options, Committer& the_committer)
      : committer(the_committer), tables(std::move(options)) {}

  Committer& committer;
  ChangeTurns turns;
  mutable std::shared_mutex mutex;  // guards tables; held for look-ups and for a change's last step
  DirectoryTables tables;

  template <class F>
  auto reading(F work) const {
    std::shared_lock lock(mutex);
    return work(tables);
  }
  template <class F>
  void writing(F work) {
    std::unique_lock lock(mutex);
    work(tables);
  }
  // Commits `object` under (kind, key), then shows it.
  template <class Object>
  Task<Result<void>> store(Loop& loop, std::string kind, std::string key, Object object) {
    ObjectPut put{{std::move(kind), std::move(key)}, to_json(object)};
    CO_TRY(co_await committer.put_object(loop, std::move(put)));
    writing([&](DirectoryTables& all) { all.put(std::move(object)); });
    co_return Result<void>();
  }
};

Directory::Directory(std::unique_ptr<State> state) : state_(std::move(state)) {}
Directory::~Directory() = default;

Result<std::unique_ptr<Directory>> Directory::open(DirectoryOptions options, Committer& committer,
                                                   Reader& reader) {
  const std::vector<std::string> files = options.alias_files;
  auto state = std::make_unique<State>(std::move(options), committer);
  for (const auto& [key, json] : TRY(reader.objects("domain")))
    state->tables.put(TRY(domain_from_json(key, json)));
  for (const auto& [key, json] : TRY(reader.objects("user")))
    state->tables.put(TRY(user_from_json(key, json)));
  for (const auto& [key, json] : TRY(reader.objects("alias")))
    state->tables.put(TRY(alias_from_json(key, json)));
  state->tables.put_files(TRY(DirectoryTables::read_files(files)));
  return std::unique_ptr<Directory>(new Directory(std::move(state)));
}

Resolved Directory::resolve(const Address& recipient) const {
  return state_->reading([&](const DirectoryTables& all) { return all.resolve(recipient); });
}

Resolved Directory::resolve_postmaster() const {
  return state_->reading([](const DirectoryTables& all) { return all.resolve_postmaster(); });
}

bool Directory::is_local_domain(const Domain& domain) const {
  return state_->reading([&](const DirectoryTables& all) { return all.domain(domain) != nullptr; });
}

bool Directory::is_mail_domain(const Domain& domain) const {
  return state_->reading([&](const DirectoryTables& all) {
    const DomainObject* found = all.domain(domain);
    return found && !found->relay;
  });
}

Domain Directory::first_domain() const {
  return state_->reading([](const DirectoryTables& all) { return all.first_domain(); });
}

std::optional<UserObject> Directory::user(const Address& address) const {
  return state_->reading([&](const DirectoryTables& all) {
    const UserObject* user = all.user(address);
    return user ? std::optional(*user) : std::nullopt;
  });
}

bool Directory::may_send_as(const Address& login, const Address& sender) const {
  return state_->reading(
      [&](const DirectoryTables& all) { return all.may_send_as(login, sender); });
}

namespace {
template <class Table>
auto values_of(const Table& table) {
  std::vector<typename Table::mapped_type> values;
  values.reserve(table.size());
  for (const auto& [key, value] : table) values.push_back(value);
  return values;
}
}  // namespace

std::vector<DomainObject> Directory::domains() const {
  return state_->reading([](const DirectoryTables& all) { return values_of(all.all_domains()); });
}

std::vector<UserObject> Directory::users() const {
  return state_->reading([](const DirectoryTables& all) { return values_of(all.all_users()); });
}

std::vector<AliasObject> Directory::aliases() const {
  return state_->reading([](const DirectoryTables& all) { return values_of(all.all_aliases()); });
}

Address Directory::admin() const {
  return state_->reading([](const DirectoryTables& all) { return all.admin(); });
}

Task<Result<void>> Directory::add_domain(Loop& loop, DomainObject domain) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  if (domain.domain.empty() || domain.domain.is_literal())
    co_return fail(ErrorKind::bad_data, "a domain is a name like example.pl");
  if (is_local_domain(domain.domain)) co_return exists("domain", domain.domain.ascii());
  if (domain.created == Instant{}) domain.created = loop.clock().now();
  domain.created = to_milliseconds(domain.created);
  std::string key = domain.domain.ascii();
  co_return co_await state_->store(loop, "domain", std::move(key), std::move(domain));
}

Task<Result<void>> Directory::remove_domain(Loop& loop, Domain domain) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  if (!is_local_domain(domain)) co_return missing("domain", domain.ascii());
  const auto names =
      state_->reading([&](const DirectoryTables& all) { return all.names_in(domain, 5); });
  if (!names.empty())
    co_return fail(ErrorKind::conflict, fmt::format("the domain {} still has users or aliases: {}",
                                                    domain.ascii(), fmt::join(names, ", ")));
  CO_TRY(co_await state_->committer.remove_object(loop, {"domain", domain.ascii()}));
  state_->writing([&](DirectoryTables& all) { all.remove_domain(domain); });
  co_return Result<void>();
}

Task<Result<void>> Directory::add_user(Loop& loop, UserObject user) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  user.address = canonical(user.address);
  std::string key = user.address.text();
  CO_TRY(state_->reading([&](const DirectoryTables& all) -> Result<void> {
    TRY(check_user(all, user));
    if (all.user(user.address)) return exists("user", key);
    if (all.alias(user.address)) return exists("alias", key);
    return {};
  }));
  if (user.created == Instant{}) user.created = loop.clock().now();
  user.created = to_milliseconds(user.created);
  co_return co_await state_->store(loop, "user", std::move(key), std::move(user));
}

Task<Result<void>> Directory::replace_user(Loop& loop, UserObject user) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  user.address = canonical(user.address);
  std::string key = user.address.text();
  CO_TRY(state_->reading([&](const DirectoryTables& all) -> Result<void> {
    const UserObject* old = all.user(user.address);
    if (!old) return missing("user", key);
    user.created = old->created;
    return check_user(all, user);
  }));
  co_return co_await state_->store(loop, "user", std::move(key), std::move(user));
}

Task<Result<void>> Directory::remove_user(Loop& loop, Address address) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  address = canonical(address);
  if (!user(address)) co_return missing("user", address.text());
  CO_TRY(co_await state_->committer.remove_object(loop, {"user", address.text()}));
  state_->writing([&](DirectoryTables& all) { all.remove_user(address); });
  co_return Result<void>();
}

Task<Result<void>> Directory::add_alias(Loop& loop, AliasObject alias) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  alias.address = canonical(alias.address);
  std::string key = alias.address.text();
  CO_TRY(state_->reading([&](const DirectoryTables& all) -> Result<void> {
    if (all.alias(alias.address)) return exists("alias", key);
    return check_alias(all, alias);
  }));
  co_return co_await state_->store(loop, "alias", std::move(key), std::move(alias));
}

Task<Result<void>> Directory::replace_alias(Loop& loop, AliasObject alias) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  alias.address = canonical(alias.address);
  std::string key = alias.address.text();
  CO_TRY(state_->reading([&](const DirectoryTables& all) -> Result<void> {
    if (!all.alias(alias.address)) return missing("alias", key);
    return check_alias(all, alias);
  }));
  co_return co_await state_->store(loop, "alias", std::move(key), std::move(alias));
}

Task<Result<void>> Directory::remove_alias(Loop& loop, Address address) {
  co_await state_->turns.wait(loop);
  const ChangeTurns::Turn turn(state_->turns);
  address = canonical(address);
  const bool known =
      state_->reading([&](const DirectoryTables& all) { return all.alias(address) != nullptr; });
  if (!known) co_return missing("alias", address.text());
  CO_TRY(co_await state_->committer.remove_object(loop, {"alias", address.text()}));
  state_->writing([&](DirectoryTables& all) { all.remove_alias(address); });
  co_return Result<void>();
}

Result<void> Directory::reload_alias_files(std::vector<std::string> files) {
  auto aliases = TRY(DirectoryTables::read_files(files));
  state_->writing([&](DirectoryTables& all) { all.put_files(std::move(aliases)); });
  return {};
}

}  // namespace goniec
