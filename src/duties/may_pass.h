// Which errors of a store or a reader may go well at the next look. What is damaged or refused
// never will: who waits for it would hold up all that comes behind.
// Pure.
#pragma once
#include "base/result.h"

namespace goniec {

inline bool may_pass(const Error& error) {
  return error.kind == ErrorKind::try_later || error.kind == ErrorKind::timed_out ||
         error.kind == ErrorKind::io;
}

}  // namespace goniec
