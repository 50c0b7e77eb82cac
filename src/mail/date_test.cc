// Dates as they come.
#include "mail/date.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Date, IsReadInTheFormsOfTheWorld) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {" Mon, 23 Nov 2026 06:10:01 +0000", "2026-11-23T06:10:01.000Z"},
      {"23 Nov 2026 06:10:01 +0100", "2026-11-23T05:10:01.000Z"},
      {"Mon, 23 Nov 2026 06:10 -0530", "2026-11-23T11:40:00.000Z"},
      {"Mon,\r\n 23 (a (b)) Nov 2026 06:10:01 UTC", "2026-11-23T06:10:01.000Z"},
      {"Mon, 23 Nov 2026 06:10:01 EST (x)", "2026-11-23T11:10:01.000Z"},
      {"Mon, 23 Nov 2026 06:10:01 Z", "2026-11-23T06:10:01.000Z"},
      {"Mon, 23 Nov 2026 06:10:01", "2026-11-23T06:10:01.000Z"},
      {"Fri, 21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06.000Z"},
      {"21 Nov 26 09:55:06 GMT", "2026-11-21T09:55:06.000Z"},
      {"21 Nov 126 09:55:06 GMT", "2026-11-21T09:55:06.000Z"},
      {"Mon, 23-Nov-2026 06:10:01 -0000", "2026-11-23T06:10:01.000Z"},
      {"Sat, 1 January 9999 00:00:00 +0000", "9999-01-01T00:00:00.000Z"},
      {"Tue, 30 Jun 2015 23:59:60 +0000", "2015-07-01T00:00:00.000Z"},
      {"Mon, 23 Nov 2026 06:10:01 +01:00", "2026-11-23T05:10:01.000Z"},
  };
  for (const auto& [text, printed] : cases) {
    const auto date = parse_date(text);
    ASSERT_TRUE(date) << text;
    EXPECT_EQ(to_rfc3339(*date), printed) << text;
    EXPECT_EQ(parse_date(to_rfc5322(*date)), date);
  }
}

TEST(Date, ThatDoesNotExistIsRefused) {
  for (std::string_view text :
       {"", "Mon", "30 Feb 2026 00:00:00 +0000", "0 Jan 2026 00:00:00 +0000",
        "1 Foo 2026 00:00:00 +0000", "1 Jan 2026 24:00:00 +0000", "1 Jan 2026 00:60:00 +0000",
        "1 Jan 2026", "1 Jan 99999 00:00:00 +0000", "1 Jan 2026 00:00:00 +00",
        "1 Jan 1026 00:00:00 +0000", "now", "1 Jan 2026 0 +0000",
        "1 Jan 99999999999999999999 00:00:00 +0000"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

}  // namespace
}  // namespace goniec
