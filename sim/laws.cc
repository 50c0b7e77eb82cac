// One book of what is owed, and small checks.
#include "sim/laws.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "sim/heap.h"

namespace goniec {
namespace {

constexpr std::size_t most_broken = 50;
constexpr std::size_t page = 2000;
constexpr std::size_t entries_a_look = 200;  // of the queue, on average
constexpr std::uint64_t enough_for_spread = 30;
constexpr int spread_slices = 20;

// What the node may have of the heap: at rest, and for each thing that it does.
constexpr std::uint64_t heap_fixed = 5u << 20;  // keys, roots, rules, caches and tables
constexpr std::uint64_t heap_a_lease = 16 * 1024, heap_a_session = 64 * 1024;
constexpr std::uint64_t heap_a_draft = 384 * 1024, heap_a_connection = 128 * 1024;

std::uint64_t event_hash(const Event& event) {
  return crc32c(fmt::format("{} {} {} {} {}", event.sequence, event.message.value,
                            name_of(event.kind), event.recipient, event.data));
}

}  // namespace

// ---------------------------------------------------------------- hash
void Laws::note(std::uint64_t number) {
  hash_ = (hash_ ^ number) * 1099511628211ull;
}

void Laws::note(std::string_view what) {
  note(crc32c(what));
  note(static_cast<std::uint64_t>(clock_.moment().time_since_epoch().count()));
}

void Laws::break_law(const char* law, std::string text) {
  if (broken_.size() < most_broken)
    broken_.push_back(fmt::format("law {} at {} s: {}", law,
                                  clock_.moment().time_since_epoch().count() / 1'000'000, text));
}

// ---------------------------------------------------------------- acknowledged
void Laws::acknowledged(const std::string& token, const std::vector<std::string>& recipients) {
  const HeapScope world;
  note("acknowledged " + token);
  ++totals_.messages;
  totals_.recipients += recipients.size();
  Letter& letter = letters_[token];
  for (const auto& each : recipients) {
    const bool known = ended_.contains({token, each});
    letter.recipients[each] = known;
    if (!known) owed_.insert({token, each});
  }
}

void Laws::settle(const std::string& token, const std::string& recipient) {
  ended_.insert({token, recipient});
  owed_.erase({token, recipient});
}

void Laws::taken(const std::string& token, const std::string& recipient, Body body) {
  const HeapScope world;
  note("taken " + token + recipient);
  ++totals_.taken;
  if (ended_.contains({token, recipient})) ++totals_.taken_again;
  if (body == Body::damaged) break_law("acknowledged", token + " arrived damaged");
  settle(token, recipient);
}

void Laws::told_failed(const std::string& notice, const std::string& recipient) {
  const HeapScope world;
  const auto found = notices_.find(notice);
  if (found == notices_.end()) return break_law("acknowledged", "a notice nobody sent: " + notice);
  const std::string& token = found->second;
  note("failed " + token + recipient);
  ++totals_.bounced;
  settle(token, recipient);
}

// What is owed has to be in the queue, or a notice about it.
std::size_t Laws::check_owed(Reader& reader) {
  std::set<std::pair<std::string, std::string>> queued;
  std::set<std::string> noticed;
  std::size_t read = 0;
  QueueFilter filter;
  filter.limit = page;
  for (;;) {
    const auto items = reader.list(filter);
    if (!items) {
      break_law("acknowledged", "the queue cannot be read: " + items.error().message);
      return read;
    }
    read += items->size();
    for (const QueueItem& item : *items) {
      if (const auto parent = tokens_.find(item.message.parent); parent != tokens_.end())
        noticed.insert(parent->second);
      for (const auto& each : item.entry.recipients) {
        if (each.state == RecipientState::queued)
          queued.insert({item.message.message_id, each.recipient.address.text()});
      }
    }
    if (items->size() < page) break;
    filter.after = items->back().entry.id;
  }
  for (const auto& each : owed_) {
    if (queued.contains(each) || noticed.contains(each.first)) continue;
    break_law("acknowledged", fmt::format("LOST {} to {}; of it is known:{}", each.first,
                                          each.second, story_of(reader, each.first)));
    ended_.insert(each);  // said once
  }
  std::erase_if(owed_, [this](const auto& each) { return ended_.contains(each); });
  return read;
}

std::string Laws::story_of(Reader& reader, const std::string& token) const {
  std::string story;
  for (const auto& [id, of] : tokens_) {
    if (of != token) continue;
    const auto events = reader.events_of(id);
    if (!events) return story + " " + events.error().message;
    for (const Event& event : *events)
      story += fmt::format(" [{} {} {}{}]", event.sequence, name_of(event.kind), event.recipient,
                           event.kind == EventKind::dsn_sent ? event.data : "");
  }
  return story;
}

// ---------------------------------------------------------------- doors
void Laws::check_rate(std::size_t site, const Line& line) {
  if (!line.failed_at || line.calls + line.connections > 0) return;
  const Duration since = clock_.moment() - *line.failed_at;
  if (since < limits_.dead_pause)
    break_law("rate", fmt::format("site {} is called again {} ms after it did not answer", site,
                                  since / std::chrono::milliseconds(1)));
}

void Laws::failed(Line& line) {
  if (line.calls + line.connections == 0) line.failed_at = clock_.moment();
}

void Laws::calling(std::size_t site) {
  const HeapScope world;
  Line& line = lines_[site];
  check_rate(site, line);
  ++line.calls;
  ++outbound_;
  totals_.most_outbound = std::max(totals_.most_outbound, outbound_);
  if (outbound_ > limits_.connections)
    break_law("concurrency", fmt::format("{} calls and connections in all", outbound_));
  if (!line.reached && line.calls + line.connections > 1)
    break_law("stampede", fmt::format("{} call site {}, which nobody has reached",
                                      line.calls + line.connections, site));
}

void Laws::given_up(std::size_t site) {
  Line& line = lines_[site];
  --line.calls;
  --outbound_;
  failed(line);
}

void Laws::connected(std::size_t site) {
  Line& line = lines_[site];
  --line.calls;
  if (line.connections == 0) line.answers = false;
  const std::size_t now = ++line.connections;
  totals_.most_connections = std::max(totals_.most_connections, now);
  note(site);
  if (now > limits_.connections_per_site)
    break_law("concurrency", fmt::format("{} connections to site {}", now, site));
}

void Laws::disconnected(std::size_t site) {
  const auto found = lines_.find(site);
  if (found == lines_.end() || found->second.connections == 0) return;  // of an earlier life
  Line& line = found->second;
  --line.connections;
  --outbound_;
  if (!line.answers) failed(line);
}

void Laws::reached(std::size_t site) {
  const HeapScope world;
  Line& line = lines_[site];
  line.reached = line.answers = true;
  line.failed_at.reset();
}

void Laws::load(const Load& load) {
  totals_.most_sessions = std::max(totals_.most_sessions, load.sessions);
  totals_.most_drafts = std::max(totals_.most_drafts, load.drafts);
  totals_.most_heap_octets = std::max(totals_.most_heap_octets, load.heap_octets);
  const std::uint64_t allowed = heap_fixed + live_.size() * heap_a_lease + limits_.window_octets +
                                load.sessions * heap_a_session + load.drafts * heap_a_draft +
                                outbound_ * heap_a_connection;
  if (load.sessions > limits_.sessions)
    break_law("memory", fmt::format("{} sessions", load.sessions));
  if (load.drafts > limits_.drafts)
    break_law("memory", fmt::format("{} messages being received", load.drafts));
  if (load.heap_octets > allowed)
    break_law("memory",
              fmt::format("{} octets of heap, allowed are {}", load.heap_octets, allowed));
}

void Laws::messages_on_connection(std::size_t count) {
  if (count > limits_.messages_per_connection)
    break_law("concurrency", fmt::format("{} messages on one connection", count));
}

// ---------------------------------------------------------------- store
void Laws::spooled(const Message& message) {
  const HeapScope world;
  tokens_[message.id] = message.message_id;
  if (const auto parent = tokens_.find(message.parent); parent != tokens_.end())
    notices_[message.message_id] = parent->second;
  note(message.id.value);
}

void Laws::leased(const Lease& lease, const Entry& entry, Instant now) {
  const HeapScope world;
  ++totals_.leases;
  note(lease.entry.message.value ^ lease.entry.number);
  if (!live_.emplace(lease.entry, lease.fence).second)
    break_law("leases", "a second lease of an entry of " + lease.entry.message.text());
  totals_.most_leases = std::max(totals_.most_leases, live_.size());
  if (live_.size() > limits_.window_entries)
    break_law("leases", fmt::format("{} leases, more than the window", live_.size()));
  const auto plan = plans_.find(lease.entry);
  Instant planned = entry.due;
  if (plan != plans_.end() && plan->second.told) planned = std::max(planned, *plan->second.told);
  if (planned > now)
    break_law("retries", fmt::format("{} is tried {} ms before it is due",
                                     lease.entry.message.text(), (planned - now).count() / 1000));
}

void Laws::left(const EntryId& entry) {
  live_.erase(entry);
}

void Laws::planned(const Entry& after, Instant now, Instant due) {
  const HeapScope world;
  ++totals_.waits;
  plans_[after.id].told = due;
  unsynced_.push_back(after.id);
  const RetryPolicy& retry = limits_.retry;
  const std::size_t step =
      std::min<std::size_t>(after.tries > 0 ? after.tries - 1 : 0, retry.schedule.size() - 1);
  const auto base = static_cast<double>(retry.schedule[step].count());
  const auto wait = static_cast<double>((due - now).count());
  if (due == after.expires) return;  // the last try comes then, whatever the step says
  const double part = (wait / base - (1 - retry.jitter)) / (2 * retry.jitter);
  if (part < -0.001 || part > 1.001) {
    return break_law("retries", fmt::format("try {} waits {:.0f} s, the step is {:.0f} s",
                                            after.tries, wait / 1e6, base / 1e6));
  }
  Spread& spread = spreads_[{now.time_since_epoch().count() / 3'600'000'000, after.tries}];
  ++spread.count;
  ++spread.slices[static_cast<int>(part * spread_slices)];
}

// No stampede: of many waits of one step no twentieth of the time has half.
void Laws::check_spread(const Spread& spread) {
  if (spread.count < enough_for_spread) return;
  for (const auto& [slice, count] : spread.slices) {
    if (count * 2 > spread.count)
      break_law("retries", fmt::format("{} of {} waits end together", count, spread.count));
  }
}

void Laws::synced() {
  for (const EntryId& entry : unsynced_) {
    const auto plan = plans_.find(entry);
    if (plan != plans_.end()) plan->second.durable = plan->second.told;
  }
  unsynced_.clear();
}

void Laws::changed(const EntryId& entry) {
  plans_.erase(entry);
}

void Laws::restarted() {
  ++totals_.restarts;
  note("restart");
  live_.clear();
  lines_.clear();
  outbound_ = 0;
  // A settle that was not synced may be forgotten: then the plan before it holds.
  for (const EntryId& entry : unsynced_) {
    const auto plan = plans_.find(entry);
    if (plan != plans_.end()) plan->second.told = plan->second.durable;
  }
  unsynced_.clear();
}

// ---------------------------------------------------------------- looks
void Laws::read_events(Reader& reader) {
  for (;;) {
    const auto events = reader.events_after(cursor_, page);
    if (!events) return break_law("events", events.error().message);
    for (const Event& event : *events) {
      ++totals_.events;
      if (event.sequence != cursor_ + 1)
        break_law("events", fmt::format("sequence {} after {}", event.sequence, cursor_));
      cursor_ = std::max(cursor_, event.sequence);
      events_hash_ = events_hash_ * 31 + event_hash(event);
    }
    if (events->size() < page) return;
  }
}

void Laws::look(Reader& reader) {
  ++totals_.looks;
  // What is lost stays lost: a long queue is read less often.
  if (totals_.looks > owed_checked_again_)
    owed_checked_again_ = totals_.looks + check_owed(reader) / entries_a_look;
  read_events(reader);
  note(events_hash_);
}

void Laws::finish(Reader& reader) {
  owed_checked_again_ = 0;
  look(reader);
  for (const auto& [key, spread] : spreads_) check_spread(spread);
  for (const auto& each : owed_)
    break_law("drain", fmt::format("{} to {} has no end", each.first, each.second));
  const auto left_over = reader.list({.limit = 10});
  if (!left_over || !left_over->empty()) break_law("drain", "the queue is not empty");
  // Every event once more from the beginning: the same as what was seen in pieces.
  std::uint64_t again = 0, sequence = 0;
  for (;;) {
    const auto events = reader.events_after(sequence, page);
    if (!events) return break_law("events", events.error().message);
    for (const Event& event : *events) {
      again = again * 31 + event_hash(event);
      sequence = event.sequence;
    }
    if (events->size() < page) break;
  }
  if (again != events_hash_ || sequence != cursor_)
    break_law("events", "read from the beginning they are others than they were");
}

void Laws::same_twice(const std::vector<std::string>& one, const std::vector<std::string>& two) {
  for (const auto& line : one) {
    if (line.find("ERROR") != std::string::npos) break_law("reopening", line);
  }
  if (one == two) return;
  const auto [a, b] = std::ranges::mismatch(one, two);
  break_law("reopening", fmt::format("first {}, then {}", a == one.end() ? "(end)" : *a,
                                     b == two.end() ? "(end)" : *b));
}

}  // namespace goniec
