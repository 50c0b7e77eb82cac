// A Stream over a Stream. Its operations run on a shared Session, so that the stream may be closed
// or destroyed while one waits. One writer at a time feeds the plain stream; whoever makes
// ciphertext while it writes (a reader's alert, a key update) lets it carry that too.
#include "net/tls.h"

namespace goniec {
namespace {

constexpr std::size_t read_octets = 16 * 1024 + 512;  // one record and its envelope
constexpr std::size_t write_octets = 64 * 1024;       // encrypted at a time

struct Session {
  Session(std::unique_ptr<Stream> stream, std::shared_ptr<const TlsContext> context,
          TlsOptions options)
      : plain(std::move(stream)), engine(std::move(context), std::move(options)) {}
  std::unique_ptr<Stream> plain;
  TlsEngine engine;
  bool flushing = false;
  bool ended = false;  // shutdown_write was called
  Signal flushed;
};
using Shared = std::shared_ptr<Session>;

Task<Result<void>> flush(Shared session) {
  while (session->flushing) co_await session->flushed.wait();
  session->flushing = true;
  Result<void> result;
  while (result && session->engine.has_ciphertext()) {
    const std::string bytes = session->engine.take_ciphertext();
    result = co_await session->plain->write(bytes);
  }
  session->flushing = false;
  session->flushed.notify_all();
  co_return result;
}

// More ciphertext from the wire. No buffer is held while nothing comes.
Task<Result<void>> receive(Shared session) {
  CO_TRY(co_await session->plain->readable());
  const auto buffer = std::make_unique_for_overwrite<char[]>(read_octets);
  const std::size_t got = CO_TRY(co_await session->plain->read({buffer.get(), read_octets}));
  if (got == 0) {
    session->engine.feed_end();
  } else {
    session->engine.feed({buffer.get(), got});
  }
  co_return Result<void>{};
}

// What reading brought up to say (an alert, a key update) goes out, unless a writer takes it along.
Task<Result<void>> flush_unless_flushing(Shared session) {
  if (session->flushing || !session->engine.has_ciphertext()) co_return Result<void>{};
  co_return co_await flush(session);
}

Task<Result<void>> handshake(Shared session) {
  for (;;) {
    const TlsEngine::State state = session->engine.advance();
    auto sent = co_await flush(session);
    if (state == TlsEngine::State::failed) co_return std::unexpected(session->engine.error());
    if (!sent) co_return std::unexpected(std::move(sent).error());
    if (state != TlsEngine::State::handshaking) co_return Result<void>{};
    CO_TRY(co_await receive(session));
  }
}

Task<Result<void>> wait_readable(Shared session) {
  while (!session->engine.can_read()) {
    CO_TRY(co_await flush_unless_flushing(session));
    CO_TRY(co_await receive(session));
  }
  co_return Result<void>{};
}

Task<Result<std::size_t>> read_some(Shared session, std::span<char> into) {
  for (;;) {
    auto got = session->engine.read(into);
    if (session->engine.has_ciphertext()) {
      auto sent = co_await flush_unless_flushing(session);
      if (got && !sent) co_return std::unexpected(std::move(sent).error());
    }
    if (!got || *got > 0 || into.empty()) co_return got;
    if (session->engine.state() == TlsEngine::State::closed) co_return std::size_t{0};
    CO_TRY(co_await receive(session));
  }
}

Task<Result<void>> write_all(Shared session, std::string_view bytes) {
  if (session->ended) co_return fail(ErrorKind::closed, "TLS: this side has ended");
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, write_octets);
    CO_TRY(session->engine.write(piece));
    CO_TRY(co_await flush(session));
    bytes.remove_prefix(piece.size());
  }
  co_return Result<void>{};
}

Task<> say_goodbye(Shared session) {
  auto sent = co_await flush(session);
  if (sent) session->plain->shutdown_write();
}

void end_writing(const Shared& session) {
  if (std::exchange(session->ended, true)) return;
  session->engine.close_notify();
  spawn(say_goodbye(session));
}

class TlsStreamOverStream final : public TlsStream {
 public:
  explicit TlsStreamOverStream(Shared session) : session_(std::move(session)) {}
  ~TlsStreamOverStream() override { close(); }
  TlsStreamOverStream(const TlsStreamOverStream&) = delete;
  TlsStreamOverStream& operator=(const TlsStreamOverStream&) = delete;

  Task<Result<void>> readable() override { return wait_readable(session_); }
  Task<Result<std::size_t>> read(std::span<char> into) override {
    return read_some(session_, into);
  }
  Task<Result<void>> write(std::string_view bytes) override { return write_all(session_, bytes); }
  void set_deadline(Moment deadline) override { session_->plain->set_deadline(deadline); }
  void shutdown_write() override { end_writing(session_); }
  // Best effort: what the socket takes at once of a close_notify still goes out.
  void close() override {
    end_writing(session_);
    session_->plain->close();
  }
  Endpoint local() const override { return session_->plain->local(); }
  Endpoint remote() const override { return session_->plain->remote(); }
  std::optional<PeerCredentials> credentials() const override {
    return session_->plain->credentials();
  }
  TlsFacts facts() const override { return session_->engine.facts(); }
  std::string negotiated_protocol() const override {
    return session_->engine.negotiated_protocol();
  }
  std::vector<std::string> peer_chain() const override { return session_->engine.peer_chain(); }
  std::string channel_binding() const override { return session_->engine.channel_binding(); }

 private:
  Shared session_;
};

Task<Result<std::unique_ptr<TlsStream>>> start(std::unique_ptr<Stream> plain,
                                               std::shared_ptr<const TlsContext> context,
                                               TlsOptions options, Moment deadline) {
  auto session =
      std::make_shared<Session>(std::move(plain), std::move(context), std::move(options));
  session->plain->set_deadline(deadline);
  auto done = co_await handshake(session);
  if (!done) {
    session->plain->close();
    co_return std::unexpected(std::move(done).error());
  }
  co_return std::make_unique<TlsStreamOverStream>(std::move(session));
}

}  // namespace

Task<Result<std::unique_ptr<TlsStream>>> start_tls_server(std::unique_ptr<Stream> plain,
                                                          std::shared_ptr<const TlsContext> context,
                                                          TlsOptions options, Moment deadline) {
  return start(std::move(plain), std::move(context), std::move(options), deadline);
}

Task<Result<std::unique_ptr<TlsStream>>> start_tls_client(std::unique_ptr<Stream> plain,
                                                          std::shared_ptr<const TlsContext> context,
                                                          TlsOptions options, Moment deadline) {
  return start(std::move(plain), std::move(context), std::move(options), deadline);
}

}  // namespace goniec
