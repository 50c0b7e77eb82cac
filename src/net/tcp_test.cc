// The true network over loopback and unix sockets: bytes, ends, deadlines, closing under a pending
// operation, and how listeners share ports.
#include "net/tcp.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace goniec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Endpoint loopback(std::uint16_t port = 0) {
  return {*IpAddress::parse("127.0.0.1"), port};
}

class Tcp : public testing::Test {
 protected:
  Shard shard_;
  SystemNetwork network_{shard_};
  Moment soon() { return shard_.clock().moment() + seconds(10); }
};

Task<Result<void>> echo_once(Listener& listener) {
  auto stream = CO_TRY(co_await listener.accept());
  std::string buffer(4096, '\0');
  for (;;) {
    CO_TRY(co_await stream->readable());
    const std::size_t got = CO_TRY(co_await stream->read(buffer));
    if (got == 0) break;
    CO_TRY(co_await stream->write(std::string_view(buffer).substr(0, got)));
  }
  stream->shutdown_write();
  co_return Result<void>{};
}
Task<> expect_ok(Task<Result<void>> task) {
  auto result = co_await std::move(task);
  EXPECT_TRUE(result.has_value()) << result.error().message;
}

Task<> send_all(Stream& stream, const std::string& bytes) {
  auto result = co_await stream.write(bytes);
  EXPECT_TRUE(result.has_value());
  stream.shutdown_write();
}
Task<Result<std::string>> read_to_end(Stream& stream) {
  std::string all, buffer(10'000, '\0');
  for (;;) {
    const std::size_t got = CO_TRY(co_await stream.read(buffer));
    if (got == 0) co_return all;
    all.append(buffer, 0, got);
  }
}

Task<Result<std::string>> exchange(Network& network, Endpoint to, const std::string& bytes,
                                   Moment deadline) {
  auto stream = CO_TRY(co_await network.connect(to, IpAddress::parse("127.0.0.1"), deadline));
  EXPECT_EQ(stream->remote(), to);
  EXPECT_NE(stream->local().port, 0);
  stream->set_deadline(deadline);
  spawn(send_all(*stream, bytes));
  co_return co_await read_to_end(*stream);
}

TEST_F(Tcp, carries_megabytes_both_ways_and_ends_cleanly) {
  auto listener = network_.listen({.endpoint = loopback()});
  ASSERT_TRUE(listener.has_value());
  std::string bytes;
  for (int i = 0; i < 500'000; ++i) bytes += std::to_string(i);
  shard_.post([&] { spawn(expect_ok(echo_once(**listener))); });
  auto back = run_until_done(shard_, exchange(network_, (*listener)->local(), bytes, soon()));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_TRUE(*back == bytes);
}

TEST_F(Tcp, says_who_refused_a_connection) {
  auto listener = network_.listen({.endpoint = loopback()});
  const Endpoint gone = (*listener)->local();
  listener->reset();
  auto stream = run_until_done(shard_, network_.connect(gone, std::nullopt, soon()));
  ASSERT_FALSE(stream.has_value());
  EXPECT_EQ(stream.error().system_errno, ECONNREFUSED);
  EXPECT_NE(stream.error().message.find(gone.text()), std::string::npos);
}

struct Pair {
  std::unique_ptr<Stream> client, server;
};
Task<> accept_into(Listener& listener, std::unique_ptr<Stream>& into) {
  auto stream = co_await listener.accept();
  if (stream) into = std::move(*stream);
}
Task<Result<Pair>> connected(Network& network, Moment deadline) {
  auto listener = CO_TRY(network.listen({.endpoint = loopback()}));
  Pair pair;
  auto stream = CO_TRY(co_await network.connect(listener->local(), std::nullopt, deadline));
  pair.client = std::move(stream);
  co_await accept_into(*listener, pair.server);
  co_return pair;
}

// Bytes with the end right behind them, and bytes whose end comes while nobody reads: a read that
// leaves room has taken all the bytes, and the end is still to come.
Task<Result<std::string>> ends_behind_bytes(Shard& shard, Network& network, bool end_at_once) {
  Pair pair = CO_TRY(co_await connected(network, shard.clock().moment() + seconds(10)));
  pair.server->set_deadline(shard.clock().moment() + seconds(10));
  CO_TRY(co_await pair.client->write("word"));
  if (end_at_once) pair.client->shutdown_write();
  std::string buffer(100, '\0');
  CO_TRY(co_await pair.server->readable());
  const std::size_t first = CO_TRY(co_await pair.server->read(buffer));
  std::string all = buffer.substr(0, first);
  pair.client->shutdown_write();
  const std::size_t got = CO_TRY(co_await pair.server->read(buffer));
  co_return all + std::to_string(got);
}

TEST_F(Tcp, tells_of_an_end_that_stands_behind_bytes) {
  for (const bool end_at_once : {true, false}) {
    auto read = run_until_done(shard_, ends_behind_bytes(shard_, network_, end_at_once));
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(*read, "word0");
  }
}

Task<Result<std::size_t>> read_until(Shard& shard, Network& network, Duration patience) {
  Pair pair = CO_TRY(co_await connected(network, shard.clock().moment() + seconds(10)));
  pair.server->set_deadline(shard.clock().moment() + seconds(300));
  pair.server->set_deadline(shard.clock().moment() + patience);
  char buffer[8];
  co_return co_await pair.server->read(buffer);
}

TEST_F(Tcp, ends_a_read_at_its_deadline) {
  const Moment start = shard_.clock().moment();
  auto result = run_until_done(shard_, read_until(shard_, network_, milliseconds(30)));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::timed_out);
  EXPECT_GE(shard_.clock().moment(), start + milliseconds(30));
}

Task<Result<std::string>> last_words(Shard& shard, Network& network) {
  Pair pair = CO_TRY(co_await connected(network, shard.clock().moment() + seconds(10)));
  pair.server->set_deadline(shard.clock().moment() + milliseconds(5));
  char buffer[8];
  auto timed_out = co_await pair.server->read(buffer);
  EXPECT_FALSE(timed_out.has_value());
  auto still = co_await pair.server->write("x");
  EXPECT_EQ(still.error().kind, ErrorKind::timed_out);
  pair.server->set_deadline(shard.clock().moment() + seconds(5));
  CO_TRY(co_await pair.server->write("421 too slow"));
  pair.server.reset();
  co_return co_await read_to_end(*pair.client);
}

TEST_F(Tcp, may_say_a_last_word_after_a_timeout) {
  EXPECT_EQ(run_until_done(shard_, last_words(shard_, network_)).value(), "421 too slow");
}

Task<> pending_read(Stream& stream, std::optional<ErrorKind>& ended) {
  char buffer[8];
  auto result = co_await stream.read(buffer);
  if (!result) ended = result.error().kind;
}
enum class Ending { close, destroy };
Task<std::optional<ErrorKind>> end_under_a_read(Shard& shard, Network& network, Ending ending) {
  auto pair = co_await connected(network, shard.clock().moment() + seconds(10));
  std::optional<ErrorKind> ended;
  pair->server->set_deadline(shard.clock().moment() + seconds(5));
  spawn(pending_read(*pair->server, ended));
  EXPECT_FALSE(ended.has_value());
  if (ending == Ending::close) {
    pair->server->close();
  } else {
    pair->server.reset();
  }
  co_await shard.sleep(milliseconds(1));
  co_return ended;
}

TEST_F(Tcp, completes_a_pending_read_with_closed_when_the_stream_is_closed_or_destroyed) {
  for (Ending ending : {Ending::close, Ending::destroy}) {
    auto ended = run_until_done(shard_, end_under_a_read(shard_, network_, ending));
    EXPECT_EQ(ended, ErrorKind::closed);
  }
}

Task<> pending_accept(Listener& listener, std::optional<ErrorKind>& ended) {
  auto stream = co_await listener.accept();
  if (!stream) ended = stream.error().kind;
}
Task<std::optional<ErrorKind>> close_under_an_accept(Shard& shard, Network& network) {
  auto listener = network.listen({.endpoint = loopback()});
  std::optional<ErrorKind> ended;
  spawn(pending_accept(**listener, ended));
  listener->reset();
  co_await shard.sleep(milliseconds(1));
  co_return ended;
}

TEST_F(Tcp, completes_a_pending_accept_with_closed) {
  EXPECT_EQ(run_until_done(shard_, close_under_an_accept(shard_, network_)), ErrorKind::closed);
}

TEST_F(Tcp, lets_both_families_and_several_shards_share_a_port) {
  auto v4 = network_.listen({.endpoint = {*IpAddress::parse("0.0.0.0"), 0}, .reuse_port = true});
  ASSERT_TRUE(v4.has_value());
  const std::uint16_t port = (*v4)->local().port;
  auto v6 = network_.listen({.endpoint = {*IpAddress::parse("::"), port}, .reuse_port = true});
  if (!v6 && v6.error().system_errno == EAFNOSUPPORT) GTEST_SKIP() << "no IPv6 here";
  EXPECT_TRUE(v6.has_value()) << v6.error().message;
  Shard other;
  SystemNetwork second(other);
  auto again =
      second.listen({.endpoint = {*IpAddress::parse("0.0.0.0"), port}, .reuse_port = true});
  EXPECT_TRUE(again.has_value());
  auto refused = network_.listen({.endpoint = {*IpAddress::parse("0.0.0.0"), port}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
}

class UnixSocket : public Tcp {
 protected:
  void SetUp() override {
    char name[] = "/tmp/goniec-unix-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    path_ = root_ + "/s";
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(root_.c_str());
  }
  std::string root_, path_;
};

Task<Result<PeerCredentials>> credentials_over(Network& network, std::string path,
                                               Moment deadline) {
  auto listener = CO_TRY(network.listen_unix(path, 0620));
  auto client = CO_TRY(co_await network.connect_unix(path, deadline));
  auto server = CO_TRY(co_await listener->accept());
  auto peer = server->credentials();
  if (!peer) co_return fail(ErrorKind::io, "no credentials");
  co_return *peer;
}

TEST_F(UnixSocket, knows_who_calls) {
  auto peer = run_until_done(shard_, credentials_over(network_, path_, soon()));
  ASSERT_TRUE(peer.has_value()) << peer.error().message;
  EXPECT_EQ(peer->uid, getuid());
  EXPECT_EQ(peer->pid, getpid());
  EXPECT_NE(access(path_.c_str(), F_OK), 0) << "a closed listener removes its file";
}

TEST_F(UnixSocket, has_its_mode_refuses_a_second_and_replaces_a_stale_one) {
  auto first = network_.listen_unix(path_, 0620);
  ASSERT_TRUE(first.has_value());
  struct stat facts{};
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0620u);
  auto second = network_.listen_unix(path_, 0600);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  first->reset();

  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(stale);
  EXPECT_TRUE(network_.listen_unix(path_, 0600).has_value());
}

TEST_F(UnixSocket, says_that_no_server_runs) {
  auto stream = run_until_done(shard_, network_.connect_unix(path_, soon()));
  ASSERT_FALSE(stream.has_value());
  EXPECT_EQ(stream.error().kind, ErrorKind::not_running);
}

}  // namespace
}  // namespace goniec
