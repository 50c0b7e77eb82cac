// Metrics of one process: see metrics.h. Families and series are kept in name order, so that the
// text is stable. The lock guards only asking and writing out; counting is lock-free.
#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "base/result.h"
#include "base/text.h"

namespace goniec {

void Gauge::add(double amount) {
  value_.fetch_add(amount, std::memory_order_relaxed);
}

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)), buckets_(upper_bounds_.size() + 1) {
  CHECK(std::is_sorted(upper_bounds_.begin(), upper_bounds_.end()));
}

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value);
  const auto at = static_cast<std::size_t>(bound - upper_bounds_.begin());
  buckets_[at].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot taken{upper_bounds_, {}, sum_.load(std::memory_order_relaxed)};
  std::uint64_t total = 0;
  for (const auto& bucket : buckets_) {
    total += bucket.load(std::memory_order_relaxed);
    taken.cumulative.push_back(total);
  }
  return taken;
}

namespace {

bool is_name(std::string_view name, bool with_colon) {
  return !name.empty() && !is_digit(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_alpha(c) || is_digit(c) || c == '_' || (with_colon && c == ':');
  });
}

std::string escaped(std::string_view text, bool with_quote) {
  std::string out;
  for (char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && with_quote) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

// `a="1",b="2"`: the inside of the braces, and the key of a series.
std::string labels_text(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    CHECK(is_name(name, false));
    const auto shown = is_utf8(value) ? value : printable(value);
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(shown, true));
  }
  return out;
}

std::string series_name(std::string_view name, std::string_view labels,
                        std::string_view last = {}) {
  const bool both = !labels.empty() && !last.empty();
  if (labels.empty() && last.empty()) return std::string(name);
  return fmt::format("{}{{{}{}{}}}", name, labels, both ? "," : "", last);
}

template <class Kind>
struct Family {
  std::string help;
  std::map<std::string, std::unique_ptr<Kind>> series;  // by labels_text
};

template <class Kind, class Make>
Kind& series_of(std::map<std::string, Family<Kind>, std::less<>>& families, std::string_view name,
                std::string_view help, Labels labels, Make make) {
  auto found = families.find(name);
  if (found == families.end()) {
    CHECK(is_name(name, true));
    found = families.emplace(std::string(name), Family<Kind>{std::string(help), {}}).first;
  }
  auto& series = found->second.series;
  std::sort(labels.begin(), labels.end());
  auto key = labels_text(labels);
  if (series.size() >= Metrics::series_limit && !series.contains(key)) {
    for (auto& label : labels) label.second = "other";
    key = labels_text(labels);
  }
  auto& slot = series[key];
  if (!slot) slot = make();
  return *slot;
}

template <class Kind>
void write_head(std::string& out, const std::string& name, const Family<Kind>& family,
                std::string_view type) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, false), name, type);
}

void write_histogram(std::string& out, const std::string& name, const std::string& labels,
                     const Histogram::Snapshot& taken) {
  for (std::size_t at = 0; at < taken.cumulative.size(); ++at) {
    const auto bound =
        at < taken.upper_bounds.size() ? number_text(taken.upper_bounds[at]) : std::string("+Inf");
    out += fmt::format("{} {}\n",
                       series_name(name + "_bucket", labels, fmt::format("le=\"{}\"", bound)),
                       taken.cumulative[at]);
  }
  out += fmt::format("{} {}\n", series_name(name + "_sum", labels), number_text(taken.sum));
  out += fmt::format("{} {}\n", series_name(name + "_count", labels), taken.cumulative.back());
}

}  // namespace

struct Metrics::State {
  mutable std::mutex mutex;
  std::map<std::string, Family<Counter>, std::less<>> counters;
  std::map<std::string, Family<Gauge>, std::less<>> gauges;
  std::map<std::string, Family<Histogram>, std::less<>> histograms;
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(state_->mutex);
  CHECK(!state_->gauges.contains(name) && !state_->histograms.contains(name));
  return series_of(state_->counters, name, help, std::move(labels),
                   [] { return std::make_unique<Counter>(); });
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(state_->mutex);
  CHECK(!state_->counters.contains(name) && !state_->histograms.contains(name));
  return series_of(state_->gauges, name, help, std::move(labels),
                   [] { return std::make_unique<Gauge>(); });
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help,
                              std::vector<double> bounds, Labels labels) {
  const std::lock_guard lock(state_->mutex);
  CHECK(!state_->counters.contains(name) && !state_->gauges.contains(name));
  return series_of(state_->histograms, name, help, std::move(labels),
                   [&] { return std::make_unique<Histogram>(std::move(bounds)); });
}

std::string Metrics::exposition() const {
  const std::lock_guard lock(state_->mutex);
  std::string out;
  for (const auto& [name, family] : state_->counters) {
    write_head(out, name, family, "counter");
    for (const auto& [labels, counter] : family.series) {
      out += fmt::format("{} {}\n", series_name(name, labels), counter->value());
    }
  }
  for (const auto& [name, family] : state_->gauges) {
    write_head(out, name, family, "gauge");
    for (const auto& [labels, gauge] : family.series) {
      out += fmt::format("{} {}\n", series_name(name, labels), number_text(gauge->value()));
    }
  }
  for (const auto& [name, family] : state_->histograms) {
    write_head(out, name, family, "histogram");
    for (const auto& [labels, histogram] : family.series) {
      write_histogram(out, name, labels, histogram->snapshot());
    }
  }
  return out;
}

}  // namespace goniec
