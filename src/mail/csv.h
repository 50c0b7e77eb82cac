// Tables as text (RFC 4180): what spreadsheets and mailing services exchange. Reads what they
// write: quotes, line ends inside them, a byte order mark, CRLF or LF, ',' or ';' or TAB (the one
// that the first line has most of). Writing quotes where it must, and puts an apostrophe before a
// field that a spreadsheet would take for a formula. Pure and linear.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

std::string csv_row(const std::vector<std::string>& fields);  // with CRLF

class CsvReader {
 public:
  explicit CsvReader(std::string_view text);  // outlives the reader
  // The next row that is not empty; nullopt: the end. bad_data: a quote is not closed, with its
  // line.
  Result<std::optional<std::vector<std::string>>> next();
  std::size_t line() const { return line_; }  // of the row that next() gave, from 1

 private:
  std::string_view text_;
  std::size_t at_ = 0, line_ = 0, next_line_ = 1;
  char separator_ = ',';
};

}  // namespace goniec
