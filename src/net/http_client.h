// The HttpFetch door over Network: http://, https:// (with a client TlsContext), and
// unix:SOCKET:/path for the two sockets of the house. One connection a request; no redirect is
// followed; the reply is bounded by response_limit (bad_data, unless its body may be cut). Names
// are asked of the Resolver; a unix socket needs neither. A URL may come from a stranger's DNS:
// white space and controls in it are refused (bad_data). not_running: nobody listens behind the
// unix socket.
#pragma once
#include <functional>
#include <memory>

#include "run/world.h"

namespace goniec {

class HttpClient final : public HttpFetch {
 public:
  // `secure`: puts TLS over a connected stream (null: https is refused).
  using Secure = std::function<Task<Result<std::unique_ptr<Stream>>>(std::unique_ptr<Stream>,
                                                                     std::string host, Moment)>;
  HttpClient(Network& network, Resolver* resolver, Secure secure = {});
  ~HttpClient() override;
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment deadline) override;
  // The server ends: what is under way and what comes later ends by then, but for a connect under
  // way, which has `connect_time` of its own where a clock was given.
  void end_by(Moment moment);
  void bound_connects(Clock& clock) { clock_ = &clock; }
  static constexpr Duration connect_time = std::chrono::seconds(5);

 private:
  struct Where {
    std::string host;
    std::uint16_t port = 0;
    bool https = false, only_public = false;
  };
  struct Ending;      // http_client.cc
  class BoundStream;  // its deadline is never behind the end
  Task<Result<std::unique_ptr<Stream>>> open(Where where, Moment deadline);
  Moment sooner(Moment deadline) const;

  Network& network_;
  Resolver* resolver_;
  Secure secure_;
  Clock* clock_ = nullptr;
  std::shared_ptr<Ending> ending_;  // shared with streams, which TLS may keep for a while
};

}  // namespace goniec
