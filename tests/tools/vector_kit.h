// What the programs behind tests/vectors/run share: the tally, files and their rows.
//
// A program reads any file or folder: folders are searched, in which a file of no known format is
// only said; named directly, it is a failure. Each failing case is printed; the last line is
// "N passed, N failed". A case that the house decides otherwise, with a section that says so, is
// `explained`: printed, and neither passed nor failed (docs/vectors.md has the list).
#pragma once
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "proto/dns_for_tests.h"

namespace goniec::vectors {

namespace fs = std::filesystem;

struct Tally {
  int passed = 0, failed = 0, explained = 0;
  void check(bool good, const std::string& what) {
    ++(good ? passed : failed);
    if (!good) fmt::print("FAIL {}\n", printable(what, 500));
  }
  void explain(const std::string& what, const std::string& section) {
    ++explained;
    fmt::print("explained {}: {}\n", printable(what, 300), section);
  }
};

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// \r \n \t \\ and \xNN.
inline std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    const char kind = text[++at];
    const auto hex = kind == 'x' ? from_hex(text.substr(at + 1, 2)) : std::nullopt;
    if (hex) {
      out += *hex;
      at += 2;
    } else if (kind == 'r' || kind == 'n' || kind == 't') {
      out += kind == 'r' ? '\r' : kind == 'n' ? '\n' : '\t';
    } else {
      out += kind == '\\' ? "\\" : std::string("\\") + kind;
    }
  }
  return out;
}

// Tab-separated rows; lines that begin with '#' are comments.
inline std::vector<std::vector<std::string>> rows_of(const fs::path& path) {
  std::vector<std::vector<std::string>> rows;
  const auto text = read_file(path);
  for (auto line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    auto& row = rows.emplace_back();
    for (auto cell : split(line, '\t')) row.emplace_back(cell);
  }
  return rows;
}

// run(path, tally) says whether it knew the file.
template <class Run>
int run_paths(int count, char** words, int first, Run run) {
  Tally tally;
  int files = 0;
  for (int at = first; at < count; ++at) {
    const fs::path given(words[at]);
    std::vector<fs::path> paths;
    const bool folder = fs::is_directory(given);
    if (folder) {
      for (const auto& entry : fs::recursive_directory_iterator(given)) {
        if (entry.is_regular_file()) paths.push_back(entry.path());
      }
      std::sort(paths.begin(), paths.end());
    } else {
      paths.push_back(given);
    }
    for (const auto& path : paths) {
      ++files;
      if (!fs::exists(path)) {
        tally.check(false, path.string() + ": no such file");
      } else if (!run(path, tally)) {
        fmt::print("{}: no test data of a known format\n", path.string());
        if (!folder) ++tally.failed;
      }
    }
  }
  if (tally.explained > 0) fmt::print("{} explained\n", tally.explained);
  fmt::print("{} passed, {} failed\n", tally.passed, tally.failed);
  return tally.failed == 0 && tally.passed > 0 && files > 0 ? 0 : 1;
}

}  // namespace goniec::vectors
