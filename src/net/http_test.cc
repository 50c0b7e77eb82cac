// HTTP server and client against each other over unix sockets and loopback, and the server against
// requests written by hand.
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/text.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tcp.h"
#include "net/tls.h"

namespace goniec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Task<HttpReply> mirror(HttpCall call) {
  HttpReply reply;
  reply.status = call.target == "/missing" ? 404 : 200;
  reply.content_type = "text/plain";
  reply.headers.emplace_back("X-Method", call.method);
  reply.body = call.target + " " + call.body;
  co_return reply;
}

class Http : public testing::Test {
 protected:
  Endpoint loopback() { return {*IpAddress::parse("127.0.0.1"), 0}; }
  // The server must be made on its loop.
  template <class F>
  auto with_server(HttpServerOptions options, F work) {
    auto listener = network_.listen({.endpoint = loopback()}).value();
    address_ = listener->local();
    HttpServer server(shard_, options);
    shard_.post([&] { server.add(std::move(listener), door_); });
    auto result = run_until_done(shard_, work());
    run_until_done(shard_, server.stop());
    return result;
  }
  std::string url(const std::string& path) { return "http://" + address_.text() + path; }
  Moment soon() { return shard_.clock().moment() + seconds(10); }

  Shard shard_;
  SystemNetwork network_{shard_};
  HttpClient client_{network_, nullptr};
  Endpoint address_;
  HttpServer::Door door_{.handler = mirror};
};

TEST_F(Http, answers_get_post_and_head) {
  auto get = with_server({}, [&] { return client_.fetch({.url = url("/a?b=c")}, soon()); });
  ASSERT_TRUE(get.has_value()) << get.error().message;
  EXPECT_EQ(get->status, 200u);
  EXPECT_EQ(get->body, "/a?b=c ");
  const std::string big(300'000, 'x');
  auto post = with_server(
      {}, [&] { return client_.fetch({.method = "POST", .url = url("/p"), .body = big}, soon()); });
  ASSERT_TRUE(post.has_value()) << post.error().message;
  EXPECT_EQ(post->body, "/p " + big);
  auto head =
      with_server({}, [&] { return client_.fetch({.method = "HEAD", .url = url("/h")}, soon()); });
  ASSERT_TRUE(head.has_value()) << head.error().message;
  EXPECT_EQ(head->body, "");
  auto missing = with_server({}, [&] { return client_.fetch({.url = url("/missing")}, soon()); });
  EXPECT_EQ(missing->status, 404u);
}

TEST_F(Http, bounds_the_reply_it_takes) {
  auto over = with_server({}, [&] {
    return client_.fetch(
        {.method = "POST", .url = url("/"), .body = std::string(5000, 'x'), .response_limit = 100},
        soon());
  });
  ASSERT_FALSE(over.has_value());
  EXPECT_EQ(over.error().kind, ErrorKind::bad_data);
}

// Answers one call with these bytes and closes.
Task<void> answer_once(std::unique_ptr<Listener> listener, std::string bytes) {
  auto stream = co_await listener->accept();
  if (!stream) co_return;
  std::string request(4096, '\0');
  (void)co_await (*stream)->read(request);
  (void)co_await (*stream)->write(bytes);
}

TEST_F(Http, takes_the_status_of_an_answer_whose_body_may_be_cut) {
  const std::string long_body(300, 'x');
  struct Case {
    std::string_view what, answer;
    unsigned status;
    std::string_view body;
  };
  const std::string announced = "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + long_body;
  const std::string huge = "HTTP/1.1 202 Accepted\r\nContent-Length: 99999999999999\r\n\r\nxyz";
  const std::string to_the_end = "HTTP/1.1 410 Gone\r\n\r\n" + long_body;
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" +
                              std::string("12c\r\n") + long_body + "\r\n0\r\n\r\n";
  const Case cases[] = {
      {"longer than the limit", announced, 200, ""},
      {"longer than any memory", huge, 202, ""},
      {"to the end of the stream", to_the_end, 410, ""},
      {"in chunks", chunked, 200, "abc"},
      {"broken off", "HTTP/1.1 204 No\r\n\r\n", 204, ""},
      {"broken off in its body", "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nab", 500, "ab"},
      {"no answer", "HTTP/1.1 200 OK\r\nContent-Le", 0, ""},
  };
  for (const Case& each : cases) {
    for (const bool may_be_cut : {true, false}) {
      auto listener = network_.listen({.endpoint = loopback()}).value();
      address_ = listener->local();
      shard_.post([&, taken = std::make_shared<std::unique_ptr<Listener>>(std::move(listener))] {
        spawn(answer_once(std::move(*taken), std::string(each.answer)));
      });
      auto got = run_until_done(shard_, client_.fetch({.method = "POST",
                                                       .url = url("/"),
                                                       .body = "event",
                                                       .response_limit = 100,
                                                       .body_may_be_cut = may_be_cut},
                                                      soon()));
      const bool is_whole = each.status == 204;
      ASSERT_EQ(got.has_value(), is_whole || (may_be_cut && each.status != 0)) << each.what;
      if (!got) continue;
      EXPECT_EQ(got->status, each.status) << each.what;
      EXPECT_EQ(got->body, each.body) << each.what;
    }
  }
}

TEST_F(Http, sends_nothing_for_a_url_that_would_break_the_request) {
  for (const char* url :
       {"http://127.0.0.1:1/a\r\nX: y", "http://127.0.0.1:1/a b", "http://127.0.0.1:1/\x7f",
        "http://user@127.0.0.1:1/", "http://", "http://?q", "ftp://127.0.0.1/", "https:/x"}) {
    auto got = run_until_done(shard_, client_.fetch({.url = url}, soon()));
    ASSERT_FALSE(got.has_value()) << url;
    EXPECT_EQ(got.error().kind, ErrorKind::bad_data) << url << ": " << got.error().message;
  }
  auto plain = with_server(
      {}, [&] { return client_.fetch({.url = "HTTP://" + address_.text() + "?a#b"}, soon()); });
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  EXPECT_EQ(plain->body, "/?a ") << "a fragment stays here";
}

// Everything the server says to these bytes, until it closes or `patience` is over.
Task<Result<std::string>> talk(Network& network, Endpoint to, std::string bytes, Moment deadline) {
  auto stream = CO_TRY(co_await network.connect(to, std::nullopt, deadline));
  stream->set_deadline(deadline);
  CO_TRY(co_await stream->write(bytes));
  std::string all, buffer(4096, '\0');
  for (;;) {
    auto got = co_await stream->read(buffer);
    if (!got || *got == 0) co_return all;
    all.append(buffer, 0, *got);
  }
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST_F(Http, keeps_a_connection_for_pipelined_requests) {
  auto said = with_server({}, [&] {
    return talk(
        network_, address_,
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: "
        "3\r\n\r\nabc"
        "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "2\r\nxy\r\n0\r\n\r\n",
        soon());
  });
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(count(*said, "HTTP/1.1 200"), 3u) << *said;
  EXPECT_NE(said->find("/2 abc"), std::string::npos);
  EXPECT_NE(said->find("/3 xy"), std::string::npos);
}

struct BadCase {
  std::string bytes, status;
};

TEST_F(Http, refuses_what_is_malformed_or_too_big_and_closes) {
  const BadCase cases[] = {
      {"garbage\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nBad Header\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", "431"},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n", "413"},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
       "400"},
  };
  for (const BadCase& each : cases) {
    auto said = with_server({.body_octets = 1000},
                            [&] { return talk(network_, address_, each.bytes, soon()); });
    ASSERT_TRUE(said.has_value());
    EXPECT_EQ(said->substr(0, 12), "HTTP/1.1 " + each.status) << each.bytes.substr(0, 60);
  }
}

TEST_F(Http, closes_a_silent_connection) {
  const Moment start = shard_.clock().moment();
  auto said =
      with_server({.idle = milliseconds(20)}, [&] { return talk(network_, address_, "", soon()); });
  EXPECT_TRUE(said.has_value());
  EXPECT_EQ(*said, "");
  EXPECT_LT(shard_.clock().moment(), start + seconds(5));
}

TEST_F(Http, asks_listed_peers_for_a_proxy_header_and_believes_it) {
  door_.handler = [](HttpCall call) -> Task<HttpReply> {
    HttpReply reply;
    reply.body = call.remote.text();
    co_return reply;
  };
  std::string visitor;
  HttpServerOptions options;
  options.visit = [&visitor](const Endpoint& remote) {
    visitor = remote.text();
    return std::unique_ptr<HttpVisit>();
  };
  const std::string request = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
  const std::string header = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n";
  const auto say = [&](const std::string& octets, HttpServerOptions with = {}) {
    auto said = with_server(with, [&] { return talk(network_, address_, octets, soon()); });
    return said ? *said : std::string();
  };
  EXPECT_EQ(say(header + request).substr(0, 12), "HTTP/1.1 400") << "nobody is listed";
  door_.proxy_from = {*IpNetwork::parse("127.0.0.0/8")};
  EXPECT_TRUE(say(header + request).ends_with("192.0.2.7:4711"));
  EXPECT_EQ(say(request), "") << "no header";
  (void)say(header + request, options);
  EXPECT_EQ(visitor, "192.0.2.7:4711") << "limits are the client's";
  door_.proxies = {*IpNetwork::parse("192.0.2.7")};
  (void)say(header + request, options);
  EXPECT_EQ(visitor, "0.0.0.0:4711") << "of no address";
}

TEST_F(Http, tells_a_slow_request_that_it_is_and_closes) {
  const HttpServerOptions options{.header = milliseconds(20), .idle = milliseconds(20)};
  for (const std::string bytes : {"GET / HT", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
                                  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n"}) {
    auto said = with_server(options, [&] { return talk(network_, address_, bytes, soon()); });
    ASSERT_TRUE(said.has_value());
    EXPECT_EQ(said->substr(0, 12), "HTTP/1.1 408") << bytes;
  }
}

TEST_F(Http, screens_a_call_before_its_body_is_read) {
  door_.screen = [](const HttpCall& call) {
    HttpScreening screening;
    if (call.target == "/stranger") {
      screening.refusal = HttpReply{.status = 401, .body = "who?"};
    }
    screening.body_octets = call.target == "/small" ? 3 : 1000;
    return screening;
  };
  const auto say = [&](std::string_view target, std::string_view rest) {
    auto said = with_server({.body_octets = 1}, [&] {
      return talk(network_, address_, fmt::format("POST {} HTTP/1.1\r\n{}", target, rest), soon());
    });
    return said ? said->substr(0, 12) : std::string("nothing");
  };
  // Of fifty megabytes none is waited for.
  EXPECT_EQ(say("/stranger", "Content-Length: 50000000\r\n\r\n"), "HTTP/1.1 401");
  EXPECT_EQ(say("/small", "Content-Length: 4\r\n\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(say("/small", "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(say("/large", "Connection: close\r\nContent-Length: 4\r\n\r\nabcd"), "HTTP/1.1 200");
  // A refused call without a body does not end the connection.
  EXPECT_EQ(count(*with_server({},
                               [&] {
                                 const std::string get =
                                     "GET /stranger HTTP/1.1\r\nHost: h\r\n\r\n";
                                 return talk(network_, address_,
                                             get + get + "GET / HTTP/1.0\r\n\r\n", soon());
                               }),
                  "HTTP/1.1 401"),
            2u);
}

struct Place final : HttpVisit {
  explicit Place(std::size_t& most) : most_octets(most) {}
  bool cover(std::size_t octets) override {
    most_octets = std::max(most_octets, octets);
    return octets <= 100'000;
  }
  void welcome() override {}
  std::size_t& most_octets;
};

TEST_F(Http, a_body_is_read_only_as_far_as_there_is_room) {
  std::size_t most = 0;
  HttpServerOptions options;
  options.visit = [&](const Endpoint&) { return std::make_unique<Place>(most); };
  const std::string head = "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n";
  auto said = with_server(
      options, [&] { return talk(network_, address_, head + std::string(200'000, 'x'), soon()); });
  EXPECT_EQ(said->substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(said->find("Retry-After: "), std::string::npos);
  EXPECT_LE(most, 100'000u + 16 * 1024);
  options.visit = [](const Endpoint&) { return std::unique_ptr<HttpVisit>(); };
  said = with_server(options, [&] { return talk(network_, address_, "", soon()); });
  EXPECT_EQ(said->substr(0, 12), "HTTP/1.1 429");
}

Task<void> count_to_three(HttpSink& sink) {
  for (const char* each : {"1\n", "2\n", "3\n"})
    if (!co_await sink.write(each)) co_return;
}

TEST_F(Http, streams_a_reply_until_its_end) {
  door_.handler = [](HttpCall) -> Task<HttpReply> {
    co_return HttpReply{.content_type = "text/event-stream", .stream = count_to_three};
  };
  auto said = with_server(
      {}, [&] { return talk(network_, address_, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", soon()); });
  ASSERT_TRUE(said.has_value());
  EXPECT_TRUE(said->ends_with("Connection: close\r\n\r\n1\n2\n3\n")) << *said;
  EXPECT_EQ(said->find("Content-Length"), std::string::npos);
}

Task<Result<std::unique_ptr<Stream>>> secure(std::shared_ptr<const TlsContext> context,
                                             std::unique_ptr<Stream> plain, std::string host,
                                             Moment deadline) {
  auto stream = CO_TRY(co_await start_tls_client(
      std::move(plain), std::move(context),
      {.protocol = "http/1.1", .server_name = std::move(host), .verify = TlsVerify::pkix},
      deadline));
  co_return std::unique_ptr<Stream>(std::move(stream));
}

Task<> serve_one_tls(Listener& listener, std::shared_ptr<const TlsContext> context,
                     Moment deadline) {
  auto plain = co_await listener.accept();
  if (!plain) co_return;
  auto stream =
      co_await start_tls_server(std::move(*plain), context, {.protocol = "http/1.1"}, deadline);
  if (!stream) co_return;
  char buffer[4096];
  (void)co_await (*stream)->read(buffer);
  (void)co_await (*stream)->write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

TEST_F(Http, fetches_over_tls_with_a_verified_name) {
  const auto certificate = make_self_signed({"127.0.0.1"}, 1).value();
  const auto server = TlsContext::server({certificate}).value();
  const auto roots =
      TlsContext::client({.roots = TlsTrust::given, .given_pem = certificate.chain_pem}).value();
  HttpClient client(network_, nullptr,
                    [&](std::unique_ptr<Stream> plain, std::string host, Moment deadline) {
                      return secure(roots, std::move(plain), std::move(host), deadline);
                    });
  auto listener = network_.listen({.endpoint = loopback()}).value();
  shard_.post([&] { spawn(serve_one_tls(*listener, server, soon())); });
  auto reply = run_until_done(
      shard_, client.fetch({.url = "https://" + listener->local().text() + "/"}, soon()));
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  EXPECT_EQ(reply->body, "hello");
}

// A server that takes connections and says nothing.
Task<> accept_silently(Listener& listener, std::vector<std::unique_ptr<Stream>>& taken,
                       std::size_t count) {
  while (taken.size() < count) {
    auto stream = co_await listener.accept();
    if (!stream) break;
    taken.push_back(std::move(*stream));
  }
}

TEST_F(Http, an_end_waits_for_no_server_that_is_silent) {
  const auto roots = TlsContext::client().value();
  HttpClient client(network_, nullptr,
                    [&](std::unique_ptr<Stream> plain, std::string host, Moment deadline) {
                      return secure(roots, std::move(plain), std::move(host), deadline);
                    });
  auto listener = network_.listen({.endpoint = loopback()}).value();
  std::vector<std::unique_ptr<Stream>> taken;
  shard_.post([&] { spawn(accept_silently(*listener, taken, 2)); });
  const Moment began = shard_.clock().moment();
  for (const char* scheme : {"http://", "https://"}) {
    shard_.post([&] { client.end_by(shard_.clock().moment() + milliseconds(50)); });
    auto got = run_until_done(shard_, client.fetch({.url = scheme + listener->local().text() + "/"},
                                                   shard_.clock().moment() + seconds(60)));
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().kind, ErrorKind::timed_out) << scheme << got.error().message;
  }
  EXPECT_LT(shard_.clock().moment() - began, seconds(30));
}

TEST_F(Http, says_that_nobody_listens_behind_a_unix_socket) {
  auto reply =
      run_until_done(shard_, client_.fetch({.url = "unix:/tmp/goniec-none.sock:/api"}, soon()));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().kind, ErrorKind::not_running);
}

}  // namespace
}  // namespace goniec
