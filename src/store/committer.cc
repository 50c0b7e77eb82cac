// See committer.h. One Item a request; a group runs the items of each verb as one batch, commits, and
// posts the answers, one post a loop.
#include "store/committer.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/text.h"

namespace goniec {
namespace {

using SteadyClock = std::chrono::steady_clock;

// A request, and where its answer goes. `Answer` is a Completion in the waiting task's frame.
template <class Request, class Value>
struct Item {
  Request request;
  Loop* loop = nullptr;
  Completion<Result<Value>>* answer = nullptr;
};

// Work between groups, on the commit thread: leases, sweeps, backups.
using Job = std::move_only_function<void(Store&)>;

std::size_t octets_of(const SpoolRequest& request) {
  std::size_t octets = 1024 + request.message.content.header.size() + request.message.content.prepend.size();
  for (const std::string& chunk : request.chunks) octets += chunk.size();
  return octets + request.entries.size() * 256;
}

}  // namespace

struct Committer::State {
  Store& store;
  CommitterLimits limits;
  LogSink& log;
  Loop* driver;
  Counter& syncs;
  Histogram& sync_seconds;
  Histogram& group_size;

  struct Waiting {
    std::vector<Item<ChunkWrite, void>> chunks;
    std::vector<Item<SpoolRequest, SpoolResult>> spools;
    std::vector<Item<SettleRequest, SettleResult>> settles;
    std::vector<Item<QueueChange, Entry>> changes;
    std::vector<Item<MailboxRemove, void>> removes;
    std::vector<Item<ObjectPut, void>> puts;
    std::vector<Item<ObjectKey, bool>> object_removes;
    std::vector<Lease> given_back;
    std::vector<MessageId> discards;
    std::vector<Job> jobs;
    std::size_t items = 0, octets = 0;
    bool urgent = false;  // more than settles: does not linger
    SteadyClock::time_point since{};
    bool empty() const { return items == 0 && jobs.empty() && given_back.empty() && discards.empty(); }
  };

  std::mutex mutex;
  std::condition_variable arrived;
  Waiting waiting;
  bool stopping = false;
  bool step_planned = false;  // driver mode
  std::thread thread;

  State(Store& engine, CommitterLimits committer_limits, Metrics& metrics, LogSink& sink, Loop* loop)
      : store(engine),
        limits(committer_limits),
        log(sink),
        driver(loop),
        syncs(metrics.counter("goniec_spool_fsync_total", "Commit groups made durable")),
        sync_seconds(metrics.histogram("goniec_spool_fsync_seconds", "Time of a commit with its sync",
                                       {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3})),
        group_size(metrics.histogram("goniec_spool_group_items", "Requests in a commit group",
                                     {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000})) {}

  enum class Urgency { linger, now };
  // Under the mutex. False: too much waits.
  template <class Add>
  Result<void> enqueue(std::size_t octets, Urgency urgency, Add add) {
    {
      std::lock_guard lock(mutex);
      // What is on its way out must always get in: settles are bounded by leases.
      const bool over = waiting.items >= limits.waiting_items || waiting.octets + octets > limits.waiting_octets;
      if (urgency == Urgency::now && octets > 0 && over)
        return fail(ErrorKind::try_later, "the mail store is behind: too much waits to be written, try again later");
      if (waiting.empty()) waiting.since = SteadyClock::now();
      add(waiting);
      ++waiting.items;
      waiting.octets += octets;
      if (urgency == Urgency::now) waiting.urgent = true;
    }
    wake();
    return {};
  }

  void add_job(Job job) {
    {
      std::lock_guard lock(mutex);
      if (waiting.empty()) waiting.since = SteadyClock::now();
      waiting.jobs.push_back(std::move(job));
      waiting.urgent = true;
    }
    wake();
  }

  void wake();
  void plan_step();
  void run_thread();
  Waiting take();
  void run_group(Waiting group);
};

// ---------------------------------------------------------------- forming groups
void Committer::State::wake() {
  if (!driver) return arrived.notify_one();
  driver->post([this] { plan_step(); });
}

void Committer::State::plan_step() {
  std::unique_lock lock(mutex);
  if (waiting.empty() || step_planned) return;
  step_planned = true;
  const Duration linger = waiting.urgent ? Duration::zero() : limits.settle_linger;
  lock.unlock();
  driver->at(driver->clock().moment() + linger, [this] {
    {
      std::lock_guard guard(mutex);
      step_planned = false;
    }
    run_group(take());
    plan_step();
  });
}

Committer::State::Waiting Committer::State::take() {
  std::lock_guard lock(mutex);
  return std::exchange(waiting, Waiting{});
}

void Committer::State::run_thread() {
  std::unique_lock lock(mutex);
  for (;;) {
    arrived.wait(lock, [&] { return stopping || !waiting.empty(); });
    if (waiting.empty()) return;  // stopping, and nothing is left
    const auto lingers_until = waiting.since + limits.settle_linger;
    arrived.wait_until(lock, lingers_until, [&] {
      return stopping || waiting.urgent || waiting.items >= limits.group_items;
    });
    Waiting group = std::exchange(waiting, Waiting{});
    lock.unlock();
    run_group(std::move(group));
    lock.lock();
  }
}

// ---------------------------------------------------------------- one group
namespace {

// The answers of a group, to be posted when it is durable.
class Answers {
 public:
  template <class Request, class Value>
  void add(Item<Request, Value>& item, Result<Value> result) {
    works_[item.loop].push_back([answer = item.answer, value = std::move(result)]() mutable {
      answer->complete(std::move(value));
    });
  }
  // A failed commit: nobody is told a success.
  template <class Request, class Value>
  void refuse(std::vector<Item<Request, Value>>& items, const Error& error) {
    for (auto& item : items) add(item, Result<Value>(std::unexpected(error)));
  }
  void clear() { works_.clear(); }
  void post() {
    for (auto& [loop, works] : works_)
      loop->post([list = std::move(works)]() mutable {
        for (Work& work : list) work();
      });
    works_.clear();
  }

 private:
  std::map<Loop*, std::vector<Work>> works_;
};

// Runs one verb over the items of a group; results wait in `answers`.
template <class Request, class Value, class Verb>
void run_verb(std::vector<Item<Request, Value>>& items, Answers& answers, Verb verb) {
  if (items.empty()) return;
  std::vector<Request> requests;
  requests.reserve(items.size());
  for (auto& item : items) requests.push_back(std::move(item.request));
  auto results = verb(std::span<const Request>(requests));
  CHECK(results.size() == items.size());
  for (std::size_t i = 0; i < items.size(); ++i) answers.add(items[i], std::move(results[i]));
}

}  // namespace

void Committer::State::run_group(Waiting group) {
  if (!group.given_back.empty()) store.give_back(group.given_back);
  Answers answers;
  if (!group.discards.empty()) (void)store.discard_chunks(group.discards);
  run_verb(group.chunks, answers, [&](auto batch) { return store.write_chunks(batch); });
  run_verb(group.spools, answers, [&](auto batch) { return store.spool(batch); });
  run_verb(group.settles, answers, [&](auto batch) { return store.settle(batch); });
  run_verb(group.changes, answers, [&](auto batch) { return store.change(batch); });
  run_verb(group.removes, answers, [&](auto batch) { return store.remove_from_mailbox(batch); });
  run_verb(group.puts, answers, [&](auto batch) { return store.put_objects(batch); });
  run_verb(group.object_removes, answers, [&](auto batch) { return store.remove_objects(batch); });
  if (group.items > 0 || !group.discards.empty()) {
    const auto began = SteadyClock::now();
    auto mark = store.commit();
    sync_seconds.observe(std::chrono::duration<double>(SteadyClock::now() - began).count());
    group_size.observe(static_cast<double>(group.items));
    if (mark) {
      syncs.add();
      // The promise: nothing is told before it is durable. Stays on in production.
      CHECK(*mark <= store.synced());
    } else {
      answers.clear();
      answers.refuse(group.chunks, mark.error());
      answers.refuse(group.spools, mark.error());
      answers.refuse(group.settles, mark.error());
      answers.refuse(group.changes, mark.error());
      answers.refuse(group.removes, mark.error());
      answers.refuse(group.puts, mark.error());
      answers.refuse(group.object_removes, mark.error());
    }
  }
  answers.post();
  for (Job& job : group.jobs) job(store);
}

// ---------------------------------------------------------------- requests
Committer::Committer(Store& store, CommitterLimits limits, Metrics& metrics, LogSink& log, Loop* driver)
    : store_(store), state_(std::make_unique<State>(store, limits, metrics, log, driver)) {
  if (!driver) state_->thread = std::thread([state = state_.get()] { state->run_thread(); });
}

Committer::~Committer() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->arrived.notify_one();
  if (state_->thread.joinable()) state_->thread.join();
}

Task<Result<void>> Committer::write_chunk(Loop& loop, ChunkWrite chunk) {
  Completion<Result<void>> answer;
  const std::size_t octets = chunk.octets.size();
  CO_TRY(state_->enqueue(octets, State::Urgency::now, [&](auto& waiting) {
    waiting.chunks.push_back({std::move(chunk), &loop, &answer});
  }));
  co_return co_await answer;
}

void Committer::discard_chunks(MessageId message) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->waiting.empty()) state_->waiting.since = SteadyClock::now();
    state_->waiting.discards.push_back(message);
  }
  state_->wake();
}

Task<Result<SpoolResult>> Committer::spool(Loop& loop, SpoolRequest request) {
  Completion<Result<SpoolResult>> answer;
  const std::size_t octets = octets_of(request);
  CO_TRY(state_->enqueue(octets, State::Urgency::now, [&](auto& waiting) {
    waiting.spools.push_back({std::move(request), &loop, &answer});
  }));
  co_return co_await answer;
}

Task<Result<SettleResult>> Committer::settle(Loop& loop, SettleRequest request) {
  Completion<Result<SettleResult>> answer;
  // A notice or a mailbox append is somebody's mail: it does not linger.
  const bool urgent = !request.notices.empty();
  CO_TRY(state_->enqueue(0, urgent ? State::Urgency::now : State::Urgency::linger, [&](auto& waiting) {
    waiting.settles.push_back({std::move(request), &loop, &answer});
  }));
  co_return co_await answer;
}

Task<Result<Entry>> Committer::change(Loop& loop, QueueChange change) {
  Completion<Result<Entry>> answer;
  CO_TRY(state_->enqueue(0, State::Urgency::now, [&](auto& waiting) {
    waiting.changes.push_back({std::move(change), &loop, &answer});
  }));
  co_return co_await answer;
}

Task<Result<void>> Committer::remove_from_mailbox(Loop& loop, MailboxRemove request) {
  Completion<Result<void>> answer;
  CO_TRY(state_->enqueue(0, State::Urgency::now, [&](auto& waiting) {
    waiting.removes.push_back({std::move(request), &loop, &answer});
  }));
  co_return co_await answer;
}

Task<Result<void>> Committer::put_object(Loop& loop, ObjectPut request) {
  Completion<Result<void>> answer;
  CO_TRY(state_->enqueue(0, State::Urgency::now, [&](auto& waiting) {
    waiting.puts.push_back({std::move(request), &loop, &answer});
  }));
  co_return co_await answer;
}

Task<Result<bool>> Committer::remove_object(Loop& loop, ObjectKey key) {
  Completion<Result<bool>> answer;
  CO_TRY(state_->enqueue(0, State::Urgency::now, [&](auto& waiting) {
    waiting.object_removes.push_back({std::move(key), &loop, &answer});
  }));
  co_return co_await answer;
}

// ---------------------------------------------------------------- jobs between groups
Task<Result<std::vector<LeasedEntry>>> Committer::lease(Loop& loop, LeaseRequest request) {
  Completion<Result<std::vector<LeasedEntry>>> answer;
  state_->add_job([&](Store& store) {
    auto leased = std::make_shared<Result<std::vector<LeasedEntry>>>(store.lease(request));
    loop.post([&answer, leased] { answer.complete(std::move(*leased)); });
  });
  co_return co_await answer;
}

void Committer::give_back(std::vector<Lease> leases) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->waiting.empty()) state_->waiting.since = SteadyClock::now();
    state_->waiting.given_back.insert(state_->waiting.given_back.end(), leases.begin(), leases.end());
  }
  state_->wake();
}

Task<std::optional<Instant>> Committer::next_due(Loop& loop) {
  Completion<std::optional<Instant>> answer;
  state_->add_job([&](Store& store) {
    const auto due = store.next_due();
    loop.post([&answer, due] { answer.complete(due); });
  });
  co_return co_await answer;
}

Task<Result<std::size_t>> Committer::sweep(Loop& loop, Instant now, Instant events_before, std::size_t limit) {
  Completion<Result<std::size_t>> answer;
  state_->add_job([&, now, events_before, limit](Store& store) {
    Result<std::size_t> swept = store.sweep(now, events_before, limit);
    if (swept) {
      if (auto mark = store.commit(); !mark) swept = std::unexpected(mark.error());
    }
    loop.post([&answer, swept] { answer.complete(swept); });
  });
  co_return co_await answer;
}

Task<Result<void>> Committer::run(Loop& loop, std::move_only_function<Result<void>(Store&)> work) {
  Completion<Result<void>> answer;
  state_->add_job([&](Store& store) {
    const Result<void> done = work(store);
    loop.post([&answer, done] { answer.complete(done); });
  });
  co_return co_await answer;
}

// ---------------------------------------------------------------- readers
struct ReaderPool::State {
  static constexpr std::size_t waiting_limit = 10000;
  Store& store;
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<std::move_only_function<void(Result<Reader*>)>> jobs;
  bool stopping = false;
  std::vector<std::thread> threads;

  explicit State(Store& engine) : store(engine) {}
  void run_thread() {
    Result<std::unique_ptr<Reader>> reader = store.reader();
    std::unique_lock lock(mutex);
    for (;;) {
      arrived.wait(lock, [&] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      auto job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      if (!reader) reader = store.reader();
      if (reader)
        job(reader->get());
      else
        job(std::unexpected(reader.error()));
      job = nullptr;
      lock.lock();
    }
  }
};

ReaderPool::ReaderPool(Store& store, std::size_t threads) : state_(std::make_unique<State>(store)) {
  for (std::size_t i = 0; i < threads; ++i)
    state_->threads.emplace_back([state = state_.get()] { state->run_thread(); });
}

ReaderPool::~ReaderPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->arrived.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

Result<void> ReaderPool::submit(std::move_only_function<void(Result<Reader*>)> job) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->jobs.size() >= State::waiting_limit)
      return fail(ErrorKind::try_later, "too many reads wait for the store, try again later");
    state_->jobs.push_back(std::move(job));
  }
  state_->arrived.notify_one();
  return {};
}

}  // namespace goniec
