// See http_client.h.
#include "net/http_client.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace goniec {
namespace {

namespace http = boost::beast::http;

struct Target {
  std::string socket;  // unix socket path; else:
  std::string host;
  std::uint16_t port = 80;
  bool https = false;
  std::string path = "/";
};

Result<Target> parse_url(std::string_view url) {
  Target target;
  if (url.starts_with("unix:")) {
    url.remove_prefix(5);
    const std::size_t colon = url.find(':');
    if (colon == std::string_view::npos)
      return fail(ErrorKind::bad_data, "a unix URL is unix:SOCKET:/path");
    target.socket = url.substr(0, colon);
    target.host = "localhost";
    target.path = url.substr(colon + 1);
    return target;
  }
  const bool plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain) return fail(ErrorKind::bad_data, "the URL holds what no URL may (RFC 3986 §2)");
  if (starts_with_ignoring_case(url, "https://")) {
    target.https = true;
    target.port = 443;
    url.remove_prefix(8);
  } else if (starts_with_ignoring_case(url, "http://")) {
    url.remove_prefix(7);
  } else {
    return fail(ErrorKind::bad_data,
                fmt::format("'{}' is neither http:// nor https://", printable(url)));
  }
  url = url.substr(0, url.find('#'));
  const std::size_t path = url.find_first_of("/?");
  std::string_view authority = url.substr(0, path);
  if (path != std::string_view::npos) target.path = url.substr(path);
  if (target.path.starts_with('?')) target.path.insert(0, 1, '/');
  if (authority.contains('@'))
    return fail(ErrorKind::bad_data, "a URL with a name of a user is not taken");
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto port = parse_unsigned(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535)
      return fail(ErrorKind::bad_data, "the URL's port is not a port");
    target.port = static_cast<std::uint16_t>(*port);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']'))
    authority = authority.substr(1, authority.size() - 2);
  if (authority.empty()) return fail(ErrorKind::bad_data, "the URL names no host");
  target.host = authority;
  return target;
}

std::string print(const HttpRequest& request, const Target& target) {
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
                                request.method, target.path, target.host);
  for (const auto& [name, value] : request.headers) out += fmt::format("{}: {}\r\n", name, value);
  if (!request.body.empty() || request.method != "GET")
    out += fmt::format("Content-Length: {}\r\n", request.body.size());
  return out + "\r\n" + request.body;
}

using ResponseParser = http::response_parser<http::string_body>;

// All of it, or an error. `parser` holds what came.
Task<Result<void>> read_into(ResponseParser& parser, Stream& stream) {
  std::string buffer, chunk;
  boost::system::error_code error;
  while (!parser.is_done()) {
    chunk.resize(16 * 1024);
    const std::size_t got = CO_TRY(co_await stream.read(chunk));
    if (got == 0) {
      parser.put_eof(error);
      if (error || !parser.is_done())
        co_return fail(ErrorKind::closed, "the server closed before its whole reply");
      break;
    }
    buffer.append(chunk, 0, got);
    while (!buffer.empty() && !parser.is_done()) {
      const std::size_t used = parser.put(boost::asio::buffer(buffer), error);
      buffer.erase(0, used);
      if (error && error != http::error::need_more)
        co_return fail(ErrorKind::bad_data,
                       "the server's reply cannot be read: " + error.message());
      if (used == 0 || error == http::error::need_more) break;
    }
  }
  co_return Result<void>{};
}

Task<Result<HttpResponse>> read_response(Stream& stream, HttpRequest request) {
  ResponseParser parser;
  parser.eager(true);
  parser.skip(request.method == "HEAD");
  parser.body_limit(request.response_limit);
  const auto read = co_await read_into(parser, stream);
  const bool is_enough = request.body_may_be_cut && parser.is_header_done();
  if (!read && !is_enough) co_return std::unexpected(read.error());
  auto& message = parser.get();
  HttpResponse response;
  response.status = message.result_int();
  for (const auto& field : message)
    response.headers.emplace_back(to_lower(std::string(field.name_string())),
                                  std::string(field.value()));
  response.body = std::move(message.body());
  co_return response;
}

}  // namespace

// ---------------------------------------------------------------- the end
struct HttpClient::Ending {
  std::optional<Moment> moment;
  std::set<BoundStream*> streams;
};

class HttpClient::BoundStream final : public Stream {
 public:
  BoundStream(std::unique_ptr<Stream> stream, std::shared_ptr<Ending> ending, Moment deadline)
      : stream_(std::move(stream)), ending_(std::move(ending)) {
    ending_->streams.insert(this);
    set_deadline(deadline);
  }
  ~BoundStream() override { ending_->streams.erase(this); }
  BoundStream(const BoundStream&) = delete;
  BoundStream& operator=(const BoundStream&) = delete;

  Task<Result<void>> readable() override { return stream_->readable(); }
  Task<Result<std::size_t>> read(std::span<char> into) override { return stream_->read(into); }
  Task<Result<void>> write(std::string_view bytes) override { return stream_->write(bytes); }
  void set_deadline(Moment deadline) override {
    deadline_ = deadline;
    stream_->set_deadline(ending_->moment ? std::min(deadline, *ending_->moment) : deadline);
  }
  void look_at_the_end() { set_deadline(deadline_); }
  void shutdown_write() override { stream_->shutdown_write(); }
  void close() override { stream_->close(); }
  Endpoint local() const override { return stream_->local(); }
  Endpoint remote() const override { return stream_->remote(); }

 private:
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<Ending> ending_;
  Moment deadline_{};
};

HttpClient::HttpClient(Network& network, Resolver* resolver, Secure secure)
    : network_(network),
      resolver_(resolver),
      secure_(std::move(secure)),
      ending_(std::make_shared<Ending>()) {}
HttpClient::~HttpClient() = default;

void HttpClient::end_by(Moment moment) {
  ending_->moment = moment;
  for (BoundStream* stream : ending_->streams) stream->look_at_the_end();
}

Moment HttpClient::sooner(Moment deadline) const {
  if (ending_->moment) deadline = std::min(deadline, *ending_->moment);
  return deadline;
}

// ---------------------------------------------------------------- fetching
Task<Result<std::unique_ptr<Stream>>> HttpClient::open(Where where, Moment deadline) {
  const auto& [host, port, https, only_public] = where;
  std::vector<IpAddress> addresses;
  if (auto literal = IpAddress::parse(host)) {
    addresses.push_back(*literal);
  } else if (resolver_) {
    for (DnsType type : {DnsType::aaaa, DnsType::a}) {
      DnsAnswer answer = co_await resolver_->lookup(host, type, deadline);
      for (const DnsRecord& record : answer.records)
        if (auto* address = std::get_if<IpAddress>(&record)) addresses.push_back(*address);
    }
  }
  if (only_public) std::erase_if(addresses, [](const auto& each) { return each.is_private(); });
  if (addresses.empty())
    co_return fail(ErrorKind::not_found, fmt::format("{} has no address", printable(host)));
  Result<std::unique_ptr<Stream>> stream = fail(ErrorKind::io, "no address was tried");
  for (const IpAddress& address : addresses) {
    Moment until = sooner(deadline);
    if (clock_) until = std::min(until, clock_->moment() + connect_time);
    stream = co_await network_.connect(Endpoint{address, port}, std::nullopt, until);
    if (stream) break;
  }
  if (!stream) co_return stream;
  stream = std::make_unique<BoundStream>(std::move(*stream), ending_, deadline);
  if (!https) co_return stream;
  if (!secure_) co_return fail(ErrorKind::bad_data, "https is not available here");
  co_return co_await secure_(std::move(*stream), host, deadline);
}

Task<Result<HttpResponse>> HttpClient::fetch(HttpRequest request, Moment deadline) {
  const Target target = CO_TRY(parse_url(request.url));
  std::unique_ptr<Stream> stream;
  if (!target.socket.empty())
    stream = CO_TRY(co_await network_.connect_unix(target.socket, deadline));
  else
    stream = CO_TRY(
        co_await open({target.host, target.port, target.https, request.only_public}, deadline));
  stream->set_deadline(deadline);
  CO_TRY(co_await stream->write(print(request, target)));
  co_return co_await read_response(*stream, std::move(request));
}

}  // namespace goniec
