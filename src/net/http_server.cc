// See http_server.h.
#include "net/http_server.h"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/text.h"

namespace goniec {
namespace {

namespace http = boost::beast::http;

std::string_view reason_of(unsigned status) {
  const auto text = http::obsolete_reason(static_cast<http::status>(status));
  return {text.data(), text.size()};
}

std::string print(const HttpReply& reply, bool keep_alive, bool head_only) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", reply.status,
                  reason_of(reply.status), reply.content_type, reply.body.size());
  for (const auto& [name, value] : reply.headers) out += fmt::format("{}: {}\r\n", name, value);
  out += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (!head_only) out += reply.body;
  return out;
}

HttpReply error_of(unsigned status, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  reply.body = fmt::format("{{\"statusCode\":{},\"name\":\"bad_request\",\"message\":\"{}\"}}",
                           status, message);
  return reply;
}

struct Incoming {
  HttpCall call;
  bool keep_alive = false;
};

// What ended the reading of a request.
enum class End { request, closed, refused };

// Reads one request; octets after it stay in `buffer`.
class RequestReader {
 public:
  RequestReader(const HttpServerOptions& options) {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(options.header_octets));
    parser_->body_limit(options.body_octets);
    parser_->eager(true);
  }

  // Takes from `buffer`; true: a whole request. An error: the reply to give before the close.
  Result<bool> take(std::string& buffer) {
    while (!buffer.empty() && !parser_->is_done()) {
      boost::system::error_code error;
      const std::size_t used = parser_->put(boost::asio::buffer(buffer), error);
      buffer.erase(0, used);
      if (error == http::error::need_more) return false;
      if (error == http::error::body_limit) return fail(ErrorKind::bad_data, "413");
      if (error == http::error::header_limit) return fail(ErrorKind::bad_data, "431");
      if (error) return fail(ErrorKind::bad_data, "400");
      if (used == 0 && !parser_->is_done()) return false;
    }
    return parser_->is_done();
  }
  bool has_begun() const { return parser_->got_some(); }
  bool wants_continue() const {
    return parser_->is_header_done() && !parser_->is_done() &&
           equal_ignoring_case(std::string(parser_->get()[http::field::expect]), "100-continue");
  }

  Incoming finish() {
    auto& message = parser_->get();
    Incoming incoming;
    incoming.keep_alive = message.keep_alive();
    incoming.call.method = std::string(message.method_string());
    incoming.call.target = std::string(message.target());
    for (const auto& field : message)
      incoming.call.headers.emplace_back(to_lower(std::string(field.name_string())),
                                         std::string(field.value()));
    incoming.call.body = std::move(message.body());
    return incoming;
  }

 private:
  struct Parser : http::request_parser<http::string_body> {
    using http::request_parser<http::string_body>::request_parser;
    bool got_some() const { return http::request_parser<http::string_body>::got_some(); }
  };
  std::optional<Parser> parser_;
};

}  // namespace

void HttpServer::add(std::unique_ptr<Listener> listener, HttpHandler handler, Secure secure) {
  listeners_.push_back(
      std::make_unique<Open>(Open{std::move(listener), std::move(handler), std::move(secure)}));
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

namespace {

// One request from the stream, or why there is none.
Task<Result<Incoming>> read_request(Loop& loop, Stream& stream, const HttpServerOptions& options,
                                    std::string& buffer) {
  RequestReader reader(options);
  stream.set_deadline(loop.clock().moment() + options.idle);
  bool begun = false, continued = false;
  std::string chunk;
  for (;;) {
    if (CO_TRY(reader.take(buffer))) co_return reader.finish();
    if (!begun && reader.has_begun()) {
      begun = true;
      stream.set_deadline(loop.clock().moment() + options.request);
    }
    if (!continued && reader.wants_continue()) {
      continued = true;
      CO_TRY(co_await stream.write("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    CO_TRY(co_await stream.readable());  // an idle connection holds no buffer
    chunk.resize(16 * 1024);
    const std::size_t got = CO_TRY(co_await stream.read(chunk));
    if (got == 0) co_return fail(ErrorKind::closed, "end of stream");
    buffer.append(chunk, 0, got);
  }
}

}  // namespace

// The handshake, then the requests; a failed one ends the connection without a word.
Task<void> HttpServer::start(Open& open, std::unique_ptr<Stream> stream) {
  ++handshakes_;
  if (open.secure) {
    auto secured =
        co_await open.secure(std::move(stream), loop_.clock().moment() + options_.handshake);
    stream = secured ? std::move(*secured) : nullptr;
  }
  --handshakes_;
  if (stream && !stopping_) co_await serve(open.handler, std::move(stream));
  stream.reset();
  --running_;
  changed_.notify_all();
}

Task<void> HttpServer::serve(HttpHandler& handler, std::unique_ptr<Stream> stream) {
  streams_.push_back(stream.get());
  std::string buffer;
  bool keep_alive = true;
  while (keep_alive && !stopping_) {
    auto request = co_await read_request(loop_, *stream, options_, buffer);
    HttpReply reply;
    bool head_only = false;
    if (request) {
      keep_alive = request->keep_alive;
      head_only = request->call.method == "HEAD";
      request->call.remote = stream->remote();
      request->call.peer = stream->credentials();
      stream->set_deadline(Moment::max());
      reply = co_await handler(std::move(request->call));
    } else if (request.error().kind == ErrorKind::bad_data) {
      const unsigned status =
          static_cast<unsigned>(parse_unsigned(request.error().message).value_or(400));
      reply = error_of(status, "the request cannot be read: it is malformed or over a limit");
      keep_alive = false;
    } else {
      break;
    }
    stream->set_deadline(loop_.clock().moment() + options_.request);
    if (!co_await stream->write(print(reply, keep_alive, head_only))) break;
  }
  std::erase(streams_, stream.get());
}

Task<void> HttpServer::stop() {
  stopping_ = true;
  for (auto& open : listeners_) open->listener->close();
  for (Stream* stream : std::vector(streams_)) stream->close();
  while (running_ > 0) co_await changed_.wait();
}

}  // namespace goniec
