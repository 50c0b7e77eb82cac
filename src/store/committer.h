// The commit thread: groups all that waits into one transaction and one sync (HOUSE §5).
//
//   session ---spool---+
//   attempt --settle---+-->  [ waiting group ] --verbs--> Store --commit()--> answers
//   ops -----change----+
//
// A spool is committed at once (the group is whatever came while the last sync ran). A settle alone
// waits at most `settle_linger` for company; it rides with any spool that comes first. An answer is
// posted to the caller's loop after the group's commit, never before: the CHECK in answer() is the
// promise "250 only after the sync" and stays on in production.
// A group that fails without sealing the store (one damaged row, a full disk met by a write) is
// done again item by item, so that only the item to blame fails.
//
// A waiting Task is never destroyed before its answer came (nobody destroys a suspended task;
// shut-down waits for all): so the request and the Completion live in the awaiting frame.
// Bounded: above `waiting_octets` or `waiting_items` new mail is refused with try_later
// (452 4.3.1); a settle always gets in.
#pragma once
#include <memory>

#include "base/metrics.h"
#include "run/world.h"
#include "store/store.h"

namespace goniec {

struct CommitterLimits {
  std::size_t waiting_octets = 64u << 20;
  std::size_t waiting_items = 20000;
  std::size_t group_octets = 8u << 20;
  std::size_t group_items = 1000;
  Duration settle_linger = std::chrono::milliseconds(50);
};

class Committer {
 public:
  // `driver` null: its own thread. Else the groups are made on that loop (the simulation).
  Committer(Store& store, CommitterLimits limits, Metrics& metrics, LogSink& log,
            Loop* driver = nullptr);
  ~Committer();  // finishes what waits, then stops the thread

  // Each runs on the caller's loop and ends when its group is durable (lease, next_due: no sync).
  Task<Result<void>> write_chunk(Loop& loop, ChunkWrite chunk);
  void discard_chunks(MessageId message);  // nobody waits for it
  Task<Result<SpoolResult>> spool(Loop& loop, SpoolRequest request);
  Task<Result<SettleResult>> settle(Loop& loop, SettleRequest request);
  // The same of a request that stays its owner's: when the answer comes it is as it was.
  Task<Result<SpoolResult>> spool_lent(Loop& loop, SpoolRequest& request);
  Task<Result<SettleResult>> settle_lent(Loop& loop, SettleRequest& request);
  Task<Result<Entry>> change(Loop& loop, QueueChange change);
  Task<Result<LeaseResult>> lease(Loop& loop, LeaseRequest request);
  void give_back(std::vector<Lease> leases);
  Task<std::optional<Instant>> next_due(Loop& loop);
  Task<Result<void>> remove_from_mailbox(Loop& loop, MailboxRemove request);
  Task<Result<void>> put_object(Loop& loop, ObjectPut request);
  Task<Result<bool>> remove_object(Loop& loop, ObjectKey key);
  Task<Result<void>> record(Loop& loop, FactsRequest request);
  Task<Result<std::size_t>> sweep(Loop& loop, Instant now, Instant events_before,
                                  std::size_t limit);
  // Any function on the commit thread between groups (backup).
  Task<Result<void>> run(Loop& loop, std::move_only_function<Result<void>(Store&)> work);

  Store& store() { return store_; }

 private:
  struct State;
  Store& store_;
  std::unique_ptr<State> state_;
};

// Reading off the loops: a few threads, each with its own Reader.
class ReaderPool {
 public:
  ReaderPool(Store& store, std::size_t threads);
  ~ReaderPool();
  // The result of read(reader) back on `loop`. try_later when more than 10,000 wait.
  template <class F>
  Task<std::invoke_result_t<F, Reader&>> read(Loop& loop, F work) {
    using Value = std::invoke_result_t<F, Reader&>;
    Completion<Value> done;
    auto job = [&done, &loop, work = std::move(work)](Result<Reader*> reader) mutable {
      auto value =
          std::make_shared<Value>(reader ? work(**reader) : Value(std::unexpected(reader.error())));
      loop.post([&done, value] { done.complete(std::move(*value)); });
    };
    if (auto queued = submit(std::move(job)); !queued) co_return std::unexpected(queued.error());
    co_return co_await done;
  }

 private:
  Result<void> submit(std::move_only_function<void(Result<Reader*>)> job);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
