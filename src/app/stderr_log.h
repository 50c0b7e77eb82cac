// The plainest LogSink: one line a record to stderr.
#pragma once
#include <cstdio>

#include "base/log.h"

namespace goniec {

class StderrLog final : public LogSink {
 public:
  void write(LogRecord record) override {
    const std::string line = "goniec/" + record.program + ": " + record.text + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
};

}  // namespace goniec
