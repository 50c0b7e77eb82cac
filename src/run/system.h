// The true Clock and Random. SystemClock reads the kernel's wall and monotonic clocks; SystemRandom
// is xoshiro256** seeded by the kernel (or by a seed, for tests): for jitter, shuffles and id
// suffixes, never for keys or secrets. A SystemRandom belongs to one thread.
#pragma once
#include <array>

#include "run/world.h"

namespace goniec {

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Moment moment() const override;
};

class SystemRandom final : public Random {
 public:
  SystemRandom();  // seeded by the kernel
  explicit SystemRandom(std::uint64_t seed);
  std::uint64_t next() override;

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace goniec
