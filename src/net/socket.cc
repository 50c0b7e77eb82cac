// Readiness by Asio's reactor; the watchdog is a Timer armed at or before the deadline: a deadline
// that moves later is only a store, and the timer finds out when it fires.
#include "net/socket.h"

namespace goniec {

void Socket::Wait::await_suspend(std::coroutine_handle<> waiter) {
  const auto kind = ready == Ready::to_read ? boost::asio::posix::descriptor_base::wait_read
                                            : boost::asio::posix::descriptor_base::wait_write;
  socket.descriptor_.async_wait(kind,
                                [waiter](const boost::system::error_code&) { waiter.resume(); });
}

std::optional<Error> Socket::failure() const {
  if (timed_out_) return Error{ErrorKind::timed_out, "the time for this step is over", 0};
  if (fd_ < 0) return Error{ErrorKind::closed, "the connection is closed", 0};
  return std::nullopt;
}

void Socket::close() {
  if (is_armed()) shard_.disarm(*this);
  if (fd_ < 0) return;
  fd_ = -1;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
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
  boost::system::error_code ignored;
  descriptor_.cancel(ignored);
}

}  // namespace goniec
