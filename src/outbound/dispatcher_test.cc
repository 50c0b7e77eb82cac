// The whole way out over real sockets of loopback: queue (memory store) -> dispatcher -> scripted
// servers -> outcomes in the store. Ports are chosen by the system; tests wait for events, not for
// time.
#include "outbound/dispatcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/text.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "outbound/doors_for_tests.h"
#include "outbound/outbound_tls.h"
#include "outbound/recipient_probe.h"
#include "run/shard.h"

namespace goniec {
namespace {

using std::chrono::seconds;

// A server that speaks as little SMTP as it takes, and counts.
struct Server {
  explicit Server(Shard& own_shard) : shard(own_shard) {}
  Shard& shard;
  std::unique_ptr<Listener> listener;
  std::string greeting = "220 mx.test ESMTP\r\n";
  std::string final_reply = "250 2.0.0 kept\r\n";
  std::map<std::string, std::string> recipient_replies;  // local part -> reply
  std::size_t recipient_limit = 1000;                    // 452 beyond
  bool drops_after_message = false;
  bool greets = true;
  // Answers nothing from here on: "greeting", a verb, "content"; and where it is silent now.
  std::string silent_at, waits_at;
  Signal may_greet;
  int connections = 0, messages = 0, open = 0, most_open = 0, tasks = 0;
  std::vector<std::string> bodies;
  std::vector<std::size_t> taken;  // recipients of each message
};

struct Conversation {
  std::unique_ptr<Stream> stream;
  std::string buffer;
  std::size_t recipients = 0;
  bool in_data = false;
  std::string body;
};

std::string answer(Server& server, Conversation& talk, const std::string& line) {
  if (talk.in_data) {
    if (line != ".") {
      talk.body += line + "\r\n";
      return "";
    }
    talk.in_data = false;
    ++server.messages;
    server.bodies.push_back(std::exchange(talk.body, {}));
    server.taken.push_back(std::exchange(talk.recipients, 0));
    return server.final_reply;
  }
  const auto verb = line.substr(0, 4);
  if (verb == "EHLO") return "250-mx.test\r\n250 PIPELINING\r\n";
  if (verb == "RCPT") {
    const auto local = line.substr(9, line.find('@') - 9);
    const auto reply = server.recipient_replies.find(local);
    if (reply != server.recipient_replies.end()) return reply->second;
    if (talk.recipients >= server.recipient_limit) return "452 4.5.3 too many\r\n";
    ++talk.recipients;
    return "250 ok\r\n";
  }
  if (verb == "DATA") {
    if (talk.recipients == 0) return "554 5.5.1 nobody\r\n";
    talk.in_data = true;
    return "354 go on\r\n";
  }
  if (verb == "MAIL" || verb == "RSET") talk.recipients = 0;
  return verb == "QUIT" ? "221 bye\r\n" : "250 ok\r\n";
}

Task<> converse(Server& server, std::unique_ptr<Stream> stream) {
  Conversation talk{.stream = std::move(stream)};
  server.most_open = std::max(server.most_open, ++server.open);
  if (server.silent_at == "greeting") server.waits_at = "greeting";
  while (!server.greets || server.silent_at == "greeting") co_await server.may_greet.wait();
  auto alive =
      (co_await talk.stream->write(server.greeting)).has_value() && server.greeting[0] == '2';
  std::string input(4096, '\0');
  while (alive) {
    auto got = co_await talk.stream->read(input);
    if (!got || *got == 0) break;
    talk.buffer.append(input, 0, *got);
    std::string replies;
    const int before = server.messages;
    for (auto end = talk.buffer.find("\r\n"); end != std::string::npos;
         end = talk.buffer.find("\r\n")) {
      const std::string said = talk.in_data ? "" : talk.buffer.substr(0, 4);
      replies += answer(server, talk, talk.buffer.substr(0, end));
      const std::string where = server.messages > before ? "content" : said;
      if (!server.silent_at.empty() && where == server.silent_at) {
        server.waits_at = where;
        while (!server.silent_at.empty()) co_await server.may_greet.wait();
      }
      talk.buffer.erase(0, end + 2);
    }
    if (!replies.empty()) alive = (co_await talk.stream->write(replies)).has_value();
    if (replies.ends_with("221 bye\r\n")) break;
    if (server.drops_after_message && server.messages > before) break;
  }
  talk.stream->close();
  --server.open;
  --server.tasks;
}

Task<> accept_all(Server& server) {
  for (;;) {
    auto stream = co_await server.listener->accept();
    if (!stream) break;
    ++server.connections;
    ++server.tasks;
    spawn(converse(server, std::move(*stream)));
  }
  --server.tasks;
}

struct Turn {  // the loop's next turn
  Loop& loop;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const {
    loop.post([waiter] { waiter.resume(); });
  }
  void await_resume() const {}
};

template <class Condition>
Task<bool> happens(Loop& loop, const Condition& condition) {
  const Moment deadline = loop.clock().moment() + seconds(20);
  while (!condition()) {
    if (loop.clock().moment() > deadline) co_return false;
    co_await Turn{loop};
  }
  co_return true;
}

struct House {
  House() {
    auto opened = Directory::open({.hostname = "me.test"}, committer, *reader);
    CHECK(opened.has_value());
    directory = std::move(*opened);
    local = std::make_unique<LocalDelivery>(*directory, readers, queue, shard);
  }

  void serve(Server& server) {
    auto listening = network.listen({.endpoint = {*IpAddress::parse("127.0.0.1"), 0}});
    CHECK(listening.has_value());
    server.listener = std::move(*listening);
    ++server.tasks;
    spawn(accept_all(server));
    servers.push_back(&server);
  }
  static std::uint16_t port_of(const Server& server) { return server.listener->local().port; }
  static RouteRule rule(std::string domain, std::uint16_t port) {
    return {.domains = {std::move(domain)},
            .transport = Transport::smtp,
            .host = "127.0.0.1",
            .port = port,
            .tls = RouteTls::none,
            .name = "route"};
  }
  void start(DispatcherOptions options) {
    options.hostname = "me.test";
    dispatcher = std::make_unique<Dispatcher>(std::move(options), hosts, queue, *local,
                                              std::make_shared<const OutboundTls>(), world, metrics,
                                              null_log());
    queue.add_shard(shard, *dispatcher);
    queue.start();
  }

  Task<MessageId> send(std::vector<std::string> to, std::string body = "text\r\n") {
    SpoolRequest request;
    request.message.id = queue.next_id(shard.clock(), shard.random());
    request.message.sender.address = *Address::parse("s@a.test");
    request.message.received_at = shard.clock().now();
    request.message.content.header = "Subject: x\r\n\r\n";
    request.message.content.body_octets = body.size();
    request.message.content.body_chunks = body.empty() ? 0 : 1;
    if (!body.empty()) request.chunks = {body};
    Entry entry;
    entry.domain = Address::parse(to.at(0))->domain();
    for (const auto& each : to) {
      entry.recipients.push_back({.recipient = {.address = *Address::parse(each)}});
    }
    request.entries = {std::move(entry)};
    const auto id = request.message.id;
    auto content =
        std::make_shared<LoadedContent>(LoadedContent{"", "Subject: x\r\n\r\n", std::move(body)});
    auto accepted = co_await queue.accept(shard, std::move(request), std::move(content));
    EXPECT_TRUE(accepted.has_value());
    co_return id;
  }

  std::uint64_t outcomes(const char* status) {
    return metrics
        .counter("goniec_deliveries_total", "Outcomes of recipients", {{"status", status}})
        .value();
  }
  std::uint64_t all_outcomes() {
    return outcomes("delivered") + outcomes("deferred") + outcomes("bounced") + outcomes("expired");
  }
  // "x@b.test delivered; …" of a message, in order of their names.
  std::string story(MessageId id) {
    auto events = reader->events_of(id);
    CHECK(events.has_value());
    std::multiset<std::string> lines;
    for (const auto& event : *events)
      lines.insert(event.recipient + " " + std::string(name_of(event.kind)));
    std::string text;
    for (const auto& line : lines) text += line + "; ";
    return text;
  }
  std::string last_data(MessageId id) {
    auto events = reader->events_of(id);
    return events && !events->empty() ? events->back().data : "";
  }

  Task<> end() {
    co_await dispatcher->stop(shard.clock().moment() + seconds(20));
    co_await queue.stop(shard);
    for (Server* server : servers) {
      server->listener->close();
      const bool ended = co_await happens(shard, [server] { return server->tasks == 0; });
      EXPECT_TRUE(ended) << "a server still waits";
    }
  }

  Shard shard;
  SystemNetwork network{shard};
  TableResolver resolver;
  NoHttp http;
  NoOffload offload;
  World world{shard, network, resolver, http, offload};
  Metrics metrics;
  std::unique_ptr<Store> store = make_memory_store({}, shard.clock());
  std::unique_ptr<Reader> reader = std::move(*store->reader());
  Committer committer{*store, {.settle_linger = Duration(0)}, metrics, null_log()};
  ReaderPool readers{*store, 1};
  Queue queue{{.hostname = "me.test"}, committer, readers, metrics, null_log()};
  Hosts hosts{{.hostname = "me.test", .private_targets = true}, world};
  std::unique_ptr<Directory> directory;
  std::unique_ptr<LocalDelivery> local;
  std::unique_ptr<Dispatcher> dispatcher;
  std::vector<Server*> servers;
};

DispatcherOptions routes(std::vector<RouteRule> rules, std::uint16_t mx_port = 25) {
  DispatcherOptions options;
  options.routes = RouteTable(std::move(rules), mx_port);
  options.connect = seconds(5);
  return options;
}

class Dispatching : public testing::Test {
 protected:
  House house_;
  Server server_{house_.shard};
  void run(Task<> test) { run_until_done(house_.shard, std::move(test)); }
};

Task<> delivers_one(House& house, Server& server) {
  house.serve(server);
  house.start(routes({House::rule("b.test", House::port_of(server))}));
  server.recipient_replies["no"] = "550 5.1.1 nobody\r\n";
  server.recipient_replies["later"] = "450 4.2.0 later\r\n";
  const auto id = co_await house.send({"x@b.test", "no@b.test", "later@b.test"}, ".dot\r\n");
  const bool done = co_await happens(house.shard, [&house] { return house.all_outcomes() >= 3; });
  EXPECT_TRUE(done);
  EXPECT_EQ(house.story(id), "later@b.test deferred; no@b.test failed; x@b.test delivered; ");
  EXPECT_EQ(server.bodies, std::vector<std::string>{"Subject: x\r\n\r\n..dot\r\n"});
  co_await house.end();
}
// Each message has the session's opening and its own lines; a failed connect is told too.
Task<> writes_down(House& house, Server& server) {
  house.serve(server);
  server.recipient_replies["no"] = "550 5.1.1 nobody\r\n";
  auto options = routes({House::rule("*", House::port_of(server))});
  options.connections_per_site = 1;
  std::map<MessageId, std::string> kept;
  options.keep_transcript = [&kept](MessageId id, const std::string& site, std::string text) {
    kept[id] += site + "\n" + text;
  };
  house.start(options);
  const auto first = co_await house.send({"x@b.test", "no@b.test"}, "secret content\r\n");
  const auto second = co_await house.send({"y@b.test"});
  EXPECT_TRUE(co_await happens(house.shard, [&house] { return house.all_outcomes() >= 3; }));
  EXPECT_EQ(kept.size(), 2u);
  for (const auto& text : {kept[first], kept[second]}) {
    EXPECT_NE(text.find("\t*\tconnect to "), std::string::npos) << text;
    EXPECT_NE(text.find("\t>\tEHLO "), std::string::npos) << text;
    EXPECT_NE(text.find("\t>\t(content, "), std::string::npos) << text;
    EXPECT_EQ(text.find("secret content"), std::string::npos) << text;
  }
  EXPECT_NE(kept[first].find("\t<\t550 5.1.1 nobody\n"), std::string::npos) << kept[first];
  EXPECT_EQ(kept[second].find("no@b.test"), std::string::npos) << kept[second];
  EXPECT_NE(kept[second].find("RCPT TO:<y@b.test>"), std::string::npos) << kept[second];
  co_await house.end();
}
TEST_F(Dispatching, WritesDownWhatWasSaid) {
  run(writes_down(house_, server_));
}

TEST_F(Dispatching, GivesEachRecipientItsOwnOutcome) {
  run(delivers_one(house_, server_));
}

Task<> reuses(House& house, Server& server, int expected_connections) {
  house.serve(server);
  auto options = routes({House::rule("*", House::port_of(server))});
  options.connections_per_site = 1;
  options.messages_per_connection = expected_connections == 1 ? 100 : 3;
  house.start(options);
  for (int i = 0; i < 9; ++i) co_await house.send({"x@b" + std::to_string(i) + ".test"});
  const bool done =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 9; });
  EXPECT_TRUE(done);
  EXPECT_EQ(server.connections, expected_connections);
  EXPECT_EQ(server.most_open, 1);
  co_await house.end();
}
TEST_F(Dispatching, CarriesManyMessagesOverOneConnection) {
  run(reuses(house_, server_, 1));
}
TEST_F(Dispatching, OpensANewConnectionAfterSoManyMessages) {
  run(reuses(house_, server_, 3));
}

Task<> survives_stale(House& house, Server& server) {
  house.serve(server);
  house.start(routes({House::rule("b.test", House::port_of(server))}));
  server.drops_after_message = true;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const auto id = co_await house.send({"x@b.test"});
    const bool done =
        co_await happens(house.shard, [&house, i] { return house.all_outcomes() >= i; });
    EXPECT_TRUE(done);
    EXPECT_EQ(house.story(id), "x@b.test delivered; ");
  }
  EXPECT_EQ(server.messages, 3);
  co_await house.end();
}
TEST_F(Dispatching, AKeptConnectionThatThePeerClosedCostsNoTry) {
  run(survives_stale(house_, server_));
}

Task<> splits(House& house, Server& server) {
  house.serve(server);
  house.start(routes({House::rule("b.test", House::port_of(server))}));
  server.recipient_limit = 2;
  const auto id = co_await house.send({"a@b.test", "b@b.test", "c@b.test", "d@b.test", "e@b.test"});
  const bool done = co_await happens(house.shard, [&house] { return house.all_outcomes() >= 5; });
  EXPECT_TRUE(done);
  EXPECT_EQ(house.outcomes("delivered"), 5u) << house.story(id);
  EXPECT_EQ(server.taken, (std::vector<std::size_t>{2, 2, 1}));
  EXPECT_EQ(server.connections, 1);
  co_await house.end();
}
TEST_F(Dispatching, TooManyRecipientsGoInAnotherTransactionAtOnce) {
  run(splits(house_, server_));
}

Task<> slow_beside_fast(House& house, Server& fast, Server& slow) {
  house.serve(fast);
  house.serve(slow);
  slow.greets = false;
  house.start(routes(
      {House::rule("slow.test", House::port_of(slow)), House::rule("*", House::port_of(fast))}));
  for (int i = 0; i < 30; ++i) co_await house.send({"x@slow.test"});
  for (int i = 0; i < 10; ++i) co_await house.send({"x@b.test"});
  const bool fast_done =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 10; });
  EXPECT_TRUE(fast_done);
  EXPECT_EQ(fast.messages, 10);
  EXPECT_EQ(slow.most_open, 1) << "a site that has not answered yet costs one connection";
  slow.greets = true;
  slow.may_greet.notify_all();
  const bool done =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 40; });
  EXPECT_TRUE(done);
  EXPECT_LE(slow.most_open, 20) << "connections a site are bounded";
  co_await house.end();
}
TEST_F(Dispatching, ASlowSiteDelaysNoOther) {
  Server slow(house_.shard);
  run(slow_beside_fast(house_, server_, slow));
}

Task<> dead_site(House& house, Server& server) {
  house.serve(server);
  const auto port = House::port_of(server);
  server.listener->close();  // nobody listens there now
  house.start(routes({House::rule("*", port)}));
  MessageId last;
  for (int i = 0; i < 20; ++i) last = co_await house.send({"x@b.test"});
  const bool done =
      co_await happens(house.shard, [&house] { return house.outcomes("deferred") >= 20; });
  EXPECT_TRUE(done);
  EXPECT_EQ(house.story(last), "x@b.test deferred; ");
  EXPECT_TRUE(house.last_data(last).contains("\"phase\":\"connect\"")) << house.last_data(last);
  co_await house.end();
}
TEST_F(Dispatching, ADeadSiteDefersItsMail) {
  run(dead_site(house_, server_));
}

Task<> refusing_site(House& house, Server& server) {
  server.greeting = "421 busy\r\n";
  house.serve(server);
  house.start(routes({House::rule("*", House::port_of(server))}));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    const auto id = co_await house.send({"x@b.test"});
    const bool done =
        co_await happens(house.shard, [&house, i] { return house.outcomes("deferred") >= i; });
    EXPECT_TRUE(done);
    EXPECT_TRUE(house.last_data(id).contains("421 busy")) << house.last_data(id);
  }
  EXPECT_EQ(server.connections, 1) << "what comes after the probe shares its answer";
  server.greeting = "220 mx.test ESMTP\r\n";
  house.dispatcher->look_again();
  for (int i = 0; i < 2; ++i) co_await house.send({"x@b.test"});
  const bool done =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 2; });
  EXPECT_TRUE(done);
  co_await house.end();
}
TEST_F(Dispatching, ADeadSiteIsProbedOnceAndAgainWhenAskedTo) {
  run(refusing_site(house_, server_));
}

Task<> silent_site(House& house, Server& server) {
  server.greets = false;
  house.serve(server);
  DispatcherOptions options = routes({House::rule("*", House::port_of(server))});
  options.patience = std::chrono::milliseconds(5);
  house.start(std::move(options));
  for (int i = 0; i < 3; ++i) co_await house.send({"x@b.test"});
  const bool gave_up =
      co_await happens(house.shard, [&house] { return house.outcomes("deferred") >= 2; });
  EXPECT_TRUE(gave_up) << "who waits behind the probe waits for ever";
  const auto late = co_await house.send({"x@b.test"});
  const bool told =
      co_await happens(house.shard, [&house] { return house.outcomes("deferred") >= 3; });
  EXPECT_TRUE(told);
  EXPECT_TRUE(house.last_data(late).contains("has not answered yet")) << house.last_data(late);
  server.greets = true;
  server.may_greet.notify_all();
  const bool probed =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 1; });
  EXPECT_TRUE(probed);
  co_await house.send({"x@b.test"});
  const bool alive =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 2; });
  EXPECT_TRUE(alive);
  EXPECT_EQ(server.connections, 1);
  co_await house.end();
}
TEST_F(Dispatching, NobodyWaitsLongBehindAProbeThatIsNotAnswered) {
  run(silent_site(house_, server_));
}

// What an end leaves behind in each phase: the entry is due as before, and nobody waited.
Task<> end_in_phase(House& house, Server& server, std::string_view phase) {
  house.serve(server);
  house.start(routes({House::rule("*", House::port_of(server))}));
  const auto id = co_await house.send({"x@b.test"});
  const bool there = co_await happens(
      house.shard, [&] { return server.connections == 1 && server.silent_at == server.waits_at; });
  EXPECT_TRUE(there) << phase;
  const Moment began = house.shard.clock().moment();
  co_await house.dispatcher->stop(began + seconds(20));
  co_await house.queue.stop(house.shard);
  EXPECT_LT(house.shard.clock().moment() - began, seconds(5)) << phase;
  EXPECT_EQ(house.all_outcomes(), 0u) << phase;
  EXPECT_EQ(house.story(id), "") << "not tried: " << phase;
  server.silent_at.clear();
  server.may_greet.notify_all();
  co_await house.end();
}
TEST_F(Dispatching, AnEndWaitsForNoPeerThatHasNotGotTheContent) {
  for (const char* phase : {"greeting", "EHLO", "MAIL", "RCPT", "DATA"}) {
    House house;
    Server server(house.shard);
    server.silent_at = phase;
    run_until_done(house.shard, end_in_phase(house, server, phase));
  }
}

Task<> end_after_content(House& house, Server& server) {
  server.silent_at = "content";
  house.serve(server);
  house.start(routes({House::rule("*", House::port_of(server))}));
  co_await house.send({"x@b.test"});
  const bool there = co_await happens(house.shard, [&] { return server.waits_at == "content"; });
  EXPECT_TRUE(there);
  bool ended = false;
  struct End {
    static Task<void> run(House& of, bool& over) {
      co_await of.dispatcher->stop(of.shard.clock().moment() + seconds(20));
      over = true;
    }
  };
  spawn(End::run(house, ended));
  for (int turn = 0; turn < 100; ++turn) co_await Turn{house.shard};
  EXPECT_FALSE(ended) << "the peer may have the message";
  server.silent_at.clear();
  server.may_greet.notify_all();
  const bool delivered =
      co_await happens(house.shard, [&] { return ended && house.outcomes("delivered") == 1; });
  EXPECT_TRUE(delivered);
  co_await house.end();
}
TEST_F(Dispatching, AnEndWaitsForTheAnswerToContent) {
  run(end_after_content(house_, server_));
}

Task<> few_connections(House& house, std::deque<Server>& servers) {
  std::vector<RouteRule> rules;
  for (Server& server : servers) {
    house.serve(server);
    rules.push_back(House::rule(fmt::format("d{}.test", rules.size()), House::port_of(server)));
  }
  DispatcherOptions options = routes(std::move(rules));
  options.connections = 2;
  options.keep = std::chrono::hours(1);
  house.start(std::move(options));
  for (std::size_t i = 0; i < servers.size(); ++i)
    co_await house.send({fmt::format("x@d{}.test", i)});
  const bool done =
      co_await happens(house.shard, [&house] { return house.outcomes("delivered") >= 10; });
  EXPECT_TRUE(done) << house.outcomes("delivered") << " delivered";
  co_await house.end();
}
TEST_F(Dispatching, SitesTakeTurnsWhenAllConnectionsAreInUse) {
  std::deque<Server> servers;
  for (int i = 0; i < 10; ++i) servers.emplace_back(house_.shard);
  run(few_connections(house_, servers));
}

Task<> next_host(House& house, Server& server) {
  house.serve(server);
  house.resolver.add_mx("b.test", 10, "six.test");
  house.resolver.add_mx("b.test", 20, "dead.test");
  house.resolver.add_mx("b.test", 30, "good.test");
  house.resolver.add_address("six.test", "::1");
  house.resolver.add_address("dead.test", "127.0.0.2");
  house.resolver.add_address("good.test", "127.0.0.1");
  house.start(routes({}, House::port_of(server)));
  const auto id = co_await house.send({"x@b.test"});
  const bool done = co_await happens(house.shard, [&house] { return house.all_outcomes() >= 1; });
  EXPECT_TRUE(done);
  EXPECT_EQ(house.story(id), "x@b.test delivered; ");
  EXPECT_TRUE(house.last_data(id).contains("good.test[127.0.0.1]")) << house.last_data(id);
  co_await house.end();
}
TEST_F(Dispatching, TriesTheNextHostAfterAFailedConnect) {
  run(next_host(house_, server_));
}

Task<> greeted_with(House& house, Server& server, std::string_view kind) {
  house.serve(server);
  house.start(routes({House::rule("*", House::port_of(server))}));
  const auto id = co_await house.send({"x@b.test"});
  const bool done = co_await happens(house.shard, [&house] { return house.all_outcomes() >= 1; });
  EXPECT_TRUE(done);
  EXPECT_EQ(house.story(id), "x@b.test " + std::string(kind) + "; ");
  co_await house.end();
}
TEST_F(Dispatching, A521GreetingOfEveryHostIsFinal) {
  server_.greeting = "521 mx.test takes no mail\r\n";
  run(greeted_with(house_, server_, "failed"));
}
TEST_F(Dispatching, A554GreetingIsTriedAgain) {
  server_.greeting = "554 not you\r\n";
  run(greeted_with(house_, server_, "deferred"));
}
TEST_F(Dispatching, A421GreetingIsTriedAgain) {
  server_.greeting = "421 busy\r\n";
  run(greeted_with(house_, server_, "deferred"));
}
TEST_F(Dispatching, ARefusedContentIsFinal) {
  server_.final_reply = "550 5.7.1 spam\r\n";
  run(greeted_with(house_, server_, "failed"));
}

Task<> swallows(House& house) {
  house.start(routes({{.domains = {"*"}, .transport = Transport::sink, .name = "route 1"}}));
  const auto id = co_await house.send({"x@b.test", "y@b.test"});
  const bool done = co_await happens(house.shard, [&house] { return house.all_outcomes() >= 2; });
  EXPECT_TRUE(done);
  EXPECT_EQ(house.story(id), "x@b.test delivered; y@b.test delivered; ");
  co_await house.end();
}
TEST_F(Dispatching, TheSinkTakesAll) {
  run(swallows(house_));
}

Task<> reloads(House& house, Server& server) {
  house.serve(server);
  const auto port = House::port_of(server);
  house.start(routes({House::rule("*", port)}));
  for (std::uint64_t i = 1; i <= 2; ++i) {  // the kept connection goes on under other options
    co_await house.send({"x@b.test"});
    const bool done =
        co_await happens(house.shard, [&house, i] { return house.outcomes("delivered") >= i; });
    EXPECT_TRUE(done);
    house.dispatcher->set_options(routes({House::rule("*", port)}));
  }
  EXPECT_EQ(server.connections, 1);
  co_await house.end();
}
TEST_F(Dispatching, AReloadLeavesKeptConnectionsAlone) {
  run(reloads(house_, server_));
}

Task<> probes(House& house, Server& server) {
  house.serve(server);
  server.recipient_replies["no"] = "550 5.1.1 nobody\r\n";
  server.recipient_replies["later"] = "451 4.2.1 greylisted\r\n";
  house.start({.hostname = "me.test"});
  VerifyCache cache;
  auto options = routes({House::rule("b.test", House::port_of(server))});
  RecipientProbe probe(options, house.hosts, cache, std::make_shared<const OutboundTls>(),
                       house.world);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ((co_await probe.ask(*Address::parse("x@b.test"))).one_line(), "250 ok");
    EXPECT_EQ((co_await probe.ask(*Address::parse("no@b.test"))).one_line(), "550 5.1.1 nobody");
    EXPECT_EQ((co_await probe.ask(*Address::parse("later@b.test"))).code, 451);
  }
  EXPECT_EQ(server.connections, 3) << "the second round comes from the cache";
  EXPECT_EQ(server.messages, 0) << "a probe sends no content";
  probe.set_options(options);
  (void)co_await probe.ask(*Address::parse("x@b.test"));
  EXPECT_EQ(server.connections, 4) << "new routes, new answers";
  co_await house.end();
}
TEST_F(Dispatching, AProbeTellsWhatTheNextHopSaysOfARecipient) {
  run(probes(house_, server_));
}

Task<> probes_in_vain(House& house, Server& server) {
  house.serve(server);
  server.greeting = "554 5.7.1 you are not welcome\r\n";
  house.start({.hostname = "me.test"});
  VerifyCache cache;
  RecipientProbe probe(routes({House::rule("b.test", House::port_of(server))}), house.hosts, cache,
                       std::make_shared<const OutboundTls>(), house.world);
  const Reply refused = co_await probe.ask(*Address::parse("x@b.test"));
  EXPECT_EQ(refused.code, 450) << "it says nothing about the recipient";
  EXPECT_NE(refused.one_line().find("you are not welcome"), std::string::npos);
  const Reply nowhere = co_await probe.ask(*Address::parse("x@unknown.test"));
  EXPECT_EQ(nowhere.code, 450) << nowhere.one_line();
  co_await house.end();
}
TEST_F(Dispatching, ANextHopThatRefusesUsSaysNothingOfTheRecipient) {
  run(probes_in_vain(house_, server_));
}

}  // namespace
}  // namespace goniec
