// What the vector programs for signed messages share: a message with CRLF, header and body apart,
// and the file of a table beside it or above. For the programs of test
// vectors only.
// What the file holds is taken as it is: a wrong message is a case, not an error.
#pragma once
#include <string>
#include <string_view>

#include "vector_kit.h"

namespace goniec::vectors {

// Every line end as CRLF; a CR alone stays.
inline std::string with_crlf(std::string_view text) {
  std::string result;
  result.reserve(text.size() + text.size() / 32);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n' && (at == 0 || text[at - 1] != '\r')) result += '\r';
    result += text[at];
  }
  return result;
}

struct Parts {
  std::string header, body;
};
// A message with CRLF in header (with its empty line) and body.
inline Parts split_message(std::string_view message) {
  if (message.starts_with("\r\n")) return {"\r\n", std::string(message.substr(2))};
  const auto end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) return {std::string(message), {}};
  return {std::string(message.substr(0, end + 4)), std::string(message.substr(end + 4))};
}

// The first of `names` that is a file in `folder` or in one above it (three at most); else empty.
inline fs::path find_above(fs::path folder, std::string_view name) {
  for (int up = 0; up < 4; ++up) {
    if (fs::exists(folder / name)) return folder / name;
    if (!folder.has_parent_path() || folder == folder.parent_path()) break;
    folder = folder.parent_path();
  }
  return {};
}

}  // namespace goniec::vectors
