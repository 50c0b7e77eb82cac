// The true Resolver door, on libunbound: a validating stub that forwards to the configured servers.
//
// It promises: every lookup ends by its deadline; at most `in_flight` questions are under way (more
// wait their turn); the same question is under way once; answers are kept for their TTL in a
// bounded cache. A failure to learn is `temporary`, never "no".
//
// dnssec = automatic: before the first lookup the trust anchors are probed. Where signatures come
// through, answers are validated (bogus is bogus). Where the server strips them, answers still
// come, none of them authenticated, so that DANE is not available; the probe is repeated every ten
// minutes, and when an answer is bogus. Whoever wants no such way down says required.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "run/shard.h"
#include "run/world.h"

namespace goniec {

enum class Dnssec { automatic, required, off };

struct ResolverOptions {
  std::vector<std::string> servers;  // "192.0.2.1", "[2001:db8::1]:53"; none: /etc/resolv.conf
  std::string trust_anchor_file;     // "": the root's anchors, built in
  Dnssec dnssec = Dnssec::automatic;
  std::size_t in_flight = 16;    // libunbound stalls when 40 or more ask one server at once
  std::size_t waiting = 10'000;  // lookups beyond are temporary at once
  std::size_t cache_entries = 20'000;
  Duration longest_ttl = std::chrono::hours(1);
  Duration probe_time = std::chrono::seconds(5);
};

class UnboundResolver final : public Resolver {
 public:
  static Result<std::unique_ptr<UnboundResolver>> make(Shard& shard, ResolverOptions options);
  ~UnboundResolver() override;  // REQUIRES no lookup under way
  UnboundResolver(const UnboundResolver&) = delete;
  UnboundResolver& operator=(const UnboundResolver&) = delete;

  Task<DnsAnswer> lookup(std::string name, DnsType type, Moment deadline) override;

  bool validates()
      const;  // false before the first lookup, and where signatures do not come through
  std::string why_not() const;  // for people, when it does not
  void forget();                // the cache, after a change of configuration
  // The house stops: no lookup, of those under way and those to come, ends later than this.
  void end_by(Moment moment);

 private:
  struct State;
  explicit UnboundResolver(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with a probe under way
};

}  // namespace goniec
