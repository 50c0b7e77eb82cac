// MTA-STS as a server lives it: what is fetched, when, how often, and what is left after a restart.
#include "outbound/mta_sts_cache.h"

#include <gtest/gtest.h>

#include "net/tcp.h"
#include "outbound/doors_for_tests.h"
#include "run/shard.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace goniec {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// A web that answers after a second what the test wants.
class SlowWeb final : public HttpFetch {
 public:
  explicit SlowWeb(Loop& loop) : loop_(loop) {}
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment) override {
    urls.push_back(request.url);
    limits.push_back(request.response_limit);
    co_await loop_.sleep(std::chrono::seconds(1));
    if (!up) co_return fail(refusal, "the web is down");
    co_return HttpResponse{status, {{"content-type", "text/plain"}}, body};
  }
  std::vector<std::string> urls;
  std::vector<std::size_t> limits;
  bool up = true;
  ErrorKind refusal = ErrorKind::closed;
  unsigned status = 200;
  std::string body = "version: STSv1\nmode: enforce\nmx: mx.b.test\nmax_age: 604800\n";

 private:
  Loop& loop_;
};

class MtaStsCacheTest : public testing::Test {
 protected:
  MtaStsCacheTest() { restart(); }
  void restart() {
    cache = std::make_unique<MtaStsCache>(MtaStsCacheOptions{.folder = "/mta-sts"}, disk);
  }
  void record(const std::string& text) {
    resolver.answers.erase({"_mta-sts.b.test", DnsType::txt});
    if (!text.empty()) resolver.add("_mta-sts.b.test", DnsType::txt, text);
  }
  MtaStsAnswer find() {
    return loop.run(cache->find(world, *Domain::parse("b.test"),
                                loop.clock().moment() + std::chrono::seconds(30)));
  }

  SimLoop loop{1};
  SimDisk disk;
  Shard shard;
  SystemNetwork network{shard};  // nobody goes through it
  TableResolver resolver;
  SlowWeb web{loop};
  NoOffload offload;
  World world{loop, network, resolver, web, offload};
  std::unique_ptr<MtaStsCache> cache;
};

TEST_F(MtaStsCacheTest, a_policy_is_fetched_once_and_outlives_restart_record_and_web) {
  record("v=STSv1; id=1");
  EXPECT_EQ(find().policy->policy.mode, MtaStsMode::enforce);
  EXPECT_EQ(find().policy->id, "1");
  ASSERT_EQ(web.urls.size(), 1u);
  EXPECT_EQ(web.urls[0], "https://mta-sts.b.test/.well-known/mta-sts.txt");
  EXPECT_EQ(web.limits[0], 64u * 1024);
  restart();
  web.up = false;
  record("");
  ASSERT_TRUE(find().policy) << "from disk";
  EXPECT_EQ(web.urls.size(), 1u);
  loop.run_for(hours(24 * 7));
  EXPECT_FALSE(find().policy) << "its max_age is over";
}

TEST_F(MtaStsCacheTest, no_record_is_no_policy_and_no_fetch) {
  EXPECT_FALSE(find().policy);
  resolver.set("_mta-sts.b.test", DnsType::txt, DnsStatus::bogus);
  EXPECT_TRUE(find().cannot_tell);
  EXPECT_TRUE(web.urls.empty());
}

TEST_F(MtaStsCacheTest, many_who_ask_at_once_cause_one_fetch) {
  record("v=STSv1; id=1");
  int answered = 0;
  struct Asker {
    static Task<void> ask(MtaStsCache& cache, World& world, int& answered) {
      const auto answer = co_await cache.find(world, *Domain::parse("b.test"),
                                              world.loop.clock().moment() + minutes(1));
      if (answer.policy) ++answered;
    }
  };
  for (int i = 0; i < 10; ++i) spawn(Asker::ask(*cache, world, answered));
  loop.run_until_idle();
  EXPECT_EQ(answered, 10);
  EXPECT_EQ(web.urls.size(), 1u);
}

TEST_F(MtaStsCacheTest, a_failing_fetch_is_told_and_waits_five_minutes) {
  record("v=STSv1; id=1");
  web.up = false;
  EXPECT_EQ(find().fault, TlsFault::sts_policy_fetch_error);
  EXPECT_FALSE(find().policy);
  EXPECT_EQ(web.urls.size(), 1u);
  loop.run_for(minutes(5));
  web.refusal = ErrorKind::not_permitted;
  EXPECT_EQ(find().fault, TlsFault::sts_webpki_invalid);
  loop.run_for(minutes(5));
  web.up = true;
  web.body = "version: STSv2\n";
  EXPECT_EQ(find().fault, TlsFault::sts_policy_invalid);
  loop.run_for(minutes(5));
  web.status = 301;
  EXPECT_EQ(find().fault, TlsFault::sts_policy_fetch_error);
  EXPECT_EQ(web.urls.size(), 4u);
}

TEST_F(MtaStsCacheTest, another_id_is_fetched_and_a_failure_leaves_the_old_policy) {
  record("v=STSv1; id=1");
  ASSERT_TRUE(find().policy);
  record("v=STSv1; id=2");
  web.up = false;
  EXPECT_EQ(find().policy->id, "1");
  web.up = true;
  web.body = "version: STSv1\nmode: none\nmax_age: 86400\n";
  loop.run_for(minutes(6));
  EXPECT_EQ(find().policy->policy.mode, MtaStsMode::none);
}

TEST_F(MtaStsCacheTest, a_policy_is_fetched_again_beside_the_mail) {
  record("v=STSv1; id=1");
  ASSERT_TRUE(find().policy);
  loop.run_for(hours(25));
  const Moment asked = loop.clock().moment();
  EXPECT_TRUE(find().policy);
  EXPECT_EQ(loop.clock().moment(), asked) << "nobody waited for the web";
  loop.run_until_idle();
  EXPECT_EQ(web.urls.size(), 2u);
}

TEST_F(MtaStsCacheTest, a_damaged_file_is_as_if_it_were_not_there) {
  record("v=STSv1; id=1");
  ASSERT_TRUE(find().policy);
  auto file = disk.open("/mta-sts/b.test", OpenMode::read_write);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(0, "{\"id\":\"1\", \"pol"));
  ASSERT_TRUE((*file)->truncate(15));
  restart();
  ASSERT_TRUE(find().policy);
  EXPECT_EQ(web.urls.size(), 2u);
}

}  // namespace
}  // namespace goniec
