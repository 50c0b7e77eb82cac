// One way through for every password: is it blocked? remembered? else argon2id on the pool, always
// one verification whatever is known of the user, and the answer in the same words.
//
//   throttle ----blocked----------------> 454 4.7.0 login.throttled
//      |
//   remembered? --yes-------------------> 235 2.7.0 login.ok
//      |
//   argon2id (user's hash, or nobody's) -> pool full: 454 4.7.0 login.busy
//      |
//   throttle again, hash unchanged? ----> 235 2.7.0 login.ok | 535 5.7.8 login.password
//
// What is remembered is HMAC(key of this process, account, hash, password): a changed password has
// another hash, so it is forgotten by itself, and a core dump shows no password.
#include "accounts/login.h"

#include <mutex>

#include "accounts/directory_tables.h"
#include "accounts/throttle.h"
#include "base/digest.h"
#include "base/text.h"
#include "trust/passwords.h"

namespace goniec {
namespace {

constexpr std::uint32_t scram_iterations = 100000;
constexpr std::size_t scram_salt_octets = 16;

// The network one customer has: /32 or /64.
std::string address_key(const IpAddress& from) {
  const std::size_t octets = from.v6 ? 8 : 4;
  return std::string(reinterpret_cast<const char*>(from.octets.data()), octets);
}

// The network one organisation has: /24 or /48.
std::string block_key(const IpAddress& from) {
  const std::size_t octets = from.v6 ? 6 : 3;
  return std::string(reinterpret_cast<const char*>(from.octets.data()), octets);
}

std::string account_key(std::string_view user, const IpAddress& from) {
  return to_lower(user) + '\0' + block_key(from);
}

LoginAnswer wrong() {
  // The same words for an unknown user, a user without login and a wrong password.
  return {{}, Reply(535, {5, 7, 8}, "Authentication credentials invalid"), "login.password"};
}

LoginAnswer busy() {
  return {{}, Reply(454, {4, 7, 0}, "Too many logins at once, try again"), "login.busy"};
}

LoginAnswer proved(const Address& user, std::string mechanism) {
  return {Login{user, std::move(mechanism)}, Reply(235, {2, 7, 0}, "Authentication successful"),
          "login.ok"};
}

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

struct Logins::State {
  State(const Directory& the_directory, LoginLimits given, Metrics& metrics)
      : directory(the_directory),
        limits(given),
        key(random_secret(32)),
        addresses(given.table_entries),
        accounts(given.table_entries),
        remembered(given.table_entries),
        hours(given.table_entries),
        ok(result_counter(metrics, "ok")),
        refused(result_counter(metrics, "password")),
        throttled(result_counter(metrics, "throttled")),
        busy(result_counter(metrics, "busy")) {}

  static Counter& result_counter(Metrics& metrics, std::string result) {
    return metrics.counter("goniec_auth_attempts_total", "Logins by what came of them",
                           {{"result", std::move(result)}});
  }

  std::optional<LoginAnswer> blocked(const IpAddress& from, std::string_view user, Clock& clock);
  void failed(const IpAddress& from, std::string_view user, Moment now);
  void succeeded(const IpAddress& from, std::string_view user);
  std::string memory_key(const UserObject& user, std::string_view password) const;
  bool remembers(const std::string& memory, Moment now);
  void remember(const std::string& memory, Moment now);
  LoginAnswer counted(LoginAnswer answer);

  const Directory& directory;
  ApiKeys* keys = nullptr;
  std::mutex mutex;  // guards limits and the tables
  LoginLimits limits;
  const std::string key;
  FailureTable addresses, accounts;
  BoundedTable<std::string, Moment> remembered;
  BoundedTable<Address, HourCount> hours;
  Counter &ok, &refused, &throttled, &busy;
};

std::optional<LoginAnswer> Logins::State::blocked(const IpAddress& from, std::string_view user,
                                                  Clock& clock) {
  const Moment now = clock.moment();
  std::lock_guard lock(mutex);
  auto until = addresses.blocked_until(address_key(from), now);
  if (!until) until = accounts.blocked_until(account_key(user, from), now);
  if (!until) return {};
  const Duration left = *until - now;
  return LoginAnswer{{},
                     Reply(454, {4, 7, 0},
                           fmt::format("Too many failed logins, try again in {} seconds (at {})",
                                       whole_seconds(left), to_rfc3339(clock.now() + left))),
                     "login.throttled"};
}

void Logins::State::failed(const IpAddress& from, std::string_view user, Moment now) {
  std::lock_guard lock(mutex);
  addresses.failed(address_key(from), now, limits.failures_per_address, limits.window,
                   limits.block);
  accounts.failed(account_key(user, from), now, limits.failures_per_account, limits.window,
                  limits.block);
}

void Logins::State::succeeded(const IpAddress& from, std::string_view user) {
  std::lock_guard lock(mutex);
  // Not the address: somebody with an account of their own may still guess those of others.
  accounts.forget(account_key(user, from));
}

std::string Logins::State::memory_key(const UserObject& user, std::string_view password) const {
  std::string text = user.address.text() + '\0' + user.password_hash + '\0';
  text += password;
  std::string memory(view(hmac_sha256(key, text)));
  text.assign(text.size(), '\0');
  return memory;
}

bool Logins::State::remembers(const std::string& memory, Moment now) {
  std::lock_guard lock(mutex);
  const Moment* until = remembered.find(memory);
  return until && *until > now;
}

void Logins::State::remember(const std::string& memory, Moment now) {
  std::lock_guard lock(mutex);
  remembered.at(memory) = now + limits.remember;
}

LoginAnswer Logins::State::counted(LoginAnswer answer) {
  Counter& counter = answer.login                       ? ok
                     : answer.rule == "login.throttled" ? throttled
                     : answer.rule == "login.busy"      ? busy
                                                        : refused;
  counter.add();
  return answer;
}

Logins::Logins(const Directory& directory, LoginLimits limits, Metrics& metrics, Random&)
    : state_(std::make_unique<State>(directory, limits, metrics)) {}
Logins::~Logins() = default;

void Logins::use_keys(ApiKeys& keys) {
  state_->keys = &keys;
}

bool Logins::is_key(std::string_view secret) const {
  return state_->keys && state_->keys->find(secret).has_value();
}

bool Logins::is_revoked(const ApiKey& key) const {
  return !state_->keys || !state_->keys->by_id(key.id);
}

KeyAnswer Logins::check_key(Clock& clock, IpAddress from, std::string_view secret) {
  State& state = *state_;
  const Moment now = clock.moment();
  auto key = state.keys ? state.keys->find(secret) : std::nullopt;
  const bool elsewhere = key && !key->may_come_from(from);
  if (key && !elsewhere) {
    state.keys->used(key->id, clock.now(), from);
    state.ok.add();
    return {KeyAnswer::Result::proved, std::move(key), {}};
  }
  std::lock_guard lock(state.mutex);
  if (const auto until = state.addresses.blocked_until(address_key(from), now)) {
    state.throttled.add();
    return {KeyAnswer::Result::throttled, {}, *until - now};
  }
  state.addresses.failed(address_key(from), now, state.limits.failures_per_address,
                         state.limits.window, state.limits.block);
  state.refused.add();
  return {elsewhere ? KeyAnswer::Result::elsewhere : KeyAnswer::Result::unknown, {}, {}};
}

Task<LoginAnswer> Logins::check_password(World& world, IpAddress from, PlainCredentials credentials,
                                         std::string mechanism) {
  State& state = *state_;
  Clock& clock = world.loop.clock();
  if (auto answer = state.blocked(from, credentials.user, clock))
    co_return state.counted(std::move(*answer));

  // The login name is the whole address; case does not matter.
  std::optional<UserObject> user;
  if (const auto address = Address::parse(credentials.user)) user = state.directory.user(*address);
  // Acting for somebody else is nobody's right here (RFC 4616 §2).
  const bool for_self = credentials.authorisation.empty() ||
                        equal_ignoring_case(credentials.authorisation, credentials.user);
  const bool may_log_in = user && for_self && !user->password_hash.empty();
  const std::string hash = may_log_in ? user->password_hash : std::string();
  std::string memory;
  if (may_log_in) {
    memory = state.memory_key(*user, credentials.password.reveal());
    if (state.remembers(memory, clock.moment()))
      co_return state.counted(proved(user->address, std::move(mechanism)));
  }

  const auto verified = co_await world.offload.run(
      world.loop,
      [hash, password = credentials.password] { return verify_password(hash, password.reveal()); });
  if (!verified) co_return state.counted(busy());
  // During the check the block may have begun (parallel guesses), the password may have changed.
  if (auto answer = state.blocked(from, credentials.user, clock))
    co_return state.counted(std::move(*answer));
  const auto user_now = *verified ? state.directory.user(user->address) : std::nullopt;
  if (!user_now || user_now->password_hash != hash) {
    state.failed(from, credentials.user, clock.moment());
    co_return state.counted(wrong());
  }
  state.succeeded(from, credentials.user);
  state.remember(memory, clock.moment());
  co_return state.counted(proved(user->address, std::move(mechanism)));
}

ScramKeys Logins::scram_keys(std::string_view user) const {
  const auto address = Address::parse(user);
  if (address) {
    if (auto known = state_->directory.user(*address); known && known->scram) return *known->scram;
  }
  // Keys of nobody: the same name gets the same salt, and no proof fits.
  const auto made = [&](std::string_view what) {
    return std::string(view(hmac_sha256(state_->key, fmt::format("{} {}", what, to_lower(user)))));
  };
  return {made("salt").substr(0, scram_salt_octets), scram_iterations, made("stored"),
          made("server")};
}

LoginAnswer Logins::scram_done(Clock& clock, IpAddress from, std::string_view user, bool proof) {
  State& state = *state_;
  if (auto answer = state.blocked(from, user, clock)) return state.counted(std::move(*answer));
  const auto address = Address::parse(user);
  const auto known = address ? state.directory.user(*address) : std::nullopt;
  if (!proof || !known || !known->scram) {
    state.failed(from, user, clock.moment());
    return state.counted(wrong());
  }
  state.succeeded(from, user);
  return state.counted(proved(known->address, "SCRAM-SHA-256"));
}

std::optional<Reply> Logins::count_message(Clock& clock, const Address& account) {
  State& state = *state_;
  const Moment now = clock.moment();
  std::lock_guard lock(state.mutex);
  const std::uint64_t limit = state.limits.messages_per_account_hour;
  if (limit == 0) return {};
  const auto room_at = state.hours.at(canonical(account)).add(now, limit);
  if (!room_at) return {};
  return Reply(450, {4, 7, 1},
               fmt::format("{} messages in an hour is the limit of this account, try again at {}",
                           limit, to_rfc3339(clock.now() + (*room_at - now))));
}

void Logins::set_limits(LoginLimits limits) {
  std::lock_guard lock(state_->mutex);
  state_->limits = limits;
  state_->addresses.set_entries(limits.table_entries);
  state_->accounts.set_entries(limits.table_entries);
  state_->remembered.set_limit(limits.table_entries);
  state_->hours.set_limit(limits.table_entries);
}

}  // namespace goniec
