// See search_sources.h.
#include "store/sqlite/search_sources.h"

#include <ctime>

namespace goniec {
namespace {

constexpr int steps_before_start = 32;
constexpr std::uint64_t steps_before_look = 256;  // at the clock

Duration processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(time.tv_sec) +
                                              std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

Effort::Effort(std::optional<Duration> most) {
  if (most) until_ = processor_time() + *most;
}
bool Effort::is_spent() const {
  return until_ && processor_time() >= *until_;
}

// ---------------------------------------------------------------- one source
class CommonRows::Source {
 public:
  Source(Statement statement, std::string text, RowRange range)
      : statement_(std::move(statement)), text_(std::move(text)), range_(range) {}

  // The highest id that is not above; nullopt: none.
  Result<std::optional<std::uint64_t>> at_most(std::uint64_t id, std::uint64_t& steps) {
    for (int tries = 0; use_ && at_ && *at_ > id && tries < steps_before_start; ++tries) {
      TRY(step());
      ++steps;
    }
    if (use_ && (!at_ || *at_ <= id)) return at_;
    use_.emplace(statement_);
    use_->number(id).number(range_.from);
    if (!text_.empty()) use_->text(text_);
    TRY(step());
    ++steps;
    return at_;
  }

 private:
  Result<void> step() {
    if (TRY(use_->step())) {
      at_ = use_->count(0);
    } else {
      at_.reset();
    }
    return {};
  }

  Statement statement_;
  std::string text_;
  RowRange range_;
  std::optional<Bound> use_;
  std::optional<std::uint64_t> at_;
};

// ---------------------------------------------------------------- what they have in common
CommonRows::CommonRows(RowRange range) : range_(range) {}
CommonRows::~CommonRows() = default;

Result<void> CommonRows::add(const Connection& connection, const RowSourceAsked& asked) {
  auto statement = TRY(connection.prepare(asked.sql.c_str()));
  sources_.push_back(std::make_unique<Source>(std::move(statement), asked.text, range_));
  return {};
}

Result<std::optional<std::uint64_t>> CommonRows::next(const Effort& effort) {
  const std::optional<std::uint64_t> none;
  std::uint64_t wanted = range_.to;
  for (std::size_t agree = 0, turn = 0; agree < sources_.size(); ++turn) {
    if (wanted < range_.from) return none;
    if (++steps_ >= steps_before_look) {
      steps_ = 0;
      if (effort.is_spent()) {
        stopped_at_ = wanted;
        return none;
      }
    }
    const auto found = TRY(sources_[turn % sources_.size()]->at_most(wanted, steps_));
    if (!found) return none;
    agree = *found == wanted ? agree + 1 : 1;
    wanted = *found;
  }
  if (wanted == 0) {
    range_ = {1, 0};
  } else {
    range_.to = wanted - 1;
  }
  return std::optional(wanted);
}

}  // namespace goniec
