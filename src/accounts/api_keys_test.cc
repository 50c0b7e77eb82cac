// Keys of the API: what is kept of them, whom they let in, and as whom they send.
#include "accounts/api_keys.h"

#include <gtest/gtest.h>

#include "accounts/accounts_for_tests.h"
#include "base/text.h"

namespace goniec {
namespace {

class ApiKeysTest : public testing::Test {
 protected:
  ApiKeysTest() { open(keys_); }
  void open(ApiKeys& keys) {
    auto reader = house_.store->reader();
    CHECK(reader && keys.open(house_.committer, **reader));
  }
  MadeKey make(ApiKey wanted, KeySpelling spelling = KeySpelling::native) {
    auto made = house_.wait(keys_.make(house_.shard, std::move(wanted), spelling));
    CHECK(made.has_value());
    return *made;
  }
  test::TestHouse house_;
  ApiKeys keys_;
};

TEST_F(ApiKeysTest, a_key_is_found_by_its_secret_and_the_secret_is_not_kept) {
  const MadeKey made = make({.name = "shop", .scopes = {.send = true}});
  EXPECT_TRUE(made.secret.starts_with("pk_live_"));
  EXPECT_EQ(made.secret.size(), 8 + 32u);
  ASSERT_TRUE(keys_.find(made.secret).has_value());
  EXPECT_EQ(keys_.find(made.secret)->id, made.key.id);
  EXPECT_TRUE(made.secret.starts_with(made.key.hint));
  EXPECT_FALSE(keys_.find(made.secret + "x"));
  EXPECT_FALSE(keys_.find(made.key.hint));
  EXPECT_FALSE(keys_.find(""));
  EXPECT_FALSE(keys_.find(made.key.digest));
  auto reader = house_.store->reader();
  const auto stored = (*reader)->objects("key");
  ASSERT_EQ(stored->size(), 1u);
  EXPECT_EQ(stored->front().second.find(made.secret), std::string::npos);
}

TEST_F(ApiKeysTest, the_spelling_of_the_secret_says_what_it_is) {
  EXPECT_TRUE(make({.sandbox = true}).secret.starts_with("pk_test_"));
  const auto sendgrid = make({}, KeySpelling::sendgrid).secret;
  EXPECT_EQ(sendgrid.size(), 69u);
  EXPECT_EQ(sendgrid.substr(0, 3), "SG.");
  EXPECT_EQ(sendgrid[25], '.');
  EXPECT_TRUE(looks_like_api_key(sendgrid));
  EXPECT_FALSE(looks_like_api_key("correct-horse"));
  EXPECT_FALSE(looks_like_api_key("pk_live_" + std::string(1000, 'x')));
}

TEST_F(ApiKeysTest, all_of_a_key_is_there_after_a_restart) {
  const MadeKey made =
      make({.name = "Żółty sklep",
            .scopes = {.send = true, .read = true},
            .domain = *Domain::parse("shop.pl"),
            .stream = "bulk",
            .networks = {*IpNetwork::parse("192.0.2.0/24"), *IpNetwork::parse("2001:db8::1")},
            .sandbox = true});
  keys_.used(made.key.id, house_.shard.clock().now(), *IpAddress::parse("192.0.2.9"));
  house_.wait([](ApiKeys& keys, Loop& loop) -> Task<bool> {
    co_await keys.flush_use(loop);
    co_return true;
  }(keys_, house_.shard));
  ApiKeys again;
  open(again);
  const auto key = again.find(made.secret);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->name, "Żółty sklep");
  EXPECT_EQ(key->scopes.names(), (std::vector<std::string>{"send", "read"}));
  EXPECT_EQ(key->domain.ascii(), "shop.pl");
  EXPECT_EQ(key->stream, "bulk");
  ASSERT_EQ(key->networks.size(), 2u);
  EXPECT_EQ(text_of(key->networks[0]), "192.0.2.0/24");
  EXPECT_EQ(text_of(key->networks[1]), "2001:db8::1");
  EXPECT_TRUE(key->sandbox);
  EXPECT_EQ(key->created, made.key.created);
  EXPECT_EQ(key->last_used_from, "192.0.2.9");
}

TEST_F(ApiKeysTest, a_use_is_known_at_once_and_written_later) {
  const MadeKey made = make({});
  keys_.used(made.key.id, made.key.created + std::chrono::hours(1), *IpAddress::parse("::1"));
  EXPECT_EQ(keys_.by_id(made.key.id)->last_used, made.key.created + std::chrono::hours(1));
  EXPECT_EQ(keys_.all().front().last_used_from, "::1");
  ApiKeys again;
  open(again);
  EXPECT_EQ(again.find(made.secret)->last_used, Instant{});
}

TEST_F(ApiKeysTest, a_revoked_key_is_no_key_any_more) {
  const MadeKey made = make({.name = "old"}), other = make({.name = "new"});
  ASSERT_TRUE(house_.wait(keys_.revoke(house_.shard, made.key.id)).has_value());
  EXPECT_FALSE(keys_.find(made.secret));
  EXPECT_TRUE(keys_.find(other.secret));
  const auto twice = house_.wait(keys_.revoke(house_.shard, made.key.id));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().kind, ErrorKind::not_found);
  ApiKeys again;
  open(again);
  EXPECT_FALSE(again.find(made.secret));
}

TEST_F(ApiKeysTest, a_key_bound_to_networks_is_none_from_elsewhere) {
  const MadeKey made = make({.networks = {*IpNetwork::parse("10.0.0.0/8")}});
  EXPECT_TRUE(made.key.may_come_from(*IpAddress::parse("10.1.2.3")));
  EXPECT_FALSE(made.key.may_come_from(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(made.key.may_come_from(*IpAddress::parse("2001:db8::1")));
  EXPECT_TRUE(ApiKey{}.may_come_from(*IpAddress::parse("192.0.2.1")));
}

TEST_F(ApiKeysTest, a_key_sends_as_its_domain_or_as_those_of_this_server) {
  house_.add_domain("example.pl");
  house_.add_domain("shop.pl");
  ApiKey bound;
  bound.domain = *Domain::parse("shop.pl");
  const struct {
    std::string_view sender;
    bool bound, unbound;
  } cases[] = {
      {"a@shop.pl", true, true},         {"A@SHOP.PL", true, true},
      {"a@mail.shop.pl", true, true},    {"a@example.pl", false, true},
      {"a@myshop.pl", false, false},     {"a@shop.pl.evil.com", false, false},
      {"a@elsewhere.com", false, false}, {"a@[192.0.2.1]", false, false},
      {"a@x.y.example.pl", false, true}, {"a@pl", false, false},
  };
  for (const auto& each : cases) {
    const Address sender = test::address(each.sender);
    EXPECT_EQ(may_send_as(bound, *house_.directory, sender), each.bound) << each.sender;
    EXPECT_EQ(may_send_as(ApiKey{}, *house_.directory, sender), each.unbound) << each.sender;
  }
  EXPECT_TRUE(may_send_as(bound, *house_.directory, Address()));
}

}  // namespace
}  // namespace goniec
