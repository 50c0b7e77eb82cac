// See transcript_log.h.
#include "store/transcript_log.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "base/thread_name.h"

namespace goniec {
namespace {

constexpr auto gather = std::chrono::milliseconds(200);  // of records, before they are written
constexpr auto look_each = std::chrono::minutes(10);     // at the oldest files
constexpr auto longest_lag = std::chrono::minutes(2);    // between a record and its event's time
constexpr std::size_t read_octets = 1024 * 1024;

std::string record_of(const KeptTranscript& kept) {
  const std::string_view text = std::string_view(kept.text).substr(0, TranscriptLog::record_octets);
  return fmt::format("T {} {} {} {}\n{}{}\n", kept.message.text(), to_microseconds(kept.at),
                     kept.site.size(), text.size(), kept.site, text);
}

template <class Number>
bool take_number(std::string_view& from, Number& into) {
  const auto* end = from.data() + from.size();
  const auto [rest, error] = std::from_chars(from.data(), end, into);
  if (error != std::errc() || rest == end) return false;
  from.remove_prefix(static_cast<std::size_t>(rest - from.data()) + 1);
  return true;
}

// One record, as it lies in a file.
struct Record {
  MessageId message;
  std::int64_t at = 0;  // microseconds
  std::string_view site, text;
};

// Walks over the records of a file; a damaged or torn one ends it.
class Records {
 public:
  explicit Records(DiskFile& file) : file_(file) {}

  // The next record, good until the following call; where its text lies in the file: text_at().
  Result<std::optional<Record>> next() {
    begin_ += taken_;
    taken_ = 0;
    TRY(hold(longest_head));
    const std::string_view held = this->held();
    const auto line_end = held.substr(0, longest_head).find('\n');
    if (line_end == std::string_view::npos || !held.starts_with("T ")) return std::nullopt;
    std::string_view line = held.substr(2, line_end - 1);
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const auto message = MessageId::parse(line.substr(0, space));
    line.remove_prefix(space + 1);
    Record record;
    std::size_t site = 0, text = 0;
    if (!message || !take_number(line, record.at) || !take_number(line, site) ||
        !take_number(line, text) || site > longest_site || text > TranscriptLog::record_octets)
      return std::nullopt;
    const std::size_t head = line_end + 1;
    TRY(hold(head + site + text + 1));
    const std::string_view whole = this->held();
    if (whole.size() < head + site + text + 1 || whole[head + site + text] != '\n')
      return std::nullopt;
    record.message = *message;
    record.site = whole.substr(head, site);
    record.text = whole.substr(head + site, text);
    text_at_ = offset_ + begin_ + head + site;
    taken_ = head + site + text + 1;
    return record;
  }
  std::uint64_t text_at() const { return text_at_; }

 private:
  static constexpr std::size_t longest_head = 100, longest_site = 1024;

  std::string_view held() const { return std::string_view(buffer_).substr(begin_); }

  // At least so many octets from begin_ on, unless the file ends before.
  Result<void> hold(std::size_t octets) {
    while (buffer_.size() - begin_ < octets) {
      buffer_.erase(0, begin_);
      offset_ += begin_;
      begin_ = 0;
      const std::size_t had = buffer_.size();
      buffer_.resize(had + read_octets);
      const auto got =
          file_.read_at(offset_ + had, std::span<char>(buffer_.data() + had, read_octets));
      buffer_.resize(had + got.value_or(0));
      if (!got) return std::unexpected(got.error());
      if (*got == 0) break;
    }
    return {};
  }

  DiskFile& file_;
  std::string buffer_;
  std::uint64_t offset_ = 0;  // of the buffer in the file
  std::size_t begin_ = 0, taken_ = 0;
  std::uint64_t text_at_ = 0;
};

// Blanks keep the lines of a text: what is left says that something was there.
std::string blank(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c != '\n') c = '-';
  return out;
}

}  // namespace

TranscriptLog::TranscriptLog(Disk& disk, Clock& clock, std::string folder,
                             std::function<TranscriptLimits()> limits, Metrics& metrics,
                             LogSink& log)
    : disk_(disk),
      clock_(clock),
      folder_(std::move(folder)),
      limits_(std::move(limits)),
      dropped_(metrics.counter("goniec_transcripts_dropped_total",
                               "Conversations with other servers that were not kept: too many")),
      log_(log) {}

Result<std::unique_ptr<TranscriptLog>> TranscriptLog::open(Disk& disk, Clock& clock,
                                                           std::string folder,
                                                           std::function<TranscriptLimits()> limits,
                                                           Metrics& metrics, LogSink& log) {
  TRY(disk.make_directory(folder));
  std::unique_ptr<TranscriptLog> made(
      new TranscriptLog(disk, clock, std::move(folder), std::move(limits), metrics, log));
  TRY(made->remove_oldest());
  made->thread_ = std::thread([raw = made.get()] {
    name_this_thread("transcripts");
    raw->run();
  });
  return made;
}

TranscriptLog::~TranscriptLog() {
  {
    std::lock_guard lock(waiting_mutex_);
    ending_ = true;
  }
  arrived_.notify_all();
  if (thread_.joinable()) thread_.join();
  write_waiting();
}

void TranscriptLog::keep(KeptTranscript transcript) {
  std::string record = record_of(transcript);
  std::lock_guard lock(waiting_mutex_);
  if (waiting_.size() + record.size() > waiting_octets) return dropped_.add();
  const bool was_empty = waiting_.empty();
  waiting_ += record;
  if (was_empty) arrived_.notify_one();
}

void TranscriptLog::run() {
  std::unique_lock lock(waiting_mutex_);
  while (!ending_) {
    arrived_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (!ending_) arrived_.wait_for(lock, gather, [this] { return ending_; });
    lock.unlock();
    {
      std::lock_guard files(files_mutex_);
      write_waiting();
    }
    lock.lock();
  }
}

void TranscriptLog::write_waiting() {
  std::string records;
  {
    std::lock_guard lock(waiting_mutex_);
    records.swap(waiting_);
  }
  if (records.empty()) return;
  auto done = append(records);
  if (done && clock_.now() - looked_at_ > look_each) done = remove_oldest();
  if (!done && !failed_)
    log_.write({clock_.now(),
                LogLevel::warning,
                "transcripts.failed",
                "master",
                "warning: conversations with other servers are not kept: " + done.error().message,
                {}});
  failed_ = !done;
}

Result<void> TranscriptLog::append(std::string_view records) {
  if (newest_ && newest_octets_ >= file_octets) {
    newest_.reset();
    TRY(remove_oldest());
  }
  if (!newest_) {
    // Never behind what another life left: a torn record ends its file.
    const auto files = TRY(names());
    const auto now = static_cast<std::uint64_t>(to_microseconds(clock_.now()));
    const auto name = files.empty() ? now : std::max(now, files.back() + 1);
    newest_ = TRY(disk_.open(path_of(name), OpenMode::create));
    newest_octets_ = TRY(newest_->size());
  }
  auto written = newest_->write_at(newest_octets_, records);
  if (!written) {
    newest_.reset();  // what is torn ends its file; the next record begins another
    return written;
  }
  newest_octets_ += records.size();
  return {};
}

Result<std::vector<std::uint64_t>> TranscriptLog::names() const {
  std::vector<std::uint64_t> names;
  for (const auto& text : TRY(disk_.list(folder_))) {
    std::uint64_t name = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), name);
    if (error == std::errc() && end == text.data() + text.size()) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

std::string TranscriptLog::path_of(std::uint64_t name) const {
  return fmt::format("{}/{}", folder_, name);
}

// A file's records are younger than its name and older than the next one's.
Result<void> TranscriptLog::remove_oldest() {
  looked_at_ = clock_.now();
  const TranscriptLimits limits = limits_();
  const auto oldest_kept = static_cast<std::uint64_t>(to_microseconds(looked_at_ - limits.keep));
  auto files = TRY(names());
  std::vector<std::uint64_t> sizes;
  std::uint64_t octets = 0;
  for (const auto name : files) {
    const auto file = TRY(disk_.open(path_of(name), OpenMode::read));
    sizes.push_back(TRY(file->size()));
    octets += sizes.back();
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    const bool is_last = i + 1 == files.size();
    const bool is_old = limits.keep == Duration{} || (!is_last && files[i + 1] < oldest_kept) ||
                        (is_last && !newest_ && files[i] < oldest_kept);
    if (!is_old && octets <= limits.octets) break;
    if (is_last) newest_.reset();
    TRY(disk_.remove(path_of(files[i])));
    octets -= sizes[i];
  }
  return {};
}

Result<std::vector<KeptTranscript>> TranscriptLog::of(MessageId message,
                                                      const std::vector<Instant>& ended) {
  std::lock_guard files(files_mutex_);
  write_waiting();
  const auto all = TRY(names());
  std::vector<KeptTranscript> found;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_near = std::ranges::any_of(ended, [&](Instant each) {
      const auto from = static_cast<std::uint64_t>(to_microseconds(each - longest_lag));
      const auto to = static_cast<std::uint64_t>(to_microseconds(each + longest_lag));
      return all[i] <= to && (i + 1 == all.size() || all[i + 1] >= from);
    });
    if (!is_near) continue;
    const auto file = TRY(disk_.open(path_of(all[i]), OpenMode::read));
    Records records(*file);
    while (const auto record = TRY(records.next())) {
      if (record->message != message) continue;
      found.push_back({message, from_microseconds(record->at), std::string(record->site),
                       std::string(record->text)});
    }
  }
  return found;  // files by age, and records in each
}

Result<std::uint64_t> TranscriptLog::erase(std::string_view text, bool dry_run) {
  std::lock_guard files(files_mutex_);
  write_waiting();
  const std::string wanted = to_lower(text);
  std::uint64_t count = 0;
  for (const auto name : TRY(names())) {
    const auto file = TRY(disk_.open(path_of(name), OpenMode::read_write));
    Records records(*file);
    while (const auto record = TRY(records.next())) {
      if (to_lower(record->text).find(wanted) == std::string::npos) continue;
      ++count;
      if (!dry_run) TRY(file->write_at(records.text_at(), blank(record->text)));
    }
  }
  return count;
}

}  // namespace goniec
