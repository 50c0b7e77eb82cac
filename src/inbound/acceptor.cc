// See acceptor.h.
#include "inbound/acceptor.h"

#include "inbound/log_lines.h"

namespace goniec {

void Acceptor::add(std::unique_ptr<Listener> listener, ListenerOptions options) {
  listeners_.push_back(std::make_unique<Open>(Open{std::move(listener), std::move(options)}));
  ++loops_;
  spawn(accept_loop(*listeners_.back()));
}

Task<void> Acceptor::accept_loop(Open& open) {
  Loop& loop = parts_.world.loop;
  while (!stopping_) {
    auto stream = co_await open.listener->accept();
    if (stream) {
      spawn(serve(open.options, std::move(*stream)));
      continue;
    }
    if (stopping_ || stream.error().kind == ErrorKind::closed) break;
    // Out of file descriptors, or the peer was gone already: breathe, go on.
    LogRecord record;
    record.at = loop.clock().now();
    record.level = LogLevel::warning;
    record.event = "listener.accept_failed";
    record.program = smtpd_program(open.options.kind);
    record.text = "warning: accept failed: " + stream.error().message;
    parts_.log.write(std::move(record));
    co_await loop.sleep(std::chrono::milliseconds(100));
  }
  --loops_;
  changed_.notify_all();
}

Task<void> Acceptor::serve(ListenerOptions options, std::unique_ptr<Stream> stream) {
  SmtpSession session(parts_, std::move(options), std::move(stream));
  sessions_.insert(&session);
  if (stopping_) session.shut_down();
  co_await session.run();
  sessions_.erase(&session);
  changed_.notify_all();
}

Task<void> Acceptor::stop(Moment deadline) {
  stopping_ = true;
  for (auto& open : listeners_) open->listener->close();
  for (SmtpSession* session : std::vector(sessions_.begin(), sessions_.end())) session->shut_down();
  Loop& loop = parts_.world.loop;
  loop.at(deadline, [this] { changed_.notify_all(); });
  while ((loops_ > 0 || !sessions_.empty()) && loop.clock().moment() < deadline)
    co_await changed_.wait();
  for (SmtpSession* session : std::vector(sessions_.begin(), sessions_.end())) session->abort();
  while (loops_ > 0 || !sessions_.empty()) co_await changed_.wait();
}

}  // namespace goniec
