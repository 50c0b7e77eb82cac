// See proxied_stream.h.
#include "net/proxied_stream.h"

#include <utility>

#include "proto/proxy.h"

namespace goniec {
namespace {

class ProxiedStream final : public Stream {
 public:
  ProxiedStream(std::unique_ptr<Stream> under, Endpoint local, Endpoint remote)
      : under_(std::move(under)), local_(local), remote_(remote) {}
  Task<Result<void>> readable() override { return under_->readable(); }
  Task<Result<std::size_t>> read(std::span<char> into) override { return under_->read(into); }
  Task<Result<void>> write(std::string_view bytes) override { return under_->write(bytes); }
  void set_deadline(Moment deadline) override { under_->set_deadline(deadline); }
  void shutdown_write() override { under_->shutdown_write(); }
  void close() override { under_->close(); }
  Endpoint local() const override { return local_; }
  Endpoint remote() const override { return remote_; }

 private:
  std::unique_ptr<Stream> under_;
  Endpoint local_, remote_;
};

}  // namespace

Task<Result<std::unique_ptr<Stream>>> take_proxy_header(std::unique_ptr<Stream> stream,
                                                        Moment deadline) {
  ProxyParser parser;
  stream->set_deadline(deadline);
  auto state = ProxyParser::State::more;
  while (state == ProxyParser::State::more) {
    char octet = 0;
    const std::size_t got = CO_TRY(co_await stream->read(std::span<char>(&octet, 1)));
    if (got == 0) co_return fail(ErrorKind::closed, "it ended before its PROXY header did");
    state = parser.receive(std::string_view(&octet, 1)).state;
  }
  if (state == ProxyParser::State::refused)
    co_return fail(ErrorKind::bad_data, "PROXY header refused: " + parser.reason());
  const ProxyHeader& header = parser.header();
  if (!header.source || !header.destination) co_return std::move(stream);
  co_return std::make_unique<ProxiedStream>(std::move(stream), *header.destination, *header.source);
}

}  // namespace goniec
