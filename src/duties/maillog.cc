// The sink: a bounded ring, one writer thread, three places to write to (maillog.h).
#include "duties/maillog.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "base/json.h"
#include "base/text.h"
#include "base/thread_name.h"
#include "store/last_event.h"

namespace goniec {

namespace {

constexpr auto follow_step = std::chrono::milliseconds(100);
constexpr std::size_t follow_events = 1000;
constexpr std::string_view journal_socket = "/run/systemd/journal/socket";

// A descriptor that is closed at its end; stderr is not ours to close.
class Output {
 public:
  Output() = default;
  Output(int fd, bool owned) : fd_(fd), owned_(owned) {}
  Output(Output&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), owned_(std::exchange(other.owned_, false)) {}
  Output& operator=(Output&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(owned_, other.owned_);
    return *this;
  }
  ~Output() {
    if (owned_) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  bool owned_ = false;
};

Result<Output> open_output(const std::string& to) {
  if (to == "stderr") return Output(STDERR_FILENO, false);
  if (to != "journal") {
    const int fd = ::open(to.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return fail_errno("log " + to, errno);
    return Output(fd, true);
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_errno("journal", errno);
  Output output(fd, true);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, journal_socket.data(), journal_socket.size());
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("log.to = \"journal\": no journal answers", errno);
  }
  return output;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a log that cannot be written is no reason to stop mail
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// One field of the journal's native protocol. Our values hold no LF: they were made printable.
void add_journal_field(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("{}={}\n", name, value);
}

std::string journal_entry(const LogRecord& record, const MaillogOptions& options) {
  static constexpr int priorities[] = {7, 6, 4, 3};
  std::string out;
  const bool json = options.style == MaillogStyle::json;
  add_journal_field(out, "MESSAGE", json ? json_line(record, options) : postfix_text(record));
  add_journal_field(out, "PRIORITY",
                    std::to_string(priorities[static_cast<std::size_t>(record.level)]));
  add_journal_field(out, "SYSLOG_IDENTIFIER", "goniec/" + record.program);
  add_journal_field(out, "SYSLOG_PID", std::to_string(options.pid));
  add_journal_field(out, "SYSLOG_FACILITY", "2");  // mail
  add_journal_field(out, "GONIEC_EVENT", record.event);
  for (const auto& [name, value] : record.fields) {
    std::string upper = "GONIEC_";
    for (const char c : name) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    add_journal_field(out, upper, printable(value, 1000));
  }
  return out;
}

}  // namespace

struct Maillog::State {
  std::mutex lock;
  std::condition_variable wake;
  std::deque<LogRecord> ring;
  bool stopping = false;
  MaillogOptions options;
  Output output;
  std::atomic<std::uint64_t> dropped{0};
  Counter* dropped_counter = nullptr;
  std::thread writer;

  void run() {
    std::unique_lock hold(lock);
    while (true) {
      wake.wait(hold, [this] { return stopping || !ring.empty(); });
      if (ring.empty()) return;
      std::deque<LogRecord> batch;
      batch.swap(ring);
      // Written without the lock, so that who logs never waits for the disk; the descriptor is a
      // copy, because reopen() may close the other.
      const auto current = options;
      const int fd = ::fcntl(output.fd(), F_DUPFD_CLOEXEC, 3);
      hold.unlock();
      if (fd >= 0) {
        write_batch(batch, current, fd);
        ::close(fd);
      }
      hold.lock();
    }
  }

  static void write_batch(const std::deque<LogRecord>& batch, const MaillogOptions& options,
                          int fd) {
    std::string bytes;
    for (const auto& record : batch) {
      if (options.to == "journal") {
        const auto entry = journal_entry(record, options);
        static_cast<void>(::send(fd, entry.data(), entry.size(), MSG_NOSIGNAL));
        continue;
      }
      if (options.style != MaillogStyle::json) bytes += postfix_line(record, options) + "\n";
      if (options.style != MaillogStyle::postfix) bytes += json_line(record, options) + "\n";
    }
    write_all(fd, bytes);
  }
};

Maillog::Maillog(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Maillog>> Maillog::open(MaillogOptions options, Metrics* metrics) {
  auto state = std::make_unique<State>();
  state->output = TRY(open_output(options.to));
  state->options = std::move(options);
  if (metrics) {
    state->dropped_counter = &metrics->counter("goniec_log_records_dropped_total",
                                               "Log records dropped: the ring was full");
  }
  auto* raw = state.get();
  state->writer = std::thread([raw] {
    name_this_thread("maillog");
    raw->run();
  });
  return std::unique_ptr<Maillog>(new Maillog(std::move(state)));
}

Maillog::~Maillog() {
  {
    const std::lock_guard hold(state_->lock);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->writer.join();
}

void Maillog::write(LogRecord record) {
  bool wakes = false;
  {
    const std::lock_guard hold(state_->lock);
    if (state_->ring.size() >= state_->options.ring_records) {
      state_->dropped.fetch_add(1, std::memory_order_relaxed);
      if (state_->dropped_counter) state_->dropped_counter->add();
      return;
    }
    wakes = state_->ring.empty();  // else the writer knows already
    state_->ring.push_back(std::move(record));
  }
  if (wakes) state_->wake.notify_one();
}

Result<void> Maillog::reopen(MaillogOptions options) {
  auto output = TRY(open_output(options.to));
  const std::lock_guard hold(state_->lock);
  state_->output = std::move(output);
  state_->options = std::move(options);
  return {};
}

std::uint64_t Maillog::dropped() const {
  return state_->dropped.load(std::memory_order_relaxed);
}

// ---------------------------------------------------------------- events
namespace {

struct Batch {
  std::vector<LogRecord> records;
  std::size_t events = 0;
  std::uint64_t last = 0;  // sequence
};

Result<Batch> lines_after(Reader& reader, std::uint64_t sequence, RemovedLines& removed) {
  const auto events = TRY(reader.events_after(sequence, follow_events));
  Batch batch{{}, events.size(), events.empty() ? sequence : events.back().sequence};
  batch.records.reserve(3 * events.size());
  for (const Event& event : events) {
    const auto data = event_data_of(event);
    if (!data) continue;
    std::ranges::move(records_of(event, *data), std::back_inserter(batch.records));
    std::ranges::move(removed.after(event, *data), std::back_inserter(batch.records));
  }
  return batch;
}

}  // namespace

void EventLog::start() {
  running_ = true;
  spawn(run());
}

Task<bool> EventLog::copy() {
  const auto after = sequence_;
  // Formatted on the reader's thread, beside the mail; nobody touches `removed_` meanwhile.
  auto batch = co_await readers_.read(loop_, [after, removed = &removed_](Reader& reader) {
    return lines_after(reader, after, *removed);
  });
  if (!batch) co_return false;
  sequence_ = batch->last;
  for (auto& record : batch->records) sink_.write(std::move(record));
  co_return batch->events == follow_events;
}

Task<void> EventLog::run() {
  const auto last =
      co_await readers_.read(loop_, [](Reader& reader) { return last_event_sequence(reader); });
  if (last) sequence_ = *last;
  while (!stopping_) {
    while (co_await copy()) {
    }
    co_await loop_.sleep(follow_step);
  }
  while (co_await copy()) {
  }
  running_ = false;
  ended_.notify_all();
}

Task<void> EventLog::stop() {
  stopping_ = true;
  while (running_) co_await ended_.wait();
}

}  // namespace goniec
