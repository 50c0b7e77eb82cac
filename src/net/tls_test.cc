// TLS: two engines in memory, and streams over loopback. What a broken or hostile peer does is done
// by hand on the ciphertext.
#include "net/tls.h"

#include <gtest/gtest.h>

#include "net/tcp.h"
#include "run/disk.h"

namespace goniec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::shared_ptr<const TlsContext> server_for(const std::vector<std::vector<std::string>>& names) {
  std::vector<TlsCertificate> certificates;
  for (const auto& each : names) certificates.push_back(make_self_signed(each, 30).value());
  return TlsContext::server(certificates).value();
}

std::shared_ptr<const TlsContext> any_server() {
  static const auto context =
      server_for({{"mx.example"}, {"mail.other.example", "*.wild.example"}});
  return context;
}

// Carries ciphertext between the two until neither says anything.
void converse(TlsEngine& client, TlsEngine& server) {
  for (int round = 0; round < 20; ++round) {
    client.advance();
    server.feed(client.take_ciphertext());
    server.advance();
    client.feed(server.take_ciphertext());
    if (!client.has_ciphertext() && client.state() != TlsEngine::State::handshaking &&
        server.state() != TlsEngine::State::handshaking) {
      break;
    }
  }
}

std::string read_text(TlsEngine& engine) {
  std::string all;
  char buffer[1000];
  for (;;) {
    auto got = engine.read(buffer);
    if (!got || *got == 0) return all;
    all.append(buffer, *got);
  }
}

struct Pair {
  explicit Pair(TlsOptions client_options, TlsOptions server_options = {},
                std::shared_ptr<const TlsContext> server_context = any_server(),
                std::shared_ptr<const TlsContext> client_context = TlsContext::client().value())
      : client(std::move(client_context), std::move(client_options)),
        server(std::move(server_context), std::move(server_options)) {
    converse(client, server);
  }
  TlsEngine client, server;
  bool open() const {
    return client.state() == TlsEngine::State::open && server.state() == TlsEngine::State::open;
  }
};

TEST(TlsEngine, agrees_on_modern_tls_and_carries_text_both_ways) {
  Pair pair({.server_name = "mx.example"});
  ASSERT_TRUE(pair.open()) << pair.client.error().message << pair.server.error().message;
  EXPECT_EQ(pair.server.facts().version, "TLSv1.3");
  EXPECT_EQ(pair.server.facts().server_name, "mx.example");
  EXPECT_EQ(pair.client.facts().verified, "none");
  const std::string big(300'000, 'x');
  ASSERT_TRUE(pair.client.write(big).has_value());
  pair.server.feed(pair.client.take_ciphertext());
  EXPECT_TRUE(read_text(pair.server) == big);
  ASSERT_TRUE(pair.server.write("220 mx.example").has_value());
  pair.client.feed(pair.server.take_ciphertext());
  EXPECT_EQ(read_text(pair.client), "220 mx.example");
  EXPECT_EQ(pair.client.peer_chain().size(), 1u);
}

TEST(TlsEngine, reads_ciphertext_that_comes_octet_by_octet) {
  Pair pair({});
  ASSERT_TRUE(pair.client.write("hello").has_value());
  std::string text;
  for (char octet : pair.client.take_ciphertext()) {
    pair.server.feed({&octet, 1});
    text += read_text(pair.server);
  }
  EXPECT_EQ(text, "hello");
}

std::string certificate_chosen(const std::string& name) {
  Pair pair({.server_name = name});
  return pair.client.peer_chain().at(0);
}

TEST(TlsEngine, picks_the_certificate_by_name) {
  const std::string first = certificate_chosen("mx.example");
  const std::string second = certificate_chosen("mail.other.example");
  EXPECT_NE(first, second);
  EXPECT_EQ(certificate_chosen("MAIL.other.example"), second);
  EXPECT_EQ(certificate_chosen("a.wild.example"), second);
  EXPECT_EQ(certificate_chosen("a.b.wild.example"), first) << "a wildcard is one label";
  EXPECT_EQ(certificate_chosen("unknown.example"), first);
  EXPECT_EQ(certificate_chosen(""), first);
}

struct AlpnCase {
  std::string client, server;
  bool agreed;
  std::string chosen;
};

TEST(TlsEngine, refuses_those_who_came_for_another_protocol) {
  const AlpnCase cases[] = {
      {"smtp", "smtp", true, "smtp"}, {"", "smtp", true, ""}, {"http/1.1", "smtp", false, ""},
      {"h2", "imap", false, ""},      {"smtp", "", true, ""},
  };
  for (const AlpnCase& each : cases) {
    Pair pair({.protocol = each.client}, {.protocol = each.server});
    EXPECT_EQ(pair.open(), each.agreed) << each.client << " to " << each.server;
    EXPECT_EQ(pair.client.negotiated_protocol(), each.chosen);
    if (each.agreed) continue;
    // The alert itself reached the client (RFC 7301 §3.2: no_application_protocol, 120).
    EXPECT_NE(pair.client.error().message.find("no application protocol"), std::string::npos)
        << pair.client.error().message;
  }
}

TEST(TlsEngine, resumes_a_session_under_its_key_only) {
  const auto client = TlsContext::client().value();
  auto resumed = [&](const std::string& key) {
    Pair pair({.session_key = key}, {}, any_server(), client);
    read_text(pair.client);  // the ticket comes after the handshake
    EXPECT_EQ(pair.client.facts().resumed, pair.server.facts().resumed);
    return pair.client.facts().resumed;
  };
  EXPECT_FALSE(resumed("mx"));
  EXPECT_TRUE(resumed("mx"));
  EXPECT_FALSE(resumed("other"));
  EXPECT_FALSE(resumed(""));
  EXPECT_TRUE(resumed("mx"));
}

TEST(TlsEngine, keeps_the_peers_chain_in_a_resumed_session) {
  const auto client = TlsContext::client().value();
  Pair first({.session_key = "k"}, {}, any_server(), client);
  read_text(first.client);
  Pair second({.session_key = "k"}, {}, any_server(), client);
  ASSERT_TRUE(second.client.facts().resumed);
  EXPECT_EQ(first.client.peer_chain(), second.client.peer_chain());
}

TEST(TlsEngine, verifies_a_name_against_given_roots) {
  const TlsCertificate certificate = make_self_signed({"mx.example", "127.0.0.1"}, 2).value();
  const auto server = TlsContext::server({certificate}).value();
  const auto trusting =
      TlsContext::client({.roots = TlsTrust::given, .given_pem = certificate.chain_pem}).value();
  const auto trusting_nobody = TlsContext::client().value();
  struct Case {
    std::shared_ptr<const TlsContext> client;
    std::string name;
    bool passes;
  };
  for (const Case& each :
       {Case{trusting, "mx.example", true}, Case{trusting, "127.0.0.1", true},
        Case{trusting, "evil.example", false}, Case{trusting_nobody, "mx.example", false}}) {
    Pair pair({.server_name = each.name, .verify = TlsVerify::pkix}, {}, server, each.client);
    EXPECT_EQ(pair.open(), each.passes) << each.name << ": " << pair.client.error().message;
    if (each.passes) EXPECT_EQ(pair.client.facts().verified, "pkix");
  }
}

TEST(TlsEngine, tells_a_clean_end_from_a_truncation) {
  Pair clean({});
  clean.client.close_notify();
  clean.server.feed(clean.client.take_ciphertext());
  char buffer[10];
  EXPECT_EQ(clean.server.read(buffer).value(), 0u);
  EXPECT_EQ(clean.server.state(), TlsEngine::State::closed);

  Pair cut({});
  ASSERT_TRUE(cut.client.write("MAIL FROM").has_value());
  const std::string bytes = cut.client.take_ciphertext();
  cut.server.feed(bytes.substr(0, bytes.size() - 3));
  cut.server.feed_end();
  auto result = cut.server.read(buffer);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::closed);
  EXPECT_NE(result.error().message.find("truncated"), std::string::npos);
}

TEST(TlsEngine, fails_with_a_reason_on_bytes_that_are_not_tls) {
  TlsEngine server(any_server(), {});
  server.feed("EHLO plain.example\r\n");
  EXPECT_EQ(server.advance(), TlsEngine::State::failed);
  EXPECT_EQ(server.error().kind, ErrorKind::bad_data);
  Pair altered({});
  ASSERT_TRUE(altered.client.write("hello").has_value());
  std::string bytes = altered.client.take_ciphertext();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  altered.server.feed(bytes);
  char buffer[10];
  EXPECT_FALSE(altered.server.read(buffer).has_value());
  EXPECT_TRUE(altered.server.has_ciphertext()) << "an alert says so";
}

TEST(TlsEngine, binds_a_channel_the_same_on_both_sides) {
  Pair one({}), two({});
  EXPECT_EQ(one.client.channel_binding().size(), 32u);
  EXPECT_EQ(one.client.channel_binding(), one.server.channel_binding());
  EXPECT_NE(one.client.channel_binding(), two.client.channel_binding());
}

TEST(Certificate, says_its_names_and_dates) {
  const auto made = make_self_signed({"mx.example", "*.mx.example", "192.0.2.1"}, 10).value();
  const auto facts = facts_of(made.chain_pem).value();
  EXPECT_EQ(facts.names, (std::vector<std::string>{"mx.example", "*.mx.example"}));
  EXPECT_EQ(facts.not_after - facts.not_before, std::chrono::days(10) + std::chrono::hours(1));
  EXPECT_FALSE(make_self_signed({"evil,DNS:bank.example"}, 1).has_value());
  EXPECT_FALSE(make_self_signed({}, 1).has_value());
}

TEST(Certificate, a_key_of_another_certificate_is_refused) {
  auto one = make_self_signed({"a.example"}, 1).value(),
       two = make_self_signed({"b.example"}, 1).value();
  auto context = TlsContext::server({{one.chain_pem, two.key_pem}});
  ASSERT_FALSE(context.has_value());
  EXPECT_EQ(context.error().kind, ErrorKind::config);
  EXPECT_FALSE(TlsContext::server({{"", ""}}).has_value());
}

// ---------------------------------------------------------------- over loopback
class TlsLoopback : public testing::Test {
 protected:
  Shard shard_;
  SystemNetwork network_{shard_};
  Moment soon() { return shard_.clock().moment() + seconds(20); }
};

struct Streams {
  std::unique_ptr<Stream> client, server;
};
Task<> accept_into(Listener& listener, std::unique_ptr<Stream>& into) {
  auto stream = co_await listener.accept();
  if (stream) into = std::move(*stream);
}
Task<Result<Streams>> plain_pair(Network& network, Moment deadline) {
  auto listener = CO_TRY(network.listen({.endpoint = {*IpAddress::parse("127.0.0.1"), 0}}));
  Streams streams;
  auto stream = CO_TRY(co_await network.connect(listener->local(), std::nullopt, deadline));
  streams.client = std::move(stream);
  co_await accept_into(*listener, streams.server);
  co_return streams;
}

Task<> serve(std::unique_ptr<Stream> plain, Moment deadline, std::string& seen,
             std::string& error) {
  auto stream =
      co_await start_tls_server(std::move(plain), any_server(), {.protocol = "smtp"}, deadline);
  if (!stream) {
    error = stream.error().message;
    co_return;
  }
  std::string buffer(5000, '\0');
  for (;;) {
    auto ready = co_await (*stream)->readable();
    if (!ready) {
      error = ready.error().message;
      co_return;
    }
    auto got = co_await (*stream)->read(buffer);
    if (!got) {
      error = got.error().message;
      co_return;
    }
    if (*got == 0) break;
    seen.append(buffer, 0, *got);
    auto sent = co_await (*stream)->write(std::string_view(buffer).substr(0, *got));
    if (!sent) co_return;
  }
  (*stream)->shutdown_write();
}

Task<> send_all(Stream& stream, const std::string& bytes) {
  auto sent = co_await stream.write(bytes);
  EXPECT_TRUE(sent.has_value());
  stream.shutdown_write();
}

Task<Result<std::string>> echo(Shard& shard, Network& network, const std::string& bytes,
                               std::string& seen, std::string& error) {
  const Moment deadline = shard.clock().moment() + seconds(20);
  Streams streams = CO_TRY(co_await plain_pair(network, deadline));
  spawn(serve(std::move(streams.server), deadline, seen, error));
  auto client =
      CO_TRY(co_await start_tls_client(std::move(streams.client), TlsContext::client().value(),
                                       {.server_name = "mx.example"}, deadline));
  EXPECT_EQ(client->facts().version, "TLSv1.3");
  spawn(send_all(*client, bytes));
  std::string all, buffer(5000, '\0');
  for (;;) {
    const std::size_t got = CO_TRY(co_await client->read(buffer));
    if (got == 0) co_return all;
    all.append(buffer, 0, got);
  }
}

TEST_F(TlsLoopback, echoes_megabytes_and_ends_cleanly_on_both_sides) {
  std::string bytes, seen, error;
  for (int i = 0; i < 300'000; ++i) bytes += std::to_string(i);
  auto back = run_until_done(shard_, echo(shard_, network_, bytes, seen, error));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_TRUE(*back == bytes);
  EXPECT_EQ(error, "");
}

Task<std::string> cut_after_handshake(Shard& shard, Network& network) {
  const Moment deadline = shard.clock().moment() + seconds(20);
  auto streams = co_await plain_pair(network, deadline);
  std::string seen, error;
  spawn(serve(std::move(streams->server), deadline, seen, error));
  TlsEngine client(TlsContext::client().value(), {});
  std::string buffer(20'000, '\0');
  while (client.advance() == TlsEngine::State::handshaking) {
    const std::string out = client.take_ciphertext();
    (void)co_await streams->client->write(out);
    auto got = co_await streams->client->read(buffer);
    client.feed(std::string_view(buffer).substr(0, got.value_or(0)));
  }
  (void)client.write("DATA");
  const std::string out = client.take_ciphertext();
  (void)co_await streams->client->write(out);
  streams->client->shutdown_write();  // FIN, and no close_notify
  while (error.empty()) co_await shard.sleep(milliseconds(1));
  EXPECT_EQ(seen, "DATA");
  co_return error;
}

TEST_F(TlsLoopback, calls_a_tcp_end_without_close_notify_truncation) {
  const std::string error = run_until_done(shard_, cut_after_handshake(shard_, network_));
  EXPECT_NE(error.find("truncated"), std::string::npos) << error;
}

Task<std::string> speak_plain(Shard& shard, Network& network) {
  const Moment deadline = shard.clock().moment() + milliseconds(50);
  auto streams = co_await plain_pair(network, shard.clock().moment() + seconds(20));
  std::string seen, error;
  spawn(serve(std::move(streams->server), deadline, seen, error));
  while (error.empty()) co_await shard.sleep(milliseconds(1));
  co_return error;
}

TEST_F(TlsLoopback, gives_up_a_handshake_at_its_deadline) {
  EXPECT_NE(run_until_done(shard_, speak_plain(shard_, network_)).find("time"), std::string::npos);
}

Task<> pending_read(Stream& stream, std::optional<ErrorKind>& ended) {
  char buffer[8];
  auto result = co_await stream.read(buffer);
  if (!result) ended = result.error().kind;
}
Task<std::optional<ErrorKind>> destroy_under_a_read(Shard& shard, Network& network) {
  const Moment deadline = shard.clock().moment() + seconds(20);
  auto streams = co_await plain_pair(network, deadline);
  std::string seen, error;
  spawn(serve(std::move(streams->server), deadline, seen, error));
  auto client = co_await start_tls_client(std::move(streams->client), TlsContext::client().value(),
                                          {}, deadline);
  std::optional<ErrorKind> ended;
  spawn(pending_read(**client, ended));
  client->reset();
  co_await shard.sleep(milliseconds(20));
  EXPECT_EQ(error, "") << "a destroyed stream says close_notify";
  co_return ended;
}

TEST_F(TlsLoopback, completes_a_pending_read_when_it_is_destroyed) {
  EXPECT_EQ(run_until_done(shard_, destroy_under_a_read(shard_, network_)), ErrorKind::closed);
}

}  // namespace
}  // namespace goniec
