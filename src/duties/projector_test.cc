// From events in a store to rows and counts; how far behind it says it is; and what it does when
// log and projection do not fit together.
#include "duties/projector.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "run/disk.h"
#include "store/store_for_tests.h"

namespace goniec {
namespace {

namespace files = std::filesystem;

class ProjectorTest : public testing::Test {
 protected:
  ProjectorTest() {
    std::string name = (files::temp_directory_path() / "goniec-projector-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    reopen();
  }
  ~ProjectorTest() override {
    projector_.reset();
    search_.reset();
    files::remove_all(folder_);
  }
  void reopen() {
    projector_.reset();
    search_.reset();
    search_ = std::move(*Search::open(disk_, folder_ + "/search"));
    ProjectorOptions options;
    options.batch = 3;
    projector_ = std::make_unique<Projector>(*store_, *search_, clock_, options, metrics_, log_);
  }
  void send(std::uint64_t number) {
    const auto id = ids_.next(clock_.now(), number);
    auto letter = test::letter(id.value, clock_.now());
    letter.events[0].data = R"({"from":"a@b.pl","subject":"s","recipients":["x@wp.pl"]})";
    const auto spooled = store_->spool({&letter, 1});
    ASSERT_TRUE(spooled[0].has_value()) << spooled[0].error().message;
    ASSERT_TRUE(store_->commit());
  }
  void run() {
    for (int steps = 0; steps < 100; ++steps) {
      const auto more = projector_->step();
      ASSERT_TRUE(more) << more.error().message;
      if (!*more) return;
    }
    FAIL() << "it does not end";
  }
  std::size_t rows() { return search_->list({.limit = 100})->rows.size(); }
  double lag() { return metrics_.gauge("goniec_projection_lag_events", "").value(); }

  test::FalseClock clock_;
  SystemDisk disk_;
  Metrics metrics_;
  test::CountingLog log_;
  std::string folder_;
  MessageIdMaker ids_;
  std::unique_ptr<Store> store_ = make_memory_store({}, clock_);
  std::unique_ptr<Search> search_;
  std::unique_ptr<Projector> projector_;
};

TEST_F(ProjectorTest, rows_come_of_events_and_the_lag_is_told) {
  for (std::uint64_t at = 0; at < 8; ++at) send(at);
  EXPECT_TRUE(*projector_->step());
  EXPECT_EQ(rows(), 3u);
  EXPECT_EQ(lag(), 5);
  run();
  EXPECT_EQ(rows(), 8u);
  EXPECT_EQ(lag(), 0);
  EXPECT_EQ(metrics_.counter("goniec_projection_events_total", "").value(), 8u);
}

TEST_F(ProjectorTest, it_goes_on_where_it_was_after_a_restart) {
  for (std::uint64_t at = 0; at < 4; ++at) send(at);
  run();
  ASSERT_TRUE(search_->settle());
  reopen();
  EXPECT_EQ(search_->settled(), 4u);
  send(4);
  run();
  EXPECT_EQ(rows(), 5u);
  EXPECT_EQ(search_->statistics({})->at(0).count(StatsCount::messages), 5u);
  EXPECT_EQ(log_.count("projection.rebuild"), 0u);
}

TEST_F(ProjectorTest, it_begins_anew_when_the_log_is_older_than_what_it_has) {
  for (std::uint64_t at = 0; at < 6; ++at) send(at);
  run();
  ASSERT_TRUE(search_->settle());
  store_ = make_memory_store({}, clock_);
  send(1);
  reopen();
  run();
  EXPECT_EQ(log_.count("projection.rebuild"), 1u);
  EXPECT_EQ(rows(), 1u);
}

TEST_F(ProjectorTest, it_begins_anew_when_asked_to_and_does_other_work_on_its_thread) {
  for (std::uint64_t at = 0; at < 6; ++at) send(at);
  projector_->start();
  std::promise<std::size_t> before;
  projector_->post([&](Search& search) { before.set_value(search.list({})->rows.size()); });
  before.get_future().wait();
  projector_->rebuild();
  while (log_.count("projection.rebuild") == 0) {  // it begins when its thread comes to it
    std::promise<void> after;
    projector_->post([&](Search&) { after.set_value(); });
    after.get_future().wait();
  }
  projector_->stop();
  EXPECT_EQ(log_.count("projection.rebuild"), 1u);
  EXPECT_LE(search_->settled(), 6u);
}

}  // namespace
}  // namespace goniec
