// A whole node (app/node_core.h) on the false world: one loop, no thread. It can be killed at any
// moment between two steps of the loop.
//
// Killing drops what is in memory as a power cut does: nothing of the dead node runs any more,
// though its tasks still wait in the world's queues. Every door therefore asks whether the node is
// alive before it lets a task go on; the tasks of a dead node wait for ever (their frames are never
// freed: some hundred KiB a death).
#pragma once
#include <functional>
#include <memory>

#include "app/node_core.h"
#include "sim/network.h"
#include "sim/world.h"

namespace goniec {

struct FalseWorld {
  SimLoop& loop;
  SimNetwork& network;
  Resolver& resolver;
  Disk& disk;
};

// What is told of the connections that the node makes, by the address it called: calling, then
// opened or given_up, then closed. `worked`: the node read from some stream, or took one.
struct ConnectionWatch {
  std::function<void(const IpAddress&)> calling, given_up, opened, closed;
  std::function<void()> worked;
  std::size_t calls_at_once = 1;  // a mutation: how many a call is
};

// What the node has now, by its own books, and of the heap.
struct NodeLoad {
  std::size_t sessions = 0, drafts = 0;  // inbound; messages being received
  std::uint64_t heap_octets = 0;
};

// Smaller than the defaults, so that histories reach them.
struct FalseLimits {
  QueueLimits queue;
  AdmissionLimits admission;
  std::size_t connections = 1000, messages_per_connection = 100;  // outbound
  Duration dead_pause = DispatcherOptions{}.dead_pause;
};

class FalseNode {
 public:
  // Serves when it returns. `store` is open.
  static Result<std::unique_ptr<FalseNode>> start(Config config, FalseWorld world,
                                                  std::unique_ptr<Store> store, LogSink& log,
                                                  ConnectionWatch watch, const FalseLimits& limits);
  static void prepare();  // what all nodes of the process share: once, before a fork
  ~FalseNode();           // kills it when it lives
  void kill();
  Task<void> stop();  // in good order, then kill() drops what is left
  Store& store();
  NodeLoad load();

  struct State;

 private:
  explicit FalseNode(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A configuration for a node that relays for everybody in 10.0.0.0/8, at 10.0.0.1:25.
Config false_config();
Endpoint false_node_address();

}  // namespace goniec
