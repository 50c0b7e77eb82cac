// Sends what queue/notice decided: composes the DSN and makes it a spool request through intake, so
// that it rides in the transaction of the outcome that caused it (never lost, never twice).
// RET=FULL returns the whole message up to 1 MiB, RET not given up to 64 KiB, RET=HDRS and
// successes the header only (RFC 3461 §4.3, §6.2).
#pragma once
#include "accounts/directory.h"
#include "base/log.h"
#include "base/metrics.h"
#include "intake/draft.h"
#include "queue/queue.h"

namespace goniec {

class Notices final : public NoticeMaker {
 public:
  Notices(Queue& queue, const Directory& directory, const IntakeOptions& intake, Metrics& metrics,
          LogSink& log);
  Task<std::vector<SpoolRequest>> make(Loop& loop, std::shared_ptr<const Message> message,
                                       NoticePlan plan, Instant now) override;

 private:
  Task<std::string> read_body(Loop& loop, std::shared_ptr<const Message> message,
                              const Content& content);
  void add(std::vector<SpoolRequest>& requests, Loop& loop, DsnFacts facts);

  Queue& queue_;
  const Directory& directory_;
  const IntakeOptions& intake_;
  LogSink& log_;
  Counter& sent_;
};

}  // namespace goniec
