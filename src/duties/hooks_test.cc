// Webhooks on a real loop, the memory store and a real file of deliveries. The receiver is a twin
// of the HttpFetch door that answers as told; real receivers are in tests/clients.
#include "duties/hooks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>

#include "accounts/accounts_for_tests.h"
#include "base/json.h"
#include "duties/hook_log_for_tests.h"
#include "store/last_event.h"

namespace goniec {
namespace {

using std::chrono::milliseconds;

class Receiver final : public HttpFetch {
 public:
  explicit Receiver(Loop& loop) : loop_(loop) {}
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment) override {
    std::string id;
    for (const auto& [name, value] : request.headers)
      if (name == "webhook-id") id = value;
    most_at_once = std::max(most_at_once, ++at_once);
    co_await loop_.sleep(milliseconds(2));
    --at_once;
    requests.push_back(request);
    ids.push_back(id);
    HttpResponse response;
    response.status = failures.contains(id) && failures[id]-- > 0 ? 500u : status;
    if (failures.contains(id) && failures[id] <= 0) failures.erase(id);
    heard.notify_all();
    co_return response;
  }
  // `id` fails so many times first.
  std::map<std::string, int> failures;
  unsigned status = 200;
  std::vector<HttpRequest> requests;
  std::vector<std::string> ids;
  std::size_t at_once = 0, most_at_once = 0;
  Signal heard;

 private:
  Loop& loop_;
};

// Counts lines of the log by their event.
class Lines final : public LogSink {
 public:
  void write(LogRecord record) override {
    std::lock_guard lock(mutex_);
    ++counts_[record.event];
  }
  std::size_t count(const std::string& event) {
    std::lock_guard lock(mutex_);
    return counts_[event];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::size_t> counts_;
};

struct House {
  test::TestHouse base;
  test::NoNetwork network;
  test::NoResolver resolver;
  Receiver receiver{base.shard};
  World world{base.shard, network, resolver, receiver, base.offload};
  Webhooks webhooks;
  std::string folder;
  std::unique_ptr<test::WatchedHookLog> log;
  std::unique_ptr<Hooks> hooks;
  Lines lines;
  HooksOptions options;
  std::vector<std::string> mails;
  std::uint64_t next_message = 1;

  House() {
    std::string name = (std::filesystem::temp_directory_path() / "goniec-hooks-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder = name;
    auto reader = base.store->reader();
    CHECK(webhooks.open(base.committer, **reader).has_value());
    options.settings = [] {
      return HooksSettings{.private_targets = true, .owner = test::address("admin@us.test")};
    };
    options.schedule = {milliseconds(5), milliseconds(5), milliseconds(5)};
    options.step = milliseconds(2);
    open_log();  // as the first start makes it
    log.reset();
  }
  ~House() {
    stop();
    std::filesystem::remove_all(folder);
  }
  void add(Webhook webhook) {
    webhook.secret = new_webhook_secret();
    if (webhook.events.empty()) webhook.events = {"*"};
    if (webhook.url.empty()) webhook.url = "http://receiver.test/hook";
    const auto added = base.wait(webhooks.add(base.shard, std::move(webhook)));
    ASSERT_TRUE(added) << added.error().message;
  }
  void start() {
    open_log();
    begin_to_tell();
  }
  void open_log() {
    auto reader = base.store->reader();
    auto opened = open_hook_log(folder + "/hooks.db", lines, base.shard.clock().now(),
                                *last_event_sequence(**reader));
    CHECK(opened.has_value());
    log = std::make_unique<test::WatchedHookLog>(std::move(*opened));
  }
  void begin_to_tell() {
    hooks =
        std::make_unique<Hooks>(world, base.readers, webhooks, *log, options, base.metrics, lines);
    hooks->set_mail([this](Address, std::string subject, std::string) -> Task<void> {
      mails.push_back(std::move(subject));
      co_return;
    });
    base.wait(begin(*hooks));
  }
  void stop() {
    if (hooks) base.wait(end(*hooks));
    hooks.reset();
    log.reset();
  }
  static Task<bool> begin(Hooks& hooks) {
    hooks.start();
    co_return true;
  }
  static Task<bool> end(Hooks& hooks) {
    co_await hooks.stop();
    co_return true;
  }
  // Events of one message in one transaction: received first.
  MessageId tell(std::initializer_list<EventKind> kinds, std::string_view stream = {}) {
    const MessageId id{next_message++};
    FactsRequest facts;
    for (const EventKind kind : kinds) {
      Event event;
      event.kind = kind;
      event.message = id;
      event.at = base.shard.clock().now();
      event.recipient = kind == EventKind::received ? "" : "anna@them.test";
      event.data =
          kind == EventKind::received
              ? R"({"from":"shop@us.test","subject":"Hi","recipients":["anna@them.test"])" +
                    (stream.empty() ? "" : R"(,"stream":")" + std::string(stream) + "\"") + "}"
              : R"({"reply":"250 2.0.0 ok","tries":1})";
      facts.events.push_back(std::move(event));
    }
    CHECK(base.wait(base.committer.record(base.shard, std::move(facts))).has_value());
    return id;
  }
  std::string failing_since(const std::string& id) {
    const auto since = log->positions()->at(id).failing_since;
    return since ? to_rfc3339(*since) : "";
  }
  void enable(const std::string& id) {
    Webhook webhook = *webhooks.find(id);
    webhook.enabled = true;
    webhook.disabled_reason.clear();
    ASSERT_TRUE(base.wait(webhooks.replace(base.shard, std::move(webhook))));
  }
  // Ends when it is so, or too late.
  bool until(std::function<bool()> done) { return base.wait(wait_until(base.shard, done)); }
  static Task<bool> wait_until(Loop& loop, std::function<bool()> done) {
    const Moment end = loop.clock().moment() + std::chrono::seconds(20);
    while (!done() && loop.clock().moment() < end) co_await loop.sleep(milliseconds(1));
    co_return done();
  }
  // Ends when the receiver heard so many calls.
  void hear(std::size_t calls) { base.wait(hear_calls(receiver, calls)); }
  static Task<bool> hear_calls(Receiver& receiver, std::size_t calls) {
    while (receiver.ids.size() < calls) co_await receiver.heard.wait();
    co_return true;
  }
  std::string type_of(std::size_t call) {
    return JsonValue::parse(receiver.requests.at(call).body)->text_at("type");
  }
  std::string id() { return webhooks.all().at(0)->id; }
};

Webhook hook(std::string id, std::vector<std::string> events = {}) {
  Webhook webhook;
  webhook.id = std::move(id);
  webhook.events = std::move(events);
  return webhook;
}

TEST(Hooks, TellEachEventOnceInOrderAndGoOnAfterARestart) {
  House house;
  house.add(hook("one"));
  house.start();
  house.tell({EventKind::received, EventKind::delivered});
  house.hear(3);  // with the event that made the webhook
  EXPECT_EQ(house.type_of(1), "email.received_for_delivery");
  EXPECT_EQ(house.type_of(2), "email.delivered");
  house.stop();
  house.tell({EventKind::received, EventKind::delivered});
  house.start();
  house.hear(5);
  EXPECT_EQ(house.type_of(4), "email.delivered");
  EXPECT_EQ(std::set<std::string>(house.receiver.ids.begin(), house.receiver.ids.end()).size(), 5u)
      << "each event has its id, and none came twice";
}

TEST(Hooks, SignAsStandardWebhooksSayWithTheSecretAndForADayWithTheOldOne) {
  Webhook webhook = hook("one");
  webhook.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  // The example of the specification.
  EXPECT_EQ(hook_signature(webhook.secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                           R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  const Instant now{std::chrono::seconds(1614265330)};
  webhook.old_secret = new_webhook_secret();
  webhook.old_secret_until = now + std::chrono::hours(1);
  const auto signature = [&webhook](Instant at) {
    for (const auto& [name, value] : hook_headers(webhook, "x", "{}", at))
      if (name == "webhook-signature") return value;
    return std::string();
  };
  EXPECT_EQ(std::ranges::count(signature(now), ' '), 1);
  EXPECT_EQ(std::ranges::count(signature(now + std::chrono::hours(2)), ' '), 0);
}

TEST(Hooks, AFailureHoldsUpItsOwnMessageAndNoOther) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.options.probe_after = 100;
  const MessageId first = house.tell({EventKind::received, EventKind::delivered});
  house.tell({EventKind::received, EventKind::delivered});
  const auto events = (*house.base.store->reader())->events_of(first);
  const std::string failing = event_id_of(events->at(0).sequence);
  house.receiver.failures[failing] = 2;
  house.start();
  house.hear(6);  // four events, one of them three times
  const auto& ids = house.receiver.ids;
  EXPECT_EQ(std::ranges::count(ids, failing), 3);
  const auto last_of_failing =
      std::ranges::find(ids.rbegin(), ids.rend(), failing).base() - ids.begin();
  const auto second = std::ranges::find(ids, event_id_of(events->at(1).sequence)) - ids.begin();
  EXPECT_GT(second, last_of_failing - 1) << "the next event of the message came after it";
  EXPECT_NE(ids.back(), failing);
}

TEST(Hooks, WhatIsNeverTakenIsDeadAndGoesOutAgainWhenReplayed) {
  House house;
  house.add(hook("one", {"email.delivered"}));
  house.receiver.status = 503;
  house.start();
  house.tell({EventKind::received, EventKind::delivered});
  house.hear(4);
  house.stop();
  house.start();
  const auto dead = house.log->list("one", {.state = HookState::dead});
  ASSERT_TRUE(dead);
  ASSERT_EQ(dead->size(), 1u);
  EXPECT_EQ(dead->at(0).tries, 4u);
  EXPECT_EQ(dead->at(0).last_status, 503);
  EXPECT_EQ(house.log->attempts("one", dead->at(0).sequence)->size(), 4u);
  house.receiver.status = 200;
  const Instant now = house.base.shard.clock().now();
  ASSERT_EQ(house.log->replay("one", HookState::dead, now - std::chrono::hours(1),
                              now + std::chrono::hours(1), now),
            1u);
  struct Body {
    static Task<bool> look(Hooks& hooks) {
      hooks.look("one");
      co_return true;
    }
  };
  house.base.wait(Body::look(*house.hooks));
  house.hear(5);
  EXPECT_EQ(house.receiver.ids.at(4), house.receiver.ids.at(0)) << "the id stays";
  house.stop();
  house.start();
  EXPECT_EQ(house.log->find("one", dead->at(0).sequence)->value().state, HookState::delivered);
}

TEST(Hooks, GoneDisablesAndWhatWaitsGoesOutWhenItIsEnabledAgain) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.receiver.status = 410;
  house.start();
  house.tell({EventKind::received});
  house.hear(1);
  house.stop();
  ASSERT_FALSE(house.webhooks.find("one")->enabled);
  EXPECT_EQ(house.mails.size(), 1u);
  const auto events = (*house.base.store->reader())->events_after(0, 100);
  EXPECT_EQ(events->back().kind, EventKind::webhook_disabled);
  house.receiver.status = 200;
  house.start();
  house.tell({EventKind::received});
  house.enable("one");
  house.hear(3);
  const auto& ids = house.receiver.ids;
  EXPECT_EQ(std::ranges::count(ids, ids.at(0)), 2) << "what it was not told comes again";
}

TEST(Hooks, OnlyWhatAWebhookWantsIsToldToIt) {
  House house;
  Webhook webhook = hook("one", {"email.delivered"});
  webhook.streams = {"bulk"};
  house.add(webhook);
  house.start();
  house.tell({EventKind::received, EventKind::delivered}, "transactional");
  house.tell({EventKind::received, EventKind::delivered}, "bulk");
  house.hear(1);
  const auto data = JsonValue::parse(house.receiver.requests.at(0).body)->at("data");
  EXPECT_EQ(data->text_at("stream"), "bulk");
  EXPECT_EQ(data->text_at("subject"), "Hi") << "from the first event of the message";
}

TEST(Hooks, AReceiverThatIsAwayCostsABoundedWindow) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.options.window = 10;
  house.options.events = 5;
  house.options.probe_after = 2;
  house.options.schedule = {std::chrono::hours(1)};
  house.receiver.status = 500;
  for (int i = 0; i < 60; ++i) house.tell({EventKind::received});
  house.start();
  house.hear(10);
  house.stop();
  house.start();
  const auto positions = house.log->positions();
  EXPECT_LE(positions->at("one").waiting, 15u) << "the rest is still in the event log";
  EXPECT_LE(house.receiver.most_at_once, 8u);
}

TEST(Hooks, BatchesAreOneCallWithAnArray) {
  House house;
  Webhook webhook = hook("one", {"email.*"});
  webhook.batch = true;
  house.add(webhook);
  for (int i = 0; i < 20; ++i) house.tell({EventKind::received});
  house.start();
  house.hear(1);
  const auto body = JsonValue::parse(house.receiver.requests.at(0).body);
  EXPECT_EQ(body->items().size(), 20u);
  EXPECT_TRUE(house.receiver.ids.at(0).starts_with("batch_"))
      << "not that of its first event, which may come again with others";
  house.tell({EventKind::received});
  house.hear(2);
  const auto one = JsonValue::parse(house.receiver.requests.at(1).body);
  ASSERT_EQ(one->items().size(), 1u);
  EXPECT_EQ(house.receiver.ids.at(1), one->items()[0].text_at("id"));
}

// ---------------------------------------------------------------- what fails for a while
TEST(Hooks, WhatIsReplayedWhileEventsAreReadIsToldToo) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.start();
  house.tell({EventKind::received});
  house.hear(1);
  const std::string first = house.receiver.ids.at(0);
  ASSERT_TRUE(house.until(
      [&] { return house.log->list("one", {.state = HookState::delivered})->size() == 1; }));
  // A person replays it just when the next event becomes a delivery.
  house.log->before_advance_ends = [&house] {
    const Instant now = house.base.shard.clock().now();
    const auto hour = std::chrono::hours(1);
    CHECK(house.log->replay("one", HookState::delivered, now - hour, now + hour, now) == 1u);
    std::promise<void> looked;
    house.base.shard.post([&] {
      house.hooks->look("one");
      looked.set_value();
    });
    looked.get_future().wait();
  };
  house.tell({EventKind::received});
  EXPECT_TRUE(house.until([&] { return std::ranges::count(house.receiver.ids, first) == 2; }))
      << "it waits, and nobody looks for it below the position";
}

TEST(Hooks, WhatIsReplayedWhileDeliveriesAreReadIsToldToo) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.start();
  house.tell({EventKind::received});
  house.tell({EventKind::received});
  house.hear(2);
  const std::string first = house.receiver.ids.at(0);
  ASSERT_TRUE(house.until(
      [&] { return house.log->list("one", {.state = HookState::delivered})->size() == 2; }));
  house.log->after_waiting_read = [&house] {
    const Instant now = house.base.shard.clock().now();
    const auto hour = std::chrono::hours(1);
    CHECK(house.log->replay("one", HookState::delivered, now - hour, now + hour, now) == 2u);
    std::promise<void> looked;
    house.base.shard.post([&] {
      house.hooks->look("one");
      looked.set_value();
    });
    looked.get_future().wait();
  };
  house.base.shard.post([&house] { house.hooks->look("one"); });
  EXPECT_TRUE(house.until([&] { return std::ranges::count(house.receiver.ids, first) == 2; }));
}

TEST(Hooks, AnEventThatCannotBeReadNowIsToldLaterAndNotTakenForTold) {
  House house;
  house.add(hook("one", {"email.delivered"}));
  house.options.schedule.assign(100, milliseconds(1));
  house.options.reading_pause = milliseconds(3);
  house.receiver.status = 500;
  house.start();
  house.tell({EventKind::received, EventKind::delivered});
  house.hear(1);
  house.stop();  // what waits is known by its number alone from now on
  const std::size_t heard = house.receiver.ids.size();
  house.receiver.status = 200;
  house.open_log();
  house.base.store->fail("events_after", {.times = 3, .kind = ErrorKind::io});
  house.begin_to_tell();
  ASSERT_TRUE(house.until([&] { return house.receiver.ids.size() > heard; }));
  EXPECT_TRUE(house.base.store->all_failed());
  EXPECT_EQ(house.type_of(heard), "email.delivered");
  ASSERT_TRUE(house.until(
      [&] { return house.log->list("one", {.state = HookState::delivered})->size() == 1; }));
  const auto told = house.log->list("one", {.state = HookState::delivered});
  EXPECT_EQ(told->at(0).tries, heard + 1) << "what could not be read is no try";
}

TEST(Hooks, AMessageThatCannotBeReadNowIsWaitedFor) {
  House house;
  house.add(hook("one", {"email.delivered"}));
  house.start();
  house.base.store->fail("events_of", {.times = 2, .kind = ErrorKind::io});
  house.tell({EventKind::received, EventKind::delivered}, "bulk");
  house.hear(1);
  EXPECT_TRUE(house.base.store->all_failed());
  const auto data = JsonValue::parse(house.receiver.requests.at(0).body)->at("data");
  EXPECT_EQ(data->text_at("subject"), "Hi");
  EXPECT_EQ(data->text_at("stream"), "bulk");
  EXPECT_GE(house.lines.count("hooks.reading"), 2u);
}

// ---------------------------------------------------------------- failing for long
TEST(Hooks, AWebhookThatHasFailedForDaysIsDisabledAfterARestartToo) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.options.schedule.assign(100, milliseconds(1));
  house.receiver.status = 500;
  house.start();
  house.tell({EventKind::received});
  house.hear(1);
  house.stop();
  house.open_log();
  EXPECT_NE(house.failing_since("one"), "") << "since the first failure";
  const auto waiting = house.log->waiting("one", 0, 1);
  ASSERT_TRUE(waiting && waiting->size() == 1);
  const Instant long_ago = house.base.shard.clock().now() - std::chrono::days(4);
  ASSERT_TRUE(house.log->settle("one", waiting->at(0), {}, long_ago));
  house.begin_to_tell();
  ASSERT_TRUE(house.until([&] { return !house.webhooks.find("one")->enabled; }));
  EXPECT_NE(house.webhooks.find("one")->disabled_reason.find(to_rfc3339(long_ago)),
            std::string::npos)
      << house.webhooks.find("one")->disabled_reason;
  EXPECT_TRUE(house.until([&] { return house.failing_since("one").empty(); }))
      << "and when it is enabled, it begins anew";
}

TEST(Hooks, EnablingForgivesWhatFailedBeforeAlsoOverARestart) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.options.schedule = {milliseconds(1), std::chrono::hours(1)};
  house.receiver.status = 500;
  house.start();
  house.tell({EventKind::received});
  ASSERT_TRUE(house.until([&] {
    const auto all = house.log->positions();
    return all->contains("one") && all->at("one").failing_since.has_value();
  }));
  Webhook disabled = *house.webhooks.find("one");
  disabled.enabled = false;  // by hand
  ASSERT_TRUE(house.base.wait(house.webhooks.replace(house.base.shard, disabled)));
  EXPECT_TRUE(house.until([&] { return house.failing_since("one").empty(); }));
  house.stop();
  // As of a version, or of a crash, that did not write it.
  house.open_log();
  const auto waiting = house.log->waiting("one", 0, 1);
  const Instant long_ago = house.base.shard.clock().now() - std::chrono::days(4);
  ASSERT_TRUE(house.log->settle("one", waiting->at(0), {}, long_ago));
  house.begin_to_tell();
  EXPECT_TRUE(house.until([&] { return house.failing_since("one").empty(); }));
  const std::size_t heard = house.receiver.ids.size();
  house.enable("one");
  house.tell({EventKind::received});
  house.hear(heard + 1);
  house.stop();
  EXPECT_TRUE(house.webhooks.find("one")->enabled) << "one failure after it is not four days";
}

// ---------------------------------------------------------------- the log of deliveries is damaged
TEST(Hooks, ALogThatWasSetAsideTellsNobodyItsPast) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.start();
  house.tell({EventKind::received, EventKind::delivered});
  house.hear(2);
  house.stop();
  house.tell({EventKind::received});
  std::ofstream(house.folder + "/hooks.db") << std::string(8192, 'x');
  house.start();
  EXPECT_TRUE(house.until([&] { return house.mails.size() == 1; })) << "the owner is told";
  EXPECT_EQ(house.lines.count("hooks.damaged"), 1u);
  EXPECT_NE(house.base.metrics.exposition().find("goniec_webhook_log_damaged_total 1"),
            std::string::npos);
  house.tell({EventKind::deferred});
  house.hear(3);
  EXPECT_EQ(house.type_of(2), "email.delivery_delayed") << "what came after it was set aside";
  house.stop();
  Webhook second = hook("two", {"email.*"});
  second.created_at_event = *last_event_sequence(**house.base.store->reader());
  house.add(std::move(second));
  house.start();  // again, from the new file
  house.tell({EventKind::expired});
  house.hear(5);
  EXPECT_EQ(house.type_of(3), house.type_of(4)) << "to both";
  EXPECT_EQ(house.mails.size(), 1u);
}

TEST(Hooks, AWebhookThatWasMadeJustBeforeACrashIsToldFromThereOn) {
  House house;
  house.open_log();
  house.tell({EventKind::received});
  Webhook webhook = hook("one", {"email.*"});
  webhook.created_at_event = *last_event_sequence(**house.base.store->reader());
  house.add(std::move(webhook));
  house.tell({EventKind::deferred});
  house.stop();
  house.start();
  house.hear(1);
  EXPECT_EQ(house.type_of(0), "email.delivery_delayed");
}

TEST(Hooks, PositionsThatCannotBeReadAreWaitedForAndNotTakenForNone) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.options.reading_pause = milliseconds(3);
  house.start();
  house.tell({EventKind::received});
  house.hear(1);
  house.stop();
  house.open_log();
  house.log->positions_that_fail = 2;
  house.begin_to_tell();
  house.tell({EventKind::deferred});
  house.hear(2);
  house.stop();
  ASSERT_EQ(house.receiver.ids.size(), 2u);
  EXPECT_NE(house.receiver.ids[0], house.receiver.ids[1]) << "nothing was told twice";
  EXPECT_EQ(house.lines.count("hooks.store"), 2u);
}

TEST(Hooks, TheStatusOfAnAnswerDecidesHoweverLongItsBodyIs) {
  House house;
  house.add(hook("one", {"email.*"}));
  house.start();
  house.tell({EventKind::received});
  house.hear(1);
  EXPECT_TRUE(house.receiver.requests.at(0).body_may_be_cut);  // what it does: net/http_test.cc
}

TEST(Hooks, AddressesAndHeadersThatCannotBeAreRefusedByName) {
  const auto refusal = [](auto change) {
    Webhook webhook = hook("one", {"*"});
    webhook.url = "https://receiver.test/";
    change(webhook);
    const auto checked = check_webhook(webhook);
    return checked ? std::string()
                   : checked.error().message.substr(0, checked.error().message.find(':'));
  };
  EXPECT_EQ(refusal([](Webhook&) {}), "");
  EXPECT_EQ(refusal([](Webhook& w) { w.url = "ftp://x/"; }), "endpoint");
  EXPECT_EQ(refusal([](Webhook& w) { w.url = "https:///path"; }), "endpoint");
  EXPECT_EQ(refusal([](Webhook& w) { w.url = "https://a:b@x/"; }), "endpoint");
  EXPECT_EQ(refusal([](Webhook& w) { w.url = "https://x/\r\nA: b"; }), "endpoint");
  EXPECT_EQ(refusal([](Webhook& w) { w.events.clear(); }), "events");
  EXPECT_EQ(refusal([](Webhook& w) { w.headers = {{"Host", "x"}}; }), "headers");
  EXPECT_EQ(refusal([](Webhook& w) { w.headers = {{"X-A", "b\r\nC: d"}}; }), "headers");
  EXPECT_EQ(refusal([](Webhook& w) { w.format = WebhookFormat::postmark, w.batch = true; }),
            "batch");
}

}  // namespace
}  // namespace goniec
