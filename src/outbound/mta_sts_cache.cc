// See mta_sts_cache.h. A domain has a Slot; whoever reads its file or fetches its policy has the
// slot to itself, and wakes those who wait for it, each on its own loop.
#include "outbound/mta_sts_cache.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

struct Waiter {
  Loop* loop;
  Completion<bool> woken;
};

struct Slot {
  bool busy = false, loaded = false;
  std::optional<MtaStsKnown> known;
  std::optional<MtaStsFailure> failure;
  TlsFault fault = TlsFault::none;
  std::vector<Waiter*> waiters;
};

// A name that is a file's: what Domain lets through holds no slash; a dot at its beginning neither.
std::optional<std::string> file_of(const std::string& folder, const std::string& domain) {
  if (folder.empty() || domain.empty() || domain.size() > 200) return std::nullopt;
  const bool plain = std::ranges::all_of(domain, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
  });
  if (!plain || domain.front() == '.') return std::nullopt;
  return folder + "/" + domain;
}

std::string print(const MtaStsKnown& known) {
  JsonWriter json;
  json.object().key("id").text(known.id).key("fetched_at").text(to_rfc3339(known.fetched_at));
  json.key("policy").text(print_mta_sts_policy(known.policy)).end();
  return std::move(json).take() + "\n";
}

std::optional<MtaStsKnown> read(Disk& disk, const std::string& path, const MtaStsLimits& limits) {
  const auto exists = disk.exists(path);
  if (!exists || !*exists) return std::nullopt;
  const auto file = disk.open(path, OpenMode::read);
  if (!file) return std::nullopt;
  std::string text(2 * limits.policy_octets, '\0');
  const auto octets = (*file)->read_at(0, text);
  if (!octets) return std::nullopt;
  text.resize(*octets);
  const auto json = JsonValue::parse(text);
  if (!json) return std::nullopt;
  auto policy = parse_mta_sts_policy(json->text_at("policy"), limits);
  const auto at = parse_rfc3339(json->text_at("fetched_at"));
  if (!policy || !at) return std::nullopt;  // damaged: as if it had never been fetched
  return MtaStsKnown{json->text_at("id"), *std::move(policy), *at};
}

// Beside, then in its place: a crash leaves the old policy or the new one.
Result<void> write(Disk& disk, const std::string& folder, const std::string& path,
                   const std::string& text) {
  TRY(disk.make_directory(folder));
  const std::string beside = path + "~";
  {
    auto file = TRY(disk.open(beside, OpenMode::create));
    TRY(file->truncate(0));
    TRY(file->write_at(0, text));
    TRY(file->sync());
  }
  return disk.rename(beside, path);
}

struct Fetched {
  Result<MtaStsPolicy> policy = fail(ErrorKind::closed, "not fetched");
  TlsFault fault = TlsFault::none;
};

Task<Fetched> fetch(World& world, std::string domain, const MtaStsCacheOptions& options) {
  HttpRequest request;
  request.url = fmt::format("https://{}{}/.well-known/mta-sts.txt", mta_sts_policy_host(domain),
                            options.port == 443 ? "" : fmt::format(":{}", options.port));
  request.response_limit = options.limits.policy_octets;
  request.only_public = options.only_public;
  auto response = co_await world.http.fetch(std::move(request),
                                            world.loop.clock().moment() + options.limits.fetch);
  Fetched fetched;
  if (!response) {
    // The door says so when a certificate is not what it should be.
    const bool unproved = response.error().kind == ErrorKind::not_permitted;
    fetched.fault = unproved ? TlsFault::sts_webpki_invalid : TlsFault::sts_policy_fetch_error;
    fetched.policy = std::unexpected(response.error());
    co_return fetched;
  }
  MtaStsReply reply{response->status, {}, std::move(response->body)};
  for (const auto& [name, value] : response->headers)
    if (name == "content-type") reply.content_type = value;
  fetched.policy = judge_mta_sts_reply(reply, options.limits);
  if (!fetched.policy)
    fetched.fault =
        reply.status == 200 ? TlsFault::sts_policy_invalid : TlsFault::sts_policy_fetch_error;
  co_return fetched;
}

}  // namespace

struct MtaStsCache::State {
  MtaStsCacheOptions options;
  Disk& disk;
  mutable std::mutex mutex;
  std::map<std::string, Slot> slots;

  State(MtaStsCacheOptions given, Disk& where) : options(std::move(given)), disk(where) {}
  Slot& slot_of(const std::string& domain);
  void release(const std::string& domain);
  MtaStsAnswer answer_of(const Slot& slot, const MtaStsDecision& decision, Instant now) const;
};

using SharedState = std::shared_ptr<MtaStsCache::State>;

// REQUIRES the mutex. Beyond the limit one that nobody uses is forgotten: the disk has it.
Slot& MtaStsCache::State::slot_of(const std::string& domain) {
  if (slots.size() >= options.domains && !slots.contains(domain)) {
    const auto idle = std::ranges::find_if(
        slots, [](const auto& each) { return !each.second.busy && each.second.waiters.empty(); });
    if (idle != slots.end()) slots.erase(idle);
  }
  return slots[domain];
}

void MtaStsCache::State::release(const std::string& domain) {
  std::vector<Waiter*> waiters;
  {
    std::lock_guard lock(mutex);
    Slot& slot = slots[domain];
    slot.busy = false;
    waiters.swap(slot.waiters);
  }
  for (Waiter* waiter : waiters) waiter->loop->post([waiter] { waiter->woken.complete(true); });
}

MtaStsAnswer MtaStsCache::State::answer_of(const Slot& slot, const MtaStsDecision& decision,
                                           Instant now) const {
  MtaStsAnswer answer;
  answer.cannot_tell = decision.step == MtaStsStep::wait;
  if (slot.known && slot.known->in_force(now)) answer.policy = slot.known;
  answer.fault = slot.fault;
  answer.why = decision.why;
  return answer;
}

namespace {

// REQUIRES that the slot is busy for the caller, here and in fetch_into().
Task<void> load_into(SharedState state, World& world, std::string domain) {
  std::optional<MtaStsKnown> known;
  if (const auto path = file_of(state->options.folder, domain)) {
    const auto work = [state, path = *path] {
      return read(state->disk, path, state->options.limits);
    };
    auto done = co_await world.offload.run(world.loop, work);
    known = done ? std::move(*done) : work();  // a full pool: a small file, read here
  }
  std::lock_guard lock(state->mutex);
  Slot& slot = state->slots[domain];
  slot.known = std::move(known);
  slot.loaded = true;
}

Task<void> fetch_into(SharedState state, World& world, std::string domain, MtaStsRecord record) {
  Fetched fetched = co_await fetch(world, domain, state->options);
  const Instant now = world.loop.clock().now();
  std::optional<std::string> to_write;
  {
    std::lock_guard lock(state->mutex);
    Slot& slot = state->slots[domain];
    slot.known = after_fetch(std::move(slot.known), record, fetched.policy, now);
    slot.fault = fetched.fault;
    slot.failure.reset();
    if (!fetched.policy)
      slot.failure = MtaStsFailure{record.id, now, fetched.policy.error().message};
    else if (!slot.known->in_force(now + state->options.limits.pause))
      slot.failure = MtaStsFailure{record.id, now, "its max_age is over at once"};
    if (fetched.policy) to_write = print(*slot.known);
  }
  const auto path = file_of(state->options.folder, domain);
  if (!to_write || !path) co_return;
  const auto work = [state, path = *path, text = *to_write] {
    return write(state->disk, state->options.folder, path, text).has_value();
  };
  auto done = co_await world.offload.run(world.loop, work);
  if (!done) (void)work();
}

Task<void> refresh(SharedState state, World& world, std::string domain, MtaStsRecord record) {
  co_await fetch_into(state, world, domain, std::move(record));
  state->release(domain);
}

// True: the slot is the caller's now. False: it was waited for, look again.
Task<bool> take_slot(SharedState state, World& world, std::string domain) {
  Waiter waiter{&world.loop, {}};
  {
    std::lock_guard lock(state->mutex);
    Slot& slot = state->slot_of(domain);
    if (!std::exchange(slot.busy, true)) co_return true;
    slot.waiters.push_back(&waiter);
  }
  co_await waiter.woken;
  co_return false;
}

}  // namespace

MtaStsCache::MtaStsCache(MtaStsCacheOptions options, Disk& disk)
    : state_(std::make_shared<State>(std::move(options), disk)) {}
MtaStsCache::~MtaStsCache() = default;

Task<MtaStsAnswer> MtaStsCache::find(World& world, Domain domain, Moment deadline) {
  const SharedState state = state_;
  const std::string name = domain.ascii();
  const DnsAnswer txt =
      co_await world.resolver.lookup(mta_sts_record_name(name), DnsType::txt, deadline);
  const MtaStsRecord record = judge_mta_sts_record(txt);
  const MtaStsLimits& limits = state->options.limits;
  for (;;) {
    bool loaded = false;
    {
      std::lock_guard lock(state->mutex);
      Slot& slot = state->slot_of(name);
      loaded = slot.loaded;
      const Instant now = world.loop.clock().now();
      const auto decision = decide_mta_sts(slot.known, slot.failure, record, now, limits);
      const bool fetches = decision.step == MtaStsStep::fetch;
      if (loaded && !fetches) {
        if (decision.step == MtaStsStep::apply_and_fetch && !std::exchange(slot.busy, true))
          spawn(refresh(state, world, name, record));
        co_return state->answer_of(slot, decision, now);
      }
    }
    if (!co_await take_slot(state, world, name)) continue;
    if (loaded)
      co_await fetch_into(state, world, name, record);
    else
      co_await load_into(state, world, name);
    state->release(name);
  }
}

std::optional<MtaStsKnown> MtaStsCache::known(const Domain& domain) const {
  std::lock_guard lock(state_->mutex);
  const auto found = state_->slots.find(domain.ascii());
  return found == state_->slots.end() ? std::nullopt : found->second.known;
}

}  // namespace goniec
