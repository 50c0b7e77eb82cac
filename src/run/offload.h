// The offload pool: a fixed number of threads for what blocks or burns (argon2, RSA, files), and a
// bounded queue before them. A full queue refuses at once (Offload::run answers try_later), so that
// a flood of logins cannot pile up work. The destructor runs what waits, then joins: destroy the
// pool before the loops its results go to.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "run/world.h"

namespace goniec {

struct OffloadOptions {
  unsigned threads = 2;
  std::size_t queue_limit = 256;  // jobs that wait, beside those that run
  std::string name = "offload";   // of the threads, at most 15 octets
};

class OffloadPool final : public Offload {
 public:
  explicit OffloadPool(OffloadOptions options);
  ~OffloadPool() override;
  OffloadPool(const OffloadPool&) = delete;
  OffloadPool& operator=(const OffloadPool&) = delete;
  bool submit(Work work) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace goniec
