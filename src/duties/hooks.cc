// See hooks.h. A Runner a webhook; its deliveries in memory are the lowest of those that wait.
#include "duties/hooks.h"

#include <algorithm>
#include <set>

#include "accounts/suppressions.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "duties/may_pass.h"
#include "store/last_event.h"

namespace goniec {
namespace {

constexpr Duration sweep_step = std::chrono::hours(1);
constexpr std::size_t sweep_rows = 20000;
constexpr std::size_t answer_octets = 1024 * 1024;  // of a receiver; the rest is not read

// Wakes whoever waits, at the latest then; the signal outlives its owner.
void wake_at(Loop& loop, Moment when, std::shared_ptr<Signal> signal) {
  loop.at(when, [signal = std::move(signal)] { signal->notify_all(); });
}
// The same with at most one timer at a time.
void wake_once(Loop& loop, Moment& planned, Duration step, const std::shared_ptr<Signal>& signal) {
  const Moment now = loop.clock().moment();
  if (planned > now) return;
  planned = now + step;
  wake_at(loop, planned, signal);
}

std::string first_line(std::string_view text, std::size_t limit) {
  return printable(text.substr(0, std::min(text.find('\n'), limit)), limit);
}

// Of a suppression that no message caused: the stream that it stands in; "": all, or none.
std::string stream_of(const Event& event, const EventMessage& message) {
  const bool is_change =
      event.kind == EventKind::suppression_added || event.kind == EventKind::suppression_removed;
  if (!message.stream.empty() || !is_change) return message.stream;
  const auto data = JsonValue::parse(event.data);
  const std::string stream = data ? data->text_at("stream") : std::string();
  return stream == all_streams ? std::string() : stream;
}

// A batch has an id of its own, made of those that it holds: made anew with another event in it, it
// is another batch, and who knows the first must not take the second for it.
std::string call_id_of(const std::vector<std::uint64_t>& sequences) {
  if (sequences.size() == 1) return event_id_of(sequences.front());
  std::string ids;
  for (const std::uint64_t sequence : sequences) ids += event_id_of(sequence) + "\n";
  return "batch_" + to_hex(view(sha256(ids)).substr(0, 16));
}

}  // namespace

struct Hooks::Known {
  std::map<std::string, HookPosition> positions;
  std::uint64_t beginning = 0;  // of the log: see HookLog
};

struct Hooks::Runner {
  std::string id;
  std::uint64_t position = 0;  // all events up to it are deliveries
  std::uint64_t loaded = 0;    // waiting ones up to it are in memory
  bool more_waiting = true;    // above `loaded`, in the log of deliveries
  std::map<std::uint64_t, HookDelivery> waiting;
  std::map<std::uint64_t, HookEvent> events;  // of some of them
  std::set<std::uint64_t> under_way;
  std::set<std::string> busy;  // orders of those
  std::optional<Instant> failing_since;
  std::size_t failures = 0;  // in a row
  std::size_t calls = 0;
  std::uint64_t looks = 0;  // how often what waits was changed by others
  bool removed = false;
  bool was_enabled = true;
  bool is_to_forgive = false;  // it was disabled
  Moment planned{};            // the timer that will wake it
  std::shared_ptr<Signal> woken = std::make_shared<Signal>();
};

Hooks::Hooks(World& world, ReaderPool& readers, Webhooks& webhooks, HookLog& log,
             HooksOptions options, Metrics& metrics, LogSink& sink)
    : world_(world),
      readers_(readers),
      webhooks_(webhooks),
      log_(log),
      options_(std::move(options)),
      sink_(sink),
      delivered_(metrics.counter("goniec_webhook_calls_total", "Calls of webhooks.",
                                 {{"result", "delivered"}})),
      failed_(metrics.counter("goniec_webhook_calls_total", "Calls of webhooks.",
                              {{"result", "failed"}})),
      dead_(metrics.counter("goniec_webhook_dead_total",
                            "Events that a webhook was not told in time.")),
      set_aside_(metrics.counter("goniec_webhook_log_damaged_total",
                                 "Times that what webhooks were told was damaged and set aside.")),
      waiting_(metrics.gauge("goniec_webhook_waiting", "Deliveries to webhooks that wait.")) {}

Hooks::~Hooks() = default;

void Hooks::set_mail(std::function<Task<void>(Address, std::string, std::string)> mail) {
  mail_ = std::move(mail);
}

void Hooks::say(LogLevel level, std::string event, std::string text) {
  sink_.write({world_.loop.clock().now(), level, std::move(event), "hooks", std::move(text), {}});
}

// ---------------------------------------------------------------- one for all
void Hooks::start() {
  ++running_;
  spawn(run());
}

Task<void> Hooks::stop() {
  stopping_ = true;
  woken_->notify_all();
  for (auto& [id, runner] : runners_) runner->woken->notify_all();
  while (running_ > 0) co_await ended_.wait();
}

void Hooks::look(const std::string& id) {
  woken_->notify_all();
  const auto found = runners_.find(id);
  if (found == runners_.end()) return;
  Runner& runner = *found->second;
  runner.loaded = 0;
  runner.more_waiting = true;
  ++runner.looks;
  runner.woken->notify_all();
}

// Positions that are not known now are not taken for none: their webhooks would be told all that is
// in the event log.
Task<std::optional<Hooks::Known>> Hooks::read_positions() {
  while (!stopping_) {
    auto found = co_await world_.offload.run(world_.loop, [this]() -> Result<Known> {
      return Known{TRY(log_.positions()), TRY(log_.beginning())};
    });
    if (found && *found) co_return std::move(**found);
    say(LogLevel::error, "hooks.store",
        fmt::format("error: how far each webhook was told cannot be read, nothing is told until "
                    "then: {}",
                    found ? found->error().message : found.error().message));
    const Moment next = world_.loop.clock().moment() + options_.reading_pause;
    wake_at(world_.loop, next, woken_);
    while (!stopping_ && world_.loop.clock().moment() < next) co_await woken_->wait();
  }
  co_return std::nullopt;
}

Task<void> Hooks::tell_what_was_lost() {
  if (!log_.was_set_aside()) co_return;
  set_aside_.add();
  const Address owner = options_.settings().owner;
  if (owner.empty() || !mail_) co_return;
  co_await mail_(owner, "Webhooks: what they were told was damaged",
                 "The file hooks.db could not be read and is set aside as hooks.db.damaged.\n\n"
                 "Webhooks go on from what happens now. What waited for them goes out no more, and "
                 "the list of what they were told begins anew.\n");
}

void Hooks::add_runner(const Webhook& webhook, const Known& known) {
  auto runner = std::make_shared<Runner>();
  runner->id = webhook.id;
  runner->was_enabled = webhook.enabled;
  const auto at = known.positions.find(webhook.id);
  const bool is_known = at != known.positions.end();
  runner->position =
      is_known ? at->second.sequence : std::max(webhook.created_at_event, known.beginning);
  if (is_known) runner->failing_since = at->second.failing_since;
  runners_.emplace(webhook.id, runner);
  ++running_;
  spawn(follow(runner));
}

// Sees to it that each webhook has its runner, and none that is gone.
Task<void> Hooks::run() {
  const std::optional<Known> known = co_await read_positions();
  if (known) co_await tell_what_was_lost();
  while (known && !stopping_) {
    std::set<std::string> there;
    for (const auto& webhook : webhooks_.all()) {
      there.insert(webhook->id);
      if (!runners_.contains(webhook->id)) add_runner(*webhook, *known);
    }
    for (auto at = runners_.begin(); at != runners_.end();) {
      const bool is_there = there.contains(at->first);
      if (!is_there) {
        at->second->removed = true;
        at->second->woken->notify_all();
      }
      at = is_there ? std::next(at) : runners_.erase(at);
    }
    co_await sweep();
    if (stopping_) break;
    wake_once(world_.loop, planned_, std::chrono::seconds(5), woken_);
    co_await woken_->wait();
  }
  --running_;
  ended_.notify_all();
}

Task<void> Hooks::sweep() {
  const Moment now = world_.loop.clock().moment();
  if (now < next_sweep_) co_return;
  next_sweep_ = now + sweep_step;
  const Instant before = world_.loop.clock().now() - options_.settings().keep;
  for (bool more = true; more && !stopping_;) {
    const auto rows = co_await world_.offload.run(
        world_.loop, [this, before] { return log_.sweep(before, sweep_rows); });
    more = rows && *rows && **rows >= sweep_rows;
  }
}

// ---------------------------------------------------------------- one webhook
Task<void> Hooks::follow(std::shared_ptr<Runner> runner) {
  while (!stopping_ && !runner->removed) {
    const auto webhook = webhooks_.find(runner->id);
    const bool is_enabled = webhook && webhook->enabled;
    runner->is_to_forgive |= !is_enabled || !runner->was_enabled;
    runner->was_enabled = is_enabled;
    if (runner->is_to_forgive && runner->calls == 0) co_await forgive(*runner);
    if (is_enabled && !runner->is_to_forgive) {
      co_await fill(*runner);
      start_due(runner);
    }
    if (stopping_ || runner->removed) break;
    wake_once(world_.loop, runner->planned, options_.step, runner->woken);
    co_await runner->woken->wait();
  }
  while (runner->calls > 0) co_await runner->woken->wait();
  waiting_.add(-static_cast<double>(runner->waiting.size()));
  if (runner->removed)
    (void)co_await world_.offload.run(world_.loop,
                                      [this, id = runner->id] { return log_.forget(id); });
  --running_;
  ended_.notify_all();
}

// What failed before a webhook was disabled says nothing of when it is enabled again. REQUIRES no
// call under way, which would write its failure after it.
Task<void> Hooks::forgive(Runner& runner) {
  runner.is_to_forgive = false;
  runner.failures = 0;
  if (!runner.failing_since) co_return;
  runner.failing_since.reset();
  const auto written =
      co_await world_.offload.run(world_.loop, [this, id = runner.id] { return log_.forgive(id); });
  if (!written || !*written)
    say(LogLevel::error, "hooks.store",
        fmt::format("error: webhook {}: that it is forgiven was not kept", runner.id));
}

// What waits in the log of deliveries first, then what the event log has.
Task<void> Hooks::fill(Runner& runner) {
  co_await load_waiting(runner);
  while (!stopping_ && !runner.more_waiting && runner.waiting.size() < options_.window) {
    if (!co_await read_events(runner)) break;
  }
}

Task<void> Hooks::load_waiting(Runner& runner) {
  while (!stopping_ && runner.more_waiting && runner.waiting.size() < options_.window) {
    const std::size_t room = options_.window - runner.waiting.size();
    const auto looks = runner.looks;
    auto rows =
        co_await world_.offload.run(world_.loop, [this, id = runner.id, after = runner.loaded,
                                                  room] { return log_.waiting(id, after, room); });
    if (!rows || !*rows) co_return;
    if (runner.looks != looks) continue;  // what waits has changed meanwhile: from the beginning
    for (HookDelivery& row : **rows) {
      runner.loaded = row.sequence;
      if (runner.under_way.contains(row.sequence)) continue;
      if (runner.waiting.insert_or_assign(row.sequence, row).second) waiting_.add(1);
    }
    runner.more_waiting = (*rows)->size() == room;
  }
}

// True: there may be more.
Task<bool> Hooks::read_events(Runner& runner) {
  const auto after = runner.position;
  const auto limit = options_.events;
  const auto looks = runner.looks;  // a look at any wait below begins anew
  const auto events = co_await readers_.read(
      world_.loop, [after, limit](Reader& reader) { return reader.events_after(after, limit); });
  if (!events || events->empty()) co_return false;
  const auto webhook = webhooks_.find(runner.id);
  if (!webhook) co_return false;
  std::vector<HookDelivery> added;
  std::vector<HookEvent> kept;
  for (const Event& event : *events) {
    const std::string type = event_type_of(event);
    if (type.empty() || !webhook->wants(type, {})) continue;
    auto known = co_await message_of(event);
    if (!known) {
      say(LogLevel::warning, "hooks.reading",
          fmt::format("warning: webhook {}: {}: {}", runner.id, event_id_of(event.sequence),
                      known.error().message));
      co_return false;
    }
    EventMessage message = *std::move(known);
    if (!webhook->wants(type, stream_of(event, message))) continue;
    HookDelivery delivery;
    delivery.sequence = event.sequence;
    delivery.type = type;
    if (event.message) delivery.order = event.message.text();
    delivery.at = delivery.next_at = event.at;
    added.push_back(std::move(delivery));
    kept.push_back({event, std::move(message)});
  }
  const std::uint64_t position = events->back().sequence;
  const auto written = co_await world_.offload.run(
      world_.loop,
      [this, id = runner.id, position, added] { return log_.advance(id, position, added); });
  if (!written || !*written) {
    say(LogLevel::error, "hooks.store",
        fmt::format("error: webhook {}: {}", runner.id,
                    written ? written->error().message : written.error().message));
    co_return false;
  }
  runner.position = position;
  if (runner.looks == looks) runner.loaded = position;
  for (std::size_t i = 0; i < added.size(); ++i) {
    runner.events.emplace(added[i].sequence, std::move(kept[i]));
    runner.waiting.emplace(added[i].sequence, std::move(added[i]));
    waiting_.add(1);
  }
  co_return events->size() == limit;
}

// Starts what is due: in the order of events, one of an order at a time.
void Hooks::start_due(const std::shared_ptr<Runner>& runner) {
  const auto webhook = webhooks_.find(runner->id);
  if (!webhook || !webhook->enabled) return;
  const Instant now = world_.loop.clock().now();
  const std::size_t most = runner->failures >= options_.probe_after ? 1 : options_.parallel;
  const std::size_t together = webhook->batch ? options_.batch : 1;
  std::set<std::string> passed;  // orders of which an earlier one is not due yet
  std::vector<std::uint64_t> chosen;
  const auto start = [&] {
    if (chosen.empty()) return;
    ++runner->calls;
    ++running_;
    spawn(tell(runner, std::exchange(chosen, {})));
  };
  for (const auto& [sequence, delivery] : runner->waiting) {
    if (runner->calls >= most) break;
    if (runner->under_way.contains(sequence)) continue;
    const bool is_ordered = !delivery.order.empty();
    if (is_ordered && (runner->busy.contains(delivery.order) || passed.contains(delivery.order)))
      continue;
    if (delivery.next_at > now) {
      if (is_ordered) passed.insert(delivery.order);
      continue;
    }
    runner->under_way.insert(sequence);
    if (is_ordered) runner->busy.insert(delivery.order);
    chosen.push_back(sequence);
    if (chosen.size() >= together) start();
  }
  start();
}

Task<void> Hooks::tell(std::shared_ptr<Runner> runner, std::vector<std::uint64_t> sequences) {
  const auto webhook = webhooks_.find(runner->id);
  std::vector<HookEvent> events;
  for (const std::uint64_t sequence : sequences) {
    const auto known = runner->events.find(sequence);
    if (known != runner->events.end()) {
      events.push_back(known->second);
      continue;
    }
    auto event = co_await event_of(sequence);
    if (!event) {
      put_back(*runner, sequences);
      --runner->calls;
      --running_;
      runner->woken->notify_all();
      ended_.notify_all();
      co_return;
    }
    if (*event) events.push_back(**std::move(event));
  }
  HookOutcome outcome;
  outcome.attempt.at = world_.loop.clock().now();
  const auto body = webhook ? hook_body(*webhook, events, outcome.attempt.at) : std::nullopt;
  if (body) {
    outcome = co_await call(webhook, call_id_of(sequences), *body);
  } else {
    outcome.delivered = true;  // past retention, or nothing that this shape has a word for
    outcome.attempt.error = "there was nothing to send";
  }
  co_await note(*runner, std::move(sequences), std::move(outcome));
  --runner->calls;
  --running_;
  runner->woken->notify_all();
  ended_.notify_all();
}

// What could not be read is neither told nor counted: it is looked at again later.
void Hooks::put_back(Runner& runner, const std::vector<std::uint64_t>& sequences) {
  for (const std::uint64_t sequence : sequences) {
    HookDelivery& delivery = runner.waiting[sequence];
    delivery.next_at = world_.loop.clock().now() + options_.reading_pause;
    runner.under_way.erase(sequence);
    runner.busy.erase(delivery.order);
  }
}

Task<HookOutcome> Hooks::call(std::shared_ptr<const Webhook> webhook, std::string id,
                              std::string body) {
  HookOutcome outcome;
  Clock& clock = world_.loop.clock();
  const Moment began = clock.moment();
  outcome.attempt.at = clock.now();
  HttpRequest request;
  request.method = "POST";
  request.url = webhook->url;
  request.headers = hook_headers(*webhook, id, body, outcome.attempt.at);
  request.body = std::move(body);
  request.response_limit = answer_octets;
  request.body_may_be_cut = true;
  request.only_public = !options_.settings().private_targets;
  auto response = co_await world_.http.fetch(std::move(request), began + options_.attempt);
  outcome.attempt.took = clock.moment() - began;
  if (!response) {
    outcome.attempt.error = response.error().message;
    co_return outcome;
  }
  outcome.attempt.status = static_cast<int>(response->status);
  outcome.attempt.response = printable(response->body, options_.response_octets);
  outcome.delivered = response->status >= 200 && response->status < 300;
  outcome.gone = response->status == 410;
  if (!outcome.delivered) outcome.attempt.error = fmt::format("HTTP {}", response->status);
  co_return outcome;
}

Instant Hooks::next_try(std::uint32_t tries, Instant now) {
  const Duration base =
      options_.schedule[std::min<std::size_t>(tries, options_.schedule.size()) - 1];
  const double unit = static_cast<double>(world_.loop.random().below(20001)) / 10000.0 - 1.0;
  return now + Duration(static_cast<std::int64_t>(static_cast<double>(base.count()) *
                                                  (1.0 + options_.jitter * unit)));
}

// What came of a call, kept before anything else happens to its deliveries.
Task<void> Hooks::note(Runner& runner, std::vector<std::uint64_t> sequences, HookOutcome outcome) {
  const Instant now = world_.loop.clock().now();
  (outcome.delivered ? delivered_ : failed_).add();
  runner.failures = outcome.delivered ? 0 : runner.failures + 1;
  if (outcome.delivered) runner.failing_since.reset();
  if (!outcome.delivered && !runner.failing_since) runner.failing_since = outcome.attempt.at;
  for (const std::uint64_t sequence : sequences) {
    HookDelivery delivery = runner.waiting[sequence];
    ++delivery.tries;
    delivery.last_status = outcome.attempt.status;
    delivery.last_error = first_line(outcome.attempt.error, 300);
    if (outcome.delivered) {
      delivery.state = HookState::delivered;
    } else if (delivery.tries > options_.schedule.size()) {
      delivery.state = HookState::dead;
      dead_.add();
      say(LogLevel::warning, "hooks.dead",
          fmt::format("warning: webhook {}: {} was not taken in {} tries: {}", runner.id,
                      event_id_of(sequence), delivery.tries, delivery.last_error));
    } else {
      delivery.next_at = next_try(delivery.tries, now);
    }
    HookAttempt attempt = outcome.attempt;
    attempt.sequence = sequence;
    attempt.number = delivery.tries;
    const auto failing = runner.failing_since;
    const auto written = co_await world_.offload.run(
        world_.loop, [this, id = runner.id, delivery, attempt, failing] {
          return log_.settle(id, delivery, attempt, failing);
        });
    if (!written || !*written)
      say(LogLevel::error, "hooks.store", "error: an attempt was not kept");
    runner.under_way.erase(sequence);
    runner.busy.erase(delivery.order);
    if (delivery.state == HookState::waiting) {
      runner.waiting[sequence] = std::move(delivery);
      continue;
    }
    runner.waiting.erase(sequence);
    runner.events.erase(sequence);
    waiting_.add(-1);
  }
  if (outcome.gone) {
    co_await disable(runner, "it answered 410 Gone");
  } else if (runner.failing_since && now - *runner.failing_since > options_.give_up) {
    co_await disable(runner, fmt::format("nothing was taken since {}; the last error: {}",
                                         to_rfc3339(*runner.failing_since),
                                         first_line(outcome.attempt.error, 200)));
  }
}

Task<void> Hooks::disable(Runner& runner, std::string reason) {
  const auto webhook = webhooks_.find(runner.id);
  if (!webhook || !webhook->enabled) co_return;
  Webhook changed = *webhook;
  changed.enabled = false;
  changed.disabled_reason = reason;
  const auto done = co_await webhooks_.replace(world_.loop, std::move(changed));
  if (!done) co_return;
  runner.is_to_forgive = true;
  say(LogLevel::error, "hooks.disabled",
      fmt::format("error: webhook {} ({}) is disabled: {}", runner.id, printable(webhook->url),
                  reason));
  const Address owner = options_.settings().owner;
  if (owner.empty() || !mail_) co_return;
  co_await mail_(owner, fmt::format("Webhook disabled: {}", printable(webhook->url, 100)),
                 fmt::format("The webhook {}\n  {}\nis disabled: {}.\n\nWhat it was not told yet "
                             "waits, and goes out when it is enabled again:\n  goniec webhook "
                             "enable {}\n",
                             runner.id, printable(webhook->url), reason, runner.id));
}

// ---------------------------------------------------------------- events
Task<Result<std::optional<HookEvent>>> Hooks::event_of(std::uint64_t sequence) {
  const auto events = co_await readers_.read(
      world_.loop, [sequence](Reader& reader) { return reader.events_after(sequence - 1, 1); });
  if (!events && may_pass(events.error())) co_return std::unexpected(events.error());
  if (!events || events->empty() || events->front().sequence != sequence)
    co_return std::optional<HookEvent>();
  EventMessage message = CO_TRY(co_await message_of(events->front()));
  co_return HookEvent{events->front(), std::move(message)};
}

Task<Result<EventMessage>> Hooks::message_of(Event event) {
  if (!event.message) co_return EventMessage{};
  if (event.kind == EventKind::received) {
    EventMessage message = event_message_of(event);
    if (known_.size() >= options_.known_messages) known_.erase(known_.begin());
    known_.insert_or_assign(event.message, message);
    co_return message;
  }
  if (const auto found = known_.find(event.message); found != known_.end()) co_return found->second;
  const auto events = co_await readers_.read(
      world_.loop, [id = event.message](Reader& reader) { return reader.events_of(id); });
  if (!events && may_pass(events.error())) co_return std::unexpected(events.error());
  EventMessage message;
  message.id = event.message;
  for (const Event& each : events ? *events : std::vector<Event>())
    if (each.kind == EventKind::received) message = event_message_of(each);
  if (known_.size() >= options_.known_messages) known_.erase(known_.begin());
  known_.insert_or_assign(event.message, message);
  co_return message;
}

// ---------------------------------------------------------------- by hand
Task<HookOutcome> Hooks::test(std::shared_ptr<const Webhook> webhook) {
  const Instant now = world_.loop.clock().now();
  const std::string id = fmt::format("evt_test_{:016x}", world_.loop.random().next());
  JsonWriter json;
  json.object().key("type").text("webhook.test").key("id").text(id);
  json.key("created_at").text(to_rfc3339(now)).key("data").object();
  json.key("webhook_id").text(webhook->id).end().end();
  std::string body = std::move(json).take();
  if (webhook->format != WebhookFormat::native || webhook->batch) body = "[" + body + "]";
  co_return co_await call(webhook, id, std::move(body));
}

}  // namespace goniec
