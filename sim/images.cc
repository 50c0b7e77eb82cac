// One walk over the operations; at each cut one image a way.
#include "sim/images.h"

#include <algorithm>

#include "base/text.h"
#include "store/store_for_tests.h"

namespace goniec {
namespace {

// The first lines in which two states differ.
std::string difference(const std::vector<std::string>& wanted,
                       const std::vector<std::string>& found) {
  std::string text;
  std::size_t told = 0;
  auto tell = [&](const char* what, const auto& from, const auto& other) {
    for (const auto& line : from) {
      if (std::ranges::find(other, line) != other.end()) continue;
      if (++told <= 6) text += fmt::format("\n    {} {}", what, line);
    }
  };
  tell("LOST   ", wanted, found);
  tell("NOT HIS", found, wanted);
  return text + (told == 0 ? "\n    the same lines in another order" : "");
}

class Checker {
 public:
  Checker(const ImagesOptions& options, const MixedRun& run, ImagesReport& report)
      : options_(options), run_(run), report_(report), random_(options.life.seed * 2) {}

  void walk();

 private:
  void check(const Ruins& ruins, CutWay way);
  void check_deeply(const DiskImage& image);
  Result<std::unique_ptr<Store>> open(PagedDisk& disk) {
    return open_sqlite_store({mixed_store_path, options_.life.limits}, disk, clock_);
  }
  // The number of the group whose state this is; the fault when it is none that it may be.
  Result<std::size_t> group_of(const std::vector<std::string>& state) const;
  void fault(std::string text) {
    report_.failures.push_back(
        fmt::format("seed {} cut {} {}: {}", options_.life.seed, cut_, name_of(way_), text));
  }

  const ImagesOptions& options_;
  const MixedRun& run_;
  ImagesReport& report_;
  SystemRandom random_;
  SimClock clock_;
  std::size_t cut_ = 0, last_ = 0;  // last_: group acknowledged by then
  CutWay way_ = CutWay::drop;
};

Result<std::size_t> Checker::group_of(const std::vector<std::string>& state) const {
  for (std::size_t group = last_; group < run_.groups.size() && group <= last_ + 1; ++group) {
    if (run_.groups[group].state == state) return group;
  }
  for (std::size_t group = 0; group < run_.groups.size(); ++group) {
    if (run_.groups[group].state != state) continue;
    return fail(ErrorKind::damaged,
                fmt::format("it is at group {}, acknowledged were {}", group, last_));
  }
  return fail(ErrorKind::damaged, fmt::format("it is at no group's state; against group {}:{}",
                                              last_, difference(run_.groups[last_].state, state)));
}

void Checker::check(const Ruins& ruins, CutWay way) {
  way_ = way;
  ++report_.images;
  DiskImage image = ruins.image(way, random_);
  const bool deep = report_.images % options_.deep_every == 0;
  PagedDisk disk(deep ? image : std::move(image));
  auto store = open(disk);
  if (!store) return fault("does not open: " + store.error().message);
  const auto group = group_of(state_of(**store));
  if (!group) return fault(group.error().message);
  if ((*store)->synced() < run_.groups[last_].mark)
    fault(fmt::format("synced is {}, acknowledged was {}", (*store)->synced(),
                      run_.groups[last_].mark));
  store->reset();
  if (deep) check_deeply(image);
}

void Checker::check_deeply(const DiskImage& image) {
  // Opened, cut again at some operation of the opening, opened again: still one of the two states.
  PagedDisk first(image);
  std::vector<std::string> state;
  {
    auto store = open(first);
    if (!store) return fault("does not open a second time: " + store.error().message);
    state = state_of(**store);
  }
  Ruins ruins(first);
  ruins.advance(random_.below(first.operations() + 1));
  const CutWay again = cut_ways[random_.below(std::size(cut_ways))];
  PagedDisk second(ruins.image(again, random_));
  ++report_.images;
  auto store = open(second);
  if (!store)
    return fault(
        fmt::format("cut again ({}) while it opened: {}", name_of(again), store.error().message));
  if (const auto group = group_of(state_of(**store)); !group)
    return fault(
        fmt::format("cut again ({}) while it opened: {}", name_of(again), group.error().message));
  if (const auto group = group_of(state); !group) return fault(group.error().message);
  // It serves: what is spooled now is there afterwards.
  const MessageId id{std::max<std::uint64_t>((*store)->highest_id().value + 1, 1)};
  auto spooled = test::spool(**store, test::letter(id.value, clock_.now()));
  if (!spooled) return fault("takes no new mail: " + spooled.error().message);
  if (auto mark = (*store)->commit(); !mark)
    return fault("commits no more: " + mark.error().message);
  state = state_of(**store);
  store->reset();
  Ruins later(second);
  later.advance(second.operations());
  PagedDisk third(later.image(CutWay::drop, random_));
  ++report_.images;
  auto reopened = open(third);
  if (!reopened) return fault("does not open after new mail: " + reopened.error().message);
  if (state_of(**reopened) != state)
    return fault("new mail after the crash:" + difference(state, state_of(**reopened)));
}

void Checker::walk() {
  Ruins ruins(run_.disk);
  for (cut_ = 0; cut_ <= run_.disk.operations(); cut_ += options_.stride) {
    ruins.advance(cut_);
    while (last_ + 1 < run_.groups.size() && run_.groups[last_ + 1].ended <= cut_) ++last_;
    clock_.advance_to(run_.groups[last_].at);
    ++report_.cuts;
    for (const CutWay way : cut_ways) {
      check(ruins, way);
      if (report_.failures.size() >= options_.most_failures) return;
      if (ruins.is_all_synced()) break;  // every way leaves the same
    }
  }
}

}  // namespace

ImagesReport check_images(const ImagesOptions& options) {
  ImagesReport report;
  const MixedRun run = run_mixed_groups(options.life);
  report.groups = run.groups.size();
  report.acknowledged = run.acknowledged;
  if (!run.wrong.empty()) {
    report.failures.push_back(fmt::format("seed {}: {}", options.life.seed, run.wrong));
    return report;
  }
  Checker checker(options, run, report);
  checker.walk();
  return report;
}

}  // namespace goniec
