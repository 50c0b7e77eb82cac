// What the tests of this room share: a false clock, a disk in memory that fails and forgets on
// purpose, a log that counts alarms, and mail to put into a store. Included by tests and benches
// only.
//
// FaultDisk keeps of each file what is synced and what was written since. crash() forgets what was
// not synced: all of it, or (seeded) any part of it with torn sectors, and names whose directory
// was not synced. fail_at(n, errno) makes the n-th write, truncate or sync from now on fail once;
// bytes of a failed write may be half there. refuse_writes() is a disk without any room, until
// fail_never(). set_capacity() gives it a size: what would make its
// files longer than that together is refused (ENOSPC), and its free space is what is left.
#pragma once
#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <random>

#include "base/digest.h"
#include "base/text.h"
#include "store/store.h"

namespace goniec::test {

class FalseClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  Moment moment() const override { return Moment(now_.time_since_epoch()); }
  void advance(Duration duration) { now_ += duration; }

 private:
  Instant now_ = Instant(std::chrono::seconds(1795000000));
};

class CountingLog final : public LogSink {
 public:
  void write(LogRecord record) override {
    std::lock_guard lock(mutex_);
    ++counts_[record.event];
    last_ = std::move(record.text);
  }
  std::size_t count(const std::string& event) const {
    std::lock_guard lock(mutex_);
    const auto found = counts_.find(event);
    return found == counts_.end() ? 0 : found->second;
  }
  std::string last() const {
    std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::size_t> counts_;
  std::string last_;
};

struct FaultFile {
  struct Step {
    std::uint64_t offset = 0;
    std::string bytes;
    bool truncate = false;
  };
  std::string now, synced;
  std::vector<Step> unsynced;
  bool name_synced = false;
};

inline void write_step(std::string& octets, const FaultFile::Step& step) {
  if (step.truncate) {
    octets.resize(step.offset);
    return;
  }
  if (octets.size() < step.offset + step.bytes.size())
    octets.resize(step.offset + step.bytes.size());
  octets.replace(step.offset, step.bytes.size(), step.bytes);
}

class FaultDisk final : public Disk {
 public:
  // ------------------------------------------------------------ faults
  void fail_at(std::uint64_t operation, int number) {
    fail_at_ = operations_ + operation;
    fail_errno_ = number;
  }
  void fail_never() { fail_at_ = 0, writes_fail_ = false; }
  void refuse_writes() { writes_fail_ = true; }  // ENOSPC from now on; syncs go well
  bool failed() const { return failed_; }
  std::uint64_t operations() const { return operations_; }
  void stop_at(std::uint64_t operation) {
    stop_at_ = operations_ + operation;
  }  // power goes: nothing more
  void set_space(std::uint64_t octets) { space_.free_octets = octets; }
  void set_capacity(std::uint64_t octets) { capacity_ = octets; }
  std::uint64_t used() const {
    std::uint64_t octets = 0;
    for (const auto& [name, file] : files_) octets += file->now.size();
    return octets;
  }
  std::map<std::string, std::shared_ptr<FaultFile>>& files() { return files_; }

  // Power loss. Seed 0: everything unsynced is lost; else any of it may be there, sectors torn.
  void crash(std::uint32_t seed) {
    std::mt19937 chance(seed);
    for (auto at = files_.begin(); at != files_.end();) {
      FaultFile& file = *at->second;
      if (!file.name_synced && (seed == 0 || chance() % 2)) {
        at = files_.erase(at);
        continue;
      }
      if (seed != 0) keep_some(file, chance);
      file.now = file.synced;
      file.unsynced.clear();
      file.name_synced = true;
      at->second = std::make_shared<FaultFile>(std::move(file));  // old handles write to nothing
      ++at;
    }
    stop_at_ = fail_at_ = 0;
    failed_ = false;
  }

  // ------------------------------------------------------------ Disk
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) override {
    auto found = files_.find(path);
    if (found == files_.end()) {
      if (mode != OpenMode::create) return fail(ErrorKind::not_found, "open " + path, ENOENT);
      found = files_.emplace(path, std::make_shared<FaultFile>()).first;
    }
    return std::make_unique<Handle>(*this, found->second);
  }
  Result<bool> exists(const std::string& path) override { return files_.contains(path); }
  Result<void> remove(const std::string& path) override {
    if (files_.erase(path) == 0) return fail(ErrorKind::not_found, "remove " + path, ENOENT);
    return {};
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    const auto found = files_.find(from);
    if (found == files_.end()) return fail(ErrorKind::not_found, "rename " + from, ENOENT);
    files_[to] = found->second;
    files_.erase(from);
    return {};
  }
  Result<void> make_directory(const std::string&) override { return {}; }
  Result<void> sync_directory(const std::string& path) override {
    TRY(step());
    for (auto& [name, file] : files_) {
      if (name.starts_with(path + "/")) file->name_synced = true;
    }
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    std::vector<std::string> names;
    for (auto& [name, file] : files_) {
      if (name.starts_with(path + "/")) names.push_back(name.substr(path.size() + 1));
    }
    return names;
  }
  Result<DiskSpace> space(const std::string&) override {
    DiskSpace space = space_;
    if (capacity_ != 0) space.free_octets = capacity_ - std::min(capacity_, used());
    return space;
  }

 private:
  class Handle final : public DiskFile {
   public:
    Handle(FaultDisk& disk, std::shared_ptr<FaultFile> file)
        : disk_(disk), file_(std::move(file)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
      if (offset >= file_->now.size()) return std::size_t{0};
      const auto got = std::min<std::size_t>(into.size(), file_->now.size() - offset);
      std::copy_n(file_->now.data() + offset, got, into.data());
      return got;
    }
    Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
      if (disk_.writes_fail_) return fail(ErrorKind::try_later, "no room", ENOSPC);
      auto allowed = disk_.step();
      if (allowed) allowed = disk_.grow(*file_, offset + bytes.size());
      const std::string_view part = allowed ? bytes : bytes.substr(0, bytes.size() / 2);
      if (!disk_.stopped()) {
        file_->unsynced.push_back({offset, std::string(part), false});
        write_step(file_->now, file_->unsynced.back());
      }
      return allowed;
    }
    Result<void> truncate(std::uint64_t octets) override {
      TRY(disk_.step());
      TRY(disk_.grow(*file_, octets));
      file_->unsynced.push_back({octets, {}, true});
      write_step(file_->now, file_->unsynced.back());
      return {};
    }
    Result<void> sync() override {
      auto allowed = disk_.step();
      if (!allowed) {
        // fsyncgate: the pages count as clean from here on, and are not on the disk
        file_->unsynced.clear();
        return allowed;
      }
      file_->synced = file_->now;
      file_->unsynced.clear();
      return {};
    }
    Result<std::uint64_t> size() override { return file_->now.size(); }

   private:
    FaultDisk& disk_;
    std::shared_ptr<FaultFile> file_;
  };

  bool stopped() const { return stop_at_ != 0 && operations_ >= stop_at_; }
  Result<void> step() {
    ++operations_;
    if (stopped()) return fail(ErrorKind::io, "the power is off", EIO);
    if (operations_ != fail_at_) return {};
    failed_ = true;
    return fail(fail_errno_ == ENOSPC ? ErrorKind::try_later : ErrorKind::io, "injected",
                fail_errno_);
  }
  Result<void> grow(const FaultFile& file, std::uint64_t octets) const {
    if (capacity_ == 0 || octets <= file.now.size()) return {};
    if (used() + octets - file.now.size() <= capacity_) return {};
    return fail(ErrorKind::try_later, "the disk is full", ENOSPC);
  }
  static void keep_some(FaultFile& file, std::mt19937& chance) {
    for (auto& step : file.unsynced) {
      if (step.truncate) {
        if (chance() % 2) write_step(file.synced, step);
        continue;
      }
      for (std::size_t at = 0; at < step.bytes.size(); at += 512) {
        if (chance() % 3 == 0) continue;
        write_step(file.synced, {step.offset + at, step.bytes.substr(at, 512), false});
      }
    }
  }

  std::map<std::string, std::shared_ptr<FaultFile>> files_;
  DiskSpace space_{.free_octets = 1ull << 40, .total_octets = 1ull << 40, .free_inodes = 1 << 30};
  std::uint64_t operations_ = 0, fail_at_ = 0, stop_at_ = 0, capacity_ = 0;
  int fail_errno_ = 0;
  bool failed_ = false, writes_fail_ = false;
};

// A journal that is made in no time, and whose files are used again and again.
inline StoreLimits small_journal() {
  StoreLimits limits;
  limits.journal_file_octets = 512 * 1024;
  limits.apply_octets = 128 * 1024;
  return limits;
}

// ---------------------------------------------------------------- mail

inline Address address(std::string_view text) {
  return *Address::parse(text);
}

inline Event event(MessageId id, EventKind kind, Instant at, std::string recipient = {}) {
  Event made;
  made.kind = kind;
  made.message = id;
  made.at = at;
  made.recipient = std::move(recipient);
  made.data = R"({"rule":"test"})";
  return made;
}

// A message with one entry for each domain of the recipients, in their order.
inline SpoolRequest letter(std::uint64_t id, Instant now,
                           const std::vector<std::string>& recipients = {"b@wp.pl"},
                           std::string body = "Dzień dobry.\r\n") {
  SpoolRequest request;
  Message& message = request.message;
  message.id = MessageId{id};
  message.source = Source::submission;
  message.sender.address = address("a@example.org");
  message.received_at = now;
  message.message_id = fmt::format("{}@example.org", id);
  message.submitter = "a@example.org";
  message.content.prepend = "Received: by goniec\r\n";
  message.content.header = fmt::format("Subject: {}\r\n\r\n", id);
  message.content.body_octets = body.size();
  message.content.crc32c = crc32c(body, crc32c(message.content.header));
  for (std::size_t at = 0; at < body.size(); at += 65536)
    request.chunks.push_back(body.substr(at, 65536));
  message.content.body_chunks = static_cast<std::uint32_t>(request.chunks.size());
  for (const auto& text : recipients) {
    EntryRecipient recipient;
    recipient.recipient.address = address(text);
    const Domain domain = recipient.recipient.address.domain();
    auto found = std::ranges::find(request.entries, domain, &Entry::domain);
    if (found == request.entries.end()) {
      Entry entry;
      entry.id = {message.id, static_cast<std::uint32_t>(request.entries.size())};
      entry.domain = domain;
      entry.due = now;
      entry.expires = now + std::chrono::days(5);
      found = request.entries.insert(request.entries.end(), std::move(entry));
    }
    found->recipients.push_back(std::move(recipient));
  }
  request.events.push_back(event(message.id, EventKind::received, now));
  return request;
}

inline Outcome outcome(std::uint32_t recipient, RecipientState state,
                       Reply reply = Reply(250, {2, 0, 0}, "ok")) {
  Outcome made;
  made.recipient = recipient;
  made.state = state;
  made.reply = std::move(reply);
  made.site = "mx.wp.pl[192.0.2.1]:25";
  made.phase = "dot";
  return made;
}

// Every recipient of an entry delivered.
inline SettleRequest delivered(const Lease& lease, std::size_t recipients, Instant now) {
  SettleRequest request;
  request.lease = lease;
  request.now = now;
  for (std::uint32_t i = 0; i < recipients; ++i) {
    request.outcomes.push_back(outcome(i, RecipientState::delivered));
  }
  request.events.push_back(event(lease.entry.message, EventKind::delivered, now, "b@wp.pl"));
  return request;
}

inline SettleRequest deferred(const Lease& lease, Instant now, Duration wait) {
  SettleRequest request;
  request.lease = lease;
  request.now = now;
  request.next_due = now + wait;
  request.outcomes.push_back(
      outcome(0, RecipientState::queued, Reply(451, {4, 7, 1}, "greylisted")));
  request.events.push_back(event(lease.entry.message, EventKind::deferred, now, "b@wp.pl"));
  return request;
}

template <class Request, class Verb>
auto one(Store& store, Verb verb, const Request& request) {
  return std::move((store.*verb)(std::span<const Request>(&request, 1))[0]);
}
inline Result<SpoolResult> spool(Store& store, const SpoolRequest& request) {
  return one(store, &Store::spool, request);
}
inline Result<SettleResult> settle(Store& store, const SettleRequest& request) {
  return one(store, &Store::settle, request);
}

}  // namespace goniec::test
