#include "base/result.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace goniec {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_data:
    case ErrorKind::conflict:
      return 65;
    case ErrorKind::not_found:
      return 67;
    case ErrorKind::not_permitted:
      return 77;
    case ErrorKind::not_running:
      return 69;
    case ErrorKind::damaged:
    case ErrorKind::io:
      return 74;
    case ErrorKind::try_later:
    case ErrorKind::timed_out:
    case ErrorKind::closed:
      return 75;
    case ErrorKind::config:
      return 78;
    case ErrorKind::usage:
      return 64;
  }
  return 70;
}

std::string_view name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_data:
      return "bad_data";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::not_permitted:
      return "not_permitted";
    case ErrorKind::not_running:
      return "not_running";
    case ErrorKind::damaged:
      return "damaged";
    case ErrorKind::try_later:
      return "try_later";
    case ErrorKind::timed_out:
      return "timed_out";
    case ErrorKind::closed:
      return "closed";
    case ErrorKind::io:
      return "io";
    case ErrorKind::config:
      return "config";
    case ErrorKind::usage:
      return "usage";
  }
  return "unknown";
}

std::unexpected<Error> fail_errno(std::string_view what, int system_errno) {
  char buffer[128];
  const char* text = strerror_r(system_errno, buffer, sizeof buffer);
  return fail(ErrorKind::io, std::string(what) + ": " + text, system_errno);
}

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "goniec: CHECK failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace goniec
