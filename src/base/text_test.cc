// Text functions, times, sizes, ids.
#include "base/text.h"

#include <gtest/gtest.h>

#include "base/id.h"
#include "base/time.h"

namespace goniec {
namespace {

TEST(Text, SmallFunctions) {
  EXPECT_EQ(to_lower("AbZ\xC3\x93"), "abz\xC3\x93");
  EXPECT_TRUE(equal_ignoring_case("PostMaster", "postmaster"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_FALSE(equal_ignoring_case("@", "`"));
  EXPECT_TRUE(starts_with_ignoring_case("FROM:<a>", "from:"));
  EXPECT_EQ(trim(" \t a b\t"), "a b");
  EXPECT_EQ(trim(" \t"), "");
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
}

TEST(ParseUnsigned, RefusesWhatDoesNotFit) {
  EXPECT_EQ(parse_unsigned("18446744073709551615"), 18446744073709551615ull);
  for (std::string_view bad :
       {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_unsigned(bad)) << bad;
  }
}

TEST(Utf8, FollowsRfc3629) {
  for (std::string_view good : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << printable(good);
  }
  for (std::string_view bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "a\xFF"}) {
    EXPECT_FALSE(is_utf8(bad)) << printable(bad);
  }
  EXPECT_EQ(first_utf8_character("\xF0\x9F\x98\x80").value, U'\U0001F600');
}

TEST(Printable, EscapesWhatCouldHurtALogAndCuts) {
  EXPECT_EQ(printable("a\r\nb"), "a\\x0d\\x0ab");
  EXPECT_EQ(printable("\x1B[31m\x7F"), "\\x1b[31m\\x7f");
  EXPECT_EQ(printable("z\xC3\xB3\xFF"), "z\xC3\xB3\\xff");
  EXPECT_EQ(printable("\xE2\x80\xAE"), "\\xe2\\x80\\xae");  // bidi override
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("ab\xC3\xB3", 3), "ab...");
}

TEST(Nearest, FindsTyposAndNothingFarther) {
  const std::vector<std::string> names{"hostname", "listeners", "storage", "tls"};
  EXPECT_EQ(nearest("hostnmae", names), "hostname");
  EXPECT_EQ(nearest("listner", names), "listeners");
  EXPECT_EQ(nearest("tsl", names), "tls");
  EXPECT_FALSE(nearest("colour", names));
  EXPECT_FALSE(nearest("", names));
  EXPECT_FALSE(nearest(std::string(10'000, 'a'), names));
}

TEST(Rfc3339, ComesBack) {
  for (std::string_view text :
       {"2026-11-23T06:10:01.123Z", "1970-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z",
        "2024-02-29T12:00:00.000Z", "9999-12-31T23:59:59.000Z"}) {
    EXPECT_EQ(to_rfc3339(parse_rfc3339(text).value()), text);
  }
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("2026-11-23t07:10:01+01:00")), "2026-11-23T06:10:01.000Z");
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("2026-11-23T06:10:01.1234567Z")), "2026-11-23T06:10:01.123Z");
  for (std::string_view bad :
       {"", "2026-11-23", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-23T24:00:00Z",
        "2026-11-23T00:00:00", "2026-11-23T00:00:00Zx", "2026-11-23T00:00:00.Z",
        "2026-11-23T00:00:00+1:00", "x"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

TEST(Rfc5322, IsPrintedInUtc) {
  EXPECT_EQ(to_rfc5322(*parse_rfc3339("2026-11-23T06:10:01Z")), "Mon, 23 Nov 2026 06:10:01 +0000");
  EXPECT_EQ(to_rfc5322(Instant{}), "Thu, 01 Jan 1970 00:00:00 +0000");
}

TEST(Duration, ComesBackInItsShortestForm) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"90s", "90s"}, {"5m", "5m"},         {"300s", "5m"},  {"24h", "1d"},
      {"7d", "1w"},   {"1500ms", "1500ms"}, {"0s", "0s"},    {"0w", "0s"},
      {"1us", "1us"}, {"60s", "1m"},        {"1000ms", "1s"}};
  for (const auto& [text, shortest] : cases) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(to_text(*duration), shortest);
    EXPECT_EQ(*parse_duration(to_text(*duration)), *duration);
  }
}

TEST(Duration, RefusesBareNumbersAndOverflow) {
  for (std::string_view bad : {"", "s", "-1s", "1 s", "1.5h", "1h30m", "1y", "1S",
                               "99999999999999999999s", "15250285w", "9223372036854775808us"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  EXPECT_EQ(parse_duration("30").error().message,
            "duration '30' has no unit: write 30s for seconds");
  EXPECT_TRUE(parse_duration("9223372036854775807us"));
}

TEST(Size, KnowsBothKindsOfUnits) {
  EXPECT_EQ(*parse_size("50MiB"), 52'428'800u);
  EXPECT_EQ(*parse_size("1kB"), 1000u);
  EXPECT_EQ(*parse_size("1048576"), 1'048'576u);
  EXPECT_EQ(*parse_size("0"), 0u);
  for (std::string_view bad :
       {"", "MiB", "1 MiB", "1mb", "-1", "1.5MB", "18446744073709551616", "99999999999GiB"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(MessageId, HasAUuidThatLeadsBackToIt) {
  for (const std::uint64_t value :
       {std::uint64_t{1}, std::uint64_t{0x123456789ABCDEF}, (std::uint64_t{1} << 63) - 1}) {
    const MessageId id{value};
    const std::string uuid = uuid_of(id);
    ASSERT_EQ(uuid.size(), 36u);
    EXPECT_EQ(uuid[14], '7') << "the version (RFC 9562 §4.2)";
    EXPECT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos) << "the variant";
    EXPECT_EQ(message_id_of_uuid(uuid), id);
    std::string other = uuid;
    other[0] = other[0] == '0' ? '1' : '0';
    EXPECT_EQ(message_id_of_uuid(other), std::nullopt) << "its time is not the id's";
    EXPECT_EQ(message_id_of_uuid(uuid + "0"), std::nullopt);
  }
  EXPECT_EQ(message_id_of_uuid("00000000-0000-7000-8000-000000000000"), std::nullopt);
  EXPECT_LT(uuid_of(MessageId{std::uint64_t{5} << 22}), uuid_of(MessageId{std::uint64_t{6} << 22}));
}

TEST(MessageId, NamesAnEventForEver) {
  EXPECT_EQ(event_id_of(1), "evt_0000000000001");
  EXPECT_EQ(sequence_of_event_id(event_id_of(123456789)), 123456789u);
  EXPECT_EQ(sequence_of_event_id("evt_"), std::nullopt);
  EXPECT_EQ(sequence_of_event_id("evx_0000000000001"), std::nullopt);
}

TEST(MessageId, TextOrderIsTimeOrder) {
  MessageIdMaker maker;
  const auto now = *parse_rfc3339("2026-11-23T06:10:01.123Z");
  const auto first = maker.next(now, ~0ull);
  EXPECT_EQ(to_rfc3339(first.made_at()), "2026-11-23T06:10:01.123Z");
  EXPECT_EQ(first.text().size(), 13u);
  auto last = first;
  for (auto at : {now, now, now - std::chrono::hours(5), now + std::chrono::milliseconds(1)}) {
    const auto next = maker.next(at, 0);
    EXPECT_GT(next, last);
    EXPECT_GT(next.text(), last.text());
    EXPECT_EQ(MessageId::parse(next.text()), next);
    EXPECT_EQ(MessageId::parse(to_lower(next.text())), next);
    last = next;
  }
}

TEST(MessageId, GoesOnAboveTheHighestKnown) {
  const MessageId known{1ull << 62};
  MessageIdMaker maker(known);
  EXPECT_EQ(maker.next(Instant{}, 5).value, known.value + 1);
  MessageIdMaker old;
  EXPECT_TRUE(old.next(Instant{}, 0));  // a clock before 2020 still makes ids
}

TEST(MessageId, OtherTextsAreNoIds) {
  for (std::string_view bad :
       {"", "0000000000000", "000000000000", "00000000000001", "ZZZZZZZZZZZZZ", "000000000000U",
        "000000000000 ", "8000000000000"}) {
    EXPECT_FALSE(MessageId::parse(bad)) << bad;
  }
  EXPECT_EQ(MessageId::parse("7ZZZZZZZZZZZZ")->value, (1ull << 63) - 1);
}

}  // namespace
}  // namespace goniec
