// Takes apart the wrapping of a report: gzip or zlib (RFC 1952, 1950; zlib), zip (libzip), or
// nothing, told by its first octets and not by its name. A stranger made these octets: each step
// is bounded, what grows beyond a bound is refused with the bound's name, and nothing is written
// anywhere.
//
// Of zip only the methods stored and deflate are read (others would bring more code than any
// reporter uses), no encrypted entries, no folders; a name in an archive is a text for people and
// never a path. A wrapping inside a wrapping is opened down to `depth`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

// RFC 9990, "Report Contents as an Attack": an archive and what is in it.
struct UnpackLimits {
  std::size_t packed_octets = 16u << 20;
  std::size_t octets = 32u << 20;  // of all that comes out
  std::size_t ratio = 300;         // out / in, looked at from `ratio_from` octets on
  std::size_t ratio_from = 1u << 20;
  std::size_t entries = 10;  // of a zip
  std::size_t depth = 2;     // wrappings around each other
};

struct UnpackedFile {
  std::string name;  // in the archive; "" for gzip
  std::string octets;
};

enum class Packing { none, gzip, zlib, zip };
Packing packing_of(std::string_view octets);

// Files in the order of the archive; what is not packed comes back as it is. bad_data: broken, or
// over a limit.
Result<std::vector<UnpackedFile>> unpack(std::string_view packed, UnpackLimits limits = {});
// One member, without a name and without a time: the same octets each time.
std::string gzip(std::string_view octets);

}  // namespace goniec
