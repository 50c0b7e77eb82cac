// See csv.h.
#include "mail/csv.h"

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

char separator_of(std::string_view first_line) {
  char best = ',';
  for (const char candidate : {';', '\t'})
    if (std::ranges::count(first_line, candidate) > std::ranges::count(first_line, best))
      best = candidate;
  return best;
}

// "=1+1", "@SUM", "+", "-": run by a spreadsheet that opens the file.
bool is_formula(std::string_view field) {
  return !field.empty() && std::string_view("=+-@\t\r").find(field[0]) != std::string_view::npos;
}

}  // namespace

std::string csv_row(const std::vector<std::string>& fields) {
  std::string row;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) row += ',';
    const std::string text = is_formula(field) ? "'" + field : field;
    if (text.find_first_of(",;\t\"\r\n") == std::string::npos) {
      row += text;
      continue;
    }
    row += '"';
    for (const char c : text) {
      if (c == '"') row += '"';
      row += c;
    }
    row += '"';
  }
  return row + "\r\n";
}

CsvReader::CsvReader(std::string_view text) : text_(text) {
  if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
  separator_ = separator_of(text_.substr(0, text_.find('\n')));
}

Result<std::optional<std::vector<std::string>>> CsvReader::next() {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'))
    next_line_ += text_[at_++] == '\n' ? 1 : 0;
  if (at_ >= text_.size()) return std::nullopt;
  line_ = next_line_;
  std::vector<std::string> row(1);
  bool quoted = false;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '\n') ++next_line_;
    if (quoted) {
      const bool doubled = c == '"' && at_ + 1 < text_.size() && text_[at_ + 1] == '"';
      if (c != '"' || doubled) {
        row.back() += c;
        if (doubled) ++at_;
      } else {
        quoted = false;
      }
    } else if (c == '"' && trim(row.back()).empty()) {
      row.back().clear();
      quoted = true;
    } else if (c == separator_) {
      row.emplace_back();
    } else if (c == '\n') {
      ++at_;
      break;
    } else if (c != '\r') {
      row.back() += c;
    }
  }
  if (quoted)
    return fail(ErrorKind::bad_data, fmt::format("line {}: a quote is not closed", line_));
  return std::optional(std::move(row));
}

}  // namespace goniec
