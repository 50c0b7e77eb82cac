// Whose memory it is: what is allocated by operator new while a node works is the node's until it
// is given back, whoever does that; all else is the world's. For the law of memory.
//
// One thread. The loop says before each step that the world works (world_works), the node's doors
// that the node does (HeapOwner). What C libraries allocate (SQLite: bounded by its cache) is not
// seen.
#pragma once
#include <cstdint>

namespace goniec {

using HeapOwner = std::uint32_t;  // 0: the world
HeapOwner new_heap_owner();
void set_heap_owner(HeapOwner owner);
inline void world_works() {
  set_heap_owner(0);
}
std::uint64_t heap_octets_of(HeapOwner owner);

class HeapScope {  // until it ends
 public:
  explicit HeapScope(HeapOwner owner = 0);
  ~HeapScope();
  HeapScope(const HeapScope&) = delete;
  HeapScope& operator=(const HeapScope&) = delete;

 private:
  HeapOwner before_;
};

}  // namespace goniec
