// IP addresses, networks and the stable names of the journey's types.
#include "mail/journey.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(IpAddress, PrintsTheCanonicalForm) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::", "::"},
      {"::1", "::1"},
  };
  for (const auto& [text, printed] : cases) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), printed);
    EXPECT_EQ(*IpAddress::parse(address->text()), *address);
  }
  for (std::string_view text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ",
                                "2001:::1", "fe80::1%eth0", "::1::", "x"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_EQ((Endpoint{*IpAddress::parse("::1"), 25}).text(), "[::1]:25");
  EXPECT_EQ((Endpoint{*IpAddress::parse("192.0.2.1"), 25}).text(), "192.0.2.1:25");
}

TEST(IpAddress, KnowsWhatIsNotThePublicInternet) {
  for (std::string_view text :
       {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1",
        "127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "fc00::1", "fd12::1", "fe80::1",
        "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "255.255.255.255"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_private()) << text;
  }
  for (std::string_view text :
       {"8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1", "64:ff9b::808:808"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_private()) << text;
  }
  IpAddress mapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1}, true};
  EXPECT_TRUE(mapped.is_private());
  EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
}

TEST(IpNetwork, ContainsByPrefix) {
  struct Case {
    std::string_view network, address;
    bool inside;
  };
  const Case cases[] = {
      {"127.0.0.0/8", "127.1.2.3", true},
      {"127.0.0.0/8", "128.0.0.0", false},
      {"10.1.2.3/8", "10.9.9.9", true},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.2", false},
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.128/25", "192.0.2.255", true},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"::/0", "2001:db8::1", true},
      {"::ffff:10.0.0.0/104", "10.9.9.9", true},
  };
  for (const auto& one : cases) {
    const auto network = IpNetwork::parse(one.network);
    ASSERT_TRUE(network) << one.network;
    EXPECT_EQ(network->contains(*IpAddress::parse(one.address)), one.inside)
        << one.network << " " << one.address;
  }
  for (std::string_view text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/-1",
        "10.0.0.0/8/8", "10/8", "::ffff:10.0.0.0/8", "10.0.0.0/99999999999999999999"}) {
    EXPECT_FALSE(IpNetwork::parse(text)) << text;
  }
}

TEST(Names, ComeBack) {
  for (auto kind :
       {ListenerKind::mx, ListenerKind::submission, ListenerKind::submissions, ListenerKind::lmtp,
        ListenerKind::pop3, ListenerKind::pop3s, ListenerKind::imap, ListenerKind::imaps,
        ListenerKind::http, ListenerKind::https, ListenerKind::admin}) {
    EXPECT_EQ(listener_kind_of(name_of(kind)), kind);
  }
  for (int value = 0; value <= static_cast<int>(EventKind::expanded); ++value) {
    const auto kind = static_cast<EventKind>(value);
    EXPECT_EQ(event_kind_of(name_of(kind)), kind);
  }
  EXPECT_FALSE(event_kind_of("Received"));
  EXPECT_EQ(name_of(Source::dsn), "dsn");
  EXPECT_EQ(name_of(RecipientState::expired), "expired");
}

TEST(NotifyOptions, PrintAsTheParameter) {
  EXPECT_EQ((NotifyOptions{}.text()), "");
  EXPECT_EQ((NotifyOptions{.never = true}.text()), "NEVER");
  EXPECT_EQ((NotifyOptions{.success = true, .failure = true, .delay = true}.text()),
            "SUCCESS,FAILURE,DELAY");
}

}  // namespace
}  // namespace goniec
