// See pop3_acceptor.h.
#include "reading/pop3_acceptor.h"

namespace goniec {

void Pop3Acceptor::add(std::unique_ptr<Listener> listener, Pop3Listener options) {
  listeners_.push_back(std::make_unique<Open>(Open{std::move(listener), std::move(options)}));
  ++loops_;
  spawn(accept_loop(*listeners_.back()));
}

Task<void> Pop3Acceptor::accept_loop(Open& open) {
  Loop& loop = parts_.world.loop;
  const std::shared_ptr<Signal> changed = changed_;
  while (!stopping_) {
    auto stream = co_await open.listener->accept();
    if (stream) {
      spawn(serve(open.options, std::move(*stream)));
      continue;
    }
    if (stopping_ || stream.error().kind == ErrorKind::closed) break;
    // Out of file descriptors, or the peer was gone already: breathe, go on.
    LogRecord record{loop.clock().now(), LogLevel::warning, "listener.accept_failed", "pop3"};
    record.text = "Warning: accept failed: " + stream.error().message;
    parts_.log.write(std::move(record));
    co_await loop.sleep(std::chrono::milliseconds(100));
  }
  --loops_;
  changed->notify_all();
}

Task<void> Pop3Acceptor::serve(Pop3Listener options, std::unique_ptr<Stream> stream) {
  const std::shared_ptr<Signal> changed = changed_;
  {
    Pop3Session session(parts_, std::move(options), std::move(stream));
    sessions_.insert(&session);
    if (stopping_) session.shut_down();
    co_await session.run();
    sessions_.erase(&session);
  }
  changed->notify_all();
}

Task<void> Pop3Acceptor::stop(Moment deadline) {
  stopping_ = true;
  Loop& loop = parts_.world.loop;
  for (auto& open : listeners_) open->listener->close();
  for (Pop3Session* session : std::vector(sessions_.begin(), sessions_.end())) session->shut_down();
  loop.at(deadline, [changed = changed_] { changed->notify_all(); });
  while ((loops_ > 0 || !sessions_.empty()) && loop.clock().moment() < deadline)
    co_await changed_->wait();
  for (Pop3Session* session : std::vector(sessions_.begin(), sessions_.end())) session->abort();
  while (loops_ > 0 || !sessions_.empty()) co_await changed_->wait();
}

}  // namespace goniec
