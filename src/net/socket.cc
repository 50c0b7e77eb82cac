// The watchdog is a Timer armed at or before the deadline: a deadline that moves later is only a
// store, and the timer finds out when it fires.
#include "net/socket.h"

#include <unistd.h>

namespace goniec {

std::optional<Error> Socket::failure() const {
  if (timed_out_) return Error{ErrorKind::timed_out, "the time for this step is over", 0};
  if (fd_ < 0) return Error{ErrorKind::closed, "the connection is closed", 0};
  if (!descriptor_.is_watched())
    return Error{ErrorKind::try_later, "the kernel watches no more descriptors", 0};
  return std::nullopt;
}

void Socket::close() {
  if (is_armed()) shard_.disarm(*this);
  if (fd_ < 0) return;
  descriptor_.forget();
  ::close(std::exchange(fd_, -1));
}

void Socket::set_deadline(Moment deadline) {
  if (fd_ < 0) return;
  deadline_ = deadline;
  timed_out_ = false;
  if (deadline == Moment::max()) return;
  if (!is_armed() || deadline < when()) shard_.arm(*this, deadline);
}

void Socket::fire() {
  if (deadline_ == Moment::max()) return;
  if (shard_.clock().moment() < deadline_) {
    shard_.arm(*this, deadline_);
    return;
  }
  timed_out_ = true;
  descriptor_.wake();
}

}  // namespace goniec
