// The log of deliveries as a file of its own: where a new one begins, what an older version wrote,
// how a damaged one is set aside, and what a webhook's failing is forgiven by. Over real files, for
// renaming them is part of it.
#include "store/hook_log.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

class HookLogFile : public testing::Test {
 protected:
  HookLogFile() {
    std::string name = (std::filesystem::temp_directory_path() / "goniec-hook-log-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder = name;
    path = folder + "/hooks.db";
  }
  ~HookLogFile() override { std::filesystem::remove_all(folder); }
  std::unique_ptr<HookLog> open(std::uint64_t last_event) {
    auto opened = open_hook_log(path, lines, Instant{}, last_event);
    CHECK(opened.has_value());
    return std::move(*opened);
  }
  void run(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  std::string folder, path;
  CountingLog lines;
};

TEST_F(HookLogFile, KnowsForEverWhereTheEventLogEndedWhenItWasMade) {
  EXPECT_EQ(open(7)->beginning(), 7u);
  EXPECT_EQ(open(9)->beginning(), 7u);
  EXPECT_FALSE(open(9)->was_set_aside());
  EXPECT_EQ(lines.count("hooks.damaged"), 0u);
}

TEST_F(HookLogFile, OneOfAnOlderVersionKeepsItsPositionsAndBeginsWithTheFirstEvent) {
  run("PRAGMA journal_mode = WAL;"
      "CREATE TABLE hooks(hook TEXT PRIMARY KEY, position INTEGER NOT NULL, failing_since INTEGER) "
      "WITHOUT ROWID;"
      "INSERT INTO hooks VALUES('one', 5, 1000000);"
      "PRAGMA user_version = 1;");
  for (int opening = 0; opening < 2; ++opening) {
    const auto log = open(9);
    EXPECT_EQ(log->beginning(), 0u) << "a webhook without a row was made just before";
    const auto positions = log->positions();
    ASSERT_TRUE(positions && positions->contains("one"));
    EXPECT_EQ(positions->at("one").sequence, 5u);
    EXPECT_EQ(positions->at("one").failing_since, Instant(std::chrono::seconds(1)));
    run("PRAGMA user_version = 1");  // the older version was there in between
  }
}

TEST_F(HookLogFile, ADamagedOneIsSetAsideWithAnAlarmAndTheNewOneBeginsAtTheEnd) {
  ASSERT_TRUE(open(1)->advance("one", 3, {}));
  std::ofstream(path) << std::string(8192, 'x');
  std::ofstream(path + ".damaged-wal") << "of an earlier one";
  const auto log = open(9);
  EXPECT_TRUE(log->was_set_aside());
  EXPECT_EQ(lines.count("hooks.damaged"), 1u);
  EXPECT_EQ(log->beginning(), 9u);
  EXPECT_TRUE(log->positions()->empty());
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
  EXPECT_FALSE(std::filesystem::exists(path + ".damaged-wal"));
}

TEST_F(HookLogFile, OneWhosePositionsAreDamagedIsSetAsideToo) {
  ASSERT_TRUE(open(1)->advance("one", 3, {}));
  std::string octets(std::filesystem::file_size(path), '\0');
  std::ifstream(path).read(octets.data(), static_cast<std::streamsize>(octets.size()));
  for (std::size_t at = 4096; at < octets.size(); ++at) octets[at] = 'x';  // all but the schema
  std::ofstream(path) << octets;
  EXPECT_TRUE(open(9)->was_set_aside());
  EXPECT_EQ(open(10)->beginning(), 9u);
}

TEST_F(HookLogFile, AWebhookThatIsForgivenHasNotFailed) {
  const auto log = open(1);
  HookDelivery delivery;
  delivery.sequence = 2;
  ASSERT_TRUE(log->advance("one", 3, {delivery}));
  ASSERT_TRUE(log->settle("one", delivery, {}, Instant(std::chrono::seconds(5))));
  EXPECT_EQ(log->positions()->at("one").failing_since, Instant(std::chrono::seconds(5)));
  ASSERT_TRUE(log->forgive("one"));
  EXPECT_FALSE(log->positions()->at("one").failing_since.has_value());
}

}  // namespace
}  // namespace goniec::test
