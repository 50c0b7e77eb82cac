// Who a call is from, through proxies: tables of what they write, and who is believed.
#include "api/forwarded.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

HttpCall call_from(std::string_view peer, Fields fields) {
  HttpCall call;
  call.remote = {*IpAddress::parse(peer), 4711};
  call.headers = std::move(fields);
  return call;
}

TEST(Forwarded, AProxyWhoseClientIsNotKnownIsNotTrustedItself) {
  const std::vector<IpNetwork> trust = {*IpNetwork::parse("10.0.0.0/8")};
  using enum ForwardedClient;
  const std::pair<Fields, ForwardedClient> cases[] = {
      {{}, caller},
      {{{"x-forwarded-proto", "https"}}, named},  // who connected said so of itself
      {{{"x-forwarded-for", "198.51.100.1"}}, named},
      {{{"x-forwarded-for", "10.2.2.2"}}, named},
      {{{"x-forwarded-for", "198.51.100.1, unknown"}}, unknown},
      {{{"forwarded", "for=unknown"}}, unknown},
      {{{"forwarded", "for=\"198.51.100.1"}}, unknown},
      {{{"forwarded", "proto=https"}}, unknown},
  };
  for (const auto& [fields, client] : cases) {
    HttpCall call = call_from("10.0.0.1", fields);
    EXPECT_EQ(take_forwarded(call, trust), client) << (fields.empty() ? "" : fields.front().second);
  }
  HttpCall stranger = call_from("192.0.2.9", {{"x-forwarded-for", "10.0.0.1"}});
  EXPECT_EQ(take_forwarded(stranger, trust), caller);
}

TEST(Forwarded, OnlyWhomTheListenerTrustsIsBelieved) {
  const std::vector<IpNetwork> trust = {*IpNetwork::parse("10.0.0.0/8"),
                                        *IpNetwork::parse("fd00::/8")};
  struct Case {
    std::string_view peer;
    Fields fields;
    std::string_view client;
    bool secure = false;
  };
  const Case cases[] = {
      {"10.0.0.1", {}, "10.0.0.1"},
      {"192.0.2.9", {{"x-forwarded-for", "198.51.100.1"}}, "192.0.2.9"},
      {"192.0.2.9", {{"forwarded", "for=198.51.100.1;proto=https"}}, "192.0.2.9"},
      {"192.0.2.9", {{"x-forwarded-proto", "https"}}, "192.0.2.9"},
      {"10.0.0.1", {{"x-forwarded-for", "198.51.100.1"}}, "198.51.100.1"},
      {"10.0.0.1", {{"x-forwarded-for", "127.0.0.1, 198.51.100.1"}}, "198.51.100.1"},
      {"10.0.0.1", {{"x-forwarded-for", "127.0.0.1, 198.51.100.1, 10.1.1.1"}}, "198.51.100.1"},
      {"10.0.0.1",
       {{"x-forwarded-for", "6.6.6.6"}, {"x-forwarded-for", "198.51.100.1"}},
       "198.51.100.1"},
      {"10.0.0.1", {{"x-forwarded-for", "10.2.2.2, 10.1.1.1"}}, "10.2.2.2"},
      {"10.0.0.1", {{"x-forwarded-for", "198.51.100.1, unknown"}}, "10.0.0.1"},
      {"10.0.0.1", {{"x-forwarded-for", "198.51.100.1:5555"}}, "198.51.100.1"},
      {"10.0.0.1", {{"x-forwarded-for", "2001:db8::7"}}, "2001:db8::7"},
      {"10.0.0.1", {{"x-forwarded-for", "'; drop"}}, "10.0.0.1"},
      {"10.0.0.1", {{"x-forwarded-for", ""}}, "10.0.0.1"},
      {"fd00::1", {{"forwarded", "for=\"[2001:db8::7]:99\";proto=https"}}, "2001:db8::7", true},
      {"10.0.0.1",
       {{"forwarded", "for=127.0.0.1, For=\"198.51.100.1\"; Proto=HTTPS;by=10.0.0.1"}},
       "198.51.100.1",
       true},
      {"10.0.0.1", {{"forwarded", "for=_hidden, for=10.3.3.3"}}, "10.3.3.3"},
      {"10.0.0.1", {{"forwarded", "for=1.2.3.4;proto=https,for=198.51.100.1"}}, "198.51.100.1"},
      {"10.0.0.1",  // a client's own Forwarded, passed on
       {{"forwarded", "for=10.6.6.6"}, {"x-forwarded-for", "198.51.100.1"}},
       "198.51.100.1"},
      {"10.0.0.1", {{"forwarded", "for=\"x"}, {"forwarded", "for=198.51.100.1"}}, "10.0.0.1"},
      {"10.0.0.1", {{"forwarded", "by=x;;=,\""}}, "10.0.0.1"},
      {"10.0.0.1",
       {{"x-forwarded-for", "198.51.100.1"}, {"x-forwarded-proto", "http, https"}},
       "198.51.100.1",
       true},
      {"10.0.0.1", {{"x-forwarded-proto", "https"}}, "10.0.0.1", true},
  };
  for (const Case& each : cases) {
    HttpCall call = call_from(each.peer, each.fields);
    take_forwarded(call, trust);
    const std::string what = each.fields.empty() ? "" : each.fields.front().second;
    EXPECT_EQ(call.remote.address.text(), each.client) << each.peer << " " << what;
    EXPECT_EQ(call.secure, each.secure) << each.peer << " " << what;
    EXPECT_EQ(call.remote.port, 4711);
  }
}

}  // namespace
}  // namespace goniec
