// One bounded table under one mutex.
#include "accounts/verify_cache.h"

#include <mutex>

#include "accounts/bounded_table.h"

namespace goniec {

struct VerifyCache::State {
  struct Answer {
    Reply reply;
    Moment until{};
  };
  explicit State(VerifyCacheLimits given) : limits(given), answers(given.entries) {}
  VerifyCacheLimits limits;
  std::mutex mutex;
  BoundedTable<Address, Answer> answers;
};

VerifyCache::VerifyCache(VerifyCacheLimits limits) : state_(std::make_unique<State>(limits)) {}
VerifyCache::~VerifyCache() = default;

std::optional<Reply> VerifyCache::find(const Address& recipient, Moment now) {
  std::lock_guard lock(state_->mutex);
  const State::Answer* answer = state_->answers.find(recipient);
  if (!answer) return {};
  if (answer->until > now) return answer->reply;
  state_->answers.erase(recipient);
  return {};
}

void VerifyCache::remember(const Address& recipient, Reply reply, Moment now) {
  const VerifyCacheLimits& limits = state_->limits;
  const Duration life = reply.is_positive()    ? limits.accepted
                        : reply.is_permanent() ? limits.refused
                                               : limits.temporary;
  std::lock_guard lock(state_->mutex);
  state_->answers.at(recipient) = {std::move(reply), now + life};
}

void VerifyCache::forget_all() {
  std::lock_guard lock(state_->mutex);
  state_->answers = BoundedTable<Address, State::Answer>(state_->limits.entries);
}

}  // namespace goniec
