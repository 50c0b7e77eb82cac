// Tables as text: what is written is read back, and what others write is read.
#include "mail/csv.h"

#include <gtest/gtest.h>

namespace goniec::test {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows read(std::string_view text) {
  Rows rows;
  CsvReader reader(text);
  while (true) {
    auto row = reader.next();
    EXPECT_TRUE(row.has_value());
    if (!row || !*row) return rows;
    rows.push_back(std::move(**row));
  }
}

TEST(Csv, WhatOthersWriteIsRead) {
  const std::pair<std::string_view, Rows> cases[] = {
      {"", {}},
      {"\r\n\r\n", {}},
      {"a,b\r\n1,2\r\n", {{"a", "b"}, {"1", "2"}}},
      {"\xEF\xBB\xBF"
       "a;b\n\n1;2",
       {{"a", "b"}, {"1", "2"}}},
      {"a\tb\n1,5\t2\n", {{"a", "b"}, {"1,5", "2"}}},
      {"\"a \"\"x\"\"\",\"b\r\nc\"\n,\n", {{"a \"x\"", "b\r\nc"}, {"", ""}}},
      {"a, \"b\"\n", {{"a", "b"}}},
  };
  for (const auto& [text, rows] : cases) EXPECT_EQ(read(text), rows) << text;
}

TEST(Csv, WhatIsWrittenIsReadBackAndIsNoFormula) {
  const std::vector<std::string> row{"a", "b,c", "say \"x\"", "two\r\nlines", ""};
  EXPECT_EQ(read("h1,h2,h3\r\n" + csv_row(row)).back(), row);
  EXPECT_EQ(csv_row({"=1+1", "-x"}), "'=1+1,'-x\r\n");
}

TEST(Csv, AnOpenQuoteNamesItsLine) {
  CsvReader reader("a\n\n\"b\nc");
  EXPECT_TRUE(reader.next().has_value());
  const auto row = reader.next();
  ASSERT_FALSE(row.has_value());
  EXPECT_NE(row.error().message.find("line 3"), std::string::npos);
}

}  // namespace
}  // namespace goniec::test
