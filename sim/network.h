// A false network in memory: listeners by endpoint and unix path, streams with latency, partial
// reads, a bounded window, resets, and hosts that refuse, are unreachable or never answer. All of
// it follows the loop's virtual time and one seed.
//
// Streams keep the contract of run/world.h: deadlines, `closed` for what waits when a stream is
// closed or destroyed, 0 at the peer's end, `closed` after a reset (unread bytes are lost, as TCP
// loses them).
#pragma once
#include <map>
#include <set>

#include "sim/world.h"

namespace goniec {

struct SimNetworkOptions {
  Duration shortest = std::chrono::microseconds(100);  // one way; each write takes its own time,
  Duration longest = std::chrono::milliseconds(2);     // never overtaking an earlier one
  std::size_t window = 64 * 1024;      // octets on the way or unread; beyond, a writer waits
  bool partial_reads = true;           // a read gives 1 octet up to all that is there
  std::uint64_t resets_a_million = 0;  // chance of a reset a write
};

class SimNetwork final : public Network {
 public:
  SimNetwork(SimLoop& loop, std::uint64_t seed, SimNetworkOptions options = {});
  ~SimNetwork() override;

  Result<std::unique_ptr<Listener>> listen(ListenOptions options) override;
  Result<std::unique_ptr<Listener>> listen_unix(std::string path, unsigned mode) override;
  Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, std::optional<IpAddress> from,
                                                Moment deadline) override;
  Task<Result<std::unique_ptr<Stream>>> connect_unix(std::string path, Moment deadline) override;

  void set_options(SimNetworkOptions options);
  void set_unreachable(const IpAddress& host, bool unreachable = true);  // ENETUNREACH at once
  void set_silent(const IpAddress& host,
                  bool silent = true);  // packets vanish: only deadlines end it
  void reset_all();                     // every stream, now
  PeerCredentials credentials;          // of those who call over unix sockets
  std::size_t connects = 0;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace goniec
