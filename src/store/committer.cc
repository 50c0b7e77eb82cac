// See committer.h. Requests wait in one line each kind; the commit thread takes a bounded group,
// runs the verbs, commits, and posts the answers, one post a loop.
#include "store/committer.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "base/thread_name.h"

namespace goniec {
namespace {

struct Discard {
  MessageId message;
};

// What a request weighs in memory while it waits.
std::size_t weight(const ChunkWrite& chunk) {
  return chunk.octets.size();
}
std::size_t weight(const SpoolRequest& request) {
  std::size_t octets =
      512 + request.message.content.prepend.size() + request.message.content.header.size();
  for (const auto& chunk : request.chunks) octets += chunk.size();
  for (const auto& event : request.events) octets += event.data.size();
  return octets + 256 * request.entries.size();
}
std::size_t weight(const SettleRequest& request) {
  std::size_t octets = 512 + 256 * request.outcomes.size();
  for (const auto& notice : request.notices) octets += weight(notice);
  return octets;
}
std::size_t weight(const FactsRequest& request) {
  std::size_t octets = 256 + 128 * (request.puts.size() + request.removes.size());
  for (const auto& put : request.puts) octets += put.value.size();
  for (const auto& event : request.events) octets += 128 + event.data.size();
  return octets;
}
template <class Request>
std::size_t weight(const Request&) {
  return 256;
}

// Somebody who waits, in the frame of a task that is not resumed before tell().
struct Waiter {
  explicit Waiter(Loop& of) : loop(of) {}
  virtual ~Waiter() = default;
  virtual void tell() = 0;  // on the loop, once; the frame may end in it
  Loop& loop;
};

// One request, lent by its owner, and its answer.
template <class Request, class Answer>
struct Waiting final : Waiter {
  Waiting(Loop& of, Request& lent) : Waiter(of), request(lent) {}
  void tell() override { done.complete(std::move(*answer)); }
  Request& request;
  std::optional<Result<Answer>> answer;
  Completion<Result<Answer>> done;
};

struct ObjectWork {
  std::variant<ObjectPut, ObjectKey> what;
};
struct SweepWork {
  Instant now, events_before;
  std::size_t limit;
};

// Who is to be told, gathered so that a loop is woken once a group.
class Postman {
 public:
  void add(Waiter& waiter) {
    const auto at = std::ranges::find(bags_, &waiter.loop, &Bag::loop);
    auto& bag = at == bags_.end() ? bags_.emplace_back(Bag{&waiter.loop, {}}) : *at;
    bag.waiters.push_back(&waiter);
  }
  void post() {
    for (auto& bag : bags_) {
      bag.loop->post([waiters = std::move(bag.waiters)] {
        for (Waiter* waiter : waiters) waiter->tell();
      });
    }
    bags_.clear();
  }

 private:
  struct Bag {
    Loop* loop;
    std::vector<Waiter*> waiters;
  };
  std::vector<Bag> bags_;
};

template <class Request, class Answer>
using Line = std::vector<Waiting<Request, Answer>*>;

struct Group {
  Line<ChunkWrite, void> chunks;
  std::vector<MessageId> discards;
  Line<SpoolRequest, SpoolResult> spools;
  Line<SettleRequest, SettleResult> settles;
  Line<QueueChange, Entry> changes;
  Line<MailboxRemove, void> removals;
  Line<ObjectWork, bool> objects;
  Line<FactsRequest, void> facts;
  Line<SweepWork, std::size_t> sweeps;

  template <class F>
  void for_each_line(F f) {
    f(chunks), f(spools), f(settles), f(changes), f(removals), f(objects), f(facts), f(sweeps);
  }
  std::size_t items() const {
    return chunks.size() + discards.size() + spools.size() + settles.size() + changes.size() +
           removals.size() + objects.size() + facts.size() + sweeps.size();
  }
  bool only_settles() const { return items() == settles.size(); }
};

// ---------------------------------------------------------------- verbs of a line

template <class Request, class Answer, class Verb>
void run_batch(Line<Request, Answer>& line, Verb verb) {
  if (line.empty()) return;
  std::vector<Request> batch;
  batch.reserve(line.size());
  for (auto* waiting : line) batch.push_back(std::move(waiting->request));
  auto answers = verb(std::span<const Request>(batch));
  for (std::size_t i = 0; i < line.size(); ++i) {
    // Given back: it is its owner's, and the group may have to be done again.
    line[i]->request = std::move(batch[i]);
    line[i]->answer.emplace(std::move(answers[i]));
  }
}

Result<bool> run_object(Store& store, const ObjectWork& work) {
  if (const auto* put = std::get_if<ObjectPut>(&work.what)) {
    auto answers = store.put_objects({put, 1});
    if (!answers[0]) return std::unexpected(answers[0].error());
    return true;
  }
  return std::move(store.remove_objects({&std::get<ObjectKey>(work.what), 1})[0]);
}

void run_group(Store& store, Group& group) {
  run_batch(group.chunks, [&](auto batch) { return store.write_chunks(batch); });
  run_batch(group.spools, [&](auto batch) { return store.spool(batch); });
  run_batch(group.settles, [&](auto batch) { return store.settle(batch); });
  run_batch(group.changes, [&](auto batch) { return store.change(batch); });
  run_batch(group.removals, [&](auto batch) { return store.remove_from_mailbox(batch); });
  for (auto* waiting : group.objects) waiting->answer.emplace(run_object(store, waiting->request));
  run_batch(group.facts, [&](auto batch) { return store.record(batch); });
  for (auto* waiting : group.sweeps) {
    const auto& sweep = waiting->request;
    waiting->answer.emplace(store.sweep(sweep.now, sweep.events_before, sweep.limit));
  }
  if (!group.discards.empty()) static_cast<void>(store.discard_chunks(group.discards));
}

template <class Request, class Answer>
void fail_all(Line<Request, Answer>& line, const Error& error) {
  for (auto* waiting : line) waiting->answer.emplace(std::unexpected(error));
}

}  // namespace

struct Committer::State {
  State(Store& the_store, CommitterLimits the_limits, Metrics& metrics, LogSink& the_log,
        Loop* on_loop)
      : store(the_store),
        limits(the_limits),
        log(the_log),
        drive(on_loop),
        syncs(metrics.counter("goniec_spool_fsync_total", "Groups made durable.")),
        failures(metrics.counter("goniec_spool_group_failures_total", "Groups that failed.")),
        seconds(metrics.histogram(
            "goniec_spool_fsync_seconds", "Time to write and sync a group.",
            {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5})),
        sizes(metrics.histogram("goniec_spool_group_items", "Requests in a group.",
                                {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000})),
        sealed(metrics.gauge("goniec_spool_sealed",
                             "1 when a write or sync failed: restart needed.")) {}

  Store& store;
  const CommitterLimits limits;
  LogSink& log;
  Loop* const drive;  // null: a thread
  Counter& syncs;
  Counter& failures;
  Histogram& seconds;
  Histogram& sizes;
  Gauge& sealed;

  std::mutex mutex;
  std::condition_variable something;
  Group waiting;  // under mutex
  std::deque<std::move_only_function<void(Store&)>>
      quick;  // no sync: lease, next_due, give_back, run
  std::size_t octets = 0;
  std::size_t octets_taken = 0;  // of the group at work
  std::optional<Moment> first_settle;
  bool hurry = false;   // a settle that waits carries mail
  bool called = false;  // the thread will be woken for what waits
  bool stopping = false;
  bool driven = false;     // a step is posted on the loop
  bool lingering = false;  // a later step is planned on the loop
  std::thread thread;

  // ------------------------------------------------------------ asking
  template <class Request, class Answer>
  Result<void> ask(Line<Request, Answer> Group::* line, Waiting<Request, Answer>& asked) {
    const auto octets_of_it = weight(asked.request);
    bool calls = false;
    {
      std::lock_guard lock(mutex);
      if (stopping) return fail(ErrorKind::try_later, "the store is closing");
      // What is on its way out must always get in: settles are bounded by leases.
      const bool over =
          octets + octets_of_it > limits.waiting_octets || waiting.items() >= limits.waiting_items;
      if (over && !std::is_same_v<Request, SettleRequest>) {
        return fail(ErrorKind::try_later, "too much waits to be written, try again later");
      }
      octets += octets_of_it;
      bool joins = false;  // others that linger; the thread need not know
      if constexpr (std::is_same_v<Request, SettleRequest>) {
        hurry = hurry || !asked.request.notices.empty();  // somebody's mail does not linger
        joins = first_settle && !hurry && waiting.settles.size() + 1 < limits.group_items;
        if (!first_settle) first_settle = asked.loop.clock().moment();
      }
      (waiting.*line).push_back(&asked);
      calls = !joins && !std::exchange(called, true);
    }
    // What else comes in this turn of the loop is to be in the same group.
    if (drive)
      wake();
    else if (calls)
      asked.loop.post([this] { wake(); });
    return {};
  }
  // The answer to a request that stays its owner's.
  template <class Request, class Answer>
  Task<Result<Answer>> answer(Line<Request, Answer> Group::* line, Loop& loop, Request& request) {
    Waiting<Request, Answer> asked(loop, request);
    CO_TRY(ask(line, asked));
    co_return co_await asked.done;
  }
  void ask_quick(std::move_only_function<void(Store&)> work) {
    {
      std::lock_guard lock(mutex);
      quick.push_back(std::move(work));
    }
    wake();
  }
  void wake() {
    if (!drive) {
      something.notify_one();
      return;
    }
    if (std::exchange(driven, true)) return;
    drive->post([this] { step_on_loop(); });
  }

  // ------------------------------------------------------------ groups
  // Takes at most a group's worth of a line; what is left waits for the next.
  template <class Request, class Answer>
  void take(Line<Request, Answer>& from, Line<Request, Answer>& to, std::size_t& octets_left,
            std::size_t& items_left) {
    std::size_t count = 0;
    while (count < from.size() && items_left > 0) {
      const auto octets_of_it = weight(from[count]->request);
      if (octets_of_it > octets_left && items_left != limits.group_items) break;
      octets_left -= std::min(octets_left, octets_of_it);
      octets_taken += octets_of_it;
      --items_left;
      ++count;
    }
    if (count == from.size()) {
      to = std::move(from);
      from.clear();
      return;
    }
    const auto end = from.begin() + static_cast<std::ptrdiff_t>(count);
    to.assign(from.begin(), end);
    from.erase(from.begin(), end);
  }
  Group take_group() {  // REQUIRES mutex
    Group group;
    called = false;
    std::size_t octets_left = limits.group_octets, items_left = limits.group_items;
    take(waiting.settles, group.settles, octets_left, items_left);  // they make room
    take(waiting.changes, group.changes, octets_left, items_left);
    take(waiting.removals, group.removals, octets_left, items_left);
    take(waiting.objects, group.objects, octets_left, items_left);
    take(waiting.facts, group.facts, octets_left, items_left);
    take(waiting.sweeps, group.sweeps, octets_left, items_left);
    take(waiting.spools, group.spools, octets_left, items_left);
    take(waiting.chunks, group.chunks, octets_left, items_left);
    std::swap(group.discards, waiting.discards);
    if (waiting.settles.empty()) {
      first_settle.reset();
      hurry = false;
    }
    return group;
  }
  // Whether a group may go now; else how long it waits for company.
  std::optional<Duration> linger(Moment now) const {  // REQUIRES mutex, something waits
    if (!waiting.only_settles() || stopping || hurry || !first_settle) return {};
    if (waiting.settles.size() >= limits.group_items) return {};
    const auto until = *first_settle + limits.settle_linger;
    if (now >= until) return {};
    return until - now;
  }

  Moment moment(const Group& group) const {
    Loop* loop = drive;
    const_cast<Group&>(group).for_each_line([&](auto& line) {
      if (!loop && !line.empty()) loop = &line[0]->loop;
    });
    return loop ? loop->clock().moment() : Moment{};
  }

  void commit(Group group) {
    const Moment began = moment(group);
    sizes.observe(static_cast<double>(group.items()));
    run_group(store, group);
    auto mark = store.commit();
    seconds.observe(std::chrono::duration<double>(moment(group) - began).count());
    if (!mark && !store.health().sealed && group.items() > 1) {
      failures.add();
      commit_one_by_one(group);
      return;
    }
    finish(group, mark);
  }

  void finish(Group& group, const Result<std::uint64_t>& mark) {
    if (mark) {
      syncs.add();
    } else {
      failures.add();
      sealed.set(store.health().sealed ? 1 : 0);
      group.for_each_line([&](auto& line) { fail_all(line, mark.error()); });
    }
    // THE promise: nobody is answered before the group is durable.
    CHECK(!mark || *mark <= store.synced());
    Postman postman;
    group.for_each_line([&](auto& line) {
      for (auto* one : line) postman.add(*one);
    });
    postman.post();
  }

  void commit_one_by_one(Group& group) {
    const auto each = [this](auto member, auto& from) {
      for (auto& one : from) {
        Group alone;
        (alone.*member).push_back(one);
        run_group(store, alone);
        finish(alone, store.commit());
      }
    };
    each(&Group::chunks, group.chunks);
    each(&Group::spools, group.spools);
    each(&Group::settles, group.settles);
    each(&Group::changes, group.changes);
    each(&Group::removals, group.removals);
    each(&Group::objects, group.objects);
    each(&Group::sweeps, group.sweeps);
  }

  // ------------------------------------------------------------ turning
  void run_quick(std::unique_lock<std::mutex>& lock) {
    while (!quick.empty()) {
      auto work = std::move(quick.front());
      quick.pop_front();
      lock.unlock();
      work(store);
      lock.lock();
    }
  }
  void run_one_group(std::unique_lock<std::mutex>& lock) {
    Group group = take_group();
    lock.unlock();
    commit(std::move(group));
    lock.lock();
    octets -= std::exchange(octets_taken, 0);
  }
  void run_thread() {
    std::unique_lock lock(mutex);
    for (;;) {
      something.wait(lock, [&] { return stopping || !quick.empty() || waiting.items() != 0; });
      run_quick(lock);
      if (waiting.items() == 0) {
        if (stopping) return;
        continue;
      }
      const auto wait = linger(first_settle ? settle_clock() : Moment{});
      if (wait) {
        called = false;  // it waits on: who ends the linger has to call again
        something.wait_for(lock, *wait, [&] {
          return stopping || hurry || !quick.empty() || !waiting.only_settles() ||
                 waiting.settles.size() >= limits.group_items;
        });
        if (!quick.empty() || linger(settle_clock())) continue;
      }
      run_one_group(lock);
    }
  }
  Moment settle_clock() const {  // REQUIRES mutex, a settle waits
    return waiting.settles.empty() ? Moment::max() : waiting.settles[0]->loop.clock().moment();
  }
  void step_on_loop() {
    driven = false;
    std::unique_lock lock(mutex);
    run_quick(lock);
    if (waiting.items() == 0) return;
    const Moment now = drive->clock().moment();
    if (const auto wait = linger(now)) {
      if (std::exchange(lingering, true)) return;
      drive->at(now + *wait, [this] {
        lingering = false;
        step_on_loop();
      });
      return;
    }
    run_one_group(lock);
    const bool more = waiting.items() != 0;
    lock.unlock();
    if (more) wake();
  }
};

Committer::Committer(Store& store, CommitterLimits limits, Metrics& metrics, LogSink& log,
                     Loop* driver)
    : store_(store), state_(std::make_unique<State>(store, limits, metrics, log, driver)) {
  if (!driver)
    state_->thread = std::thread([state = state_.get()] {
      name_this_thread("commit");
      state->run_thread();
    });
}

Committer::~Committer() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  if (state_->thread.joinable()) {
    state_->something.notify_one();
    state_->thread.join();
  }
}

Task<Result<void>> Committer::write_chunk(Loop& loop, ChunkWrite chunk) {
  co_return co_await state_->answer(&Group::chunks, loop, chunk);
}

void Committer::discard_chunks(MessageId message) {
  {
    std::lock_guard lock(state_->mutex);
    state_->waiting.discards.push_back(message);
  }
  state_->wake();
}

Task<Result<SpoolResult>> Committer::spool(Loop& loop, SpoolRequest request) {
  co_return co_await spool_lent(loop, request);
}

Task<Result<SpoolResult>> Committer::spool_lent(Loop& loop, SpoolRequest& request) {
  return state_->answer(&Group::spools, loop, request);
}

Task<Result<SettleResult>> Committer::settle(Loop& loop, SettleRequest request) {
  co_return co_await settle_lent(loop, request);
}

Task<Result<SettleResult>> Committer::settle_lent(Loop& loop, SettleRequest& request) {
  return state_->answer(&Group::settles, loop, request);
}

Task<Result<Entry>> Committer::change(Loop& loop, QueueChange change) {
  co_return co_await state_->answer(&Group::changes, loop, change);
}

Task<Result<LeaseResult>> Committer::lease(Loop& loop, LeaseRequest request) {
  Completion<Result<LeaseResult>> done;
  state_->ask_quick([&loop, &done, request = std::move(request)](Store& store) {
    loop.post(
        [&done, leased = store.lease(request)]() mutable { done.complete(std::move(leased)); });
  });
  co_return co_await done;
}

void Committer::give_back(std::vector<Lease> leases) {
  state_->ask_quick([leases = std::move(leases)](Store& store) { store.give_back(leases); });
}

Task<std::optional<Instant>> Committer::next_due(Loop& loop) {
  Completion<std::optional<Instant>> done;
  state_->ask_quick([&loop, &done](Store& store) {
    loop.post([&done, due = store.next_due()] { done.complete(due); });
  });
  co_return co_await done;
}

Task<Result<void>> Committer::remove_from_mailbox(Loop& loop, MailboxRemove request) {
  co_return co_await state_->answer(&Group::removals, loop, request);
}

Task<Result<void>> Committer::put_object(Loop& loop, ObjectPut request) {
  ObjectWork work{std::move(request)};
  CO_TRY(co_await state_->answer(&Group::objects, loop, work));
  co_return Result<void>{};
}

Task<Result<bool>> Committer::remove_object(Loop& loop, ObjectKey key) {
  ObjectWork work{std::move(key)};
  co_return co_await state_->answer(&Group::objects, loop, work);
}

Task<Result<void>> Committer::record(Loop& loop, FactsRequest request) {
  co_return co_await state_->answer(&Group::facts, loop, request);
}

Task<Result<std::size_t>> Committer::sweep(Loop& loop, Instant now, Instant events_before,
                                           std::size_t limit) {
  SweepWork work{now, events_before, limit};
  co_return co_await state_->answer(&Group::sweeps, loop, work);
}

Task<Result<void>> Committer::run(Loop& loop, std::move_only_function<Result<void>(Store&)> work) {
  Completion<Result<void>> done;
  state_->ask_quick([&loop, &done, work = std::move(work)](Store& store) mutable {
    loop.post([&done, result = work(store)]() mutable { done.complete(std::move(result)); });
  });
  co_return co_await done;
}

}  // namespace goniec
