// The dashboard's files, compiled into the program (docs/decisions/dashboard.md). web/build makes
// them; embedded_assets() is in a source that is written at build.
//
// Each is kept as gzip alone: a client that does not take gzip is refused or served unpacked.
// Immutable ones have a hash of their content in the name (Cache-Control: immutable); the others
// are to be asked for anew by ETag. No file holds an inline script or style: they work under
//   default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;
//   connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none';
//   base-uri 'none'
// A build without npm has one page that says so, at the same paths.
#pragma once
#include <span>
#include <string_view>

namespace goniec {

struct Asset {
  std::string_view path;  // "/index.html", "/assets/main-3F2A.js"
  std::string_view content_type;
  std::string_view etag;  // with its quotes
  std::string_view gzip;
  bool immutable = false;
};

std::span<const Asset> embedded_assets();  // ordered by path

// What is at `path` of a request (decoded, without query): a file by its name, or the page itself
// where the dashboard draws one ("/", "/activity", "/m/A1B2C3D4E5F6"). nullptr: nothing.
const Asset* asset_of(std::string_view path);

}  // namespace goniec
