// The simulator: a seed in, a verdict out (docs/simulation.md).
//
//   sim images --seed N [--seeds COUNT] [--groups G] [--stride S] [--at-least IMAGES]
//              [--break sync|sync-directory|answer-early]
//
// Ends 0 when every law held, 1 when one was broken (the lines say where), 64 when it was called
// wrongly.
#include <cstdio>
#include <ctime>

#include "base/text.h"
#include "sim/images.h"

namespace goniec {
namespace {

struct Arguments {
  std::map<std::string, std::string> values;

  static std::optional<Arguments> parse(int count, char** words) {
    Arguments arguments;
    for (int i = 2; i < count; ++i) {
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

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
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

int run(int count, char** words) {
  const std::string_view what = count > 1 ? words[1] : "";
  const auto arguments = Arguments::parse(count, words);
  if (arguments && what == "images") return images(*arguments);
  fmt::print(stderr,
             "usage: sim images [--seed N] [--seeds COUNT] [--groups G] [--stride S]\n"
             "                  [--at-least IMAGES]\n");
  return 64;
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  return goniec::run(count, words);
}
