// JSON, digests and metrics.
#include "base/json.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/metrics.h"

namespace goniec {
namespace {

TEST(JsonWriter, WritesOneDocument) {
  JsonWriter writer;
  writer.object()
      .key("a")
      .text("x\"\\\n\x01\xC3\xB3\xFF")
      .key("b")
      .array()
      .number(1)
      .number(-2)
      .real(0.5);
  writer.boolean(true).null().raw("{}").array().end().end().key("c").object().end();
  writer.key("big").number(18446744073709551615ull).key("nan").real(0.0 / 0.0).end();
  EXPECT_EQ(std::move(writer).take(),
            "{\"a\":\"x\\\"\\\\\\n\\u0001\xC3\xB3\xEF\xBF\xBD\",\"b\":[1,-2,0.5,true,null,{},[]],"
            "\"c\":{},"
            "\"big\":18446744073709551615,\"nan\":null}");
}

TEST(JsonWriter, EndsTheProcessWhenUsedWrongly) {
  EXPECT_DEATH(JsonWriter().object().number(1), "CHECK|open_");
  EXPECT_DEATH(JsonWriter().end(), "open_");
}

TEST(JsonValue, ReadsWhatTheWriterWrote) {
  const auto value =
      JsonValue::parse(R"({"a":"x","b":[1,{"c":true}],"n":null,"f":1.5,"i":-7})").value();
  EXPECT_EQ(value.text_at("a"), "x");
  EXPECT_EQ(value.integer_at("i"), -7);
  EXPECT_EQ(value.integer_at("f", 9), 9);
  EXPECT_EQ(value.at("f")->real(), 1.5);
  EXPECT_EQ(value.text_at("missing", "fallback"), "fallback");
  EXPECT_TRUE(value.at("n")->is_null());
  EXPECT_EQ(value.keys(), (std::vector<std::string>{"a", "b", "n", "f", "i"}));
  const auto items = value.at("b")->items();
  ASSERT_EQ(items.size(), 2u);
  EXPECT_TRUE(items[1].boolean_at("c"));
  EXPECT_EQ(items[1].dump(), R"({"c":true})");
}

TEST(JsonValue, RefusesBrokenAndDeepDocuments) {
  for (std::string_view bad : {"", "{", "{\"a\":}", "[1,]", "nul", "\"\xFF\"", "1 2", "'a'"}) {
    EXPECT_FALSE(JsonValue::parse(bad)) << bad;
  }
  EXPECT_TRUE(JsonValue::parse(std::string(32, '[') + std::string(32, ']')));
  EXPECT_FALSE(JsonValue::parse(std::string(33, '[') + std::string(33, ']')));
  EXPECT_FALSE(JsonValue::parse(std::string(100'000, '[')));
}

TEST(JsonValue, OutlivesItsParent) {
  auto inner = JsonValue::parse(R"({"a":{"b":"c"}})").value().at("a").value();
  EXPECT_EQ(inner.text_at("b"), "c");
}

TEST(Crc32c, IsTheSameByInstructionAndByTable) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  std::string data;
  for (int at = 0; at < 300; ++at) data += static_cast<char>(at * 7);
  for (std::size_t size = 0; size <= data.size(); ++size) {
    const auto part = std::string_view(data).substr(0, size);
    ASSERT_EQ(crc32c(part), crc32c_by_table(part)) << size;
    ASSERT_EQ(crc32c(std::string_view(data).substr(size), crc32c(part)), crc32c(data));
  }
}

TEST(Digests, AgreeWithTheirStandards) {
  EXPECT_EQ(to_hex(view(sha256("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(view(hmac_sha256("Jefe", "what do ya want for nothing?"))),  // RFC 4231 §4.3
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(view(pbkdf2_sha256("passwd", "salt", 1))).substr(0, 16),
            "55ac046e56e3089f");  // RFC 7914 §11
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(Base64, IsStrict) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xFF\xFE", "//4="}};
  for (const auto& [data, text] : cases) {
    EXPECT_EQ(to_base64(data), text);
    EXPECT_EQ(from_base64(text), data);
  }
  for (std::string_view bad : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v!!!!",
                               "Z===", "====", " Zg==", "Zg==\n"}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
  EXPECT_EQ(from_hex("00fFa0"), std::string("\0\xFF\xA0", 3));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Metrics, AreWrittenAsPrometheusText) {
  Metrics metrics;
  metrics.counter("goniec_mail_total", "Mail.", {{"kind", "a\"b\\\n"}}).add(3);
  metrics.gauge("goniec_depth", "Depth.").set(2.5);
  auto& histogram = metrics.histogram("goniec_seconds", "Time.", {0.1, 1});
  histogram.observe(0.1);
  histogram.observe(0.5);
  histogram.observe(7);
  EXPECT_EQ(&metrics.counter("goniec_mail_total", "", {{"kind", "a\"b\\\n"}}),
            &metrics.counter("goniec_mail_total", "", {{"kind", "a\"b\\\n"}}));
  EXPECT_EQ(
      metrics.exposition(),
      "# HELP goniec_mail_total Mail.\n# TYPE goniec_mail_total counter\n"
      "goniec_mail_total{kind=\"a\\\"b\\\\\\n\"} 3\n"
      "# HELP goniec_depth Depth.\n# TYPE goniec_depth gauge\ngoniec_depth 2.5\n"
      "# HELP goniec_seconds Time.\n# TYPE goniec_seconds histogram\n"
      "goniec_seconds_bucket{le=\"0.1\"} 1\ngoniec_seconds_bucket{le=\"1\"} 2\n"
      "goniec_seconds_bucket{le=\"+Inf\"} 3\ngoniec_seconds_sum 7.6\ngoniec_seconds_count 3\n");
}

TEST(Metrics, LabelsCannotGrowWithoutBound) {
  Metrics metrics;
  for (std::size_t at = 0; at < 3 * Metrics::series_limit; ++at) {
    metrics.counter("goniec_x_total", "", {{"peer", std::to_string(at)}}).add();
  }
  EXPECT_EQ(metrics.counter("goniec_x_total", "", {{"peer", "other"}}).value(),
            2 * Metrics::series_limit);
}

TEST(NullLog, TakesAnything) {
  null_log().write({});
}

}  // namespace
}  // namespace goniec
