// A line of waiting things, fair between whoever they belong to: each owner's things keep their
// order, and owners take turns, so that one who queued a thousand does not keep the next waiting.
//
//   push(owner, thing)        at the end of the owner's line
//   push_front(owner, thing)  before all others: it was at its turn already
//   pop()                     the next owner's first
//
// No bound of its own: what waits here holds a lease, and the queue bounds those. One thread.
#pragma once
#include <array>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "mail/priority.h"

namespace goniec {

template <class T>
class FairLine {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push(const std::string& owner, T thing) {
    std::deque<T>& line = lines_[owner];
    if (line.empty()) turns_.push_back(owner);
    line.push_back(std::move(thing));
    ++size_;
  }

  void push_front(const std::string& owner, T thing) {
    std::deque<T>& line = lines_[owner];
    if (!line.empty()) std::erase(turns_, owner);
    line.push_front(std::move(thing));
    turns_.push_front(owner);
    ++size_;
  }

  T pop() {
    CHECK(size_ > 0);
    const std::string owner = std::move(turns_.front());
    turns_.pop_front();
    const auto found = lines_.find(owner);
    T thing = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty())
      lines_.erase(found);
    else
      turns_.push_back(owner);
    --size_;
    return thing;
  }

 private:
  std::map<std::string, std::deque<T>> lines_;  // none is empty
  std::deque<std::string> turns_;               // each owner of lines_ once
  std::size_t size_ = 0;
};

// A fair line for each priority: a higher one goes first, but one turn of `patience` belongs to the
// lowest that waits, so that nothing waits for ever behind what keeps coming.
template <class T>
class PriorityLine {
 public:
  static constexpr unsigned patience = 8;

  bool empty() const { return size() == 0; }
  std::size_t size() const {
    std::size_t all = 0;
    for (const auto& line : lines_) all += line.size();
    return all;
  }
  void push(MailPriority priority, const std::string& owner, T thing) {
    lines_[rank_of(priority)].push(owner, std::move(thing));
  }
  void push_front(MailPriority priority, const std::string& owner, T thing) {
    lines_[rank_of(priority)].push_front(owner, std::move(thing));
  }
  T pop() {
    CHECK(!empty());
    const bool lowest = ++turns_ % patience == 0;
    FairLine<T>* chosen = nullptr;
    for (auto& line : lines_)
      if (!line.empty() && (!chosen || lowest)) chosen = &line;
    return chosen->pop();
  }

 private:
  static std::size_t rank_of(MailPriority priority) {
    switch (priority) {
      case MailPriority::high:
        return 0;
      case MailPriority::normal:
        return 1;
      case MailPriority::bulk:
        return 2;
    }
    return 1;
  }
  std::array<FairLine<T>, 3> lines_;  // highest first
  unsigned turns_ = 0;
};

}  // namespace goniec
