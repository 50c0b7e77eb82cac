// The false world keeps its own promises: virtual time, one history a seed, streams and disks that
// fail only in the ways the true ones do.
#include "sim/world.h"

#include <gtest/gtest.h>

#include <thread>

#include "sim/disk.h"
#include "sim/network.h"

namespace goniec {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// ---------------------------------------------------------------- loop
TEST(SimLoop, leaps_over_days_without_waiting) {
  SimLoop loop(1);
  std::vector<int> order;
  loop.at(loop.clock().moment() + hours(120), [&] { order.push_back(2); });
  loop.at(loop.clock().moment() + hours(1), [&] { order.push_back(1); });
  loop.post([&] { order.push_back(0); });
  loop.run_until_idle();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(loop.clock().now() - sim_start, hours(120));
  loop.clock().jump_wall(-hours(200));
  EXPECT_LT(loop.clock().now(), sim_start);
}

TEST(SimLoop, stops_at_the_end_of_a_span) {
  SimLoop loop(1);
  int rounds = 0;
  struct Ticker {
    static Task<> run(SimLoop& world, int& count) {
      for (int i = 0; i < 100; ++i) {
        co_await world.sleep(seconds(1));
        ++count;
      }
    }
  };
  spawn(Ticker::run(loop, rounds));
  loop.run_for(seconds(10));
  EXPECT_EQ(rounds, 10);
  loop.run_until_idle();
  EXPECT_EQ(rounds, 100);
}

TEST(SimLoop, takes_posts_of_a_true_thread) {
  SimLoop loop(1);
  bool done = false;
  std::thread other([&] { loop.post([&] { done = true; }); });
  EXPECT_TRUE(loop.run_until([&] { return done; }, seconds(10)));
  other.join();
}

Task<Result<int>> compute(SimLoop& loop, SimOffload& pool, int value) {
  co_return co_await pool.run(loop, [value] { return value * 2; });
}

TEST(SimOffload, takes_virtual_time_and_refuses_when_full) {
  SimLoop loop(1);
  SimOffload pool(loop);
  pool.cost = seconds(3);
  const Moment start = loop.clock().moment();
  EXPECT_EQ(loop.run(compute(loop, pool, 21)).value(), 42);
  EXPECT_EQ(loop.clock().moment() - start, seconds(3));
  pool.queue_limit = 0;
  EXPECT_EQ(loop.run(compute(loop, pool, 1)).error().kind, ErrorKind::try_later);
}

// ---------------------------------------------------------------- names and web
TEST(SimResolver, answers_as_its_table_says) {
  SimLoop loop(1);
  SimResolver names(loop);
  names.add_mx("Example.", 10, "MX1.example");
  names.add_address("mx1.example", "192.0.2.1");
  names.alias("www.example", "mx1.example");
  names.fail("sick.example", DnsType::mx, DnsStatus::temporary);
  auto ask = [&](const char* name, DnsType type, Duration patience = seconds(1)) {
    return loop.run(names.lookup(name, type, loop.clock().moment() + patience));
  };
  EXPECT_EQ(std::get<DnsMx>(ask("EXAMPLE", DnsType::mx).records.at(0)).exchange, "mx1.example");
  EXPECT_EQ(ask("www.example", DnsType::a).canonical_name, "mx1.example");
  EXPECT_EQ(ask("mx1.example", DnsType::aaaa).status, DnsStatus::no_data);
  EXPECT_EQ(ask("nothing.example", DnsType::a).status, DnsStatus::no_such_domain);
  EXPECT_EQ(ask("sick.example", DnsType::mx).status, DnsStatus::temporary);
  EXPECT_EQ(ask("example", DnsType::mx, milliseconds(1)).status, DnsStatus::temporary);
}

TEST(SimHttp, serves_by_url_within_the_deadline) {
  SimLoop loop(1);
  SimHttp http(loop);
  http.on("https://a.example/x", [](const HttpRequest&) { return HttpResponse{.status = 204}; });
  const Moment later = loop.clock().moment() + seconds(1);
  EXPECT_EQ(loop.run(http.fetch({.url = "https://a.example/x"}, later))->status, 204u);
  EXPECT_FALSE(loop.run(http.fetch({.url = "https://b.example/"}, later)).has_value());
  EXPECT_EQ(
      loop.run(http.fetch({.url = "https://a.example/x"}, loop.clock().moment())).error().kind,
      ErrorKind::timed_out);
  EXPECT_EQ(http.requests.size(), 3u);
}

// ---------------------------------------------------------------- network
Endpoint endpoint(const char* address, std::uint16_t port) {
  return {*IpAddress::parse(address), port};
}

Task<> echo(Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    std::string buffer(1000, '\0');
    for (;;) {
      auto got = co_await (*stream)->read(buffer);
      if (!got || *got == 0) break;
      auto sent = co_await (*stream)->write(std::string_view(buffer).substr(0, *got));
      if (!sent) break;
    }
  }
}
Task<> send_all(Stream& stream, const std::string& bytes) {
  (void)co_await stream.write(bytes);
  stream.shutdown_write();
}
Task<Result<std::string>> exchange(SimLoop& loop, SimNetwork& network, Endpoint to,
                                   std::string bytes) {
  const Moment deadline = loop.clock().moment() + hours(1);
  auto stream = CO_TRY(co_await network.connect(to, std::nullopt, deadline));
  stream->set_deadline(deadline);
  spawn(send_all(*stream, bytes));
  std::string all, buffer(777, '\0');
  for (;;) {
    const std::size_t got = CO_TRY(co_await stream->read(buffer));
    if (got == 0) break;
    all.append(buffer, 0, got);
  }
  co_return all;
}

struct History {
  std::uint64_t steps;
  Duration took;
  bool operator==(const History&) const = default;
};
History echo_history(std::uint64_t seed) {
  SimLoop loop(seed);
  SimNetwork network(loop, seed);
  auto listener = network.listen({.endpoint = endpoint("0.0.0.0", 25)}).value();
  spawn(echo(*listener));
  std::string bytes;
  for (int i = 0; i < 30'000; ++i) bytes += std::to_string(i);
  const Moment start = loop.clock().moment();
  auto back = loop.run(exchange(loop, network, endpoint("192.0.2.9", 25), bytes));
  EXPECT_TRUE(back.has_value() && *back == bytes);
  const History history{loop.steps(), loop.clock().moment() - start};
  listener->close();
  loop.run_until_idle();
  return history;
}

TEST(SimNetwork, carries_all_bytes_in_order_and_repeats_itself_by_seed) {
  EXPECT_EQ(echo_history(5), echo_history(5));
  EXPECT_NE(echo_history(5), echo_history(6));
}

TEST(SimNetwork, fails_to_connect_as_hosts_are) {
  SimLoop loop(1);
  SimNetwork network(loop, 1);
  network.set_unreachable(*IpAddress::parse("192.0.2.1"));
  network.set_silent(*IpAddress::parse("192.0.2.2"));
  auto connect = [&](const char* address) {
    auto stream = loop.run(
        network.connect(endpoint(address, 25), std::nullopt, loop.clock().moment() + seconds(30)));
    EXPECT_FALSE(stream.has_value());
    return stream.error();
  };
  EXPECT_EQ(connect("192.0.2.1").system_errno, ENETUNREACH);
  EXPECT_EQ(connect("192.0.2.2").kind, ErrorKind::timed_out);
  EXPECT_EQ(connect("192.0.2.3").system_errno, ECONNREFUSED);
  auto path = loop.run(network.connect_unix("/run/none", loop.clock().moment() + seconds(1)));
  EXPECT_EQ(path.error().kind, ErrorKind::not_running);
}

struct Pair {
  std::unique_ptr<Stream> client, server;
};
Task<Result<Pair>> connected(SimLoop& loop, SimNetwork& network) {
  auto listener = CO_TRY(network.listen_unix("/run/s", 0600));
  Pair pair;
  auto client = CO_TRY(co_await network.connect_unix("/run/s", loop.clock().moment() + seconds(1)));
  pair.client = std::move(client);
  auto server = CO_TRY(co_await listener->accept());
  pair.server = std::move(server);
  co_return pair;
}
Task<> read_once(Stream& stream, std::optional<Result<std::size_t>>& result) {
  char buffer[100];
  result = co_await stream.read(buffer);
}
Task<> write_once(Stream& stream, std::string bytes, std::optional<Result<void>>& result) {
  result = co_await stream.write(bytes);
}

class SimStreams : public testing::Test {
 protected:
  void SetUp() override {
    network_.credentials = {.uid = 33, .gid = 33, .pid = 7};
    pair_ = loop_.run(connected(loop_, network_)).value();
  }
  SimLoop loop_{3};
  SimNetwork network_{loop_, 3};
  Pair pair_;
};

TEST_F(SimStreams, knows_who_calls) {
  EXPECT_EQ(pair_.server->credentials()->uid, 33u);
}

TEST_F(SimStreams, ends_a_pending_read_by_deadline_close_destruction_or_reset) {
  std::optional<Result<std::size_t>> result;
  pair_.server->set_deadline(loop_.clock().moment() + seconds(300));
  spawn(read_once(*pair_.server, result));
  loop_.run_until_idle();
  EXPECT_EQ(result->error().kind, ErrorKind::timed_out);

  result.reset();
  pair_.server->set_deadline(Moment::max());
  spawn(read_once(*pair_.server, result));
  loop_.run_until_idle();
  EXPECT_FALSE(result.has_value());
  pair_.server.reset();
  EXPECT_EQ(result->error().kind, ErrorKind::closed);

  result.reset();
  spawn(read_once(*pair_.client, result));
  loop_.run_until_idle();
  EXPECT_EQ(result->value(), 0u) << "the peer was closed cleanly";
}

TEST_F(SimStreams, loses_unread_bytes_in_a_reset) {
  std::optional<Result<void>> written;
  spawn(write_once(*pair_.client, "lost", written));
  loop_.run_until_idle();
  network_.reset_all();
  std::optional<Result<std::size_t>> result;
  spawn(read_once(*pair_.server, result));
  loop_.run_until_idle();
  EXPECT_EQ(result->error().system_errno, ECONNRESET);
}

TEST_F(SimStreams, holds_a_writer_back_when_nobody_reads) {
  std::optional<Result<void>> written;
  spawn(write_once(*pair_.client, std::string(200'000, 'x'), written));
  loop_.run_until_idle();
  EXPECT_FALSE(written.has_value());
  pair_.server->close();
  loop_.run_until_idle();
  ASSERT_TRUE(written.has_value());
  EXPECT_FALSE(written->has_value()) << "closing with unread bytes resets the peer";
}

// ---------------------------------------------------------------- disk
std::string read_all(SimDisk& disk, const std::string& path) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) return "(none)";
  std::string text((*file)->size().value_or(0), '\0');
  text.resize((*file)->read_at(0, text).value_or(0));
  return text;
}
Result<void> write_file(SimDisk& disk, const std::string& path, std::string_view bytes) {
  auto file = TRY(disk.open(path, OpenMode::create));
  TRY(file->write_at(0, bytes));
  TRY(file->sync());
  return {};
}

TEST(SimDisk, forgets_what_was_not_synced_and_names_whose_directory_was_not) {
  SimDisk disk;
  ASSERT_TRUE(disk.make_directory("/d").has_value());
  ASSERT_TRUE(write_file(disk, "/d/kept", "synced").has_value());
  ASSERT_TRUE(disk.sync_directory("/d").has_value());
  ASSERT_TRUE(write_file(disk, "/d/nameless", "synced").has_value());
  auto file = disk.open("/d/kept", OpenMode::read_write).value();
  ASSERT_TRUE(file->write_at(0, "SYNCED and more").has_value());
  EXPECT_EQ(read_all(disk, "/d/kept"), "SYNCED and more");
  disk.crash();
  EXPECT_FALSE(disk.open("/d/kept", OpenMode::read).has_value()) << "down until restart";
  disk.restart();
  EXPECT_EQ(read_all(disk, "/d/kept"), "synced");
  EXPECT_EQ(read_all(disk, "/d/nameless"), "(none)");
  EXPECT_FALSE(file->write_at(0, "x").has_value()) << "an old handle";
}

TEST(SimDisk, renames_whole_or_not_at_all) {
  SimDisk disk;
  ASSERT_TRUE(write_file(disk, "/a", "old").has_value());
  ASSERT_TRUE(disk.sync_directory("/").has_value());
  ASSERT_TRUE(write_file(disk, "/a.new", "new").has_value());
  ASSERT_TRUE(disk.rename("/a.new", "/a").has_value());
  EXPECT_EQ(read_all(disk, "/a"), "new");
  disk.crash();
  disk.restart();
  EXPECT_EQ(read_all(disk, "/a"), "old");
  EXPECT_EQ(disk.list("/").value(), std::vector<std::string>{"a"});
}

TEST(SimDisk, tears_unsynced_writes_by_sectors) {
  bool some = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(write_file(disk, "/a", std::string(4096, 'o')).has_value());
    ASSERT_TRUE(disk.sync_directory("/").has_value());
    auto file = disk.open("/a", OpenMode::read_write).value();
    ASSERT_TRUE(file->write_at(0, std::string(4096, 'n')).has_value());
    disk.crash(CrashKind::tear);
    disk.restart();
    const std::string text = read_all(disk, "/a");
    ASSERT_EQ(text.size(), 4096u);
    for (std::size_t at = 0; at < 4096; at += 512) {
      EXPECT_EQ(text.substr(at, 512), std::string(512, text[at])) << "a sector is whole";
    }
    some = some || (text.find('n') != std::string::npos && text.find('o') != std::string::npos);
  }
  EXPECT_TRUE(some);
}

TEST(SimDisk, never_saves_what_a_failed_sync_lost) {
  SimDisk disk;
  ASSERT_TRUE(write_file(disk, "/a", "first").has_value());
  ASSERT_TRUE(disk.sync_directory("/").has_value());
  auto file = disk.open("/a", OpenMode::read_write).value();
  disk.fail_call(DiskCall::sync, 0, EIO);
  ASSERT_TRUE(file->write_at(0, "lost!").has_value());
  EXPECT_FALSE(file->sync().has_value());
  EXPECT_TRUE(file->sync().has_value());
  disk.crash();
  disk.restart();
  EXPECT_EQ(read_all(disk, "/a"), "first");
}

TEST(SimDisk, undoes_every_kind_of_change_at_a_crash) {
  SimDisk disk;
  SystemRandom random(5);
  ASSERT_TRUE(write_file(disk, "/a", std::string(3000, 'o')).has_value());
  ASSERT_TRUE(disk.sync_directory("/").has_value());
  std::string durable(3000, 'o');
  for (int round = 0; round < 200; ++round) {
    auto file = disk.open("/a", OpenMode::read_write).value();
    for (int change = 0; change < 4; ++change) {
      const std::uint64_t at = random.below(4000);
      if (random.below(3) == 0) {
        ASSERT_TRUE(file->truncate(at).has_value());
      } else {
        ASSERT_TRUE(file->write_at(at, std::string(random.below(900), 'n')).has_value());
      }
      if (random.below(4) == 0) {
        disk.fail_call(DiskCall::sync, 0, EIO);
        EXPECT_FALSE(file->sync().has_value());
      }
    }
    if (round % 50 == 0) {  // changes since the last failed sync come through, no others
      disk.crash();
      disk.restart();
      file = disk.open("/a", OpenMode::read_write).value();
      ASSERT_TRUE(file->write_at(random.below(4000), "synced").has_value());
      ASSERT_TRUE(file->sync().has_value());
      durable = read_all(disk, "/a");
    }
    disk.crash();
    disk.restart();
    EXPECT_EQ(read_all(disk, "/a"), durable);
  }
}

TEST(SimDisk, fills_up_fails_and_dies_at_the_call_that_was_named) {
  SimDisk disk;
  disk.set_capacity(10);
  EXPECT_EQ(write_file(disk, "/a", "0123456789x").error().kind, ErrorKind::try_later);
  EXPECT_TRUE(write_file(disk, "/a", "0123456789").has_value());
  EXPECT_TRUE(write_file(disk, "/a", "abc").has_value()) << "overwriting takes no room";
  EXPECT_EQ(disk.space("/")->free_octets, 0u);
  disk.fail_call(DiskCall::write, 1, EIO);
  EXPECT_TRUE(write_file(disk, "/a", "1").has_value());
  EXPECT_EQ(write_file(disk, "/a", "2").error().system_errno, EIO);
  disk.crash_at_call(2);  // open and write pass, the sync does not
  EXPECT_FALSE(write_file(disk, "/a", "3").has_value());
  EXPECT_FALSE(disk.exists("/a").has_value());
  disk.restart();
  EXPECT_EQ(read_all(disk, "/a"), "(none)") << "its name was never synced";
}

TEST(SimDisk, locks_once_until_released_or_crashed) {
  SimDisk disk;
  auto first = disk.lock("/lock");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(disk.lock("/lock").error().kind, ErrorKind::conflict);
  first->reset();
  auto second = disk.lock("/lock");
  ASSERT_TRUE(second.has_value());
  disk.crash();
  disk.restart();
  EXPECT_TRUE(disk.lock("/lock").has_value());
}

}  // namespace
}  // namespace goniec
