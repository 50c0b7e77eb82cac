// From a domain to hosts in order: tables of zones, as SEMANTICS "Routing" wants them read.
#include "outbound/hosts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "net/tcp.h"
#include "outbound/doors_for_tests.h"
#include "outbound/mta_sts_cache.h"
#include "run/disk.h"
#include "run/shard.h"

namespace goniec {
namespace {

struct Case {
  std::string_view name;
  std::function<void(TableResolver&)> zone;
  std::string_view expected;  // "host[address] …" or "state code enhanced"
  std::string_view domain = "b.test";
  bool private_targets = false;
};

class HostsTest : public testing::Test {
 protected:
  HostsOptions options() const {
    return {.hostname = "me.test", .own_addresses = {*IpAddress::parse("198.51.100.99")}};
  }
  HostList find(Hosts& hosts, Route route) {
    return run_until_done(shard_, hosts.find(std::move(route)));
  }
  static Route mx_route(std::string_view domain) {
    return {.domain = *Domain::parse(domain), .transport = Transport::mx, .port = 25, .rule = "mx"};
  }

  Shard shard_;
  SystemNetwork network_{shard_};
  TableResolver resolver_;
  NoHttp http_;
  NoOffload offload_;
  World world_{shard_, network_, resolver_, http_, offload_};
};

std::string shown(const HostList& list) {
  if (list.failure) {
    return std::string(name_of(list.failure->state)) + " " +
           std::to_string(list.failure->reply.code) + " " + list.failure->reply.enhanced.text();
  }
  std::string text;
  for (const auto& host : list.hosts) {
    text += (text.empty() ? "" : " ") + host.host + "[" + host.endpoint.address.text() + "]";
  }
  return text;
}

const std::vector<Case>& cases() {
  using enum DnsType;
  using Zone = TableResolver;
  static const std::vector<Case> all = {
      {"the lower preference first",
       [](Zone& z) {
         z.add_mx("b.test", 20, "two.test");
         z.add_mx("b.test", 10, "one.test");
         z.add_address("one.test", "198.51.100.1");
         z.add_address("two.test", "198.51.100.2");
       },
       "one.test[198.51.100.1] two.test[198.51.100.2]"},
      {"all addresses of a host, the families in turns",
       [](Zone& z) {
         z.add_mx("b.test", 10, "one.test");
         z.add_address("one.test", "198.51.100.1");
         z.add_address("one.test", "198.51.100.2");
         z.add_address("one.test", "2001:db8:1::1");
       },
       "one.test[2001:db8:1::1] one.test[198.51.100.1] one.test[198.51.100.2]"},
      {"a host that is named twice, once",
       [](Zone& z) {
         z.add_mx("b.test", 20, "one.test");
         z.add_mx("b.test", 10, "one.test");
         z.add_mx("b.test", 15, "two.test");
         z.add_address("one.test", "198.51.100.1");
         z.add_address("two.test", "198.51.100.1");
       },
       "one.test[198.51.100.1] two.test[198.51.100.1]"},
      {"no MX: the domain itself",
       [](Zone& z) {
         z.set("b.test", mx, DnsStatus::no_data);
         z.add_address("b.test", "198.51.100.7");
       },
       "b.test[198.51.100.7]"},
      {"IPv6 only",
       [](Zone& z) {
         z.add_mx("b.test", 10, "six.test");
         z.add_address("six.test", "2001:db8:1::6");
       },
       "six.test[2001:db8:1::6]"},
      {"no MX and no address", [](Zone& z) { z.set("b.test", mx, DnsStatus::no_data); },
       "failed 550 5.4.4"},
      {"null MX", [](Zone& z) { z.add_mx("b.test", 0, ""); }, "failed 556 5.1.10"},
      {"a null MX beside others is no host",
       [](Zone& z) {
         z.add_mx("b.test", 0, "");
         z.add_mx("b.test", 10, "one.test");
         z.add_address("one.test", "198.51.100.1");
       },
       "one.test[198.51.100.1]"},
      {"no such domain", [](Zone& z) { z.set("b.test", mx, DnsStatus::no_such_domain); },
       "failed 550 5.1.2"},
      {"a failed MX question is not \"no MX\"",
       [](Zone& z) {
         z.set("b.test", mx, DnsStatus::temporary);
         z.add_address("b.test", "198.51.100.7");
       },
       "queued 451 4.4.3"},
      {"a bogus answer is temporary", [](Zone& z) { z.set("b.test", mx, DnsStatus::bogus); },
       "queued 451 4.4.3"},
      {"a host that cannot be resolved now: the others",
       [](Zone& z) {
         z.add_mx("b.test", 10, "gone.test");
         z.add_mx("b.test", 20, "two.test");
         z.set("gone.test", a, DnsStatus::temporary);
         z.add_address("two.test", "198.51.100.2");
       },
       "two.test[198.51.100.2]"},
      {"no host can be resolved now",
       [](Zone& z) {
         z.add_mx("b.test", 10, "gone.test");
         z.set("gone.test", a, DnsStatus::temporary);
         z.set("gone.test", aaaa, DnsStatus::temporary);
       },
       "queued 451 4.4.3"},
      {"no host has an address", [](Zone& z) { z.add_mx("b.test", 10, "none.test"); },
       "failed 550 5.4.4"},
      {"we are the backup: only better hosts",
       [](Zone& z) {
         z.add_mx("b.test", 10, "one.test");
         z.add_mx("b.test", 20, "ME.test");
         z.add_mx("b.test", 20, "same.test");
         z.add_mx("b.test", 30, "worse.test");
         z.add_address("one.test", "198.51.100.1");
         z.add_address("same.test", "198.51.100.2");
         z.add_address("worse.test", "198.51.100.3");
       },
       "one.test[198.51.100.1]"},
      {"we are the best: a loop", [](Zone& z) { z.add_mx("b.test", 10, "me.test"); },
       "failed 554 5.4.6"},
      {"we are the best by another name",
       [](Zone& z) {
         z.add_mx("b.test", 10, "alias.test");
         z.add_mx("b.test", 20, "worse.test");
         z.add_address("alias.test", "198.51.100.99");
         z.add_address("worse.test", "198.51.100.3");
       },
       "failed 554 5.4.6"},
      {"private targets are refused",
       [](Zone& z) {
         z.add_mx("b.test", 10, "trap.test");
         z.add_mx("b.test", 20, "two.test");
         z.add_address("trap.test", "127.0.0.1");
         z.add_address("trap.test", "10.0.0.1");
         z.add_address("trap.test", "::1");
         z.add_address("trap.test", "fd00::1");
         z.add_address("two.test", "198.51.100.2");
       },
       "two.test[198.51.100.2]"},
      {"only private targets",
       [](Zone& z) {
         z.add_mx("b.test", 10, "trap.test");
         z.add_address("trap.test", "192.168.1.1");
       },
       "failed 550 5.4.4"},
      {"private targets where they are allowed",
       [](Zone& z) {
         z.add_mx("b.test", 10, "lab.test");
         z.add_address("lab.test", "127.0.0.1");
       },
       "lab.test[127.0.0.1]", "b.test", true},
      {"an address literal asks nobody", [](Zone&) {}, "198.51.100.5[198.51.100.5]",
       "[198.51.100.5]"},
      {"an IPv6 literal", [](Zone&) {}, "2001:db8:1::5[2001:db8:1::5]", "[IPv6:2001:db8:1::5]"},
      {"a private literal", [](Zone&) {}, "failed 550 5.4.4", "[127.0.0.1]"},
  };
  return all;
}

TEST_F(HostsTest, ReadsEveryZoneByTheRulesOfMx) {
  for (const auto& expected : cases()) {
    resolver_.answers.clear();
    expected.zone(resolver_);
    auto given = options();
    given.private_targets = expected.private_targets;
    Hosts hosts(given, world_);
    EXPECT_EQ(shown(find(hosts, mx_route(expected.domain))), expected.expected) << expected.name;
  }
}

TEST_F(HostsTest, TakesNoMoreThanTwentyAddresses) {
  for (int i = 0; i < 40; ++i) {
    const auto name = "h" + std::to_string(i) + ".test";
    resolver_.add_mx("b.test", 10, name);
    resolver_.add_address(name, "198.51.100." + std::to_string(i + 1));
  }
  Hosts hosts(options(), world_);
  EXPECT_EQ(find(hosts, mx_route("b.test")).hosts.size(), 20u);
  EXPECT_LE(resolver_.questions, 1 + 2 * 20);
}

TEST_F(HostsTest, SpreadsHostsOfOnePreferenceByChance) {
  for (const auto* name : {"one.test", "two.test", "three.test"}) {
    resolver_.add_mx("b.test", 10, name);
    resolver_.add_address(name, "198.51.100.1");
  }
  std::map<std::string, int> first;
  for (int i = 0; i < 200; ++i) {
    Hosts hosts(options(), world_);
    ++first[find(hosts, mx_route("b.test")).hosts.at(0).host];
  }
  EXPECT_EQ(first.size(), 3u);
}

TEST_F(HostsTest, AsksOnceWhileTheAnswerLives) {
  resolver_.add_mx("b.test", 10, "one.test");
  resolver_.add_address("one.test", "198.51.100.1");
  Hosts hosts(options(), world_);
  find(hosts, mx_route("b.test"));
  const int asked = resolver_.questions;
  find(hosts, mx_route("b.test"));
  EXPECT_EQ(resolver_.questions, asked);
  hosts.set_options(options());  // a reload asks anew
  find(hosts, mx_route("b.test"));
  EXPECT_GT(resolver_.questions, asked);
}

TEST_F(HostsTest, DomainsWithTheSameHostsAreOneSite) {
  for (const auto* domain : {"a.test", "b.test"}) {
    resolver_.add_mx(domain, 10, "one.test");
    resolver_.add_mx(domain, 10, "two.test");
  }
  resolver_.add_mx("c.test", 10, "one.test");
  resolver_.add_address("one.test", "198.51.100.1");
  resolver_.add_address("two.test", "198.51.100.2");
  Hosts hosts(options(), world_);
  const auto a = find(hosts, mx_route("a.test")).site;
  EXPECT_EQ(a, find(hosts, mx_route("b.test")).site);
  EXPECT_NE(a, find(hosts, mx_route("c.test")).site);
}

TEST_F(HostsTest, ARelayNamedByARouteMayBePrivateAndMayNotBePermanentlyGone) {
  resolver_.add_address("relay.test", "10.0.0.7");
  Hosts hosts(options(), world_);
  Route route{.domain = *Domain::parse("b.test"),
              .transport = Transport::smtp,
              .host = "relay.test",
              .port = 2525,
              .rule = "route 1"};
  const auto list = find(hosts, route);
  EXPECT_EQ(shown(list), "relay.test[10.0.0.7]");
  EXPECT_EQ(list.hosts.at(0).endpoint.port, 2525);
  EXPECT_EQ(list.source, "route 1");
  route.host = "gone.test";
  EXPECT_EQ(shown(find(hosts, route)), "queued 451 4.4.4");
  route.host = "192.168.1.5";
  EXPECT_EQ(shown(find(hosts, route)), "192.168.1.5[192.168.1.5]");
}

// A host of a zone that is signed, and what its TLSA says.
void add_signed(TableResolver& zone, const std::string& domain, const std::string& host) {
  zone.add_mx(domain, 10, host);
  zone.add_address(host, "198.51.100.1");
  zone.set(host, DnsType::aaaa, DnsStatus::no_data);
  zone.add("_25._tcp." + host, DnsType::tlsa, DnsTlsa{3, 1, 1, std::string(32, 'x')});
  for (auto& [question, answer] : zone.answers) answer.authenticated = true;
}

TEST_F(HostsTest, ASignedWayLeadsToTlsa) {
  add_signed(resolver_, "b.test", "one.test");
  Hosts hosts(options(), world_);
  const Route route = mx_route("b.test");
  const HostList list = find(hosts, route);
  const TlsRequirement need = requirement_of(route, list, "one.test", {});
  EXPECT_EQ(need.proof, TlsProof::dane) << need.text();
  EXPECT_NE(tls_key_of(route, list, {}), "");
  EXPECT_EQ(tls_key_of(route, list, {.requiretls = false, .policies_off = true}), "");
  EXPECT_NE(tls_key_of(route, list, {.requiretls = true, .policies_off = false}),
            tls_key_of(route, list, {}));
}

TEST_F(HostsTest, OfAnUnsignedMxNoTlsaIsAsked) {
  add_signed(resolver_, "b.test", "one.test");
  resolver_.answers[{"b.test", DnsType::mx}].authenticated = false;
  Hosts hosts(options(), world_);
  const Route route = mx_route("b.test");
  const HostList list = find(hosts, route);
  EXPECT_EQ(resolver_.questions, 3) << "MX, AAAA, A";
  EXPECT_EQ(requirement_of(route, list, "one.test", {}).by, TlsAsker::nobody);
  EXPECT_EQ(tls_key_of(route, list, {}), "");
}

TEST_F(HostsTest, AFailingLookupOfTlsaBlocksTheHostAlone) {
  add_signed(resolver_, "b.test", "one.test");
  add_signed(resolver_, "b.test", "two.test");
  resolver_.set("_25._tcp.one.test", DnsType::tlsa, DnsStatus::bogus);
  Hosts hosts(options(), world_);
  const Route route = mx_route("b.test");
  const HostList list = find(hosts, route);
  EXPECT_TRUE(requirement_of(route, list, "one.test", {}).blocked);
  EXPECT_FALSE(requirement_of(route, list, "two.test", {}).blocked);
}

class PolicyWeb final : public HttpFetch {
 public:
  Task<Result<HttpResponse>> fetch(HttpRequest request, Moment) override {
    const bool known = request.url.find("mta-sts.a.test/") != std::string::npos;
    if (!known) co_return fail(ErrorKind::closed, "nobody there");
    co_return HttpResponse{200,
                           {{"content-type", "text/plain"}},
                           "version: STSv1\nmode: enforce\nmx: one.test\nmax_age: 86400\n"};
  }
};

TEST_F(HostsTest, DomainsWithTheSameHostsAndOtherPoliciesShareNoConnection) {
  PolicyWeb web;
  World world{shard_, network_, resolver_, web, offload_};
  SystemDisk disk;
  MtaStsCache cache({}, disk);
  Hosts hosts(options(), world, &cache);
  for (const auto* domain : {"a.test", "b.test"}) resolver_.add_mx(domain, 10, "one.test");
  resolver_.add_address("one.test", "198.51.100.1");
  resolver_.add("_mta-sts.a.test", DnsType::txt, std::string("v=STSv1; id=1"));
  const Route a = mx_route("a.test"), b = mx_route("b.test");
  const HostList with = find(hosts, a), without = find(hosts, b);
  EXPECT_EQ(with.site, without.site);
  EXPECT_EQ(requirement_of(a, with, "one.test", {}).proof, TlsProof::mta_sts);
  EXPECT_EQ(requirement_of(b, without, "one.test", {}).by, TlsAsker::nobody);
  EXPECT_NE(tls_key_of(a, with, {}), tls_key_of(b, without, {}));
}

TEST_F(HostsTest, ABogusRecordOfMtaStsMakesMailWait) {
  PolicyWeb web;
  World world{shard_, network_, resolver_, web, offload_};
  SystemDisk disk;
  MtaStsCache cache({}, disk);
  Hosts hosts(options(), world, &cache);
  resolver_.add_mx("a.test", 10, "one.test");
  resolver_.add_address("one.test", "198.51.100.1");
  resolver_.set("_mta-sts.a.test", DnsType::txt, DnsStatus::bogus);
  EXPECT_EQ(shown(find(hosts, mx_route("a.test"))), "queued 451 4.4.3");
}

}  // namespace
}  // namespace goniec
