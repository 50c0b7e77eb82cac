// A house with an API in front of it: what the tests of calls share.
// Mail waits in the queue as if no host answered; nothing leaves.
// Included by tests only.
#pragma once
#include "accounts/accounts_for_tests.h"
#include "api/routes.h"
#include "base/text.h"

namespace goniec::test {

class IdleCarrier final : public Carrier {
 public:
  explicit IdleCarrier(Queue*& queue) : queue_(queue) {}
  void carry(ReadyEntry entry) override { ready.push_back(std::move(entry)); }
  void give_all_back() {
    for (auto& each : ready) queue_->give_back(std::move(each));
    ready.clear();
  }
  std::vector<ReadyEntry> ready;

 private:
  Queue*& queue_;
};

class TestApi {
 public:
  TestApi() {
    queue_pointer_ = &queue;
    queue.add_shard(house.shard, carrier);
    house.add_domain("example.pl");
    house.add_user({.address = address("anna@example.pl")});
    auto reader = house.store->reader();
    CHECK(reader && signing_keys.open(house.committer, **reader) &&
          api_keys.open(house.committer, **reader));
    CHECK(streams.open(house.committer, **reader) &&
          suppressions.open(house.committer, house.readers, **reader));
    CHECK(templates.open(house.committer, **reader).has_value());
    logins.use_keys(api_keys);
    idempotency.open(house.readers);
    context.intake = [this] {
      IntakeOptions options;
      options.hostname = "mail.example.pl";
      options.idempotency = &idempotency;
      return options;
    };
    context.message_octets = [] { return std::uint64_t(1) << 20; };
    context.listeners_json = [] { return std::string("[]"); };
    context.certificates_json = [] { return std::string("[]"); };
  }

  // What a stream means is obeyed from now on.
  void with_streams() {
    auto reader = house.store->reader();
    CHECK(reader && links.open(house.committer, **reader));
    context.intake = [this, before = context.intake] {
      IntakeOptions options = before();
      options.streams = {&streams, &suppressions, &links, "https://mail.example.pl"};
      return options;
    };
  }
  std::string make_key(ApiKey wanted) {
    auto made = house.wait(api_keys.make(house.shard, std::move(wanted), KeySpelling::native));
    CHECK(made.has_value());
    return made->secret;
  }
  using Headers = std::vector<std::pair<std::string, std::string>>;
  ApiCall web_call(std::string method, const std::string& target, std::string body,
                   std::string_view key, Headers headers = {}) {
    ApiCall call;
    call.method = std::move(method);
    const auto question = target.find('?');
    call.path = target.substr(0, question);
    if (question != std::string::npos)
      call.query = parse_query(std::string_view(target).substr(question + 1));
    call.body = std::move(body);
    call.headers = std::move(headers);
    if (!key.empty()) call.headers.emplace_back("authorization", fmt::format("Bearer {}", key));
    call.remote = {*IpAddress::parse("192.0.2.7"), 4444};
    return call;
  }
  // A call on the web with this key ("": without one).
  ApiReply web(std::string method, const std::string& target, std::string body,
               std::string_view key, Headers headers = {}) {
    return house.wait(
        answer_call(context, ApiDoor::web,
                    web_call(std::move(method), target, std::move(body), key, std::move(headers))));
  }
  static JsonValue json(const ApiReply& reply) {
    auto parsed = JsonValue::parse(reply.body);
    CHECK(parsed.has_value());
    return *parsed;
  }

  TestHouse house;
  TestWorld world{house};
  Queue queue{
      {.hostname = "mail.example.pl"}, house.committer, house.readers, house.metrics, null_log()};

 private:
  Queue* queue_pointer_ = nullptr;

 public:
  IdleCarrier carrier{queue_pointer_};
  SigningKeys signing_keys;
  Forwarding forwarding;
  Templates templates;
  ApiKeys api_keys;
  Idempotency idempotency;
  Webhooks webhooks;
  std::unique_ptr<HookLog> hook_log = *open_hook_log(":memory:", null_log(), Instant{}, 0);
  Sessions sessions;
  Streams streams;
  Suppressions suppressions;
  Links links;
  Logins logins{*house.directory, LoginLimits{.failures_per_address = 3}, house.metrics,
                house.shard.random()};
  ApiContext context{.world = world.world,
                     .queue = queue,
                     .directory = *house.directory,
                     .committer = house.committer,
                     .readers = house.readers,
                     .metrics = house.metrics,
                     .log = null_log(),
                     .signing_keys = signing_keys,
                     .forwarding = forwarding,
                     .templates = templates,
                     .api_keys = api_keys,
                     .logins = logins,
                     .idempotency = idempotency,
                     .webhooks = webhooks,
                     .hook_log = *hook_log,
                     .sessions = sessions,
                     .streams = streams,
                     .suppressions = suppressions,
                     .links = links,
                     .version = "1"};
};

}  // namespace goniec::test
