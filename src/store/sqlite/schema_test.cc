// A store of the format before this one is migrated when it is opened: nothing is lost, everything
// is due when it was, and the shares of domains hold for it.
#include "store/sqlite/schema.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "run/disk.h"
#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

using std::chrono::hours;

// The table as format 2 had it.
constexpr const char* as_before = R"sql(
BEGIN IMMEDIATE;
DROP INDEX entries_due;
CREATE TABLE before(
  message INTEGER NOT NULL, number INTEGER NOT NULL, due INTEGER, row BLOB NOT NULL,
  PRIMARY KEY(message, number)) WITHOUT ROWID;
INSERT INTO before SELECT message, number, due * 1000000, row FROM entries;
DROP TABLE entries;
ALTER TABLE before RENAME TO entries;
CREATE INDEX entries_due ON entries(due, message, number) WHERE due IS NOT NULL;
COMMIT;
)sql";

class OlderStore : public ::testing::Test {
 protected:
  OlderStore() {
    std::string name = (std::filesystem::temp_directory_path() / "goniec-older-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~OlderStore() override { std::filesystem::remove_all(path_); }
  std::unique_ptr<Store> open() {
    StoreOptions options;
    options.path = path_;
    options.limits = small_journal();
    auto opened = open_sqlite_store(options, disk_, clock_);
    CHECK(opened.has_value());
    return std::move(*opened);
  }
  std::string format() {
    std::ifstream file(path_ + "/format");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  FalseClock clock_;
  SystemDisk disk_;
  std::string path_;
};

TEST_F(OlderStore, IsMigratedWithAllThatWaitsInIt) {
  const Instant now = clock_.now();
  {
    auto store = open();
    for (std::uint64_t id = 1; id <= 20; ++id) {
      auto request = letter(id, now - hours(1), {id % 2 ? "b@odd.test" : "b@even.test"});
      request.lease = false;
      if (id == 20) request.entries[0].state = EntryState::held;
      ASSERT_TRUE(spool(*store, request));
    }
    ASSERT_TRUE(store->commit());
  }
  {
    auto connection = Connection::open(path_ + "/goniec.db", nullptr, Access::write);
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->run(as_before));
    std::ofstream(path_ + "/format") << "2\n";
  }
  auto store = open();
  EXPECT_EQ(format(), "4\n");
  EXPECT_EQ((*store->reader())->list({})->size(), 20u);
  EXPECT_TRUE(store->lease({.now = now - hours(2)})->entries.empty());
  const auto shares = *store->lease({.now = now, .domain_most = 4});
  EXPECT_EQ(shares.entries.size(), 8u);
  EXPECT_TRUE(shares.domain_full);
  EXPECT_EQ(store->lease({.now = now})->entries.size(), 11u) << "all but the one that is held";
}

}  // namespace
}  // namespace goniec::test
