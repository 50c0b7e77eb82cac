// Crash images: the disk beneath them, a short run of them, and that each way of breaking the
// promise on purpose is seen. The long form is `./x sim images`.
#include "sim/images.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

std::string read_all(const PagedBytes& bytes) {
  std::string text(bytes.size(), '?');
  EXPECT_EQ(bytes.read(0, text), text.size());
  return text;
}

TEST(PagedBytes, CopiesShareUntilOneWrites) {
  PagedBytes first;
  first.write(4090, "across two pages");
  PagedBytes second = first;
  second.write(4096, "XX");
  EXPECT_EQ(read_all(first).substr(4090), "across two pages");
  EXPECT_EQ(read_all(second).substr(4090), "acrossXXwo pages");
}

TEST(PagedBytes, WhatIsCutOffIsZeroWhenItGrowsAgain) {
  PagedBytes bytes;
  bytes.write(0, "abcdef");
  bytes.resize(3);
  bytes.resize(6);
  EXPECT_EQ(read_all(bytes), std::string("abc\0\0\0", 6));
}

TEST(Ruins, ACutKeepsWhatWasSyncedAndNoMoreThanWasWritten) {
  PagedDisk disk;
  auto file = *disk.open("/d/f", OpenMode::create);
  ASSERT_TRUE(disk.sync_directory("/d"));
  ASSERT_TRUE(file->write_at(0, "synced"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(file->write_at(0, "WRITTEN"));
  ASSERT_TRUE(disk.open("/d/unnamed", OpenMode::create));
  Ruins ruins(disk);
  ruins.advance(disk.operations());
  SystemRandom random(1);
  const DiskImage dropped = ruins.image(CutWay::drop, random);
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(read_all(dropped.at("/d/f")), "synced");
  const DiskImage kept = ruins.image(CutWay::keep, random);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(read_all(kept.at("/d/f")), "WRITTEN");
  for (const CutWay way : cut_ways) {
    const DiskImage image = ruins.image(way, random);
    const std::string text = read_all(image.at("/d/f"));
    EXPECT_TRUE(text == "synced" || text == "WRITTEN") << name_of(way) << text;
  }
}

ImagesOptions short_run() {
  ImagesOptions options;
  options.life.groups = 12;
  options.stride = 3;
  return options;
}

TEST(Images, NoAcknowledgedMessageIsLost) {
  const ImagesReport report = check_images(short_run());
  EXPECT_GT(report.images, 100u);
  EXPECT_TRUE(report.failures.empty()) << report.failures[0];
}

TEST(Images, ASyncThatDoesNothingIsSeen) {
  ImagesOptions options = short_run();
  options.life.lie = PagedDisk::Lie::sync;
  EXPECT_FALSE(check_images(options).failures.empty());
}

TEST(Images, ADirectoryThatIsNotSyncedIsSeen) {
  ImagesOptions options = short_run();
  options.life.lie = PagedDisk::Lie::sync_directory;
  EXPECT_FALSE(check_images(options).failures.empty());
}

TEST(Images, AnAnswerBeforeTheCommitIsSeen) {
  ImagesOptions options = short_run();
  options.life.answer_early = true;
  EXPECT_FALSE(check_images(options).failures.empty());
}

}  // namespace
}  // namespace goniec
