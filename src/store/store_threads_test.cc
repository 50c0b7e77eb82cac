// The SQLite engine with its apply thread, while others read: a reader that follows the events sees
// each of them once and in order, finds what it heard of, and nothing waits for ever. Made for
// ThreadSanitizer; true everywhere.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "run/disk.h"
#include "run/system.h"
#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

constexpr std::uint64_t messages = 2000;

// Follows the events from the first to the last of them; how many came.
std::uint64_t follow(Reader& reader, const std::atomic<bool>& over) {
  std::uint64_t cursor = 0;
  for (bool last = false; !last;) {
    last = over;  // what was written before it was set is still read
    for (bool more = true; more;) {
      const auto events = reader.events_after(cursor, 300);
      EXPECT_TRUE(events) << events.error().message;
      if (!events) return cursor;
      more = !events->empty();
      for (const Event& event : *events) {
        EXPECT_EQ(event.sequence, cursor + 1);
        cursor = event.sequence;
      }
    }
    EXPECT_TRUE(reader.list({.limit = 10}));
  }
  return cursor;
}

// Hot groups, and a cold one now and then; every message but each tenth is settled a group later.
void live(Store& store, Clock& clock, std::uint64_t& settled) {
  std::vector<Lease> leases;
  for (std::uint64_t id = 1; id <= messages; ++id) {
    auto spooled = spool(store, letter(id, clock.now(), {"b@wp.pl"}, std::string(id % 3000, 'x')));
    ASSERT_TRUE(spooled) << spooled.error().message;
    if (leases.size() > 3 && id % 10 != 0) {
      ASSERT_TRUE(settle(store, delivered(leases.front(), 1, clock.now())));
      leases.erase(leases.begin());
      ++settled;
    }
    leases.push_back(spooled->leases.at(0));
    if (id % 97 == 0) {
      ASSERT_TRUE(one(store, &Store::put_objects,
                      ObjectPut{{"domain", "a.pl"}, std::to_string(id), false}));
    }
    ASSERT_TRUE(store.commit());
    if (id % 31 == 0) static_cast<void>(store.next_due());
  }
}

TEST(StoreThreads, ReadersFollowWhileGroupsAreAppliedBehindTheCommits) {
  std::string directory = (std::filesystem::temp_directory_path() / "goniec-store-XXXXXX").string();
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  SystemDisk disk;
  SystemClock clock;
  std::uint64_t settled = 0;
  {
    StoreOptions options{directory + "/store", small_journal(), &null_log(), ApplyMode::own_thread};
    options.limits.apply_after = std::chrono::milliseconds(1);
    auto store = open_sqlite_store(options, disk, clock);
    ASSERT_TRUE(store) << store.error().message;
    std::atomic<bool> over{false};
    std::array<std::uint64_t, 2> seen{};
    std::vector<std::thread> threads;
    for (auto& count : seen) {
      threads.emplace_back([&store, &over, &count] {
        auto reader = (*store)->reader();
        EXPECT_TRUE(reader);
        if (reader) count = follow(**reader, over);
      });
    }
    live(**store, clock, settled);
    over = true;
    for (auto& thread : threads) thread.join();
    for (const auto count : seen) EXPECT_EQ(count, messages + settled);
    auto reader = (*store)->reader();
    EXPECT_EQ((*reader)->list({.limit = 2 * messages})->size(), messages - settled);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace goniec::test
