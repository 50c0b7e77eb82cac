// Threads on one mutex and one condition variable: jobs here take a millisecond or more each.
#include "run/offload.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace goniec {

struct OffloadPool::State {
  OffloadOptions options;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Work> jobs;
  bool ending = false;
  std::vector<std::thread> threads;

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return ending || !jobs.empty(); });
      if (jobs.empty()) return;
      Work job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // its captures end outside the lock
      lock.lock();
    }
  }
};

OffloadPool::OffloadPool(OffloadOptions options) : state_(std::make_unique<State>()) {
  CHECK(options.threads > 0);
  state_->options = std::move(options);
  for (unsigned number = 0; number < state_->options.threads; ++number) {
    state_->threads.emplace_back([state = state_.get()] { state->serve(); });
    pthread_setname_np(state_->threads.back().native_handle(),
                       state_->options.name.substr(0, 15).c_str());
  }
}

OffloadPool::~OffloadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

bool OffloadPool::submit(Work work) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->ending || state_->jobs.size() >= state_->options.queue_limit) return false;
    state_->jobs.push_back(std::move(work));
  }
  state_->wake.notify_one();
  return true;
}

}  // namespace goniec
