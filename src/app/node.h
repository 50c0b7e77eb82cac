// The composition root: one Node is one whole server in one process. Everything that waits, serves
// or remembers is made here, in the order of the arrows, and ended in the opposite order. No logic:
// a part gets its Options from the config (options.cc) and its neighbours by reference.
//
//   store -> committer, readers -> directory, logins -> queue -> shards -> listeners
//   a shard: loop, network, resolver, http client, hosts, local delivery, dispatcher, acceptors
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "run/world.h"

namespace goniec {

class Node {
 public:
  // Everything is open and serving when it returns; listeners.json is written. Root drops to
  // config.user.
  static Result<std::unique_ptr<Node>> start(LoadedConfig config, LogSink& log, Metrics& metrics);
  ~Node();

  // Blocks until stop() was asked and everything drained (at most 10 s).
  void wait();
  void stop();            // any thread
  Result<void> reload();  // any thread but the shards'; keeps the old config on error
  std::string listeners_json() const;
  Config config() const;  // as in force

  struct State;

 private:
  explicit Node(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace goniec
