// The sink that keeps nothing: see log.h.
#include "base/log.h"

namespace goniec {

LogSink& null_log() {
  struct Nothing : LogSink {
    void write(LogRecord) override {}
  };
  static Nothing sink;  // has no state
  return sink;
}

}  // namespace goniec
