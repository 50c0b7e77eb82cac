// Coroutine frames from free lists of the thread. One list a size class of 64 octets, up to 4 KiB;
// a bigger frame is a plain allocation. A list holds at most `frames_a_class` frames, so that a
// burst of sessions gives its memory back. A frame may be freed on another thread than it was made
// on: it then joins that thread's list. Under a sanitizer every frame is a plain allocation, so
// that use after free is seen.
#include "run/task.h"

#include <array>
#include <cstdlib>
#include <new>

namespace goniec {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define GONIEC_PLAIN_FRAMES 1
#endif
#endif

#ifndef GONIEC_PLAIN_FRAMES
constexpr std::size_t class_octets = 64;
constexpr std::size_t class_count = 64;
constexpr unsigned frames_a_class = 256;

struct FreeFrame {
  FreeFrame* next;
};

struct FreeLists {
  struct List {
    FreeFrame* first = nullptr;
    unsigned count = 0;
  };
  std::array<List, class_count> lists{};
  ~FreeLists();
};

thread_local bool lists_gone = false;  // frames freed while the thread ends go straight back
thread_local FreeLists free_lists;

FreeLists::~FreeLists() {
  lists_gone = true;
  for (List& list : lists) {
    while (list.first) std::free(std::exchange(list.first, list.first->next));
  }
}

std::size_t class_of(std::size_t octets) {
  return (octets + class_octets - 1) / class_octets - 1;
}
#endif

void* plain_frame(std::size_t octets) {
  void* frame = std::malloc(octets);
  CHECK(frame != nullptr);
  return frame;
}

}  // namespace

#ifdef GONIEC_PLAIN_FRAMES
void* allocate_frame(std::size_t octets) {
  return plain_frame(octets);
}
void free_frame(void* frame, std::size_t) noexcept {
  std::free(frame);
}
#else
void* allocate_frame(std::size_t octets) {
  const std::size_t number = class_of(octets);
  if (number >= class_count || lists_gone) return plain_frame(octets);
  FreeLists::List& list = free_lists.lists[number];
  if (!list.first) return plain_frame((number + 1) * class_octets);
  --list.count;
  return std::exchange(list.first, list.first->next);
}

void free_frame(void* frame, std::size_t octets) noexcept {
  const std::size_t number = class_of(octets);
  if (number >= class_count || lists_gone || free_lists.lists[number].count >= frames_a_class) {
    std::free(frame);
    return;
  }
  FreeLists::List& list = free_lists.lists[number];
  list.first = ::new (frame) FreeFrame{list.first};
  ++list.count;
}
#endif

}  // namespace goniec
