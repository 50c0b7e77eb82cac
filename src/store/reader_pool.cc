// The ReaderPool of committer.h: a few threads with a Reader each, one line of jobs.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/thread_name.h"
#include "store/committer.h"

namespace goniec {
namespace {

constexpr std::size_t waiting_limit = 10000;

}  // namespace

struct ReaderPool::State {
  using Job = std::move_only_function<void(Result<Reader*>)>;
  explicit State(Store& the_store) : store(the_store) {}
  Store& store;
  std::mutex mutex;
  std::condition_variable something;
  std::deque<Job> jobs;
  bool stopping = false;
  std::vector<std::thread> threads;

  void run() {
    std::unique_ptr<Reader> reader;
    std::unique_lock lock(mutex);
    for (;;) {
      something.wait(lock, [&] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      work(reader, std::move(job));
      lock.lock();
    }
  }
  void work(std::unique_ptr<Reader>& reader, Job job) {
    if (!reader) {
      auto opened = store.reader();
      if (!opened) {
        job(std::unexpected(opened.error()));
        return;
      }
      reader = std::move(*opened);
    }
    job(reader.get());
  }
};

ReaderPool::ReaderPool(Store& store, std::size_t threads) : state_(std::make_unique<State>(store)) {
  for (std::size_t i = 0; i < threads; ++i) {
    state_->threads.emplace_back([state = state_.get()] {
      name_this_thread("reader");
      state->run();
    });
  }
}

// What waits is done first.
ReaderPool::~ReaderPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->something.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

Result<void> ReaderPool::submit(std::move_only_function<void(Result<Reader*>)> job) {
  if (state_->threads.empty()) {  // without threads (simulation): at once, here
    std::unique_ptr<Reader> reader = TRY(state_->store.reader());
    job(reader.get());
    return {};
  }
  {
    std::lock_guard lock(state_->mutex);
    if (state_->jobs.size() >= waiting_limit) {
      return fail(ErrorKind::try_later, "too many questions wait for the store");
    }
    state_->jobs.push_back(std::move(job));
  }
  state_->something.notify_one();
  return {};
}

}  // namespace goniec
