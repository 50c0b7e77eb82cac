// HTTP/1.1 over a Stream: Beast's parser, our own loop. One request at a time a connection,
// keep-alive. Limits: header 16 KiB (431), body (413), a request must be complete by `request`
// after its first octet (408), an idle connection is closed after `idle`. A handler gives a whole
// reply; the reply of a GET may be cut short by HEAD. Refuses: HTTP/2, upgrades, trailers, chunked
// requests over the limit.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "run/world.h"

namespace goniec {

struct HttpCall {
  std::string method;                                        // "GET"
  std::string target;                                        // as sent: "/api/v1/queue?to=x"
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  Endpoint remote;
  std::optional<PeerCredentials> peer;  // unix sockets
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

using HttpHandler = std::function<Task<HttpReply>(HttpCall)>;

struct HttpServerOptions {
  std::size_t header_octets = 16 * 1024;
  std::uint64_t body_octets = 64u << 20;
  Duration handshake = std::chrono::seconds(5);  // of TLS; also what stop() may wait for
  Duration request = std::chrono::seconds(60);
  Duration idle = std::chrono::seconds(60);
  std::size_t connections = 1000;
};

// The accept loops and connections of one shard.
class HttpServer {
 public:
  // Puts TLS over an accepted stream (https), by a deadline.
  using Secure =
      std::function<Task<Result<std::unique_ptr<Stream>>>(std::unique_ptr<Stream>, Moment)>;
  HttpServer(Loop& loop, HttpServerOptions options) : loop_(loop), options_(options) {}
  void add(std::unique_ptr<Listener> listener, HttpHandler handler, Secure secure = {});
  Task<void> stop();  // closes listeners and connections; ends when all handlers ended

 private:
  struct Open {
    std::unique_ptr<Listener> listener;
    HttpHandler handler;
    Secure secure;
  };
  Task<void> accept_loop(Open& open);
  Task<void> start(Open& open, std::unique_ptr<Stream> stream);
  Task<void> serve(HttpHandler& handler, std::unique_ptr<Stream> stream);

  Loop& loop_;
  HttpServerOptions options_;
  std::vector<std::unique_ptr<Open>> listeners_;
  std::vector<Stream*> streams_;
  std::size_t running_ = 0, handshakes_ = 0;
  bool stopping_ = false;
  Signal changed_;
};

}  // namespace goniec
