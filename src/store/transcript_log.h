// What was said in each attempt to deliver, line by line, in files of their own below
// STORAGE/transcripts/ (docs/decisions/transcripts.md). Evidence for people: nothing is rebuilt
// from it, a crash may cost the last second of it, and of too much at once some is dropped and
// counted.
//
//   keep() -> memory (at most `waiting_octets`) -> own thread -> the newest file, appended
//
// A file is named by the time of its first record ("1795739587943929", microseconds since 1970) and
// closed at `file_octets`. The oldest go when they are older than `keep`, or all are more than
// `octets`. A record: "T id at site-octets text-octets\n", the site, the text, "\n".
//
// keep() from any thread, it never waits for the disk; the others wait for it, so not on a loop.
// Errors: io and those of run/disk.h. A file that cannot be written is told to the log once, and
// tried again with the next record.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "run/world.h"

namespace goniec {

struct KeptTranscript {
  MessageId message;
  Instant at{};      // when the attempt ended
  std::string site;  // "mx.wp.pl[212.77.101.4]:25"
  std::string text;  // outbound/transcript.h
};

struct TranscriptLimits {
  Duration keep = std::chrono::days(14);      // zero: nothing is kept
  std::uint64_t octets = 1024 * 1024 * 1024;  // of all files
};

class TranscriptLog {
 public:
  static constexpr std::uint64_t file_octets = 64 * 1024 * 1024;
  static constexpr std::size_t waiting_octets = 8 * 1024 * 1024;
  static constexpr std::size_t record_octets = 64 * 1024;  // a longer text is cut

  // `limits` is asked each time the oldest are looked at: a reload may change it.
  static Result<std::unique_ptr<TranscriptLog>> open(Disk& disk, Clock& clock, std::string folder,
                                                     std::function<TranscriptLimits()> limits,
                                                     Metrics& metrics, LogSink& log);
  ~TranscriptLog();  // writes what waits
  TranscriptLog(const TranscriptLog&) = delete;
  TranscriptLog& operator=(const TranscriptLog&) = delete;

  void keep(KeptTranscript transcript);
  // Those of a message whose attempts ended at about `ended`, oldest first.
  Result<std::vector<KeptTranscript>> of(MessageId message, const std::vector<Instant>& ended);
  // Blanks every record in which the text stands, in any case. How many.
  Result<std::uint64_t> erase(std::string_view text, bool dry_run);

 private:
  TranscriptLog(Disk& disk, Clock& clock, std::string folder,
                std::function<TranscriptLimits()> limits, Metrics& metrics, LogSink& log);
  void run();
  void write_waiting();  // REQUIRES files_mutex_
  Result<void> append(std::string_view records);
  Result<void> remove_oldest();
  Result<std::vector<std::uint64_t>> names() const;  // ascending
  std::string path_of(std::uint64_t name) const;

  Disk& disk_;
  Clock& clock_;
  const std::string folder_;
  const std::function<TranscriptLimits()> limits_;
  Counter& dropped_;
  LogSink& log_;
  std::mutex waiting_mutex_;
  std::condition_variable arrived_;
  std::string waiting_;
  bool ending_ = false;
  std::mutex files_mutex_;  // before waiting_mutex_
  std::unique_ptr<DiskFile> newest_;
  std::uint64_t newest_octets_ = 0;
  Instant looked_at_{};
  bool failed_ = false;
  std::thread thread_;
};

}  // namespace goniec
