// Forms as browsers and clients of Mailgun send them: application/x-www-form-urlencoded, and
// multipart/form-data (RFC 7578), each field with its name, and files with theirs.
// Pure; linear. Refused: no boundary, more parts than the limit, a part without a name, a header of
// a part over 8 KiB, a body that does not end with its closing boundary. Parts in parts
// (multipart/mixed, RFC 7578 §4.3) are not taken apart.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

struct FormLimits {
  std::size_t fields = 2000;
  std::size_t header_octets = 8 * 1024;  // of one part
  std::size_t boundary_octets = 200;
};

struct FormField {
  std::string name;
  std::string value;
  std::string file_name;     // "": no file
  std::string content_type;  // as given
  bool is_file = false;
};

Result<std::vector<FormField>> parse_form(std::string_view content_type, std::string_view body,
                                          const FormLimits& limits = {});

}  // namespace goniec
