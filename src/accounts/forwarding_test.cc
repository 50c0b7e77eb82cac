// Which sender the next server is told, who stands behind an address that comes back, and that the
// secret is made once, at first need, and found after a restart.
#include "accounts/forwarding.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"

namespace goniec {
namespace {

using test::address;

class ForwardingTest : public testing::Test {
 protected:
  ForwardingTest() {
    house_.add_domain("a.pl");
    DomainObject relay{.domain = *Domain::parse("relay.pl"), .relay = true};
    CHECK(house_.wait(house_.directory->add_domain(house_.shard, std::move(relay))).has_value());
    house_.add_user({.address = address("ann@a.pl")});
    house_.add_user({.address = address("SRS0=a=b=c=d@a.pl")});
    open(forwarding_);
  }
  void open(Forwarding& forwarding) {
    auto reader = house_.store->reader();
    CHECK(reader && forwarding.open(*house_.directory, house_.committer, **reader, house_.metrics));
  }
  void make_secret() { ASSERT_TRUE(house_.wait(forwarding_.make_secret(house_.shard))); }
  // "rule sender"
  std::string told(std::string_view sender, std::string_view by = "a.pl") {
    const ForwardedSender made =
        forwarding_.sender_for(message_, sender.empty() ? Address() : address(sender),
                               by.empty() ? Domain() : *Domain::parse(by), options_, now_);
    return std::string(made.rule) + " " + made.sender.text();
  }
  std::optional<SrsReturned> back(const Forwarding& forwarding, std::string_view to) {
    const Address recipient = address(to);
    return forwarding.returned(recipient, house_.directory->resolve(recipient), options_, now_);
  }

  test::TestHouse house_;
  MessageId message_ = *MessageId::parse("0SBJPNA0X2YTW");
  ForwardingOptions options_;
  Instant now_ = from_microseconds(1'800'000'000'000'000);
  Forwarding forwarding_;
};

TEST_F(ForwardingTest, each_sender_by_its_rule) {
  EXPECT_EQ(told("x@far.org"), "srs.off x@far.org") << "without the secret";
  make_secret();
  EXPECT_EQ(told(""), "srs.null ");
  EXPECT_EQ(told("ann@a.pl"), "srs.ours ann@a.pl");
  EXPECT_EQ(told("x@relay.pl"), "srs.ours x@relay.pl");
  EXPECT_TRUE(told("x@far.org").starts_with("srs.first SRS0="));
  EXPECT_TRUE(told("x@far.org").ends_with("=far.org=x@a.pl"));
  EXPECT_TRUE(told("SRS0=h=tt=far.org=x@first.org").starts_with("srs.second SRS1="));
  const std::string bounces(50, 'b');
  EXPECT_TRUE(told(bounces + "@far.org").starts_with("srs.message SRS0="));
  EXPECT_TRUE(told(bounces + "@far.org").ends_with("==0SBJPNA0X2YTW@a.pl"));
  EXPECT_EQ(back(forwarding_, told(bounces + "@far.org").substr(12))->message, message_);
  const std::string wide = std::string(60, 'd') + "." + std::string(60, 'e') + "." +
                           std::string(60, 'f') + "." + std::string(50, 'g') + ".pl";
  EXPECT_EQ(told(bounces + "@far.org", wide), "srs.too_long " + bounces + "@far.org");
  EXPECT_EQ(told("x@far.org", ""), "srs.off x@far.org") << "no domain to do it in the name of";
  options_.rewrite = false;
  EXPECT_EQ(told("x@far.org"), "srs.off x@far.org");
}

TEST_F(ForwardingTest, mail_leaves_in_the_name_of_a_domain_whose_notices_come_here) {
  const auto by = [&](std::string_view name) {
    return forwarding_.domain_for(*Domain::parse(name)).ascii();
  };
  house_.add_domain("b.pl");
  EXPECT_EQ(by("b.pl"), "b.pl");
  EXPECT_EQ(by("relay.pl"), "a.pl");
  EXPECT_EQ(by("mail.example.pl"), "a.pl") << "the host's own name";
}

TEST_F(ForwardingTest, what_comes_back_is_for_the_sender_unless_it_is_somebodys_name) {
  EXPECT_FALSE(back(forwarding_, "SRS0=HASHHASH=AA=far.org=x@a.pl")) << "none was made yet";
  make_secret();
  const std::string made = told("X.Y@far.org").substr(10);
  ASSERT_TRUE(back(forwarding_, made));
  EXPECT_EQ(back(forwarding_, made)->sender.text(), "X.Y@far.org");
  EXPECT_EQ(back(forwarding_, "SRS0=HASHHASH=AA=far.org=x@a.pl")->status, SrsStatus::forged);
  EXPECT_EQ(back(forwarding_, "SRS0=nothing@a.pl")->status, SrsStatus::malformed);
  EXPECT_FALSE(back(forwarding_, "SRS0=a=b=c=d@a.pl")) << "a user of that name";
  EXPECT_FALSE(back(forwarding_, "SRS0=HASHHASH=AA=far.org=x@relay.pl"));
  EXPECT_FALSE(back(forwarding_, "SRS0=HASHHASH=AA=far.org=x@far.org"));
  EXPECT_FALSE(back(forwarding_, "ann@a.pl"));
  // A catch-all is for what is nobody's, and this is the sender's.
  house_.add_alias("*@a.pl", {"ann@a.pl"});
  EXPECT_EQ(back(forwarding_, made)->status, SrsStatus::good);
  now_ += std::chrono::days(22);
  EXPECT_EQ(back(forwarding_, made)->status, SrsStatus::expired);
  options_.days_valid = 30;
  EXPECT_EQ(back(forwarding_, made)->status, SrsStatus::good);
}

TEST_F(ForwardingTest, the_secret_is_made_once_and_found_after_a_restart) {
  EXPECT_TRUE(forwarding_.needs_secret(address("x@far.org"), options_));
  EXPECT_FALSE(forwarding_.needs_secret(address("ann@a.pl"), options_));
  EXPECT_FALSE(forwarding_.needs_secret(Address(), options_));
  EXPECT_FALSE(forwarding_.needs_secret(address("x@far.org"), {.rewrite = false}));
  make_secret();
  EXPECT_FALSE(forwarding_.needs_secret(address("x@far.org"), options_));
  const std::string made = told("x@far.org").substr(10);
  make_secret();
  EXPECT_EQ(told("x@far.org").substr(10), made);
  Forwarding again;
  open(again);
  EXPECT_FALSE(again.needs_secret(address("x@far.org"), options_));
  EXPECT_EQ(back(again, made)->sender.text(), "x@far.org");
}

TEST_F(ForwardingTest, a_rotation_makes_with_a_new_secret_and_reads_what_the_older_made) {
  make_secret();
  std::vector<std::string> made;
  for (std::size_t count = 2; count <= Forwarding::kept_secrets + 1; ++count) {
    made.push_back(told("x@far.org").substr(10));
    const auto rotated =
        house_.wait(forwarding_.rotate_secret(house_.shard, Forwarding::OlderSecrets::kept));
    ASSERT_TRUE(rotated);
    EXPECT_EQ(*rotated, std::min(count, Forwarding::kept_secrets));
    EXPECT_NE(told("x@far.org").substr(10), made.back());
  }
  Forwarding again;
  open(again);
  for (const Forwarding* each : {&std::as_const(forwarding_), &std::as_const(again)}) {
    EXPECT_EQ(back(*each, made.front())->status, SrsStatus::forged) << "older than are kept";
    EXPECT_EQ(back(*each, made[1])->sender.text(), "x@far.org");
    EXPECT_EQ(back(*each, made.back())->sender.text(), "x@far.org");
  }
  ASSERT_TRUE(
      house_.wait(forwarding_.rotate_secret(house_.shard, Forwarding::OlderSecrets::dropped)));
  EXPECT_EQ(back(forwarding_, made.back())->status, SrsStatus::forged);
}

TEST_F(ForwardingTest, a_secret_that_cannot_be_read_is_said_and_not_replaced) {
  ObjectPut put{{"srs", "secret"}, "{\"secrets\":[\"c2hvcnQ=\"]}"};
  ASSERT_TRUE(house_.wait(house_.committer.put_object(house_.shard, std::move(put))));
  auto reader = house_.store->reader();
  Forwarding again;
  const auto opened = again.open(*house_.directory, house_.committer, **reader, house_.metrics);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::damaged);
}

}  // namespace
}  // namespace goniec
