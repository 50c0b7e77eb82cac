// The name of the calling thread, as top -H, perf and gdb show it. At most 15 octets (pthread's
// limit, the rest is cut); naming never fails, and nothing depends on it.
// Refuses nothing; any thread, for itself alone.
#pragma once
#include <pthread.h>

#include <string>
#include <string_view>

namespace goniec {

inline void name_this_thread(std::string_view name) {
  (void)::pthread_setname_np(::pthread_self(), std::string(name.substr(0, 15)).c_str());
}

}  // namespace goniec
