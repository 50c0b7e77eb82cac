// Reports about others on a real loop and the memory store: what was told is kept over a restart, a
// report goes to who asked for it and to nobody else, and a DNS that is silent costs nothing.
#include "duties/report_sending.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "trust/report_mail.h"

namespace goniec {
namespace {

class Zone final : public Resolver {
 public:
  std::map<std::string, std::string> texts;
  bool silent = false;
  Task<DnsAnswer> lookup(std::string name, DnsType type, Moment) override {
    if (silent) co_return DnsAnswer{.status = DnsStatus::temporary};
    const auto found = texts.find(name);
    if (type != DnsType::txt || found == texts.end())
      co_return DnsAnswer{.status = DnsStatus::no_such_domain};
    co_return DnsAnswer{.status = DnsStatus::found, .records = {found->second}};
  }
};

class Web final : public HttpFetch {
 public:
  unsigned status = 201;
  std::vector<HttpRequest> posted;
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment) override {
    posted.push_back(std::move(request));
    if (status == 0) co_return fail(ErrorKind::timed_out, "silent");
    co_return HttpResponse{.status = status};
  }
};

class Mails final : public Carrier {
 public:
  explicit Mails(Queue& the_queue) : queue(the_queue) {}
  void carry(ReadyEntry entry) override {
    recipients.push_back(entry.entry.recipients.at(0).recipient.address.text());
    texts.push_back(entry.content->header + entry.content->body);
    queue.give_back(std::move(entry));
    came.notify_all();
  }
  Queue& queue;
  Signal came;
  std::vector<std::string> recipients, texts;
};

struct House {
  test::TestHouse base{DirectoryOptions{.hostname = "mx.us.test"}};
  Zone zone;
  test::NoNetwork network;
  Web http;
  World world{base.shard, network, zone, http, base.offload};
  Queue queue{{.hostname = "mx.us.test"}, base.committer, base.readers, base.metrics, null_log()};
  Mails mails{queue};
  IntakeOptions intake{.hostname = "mx.us.test"};
  std::unique_ptr<ReportSending> sending;
  std::function<void(ReportSendingOptions&)> change;

  House() {
    queue.add_shard(base.shard, mails);
    base.add_domain("us.test");
    make();
  }
  void make() {
    ReportSendingOptions options;
    options.settings = [] {
      return ReportSendingSettings{
          true, "reports@us.test", {"Us", "reports@us.test", "mx.us.test"}};
    };
    options.step = std::chrono::hours(1);
    if (change) change(options);
    sending =
        std::make_unique<ReportSending>(world, queue, base.committer, base.readers, *base.directory,
                                        intake, std::move(options), base.metrics, null_log());
  }
  void start() {
    struct Body {
      static Task<bool> run(ReportSending& sending) {
        sending.start();
        co_return true;
      }
    };
    base.wait(Body::run(*sending));
  }
  void stop() {
    struct Body {
      static Task<bool> run(ReportSending& sending) {
        co_await sending.stop();
        co_return true;
      }
    };
    base.wait(Body::run(*sending));
  }
  std::size_t send() { return base.wait(sending->send_now()); }
  void tell_of_tls(const std::string& domain, Duration ago = Duration(0)) {
    sending->collect(TlsObservation{domain, {.type = TlsPolicyType::sts, .domain = domain}, {}},
                     base.shard.clock().now() - ago);
  }
  std::size_t kept(std::string_view kind) { return (*base.store->reader())->objects(kind)->size(); }
  void wait_for_mails(std::size_t count) {
    struct Body {
      static Task<bool> run(Mails& mails, std::size_t count) {
        while (mails.recipients.size() < count) co_await mails.came.wait();
        co_return true;
      }
    };
    base.wait(Body::run(mails, count));
  }
  void tell(const std::string& domain, const std::string& rua, Duration ago = Duration(0)) {
    DmarcObservation observation;
    observation.policy.domain = domain;
    observation.policy.p = ReportedDisposition::none;
    observation.rua = {rua};
    observation.record.source = IpAddress::parse("192.0.2.1");
    observation.record.count = 1;
    observation.record.header_from = domain;
    sending->collect(std::move(observation), base.shard.clock().now() - ago);
  }
};

TEST(ReportSending, keeps_what_was_told_over_a_restart_and_sends_it_once) {
  House house;
  house.zone.texts["_dmarc.them.test"] = "v=DMARC1; p=none";
  house.zone.texts["_smtp._tls.them.test"] = "v=TLSRPTv1; rua=mailto:tls@them.test";
  house.start();
  house.tell("them.test", "mailto:dmarc@them.test");
  house.tell_of_tls("them.test");
  house.stop();
  EXPECT_EQ(house.kept("dmarc_pending"), 1u);
  EXPECT_EQ(house.kept("tls_pending"), 1u);
  house.make();
  house.start();
  house.tell("them.test", "mailto:dmarc@them.test");
  EXPECT_EQ(house.send(), 2u);
  EXPECT_EQ(house.mails.recipients, (std::vector<std::string>{"dmarc@them.test", "tls@them.test"}));
  const auto found = find_reports(house.mails.texts.at(0));
  ASSERT_EQ(found.reports.size(), 1u) << house.mails.texts.at(0);
  EXPECT_EQ(parse_dmarc_report(found.reports[0].text)->records.at(0).count, 2u);
  EXPECT_EQ(house.kept("dmarc_pending"), 0u);
  EXPECT_EQ(house.send(), 0u) << "once";
  house.stop();
}

TEST(ReportSending, posts_a_tls_report_where_the_record_says_https) {
  House house;
  house.zone.texts["_smtp._tls.them.test"] = "v=TLSRPTv1; rua=HTTPS://reports.them.test/v1?a=b";
  house.start();
  house.tell_of_tls("them.test");
  EXPECT_EQ(house.send(), 1u);
  ASSERT_EQ(house.http.posted.size(), 1u);
  const HttpRequest& post = house.http.posted[0];
  EXPECT_EQ(post.method + " " + post.url, "POST HTTPS://reports.them.test/v1?a=b");
  EXPECT_EQ(post.headers.at(0).second, "application/tlsrpt+gzip") << "RFC 8460 §5.4";
  EXPECT_TRUE(post.only_public);
  const auto found = find_reports_in_file(post.body, "");
  ASSERT_EQ(found.reports.size(), 1u);
  const auto report = parse_tls_report(found.reports[0].text);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->policies.at(0).successful, 1u);
  EXPECT_EQ(house.kept("tls_pending"), 0u);
  EXPECT_EQ(house.send(), 0u) << "once";
  house.stop();
}

TEST(ReportSending, tries_again_where_the_web_server_did_not_take_it_and_only_there) {
  House house;
  house.zone.texts["_smtp._tls.them.test"] =
      "v=TLSRPTv1; rua=https://reports.them.test/,mailto:tls@them.test";
  house.start();
  house.tell_of_tls("them.test");
  house.http.status = 500;
  EXPECT_EQ(house.send(), 1u) << "the mail";
  EXPECT_EQ(house.kept("tls_pending"), 1u);
  for (const unsigned status : {301u, 404u, 0u}) {
    house.http.status = status;
    EXPECT_EQ(house.send(), 0u) << status;
    EXPECT_EQ(house.kept("tls_pending"), 1u) << status;
  }
  house.http.status = 200;
  EXPECT_EQ(house.send(), 1u);
  EXPECT_EQ(house.http.posted.size(), 5u);
  EXPECT_EQ(house.mails.recipients, (std::vector<std::string>{"tls@them.test"})) << "not again";
  EXPECT_EQ(house.kept("tls_pending"), 0u);
  house.stop();
}

TEST(ReportSending, gives_up_a_post_when_a_day_is_over) {
  House house;
  house.change = [](ReportSendingOptions& options) { options.redelivery = Duration(0); };
  house.make();
  house.zone.texts["_smtp._tls.them.test"] = "v=TLSRPTv1; rua=https://reports.them.test/";
  house.http.status = 503;
  house.start();
  house.tell_of_tls("them.test");
  EXPECT_EQ(house.send(), 0u);
  EXPECT_EQ(house.http.posted.size(), 1u);
  EXPECT_EQ(house.kept("tls_pending"), 0u);
  house.stop();
}

TEST(ReportSending, goes_out_by_itself_when_its_day_is_over_and_a_failed_post_waits_its_pause) {
  House house;
  house.change = [](ReportSendingOptions& options) {
    options.step = std::chrono::milliseconds(1);
    options.delay = Duration(0);
    options.spread = Duration(1);
  };
  house.make();
  house.zone.texts["_smtp._tls.them.test"] = "v=TLSRPTv1; rua=https://reports.them.test/";
  house.http.status = 500;
  house.start();
  const auto yesterday = std::chrono::hours(24);
  house.tell_of_tls("them.test", yesterday);
  for (const char* domain : {"one.test", "two.test", "three.test"}) {
    house.tell(domain, std::string("mailto:today@") + domain);
    house.tell(domain, std::string("mailto:dmarc@") + domain, yesterday);
    house.wait_for_mails(house.mails.recipients.size() + 1);
  }
  EXPECT_EQ(house.mails.recipients,
            (std::vector<std::string>{"dmarc@one.test", "dmarc@two.test", "dmarc@three.test"}));
  house.stop();
  EXPECT_EQ(house.http.posted.size(), 1u) << "again after five minutes, not at each step";
  EXPECT_EQ(house.kept("dmarc_pending"), 3u) << "of today";
  EXPECT_EQ(house.kept("tls_pending"), 1u);
}

TEST(ReportSending, goes_to_nobody_who_did_not_ask_and_waits_for_a_silent_dns) {
  House house;
  house.start();
  house.tell("them.test", "mailto:someone@victim.example");
  EXPECT_EQ(house.send(), 0u);
  EXPECT_EQ(house.kept("dmarc_pending"), 0u) << "there is nobody to tell";
  house.zone.silent = true;
  house.tell("them.test", "mailto:dmarc@reports.example");
  EXPECT_EQ(house.send(), 0u);
  EXPECT_EQ(house.kept("dmarc_pending"), 1u) << "asked again later";
  house.zone.silent = false;
  house.zone.texts["them.test._report._dmarc.reports.example"] = "v=DMARC1";
  EXPECT_EQ(house.send(), 1u);
  house.stop();
}

}  // namespace
}  // namespace goniec
