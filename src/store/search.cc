// Names, order and buckets of the search projection (search.h): pure.
#include "store/search.h"

#include <algorithm>
#include <numeric>

namespace goniec {
namespace {

constexpr std::array<std::string_view, mail_statuses> status_names = {
    "queued",  "scheduled", "delivered",  "deferred", "bounced",
    "expired", "held",      "suppressed", "canceled", "complained"};
// From best to worst. What still goes on is worse than what arrived, what needs a hand is worse
// than what goes on, what is lost is worse than all of it; a complaint is the worst.
constexpr std::array<int, mail_statuses> severities = {2, 3, 0, 4, 8, 7, 5, 6, 1, 9};

constexpr auto group_names =
    std::to_array<std::string_view>({"total", "provider", "domain", "recipient_domain", "stream",
                                     "tag", "pool", "class", "day", "hour", "hour_of_week"});
constexpr std::array<std::string_view, stats_counts> count_names = {
    "messages",        "octets",         "accepted",
    "delivered",       "deferred",       "bounced",
    "expired",         "suppressed",     "complained",
    "opened",          "opened_machine", "clicked",
    "clicked_machine", "unsubscribed",   "held",
    "canceled",        "tls_none",       "tls_opportunistic",
    "tls_pkix",        "tls_mta_sts",    "tls_dane",
    "tls_1_2",         "tls_1_3"};

template <class Value, std::size_t count>
std::optional<Value> value_of(const std::array<std::string_view, count>& names,
                              std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Value>(found - names.begin());
}

}  // namespace

std::string_view name_of(MailStatus status) {
  return status_names.at(static_cast<std::size_t>(status));
}
std::optional<MailStatus> mail_status_of(std::string_view name) {
  return value_of<MailStatus>(status_names, name);
}
int severity(MailStatus status) {
  return severities.at(static_cast<std::size_t>(status));
}
std::string_view name_of(StatsGroup group) {
  return group_names.at(static_cast<std::size_t>(group));
}
std::optional<StatsGroup> stats_group_of(std::string_view name) {
  return value_of<StatsGroup>(group_names, name);
}
std::string_view name_of(StatsCount count) {
  return count_names.at(static_cast<std::size_t>(count));
}

std::size_t latency_bucket(Duration took) {
  const double seconds = static_cast<double>(took.count()) / 1e6;
  return static_cast<std::size_t>(std::ranges::lower_bound(latency_bounds, seconds) -
                                  latency_bounds.begin());
}

std::optional<double> StatsRow::latency_at(double part) const {
  const auto all = std::accumulate(latency.begin(), latency.end(), std::uint64_t{0});
  if (all == 0) return std::nullopt;
  const double wanted = part * static_cast<double>(all);
  double below = 0;
  for (std::size_t at = 0; at < latency_bounds.size(); ++at) {
    const auto here = static_cast<double>(latency[at]);
    if (here > 0 && below + here >= wanted) {
      const double from = at == 0 ? 0 : latency_bounds[at - 1];
      return from + (latency_bounds[at] - from) * (wanted - below) / here;
    }
    below += here;
  }
  return latency_bounds.back();  // beyond the last bound: at least that
}

}  // namespace goniec
