// Kept conversations: found again, bounded, forgotten, on a real disk.
#include "store/transcript_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>

#include "run/disk.h"
#include "run/system.h"

namespace goniec {
namespace {

using std::chrono::hours;

class FixedClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  Moment moment() const override { return {}; }
  void set(Instant at) { now_ = at; }

 private:
  std::atomic<Instant> now_ = Instant(std::chrono::sys_days(std::chrono::year(2026) / 11 / 27));
};

struct Quiet final : LogSink {
  void write(LogRecord record) override { events.push_back(record.event); }
  std::vector<std::string> events;
};

class TranscriptLogTest : public testing::Test {
 protected:
  TranscriptLogTest() {
    char name[] = "/tmp/transcripts.XXXXXX";
    folder_ = ::mkdtemp(name);
    open();
  }
  ~TranscriptLogTest() override {
    kept_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open() {
    kept_.reset();
    auto opened = TranscriptLog::open(
        disk_, clock_, folder_ + "/t", [this] { return limits_; }, metrics_, log_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    kept_ = std::move(*opened);
  }
  void keep(std::uint64_t id, std::string text) {
    kept_->keep({MessageId{id}, clock_.now(), "mx.test[192.0.2.1]:25", std::move(text)});
  }
  std::vector<std::string> texts(std::uint64_t id, Instant at) {
    const auto found = kept_->of(MessageId{id}, {at});
    EXPECT_TRUE(found.has_value());
    std::vector<std::string> out;
    if (found)
      for (const auto& each : *found) out.push_back(each.text);
    return out;
  }
  std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(folder_ + "/t"))
      ++count;
    return count;
  }

  using Texts = std::vector<std::string>;
  std::string folder_;
  SystemDisk disk_;
  FixedClock clock_;
  Metrics metrics_;
  Quiet log_;
  TranscriptLimits limits_;
  std::unique_ptr<TranscriptLog> kept_;
};

TEST_F(TranscriptLogTest, FindsTheConversationsOfAMessageByTheirTime) {
  const Instant first = clock_.now();
  keep(7, "0\t<\t450 later\n");
  keep(8, "0\t<\t250 ok\n");
  EXPECT_EQ(texts(8, first).size(), 1u) << "what waits is written before it is read";
  clock_.set(first + hours(5));
  open();  // a server that was started again has another file
  keep(7, "0\t<\t250 ok\n");
  EXPECT_EQ(texts(7, first), Texts{"0\t<\t450 later\n"});
  EXPECT_EQ(texts(7, first + hours(5)), (Texts{"0\t<\t450 later\n", "0\t<\t250 ok\n"}));
  EXPECT_EQ(texts(9, first), Texts{});
  const auto found = kept_->of(MessageId{8}, {first});
  ASSERT_TRUE(found.has_value() && found->size() == 1);
  EXPECT_EQ(found->front().at, first);
  EXPECT_EQ(found->front().site, "mx.test[192.0.2.1]:25");
}

TEST_F(TranscriptLogTest, WhatIsOldGoesAndWhatIsTooMuch) {
  const Instant first = clock_.now();
  keep(1, "old\n");
  EXPECT_EQ(texts(1, first), Texts{"old\n"});
  clock_.set(first + hours(24) * 13);
  open();
  EXPECT_EQ(texts(1, first), Texts{"old\n"}) << "thirteen days are no fourteen";
  clock_.set(first + hours(24) * 15);
  open();
  EXPECT_EQ(files(), 0u);
  keep(2, std::string(50'000, 'x') + "\n");
  EXPECT_EQ(texts(2, clock_.now()).size(), 1u);
  limits_.octets = 10'000;
  open();
  EXPECT_EQ(files(), 0u);
}

TEST_F(TranscriptLogTest, AFileThatIsTornOrDamagedEndsWhereItIs) {
  const Instant first = clock_.now();
  keep(1, "whole\n");
  EXPECT_EQ(texts(1, first).size(), 1u);
  kept_.reset();
  for (const auto& each : std::filesystem::directory_iterator(folder_ + "/t"))
    std::ofstream(each.path(), std::ios::app) << "T 0000000000002 17 5 99999\nmx";
  open();
  EXPECT_EQ(texts(1, first), Texts{"whole\n"});
  EXPECT_EQ(texts(2, first), Texts{});
  keep(1, "later\n");
  EXPECT_EQ(texts(1, first), (Texts{"whole\n", "later\n"}));
}

TEST_F(TranscriptLogTest, APersonIsBlankedOutInAnyCase) {
  keep(1, "0\t>\tRCPT TO:<Jan@O2.pl>\n");
  keep(2, "0\t>\tRCPT TO:<ewa@o2.pl>\n");
  EXPECT_EQ(kept_->erase("jan@o2.pl", true).value_or(0), 1u);
  EXPECT_EQ(texts(1, clock_.now()).front(), "0\t>\tRCPT TO:<Jan@O2.pl>\n") << "a dry run";
  EXPECT_EQ(kept_->erase("jan@o2.pl", false).value_or(0), 1u);
  EXPECT_EQ(texts(1, clock_.now()), Texts{"-----------------------\n"});
  EXPECT_EQ(texts(2, clock_.now()), Texts{"0\t>\tRCPT TO:<ewa@o2.pl>\n"});
  EXPECT_EQ(kept_->erase("jan@o2.pl", false).value_or(9), 0u);
}

TEST_F(TranscriptLogTest, ManyThreadsKeepAndNothingIsMixed) {
  std::vector<std::thread> threads;
  for (std::uint64_t id = 1; id <= 4; ++id)
    threads.emplace_back([this, id] {
      for (int i = 0; i < 500; ++i) keep(id, fmt::format("{} {}\n", id, i));
    });
  for (auto& each : threads) each.join();
  for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_EQ(texts(id, clock_.now()).size(), 500u);
}

// A disk that makes no file before it may.
class SlowDisk final : public Disk {
 public:
  explicit SlowDisk(Disk& disk) : disk_(disk) {}
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::create) {
      asked.count_down();
      may.wait();
    }
    return disk_.open(path, mode);
  }
  Result<bool> exists(const std::string& path) override { return disk_.exists(path); }
  Result<void> remove(const std::string& path) override { return disk_.remove(path); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Result<void> make_directory(const std::string& path) override {
    return disk_.make_directory(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    return disk_.sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  Result<DiskSpace> space(const std::string& path) override { return disk_.space(path); }

  std::latch asked{1}, may{1};

 private:
  Disk& disk_;
};

TEST_F(TranscriptLogTest, NobodyWaitsForASlowDiskAndTooMuchIsDroppedAndCounted) {
  kept_.reset();
  SlowDisk slow(disk_);
  auto opened =
      TranscriptLog::open(slow, clock_, folder_ + "/t", [this] { return limits_; }, metrics_, log_);
  ASSERT_TRUE(opened.has_value());
  kept_ = std::move(*opened);
  keep(1, "first\n");
  slow.asked.wait();
  constexpr std::size_t fit = TranscriptLog::waiting_octets / TranscriptLog::record_octets - 1;
  for (std::size_t i = 0; i < fit + 10; ++i)
    keep(1, std::string(TranscriptLog::record_octets, 'x'));
  slow.may.count_down();
  EXPECT_EQ(texts(1, clock_.now()).size(), 1 + fit);
  EXPECT_NE(metrics_.exposition().find("goniec_transcripts_dropped_total 10\n"), std::string::npos);
  kept_.reset();  // before its disk
}

}  // namespace
}  // namespace goniec
