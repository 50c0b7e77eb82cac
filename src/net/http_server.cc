// See http_server.h.
#include "net/http_server.h"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/text.h"
#include "net/proxied_stream.h"

namespace goniec {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t read_octets = 16 * 1024;
constexpr std::size_t joined_octets = 16 * 1024;  // of a body that goes out with its header
// What is still read after a refusal, so that the refusal is not lost to what the peer sends.
constexpr Duration linger = std::chrono::seconds(2);
constexpr std::size_t linger_octets = 16u << 20;

std::string_view reason_of(unsigned status) {
  const auto text = http::obsolete_reason(static_cast<http::status>(status));
  return {text.data(), text.size()};
}

bool holds(const std::vector<IpNetwork>& networks, const Endpoint& from) {
  return std::ranges::any_of(
      networks, [&from](const IpNetwork& network) { return network.contains(from.address); });
}

enum class After { keep, close };

// The header, with the body behind it when that is small.
std::string print(const HttpReply& reply, After after, bool with_body) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", reply.status,
                                reason_of(reply.status), reply.content_type);
  if (!reply.stream) out += fmt::format("Content-Length: {}\r\n", reply.body.size());
  for (const auto& [name, value] : reply.headers) out += fmt::format("{}: {}\r\n", name, value);
  out += after == After::keep ? "\r\n" : "Connection: close\r\n\r\n";
  if (with_body) out += reply.body;
  return out;
}

HttpReply error_of(unsigned status, std::string_view name, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  reply.body = fmt::format("{{\"statusCode\":{},\"name\":\"{}\",\"message\":\"{}\"}}", status, name,
                           message);
  return reply;
}

HttpReply refusal_of(unsigned status) {
  switch (status) {
    case 408:
      return error_of(408, "application_error", "the request came too slowly");
    case 413:
      return error_of(413, "validation_error", "the body is over the limit");
    case 431:
      return error_of(431, "validation_error", "the header is over the limit of 16 KiB");
    case 503: {
      auto reply = error_of(503, "application_error", "no room for so large a request now");
      reply.headers.emplace_back("Retry-After", "5");
      return reply;
    }
    default:
      return error_of(400, "validation_error", "the request is malformed");
  }
}

// Reads one request; octets after it stay in the buffer.
class RequestReader {
 public:
  RequestReader(const HttpServerOptions& options) {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(options.header_octets));
    // Of any screen; what this call may have is looked at in limit_body().
    parser_->body_limit(boost::none);
  }

  // Takes from `buffer` up to the end of the header, then up to the end of the body. An error is
  // the status of the refusal.
  std::expected<void, unsigned> take(std::string& buffer) {
    const bool in_body = parser_->is_header_done();
    while (!buffer.empty() && !parser_->is_done()) {
      boost::system::error_code error;
      const std::size_t used = parser_->put(boost::asio::buffer(buffer), error);
      buffer.erase(0, used);
      if (error == http::error::need_more) return {};
      if (error == http::error::body_limit) return std::unexpected(413u);
      if (error == http::error::header_limit) return std::unexpected(431u);
      if (error) return std::unexpected(400u);
      if (!in_body && parser_->is_header_done()) return {};
      if (used == 0) return {};
    }
    return {};
  }
  bool has_begun() const { return parser_->got_some(); }
  bool has_header() const { return parser_->is_header_done(); }
  bool is_done() const { return parser_->is_done(); }
  std::size_t body_octets() const { return parser_->get().body().size(); }

  // From the header on.
  std::expected<void, unsigned> limit_body(std::uint64_t octets) {
    const auto announced = parser_->content_length();
    if (announced && *announced > octets) return std::unexpected(413u);
    parser_->body_limit(octets);
    parser_->eager(true);
    return {};
  }
  bool wants_continue() const {
    return !parser_->is_done() &&
           equal_ignoring_case(std::string(parser_->get()[http::field::expect]), "100-continue");
  }

  HttpCall head() const {
    const auto& message = parser_->get();
    HttpCall call;
    call.method = std::string(message.method_string());
    call.target = std::string(message.target());
    for (const auto& field : message)
      call.headers.emplace_back(to_lower(std::string(field.name_string())),
                                std::string(field.value()));
    return call;
  }
  After after() const { return parser_->get().keep_alive() ? After::keep : After::close; }
  std::string take_body() { return std::move(parser_->get().body()); }

 private:
  struct Parser : http::request_parser<http::string_body> {
    using http::request_parser<http::string_body>::request_parser;
    bool got_some() const { return http::request_parser<http::string_body>::got_some(); }
  };
  std::optional<Parser> parser_;
};

// A request, a refusal to give before the close, or nothing: the connection is over.
struct Incoming {
  std::optional<HttpCall> call;
  std::optional<HttpReply> refusal;
  After after = After::close;
};

// The reading of one request from a connection.
struct Reading {
  Loop& loop;
  Stream& stream;
  const HttpServerOptions& options;
  const HttpScreen& screen;
  HttpVisit* visit;
  bool secure;
  std::string& buffer;

  Duration earned(std::uint64_t octets) const {
    return std::chrono::seconds(octets / std::max<std::uint64_t>(options.minimum_rate, 1));
  }
  // More octets in the buffer; an error of timed_out is a 408 when a request had begun.
  Task<Result<void>> more() {
    CO_TRY(co_await stream.readable());  // an idle connection holds no buffer
    std::string chunk(read_octets, '\0');
    const std::size_t got = CO_TRY(co_await stream.read(chunk));
    if (got == 0) co_return fail(ErrorKind::closed, "end of stream");
    buffer.append(chunk, 0, got);
    co_return Result<void>();
  }
  Task<Incoming> run();
  Task<std::expected<void, unsigned>> read_header(RequestReader& reader);
  Task<std::expected<void, unsigned>> read_body(RequestReader& reader);
};

constexpr unsigned connection_over = 0;

Task<std::expected<void, unsigned>> Reading::read_header(RequestReader& reader) {
  stream.set_deadline(loop.clock().moment() + options.idle);
  bool begun = false;
  for (;;) {
    if (auto taken = reader.take(buffer); !taken) co_return std::unexpected(taken.error());
    if (reader.has_header()) co_return std::expected<void, unsigned>();
    if (!begun && reader.has_begun()) {
      begun = true;
      stream.set_deadline(loop.clock().moment() + options.header);
    }
    if (auto came = co_await more(); !came)
      co_return std::unexpected(
          begun && came.error().kind == ErrorKind::timed_out ? 408u : connection_over);
  }
}

Task<std::expected<void, unsigned>> Reading::read_body(RequestReader& reader) {
  const Moment started = loop.clock().moment();
  if (reader.wants_continue() && !co_await stream.write("HTTP/1.1 100 Continue\r\n\r\n"))
    co_return std::unexpected(connection_over);
  for (;;) {
    if (auto taken = reader.take(buffer); !taken) co_return std::unexpected(taken.error());
    if (visit && !visit->cover(reader.body_octets())) co_return std::unexpected(503u);
    if (reader.is_done()) co_return std::expected<void, unsigned>();
    stream.set_deadline(started + options.idle + earned(reader.body_octets()));
    if (auto came = co_await more(); !came)
      co_return std::unexpected(came.error().kind == ErrorKind::timed_out ? 408u : connection_over);
  }
}

Task<Incoming> Reading::run() {
  RequestReader reader(options);
  const auto refused = [](unsigned status) {
    return status == connection_over ? Incoming{} : Incoming{{}, refusal_of(status), After::close};
  };
  if (auto read = co_await read_header(reader); !read) co_return refused(read.error());
  HttpCall call = reader.head();
  call.remote = stream.remote();
  call.secure = secure;
  call.peer = stream.credentials();
  std::uint64_t allowed = options.body_octets;
  if (screen) {
    HttpScreening screened = screen(call);
    if (screened.refusal) {
      // Of a request without a body the connection can go on.
      const bool whole = reader.is_done();
      co_return Incoming{{}, std::move(screened.refusal), whole ? reader.after() : After::close};
    }
    allowed = screened.body_octets;
    if (screened.known && visit) visit->welcome();
  }
  if (auto limited = reader.limit_body(allowed); !limited) co_return refused(limited.error());
  if (auto read = co_await read_body(reader); !read) co_return refused(read.error());
  call.body = reader.take_body();
  co_return Incoming{std::move(call), {}, reader.after()};
}

Task<void> linger_at(Loop& loop, Stream& stream) {
  stream.shutdown_write();
  stream.set_deadline(loop.clock().moment() + linger);
  std::string chunk(read_octets, '\0');
  for (std::size_t read = 0; read < linger_octets;) {
    const auto got = co_await stream.read(chunk);
    if (!got || *got == 0) co_return;
    read += *got;
  }
}

class StreamSink final : public HttpSink {
 public:
  StreamSink(Loop& loop, Stream& stream, Duration patience)
      : loop_(loop), stream_(stream), patience_(patience) {}
  Task<Result<void>> write(std::string_view octets) override {
    stream_.set_deadline(loop_.clock().moment() + patience_);
    co_return co_await stream_.write(octets);
  }

 private:
  Loop& loop_;
  Stream& stream_;
  Duration patience_;
};

}  // namespace

void HttpServer::add(std::unique_ptr<Listener> listener, Door door) {
  listeners_.push_back(std::make_unique<Open>(Open{std::move(listener), std::move(door)}));
  ++running_;
  spawn(accept_loop(*listeners_.back()));
}

Task<void> HttpServer::accept_loop(Open& open) {
  while (!stopping_) {
    auto stream = co_await open.listener->accept();
    if (stream) {
      if (streams_.size() + handshakes_ >= options_.connections) continue;  // the stream closes
      ++running_;
      spawn(start(open, std::move(*stream)));
    } else if (stopping_ || stream.error().kind == ErrorKind::closed) {
      break;
    } else {
      co_await loop_.sleep(std::chrono::milliseconds(100));
    }
  }
  --running_;
  changed_.notify_all();
}

// A place, the handshake, then the requests; a failed handshake ends the connection without a word.
Task<void> HttpServer::start(Open& open, std::unique_ptr<Stream> stream) {
  ++handshakes_;
  const bool on_the_net = stream->remote().port != 0;
  if (on_the_net && holds(open.door.proxy_from, stream->remote())) {
    auto told =
        co_await take_proxy_header(std::move(stream), loop_.clock().moment() + options_.handshake);
    stream = told ? std::move(*told) : nullptr;
  }
  std::unique_ptr<HttpVisit> visit;
  if (stream && options_.visit && on_the_net) {
    Endpoint from = stream->remote();
    if (holds(open.door.proxies, from)) from.address = IpAddress();
    visit = options_.visit(from);
    if (!visit && !open.door.secure) {
      stream->set_deadline(loop_.clock().moment() + options_.handshake);
      (void)co_await stream->write(
          print(error_of(429, "rate_limit_exceeded", "too many connections from this address"),
                After::close, true));
    }
    if (!visit) stream = nullptr;
  }
  if (stream && open.door.secure) {
    auto secured =
        co_await open.door.secure(std::move(stream), loop_.clock().moment() + options_.handshake);
    stream = secured ? std::move(*secured) : nullptr;
  }
  --handshakes_;
  if (stream && !stopping_) co_await serve(open.door, std::move(stream), visit.get());
  stream.reset();
  visit.reset();
  --running_;
  changed_.notify_all();
}

Task<void> HttpServer::serve(const Door& door, std::unique_ptr<Stream> stream, HttpVisit* visit) {
  streams_.push_back(stream.get());
  std::string buffer;
  auto after = After::keep;
  bool refused = false;
  while (after == After::keep && !stopping_) {
    Reading reading{loop_, *stream, options_, door.screen, visit, bool(door.secure), buffer};
    Incoming incoming = co_await reading.run();
    if (!incoming.call && !incoming.refusal) break;
    after = incoming.after;
    refused = incoming.refusal.has_value();
    HttpReply reply;
    bool head_only = false;
    if (incoming.call) {
      head_only = incoming.call->method == "HEAD";
      stream->set_deadline(Moment::max());
      reply = co_await door.handler(*std::move(incoming.call));
    } else {
      reply = *std::move(incoming.refusal);
    }
    if (visit) (void)visit->cover(0);
    if (reply.stream) after = After::close;
    const bool body = !head_only && !reply.stream;
    const bool joined = body && reply.body.size() <= joined_octets;
    const std::string text = print(reply, after, joined);
    stream->set_deadline(loop_.clock().moment() + options_.idle +
                         reading.earned(reply.body.size()));
    if (!co_await stream->write(text)) break;
    if (body && !joined && !co_await stream->write(reply.body)) break;
    if (reply.stream && !head_only) {
      StreamSink sink(loop_, *stream, options_.idle);
      co_await reply.stream(sink);
    }
  }
  if (refused && !stopping_) co_await linger_at(loop_, *stream);
  std::erase(streams_, stream.get());
}

Task<void> HttpServer::stop() {
  stopping_ = true;
  for (auto& open : listeners_) open->listener->close();
  for (Stream* stream : std::vector(streams_)) stream->close();
  while (running_ > 0) co_await changed_.wait();
}

}  // namespace goniec
