// Tasks, completions and signals without any loop: what runs when, and what is destroyed.
#include "run/task.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace goniec {
namespace {

Task<int> number(int value) {
  co_return value;
}
Task<int> sum(int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) total += co_await number(i);
  co_return total;
}
Task<> store_in(int& into, Task<int> task) {
  into = co_await std::move(task);
}

TEST(Task, is_lazy_until_spawned) {
  int value = 0;
  {
    Task<> never = store_in(value, number(7));
  }
  EXPECT_EQ(value, 0);
  spawn(store_in(value, number(7)));
  EXPECT_EQ(value, 7);
}

TEST(Task, awaits_many_others_without_deepening_the_stack) {
  int value = 0;
  spawn(store_in(value, sum(60'000)));
  EXPECT_EQ(value, 1'799'970'000);
}

Task<Result<int>> refuses() {
  co_return fail(ErrorKind::try_later, "no");
}
Task<Result<std::string>> hands_up() {
  const int value = CO_TRY(co_await refuses());
  co_return std::to_string(value);
}
Task<> keep_error(Error& into) {
  auto result = co_await hands_up();
  if (!result) into = result.error();
}

TEST(Task, hands_an_error_up) {
  Error error;
  spawn(keep_error(error));
  EXPECT_EQ(error.kind, ErrorKind::try_later);
  EXPECT_EQ(error.message, "no");
}

Task<> await_into(Completion<std::string>& done, std::string& into) {
  into = co_await done;
}

TEST(Completion, gives_its_value_in_either_order) {
  std::string before, after;
  Completion<std::string> first, second;
  spawn(await_into(first, before));
  EXPECT_TRUE(before.empty());
  first.complete("waited");
  EXPECT_EQ(before, "waited");
  second.complete("ready");
  spawn(await_into(second, after));
  EXPECT_EQ(after, "ready");
}

Task<> count_to(Signal& signal, const int& value, int goal, int& reached) {
  while (value < goal) co_await signal.wait();
  ++reached;
}

TEST(Signal, wakes_all_who_wait_and_they_look_again) {
  Signal signal;
  int value = 0, reached = 0;
  for (int goal = 1; goal <= 3; ++goal) spawn(count_to(signal, value, goal, reached));
  for (int step = 1; step <= 3; ++step) {
    value = step;
    signal.notify_all();
    EXPECT_EQ(reached, step);
  }
  EXPECT_FALSE(signal.has_waiters());
}

TEST(Frames, come_back_to_the_thread_that_frees_them) {
  std::vector<void*> frames;
  for (std::size_t octets : {1u, 64u, 65u, 4096u, 4097u, 100'000u}) {
    void* frame = allocate_frame(octets);
    std::fill_n(static_cast<char*>(frame), octets, 'x');
    frames.push_back(frame);
  }
  std::thread other([&] {
    std::size_t index = 0;
    for (std::size_t octets : {1u, 64u, 65u, 4096u, 4097u, 100'000u}) {
      free_frame(frames[index++], octets);
    }
    void* again = allocate_frame(64);
    free_frame(again, 64);
  });
  other.join();
}

}  // namespace
}  // namespace goniec
