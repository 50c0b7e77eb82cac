// See http_client.h.
#include "net/http_client.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

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
  if (url.starts_with("https://")) {
    target.https = true;
    target.port = 443;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return fail(ErrorKind::bad_data,
                fmt::format("'{}' is neither http:// nor https://", printable(url)));
  }
  const std::size_t slash = url.find('/');
  std::string_view authority = url.substr(0, slash);
  if (slash != std::string_view::npos) target.path = url.substr(slash);
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

Task<Result<HttpResponse>> read_response(Stream& stream, std::size_t limit, bool head) {
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.skip(head);
  parser.body_limit(limit);
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
    stream = co_await network_.connect(Endpoint{address, port}, std::nullopt, deadline);
    if (stream) break;
  }
  if (!stream || !https) co_return stream;
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
  co_return co_await read_response(*stream, request.response_limit, request.method == "HEAD");
}

}  // namespace goniec
