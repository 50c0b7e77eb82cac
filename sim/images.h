// Crash images: a life of mixed groups on a disk that writes everything down, then the power cut
// after each single operation, in every way of sim/paged_disk.h, and the store opened from what is
// left.
//
// The law: what opens is exactly the state at the last group that was acknowledged, or at the one
// after it (whose commit was under way): nothing lost, nothing torn apart, nothing twice. And: it
// opens; it is the same when it is opened once more, also when the power goes again while it opens;
// and a message can be spooled to it and is there at the next opening.
#pragma once
#include <string>
#include <vector>

#include "sim/mixed_groups.h"

namespace goniec {

struct ImagesOptions {
  MixedOptions life;
  std::size_t stride = 1;         // every how many operations the power is cut
  std::size_t deep_every = 16;    // images that are opened twice, cut again and written to
  std::size_t most_failures = 5;  // then it stops
};

struct ImagesReport {
  std::uint64_t images = 0, cuts = 0, groups = 0, acknowledged = 0;
  std::vector<std::string> failures;
};

ImagesReport check_images(const ImagesOptions& options);

}  // namespace goniec
