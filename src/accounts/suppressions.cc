// See suppressions.h.
// A change is committed first, then the index follows: between the two an address that was added is
// still tried, and one that was removed is still looked up in the store, which says no.
#include "accounts/suppressions.h"

#include <algorithm>
#include <mutex>

#include "accounts/directory_tables.h"
#include "accounts/streams.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view object_kind = "suppression";
constexpr std::size_t smallest_index = 1024;  // slots
constexpr std::size_t rows_a_read = 1000;

std::string key_of(std::string_view stream, const Address& canonical_address) {
  return fmt::format("{}/{}", stream, canonical_address.text());
}

// FNV-1a, then mixed: an index entry. Who finds two addresses that meet gains a look into the
// store.
std::uint64_t fingerprint_of(std::string_view key) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDull;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53ull;
  hash ^= hash >> 33;
  return hash == 0 ? 1 : hash;
}

std::string to_json(const Suppression& entry) {
  JsonWriter w;
  w.object().key("reason").text(name_of(entry.reason)).key("origin").text(entry.origin);
  if (!entry.evidence.empty()) w.key("evidence").text(entry.evidence);
  if (entry.message) w.key("message").text(entry.message.text());
  if (!entry.note.empty()) w.key("note").text(entry.note);
  w.key("created_at").text(to_rfc3339(entry.created));
  if (entry.expires != Instant{}) w.key("expires_at").text(to_rfc3339(entry.expires));
  w.end();
  return std::move(w).take();
}

Result<Suppression> from_json(std::string_view key, std::string_view json) {
  const std::size_t slash = key.find('/');
  const auto value = JsonValue::parse(json);
  auto address = slash == std::string_view::npos ? Result<Address>(Address())
                                                 : Address::parse(key.substr(slash + 1));
  const auto reason = value ? suppression_reason_of(value->text_at("reason")) : std::nullopt;
  if (!reason || !address || address->empty())
    return fail(ErrorKind::damaged,
                fmt::format("the stored suppression \"{}\" cannot be read", printable(key)));
  Suppression entry;
  entry.stream = key.substr(0, slash);
  entry.address = std::move(*address);
  entry.reason = *reason;
  entry.origin = value->text_at("origin");
  entry.evidence = value->text_at("evidence");
  entry.message = MessageId::parse(value->text_at("message")).value_or(MessageId{});
  entry.note = value->text_at("note");
  entry.created = parse_rfc3339(value->text_at("created_at")).value_or(Instant{});
  entry.expires = parse_rfc3339(value->text_at("expires_at")).value_or(Instant{});
  return entry;
}

bool is_own_wish(SuppressionReason reason) {
  return reason == SuppressionReason::complained || reason == SuppressionReason::unsubscribed;
}

Result<void> check(const Suppression& entry) {
  if (entry.stream != all_streams && !is_stream_id(entry.stream))
    return fail(ErrorKind::bad_data,
                fmt::format("\"{}\" is no stream", printable(entry.stream, 80)));
  if (entry.stream == all_streams && entry.reason != SuppressionReason::manual)
    return fail(ErrorKind::bad_data,
                fmt::format("\"*\" is for what is decided by hand; {} is of one stream",
                            name_of(entry.reason)));
  if (entry.address.empty()) return fail(ErrorKind::bad_data, "an address is missing");
  return {};
}

Event event_of(const Suppression& entry, EventKind kind, Instant now, std::string_view origin) {
  Event event;
  event.kind = kind;
  event.message = entry.message;
  event.at = now;
  event.recipient = entry.address.text();
  JsonWriter w;
  w.object().key("stream").text(entry.stream).key("reason").text(name_of(entry.reason));
  w.key("origin").text(origin);
  if (!entry.evidence.empty()) w.key("evidence").text(entry.evidence);
  if (!entry.note.empty()) w.key("note").text(entry.note);
  if (entry.expires != Instant{}) w.key("expires_at").text(to_rfc3339(entry.expires));
  w.end();
  event.data = std::move(w).take();
  return event;
}

// One result a key, nullopt where there is none.
Task<Result<std::vector<std::optional<Suppression>>>> read_all(ReaderPool& readers, Loop& loop,
                                                               std::vector<std::string> keys) {
  using Found = Result<std::vector<std::optional<Suppression>>>;
  co_return co_await readers.read(loop, [keys = std::move(keys)](Reader& reader) -> Found {
    std::vector<std::optional<Suppression>> found;
    for (const std::string& key : keys) {
      const auto json = TRY(reader.object({std::string(object_kind), key}));
      found.push_back(json ? std::optional(TRY(from_json(key, *json))) : std::nullopt);
    }
    return found;
  });
}

bool matches(const Suppression& entry, const SuppressionFilter& filter) {
  if (!filter.stream.empty() && entry.stream != filter.stream) return false;
  if (filter.reason && entry.reason != *filter.reason) return false;
  return filter.address.empty() ||
         to_lower(entry.address.text()).find(filter.address) != std::string::npos;
}

// All streams from `after` on, or one: its keys stand together.
Result<SuppressionPage> read_page(Reader& reader, const SuppressionFilter& filter) {
  SuppressionPage page;
  const std::string prefix = filter.stream.empty() ? std::string() : filter.stream + "/";
  std::string after = std::max(filter.after, prefix);
  while (true) {
    const auto rows = TRY(reader.objects_after({std::string(object_kind), after}, rows_a_read));
    for (const auto& [key, json] : rows) {
      if (!key.starts_with(prefix)) return page;
      Suppression entry = TRY(from_json(key, json));
      if (!matches(entry, filter)) continue;
      if (page.entries.size() == filter.limit) {
        page.next = page.entries.back().key();
        return page;
      }
      page.entries.push_back(std::move(entry));
    }
    if (rows.size() < rows_a_read) return page;
    after = rows.back().first;
  }
}

}  // namespace

std::string_view name_of(SuppressionReason reason) {
  switch (reason) {
    case SuppressionReason::bad_mailbox:
      return "bad_mailbox";
    case SuppressionReason::complained:
      return "complained";
    case SuppressionReason::unsubscribed:
      return "unsubscribed";
    case SuppressionReason::manual:
      return "manual";
  }
  return "manual";
}

std::optional<SuppressionReason> suppression_reason_of(std::string_view name) {
  for (const auto reason : {SuppressionReason::bad_mailbox, SuppressionReason::complained,
                            SuppressionReason::unsubscribed, SuppressionReason::manual})
    if (name == name_of(reason)) return reason;
  return std::nullopt;
}

std::string Suppression::key() const {
  return key_of(stream, address);
}

Address suppression_address(const Address& address) {
  return canonical(address);
}

// ---------------------------------------------------------------- index
// The slot of it, or the free one where it would stand. REQUIRES a free slot.
std::size_t FingerprintSet::place_of(std::uint64_t fingerprint) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = fingerprint & mask;
  while (slots_[at] != 0 && slots_[at] != fingerprint) at = (at + 1) & mask;
  return at;
}

bool FingerprintSet::contains(std::uint64_t fingerprint) const {
  return !slots_.empty() && slots_[place_of(fingerprint)] == fingerprint;
}

void FingerprintSet::grow() {
  std::vector<std::uint64_t> old(std::max(smallest_index, slots_.size() * 2));
  old.swap(slots_);
  for (const std::uint64_t each : old)
    if (each != 0) slots_[place_of(each)] = each;
}

bool FingerprintSet::insert(std::uint64_t fingerprint) {
  CHECK(fingerprint != 0);
  if ((size_ + 1) * 2 > slots_.size()) grow();
  std::uint64_t& slot = slots_[place_of(fingerprint)];
  if (slot == fingerprint) return false;
  slot = fingerprint;
  ++size_;
  return true;
}

// What stood behind it in the same run moves up, so that no mark of a removed one stays.
bool FingerprintSet::erase(std::uint64_t fingerprint) {
  if (!contains(fingerprint)) return false;
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = place_of(fingerprint);
  slots_[hole] = 0;
  for (std::size_t at = (hole + 1) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const std::size_t home = slots_[at] & mask;
    const bool may_move = ((at - home) & mask) >= ((at - hole) & mask);
    if (!may_move) continue;
    slots_[hole] = std::exchange(slots_[at], 0);
    hole = at;
  }
  --size_;
  return true;
}

// ---------------------------------------------------------------- reading
Result<void> Suppressions::open(Committer& committer, ReaderPool& readers, Reader& reader) {
  committer_ = &committer;
  readers_ = &readers;
  std::unique_lock lock(mutex_);
  std::string after;
  while (true) {
    const auto rows = TRY(reader.objects_after({std::string(object_kind), after}, rows_a_read));
    for (const auto& [key, json] : rows) index_.insert(fingerprint_of(key));
    if (rows.size() < rows_a_read) return {};
    after = rows.back().first;
  }
}

bool Suppressions::may_hold(std::string_view stream, const Address& address) const {
  std::shared_lock lock(mutex_);
  if (index_.size() == 0) return false;
  const Address canonical_address = canonical(address);
  return index_.contains(fingerprint_of(key_of(stream, canonical_address))) ||
         index_.contains(fingerprint_of(key_of(all_streams, canonical_address)));
}

std::size_t Suppressions::size() const {
  std::shared_lock lock(mutex_);
  return index_.size();
}

std::size_t Suppressions::octets() const {
  std::shared_lock lock(mutex_);
  return index_.octets();
}

Task<Result<std::optional<Suppression>>> Suppressions::find(Loop& loop, std::string stream,
                                                            Address address) {
  if (!may_hold(stream, address)) co_return std::optional<Suppression>();
  const Address canonical_address = canonical(address);
  std::vector<std::string> keys{key_of(stream, canonical_address),
                                key_of(all_streams, canonical_address)};
  auto found = CO_TRY(co_await read_all(*readers_, loop, std::move(keys)));
  const Instant now = loop.clock().now();
  for (auto& each : found)
    if (each && !each->is_over(now)) co_return std::move(each);
  co_return std::optional<Suppression>();
}

Task<Result<std::vector<Suppression>>> Suppressions::of_address(Loop& loop, Address address,
                                                                std::vector<std::string> streams) {
  const Address canonical_address = canonical(address);
  std::vector<std::string> keys{key_of(all_streams, canonical_address)};
  for (const std::string& stream : streams) keys.push_back(key_of(stream, canonical_address));
  auto found = CO_TRY(co_await read_all(*readers_, loop, std::move(keys)));
  std::vector<Suppression> entries;
  for (auto& each : found)
    if (each) entries.push_back(std::move(*each));
  co_return entries;
}

Task<Result<SuppressionPage>> Suppressions::list(Loop& loop, SuppressionFilter filter) {
  filter.limit = std::clamp<std::size_t>(filter.limit, 1, SuppressionLimits{}.page);
  filter.address = to_lower(filter.address);
  co_return co_await readers_->read(
      loop, [filter = std::move(filter)](Reader& reader) { return read_page(reader, filter); });
}

// ---------------------------------------------------------------- changes
Task<Result<std::vector<bool>>> Suppressions::add(Loop& loop, std::vector<Suppression> batch,
                                                  std::vector<Event> cause) {
  CHECK(committer_ && batch.size() <= SuppressionLimits{}.batch);
  const Instant now = std::chrono::floor<std::chrono::milliseconds>(loop.clock().now());
  std::vector<std::string> keys;
  for (Suppression& entry : batch) {
    entry.address = canonical(entry.address);
    CO_TRY(check(entry));
    if (entry.note.size() > SuppressionLimits{}.note_octets)
      entry.note.resize(SuppressionLimits{}.note_octets);
    if (entry.created == Instant{}) entry.created = now;
    keys.push_back(entry.key());
  }
  const auto known = CO_TRY(co_await read_all(*readers_, loop, keys));
  std::vector<bool> changed(batch.size(), false);
  FactsRequest request;
  request.events = std::move(cause);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& old = known[i];
    const bool stays =
        old && !old->is_over(now) && (is_own_wish(old->reason) || !is_own_wish(batch[i].reason));
    const bool named_before = std::find(keys.begin(), keys.begin() + static_cast<long>(i),
                                        keys[i]) != keys.begin() + static_cast<long>(i);
    if (stays || named_before) continue;
    changed[i] = true;
    request.puts.push_back({{std::string(object_kind), keys[i]}, to_json(batch[i])});
    request.events.push_back(
        event_of(batch[i], EventKind::suppression_added, now, batch[i].origin));
  }
  if (request.puts.empty()) co_return changed;
  CO_TRY(co_await committer_->record(loop, std::move(request)));
  std::unique_lock lock(mutex_);
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (changed[i]) index_.insert(fingerprint_of(keys[i]));
  co_return changed;
}

Task<Result<std::vector<bool>>> Suppressions::remove(Loop& loop, std::vector<Removal> batch,
                                                     std::string origin, std::vector<Event> cause) {
  CHECK(committer_ && batch.size() <= SuppressionLimits{}.batch);
  std::vector<std::string> keys;
  for (const Removal& each : batch) keys.push_back(key_of(each.stream, canonical(each.address)));
  const auto known = CO_TRY(co_await read_all(*readers_, loop, keys));
  std::vector<bool> removed(batch.size(), false);
  FactsRequest request;
  request.events = std::move(cause);
  const Instant now = loop.clock().now();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!known[i]) continue;
    removed[i] = true;
    request.removes.push_back({std::string(object_kind), keys[i]});
    request.events.push_back(event_of(*known[i], EventKind::suppression_removed, now, origin));
  }
  if (request.removes.empty()) co_return removed;
  CO_TRY(co_await committer_->record(loop, std::move(request)));
  std::unique_lock lock(mutex_);
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (removed[i]) index_.erase(fingerprint_of(keys[i]));
  co_return removed;
}

Task<Result<bool>> unsubscribe(Suppressions& suppressions, Loop& loop, Unsubscribe wish) {
  Event event;
  event.kind = EventKind::unsubscribed;
  event.message = wish.message;
  event.at = loop.clock().now();
  event.recipient = wish.address.text();
  JsonWriter w;
  w.object().key("stream").text(wish.stream).key("method").text(wish.origin).end();
  event.data = std::move(w).take();
  Suppression entry;
  entry.stream = std::move(wish.stream);
  entry.address = std::move(wish.address);
  entry.reason = SuppressionReason::unsubscribed;
  entry.origin = std::move(wish.origin);
  entry.message = wish.message;
  std::vector<Suppression> one{std::move(entry)};
  std::vector<Event> cause{std::move(event)};
  const auto added = CO_TRY(co_await suppressions.add(loop, std::move(one), std::move(cause)));
  co_return added.front();
}

Task<Result<std::size_t>> Suppressions::sweep(Loop& loop, Instant now) {
  SuppressionFilter filter;
  filter.after = swept_;
  filter.limit = SuppressionLimits{}.batch;
  const auto page = CO_TRY(co_await list(loop, std::move(filter)));
  swept_ = page.next;
  std::vector<Removal> over;
  for (const Suppression& entry : page.entries)
    if (entry.is_over(now)) over.push_back({entry.stream, entry.address});
  const std::size_t count = over.size();
  if (count > 0) CO_TRY(co_await remove(loop, std::move(over), "expired"));
  co_return count;
}

}  // namespace goniec
