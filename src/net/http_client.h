// The HttpFetch door over Network: http://, https:// (with a client TlsContext), and
// unix:SOCKET:/path for the two sockets of the house. One connection a request; no redirect is
// followed; the reply is bounded by response_limit (bad_data). Names are asked of the Resolver; a
// unix socket needs neither. not_running: nobody listens behind the unix socket.
#pragma once
#include <functional>

#include "run/world.h"

namespace goniec {

class HttpClient final : public HttpFetch {
 public:
  // `secure`: puts TLS over a connected stream (null: https is refused).
  using Secure = std::function<Task<Result<std::unique_ptr<Stream>>>(std::unique_ptr<Stream>,
                                                                     std::string host, Moment)>;
  HttpClient(Network& network, Resolver* resolver, Secure secure = {})
      : network_(network), resolver_(resolver), secure_(std::move(secure)) {}
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment deadline) override;

 private:
  struct Where {
    std::string host;
    std::uint16_t port = 0;
    bool https = false, only_public = false;
  };
  Task<Result<std::unique_ptr<Stream>>> open(Where where, Moment deadline);

  Network& network_;
  Resolver* resolver_;
  Secure secure_;
};

}  // namespace goniec
