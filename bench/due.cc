// What a call of lease() costs when one domain has a million entries due before everybody else's:
//
//   due [ENTRIES] [A SECOND] [DIRECTORY]    default 1000000, 1000 due a second, /tmp/goniec-due
//
// The domain has its share of leases already. Printed: the calls that pass its rows over and find
// mail of others behind them, a call after one lease of the domain ended, and the plan that SQLite
// has for the walk. docs/decisions/window-shares.md quotes it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "run/disk.h"
#include "run/system.h"
#include "store/sqlite/connection.h"
#include "store/store_for_tests.h"

namespace {

using namespace goniec;

constexpr std::size_t group = 1000, others = 1000, share = 2500, batch = 500;

template <class Work>
double milliseconds(const Work& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
      .count();
}

// Those of the stuck domain; then those of the others.
void fill(Store& store, std::size_t entries, Instant begin, std::size_t a_second) {
  for (std::size_t id = 1; id <= entries + others; ++id) {
    const bool stuck = id <= entries;
    auto request =
        test::letter(id, begin, {stuck ? "b@stuck.test" : fmt::format("b@d{}.test", id)});
    request.entries[0].due = begin + std::chrono::seconds(std::min(id, entries) / a_second);
    request.lease = false;
    request.events.clear();
    CHECK(test::spool(store, request).has_value());
    if (id % group == 0) CHECK(store.commit().has_value());
  }
  CHECK(store.commit().has_value());
}

void print_plan(const std::string& path) {
  const auto connection = *Connection::open(path, nullptr, Access::write);
  const auto plan = *connection.prepare(
      "EXPLAIN QUERY PLAN SELECT due, domain, message, number FROM entries INDEXED BY entries_due "
      "WHERE due IS NOT NULL AND (due, domain, message, number) >= (?,?,?,?) "
      "ORDER BY due, domain, message, number");
  Bound rows(plan);
  while (*rows.step()) std::printf("plan: %s\n", std::string(rows.bytes(3)).c_str());
}

void measure(Store& store, Instant now) {
  const auto lease = [&store, now](std::size_t most) {
    return std::move(*store.lease({.now = now, .limit = batch, .only = {}, .domain_most = most}));
  };
  std::vector<Lease> stuck;
  while (stuck.size() < share) {
    for (const auto& each : lease(share).entries) stuck.push_back(each.lease);
  }
  std::size_t calls = 0, got = 0;
  double first = 0, rest = 0;
  while (got < others && calls < 1000) {
    LeaseResult leased;
    const double took = milliseconds([&] { leased = lease(share); });
    (calls++ == 0 ? first : rest) += took;
    got += leased.entries.size();
  }
  std::printf("passed over: %zu calls, %zu entries of others; first %.2f ms, the rest %.2f ms\n",
              calls, got, first, rest);
  CHECK(test::settle(store, test::delivered(stuck.back(), 1, now)).has_value());
  CHECK(store.commit().has_value());
  LeaseResult again;
  const double took = milliseconds([&] { again = lease(share); });
  std::printf("one lease of it ended: %zu leased in %.2f ms\n", again.entries.size(), took);
}

}  // namespace

int main(int count, char** words) {
  const std::size_t entries = count > 1 ? std::strtoull(words[1], nullptr, 10) : 1000000;
  const std::size_t a_second = count > 2 ? std::strtoull(words[2], nullptr, 10) : 1000;
  const std::string path = count > 3 ? words[3] : "/tmp/goniec-due";
  SystemDisk disk;
  SystemClock clock;
  const Instant begin = clock.now() - std::chrono::hours(24 * 30);
  const Instant now = clock.now();
  const auto open = [&] {
    StoreOptions options;
    options.path = path;
    return std::move(*open_sqlite_store(options, disk, clock));
  };
  {
    auto store = open();
    fill(*store, entries, begin, a_second);
  }
  print_plan(path + "/goniec.db");
  auto store = open();
  std::unique_ptr<Reader> reader;
  const double walk = milliseconds([&] {
    reader = std::move(*store->reader());
    std::printf("entries: %llu\n", static_cast<unsigned long long>(reader->stats()->due));
  });
  std::printf("one walk over all rows: %.0f ms\n", walk);
  measure(*store, now);
  store.reset();
  std::filesystem::remove_all(path);
  return 0;
}
