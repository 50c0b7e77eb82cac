// Waits for signing keys to be published: a pending key (accounts/signing_keys.h) becomes active
// when DNS answers with its record, so that no mail goes out that nobody can verify yet.
//
//   waiting --interval, or look()--> asking for each pending key --> waiting
//
// Lives on one loop. What cannot be looked up, or is another record, is said once a key in the log.
#pragma once
#include <map>
#include <string>

#include "accounts/signing_keys.h"
#include "base/log.h"
#include "run/world.h"

namespace goniec {

struct KeyWatchOptions {
  Duration interval = std::chrono::minutes(1);
  Duration lookup = std::chrono::seconds(20);  // one question
};

// What DNS says of a key: "" when its record is there; else why it is not, in words.
std::string publication_problem(const SigningKey& key, const DnsAnswer& answer);

class KeyWatch {
 public:
  KeyWatch(World& world, SigningKeys& keys, KeyWatchOptions options, LogSink& log);
  void start();       // spawns run(); stop() before the end
  Task<void> stop();  // after the question under way
  Task<void> look();  // now, once; any caller on this loop

 private:
  Task<void> run();
  World& world_;
  SigningKeys& keys_;
  KeyWatchOptions options_;
  LogSink& log_;
  std::map<std::string, std::string> said_;  // record name: its last problem
  bool stopping_ = false, running_ = false;
  std::shared_ptr<Signal> woken_ = std::make_shared<Signal>();
  Signal ended_;
};

}  // namespace goniec
