// Names, order and percentiles of the search projection.
#include "store/search.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(search_names, each_status_group_and_count_has_one_and_is_found_by_it) {
  for (std::size_t at = 0; at < mail_statuses; ++at) {
    const auto status = static_cast<MailStatus>(at);
    EXPECT_EQ(mail_status_of(name_of(status)), status);
  }
  for (int at = 0; at <= static_cast<int>(StatsGroup::hour_of_week); ++at)
    EXPECT_EQ(stats_group_of(name_of(static_cast<StatsGroup>(at))), static_cast<StatsGroup>(at));
  EXPECT_EQ(name_of(StatsCount::canceled), "canceled");
  EXPECT_FALSE(mail_status_of("lost"));
}

TEST(search_names, a_message_is_as_bad_as_its_worst_recipient) {
  using enum MailStatus;
  const MailStatus from_best[] = {delivered, canceled,   queued,  scheduled, deferred,
                                  held,      suppressed, expired, bounced,   complained};
  int before = -1;
  for (const auto status : from_best) {
    EXPECT_GT(severity(status), before) << name_of(status);
    before = severity(status);
  }
}

TEST(search_latency, percentiles_are_taken_within_the_bucket) {
  StatsRow row;
  EXPECT_FALSE(row.latency_at(0.5));
  row.latency[latency_bucket(std::chrono::milliseconds(100))] += 50;  // up to 0.1 s
  row.latency[latency_bucket(std::chrono::milliseconds(200))] += 50;  // up to 0.25 s
  EXPECT_DOUBLE_EQ(*row.latency_at(0.5), 0.1);
  EXPECT_DOUBLE_EQ(*row.latency_at(1), 0.25);
  EXPECT_DOUBLE_EQ(*row.latency_at(0.25), 0.05);
  EXPECT_EQ(latency_bucket(Duration(0)), 0u);
  EXPECT_EQ(latency_bucket(std::chrono::days(3)), latency_bounds.size());
  row.latency.back() = 1000;
  EXPECT_DOUBLE_EQ(*row.latency_at(0.99), latency_bounds.back());
}

}  // namespace
}  // namespace goniec
