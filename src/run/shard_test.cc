// The true loop: order of posts, timers, the offload pool, and the true disk.
#include "run/shard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "run/descriptor.h"
#include "run/disk.h"
#include "run/offload.h"
#include "run/system.h"

namespace goniec {
namespace {

using std::chrono::milliseconds;

TEST(Shard, runs_posts_of_one_thread_in_order) {
  Shard shard;
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) shard.post([&order, i] { order.push_back(i); });
    shard.stop();
  });
  shard.run();
  other.join();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Shard, runs_work_at_its_moment_and_not_before) {
  Shard shard;
  std::vector<int> order;
  const Moment start = shard.clock().moment();
  shard.post([&] {
    shard.at(start + milliseconds(20), [&] {
      order.push_back(3);
      EXPECT_GE(shard.clock().moment(), start + milliseconds(20));
      shard.stop();
    });
    shard.at(start + milliseconds(10), [&] { order.push_back(2); });
    shard.at(start - milliseconds(10), [&] { order.push_back(1); });
  });
  shard.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Shard, never_comes_to_the_end_of_time) {
  Shard shard;
  bool ended = false;
  shard.post([&] {
    shard.at(Moment::max(), [&] { ended = true; });
    shard.at(shard.clock().moment() + milliseconds(5), [&] { shard.stop(); });
  });
  shard.run();
  EXPECT_FALSE(ended);
}

Task<int> sleeper(Shard& shard, int& woken) {
  co_await shard.sleep(milliseconds(5));
  co_return ++woken;
}

Task<int> sleep_many(Shard& shard) {
  int woken = 0;
  struct Each {
    static Task<> run(Shard& loop, int& count) { co_await sleeper(loop, count); }
  };
  for (int i = 0; i < 5000; ++i) spawn(Each::run(shard, woken));
  while (woken < 5000) co_await shard.sleep(milliseconds(1));
  co_return woken;
}

TEST(Shard, carries_thousands_of_sleepers_on_one_timer) {
  Shard shard;
  EXPECT_EQ(run_until_done(shard, sleep_many(shard)), 5000);
}

TEST(Shard, knows_its_thread) {
  Shard shard;
  EXPECT_FALSE(shard.is_current());
  bool inside = false;
  shard.post([&] {
    inside = shard.is_current();
    shard.stop();
  });
  shard.run();
  EXPECT_TRUE(inside);
}

struct Pipe {
  Pipe() { CHECK(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0); }
  ~Pipe() {
    for (int end : ends) ::close(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void put() const { CHECK(::write(ends[1], "x", 1) == 1); }
  bool take() const {
    char octet = 0;
    return ::read(ends[0], &octet, 1) == 1;
  }
  std::array<int, 2> ends{};
};

Task<int> take_octets(Shard& shard, const Pipe& pipe, int wanted) {
  Descriptor descriptor(shard, pipe.ends[0]);
  int taken = 0;
  while (taken < wanted) {
    co_await descriptor.wait(Descriptor::Ready::to_read);
    if (pipe.take())
      ++taken;
    else
      descriptor.exhausted(Descriptor::Ready::to_read);
  }
  co_return taken;
}

TEST(Descriptor, is_told_of_what_was_there_before_and_of_all_that_comes) {
  Shard shard;
  Pipe pipe;
  pipe.put();
  pipe.put();
  std::thread other([&] {
    for (int i = 0; i < 500; ++i) pipe.put();
  });
  EXPECT_EQ(run_until_done(shard, take_octets(shard, pipe, 502)), 502);
  other.join();
}

struct Forgetter final : Descriptor {
  using Descriptor::Descriptor;
  void became_readable() override {
    exhausted(Ready::to_read);
    ++*told;
    other->reset();
  }
  int* told = nullptr;
  std::unique_ptr<Forgetter>* other = nullptr;
};

TEST(Descriptor, that_ends_another_of_the_same_turn_is_the_last_that_is_told) {
  Shard shard;
  Pipe one, two;
  int told = 0;
  std::unique_ptr<Forgetter> first, second;
  shard.post([&] {
    first = std::make_unique<Forgetter>(shard, one.ends[0]);
    second = std::make_unique<Forgetter>(shard, two.ends[0]);
    first->other = &second;
    second->other = &first;
    first->told = second->told = &told;
    one.put();
    two.put();
    shard.at(shard.clock().moment() + milliseconds(20), [&] { shard.stop(); });
  });
  shard.run();
  EXPECT_EQ(told, 1);
}

Task<bool> wait_for_nothing(Shard& shard, const Pipe& pipe, bool& is_over) {
  Descriptor descriptor(shard, pipe.ends[0]);
  shard.post([&] { descriptor.forget(); });
  co_await descriptor.wait(Descriptor::Ready::to_read);
  is_over = !descriptor.is_watched();
  co_return true;
}

TEST(Descriptor, that_is_forgotten_lets_go_of_who_waits) {
  Shard shard;
  Pipe pipe;
  bool is_over = false;
  run_until_done(shard, wait_for_nothing(shard, pipe, is_over));
  EXPECT_TRUE(is_over);
}

struct Mark final : Timer {
  explicit Mark(std::vector<int>& into, int value) : order(into), number(value) {}
  void fire() override { order.push_back(number); }
  std::vector<int>& order;
  int number;
};

TEST(TimerHeap, fires_in_order_of_moments_whatever_was_moved_or_disarmed) {
  SystemRandom random(7);
  std::vector<int> order;
  std::vector<std::unique_ptr<Mark>> marks;
  TimerHeap heap;
  for (int i = 0; i < 500; ++i) {
    marks.push_back(std::make_unique<Mark>(order, i));
    heap.arm(*marks.back(), Moment(Duration(static_cast<int>(random.below(1000)))));
  }
  for (int i = 0; i < 500; i += 3)
    heap.arm(*marks[static_cast<std::size_t>(i)], Moment(Duration(i)));
  for (int i = 0; i < 500; i += 5) heap.disarm(*marks[static_cast<std::size_t>(i)]);
  Moment last{};
  int fired = 0;
  while (Timer* due = heap.take_due(Moment(Duration(1000)))) {
    EXPECT_GE(due->when(), last);
    last = due->when();
    due->fire();
    ++fired;
  }
  EXPECT_EQ(fired, 400);
  EXPECT_EQ(heap.size(), 0u);
}

Task<Result<int>> compute(Shard& shard, Offload& pool) {
  const int value = CO_TRY(co_await pool.run(shard, [] { return 6 * 7; }));
  EXPECT_TRUE(shard.is_current());
  co_return value;
}

TEST(Offload, brings_its_result_back_to_the_loop) {
  Shard shard;
  OffloadPool pool({});
  auto result = run_until_done(shard, compute(shard, pool));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(*result, 42);
}

TEST(Offload, refuses_when_its_queue_is_full) {
  std::mutex gate;
  gate.lock();
  OffloadPool pool({.threads = 1, .queue_limit = 2});
  std::atomic<bool> started = false;
  ASSERT_TRUE(pool.submit([&] {
    started = true;
    std::lock_guard wait(gate);
  }));
  while (!started) std::this_thread::yield();
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_FALSE(pool.submit([] {}));
  gate.unlock();
}

class TrueDisk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/goniec-disk-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override {
    const auto names = disk_.list(root_);
    for (const auto& name : *names) (void)disk_.remove(root_ + "/" + name);
    rmdir(root_.c_str());
  }
  SystemDisk disk_;
  std::string root_;
};

TEST_F(TrueDisk, writes_reads_truncates_and_renames) {
  auto file = disk_.open(root_ + "/a", OpenMode::create);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->write_at(3, "hello").has_value());
  ASSERT_TRUE((*file)->sync().has_value());
  EXPECT_EQ((*file)->size().value(), 8u);
  char buffer[16];
  EXPECT_EQ((*file)->read_at(3, buffer).value(), 5u);
  EXPECT_EQ(std::string_view(buffer, 5), "hello");
  ASSERT_TRUE((*file)->truncate(4).has_value());
  EXPECT_EQ((*file)->size().value(), 4u);
  ASSERT_TRUE(disk_.rename(root_ + "/a", root_ + "/b").has_value());
  ASSERT_TRUE(disk_.sync_directory(root_).has_value());
  EXPECT_EQ(disk_.list(root_).value(), std::vector<std::string>{"b"});
  EXPECT_FALSE(disk_.exists(root_ + "/a").value());
  EXPECT_GT(disk_.space(root_)->total_octets, 0u);
}

TEST_F(TrueDisk, locks_a_file_for_one_holder) {
  auto first = disk_.lock(root_ + "/lock");
  ASSERT_TRUE(first.has_value());
  auto second = disk_.lock(root_ + "/lock");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  first->reset();
  EXPECT_TRUE(disk_.lock(root_ + "/lock").has_value());
}

TEST_F(TrueDisk, says_what_is_missing) {
  auto file = disk_.open(root_ + "/none", OpenMode::read);
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().kind, ErrorKind::not_found);
  EXPECT_NE(file.error().message.find("/none"), std::string::npos);
  ASSERT_TRUE(disk_.make_directory(root_).has_value()) << "an existing directory is fine";
}

}  // namespace
}  // namespace goniec
