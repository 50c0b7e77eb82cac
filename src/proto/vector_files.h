// Reads the test vectors under tests/data: tab-separated rows, '#' lines are comments. For tests
// only.
#pragma once
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {

using VectorRow = std::vector<std::string>;

// Throws when the file is not there or empty: a test without its vectors must not pass.
inline std::vector<VectorRow> read_vectors(const std::string& path_below_tests_data) {
  std::ifstream file(std::string(GONIEC_SOURCE_DIR "/tests/data/") + path_below_tests_data);
  std::vector<VectorRow> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    VectorRow row;
    for (std::string_view column : split(line, '\t')) row.emplace_back(column);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) throw std::runtime_error("no vectors in " + path_below_tests_data);
  return rows;
}

// \r \n \t \\ \xHH
inline std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result.push_back(text[i]);
      continue;
    }
    char c = text[++i];
    if (c == 'x') {
      result += from_hex(text.substr(i + 1, 2)).value_or("");
      i += 2;
    } else {
      result.push_back(c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c);
    }
  }
  return result;
}

}  // namespace goniec
