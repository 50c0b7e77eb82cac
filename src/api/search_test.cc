// Lists, counts, events, exports and erasing over the API, with a projection filled by hand.
#include "api/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "accounts/accounts_for_tests.h"
#include "api/event_list.h"
#include "api/export.h"
#include "api/forget.h"
#include "api/postmark_messages.h"
#include "api/suppressions.h"
#include "base/text.h"
#include "queue/search_change.h"
#include "run/disk.h"

namespace goniec {
namespace {

const Instant noon = *parse_rfc3339("2026-11-26T12:00:00Z");

Event event_of(EventKind kind, MessageId message, Instant at, std::string data,
               std::string recipient = {}) {
  Event event;
  event.kind = kind;
  event.message = message;
  event.at = at;
  event.recipient = std::move(recipient);
  event.data = std::move(data);
  return event;
}

class SearchApi : public testing::Test {
 protected:
  SearchApi() {
    std::string name = (std::filesystem::temp_directory_path() / "goniec-api-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    search_ = std::move(*Search::open(disk_, folder_ + "/search"));
    context_.search = search_.get();
    context_.bounces = [] { return std::make_shared<const BounceRules>(); };
    context_.erase_rows = [this](std::string address, std::string by,
                                 bool dry_run) -> Task<Result<std::uint64_t>> {
      const auto how = dry_run ? Search::Erase::dry_run : Search::Erase::now;
      co_return search_->erase(address, by, how)->messages;
    };
    facts_.events = {
        event_of(
            EventKind::received, first_, noon,
            R"({"source":"api","from":"shop@example.pl","subject":"=1+1 \"Faktura\"",)"
            R"("stream":"transactional","tags":{"kind":"invoice"},"message_id":"1@example.pl",)"
            R"("recipients":["jan@o2.pl"]})"),
        event_of(EventKind::deferred, first_, noon + std::chrono::seconds(1),
                 R"({"reply":"450 4.2.0 later","tries":1,"provider":"o2","class":"greylisted"})",
                 "jan@o2.pl"),
        event_of(EventKind::delivered, first_, noon + std::chrono::minutes(5),
                 R"({"reply":"250 2.0.0 Ok","tries":2,"delay":300,"provider":"o2"})", "jan@o2.pl"),
        event_of(EventKind::retried, first_, noon + std::chrono::minutes(6), "{}"),
        event_of(EventKind::received, second_, noon + std::chrono::hours(1),
                 R"({"source":"smtp","from":"x@y.pl","subject":"List","stream":"bulk",)"
                 R"("recipients":["anna@example.pl"]})"),
        event_of(EventKind::failed, second_, noon + std::chrono::hours(1),
                 R"({"reply":"550 5.1.1 no","tries":1,"class":"bad_mailbox"})", "anna@example.pl"),
    };
    CHECK(house_.wait(house_.committer.record(house_.shard, facts_)).has_value());
    std::vector<SearchChange> changes;
    for (const auto& event : *(*house_.store->reader())->events_after(0, 100))
      changes.push_back(change_of(event, BounceRules()));
    CHECK(search_->apply(changes).has_value());
  }
  ~SearchApi() override { std::filesystem::remove_all(folder_); }

  using Handler = Task<ApiReply> (*)(ApiContext&, ApiCall);
  ApiReply ask(Handler handler, const std::string& query, std::string argument = {},
               std::string body = {}) {
    ApiCall call;
    call.method = "GET";
    call.query = parse_query(query);
    call.argument = std::move(argument);
    call.body = std::move(body);
    return house_.wait(handler(context_, std::move(call)));
  }
  JsonValue json(const ApiReply& reply) {
    EXPECT_EQ(reply.status, 200u) << reply.body;
    auto parsed = JsonValue::parse(reply.body);
    return parsed ? *parsed : *JsonValue::parse("{}");
  }
  std::string subjects(const std::string& query) {
    const auto list = json(ask(list_emails, query));
    std::string out;
    for (const auto& row : list.at("data")->items()) out += row.text_at("subject") + "|";
    return out;
  }

  const MessageId first_ = MessageIdMaker().next(noon, 1);
  const MessageId second_ = MessageIdMaker().next(noon + std::chrono::hours(1), 1);
  FactsRequest facts_;
  test::TestHouse house_;
  test::TestWorld world_{house_};
  SystemDisk disk_;
  std::string folder_;
  std::unique_ptr<Search> search_;
  Queue queue_{{.hostname = "mail.example.pl"},
               house_.committer,
               house_.readers,
               house_.metrics,
               null_log()};
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

TEST_F(SearchApi, postmarks_opens_are_found_behind_newer_messages_that_nobody_opened) {
  FactsRequest opened;
  opened.events = {
      event_of(EventKind::opened, first_, noon + std::chrono::hours(2), "{}", "jan@o2.pl")};
  const auto before = search_->position();
  ASSERT_TRUE(house_.wait(house_.committer.record(house_.shard, opened)).has_value());
  std::vector<SearchChange> changes;
  for (const auto& event : *(*house_.store->reader())->events_after(before, 100))
    changes.push_back(change_of(event, BounceRules()));
  ASSERT_TRUE(search_->apply(changes).has_value());
  PostmarkCall call;
  call.call.query = parse_query("count=1&offset=0");
  const auto list = json(house_.wait(postmark_list_opens(context_, std::move(call))));
  ASSERT_EQ(list.at("Opens")->items().size(), 1u);
  EXPECT_EQ(list.at("Opens")->items()[0].text_at("MessageID"), uuid_of(first_));
}

TEST_F(SearchApi, messages_are_listed_newest_first_in_the_shape_of_lists) {
  const auto list = json(ask(list_emails, "limit=1"));
  EXPECT_EQ(list.text_at("object"), "list");
  EXPECT_TRUE(list.boolean_at("has_more"));
  const auto row = list.at("data")->items().at(0);
  EXPECT_EQ(row.text_at("id"), uuid_of(second_));
  EXPECT_EQ(row.text_at("status"), "bounced");
  EXPECT_EQ(row.text_at("class"), "bad_mailbox");
  EXPECT_EQ(row.at("to")->dump(), R"(["anna@example.pl"])");
  const auto next = json(ask(list_emails, "limit=1&after=" + list.text_at("next")));
  EXPECT_EQ(next.at("data")->items().at(0).text_at("status"), "delivered");
  EXPECT_FALSE(next.boolean_at("has_more"));
  EXPECT_TRUE(next.at("next")->is_null());
}

TEST_F(SearchApi, parameters_and_the_query_must_all_hold_and_errors_name_them) {
  const std::string first = "=1+1 \"Faktura\"|", second = "List|";
  EXPECT_EQ(subjects("q=faktura+to:o2.pl"), first);
  EXPECT_EQ(subjects("to=o2.pl&q=list"), "");
  EXPECT_EQ(subjects("tag=kind%3Dinvoice"), first);
  EXPECT_EQ(subjects("message_id=%3C1@example.pl%3E"), first);
  EXPECT_EQ(subjects("class=bad_mailbox"), second);
  EXPECT_EQ(subjects("status=bounced&stream=bulk"), second);
  EXPECT_EQ(subjects("since=2026-11-26T12:30:00Z"), second);
  EXPECT_EQ(subjects("provider=o2"), first);
  EXPECT_EQ(subjects("q=id:" + first_.text()), first);
  for (const char* wrong : {"status=lost", "limit=0", "after=x", "since=then", "q=statsu:x"})
    EXPECT_EQ(ask(list_emails, wrong).status, 400u) << wrong;
  context_.search = nullptr;
  EXPECT_EQ(ask(list_emails, "").status, 503u);
  EXPECT_EQ(ask(show_stats, "").status, 503u);
}

TEST_F(SearchApi, statistics_come_by_groups_as_json_and_csv) {
  const auto stats = json(ask(show_stats, "group_by=stream,class&since=2026-11-26"));
  EXPECT_EQ(stats.at("group_by")->dump(), R"(["stream","class"])");
  const auto rows = stats.at("data")->items();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1].text_at("stream"), "bulk");
  EXPECT_EQ(rows[1].text_at("class"), "bad_mailbox");
  EXPECT_EQ(rows[1].integer_at("bounced"), 1);
  const auto csv = ask(show_stats,
                       "group_by=day&since=2026-11-26&format=csv&metric=accepted,"
                       "latency_p50_ms");
  EXPECT_EQ(csv.content_type, "text/csv; charset=utf-8; header=present");
  EXPECT_EQ(csv.body, "day,accepted,latency_p50_ms\r\n2026-11-26,2,210000\r\n");
  for (const char* wrong : {"group_by=moon", "group_by=day,hour,tag", "metric=x", "format=xml"})
    EXPECT_EQ(ask(show_stats, wrong).status, 400u) << wrong;
}

TEST_F(SearchApi, a_recipient_is_told_with_provider_and_last_event) {
  const auto known = json(ask(check_recipient, "", "JAN@o2.pl"));
  EXPECT_EQ(known.text_at("provider"), "o2");
  EXPECT_EQ(known.at("last_event")->text_at("type"), "email.delivered");
  EXPECT_EQ(known.at("last_event")->at("data")->text_at("email_id"), uuid_of(first_));
  const auto other = json(ask(check_recipient, "", "anna@example.pl"));
  EXPECT_EQ(other.at("last_event")->text_at("type"), "email.bounced");
  const auto nobody = json(ask(check_recipient, "", "nobody@example.pl"));
  EXPECT_TRUE(nobody.at("last_event")->is_null());
  EXPECT_FALSE(nobody.at("provider"));
}

TEST_F(SearchApi, events_come_newest_first_as_webhooks_show_them) {
  const auto types = [this](const std::string& query) {
    std::string out;
    const auto list = json(ask(list_event_views, query));
    for (const auto& event : list.at("data")->items()) {
      EXPECT_EQ(event.text_at("object"), "event");
      out += event.text_at("type").substr(6) + " ";
    }
    return out;
  };
  EXPECT_EQ(types(""), "bounced received delivered delivery_delayed received_for_delivery ");
  EXPECT_EQ(types("order=asc&limit=2"), "received_for_delivery delivery_delayed ");
  EXPECT_EQ(types("type=email.bounced,email.delivered"), "bounced delivered ");
  EXPECT_EQ(types("email_id=" + uuid_of(first_) + "&order=asc"),
            "received_for_delivery delivery_delayed delivered ");
  EXPECT_EQ(types("recipient=JAN@o2.pl"), "delivered delivery_delayed ");
  EXPECT_EQ(types("stream=bulk"), "bounced received ");
  EXPECT_EQ(types("class=greylisted"), "delivery_delayed ");
  EXPECT_EQ(types("until=2026-11-26T12:00:02Z"), "delivery_delayed received_for_delivery ");
  // Pages follow one another.
  std::string all, after;
  for (int pages = 0; pages < 10; ++pages) {
    const auto list =
        json(ask(list_event_views, "limit=2" + (after.empty() ? "" : "&after=" + after)));
    for (const auto& event : list.at("data")->items()) all += event.text_at("id").substr(16) + " ";
    if (!list.boolean_at("has_more")) break;
    after = list.text_at("next");
  }
  EXPECT_EQ(all, "6 5 3 2 1 ");
  EXPECT_EQ(ask(list_event_views, "after=x").status, 400u);
  const auto one = json(ask(show_event_view, "", event_id_of(2)));
  EXPECT_EQ(one.text_at("type"), "email.delivery_delayed");
  EXPECT_EQ(ask(show_event_view, "", event_id_of(99)).status, 404u);
  EXPECT_EQ(ask(show_event_view, "", "evt_x").status, 404u);
}

TEST_F(SearchApi, a_bound_key_sees_its_own) {
  ApiCall call;
  call.principal.key.emplace();
  call.principal.key->domain = *Domain::parse("example.pl");
  const auto list = json(house_.wait(list_emails(context_, call)));
  ASSERT_EQ(list.at("data")->items().size(), 1u);
  EXPECT_EQ(list.at("data")->items()[0].text_at("from"), "shop@example.pl");
  EXPECT_EQ(json(house_.wait(list_event_views(context_, call))).at("data")->items().size(), 3u);
  call.query = {{"q", "id:" + second_.text()}};
  EXPECT_EQ(json(house_.wait(list_emails(context_, call))).at("data")->items().size(), 0u);
  for (const char* domain : {"", "y.pl", "shop.example.pl"}) {
    call.query = {{"domain", domain}, {"since", "2026-11-26"}, {"group_by", "domain"}};
    const auto counted = json(house_.wait(show_stats(context_, call)));
    const auto rows = counted.at("data")->items();
    ASSERT_EQ(rows.size(), std::string_view(domain).starts_with("shop") ? 0u : 1u) << domain;
    if (!rows.empty()) EXPECT_EQ(rows[0].text_at("domain"), "example.pl");
  }
  call.query.clear();
  call.argument = event_id_of(6);
  EXPECT_EQ(house_.wait(show_event_view(context_, call)).status, 404u);
  call.principal.key->domain = {};
  call.principal.key->stream = "bulk";
  EXPECT_EQ(json(house_.wait(list_emails(context_, call))).at("data")->items().size(), 1u);
  EXPECT_EQ(json(house_.wait(list_event_views(context_, call))).at("data")->items().size(), 2u);
  call.query = {{"stream", "transactional"}};
  EXPECT_EQ(house_.wait(list_emails(context_, call)).status, 403u);
}

class TextSink final : public HttpSink {
 public:
  Task<Result<void>> write(std::string_view octets) override {
    text += octets;
    if (text.size() >= enough) co_return fail(ErrorKind::closed, "nobody reads any more");
    co_return Result<void>();
  }
  std::string text;
  std::size_t enough = 100;
};

TEST_F(SearchApi, a_live_tail_goes_on_behind_the_last_event_and_gives_its_place_back) {
  LiveTails tails({.tails = 2, .tails_of_one = 1});
  context_.live_tails = &tails;
  ApiCall call;
  call.headers = {{"last-event-id", event_id_of(4)}};
  TextSink sink;
  {
    const auto reply = house_.wait(follow_events(context_, call));
    EXPECT_EQ(reply.content_type, "text/event-stream");
    EXPECT_EQ(house_.wait(follow_events(context_, call)).status, 429u);
    house_.wait(reply.stream(sink));
  }
  EXPECT_NE(sink.text.find("id: " + event_id_of(5) + "\nevent: email.received\ndata: {"),
            std::string::npos)
      << sink.text;
  EXPECT_NE(sink.text.find("event: email.bounced"), std::string::npos);
  EXPECT_EQ(sink.text.find(event_id_of(3)), std::string::npos);
  // Far behind: what is skipped is told.
  LiveTails short_tails({.batch = 2, .behind = 3});
  context_.live_tails = &short_tails;
  call.headers = {{"last-event-id", event_id_of(1)}};
  TextSink other;
  house_.wait(house_.wait(follow_events(context_, call)).stream(other));
  EXPECT_NE(other.text.find("event: skipped\ndata: {\"events\":3}"), std::string::npos)
      << other.text;
  short_tails.stop();
  EXPECT_EQ(house_.wait(follow_events(context_, call)).status, 503u);
  call.headers = {{"last-event-id", "x"}};
  EXPECT_EQ(house_.wait(follow_events(context_, call)).status, 400u);
}

TEST_F(SearchApi, exports_are_lines_and_a_spreadsheet_runs_nothing) {
  const auto emails = ask(export_lines, "", "emails");
  EXPECT_EQ(emails.content_type, "application/x-ndjson");
  EXPECT_EQ(std::ranges::count(emails.body, '\n'), 2);
  const auto csv = ask(export_lines, "format=csv&q=faktura", "emails");
  const auto lines = split(csv.body, '\n');
  ASSERT_EQ(lines.size(), 3u) << csv.body;
  EXPECT_TRUE(lines[0].starts_with("created_at,id,queue_id,from,to,subject"));
  EXPECT_NE(
      lines[1].find(",jan@o2.pl,\"'=1+1 \"\"Faktura\"\"\",delivered,transactional,kind:invoice,"),
      std::string::npos)
      << lines[1];
  const auto events = ask(export_lines, "format=csv&limit=3", "events");
  EXPECT_NE(events.body.find("450,4.2.0,later"), std::string::npos) << events.body;
  EXPECT_EQ(std::ranges::count(events.body, '\n'), 4);
  EXPECT_EQ(ask(export_lines, "", "keys").status, 404u);
  EXPECT_EQ(ask(export_lines, "format=xml", "emails").status, 400u);
}

// More events than a page looks at, of which lists show none, before one that they show.
TEST_F(SearchApi, an_export_goes_on_behind_what_a_page_may_look_at) {
  FactsRequest more;
  for (int at = 0; at < 20500; ++at)
    more.events.push_back(event_of(EventKind::retried, first_, noon + std::chrono::hours(2), "{}"));
  more.events.push_back(event_of(EventKind::delivered, second_, noon + std::chrono::hours(6),
                                 R"({"reply":"250 2.0.0 Ok","tries":2})", "anna@example.pl"));
  CHECK(house_.wait(house_.committer.record(house_.shard, more)).has_value());
  const auto page = json(ask(list_event_views, "order=asc&after=" + event_id_of(7)));
  EXPECT_EQ(page.at("data")->items().size(), 0u);
  EXPECT_TRUE(page.boolean_at("has_more"));
  const auto rest = ask(export_lines, "after=" + event_id_of(7), "events");
  EXPECT_EQ(std::ranges::count(rest.body, '\n'), 1) << rest.body;
  EXPECT_TRUE(rest.headers.empty());
  const auto all = ask(export_lines, "since=2026-11-26T11:00:00Z", "events");
  EXPECT_EQ(std::ranges::count(all.body, '\n'), 6) << all.body;
  const auto some = ask(export_lines, "limit=5", "events");
  EXPECT_EQ(std::ranges::count(some.body, '\n'), 5);
  const decltype(some.headers) next{{export_next_header, event_id_of(6)}};
  EXPECT_EQ(some.headers, next);
  // What is older is not walked, nor what comes later.
  const auto late = json(ask(list_event_views, "order=asc&since=2026-11-26T17:00:00Z"));
  EXPECT_EQ(late.at("data")->items().size(), 1u);
  EXPECT_FALSE(late.boolean_at("has_more"));
  const auto early = json(ask(list_event_views, "order=asc&until=2026-11-26T12:30:00Z"));
  EXPECT_EQ(early.at("data")->items().size(), 3u);
  EXPECT_FALSE(early.boolean_at("has_more"));
  const auto emails = ask(export_lines, "limit=1", "emails");
  EXPECT_EQ(std::ranges::count(emails.body, '\n'), 1);
  EXPECT_EQ(emails.headers.size(), 1u);
}

TEST_F(SearchApi, a_person_is_erased_from_log_and_lists) {
  const auto dry = json(ask(erase_address, "", "", R"({"address":"jan@o2.pl","dry_run":true})"));
  EXPECT_EQ(dry.integer_at("events"), 3);
  EXPECT_EQ(dry.integer_at("messages"), 1);
  EXPECT_NE(subjects("to=jan@o2.pl"), "");
  const auto done = json(ask(erase_address, "", "", R"({"address":"jan@o2.pl"})"));
  EXPECT_EQ(done.text_at("pseudonym"), dry.text_at("pseudonym"));
  EXPECT_EQ(subjects("to=jan@o2.pl"), "");
  EXPECT_EQ(ask(list_event_views, "").body.find("jan@o2.pl"), std::string::npos);
  EXPECT_EQ(ask(list_event_views, "").body.find("Faktura"), std::string::npos);
  for (const char* wrong : {"", "[]", R"({"address":"x"})", R"({"address":"a@b.pl","all":1})"})
    EXPECT_EQ(ask(erase_address, "", "", wrong).status, 422u) << wrong;
}

TEST(csv_field, is_quoted_when_it_must_be) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},      {"a b", "a b"}, {"a,b", "\"a,b\""},   {"a\"b", "\"a\"\"b\""}, {"=1", "'=1"},
      {"-1", "'-1"}, {"@x", "'@x"},  {"a\nb", "\"a\nb\""}, {"=a,b", "\"'=a,b\""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(csv_field(text), expected);
}

}  // namespace
}  // namespace goniec
