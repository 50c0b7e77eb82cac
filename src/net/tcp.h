// The true Network door: TCP and unix sockets of one Shard. The reactor only says when a socket is
// ready; every call is tried at once, and no buffer of ours is held while a session is idle.
//
// It promises: TCP_NODELAY; IPv6 listeners are IPV6_V6ONLY, so that [::]:p and 0.0.0.0:p stand side
// by side; a stream closed, destroyed or past its deadline with an operation pending ends that
// operation with `closed` or `timed_out`; moving a deadline later costs nothing. A peer that floods
// is read in turns, not first.
//
// Errors: connect gives `io` with system_errno (ECONNREFUSED, ENETUNREACH…), `timed_out`, for a
// unix path `not_running` when nobody listens; accept gives try_later when file descriptors ran out
// (wait, then call again) and `closed` after close(); a reset is `closed`.
#pragma once
#include "run/shard.h"
#include "run/world.h"

namespace goniec {

class SystemNetwork final : public Network {
 public:
  explicit SystemNetwork(Shard& shard) : shard_(shard) {}
  Result<std::unique_ptr<Listener>> listen(ListenOptions options) override;
  // A stale socket file is replaced; one that answers is a `conflict`. The file appears with its
  // mode.
  Result<std::unique_ptr<Listener>> listen_unix(std::string path, unsigned mode) override;
  Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, std::optional<IpAddress> from,
                                                Moment deadline) override;
  Task<Result<std::unique_ptr<Stream>>> connect_unix(std::string path, Moment deadline) override;

 private:
  Shard& shard_;
};

}  // namespace goniec
