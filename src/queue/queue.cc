// See queue.h. One State, used from every shard: what is shared is atomic, immutable, or behind the
// commit thread; the lease loop lives on the first shard.
#include "queue/queue.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "base/text.h"
#include "queue/event_data.h"

namespace goniec {
namespace {

constexpr std::size_t lease_batch = 500;
constexpr std::size_t room_batch = 64;  // that leaves a full window before it is filled again
constexpr Duration longest_wait = std::chrono::seconds(30);
// Between tries to store an outcome: from the first on twice as long each time, up to the longest.
constexpr Duration first_settle_wait = std::chrono::seconds(1);
constexpr Duration longest_settle_wait = std::chrono::minutes(5);
constexpr Duration stop_seen_after = std::chrono::seconds(1);

EventKind event_kind(RecipientState state) {
  switch (state) {
    case RecipientState::queued:
      return EventKind::deferred;
    case RecipientState::delivered:
      return EventKind::delivered;
    case RecipientState::relayed:
      return EventKind::relayed;
    case RecipientState::failed:
      return EventKind::failed;
    case RecipientState::expired:
      return EventKind::expired;
    case RecipientState::expanded:
      return EventKind::expanded;
  }
  return EventKind::deferred;
}

EventKind event_kind(QueueAction action) {
  switch (action) {
    case QueueAction::retry:
      return EventKind::retried;
    case QueueAction::hold:
      return EventKind::held;
    case QueueAction::release:
      return EventKind::released;
    case QueueAction::expire:
      return EventKind::failed;
    case QueueAction::remove:
      return EventKind::deleted;
  }
  return EventKind::retried;
}

// A deferral after the entry's time is over becomes its end (RFC 5321 §4.5.4.1).
void expire_outcomes(const Entry& entry, std::vector<Outcome>& outcomes, Instant now) {
  if (now < entry.expires) return;
  for (Outcome& outcome : outcomes)
    if (outcome.state == RecipientState::queued) outcome.state = RecipientState::expired;
}

// Why what did not go well did not: only then is an answer looked at.
void explain_outcomes(const BounceRules& rules, const Entry& entry,
                      std::vector<Outcome>& outcomes) {
  for (Outcome& outcome : outcomes) {
    if (outcome.state != RecipientState::queued && outcome.state != RecipientState::failed &&
        outcome.state != RecipientState::expired)
      continue;
    outcome.why = rules.classify(
        outcome.reply,
        {.site = outcome.site, .domain = entry.domain.ascii(), .phase = outcome.phase});
  }
}

// What is handed over of a message that was spooled: no header and prepend, they are in `content`
// or in the store.
struct Spooled {
  std::shared_ptr<const Message> message;
  std::uint64_t octets = 0;
  std::vector<Entry>& entries;  // taken
  std::shared_ptr<const LoadedContent> content;
};

// The message of a request that is over, without header and prepend, which are large.
std::shared_ptr<const Message> envelope_of(Message& message) {
  message.content.header = {};
  message.content.prepend = {};
  return std::make_shared<const Message>(std::move(message));
}

}  // namespace

struct Queue::State {
  struct Shard {
    Loop* loop = nullptr;
    Carrier* carrier = nullptr;
  };
  Committer& committer;
  ReaderPool& readers;
  LogSink& log;
  std::vector<Shard> shards;
  NoticeMaker* notice_maker = nullptr;

  std::mutex mutex;  // options, id maker
  std::shared_ptr<const QueueOptions> options;
  MessageIdMaker ids;

  std::atomic<std::size_t> in_window{0};
  // What is due and waits for room, or for its domain's: after so many entries left the window the
  // lease loop looks again. 0: nothing waits.
  std::atomic<std::size_t> departures_wanted{0};
  std::atomic<std::size_t> departures{0};
  std::atomic<std::uint64_t> passed_over{0};  // new entries whose domain had its share
  // Of content that is kept beside entries; entries may outlive the queue.
  std::shared_ptr<std::atomic<std::size_t>> kept_octets =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<bool> stopping{false};
  std::set<std::string> refusal_series;  // under the mutex; bounded by Metrics::series_limit
  // First shard's loop only:
  Signal wake;
  Instant sleeping_until{};
  std::uint64_t sleeps = 0;  // numbers them
  bool lease_loop_done = true;

  Counter& received;
  Counter& settled_delivered;
  Counter& settled_deferred;
  Counter& settled_failed;
  Counter& settled_expired;
  Metrics& registry;
  Counter& double_bounces;
  Gauge& window_gauge;
  Gauge& unsettled;

  State(QueueOptions queue_options, Committer& queue_committer, ReaderPool& queue_readers,
        Metrics& metrics, LogSink& sink)
      : committer(queue_committer),
        readers(queue_readers),
        log(sink),
        options(std::make_shared<const QueueOptions>(std::move(queue_options))),
        ids(queue_committer.store().highest_id()),
        received(metrics.counter("goniec_messages_queued_total",
                                 "Messages made durable and answered 250")),
        settled_delivered(outcome_counter(metrics, "delivered")),
        settled_deferred(outcome_counter(metrics, "deferred")),
        settled_failed(outcome_counter(metrics, "bounced")),
        settled_expired(outcome_counter(metrics, "expired")),
        registry(metrics),
        double_bounces(metrics.counter("goniec_double_bounces_total",
                                       "Notifications that could not be delivered")),
        window_gauge(metrics.gauge("goniec_queue_window_entries", "Entries leased and in memory")),
        unsettled(metrics.gauge("goniec_queue_unsettled_entries",
                                "Entries whose outcome the store refused; it is tried again")) {}

  static Counter& outcome_counter(Metrics& metrics, const char* status) {
    return metrics.counter("goniec_deliveries_total", "Outcomes of recipients",
                           {{"status", status}});
  }

  std::shared_ptr<const QueueOptions> current_options() {
    std::lock_guard lock(mutex);
    return options;
  }

  Shard& owner_of(const Domain& domain) {
    return shards[std::hash<Domain>{}(domain) % shards.size()];
  }

  void hand_over(ReadyEntry ready) {
    Shard& shard = owner_of(ready.entry.domain);
    if (shard.loop->is_current()) return shard.carrier->carry(std::move(ready));
    auto boxed = std::make_shared<ReadyEntry>(std::move(ready));
    shard.loop->post([&shard, boxed] { shard.carrier->carry(std::move(*boxed)); });
  }

  void left_window(std::size_t entries) {
    const std::size_t before = in_window.fetch_sub(entries);
    const std::size_t left = departures.fetch_add(entries) + entries;
    const std::size_t wanted = departures_wanted.load();
    // Someone may wait for room, or for the end.
    const bool is_reached = wanted != 0 && left >= wanted && left - entries < wanted;
    if (is_reached || (stopping && before == entries)) poke();
  }

  // What one domain may have leased now. The less room is left the less it is: however many domains
  // stand still, there is some for the next.
  std::size_t domain_most() {
    const QueueLimits& limits = current_options()->limits;
    const std::size_t used = std::min(in_window.load(), limits.window_entries);
    return std::max(limits.domain_least, (limits.window_entries - used) / limits.domain_share);
  }

  // New mail that was not leased because its domain has its share: the lease loop is to know that
  // something waits, once.
  void note_passed_over() {
    ++passed_over;
    if (departures_wanted.load() == 0) poke();
  }

  // The content while there is room for it in memory, counted until its last user is gone; else
  // null, and it is read back from the store.
  std::shared_ptr<const LoadedContent> keep_in_memory(std::shared_ptr<const LoadedContent> content,
                                                      std::size_t octets) {
    if (!content) return nullptr;
    const std::size_t limit = current_options()->limits.window_octets;
    if (kept_octets->fetch_add(octets) + octets > limit) {
      *kept_octets -= octets;
      return nullptr;
    }
    const auto* kept = content.get();
    return {kept, [content = std::move(content), count = kept_octets, octets](const auto*) {
              *count -= octets;
            }};
  }

  void look_again(const Domain& domain) {
    if (shards.empty()) return;
    Shard& shard = owner_of(domain);
    shard.loop->post([&shard] { shard.carrier->look_again(); });
  }

  // Any thread: the lease loop looks again.
  void poke() {
    if (shards.empty()) return;
    shards[0].loop->post([this] { wake.notify_all(); });
  }
  void poke_for(Instant due) {
    if (shards.empty()) return;
    shards[0].loop->post([this, due] {
      if (due < sleeping_until) wake.notify_all();
    });
  }

  Task<void> lease_loop();
  Task<LeaseResult> lease_some(std::size_t room);
  Task<void> sleep_until_due(std::optional<Instant> due);
  void hand_over_leased(std::vector<LeasedEntry> leased, Instant now);
  void hand_over_spooled(Spooled spooled, const SpoolResult& result, Instant now);
  Task<Result<void>> spool_prepared(Loop& loop, SpoolRequest request,
                                    std::shared_ptr<const LoadedContent> content, Instant now);
  Task<void> tell_expanded(Loop& loop, std::shared_ptr<const Message> message, NoticePlan plan,
                           Instant now);
  Task<std::vector<SpoolRequest>> make_notices(Loop& loop, std::shared_ptr<const Message> message,
                                               NoticePlan plan, Instant now);
  Task<Result<SettleResult>> settle_again(Loop& loop, SettleRequest& request,
                                          Result<SettleResult> refused);
  Task<void> sleep_unless_stopping(Loop& loop, Duration wait);
  void tell_unsettled(MessageId id, const Error& error, Instant now, Duration again_after);
  void prepare_entries(SpoolRequest& request, Instant now);
  void note_unleased(const std::vector<Entry>& entries, const SpoolResult& result, Instant now);
  void count_refusal(const BounceVerdict& why, bool deferred);
  void count(const std::vector<Outcome>& outcomes, const Message& message);
};

// ---------------------------------------------------------------- leasing what is due
//   nothing due left        sleeps until the next is due
//   a domain has its share  sleeps until then too, or until an eighth of a share has left
//   no room                 sleeps until a batch has left: the store is not asked
Task<void> Queue::State::lease_loop() {
  Loop& loop = *shards[0].loop;
  while (!stopping) {
    const std::size_t room_limit = current_options()->limits.window_entries;
    const std::size_t used = in_window.load();
    const std::uint64_t passed_before = passed_over.load();
    departures = 0;
    if (used >= room_limit) {
      departures_wanted = std::clamp<std::size_t>(room_limit / 8, 1, room_batch);
      if (in_window.load() < room_limit) continue;  // it left before it was wanted
      co_await sleep_until_due({});
      continue;
    }
    const LeaseResult leased = co_await lease_some(room_limit - used);
    if (leased.more) continue;
    if (leased.domain_full) {
      departures_wanted = std::max<std::size_t>(1, domain_most() / 8);
    } else {
      departures_wanted = 0;
      if (passed_over.load() != passed_before) continue;
    }
    const std::optional<Instant> due = co_await committer.next_due(loop);
    if (stopping) break;
    if (in_window.load() >= room_limit) continue;  // filled meanwhile
    const std::size_t wanted = departures_wanted.load();
    if (wanted == 0 || departures.load() < wanted) co_await sleep_until_due(due);
  }
  lease_loop_done = true;
  wake.notify_all();
}

// Leases what fits, and hands it over; of the result only the flags are left.
Task<LeaseResult> Queue::State::lease_some(std::size_t room) {
  Loop& loop = *shards[0].loop;
  const Instant now = loop.clock().now();
  LeaseRequest request;
  request.now = now;
  request.limit = std::min(lease_batch, room);
  request.domain_most = domain_most();
  auto leased = co_await committer.lease(loop, std::move(request));
  if (!leased) co_return LeaseResult{};
  in_window += leased->entries.size();
  window_gauge.set(static_cast<double>(in_window.load()));
  hand_over_leased(std::exchange(leased->entries, {}), now);
  co_return std::move(*leased);
}

Task<void> Queue::State::sleep_until_due(std::optional<Instant> due) {
  Loop& loop = *shards[0].loop;
  const Instant now = loop.clock().now();
  Duration wait = longest_wait;
  if (due)
    wait = std::clamp<Duration>(std::chrono::duration_cast<Duration>(*due - now), Duration(1000),
                                longest_wait);
  const bool has_room = in_window.load() < current_options()->limits.window_entries;
  sleeping_until = has_room ? now + wait : Instant{};  // what comes due wakes nobody without room
  // Only of this sleep: who was woken before its time would be woken by both from then on.
  loop.at(loop.clock().moment() + wait, [this, sleep = ++sleeps] {
    if (sleep == sleeps) wake.notify_all();
  });
  co_await wake.wait();
  sleeping_until = Instant{};
}

void Queue::State::hand_over_leased(std::vector<LeasedEntry> leased, Instant now) {
  std::shared_ptr<const Message> last;
  for (LeasedEntry& item : leased) {
    // Entries of one message come together and share it.
    if (!last || last->id != item.message.id)
      last = std::make_shared<const Message>(std::move(item.message));
    hand_over(ReadyEntry{item.lease, std::move(item.entry), last, nullptr, item.octets, now});
  }
}

void Queue::State::hand_over_spooled(Spooled spooled, const SpoolResult& result, Instant now) {
  for (std::size_t i = 0; i < spooled.entries.size() && i < result.leases.size(); ++i) {
    if (result.leases[i].fence == 0) continue;
    Entry entry = std::move(spooled.entries[i]);
    entry.state = EntryState::leased;
    hand_over(ReadyEntry{result.leases[i], std::move(entry), spooled.message, spooled.content,
                         spooled.octets, now});
  }
}

// ---------------------------------------------------------------- making durable
void Queue::State::prepare_entries(SpoolRequest& request, Instant now) {
  auto current = current_options();
  const bool null_sender = request.message.sender.address.empty();
  const Instant expires =
      now + (null_sender ? std::min(current->retry.expire, current->retry.expire_notice)
                         : current->retry.expire);
  std::uint32_t number = 0;
  for (Entry& entry : request.entries) {
    entry.id = EntryId{request.message.id, number++};
    entry.due = std::max(now, request.message.not_before);
    const Instant latest = expires + (entry.due - now);
    entry.expires = entry.expires == Instant{} ? latest : std::min(latest, entry.expires);
    entry.priority = request.message.priority;
  }
  if (current->keep_bodies > Duration::zero()) request.keep_until = now + current->keep_bodies;
  request.lease =
      !stopping && in_window.load() + request.entries.size() <= current->limits.window_entries;
  request.domain_most = domain_most();
}

// Of entries that were to be leased: those that are not leave the window, and the lease loop hears
// of them.
void Queue::State::note_unleased(const std::vector<Entry>& entries, const SpoolResult& result,
                                 Instant now) {
  std::size_t unleased = 0;
  for (std::size_t i = 0; i < entries.size() && i < result.leases.size(); ++i) {
    if (result.leases[i].fence != 0) continue;
    ++unleased;
    if (entries[i].due > now) {
      poke_for(entries[i].due);
    } else {
      note_passed_over();
    }
  }
  if (unleased > 0) left_window(unleased);
}

// The entries are prepared; those leased are in the window already.
Task<Result<void>> Queue::State::spool_prepared(Loop& loop, SpoolRequest request,
                                                std::shared_ptr<const LoadedContent> content,
                                                Instant now) {
  auto spooled = co_await committer.spool_lent(loop, request);
  if (!spooled) {
    if (request.lease) left_window(request.entries.size());
    co_return std::unexpected(spooled.error());
  }
  if (request.lease) {
    const std::uint64_t octets = request.message.content.size();
    note_unleased(request.entries, *spooled, now);
    hand_over_spooled({envelope_of(request.message), octets, request.entries,
                       keep_in_memory(std::move(content), octets)},
                      *spooled, now);
  } else {
    poke_for(now);
  }
  co_return Result<void>{};
}

// Before the sender hears 250, so that a crash between costs nobody the answer it asked for.
Task<void> Queue::State::tell_expanded(Loop& loop, std::shared_ptr<const Message> message,
                                       NoticePlan plan, Instant now) {
  auto notices = co_await make_notices(loop, message, std::move(plan), now);
  for (SpoolRequest& notice : notices) {
    auto spooled = co_await spool_prepared(loop, std::move(notice), nullptr, now);
    if (spooled) continue;
    LogRecord record{now, LogLevel::warning, "notice.failed", "bounce"};
    record.text = fmt::format("{}: warning: no notification of the expansion: {}",
                              message->id.text(), spooled.error().message);
    log.write(std::move(record));
  }
}

Task<Result<void>> Queue::accept(Loop& loop, SpoolRequest request,
                                 std::shared_ptr<const LoadedContent> content,
                                 NoticePlan expanded) {
  State& state = *state_;
  const Instant now = loop.clock().now();
  state.prepare_entries(request, now);
  if (request.lease) state.in_window += request.entries.size();
  std::shared_ptr<const Message> message;
  if (!expanded.empty()) message = std::make_shared<const Message>(request.message);
  CO_TRY(co_await state.spool_prepared(loop, std::move(request), std::move(content), now));
  state.received.add();
  if (message) co_await state.tell_expanded(loop, std::move(message), std::move(expanded), now);
  co_return Result<void>{};
}

Task<Result<void>> Queue::write_chunk(Loop& loop, ChunkWrite chunk) {
  return state_->committer.write_chunk(loop, std::move(chunk));
}

void Queue::discard_chunks(MessageId id) {
  state_->committer.discard_chunks(id);
}

// ---------------------------------------------------------------- settling
Task<std::vector<SpoolRequest>> Queue::State::make_notices(Loop& loop,
                                                           std::shared_ptr<const Message> message,
                                                           NoticePlan plan, Instant now) {
  if (plan.empty() || !notice_maker) co_return std::vector<SpoolRequest>{};
  auto notices = co_await notice_maker->make(loop, std::move(message), std::move(plan), now);
  for (SpoolRequest& notice : notices) {
    prepare_entries(notice, now);
    if (notice.lease) in_window += notice.entries.size();
  }
  co_return notices;
}

// Providers and classes are those of the rules. Beyond what one name may have of series, all
// providers that come new are "other", so that the class is never lost.
void Queue::State::count_refusal(const BounceVerdict& why, bool deferred) {
  constexpr std::size_t reserve = 2 * bounce_class_count;
  std::string provider = why.provider.empty() ? "other" : why.provider;
  const auto key = fmt::format("{} {} {}", provider, name_of(why.klass), deferred);
  {
    std::lock_guard lock(mutex);
    if (!refusal_series.contains(key)) {
      if (refusal_series.size() < Metrics::series_limit - reserve)
        refusal_series.insert(key);
      else
        provider = "other";
    }
  }
  registry
      .counter("goniec_refusals_total", "Recipients refused or not reached, by what it means",
               {{"class", std::string(name_of(why.klass))},
                {"provider", std::move(provider)},
                {"status", deferred ? "deferred" : "bounced"}})
      .add();
}

void Queue::State::count(const std::vector<Outcome>& outcomes, const Message& message) {
  for (const Outcome& outcome : outcomes) {
    switch (outcome.state) {
      case RecipientState::delivered:
      case RecipientState::relayed:
      case RecipientState::expanded:
        settled_delivered.add();
        break;
      case RecipientState::queued:
        settled_deferred.add();
        break;
      case RecipientState::failed:
        settled_failed.add();
        break;
      case RecipientState::expired:
        settled_expired.add();
        break;
    }
    if (outcome.why) count_refusal(*outcome.why, outcome.state == RecipientState::queued);
    const bool ended_badly =
        outcome.state == RecipientState::failed || outcome.state == RecipientState::expired;
    if (ended_badly && message.sender.address.empty()) double_bounces.add();
  }
}

namespace {

std::vector<Event> outcome_events(const Message& message, const Entry& entry,
                                  const std::vector<Outcome>& outcomes,
                                  const std::vector<SpoolRequest>& notices, Instant now,
                                  Instant next_due) {
  std::vector<Event> events;
  events.reserve(outcomes.size() + notices.size());
  for (const Outcome& outcome : outcomes) {
    Event event;
    event.kind = event_kind(outcome.state);
    event.message = message.id;
    event.at = now;
    event.recipient = entry.recipients.at(outcome.recipient).recipient.address.text();
    event.data = outcome_event_data(message, entry, outcome, now, next_due);
    events.push_back(std::move(event));
  }
  for (const SpoolRequest& notice : notices) {
    Event event;
    event.kind = EventKind::dsn_sent;
    event.message = message.id;
    event.at = now;
    event.data = notice_event_data(notice.message.id, "notice");
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace

void Queue::State::tell_unsettled(MessageId id, const Error& error, Instant now,
                                  Duration again_after) {
  LogRecord record;
  record.at = now;
  record.level = LogLevel::error;
  record.event = "queue.settle_failed";
  record.program = "qmgr";
  record.text =
      fmt::format("{}: error: outcome could not be stored, {}: {}", id.text(),
                  again_after > Duration::zero() ? "again in " + to_text(again_after) : "given up",
                  error.message);
  log.write(std::move(record));
}

Task<void> Queue::State::sleep_unless_stopping(Loop& loop, Duration wait) {
  const Moment until = loop.clock().moment() + wait;
  while (!stopping && loop.clock().moment() < until)
    co_await loop.sleep_until(std::min(until, loop.clock().moment() + stop_seen_after));
}

// The store refused an outcome and is not sealed: a full disk, or damage that this entry met. The
// lease is kept, and the outcome stored as soon as it can be: given back, the entry would be tried
// again at once, and what was delivered delivered again, without end. It stays in the window, so
// that where nothing can be stored no more is delivered than the window holds. Ends without it when
// the lease is not ours any more, when the store is sealed, and when the house stops (the entry is
// due again after the restart).
Task<Result<SettleResult>> Queue::State::settle_again(Loop& loop, SettleRequest& request,
                                                      Result<SettleResult> refused) {
  const MessageId id = request.lease.entry.message;
  Duration wait = first_settle_wait;
  unsettled.add(1);
  while (!refused) {
    const bool hopeless = stopping || refused.error().kind == ErrorKind::conflict ||
                          committer.store().health().sealed;
    tell_unsettled(id, refused.error(), loop.clock().now(), hopeless ? Duration::zero() : wait);
    if (hopeless) break;
    co_await sleep_unless_stopping(loop, wait);
    wait = std::min(2 * wait, longest_settle_wait);
    refused = co_await committer.settle_lent(loop, request);
  }
  unsettled.add(-1);
  co_return refused;
}

Task<Result<void>> Queue::settle(Loop& loop, ReadyEntry ready, std::vector<Outcome> outcomes,
                                 std::vector<MailboxAppend> appends) {
  State& state = *state_;
  const Instant now = loop.clock().now();
  auto current = state.current_options();
  expire_outcomes(ready.entry, outcomes, now);
  explain_outcomes(*current->bounces, ready.entry, outcomes);

  NoticePlan plan = plan_notices(*ready.message, ready.entry, outcomes, current->retry, now);
  SettleRequest request;
  request.lease = ready.lease;
  request.now = now;
  request.next_due = next_try(current->retry, ready.entry.tries + 1, now, ready.entry.expires,
                              loop.random().next());
  request.delay_notified = plan.delay_notified;
  request.appends = std::move(appends);
  request.notices = co_await state.make_notices(loop, ready.message, std::move(plan), now);
  request.events =
      outcome_events(*ready.message, ready.entry, outcomes, request.notices, now, request.next_due);
  request.outcomes = std::move(outcomes);

  const Instant next_due = request.next_due;
  auto settled = co_await state.committer.settle_lent(loop, request);
  std::vector<SpoolRequest>& notices = request.notices;
  std::size_t leaving = 1;
  if (!settled) {
    ready.content.reset();
    settled = co_await state.settle_again(loop, request, std::move(settled));
  }
  if (!settled) {
    for (const SpoolRequest& notice : notices) leaving += notice.lease ? notice.entries.size() : 0;
    state.left_window(leaving);
    co_return std::unexpected(settled.error());
  }
  state.count(request.outcomes, *ready.message);
  if (settled->entry.state == EntryState::due) state.poke_for(next_due);
  for (std::size_t i = 0; i < notices.size() && i < settled->notices.size(); ++i) {
    const std::uint64_t octets = notices[i].message.content.size();
    if (notices[i].lease) {
      state.note_unleased(notices[i].entries, settled->notices[i], now);
      state.hand_over_spooled(
          {envelope_of(notices[i].message), octets, notices[i].entries, nullptr},
          settled->notices[i], now);
    } else {
      state.poke_for(now);
    }
  }
  state.left_window(leaving);
  co_return Result<void>{};
}

void Queue::give_back(ReadyEntry entry) {
  state_->committer.give_back({entry.lease});
  state_->left_window(1);
}

// ---------------------------------------------------------------- by its sender
Task<Result<Entry>> Queue::cancel(Loop& loop, QueueItem item, std::string reason) {
  QueueChange change;
  change.entry = item.entry.id;
  change.action = QueueAction::remove;
  change.now = loop.clock().now();
  change.reason = reason;
  for (const EntryRecipient& each : item.entry.recipients) {
    if (each.state != RecipientState::queued) continue;
    Event event;
    event.kind = EventKind::canceled;
    event.message = item.message.id;
    event.at = change.now;
    event.recipient = each.recipient.address.text();
    event.data = reason_event_data(reason);
    change.events.push_back(std::move(event));
  }
  auto changed = co_await state_->committer.change(loop, std::move(change));
  if (changed) state_->poke();
  co_return changed;
}

Task<Result<Entry>> Queue::reschedule(Loop& loop, QueueItem item, Instant due, Telling telling) {
  QueueChange change;
  change.entry = item.entry.id;
  change.action = QueueAction::retry;  // at that time instead of now
  change.now = due;
  if (telling == Telling::event) {
    Event event;
    event.kind = EventKind::rescheduled;
    event.message = item.message.id;
    event.at = loop.clock().now();
    event.data = rescheduled_event_data(due);
    change.events.push_back(std::move(event));
  }
  auto changed = co_await state_->committer.change(loop, std::move(change));
  if (changed) state_->poke();
  co_return changed;
}

// ---------------------------------------------------------------- by hand
Task<Result<Entry>> Queue::change(Loop& loop, QueueItem item, QueueAction action,
                                  std::string reason) {
  State& state = *state_;
  const Instant now = loop.clock().now();
  QueueChange change;
  change.entry = item.entry.id;
  change.action = action;
  change.now = now;
  change.reason = reason;
  if (action == QueueAction::expire) {
    for (std::uint32_t i = 0; i < item.entry.recipients.size(); ++i) {
      if (item.entry.recipients[i].state != RecipientState::queued) continue;
      Outcome outcome;
      outcome.recipient = i;
      outcome.state = RecipientState::failed;
      outcome.reply = Reply(554, EnhancedCode{5, 7, 0},
                            reason.empty() ? "bounced by the administrator" : reason);
      outcome.route = "queue bounce";
      outcome.phase = "route";
      change.outcomes.push_back(std::move(outcome));
    }
    auto message = std::make_shared<const Message>(item.message);
    const auto current = state.current_options();
    explain_outcomes(*current->bounces, item.entry, change.outcomes);
    NoticePlan plan = plan_notices(item.message, item.entry, change.outcomes, current->retry, now);
    change.notices = co_await state.make_notices(loop, message, std::move(plan), now);
    for (SpoolRequest& notice :
         change.notices) {  // a change gives no leases back: they are due at once
      if (notice.lease) state.left_window(notice.entries.size());
      notice.lease = false;
    }
    change.events =
        outcome_events(item.message, item.entry, change.outcomes, change.notices, now, now);
    state.count(change.outcomes, item.message);
  } else {
    Event event;
    event.kind = event_kind(action);
    event.message = item.message.id;
    event.at = now;
    event.data = entry_event_data(reason, item.entry);
    change.events.push_back(std::move(event));
  }
  auto changed = co_await state.committer.change(loop, std::move(change));
  if (!changed) co_return changed;
  if (action == QueueAction::retry || action == QueueAction::release)
    state.look_again(item.entry.domain);
  state.poke();
  co_return changed;
}

Task<Result<std::vector<QueueItem>>> Queue::list(Loop& loop, QueueFilter filter) {
  return state_->readers.read(
      loop, [filter = std::move(filter)](Reader& reader) { return reader.list(filter); });
}

Task<Result<QueueStats>> Queue::stats(Loop& loop) {
  return state_->readers.read(loop, [](Reader& reader) { return reader.stats(); });
}

Task<Result<Content>> Queue::content(Loop& loop, MessageId id) {
  return state_->readers.read(loop, [id](Reader& reader) { return reader.content(id); });
}

Task<Result<std::string>> Queue::chunk(Loop& loop, MessageId id, std::uint32_t number) {
  return state_->readers.read(loop,
                              [id, number](Reader& reader) { return reader.chunk(id, number); });
}

Task<Result<std::optional<Address>>> Queue::sender_of(Loop& loop, MessageId id) {
  const auto events = CO_TRY(
      co_await state_->readers.read(loop, [id](Reader& reader) { return reader.events_of(id); }));
  for (const Event& event : events)
    if (event.kind == EventKind::received) co_return sender_in_received(event.data);
  co_return std::optional<Address>();
}

// ---------------------------------------------------------------- life
Queue::Queue(QueueOptions options, Committer& committer, ReaderPool& readers, Metrics& metrics,
             LogSink& log)
    : state_(std::make_unique<State>(std::move(options), committer, readers, metrics, log)) {}

Queue::~Queue() = default;

void Queue::add_shard(Loop& loop, Carrier& carrier) {
  state_->shards.push_back({&loop, &carrier});
}

void Queue::set_notice_maker(NoticeMaker& maker) {
  state_->notice_maker = &maker;
}

void Queue::start() {
  CHECK(!state_->shards.empty());
  state_->lease_loop_done = false;
  state_->shards[0].loop->post([state = state_.get()] { spawn(state->lease_loop()); });
}

void Queue::stop_leasing() {
  state_->stopping = true;
}

Task<void> Queue::stop(Loop& loop) {
  CHECK(&loop == state_->shards[0].loop);
  stop_leasing();
  state_->wake.notify_all();
  while (!state_->lease_loop_done || state_->in_window.load() > 0) co_await state_->wake.wait();
}

void Queue::set_options(QueueOptions options) {
  std::lock_guard lock(state_->mutex);
  state_->options = std::make_shared<const QueueOptions>(std::move(options));
}

MessageId Queue::next_id(Clock& clock, Random& random) {
  std::lock_guard lock(state_->mutex);
  return state_->ids.next(clock.now(), random.next());
}

}  // namespace goniec
