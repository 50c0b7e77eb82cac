// Each block has its owner and size before it. Replaces operator new and delete of the program.
#include "sim/heap.h"

#include <array>
#include <cstdlib>
#include <new>
#include <utility>

namespace goniec {
namespace {

constexpr std::size_t owners = 65536;  // later ones share with the first
struct Before {
  std::uint64_t octets = 0;
  HeapOwner owner = 0;
  std::uint32_t offset = 0;  // from the beginning of what malloc gave
};
static_assert(sizeof(Before) == 16);

thread_local HeapOwner current = 0;
HeapOwner last_owner = 0;
std::array<std::uint64_t, owners> in_use{};

void* take(std::size_t octets, std::size_t alignment) {
  const std::size_t offset = alignment > sizeof(Before) ? alignment : sizeof(Before);
  const std::size_t whole = (octets + offset + alignment - 1) / alignment * alignment;
  void* block = alignment > sizeof(Before) ? std::aligned_alloc(alignment, whole)
                                           : std::malloc(octets + offset);
  if (!block) std::abort();
  char* given = static_cast<char*>(block) + offset;
  ::new (given - sizeof(Before)) Before{octets, current, static_cast<std::uint32_t>(offset)};
  if (current != 0) in_use[current] += octets;
  return given;
}

void give_back(void* given) {
  if (!given) return;
  char* place = static_cast<char*>(given);
  const Before before = *reinterpret_cast<const Before*>(place - sizeof(Before));
  if (before.owner != 0) in_use[before.owner] -= before.octets;
  std::free(place - before.offset);
}

}  // namespace

HeapOwner new_heap_owner() {
  last_owner = last_owner % (owners - 1) + 1;
  return last_owner;
}

void set_heap_owner(HeapOwner owner) {
  current = owner;
}

std::uint64_t heap_octets_of(HeapOwner owner) {
  return in_use[owner];
}

HeapScope::HeapScope(HeapOwner owner) : before_(std::exchange(current, owner)) {}

HeapScope::~HeapScope() {
  current = before_;
}

}  // namespace goniec

// NOLINTBEGIN: the program's own operators
void* operator new(std::size_t octets) {
  return goniec::take(octets, 16);
}
void* operator new[](std::size_t octets) {
  return goniec::take(octets, 16);
}
void* operator new(std::size_t octets, std::align_val_t alignment) {
  return goniec::take(octets, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t octets, std::align_val_t alignment) {
  return goniec::take(octets, static_cast<std::size_t>(alignment));
}
void operator delete(void* given) noexcept {
  goniec::give_back(given);
}
void operator delete[](void* given) noexcept {
  goniec::give_back(given);
}
void operator delete(void* given, std::size_t) noexcept {
  goniec::give_back(given);
}
void operator delete[](void* given, std::size_t) noexcept {
  goniec::give_back(given);
}
void operator delete(void* given, std::align_val_t) noexcept {
  goniec::give_back(given);
}
void operator delete[](void* given, std::align_val_t) noexcept {
  goniec::give_back(given);
}
void operator delete(void* given, std::size_t, std::align_val_t) noexcept {
  goniec::give_back(given);
}
void operator delete[](void* given, std::size_t, std::align_val_t) noexcept {
  goniec::give_back(given);
}
// NOLINTEND
