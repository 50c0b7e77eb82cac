// The local API over a memory store: what the handlers do, at which door, and in which words they
// refuse.
#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "api/routes.h"
#include "api/submit.h"
#include "api/trace.h"
#include "base/text.h"

namespace goniec {
namespace {

// Carries nothing: entries wait here as if their hosts did not answer.
class IdleCarrier final : public Carrier {
 public:
  explicit IdleCarrier(Queue*& queue) : queue_(queue) {}
  void carry(ReadyEntry entry) override { ready_.push_back(std::move(entry)); }
  std::vector<ReadyEntry>& ready() { return ready_; }
  void give_all_back() {
    for (auto& each : ready_) queue_->give_back(std::move(each));
    ready_.clear();
  }

 private:
  Queue*& queue_;
  std::vector<ReadyEntry> ready_;
};

class Api : public testing::Test {
 protected:
  Api() {
    queue_pointer_ = &queue_;
    queue_.add_shard(house_.shard, carrier_);
    house_.add_domain("example.pl");
    house_.add_user({.address = test::address("anna@example.pl")});
    context_.intake = [] {
      IntakeOptions options;
      options.hostname = "mail.example.pl";
      return options;
    };
    context_.listeners_json = [] { return std::string("[]"); };
    context_.certificates_json = [] { return std::string("[]"); };
    context_.send_reports = [] -> Task<std::size_t> { co_return 0; };
    context_.reload = [] { return Result<void>(fail(ErrorKind::config, "goniec.toml:3: wrong")); };
    context_.reload_aliases = [] { return Result<void>(); };
    context_.explain_route = [](Address) -> Task<std::string> { co_return "{}"; };
    context_.make_password = [](std::string password, bool) -> Result<PasswordRecord> {
      return PasswordRecord{"hash of " + password, {}};
    };
    context_.user_name = [](unsigned uid) {
      return uid == 33 ? std::optional<std::string>("www-data") : std::nullopt;
    };
    context_.is_trusted_user = [](unsigned uid) { return uid == 500; };
    context_.own_uid = 900;
    context_.look_for_keys = [] -> Task<void> { co_return; };
    auto reader = house_.store->reader();
    CHECK(reader && signing_keys_.open(house_.committer, **reader));
    CHECK(forwarding_.open(*house_.directory, house_.committer, **reader, house_.metrics));
    CHECK(templates_.open(house_.committer, **reader).has_value());
  }

  ApiReply call(std::string method, const std::string& target, std::string body = {},
                ApiDoor door = ApiDoor::admin_socket, std::optional<unsigned> uid = 0) {
    ApiCall out;
    out.method = std::move(method);
    const auto question = target.find('?');
    out.path = target.substr(0, question);
    if (question != std::string::npos)
      out.query = parse_query(std::string_view(target).substr(question + 1));
    out.body = std::move(body);
    if (uid) out.peer = PeerCredentials{*uid, *uid, 1};
    return house_.wait(answer_call(context_, door, std::move(out)));
  }
  JsonValue json(const ApiReply& reply) {
    auto parsed = JsonValue::parse(reply.body);
    EXPECT_TRUE(parsed.has_value()) << reply.body;
    return parsed ? *parsed : *JsonValue::parse("{}");
  }
  std::string submit(std::string envelope, unsigned uid = 0) {
    const auto reply =
        call("POST", "/api/v1/submit", envelope + "\nSubject: x\nFrom: a@example.pl\n\nhello\n",
             ApiDoor::submit_socket, uid);
    EXPECT_EQ(reply.status, 200u) << reply.body;
    return json(reply).text_at("id");
  }

  test::TestHouse house_;
  test::TestWorld world_{house_};
  Queue queue_{{.hostname = "mail.example.pl"},
               house_.committer,
               house_.readers,
               house_.metrics,
               null_log()};
  Queue* queue_pointer_ = nullptr;
  IdleCarrier carrier_{queue_pointer_};
  SigningKeys signing_keys_;
  Forwarding forwarding_;
  Templates templates_;
  ApiKeys api_keys_;
  Idempotency idempotency_;
  Webhooks webhooks_;
  std::unique_ptr<HookLog> hook_log_ = *open_hook_log(":memory:", null_log(), Instant{}, 0);
  Sessions sessions_;
  Logins logins_{*house_.directory, LoginLimits{}, house_.metrics, house_.shard.random()};
  Streams streams_;
  Suppressions suppressions_;
  Links links_;
  ApiContext context_{.world = world_.world,
                      .queue = queue_,
                      .directory = *house_.directory,
                      .committer = house_.committer,
                      .readers = house_.readers,
                      .metrics = house_.metrics,
                      .log = null_log(),
                      .signing_keys = signing_keys_,
                      .forwarding = forwarding_,
                      .templates = templates_,
                      .api_keys = api_keys_,
                      .logins = logins_,
                      .idempotency = idempotency_,
                      .webhooks = webhooks_,
                      .hook_log = *hook_log_,
                      .sessions = sessions_,
                      .streams = streams_,
                      .suppressions = suppressions_,
                      .links = links_,
                      .version = "1"};
};

TEST_F(Api, signing_keys_are_made_rotated_and_retired_and_no_answer_shows_a_private_key) {
  const auto made = call("POST", "/api/v1/dkim", R"({"domain":"example.pl"})");
  ASSERT_EQ(made.status, 200u) << made.body;
  const auto keys = json(made).items();
  ASSERT_EQ(keys.size(), 2u);
  for (const auto& key : keys) EXPECT_EQ(key.text_at("state"), "pending");
  EXPECT_EQ(made.body.find("PRIVATE"), std::string::npos);
  EXPECT_NE(made.body.find("v=DKIM1; k=ed25519; p="), std::string::npos);
  EXPECT_FALSE(signing_keys_.signing_for(*Domain::parse("example.pl")));
  // A second pair beside one that still waits would only confuse.
  EXPECT_EQ(call("POST", "/api/v1/dkim/rotate", R"({"domain":"example.pl"})").status, 409u);

  const auto now =
      call("POST", "/api/v1/dkim",
           R"({"domain":"example.pl","selector":"s1","algorithm":"ed25519","now":true})");
  ASSERT_EQ(now.status, 200u) << now.body;
  const auto signing = signing_keys_.signing_for(*Domain::parse("sub.example.pl"));
  ASSERT_TRUE(signing.has_value());
  EXPECT_EQ(signing->domain.ascii(), "example.pl");
  EXPECT_EQ(signing->keys.at(0).selector, "s1");
  EXPECT_EQ(
      call("POST", "/api/v1/dkim", R"({"domain":"example.pl","selector":"s1","algorithm":"rsa"})")
          .status,
      409u);

  const auto retired =
      call("POST", "/api/v1/dkim/retire", R"({"domain":"example.pl","selector":"s1"})");
  ASSERT_EQ(retired.status, 200u) << retired.body;
  EXPECT_NE(retired.body.find("v=DKIM1; k=ed25519; p=\""), std::string::npos) << retired.body;
  EXPECT_FALSE(signing_keys_.signing_for(*Domain::parse("example.pl")));

  const struct {
    std::string target, body;
    unsigned status;
  } refused[] = {
      {"/api/v1/dkim", R"({"domain":"other.example"})", 404},
      {"/api/v1/dkim", R"({"domain":"example.pl","selector":"a b"})", 422},
      {"/api/v1/dkim", R"({"domain":"example.pl","algorithm":"dsa"})", 422},
      {"/api/v1/dkim", R"({"domain":"example.pl","private":"x"})", 422},
      {"/api/v1/dkim/retire", R"({"domain":"example.pl","selector":"none"})", 404},
      {"/api/v1/dkim/retire", R"({"domain":"example.pl"})", 404},
  };
  for (const auto& each : refused)
    EXPECT_EQ(call("POST", each.target, each.body).status, each.status) << each.body;
  EXPECT_EQ(call("GET", "/api/v1/dkim", {}, ApiDoor::submit_socket).status, 404u);
}

TEST_F(Api, the_secret_of_forwarded_senders_is_rotated_and_not_shown) {
  const auto rotate = [this](std::string body) {
    return call("POST", "/api/v1/srs/rotate", std::move(body));
  };
  EXPECT_EQ(rotate("{}").body, "{\"secrets\":2}\n") << "the first was made for it";
  EXPECT_EQ(rotate("{}").body, "{\"secrets\":3}\n");
  EXPECT_EQ(rotate(R"({"drop":true})").body, "{\"secrets\":1}\n");
  EXPECT_EQ(rotate(R"({"secret":"x"})").status, 422u);
  EXPECT_EQ(call("POST", "/api/v1/srs/rotate", "{}", ApiDoor::submit_socket).status, 404u);
}

TEST_F(Api, domains_users_and_aliases_are_made_listed_and_removed) {
  struct Case {
    std::string method, target, body;
    unsigned status;
    std::string_view contains;
  };
  for (
      const auto& each : std::vector<Case>{
          {"POST", "/api/v1/domains", R"({"domain":"two.pl"})", 200, "done"},
          {"POST", "/api/v1/domains", R"({"domain":"two.pl"})", 409, "conflict"},
          {"POST", "/api/v1/domains",
           R"({"domain":"relay.pl","relay":true,"recipients":"list","listed":["a"]})", 200, "done"},
          {"POST", "/api/v1/domains", R"({"domain":"x.pl","recipients":"any"})", 422,
           "relay domains only"},
          {"POST", "/api/v1/domains", R"({"domain":"x.pl","relay":true,"recipients":"some"})", 422,
           "\\\"list\\\""},
          {"POST", "/api/v1/domains", R"({"domian":"x.pl"})", 422, "did you mean \\\"domain\\\"?"},
          {"POST", "/api/v1/domains", "not json", 422, "bad_data"},
          {"GET", "/api/v1/domains", "", 200,
           R"("domain":"relay.pl","relay":true,"recipients":"list","listed":["a"])"},
          {"POST", "/api/v1/users",
           R"({"address":"jan@two.pl","password":"x","quota":"5MiB","send_as":["*@two.pl"]})", 200,
           "done"},
          {"POST", "/api/v1/users", R"({"address":"jan@nowhere.pl","password":"x"})", 404,
           "not_found"},
          {"POST", "/api/v1/users", R"({"address":"jan@two.pl","password":"x","send_as":["*x"]})",
           422, "send_as"},
          {"POST", "/api/v1/users", R"({"address":"jan@two.pl","password":""})", 422,
           "the password is empty"},
          {"GET", "/api/v1/users", "", 200,
           R"("address":"jan@two.pl","quota":5242880,"used":0,"send_as":["*@two.pl"],"login":true)"},
          {"PATCH", "/api/v1/users/jan%40two.pl", R"({"quota":0})", 200, "done"},
          {"PATCH", "/api/v1/users/none@two.pl", R"({"quota":0})", 404,
           "there is no user none@two.pl"},
          {"POST", "/api/v1/aliases",
           R"({"address":"info@two.pl","targets":["jan@two.pl","x@far.pl"]})", 200, "done"},
          {"POST", "/api/v1/aliases", R"({"address":"info2@two.pl","targets":[]})", 422,
           "an alias needs a target"},
          {"GET", "/api/v1/aliases", "", 200, R"("targets":["jan@two.pl","x@far.pl"])"},
          {"DELETE", "/api/v1/domains/two.pl", "", 409, "jan@two.pl"},
          {"DELETE", "/api/v1/aliases/info%40two.pl", "", 200, "done"},
          {"DELETE", "/api/v1/aliases/info%40two.pl", "", 404, "not_found"},
          {"DELETE", "/api/v1/users/jan@two.pl", "", 200, "done"},
          {"DELETE", "/api/v1/domains/two.pl", "", 200, "done"},
      }) {
    const auto reply = call(each.method, each.target, each.body);
    EXPECT_EQ(reply.status, each.status)
        << each.method << " " << each.target << " " << each.body << "\n"
        << reply.body;
    EXPECT_NE(reply.body.find(each.contains), std::string::npos) << each.target << "\n"
                                                                 << reply.body;
  }
}

TEST_F(Api, no_answer_holds_a_password_or_its_hash) {
  call("POST", "/api/v1/users", R"({"address":"jan@example.pl","password":"wonderland"})");
  EXPECT_EQ(call("GET", "/api/v1/users").body.find("wonderland"), std::string::npos);
}

TEST_F(Api, each_door_opens_to_its_calls_only) {
  EXPECT_EQ(call("GET", "/api/v1/users", "", ApiDoor::submit_socket, 33).status, 404u);
  EXPECT_EQ(
      call("POST", "/api/v1/queue/delete", "{\"all\":true}", ApiDoor::submit_socket, 0).status,
      404u);
  EXPECT_EQ(call("GET", "/api/v1/queue", "", ApiDoor::observe, std::nullopt).status, 404u);
  EXPECT_EQ(call("POST", "/api/v1/submit", "", ApiDoor::observe, std::nullopt).status, 404u);
  EXPECT_EQ(call("GET", "/metrics", "", ApiDoor::observe, std::nullopt).status, 200u);
  EXPECT_EQ(call("GET", "/health", "", ApiDoor::observe, std::nullopt).status, 200u);
  EXPECT_EQ(call("PUT", "/api/v1/users").status, 405u);
  EXPECT_EQ(call("GET", "/nothing").status, 404u);
}

TEST_F(Api, an_error_keeps_its_kind_over_the_wire) {
  const auto reply = call("POST", "/api/v1/reload", "{}");
  const auto error = error_of_reply(reply.status, reply.body);
  EXPECT_EQ(error.kind, ErrorKind::config);
  EXPECT_EQ(error.message, "goniec.toml:3: wrong");
  EXPECT_EQ(error_of_reply(502, "<html>").kind, ErrorKind::io);
}

TEST_F(Api, a_submission_is_queued_listed_and_traced) {
  const auto id =
      submit(R"({"from":"a@example.pl","recipients":[{"to":"x@far.pl"},{"to":"y@far.pl"}]})");
  const auto list = json(call("GET", "/api/v1/queue"));
  ASSERT_EQ(list.at("queue")->items().size(), 1u);
  const auto message = list.at("queue")->items()[0];
  EXPECT_EQ(message.text_at("id"), id);
  EXPECT_EQ(message.text_at("from"), "a@example.pl");
  EXPECT_EQ(message.text_at("state"), "active");
  ASSERT_EQ(message.at("recipients")->items().size(), 2u);
  EXPECT_EQ(message.at("recipients")->items()[0].text_at("domain"), "far.pl");

  const auto trace = json(call("GET", "/api/v1/trace?id=" + id));
  EXPECT_EQ(trace.text_at("id"), id);
  std::vector<std::string> stages;
  for (const auto& stage : trace.at("stages")->items()) stages.push_back(stage.text_at("stage"));
  EXPECT_EQ(stages,
            (std::vector<std::string>{"connect", "identify", "envelope", "envelope", "content"}));
  const auto message_id = trace.text_at("message_id");
  ASSERT_FALSE(message_id.empty());
  EXPECT_EQ(
      json(call("GET", "/api/v1/trace?id=" + encode_percent("<" + message_id + ">"))).text_at("id"),
      id);
  EXPECT_EQ(call("GET", "/api/v1/trace?id=nothing@known").status, 404u);

  const auto events = json(call("GET", "/api/v1/events?after=0"));
  EXPECT_EQ(events.at("events")->items().at(0).text_at("kind"), "received");
  EXPECT_EQ(json(call("GET", "/api/v1/events?after=end")).at("events")->items().size(), 0u);
}

TEST_F(Api, the_sender_of_a_stranger_is_his_own_name) {
  const auto sender_of = [this](const std::string& id) {
    return json(call("GET", "/api/v1/queue?id=" + id)).at("queue")->items().at(0).text_at("from");
  };
  EXPECT_EQ(sender_of(submit(R"({"from":"boss@example.pl","recipients":[{"to":"x@far.pl"}]})", 33)),
            "www-data@example.pl");
  EXPECT_EQ(sender_of(submit(R"({"recipients":[{"to":"x@far.pl"}]})", 33)), "www-data@example.pl");
  EXPECT_EQ(sender_of(submit(R"({"from":"","recipients":[{"to":"x@far.pl"}]})", 33)),
            "www-data@example.pl");
  EXPECT_EQ(
      sender_of(submit(R"({"from":"boss@example.pl","recipients":[{"to":"x@far.pl"}]})", 500)),
      "boss@example.pl");
  EXPECT_EQ(sender_of(submit(R"({"from":"","recipients":[{"to":"x@far.pl"}]})", 0)), "");
  EXPECT_EQ(sender_of(submit(R"({"recipients":[{"to":"x@far.pl"}]})", 77)), "uid77@example.pl");
}

TEST_F(Api, a_submission_is_refused_with_its_reason) {
  struct Case {
    std::string body;
    unsigned status;
    std::string_view contains;
  };
  for (const auto& each : std::vector<Case>{
           {"", 422, "envelope"},
           {"{}\n", 400, "no recipient"},
           {"{\"recipients\":[{\"to\":\"nobody@example.pl\"}]}\nx\n", 404, "550 5.1.1"},
           {"{\"recipients\":[{\"to\":\"a b@c\"}]}\nx\n", 422, "a b@c"},
           {"{\"recipients\":[{\"to\":\"x@far.pl\",\"notify\":\"never,delay\"}]}\nx\n", 422,
            "stands alone"},
       }) {
    const auto reply = call("POST", "/api/v1/submit", each.body, ApiDoor::submit_socket, 33);
    EXPECT_EQ(reply.status, each.status) << reply.body;
    EXPECT_NE(reply.body.find(each.contains), std::string::npos) << reply.body;
  }
}

TEST_F(Api, the_submit_socket_lists_the_callers_own_mail) {
  submit(R"({"recipients":[{"to":"x@far.pl"}]})", 33);
  submit(R"({"recipients":[{"to":"y@far.pl"}]})", 34);
  const auto count = [this](unsigned uid) {
    return json(call("GET", "/api/v1/queue", "", ApiDoor::submit_socket, uid))
        .at("queue")
        ->items()
        .size();
  };
  EXPECT_EQ(count(33), 1u);
  EXPECT_EQ(count(35), 0u);
  EXPECT_EQ(count(0), 2u);
}

TEST_F(Api, the_queue_is_changed_by_id_by_filter_and_not_by_accident) {
  const auto id = submit(R"({"recipients":[{"to":"x@far.pl"}]})");
  submit(R"({"recipients":[{"to":"y@near.pl"}]})");
  carrier_.give_all_back();
  EXPECT_EQ(call("POST", "/api/v1/queue/hold", "{}").status, 400u);
  EXPECT_EQ(call("POST", "/api/v1/queue/explode", "{\"all\":true}").status, 404u);
  EXPECT_EQ(call("POST", "/api/v1/queue/hold", "{\"todomain\":\"x\"}").status, 422u);
  EXPECT_EQ(call("POST", "/api/v1/queue/hold", R"({"ids":["0000000000000"]})").status, 404u);

  const auto dry =
      json(call("POST", "/api/v1/queue/hold", R"({"domain":"far.pl","dry_run":true})"));
  ASSERT_EQ(dry.at("changes")->items().size(), 1u);
  EXPECT_FALSE(dry.at("changes")->items()[0].boolean_at("done"));

  const auto held = json(call("POST", "/api/v1/queue/hold", R"({"domain":"far.pl"})"));
  EXPECT_TRUE(held.at("changes")->items().at(0).boolean_at("done")) << held.dump();
  EXPECT_EQ(json(call("GET", "/api/v1/queue?state=held")).at("queue")->items().at(0).text_at("id"),
            id);
  EXPECT_EQ(json(call("POST", "/api/v1/queue/hold", R"({"domain":"far.pl"})"))
                .at("changes")
                ->items()
                .size(),
            0u);
  EXPECT_TRUE(json(call("POST", "/api/v1/queue/delete", fmt::format(R"({{"ids":["{}"]}})", id)))
                  .at("changes")
                  ->items()
                  .at(0)
                  .boolean_at("done"));
  EXPECT_EQ(json(call("GET", "/api/v1/queue")).at("queue")->items().size(), 1u);
}

TEST_F(Api, a_long_list_comes_in_pages) {
  for (int i = 0; i < 5; ++i) submit(R"({"recipients":[{"to":"x@far.pl"}]})");
  const auto first = json(call("GET", "/api/v1/queue?limit=3"));
  EXPECT_EQ(first.at("queue")->items().size(), 3u);
  const auto second = json(call("GET", "/api/v1/queue?limit=3&after=" + first.text_at("next")));
  EXPECT_EQ(second.at("queue")->items().size(), 2u);
  EXPECT_EQ(second.text_at("next"), "");
  EXPECT_EQ(call("GET", "/api/v1/queue?after=x").status, 422u);
}

TEST_F(Api, status_and_metrics_tell_of_the_queue) {
  submit(R"({"recipients":[{"to":"x@far.pl"}]})");
  const auto status = json(call("GET", "/api/v1/status"));
  EXPECT_EQ(status.text_at("store"), "ok");
  EXPECT_EQ(status.at("queue")->integer_at("messages"), 1);
  EXPECT_EQ(status.text_at("hostname"), "mail.example.pl");
  EXPECT_NE(call("GET", "/metrics").body.find("goniec_queue_messages 1"), std::string::npos);
}

TEST(ApiText, lines_of_any_kind_become_crlf) {
  EXPECT_EQ(normalise_lines("a\nb\r\nc\rd"), "a\r\nb\r\nc\r\nd\r\n");
  EXPECT_EQ(normalise_lines(std::string_view("a\0b\n", 4)), "ab\r\n");
  EXPECT_EQ(normalise_lines("\r\r\n"), "\r\n\r\n");
}

TEST(ApiText, queries_are_decoded) {
  const auto query = parse_query("a=b%20c&d=&e&f=%zz+1");
  ASSERT_EQ(query.size(), 4u);
  EXPECT_EQ(query[0].second, "b c");
  EXPECT_EQ(query[3].second, "%zz 1");
  EXPECT_EQ(decode_percent(encode_percent("<a+b@c>/%"), false), "<a+b@c>/%");
}

TEST(Trace, outcomes_become_route_and_deliver_stages) {
  const auto id = *MessageId::parse("06ABCDEFGHJKM");
  const std::vector<Event> events = {
      {1,
       EventKind::received,
       id,
       {},
       "",
       R"({"from":"a@b.pl","size":7,"message_id":"m","recipients":["list@x.pl"],"tls":{"version":"TLSv1.3"},)"
       R"("stages":[{"stage":"connect","at":"2026-01-01T00:00:00.000Z","ms":0.5,"rule":"listener.open","reply":"220 x"}]})"},
      {2, EventKind::expanded, id, {}, "list@x.pl", R"({"to":["c@d.pl","e@f.pl"],"rule":"alias"})"},
      {3,
       EventKind::deferred,
       id,
       {},
       "c@d.pl",
       R"({"ms":3,"route":"mx","site":"mx[192.0.2.1]:25","phase":"rcpt","reply":"451 later","tries":1})"},
      {4,
       EventKind::failed,
       id,
       {},
       "e@f.pl",
       R"({"ms":0,"route":"mx","site":"","phase":"route","reply":"no such domain"})"}};
  Entry entry;
  entry.recipients = {
      EntryRecipient{.recipient = {.address = test::address("c@d.pl")}, .tries = 1}};
  const auto trace = JsonValue::parse(trace_json(id, events, {entry}));
  ASSERT_TRUE(trace.has_value());
  std::string stages;
  for (const auto& stage : trace->at("stages")->items())
    stages += stage.text_at("stage") + ":" + stage.text_at("rule") + " ";
  EXPECT_EQ(stages, "connect:listener.open route:alias route:mx deliver:deferred route:mx ");
  EXPECT_EQ(trace->at("stages")->items()[0].at("tls")->text_at("version"), "TLSv1.3");
  std::string states;
  for (const auto& each : trace->at("recipients")->items())
    states += each.text_at("to") + "=" + each.text_at("state") + " ";
  EXPECT_EQ(states, "list@x.pl=expanded c@d.pl=deferred e@f.pl=failed ");
}

}  // namespace
}  // namespace goniec
