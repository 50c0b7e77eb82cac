// The journal on a false disk: what was committed comes back in order after any crash, nothing that
// was not comes back in part, files are used again only when they may, and what an older use of a
// file left never continues a newer one.
#include "store/journal.h"

#include <gtest/gtest.h>

#include <map>

#include "base/text.h"

#include "sim/disk.h"

namespace goniec {
namespace {

constexpr std::string_view folder = "/journal";
constexpr JournalLimits small{.file_octets = 16 * 1024, .files = 4};

using Groups = std::map<std::uint64_t, std::string>;  // mark -> records, shown

std::string payload_of(std::uint64_t mark, int record) {
  return std::string((mark * 37 + static_cast<std::uint64_t>(record) * 101) % 700,
                     static_cast<char>('a' + (mark + static_cast<std::uint64_t>(record)) % 26));
}
std::string shown(std::uint64_t mark, int records) {
  std::string text;
  for (int i = 0; i < records; ++i) text += fmt::format("{}:{}|", 1 + i, payload_of(mark, i));
  return text;
}

Result<std::unique_ptr<GroupJournal>> open(Disk& disk, std::uint64_t applied, Groups& found,
                                           JournalLimits limits = small) {
  return GroupJournal::open(
      disk, std::string(folder), limits, applied, [&found](JournalGroup group) -> Result<void> {
        std::string text;
        for (const auto& record : group.records())
          text += fmt::format("{}:{}|", record.kind, record.payload);
        EXPECT_TRUE(found.emplace(group.mark(), text).second) << "a group comes once";
        return {};
      });
}

Result<void> write_group(GroupJournal& journal, std::uint64_t mark, int records) {
  for (int i = 0; i < records; ++i)
    journal.add(static_cast<std::uint8_t>(1 + i), payload_of(mark, i));
  auto written = journal.commit(mark);
  if (!written) return std::unexpected(written.error());
  EXPECT_EQ(written->mark(), mark);
  EXPECT_EQ(written->records().size(), static_cast<std::size_t>(records));
  return {};
}
int records_of(std::uint64_t mark) {
  return 1 + static_cast<int>(mark % 4);
}

TEST(GroupJournal, GivesBackEveryGroupInOrderAboveTheMark) {
  SimDisk disk;
  Groups none, found;
  {
    auto journal = open(disk, 0, none);
    ASSERT_TRUE(journal) << journal.error().message;
    for (std::uint64_t mark = 1; mark <= 9; ++mark)
      ASSERT_TRUE(write_group(**journal, mark, records_of(mark)));
  }
  EXPECT_TRUE(none.empty());
  auto again = open(disk, 4, found);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->last_mark(), 9u);
  Groups wanted;
  for (std::uint64_t mark = 5; mark <= 9; ++mark) wanted[mark] = shown(mark, records_of(mark));
  EXPECT_EQ(found, wanted);
}

TEST(GroupJournal, UsesFilesAgainOnlyWhenTheirGroupsAreForgotten) {
  SimDisk disk;
  Groups none;
  auto opened = open(disk, 0, none);
  ASSERT_TRUE(opened);
  GroupJournal& journal = **opened;
  std::uint64_t mark = 0;
  Result<void> written;
  while (written) written = write_group(journal, ++mark, 4);
  EXPECT_EQ(written.error().kind, ErrorKind::try_later);
  EXPECT_FALSE(journal.is_empty()) << "the group waits for room";
  journal.forget(mark - 1);
  EXPECT_TRUE(journal.commit(mark)) << "and goes on when there is some";
  EXPECT_EQ(disk.list(std::string(folder))->size(), small.files);
  for (std::uint64_t more = mark + 1; more < mark + 500; ++more) {
    ASSERT_TRUE(write_group(journal, more, records_of(more)));
    journal.forget(more - 3);
  }
  Groups found;
  auto again = open(disk, mark + 496, found);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(found.size(), 3u);
}

TEST(GroupJournal, RefusesAGroupThatNoFileCanHoldAndGoesOn) {
  SimDisk disk;
  Groups none, found;
  auto journal = open(disk, 0, none);
  ASSERT_TRUE(journal);
  (*journal)->add(1, std::string(20 * 1024, 'x'));
  EXPECT_FALSE((*journal)->fits());
  EXPECT_EQ((*journal)->commit(1).error().kind, ErrorKind::bad_data);
  (*journal)->drop();
  EXPECT_TRUE(write_group(**journal, 1, 2));
  ASSERT_TRUE(open(disk, 0, found));
  EXPECT_EQ(found, (Groups{{1, shown(1, 2)}}));
}

// A run that ends wherever the disk ends it: the marks that were acknowledged.
std::uint64_t live(Disk& disk, std::uint64_t from, std::uint64_t applied_behind) {
  Groups ignored;
  auto journal = open(disk, from > applied_behind ? from - applied_behind : 0, ignored);
  if (!journal) return from;
  std::uint64_t done = (*journal)->last_mark();
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t mark = done + 1;
    if (!write_group(**journal, mark, records_of(mark))) break;
    done = mark;
    if (done > applied_behind) (*journal)->forget(done - applied_behind);
  }
  return done;
}

TEST(GroupJournal, LosesNothingThatWasCommittedWhereverThePowerGoes) {
  constexpr std::uint64_t behind = 20;
  for (const CrashKind kind : {CrashKind::drop_unsynced, CrashKind::tear}) {
    for (std::uint64_t crash = 1; crash < 420; ++crash) {
      SimDisk disk(crash);
      disk.crash_at_call(crash, kind);
      std::uint64_t done = live(disk, 0, behind);
      for (int round = 0; round < 3; ++round) {
        disk.crash(kind);
        disk.restart();
        const std::uint64_t applied = done > behind ? done - behind : 0;
        Groups found;
        auto journal = open(disk, applied, found);
        ASSERT_TRUE(journal) << crash << ": " << journal.error().message;
        for (std::uint64_t mark = applied + 1; mark <= done; ++mark)
          ASSERT_TRUE(found.contains(mark)) << "crash at call " << crash << " lost " << mark;
        for (const auto& [mark, text] : found) {
          ASSERT_LE(mark, done + 1) << "only the group under way may come besides";
          ASSERT_EQ(text, shown(mark, records_of(mark))) << "whole";
        }
        done = (*journal)->last_mark();
        journal->reset();
        disk.crash_at_call(crash * 7 % 97, kind);
        done = std::max(done, live(disk, done, behind));
      }
    }
  }
}

void write_groups(Disk& disk, std::uint64_t last) {
  Groups none;
  auto journal = open(disk, 0, none);
  ASSERT_TRUE(journal);
  for (std::uint64_t mark = 1; mark <= last; ++mark)
    ASSERT_TRUE(write_group(**journal, mark, records_of(mark)));
}

// Of the last group alone it cannot be told whether it was synced: a power cut leaves the same.
TEST(GroupJournal, ADamagedOctetIsSaidUnlessItStruckTheLastGroupOrWhatIsAppliedAnyhow) {
  SimDisk disk;
  write_groups(disk, 12);
  for (const std::uint64_t applied : {0u, 6u, 12u}) {
    std::uint64_t said = 0, passed = 0;
    for (std::uint64_t at = 0; at < 9000; at += 13) {
      auto file = disk.open(std::string(folder) + "/0000", OpenMode::read_write);
      ASSERT_TRUE(file);
      char octet = 0;
      ASSERT_TRUE((*file)->read_at(at, std::span(&octet, 1)));
      const char flipped = static_cast<char>(octet ^ 0x40);
      ASSERT_TRUE((*file)->write_at(at, std::string_view(&flipped, 1)));
      Groups found;
      auto journal = open(disk, applied, found);
      if (journal) {
        EXPECT_GE((*journal)->last_mark(), std::max<std::uint64_t>(11, applied)) << at;
        std::uint64_t expected = applied + 1;
        for (const auto& [mark, text] : found) {
          ASSERT_EQ(mark, expected++) << "no gap";
          ASSERT_EQ(text, shown(mark, records_of(mark)));
        }
        passed += !(*journal)->damage().empty();
      } else {
        EXPECT_EQ(journal.error().kind, ErrorKind::damaged) << at;
        ++said;
      }
      ASSERT_TRUE((*file)->write_at(at, std::string_view(&octet, 1)));
    }
    if (applied == 0) EXPECT_GT(said, 200u);
    if (applied == 6) EXPECT_GT(said, 50u);
    if (applied == 6) EXPECT_GT(passed, 100u) << "damage to what is applied is stepped over";
    if (applied == 12) EXPECT_LT(said, 3u) << "the header alone";
  }
}

TEST(GroupJournal, ACutFileIsSaid) {
  for (const std::uint64_t length : {100u, 4096u, 5000u, 15000u}) {
    SimDisk disk;
    write_groups(disk, 12);
    auto file = disk.open(std::string(folder) + "/0000", OpenMode::read_write);
    ASSERT_TRUE((*file)->truncate(length));
    Groups found;
    const auto journal = open(disk, 0, found);
    ASSERT_FALSE(journal) << length;
    EXPECT_EQ(journal.error().kind, ErrorKind::damaged);
  }
}

TEST(GroupJournal, FilesMayBeMadeLarger) {
  SimDisk disk;
  write_groups(disk, 12);
  Groups found;
  JournalLimits larger = small;
  larger.file_octets *= 2;
  ASSERT_TRUE(open(disk, 0, found, larger));
  EXPECT_EQ(found.size(), 12u);
}

std::string content_of(Disk& disk) {
  auto file = disk.open(std::string(folder) + "/0000", OpenMode::read);
  std::string content(small.file_octets, '\0');
  EXPECT_TRUE((*file)->read_at(0, content));
  return content;
}

// What lies behind the end with every checksum of its own right: a whole group of before.
TEST(GroupJournal, AWholeOldGroupBehindTheEndDoesNotContinueIt) {
  SimDisk disk;
  Groups none, found;
  std::size_t second_begin = 0, second_end = 0, third_end = 0;
  {
    auto journal = open(disk, 0, none);
    ASSERT_TRUE(journal);
    auto end = [&disk] { return content_of(disk).find_last_not_of('\0') / 8 * 8 + 8; };
    ASSERT_TRUE(write_group(**journal, 1, 2));
    second_begin = end();
    ASSERT_TRUE(write_group(**journal, 2, 2));
    second_end = end();
    ASSERT_TRUE(write_group(**journal, 3, 2));
    third_end = end();
  }
  const std::string second = content_of(disk).substr(second_begin, second_end - second_begin);
  auto file = disk.open(std::string(folder) + "/0000", OpenMode::read_write);
  ASSERT_TRUE((*file)->write_at(third_end, second));
  auto journal = open(disk, 0, found);
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(found, (Groups{{1, shown(1, 2)}, {2, shown(2, 2)}, {3, shown(3, 2)}}));
}

}  // namespace
}  // namespace goniec
