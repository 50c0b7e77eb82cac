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

class Mails final : public Carrier {
 public:
  explicit Mails(Queue& the_queue) : queue(the_queue) {}
  void carry(ReadyEntry entry) override {
    recipients.push_back(entry.entry.recipients.at(0).recipient.address.text());
    texts.push_back(entry.content->header + entry.content->body);
    queue.give_back(std::move(entry));
  }
  Queue& queue;
  std::vector<std::string> recipients, texts;
};

struct House {
  test::TestHouse base{DirectoryOptions{.hostname = "mx.us.test"}};
  Zone zone;
  test::NoNetwork network;
  test::NoHttp http;
  World world{base.shard, network, zone, http, base.offload};
  Queue queue{{.hostname = "mx.us.test"}, base.committer, base.readers, base.metrics, null_log()};
  Mails mails{queue};
  IntakeOptions intake{.hostname = "mx.us.test"};
  std::unique_ptr<ReportSending> sending;

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
  std::size_t kept(std::string_view kind) { return (*base.store->reader())->objects(kind)->size(); }
  void tell(const std::string& domain, const std::string& rua) {
    DmarcObservation observation;
    observation.policy.domain = domain;
    observation.policy.p = ReportedDisposition::none;
    observation.rua = {rua};
    observation.record.source = IpAddress::parse("192.0.2.1");
    observation.record.count = 1;
    observation.record.header_from = domain;
    sending->collect(std::move(observation), base.shard.clock().now());
  }
};

TEST(ReportSending, keeps_what_was_told_over_a_restart_and_sends_it_once) {
  House house;
  house.zone.texts["_dmarc.them.test"] = "v=DMARC1; p=none";
  house.zone.texts["_smtp._tls.them.test"] = "v=TLSRPTv1; rua=mailto:tls@them.test,https://x.test/";
  house.start();
  house.tell("them.test", "mailto:dmarc@them.test");
  house.sending->collect(
      TlsObservation{"them.test", {.type = TlsPolicyType::sts, .domain = "them.test"}, {}},
      house.base.shard.clock().now());
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
