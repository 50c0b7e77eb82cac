// The simulator: a seed in, a verdict out (docs/simulation.md).
//
//   sim --seed N --hours H [--seeds COUNT] [--sites S] [--letters L] [--break LAW]
//             [--full-disk 1] [--story 1]
//   sim mutations                 the names for --break
//   sim images --seed N [--seeds COUNT] [--groups G] [--stride S] [--at-least IMAGES]
//              [--break sync|sync-directory|answer-early]
//
// Ends 0 when every law held, 1 when one was broken (the lines say where), 64 when it was called
// wrongly. With --break it ends 1 when the law that is meant saw it, with the first such seed.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"
#include "sim/false_node.h"
#include "sim/history.h"
#include "sim/images.h"

namespace goniec {
namespace {

struct Arguments {
  std::map<std::string, std::string> values;

  static std::optional<Arguments> parse(int first, int count, char** words) {
    Arguments arguments;
    for (int i = first; i < count; ++i) {
      const std::string_view word = words[i];
      if (!word.starts_with("--") || i + 1 >= count) return std::nullopt;
      arguments.values[std::string(word.substr(2))] = words[++i];
    }
    return arguments;
  }
  std::string text(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  }
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    const auto found = values.find(name);
    if (found == values.end()) return otherwise;
    return parse_unsigned(found->second).value_or(otherwise);
  }
};

double processor_seconds() {  // of this process and those of the histories
  double seconds = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(who, &used);
    for (const timeval& part : {used.ru_utime, used.ru_stime})
      seconds += static_cast<double>(part.tv_sec) + static_cast<double>(part.tv_usec) / 1e6;
  }
  return seconds;
}

// Ways to break the promise on purpose: each must be seen (the mutation check).
bool break_life(const std::string& what, MixedOptions& life) {
  if (what.empty()) return true;
  if (what == "sync") life.lie = PagedDisk::Lie::sync;
  if (what == "sync-directory") life.lie = PagedDisk::Lie::sync_directory;
  if (what == "answer-early") life.answer_early = true;
  return life.lie != PagedDisk::Lie::none || life.answer_early;
}

int images(const Arguments& arguments) {
  const std::uint64_t first = arguments.number("seed", 1);
  const std::uint64_t seeds = arguments.number("seeds", 1),
                      wanted = arguments.number("at-least", 0);
  ImagesReport all;
  std::uint64_t seed = first;
  for (; seed < first + seeds || (wanted > 0 && all.images < wanted); ++seed) {
    ImagesOptions options;
    options.life.seed = seed;
    if (!break_life(arguments.text("break"), options.life)) return 64;
    options.life.groups = arguments.number("groups", 30);
    options.stride = std::max<std::uint64_t>(1, arguments.number("stride", 1));
    ImagesReport report = check_images(options);
    all.images += report.images;
    all.cuts += report.cuts;
    all.groups += report.groups;
    all.acknowledged += report.acknowledged;
    for (auto& failure : report.failures) {
      fmt::print("{}\n", failure);
      all.failures.push_back(std::move(failure));
    }
    std::fflush(stdout);
    if (all.failures.size() >= 20) break;
  }
  fmt::print(
      "images: seeds {} to {}: {} crash images at {} cuts of {} groups with {} messages, "
      "{} failed, {:.1f} s of processor\n",
      first, seed - 1, all.images, all.cuts, all.groups, all.acknowledged, all.failures.size(),
      processor_seconds());
  return all.failures.empty() ? 0 : 1;
}

void tell(const Ending& verdict, std::uint64_t seed) {
  const auto& totals = verdict.totals;
  fmt::print(
      "seed {}: {:016x}, {} h, {} messages to {} recipients, {} taken ({} again), {} bounced, {} "
      "waits, {} events, {} power cuts, {} seals, {} stops, at most {} connections a site, {} in "
      "all, {} leases, {} sessions, {} messages coming, {} KiB of heap, {} steps\n",
      seed, verdict.hash, verdict.lived / std::chrono::hours(1), totals.messages, totals.recipients,
      totals.taken, totals.taken_again, totals.bounced, totals.waits, totals.events,
      verdict.power_cuts, verdict.seals, verdict.stops, totals.most_connections,
      totals.most_outbound, totals.most_leases, totals.most_sessions, totals.most_drafts,
      totals.most_heap_octets / 1024, verdict.steps);
  for (const auto& line : verdict.broken) fmt::print("seed {}: {}\n", seed, line);
  std::fflush(stdout);
}

struct Summary {
  std::uint64_t messages = 0, restarts = 0, failed = 0, seen = 0;
};

// In a process of its own: a history keeps what its dead nodes left, and may end in a CHECK.
Summary run_apart(const HistoryOptions& options) {
  Summary one{.failed = 1};
  int ends[2];
  if (pipe(ends) != 0) return one;
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const Ending verdict = run_history(options);
    tell(verdict, options.seed);
    const bool mutated = options.mutation != Mutation::none;
    const Summary found{verdict.totals.messages, verdict.totals.restarts, !verdict.broken.empty(),
                        mutated && is_seen(options.mutation, verdict.broken)};
    _exit(write(ends[1], &found, sizeof found) == sizeof found ? 0 : 1);
  }
  close(ends[1]);
  Summary found;
  if (child > 0 && read(ends[0], &found, sizeof found) == sizeof found) one = found;
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    one.failed = 1;
    fmt::print("seed {}: law alive: the process of the history ended by itself ({})\n",
               options.seed, status);
  }
  return one;
}

int histories(const Arguments& arguments) {
  const std::uint64_t first = arguments.number("seed", 1), seeds = arguments.number("seeds", 1);
  const std::string mutation = arguments.text("break");
  Summary all;
  FalseNode::prepare();
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    HistoryOptions options;
    options.seed = seed;
    options.span = std::chrono::hours(std::max<std::uint64_t>(1, arguments.number("hours", 6)));
    options.full_disk = arguments.number("full-disk", 0) != 0;
    options.story = arguments.number("story", 0) != 0;
    options.sites = arguments.number("sites", 0);
    options.letters_an_hour = arguments.number("letters", 0);
    if (!mutation.empty()) {
      const auto known = mutation_of(mutation);
      if (!known) return 64;
      options.mutation = *known;
    }
    const Summary one = run_apart(options);
    all.failed += one.failed;
    all.messages += one.messages;
    all.restarts += one.restarts;
    all.seen += one.seen;
    if (all.seen > 0) break;
  }
  fmt::print(
      "histories: seeds {} to {}: {} messages, {} restarts, {} seeds failed, {:.1f} s of "
      "processor\n",
      first, first + seeds - 1, all.messages, all.restarts, all.failed, processor_seconds());
  if (!mutation.empty()) return all.seen > 0 ? 1 : 0;
  return all.failed == 0 ? 0 : 1;
}

int run(int count, char** words) {
  const std::string_view what = count > 1 ? words[1] : "";
  const bool is_history = what.starts_with("--");
  const auto arguments = Arguments::parse(is_history ? 1 : 2, count, words);
  if (arguments && is_history) return histories(*arguments);
  if (what == "mutations") {
    fmt::print("{}\n", fmt::join(mutation_names(), "\n"));
    return 0;
  }
  if (arguments && what == "images") return images(*arguments);
  fmt::print(stderr,
             "usage: sim --seed N [--hours H] [--seeds COUNT] [--sites S] [--letters AN_HOUR]\n"
             "           [--break {}]\n"
             "       sim images [--seed N] [--seeds COUNT] [--groups G] [--stride S]\n"
             "           [--at-least IMAGES] [--break sync|sync-directory|answer-early]\n",
             fmt::join(mutation_names(), "|"));
  return 64;
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  return goniec::run(count, words);
}
