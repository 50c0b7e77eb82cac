// What a message costs in the store: spool, and settle of the same message, through the commit
// thread, on the real disk. Closed loop: each producer spools, waits for the answer, hands the
// settle on, and goes on (as a relay does). Prints a JSON array, one object a case:
//   messages_per_second, group (requests in a commit, mean), and CPU microseconds a message: of the
//   commit thread (the store's share) and of the process (with the producers' loop).
// Usage: store [directory] [seconds a case]. The directory decides which disk is measured.
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <thread>

#include "run/disk.h"
#include "run/shard.h"
#include "run/system.h"
#include "store/committer.h"
#include "store/store_for_tests.h"

namespace goniec {
namespace {

double cpu_seconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Case {
  std::size_t octets, producers;
  bool mailbox = false;
};

struct Run {
  Shard shard;
  SystemClock clock;
  MessageIdMaker ids;
  std::string header, body;
  std::size_t producers = 0, running = 0, settling = 0, messages = 0;
  bool stop = false;
  Completion<bool> over;

  void check_over() {
    if (stop && running == 0 && settling == 0 && !over.is_complete()) over.complete(true);
  }
};

SpoolRequest make_letter(Run& run) {
  SpoolRequest request;
  const Instant now = run.clock.now();
  Message& message = request.message;
  message.id = run.ids.next(now, 1);
  message.sender.address = test::address("sender@example.org");
  message.received_at = now;
  message.message_id = message.id.text() + "@example.org";
  message.submitter = "sender@example.org";
  message.content.prepend = std::string(250, 'P');
  message.content.header = run.header;
  message.content.body_octets = run.body.size();
  for (std::size_t at = 0; at < run.body.size(); at += 65536) {
    request.chunks.push_back(run.body.substr(at, 65536));
  }
  message.content.body_chunks = static_cast<std::uint32_t>(request.chunks.size());
  Entry entry;
  entry.id = {message.id, 0};
  entry.recipients.resize(1);
  entry.recipients[0].recipient.address = test::address("recipient@example.net");
  entry.domain = entry.recipients[0].recipient.address.domain();
  entry.due = now;
  entry.expires = now + std::chrono::days(5);
  request.entries.push_back(std::move(entry));
  request.events.push_back(test::event(message.id, EventKind::received, now));
  request.events[0].data = std::string(300, ' ');
  return request;
}

Task<void> settle(Run& run, Committer& committer, Lease lease) {
  auto request = test::delivered(lease, 1, run.clock.now());
  request.events[0].data = std::string(200, ' ');
  auto result = co_await committer.settle(run.shard, std::move(request));
  CHECK(result && result->entry.state == EntryState::settled);
  --run.settling;
  run.check_over();
}

Task<void> produce(Run& run, Committer& committer) {
  while (!run.stop) {
    auto result = co_await committer.spool(run.shard, make_letter(run));
    if (!result) {
      fmt::print(stderr, "spool: {}\n", result.error().message);
      std::abort();
    }
    ++run.messages;
    ++run.settling;
    spawn(settle(run, committer, result->leases[0]));
  }
  --run.running;
  run.check_over();
}

Task<double> commit_thread_cpu(Run& run, Committer& committer) {
  double seconds = 0;
  CHECK(co_await committer.run(run.shard, [&seconds](Store&) {
    seconds = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    return Result<void>{};
  }));
  co_return seconds;
}

Task<void> measure(Run& run, Committer& committer, Store& store, Case what, double seconds) {
  const double thread_before = co_await commit_thread_cpu(run, committer);
  const double process_before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  const auto marks_before = store.synced();
  const Moment began = run.clock.moment();
  run.running = what.producers;
  for (std::size_t i = 0; i < what.producers; ++i) spawn(produce(run, committer));
  co_await run.shard.sleep(std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
  run.stop = true;
  co_await run.over;
  const double wall = std::chrono::duration<double>(run.clock.moment() - began).count();
  const double thread = co_await commit_thread_cpu(run, committer) - thread_before;
  const double process = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - process_before;
  const auto messages = static_cast<double>(run.messages);
  fmt::print(R"({{"octets":{},"producers":{},"messages_per_second":{:.0f},"group":{:.1f},)"
             R"("commit_thread_microseconds":{:.1f},"process_microseconds":{:.1f}}})",
             what.octets, what.producers, messages / wall,
             messages * 2 / static_cast<double>(store.synced() - marks_before),
             thread * 1e6 / messages, process * 1e6 / messages);
}

void run_case(const std::string& directory, Case what, double seconds) {
  std::string path = directory + "/goniec-bench-XXXXXX";
  CHECK(::mkdtemp(path.data()) != nullptr);
  {
    Run run;
    run.header = std::string(700, 'H') + "\r\n\r\n";
    run.body = std::string(what.octets, 'B');
    SystemDisk disk;
    auto store = open_sqlite_store({path + "/store", {}, &null_log(), ApplyMode::own_thread}, disk,
                                   run.clock);
    CHECK(store.has_value());
    Metrics metrics;
    Committer committer(**store, {}, metrics, null_log());
    run_until_done(run.shard, measure(run, committer, **store, what, seconds));
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace goniec

int main(int count, char** arguments) {
  const std::string directory = count > 1 ? arguments[1] : ".";
  const double seconds = count > 2 ? std::atof(arguments[2]) : 2;
  const goniec::Case cases[] = {{1024, 20},   {1024, 100}, {10240, 20},
                                {10240, 100}, {1024, 500}, {102400, 20}};
  const char* separator = "[";
  for (const auto& what : cases) {
    fmt::print("{}", separator);
    goniec::run_case(directory, what, seconds);
    separator = ",\n ";
  }
  fmt::print("]\n");
}
