// A table that never holds more than `limit` entries: when it is full, the entry seen least
// recently goes. For counters and caches about strangers, so that none of them can grow without
// end. One thread at a time: the owner locks.
#pragma once
#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace goniec {

template <class Key, class Value, class Hash = std::hash<Key>>
class BoundedTable {
 public:
  explicit BoundedTable(std::size_t limit) : limit_(limit) {}

  // nullptr: not here. A found entry becomes the one seen last.
  Value* find(const Key& key) {
    const auto place = index_.find(key);
    if (place == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, place->second);
    return &place->second->second;
  }

  // The entry, made when it is new.
  Value& at(const Key& key) {
    if (Value* found = find(key)) return *found;
    order_.emplace_front(key, Value{});
    index_.emplace(key, order_.begin());
    shrink();
    return order_.front().second;
  }

  void erase(const Key& key) {
    const auto place = index_.find(key);
    if (place == index_.end()) return;
    order_.erase(place->second);
    index_.erase(place);
  }

  void set_limit(std::size_t limit) {
    limit_ = limit;
    shrink();
  }
  std::size_t size() const { return order_.size(); }

 private:
  void shrink() {
    while (order_.size() > limit_ && order_.size() > 1) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  using Items = std::list<std::pair<Key, Value>>;
  std::size_t limit_;
  Items order_;  // seen last in front
  std::unordered_map<Key, typename Items::iterator, Hash> index_;
};

}  // namespace goniec
