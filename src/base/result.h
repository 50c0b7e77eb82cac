// Errors are values. Every function that may fail for a reason outside the program returns
// Result<T>; TRY hands an error up, CO_TRY does so inside a Task. A bug is a CHECK: it ends the
// process, also in production, because a mail server that goes on in a wrong state loses mail.
//
// An Error says what is wrong, where, and (where one exists) the fix, in one English sentence that
// may be shown to a person. Replies of a mail peer are not Errors: they are Reply (mail/reply.h).
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace goniec {

// What kind of failure it is: decides the exit code of a command and the reaction of an engine.
enum class ErrorKind {
  bad_data,       // input breaks its grammar or a limit                       exit 65
  not_found,      // no such user, domain, message                             exit 67
  conflict,       // it exists already, or changed under the caller            exit 65
  not_permitted,  // peer credentials or file rights                           exit 77
  not_running,    // no server behind the socket                               exit 69
  damaged,        // stored bytes fail their checksum, or are missing          exit 74
  try_later,      // full, sealed, overloaded: the same call may succeed later exit 75
  timed_out,      // a deadline passed                                         exit 75
  closed,         // the other side ended the stream                           exit 75
  io,             // the system said no (system_errno says which)              exit 74
  config,         // configuration                                             exit 78
  usage,          // command line                                              exit 64
};

struct Error {
  ErrorKind kind = ErrorKind::bad_data;
  std::string message;
  int system_errno = 0;  // 0: not from the system
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string message, int system_errno = 0) {
  return std::unexpected<Error>(Error{kind, std::move(message), system_errno});
}

// The exit code of sysexits(3) that PRODUCT names for this kind.
int exit_code(ErrorKind kind);
std::string_view name_of(ErrorKind kind);

// "message: strerror" from errno, for the doors.
std::unexpected<Error> fail_errno(std::string_view what, int system_errno);

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace goniec

// A bug ends the process here. Stays on in every build.
#define CHECK(expression) \
  (static_cast<bool>(expression) ? void() : ::goniec::check_failed(#expression, __FILE__, __LINE__))

// The value of a Result, or return its error from the surrounding function.
#define TRY(...)                                                              \
  ({                                                                          \
    auto try_result_ = (__VA_ARGS__);                                         \
    if (!try_result_) return std::unexpected(std::move(try_result_).error()); \
    std::move(try_result_).value();                                           \
  })

// The same inside a coroutine: CO_TRY(co_await f()).
#define CO_TRY(...)                                                              \
  ({                                                                             \
    auto try_result_ = (__VA_ARGS__);                                            \
    if (!try_result_) co_return std::unexpected(std::move(try_result_).error()); \
    std::move(try_result_).value();                                              \
  })
