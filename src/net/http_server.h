// HTTP/1.1 over a Stream: Beast's parser, our own loop. One request at a time a connection,
// keep-alive. A handler gives a whole reply, or a stream of it that ends with the connection; the
// reply of a GET may be cut short by HEAD. Refuses: HTTP/2, upgrades, trailers.
//
//   accept -> visit (a place, or 429) -> TLS -> header -> screen -> body -> handler -> reply
//
// Limits are those of SMTP, in the words of HTTP:
//   header            16 KiB                                                    431
//   header is slow    whole `header` after its first octet                      408
//   body              what the screen allows this call, or `body_octets`        413
//   body is slow      `idle`, and a second more for each `minimum_rate` octets  408
//   body, memory      the visit covers what is held, or 503 with Retry-After
//   reply is slow     as a body; then the connection is closed
//   idle              between requests, closed without a word
// The screen sees the header before the body is read, so that a stranger's body is never held: a
// refusal is given at once and the connection closed.
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
  bool secure = false;                  // came over TLS
  std::optional<PeerCredentials> peer;  // unix sockets
};

// Where a streamed reply goes.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  virtual Task<Result<void>> write(std::string_view octets) = 0;  // an error: nobody reads any more
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Instead of a body: called once the header is out; the connection ends with it. It must end soon
  // after a write failed; the server waits for it when it stops.
  std::function<Task<void>(HttpSink& sink)> stream = {};
};

using HttpHandler = std::function<Task<HttpReply>(HttpCall)>;

struct HttpScreening {
  std::optional<HttpReply> refusal;
  std::uint64_t body_octets = 0;  // that this call may have
  bool known = false;             // by a key: the visitor is no stranger any more
};
using HttpScreen = std::function<HttpScreening(const HttpCall& without_body)>;

// What one connection is lent: its place, and room for bodies. Given back when it goes.
class HttpVisit {
 public:
  virtual ~HttpVisit() = default;
  virtual bool cover(std::size_t body_octets) = 0;  // held from now on; false: there is no room
  virtual void welcome() = 0;                       // known now
};

struct HttpServerOptions {
  std::size_t header_octets = 16 * 1024;
  std::uint64_t body_octets = 64u << 20;         // where no screen says otherwise
  Duration handshake = std::chrono::seconds(5);  // of TLS; also what stop() may wait for
  Duration header = std::chrono::seconds(30);
  Duration idle = std::chrono::seconds(60);
  std::uint64_t minimum_rate = 1000;  // octets a second
  std::size_t connections = 1000;
  // Null: everybody is let in. It gives null: 429. Unix sockets are not asked about. Of a door's
  // `proxies` the address is none.
  std::function<std::unique_ptr<HttpVisit>(const Endpoint& remote)> visit = {};
};

// The accept loops and connections of one shard.
class HttpServer {
 public:
  // Puts TLS over an accepted stream (https), by a deadline.
  using Secure =
      std::function<Task<Result<std::unique_ptr<Stream>>>(std::unique_ptr<Stream>, Moment)>;
  struct Door {
    HttpHandler handler;
    HttpScreen screen = {};
    Secure secure = {};
    std::vector<IpNetwork> proxy_from = {};  // the PROXY protocol is required from these
    std::vector<IpNetwork> proxies = {};     // that speak for many, and are not counted as one
  };
  HttpServer(Loop& loop, HttpServerOptions options) : loop_(loop), options_(std::move(options)) {}
  void add(std::unique_ptr<Listener> listener, Door door);
  Task<void> stop();  // closes listeners and connections; ends when all handlers ended

 private:
  struct Open {
    std::unique_ptr<Listener> listener;
    Door door;
  };
  Task<void> accept_loop(Open& open);
  Task<void> start(Open& open, std::unique_ptr<Stream> stream);
  Task<void> serve(const Door& door, std::unique_ptr<Stream> stream, HttpVisit* visit);

  Loop& loop_;
  HttpServerOptions options_;
  std::vector<std::unique_ptr<Open>> listeners_;
  std::vector<Stream*> streams_;
  std::size_t running_ = 0, handshakes_ = 0;
  bool stopping_ = false;
  Signal changed_;
};

}  // namespace goniec
