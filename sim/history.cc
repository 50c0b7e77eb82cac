// The seed's plan first, then a loop of short spans: what is due of the plan, a look at the node,
// the laws.
#include "sim/history.h"

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "sim/disk.h"
#include "sim/false_node.h"
#include "sim/heap.h"
#include "sim/mixed_groups.h"
#include "sim/peers.h"

namespace goniec {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration look_every = minutes(20);
constexpr Duration quiet_most = hours(30);
constexpr std::size_t same_twice_most = 3000;  // owed: larger stores are not compared whole

// A disk whose syncs may do nothing: a mutation.
class LyingFile final : public DiskFile {
 public:
  LyingFile(std::unique_ptr<DiskFile> file, const bool& lies)
      : file_(std::move(file)), lies_(lies) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    return file_->read_at(offset, into);
  }
  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    const HeapScope world;
    return file_->write_at(offset, bytes);
  }
  Result<void> truncate(std::uint64_t octets) override {
    const HeapScope world;
    return file_->truncate(octets);
  }
  Result<void> sync() override {
    const HeapScope world;
    return lies_ ? Result<void>{} : file_->sync();
  }
  Result<std::uint64_t> size() override { return file_->size(); }

 private:
  std::unique_ptr<DiskFile> file_;
  const bool& lies_;
};

class LyingDisk final : public Disk {
 public:
  explicit LyingDisk(Disk& disk) : disk_(disk) {}
  bool lies = false;
  Result<std::unique_ptr<DiskFile>> open(const std::string& path, OpenMode mode) override {
    const HeapScope world;
    return std::make_unique<LyingFile>(TRY(disk_.open(path, mode)), lies);
  }
  Result<bool> exists(const std::string& path) override { return disk_.exists(path); }
  Result<void> remove(const std::string& path) override { return disk_.remove(path); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Result<void> make_directory(const std::string& path) override {
    return disk_.make_directory(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    return disk_.sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  Result<DiskSpace> space(const std::string& path) override { return disk_.space(path); }
  Result<std::unique_ptr<DiskFile>> lock(const std::string& path) override {
    return disk_.lock(path);
  }

 private:
  Disk& disk_;
};

class Alarms final : public LogSink {
 public:
  explicit Alarms(Laws& laws) : laws_(laws) {}
  bool faulty = false;  // a disk that fails may well look damaged, until the store is sealed
  void write(LogRecord record) override {
    if (record.event == "store.damaged" && !faulty) laws_.break_law("acknowledged", record.text);
  }

 private:
  Laws& laws_;
};

struct Plan {  // what the seed decides
  std::size_t sites = 0;
  std::uint64_t letters_an_hour = 0;
  Duration between_deaths{};  // on average; zero: none
  SimNetworkOptions wire;
  std::size_t connections_per_site = 0;
  FalseLimits limits;
};

// A quarter of the seeds has limits that its letters reach. By the number and by a chance of their
// own, so that the others' histories stay what they are.
void make_limits(const HistoryOptions& options, Plan& plan) {
  FalseLimits& limits = plan.limits;
  limits.admission.connections_per_address = 1000;
  if (options.seed % 4 != 1) return;
  SystemRandom random(options.seed ^ 0x6c696d697473ull);
  limits.queue.window_entries = 4 + random.below(40);
  limits.queue.domain_least = 1 + random.below(8);
  limits.queue.window_octets = 10'000 + random.below(200'000);
  limits.admission.connections = 6 + random.below(20);
  // Large, so that few fill the budget; but one alone always fits, however it grows.
  limits.admission.draft_octets = 384 * 1024;
  limits.admission.drafts_octets = limits.admission.draft_octets * (4 + random.below(8));
  limits.connections = 2 + random.below(8);
  limits.messages_per_connection = 1 + random.below(4);
}

Plan make_plan(const HistoryOptions& options, SystemRandom& random) {
  Plan plan;
  plan.sites = options.sites ? options.sites : 3 + random.below(60);
  plan.letters_an_hour = options.letters_an_hour ? options.letters_an_hour : 10 + random.below(200);
  if (random.below(4) != 0) plan.between_deaths = minutes(10 + random.below(300));
  plan.wire.longest = std::chrono::milliseconds(1 + random.below(200));
  plan.wire.partial_reads = random.below(4) == 0;  // slow to simulate
  plan.wire.resets_a_million = random.below(2) ? 0 : random.below(3000);
  plan.connections_per_site = 1 + random.below(5);
  make_limits(options, plan);
  return plan;
}

StoreLimits history_limits() {
  StoreLimits limits;
  limits.journal_file_octets = 2u << 20;
  limits.checkpoint_octets = 1u << 20;
  return limits;
}

class History {
 public:
  explicit History(const HistoryOptions& options)
      : options_(options),
        random_(options.seed),
        plan_(make_plan(options, random_)),
        loop_(random_.next()),
        network_(loop_, random_.next(), plan_.wire),
        disk_(random_.next()),
        lying_(disk_),
        config_(false_config()),
        laws_(law_limits(), loop_.clock()),
        peers_(loop_, network_, laws_, {random_.next(), plan_.sites}),
        alarms_(laws_) {
    CHECK(disk_.make_directory("/store"));
    loop_.before_step = world_works;
  }

  Ending run();

 private:
  LawLimits law_limits() {
    config_.delivery.connections_per_site = plan_.connections_per_site;
    FalseLimits& node = plan_.limits;
    LawLimits limits;
    limits.connections_per_site = plan_.connections_per_site;
    limits.connections = node.connections;
    limits.messages_per_connection = node.messages_per_connection;
    limits.dead_pause = node.dead_pause;
    limits.window_entries = node.queue.window_entries;
    limits.window_octets = node.queue.window_octets;
    limits.sessions = node.admission.connections;
    limits.drafts = node.admission.drafts_octets / node.admission.draft_octets;
    limits.retry.schedule = config_.retry.schedule;
    const Mutation mutation = options_.mutation;
    if (mutation == Mutation::too_many) config_.delivery.connections_per_site += 3;
    if (mutation == Mutation::too_many_in_all) node.connections *= 4;
    if (mutation == Mutation::too_often) node.dead_pause = seconds(1);
    if (mutation == Mutation::too_many_messages) node.messages_per_connection += 3;
    if (mutation == Mutation::too_many_sessions) node.admission.connections *= 2;
    if (mutation == Mutation::too_many_drafts) node.admission.drafts_octets *= 4;
    if (mutation == Mutation::too_wide) node.queue.window_entries *= 3;
    return limits;
  }
  Result<std::unique_ptr<Store>> open_store() {
    StoreOptions options;
    options.path = "/store";
    options.limits = history_limits();
    options.log = &alarms_;
    return open_sqlite_store(options, lying_, loop_.clock());
  }
  bool start();
  void compare_reopenings();
  void die();
  void power_cut();
  void fail_disk();
  bool is_broken() const;
  void start_again();
  void tell(std::string text) {
    if (!options_.story) return;
    fmt::print("  {} s: {}\n", loop_.clock().moment().time_since_epoch() / seconds(1), text);
  }
  void stop_in_order();
  void look_at_store();
  void send_letter(Moment until);
  void plan_letters(Duration span);
  void live(Duration span);
  void quiet();

  const HistoryOptions options_;
  SystemRandom random_;
  Plan plan_;
  SimLoop loop_;
  SimNetwork network_;
  SimDisk disk_;
  LyingDisk lying_;
  Config config_;
  Laws laws_;
  Peers peers_;
  Alarms alarms_;
  std::unique_ptr<FalseNode> node_;
  std::uint64_t letters_ = 0;
  bool faulty_ = false;  // a fault of the disk is to come
  Moment end_{}, next_look_{};
  Ending ending_;
};

// ---------------------------------------------------------------- life and death
bool History::start() {
  auto store = open_store();
  if (!store) {
    laws_.break_law("acknowledged", "the store does not open: " + store.error().message);
    return false;
  }
  auto watched = watch_store(std::move(*store), laws_, loop_.clock(), options_.mutation);
  ConnectionWatch watch;
  watch.calling = [this](const IpAddress& to) { laws_.calling(peers_.site_of(to)); };
  watch.given_up = [this](const IpAddress& to) { laws_.given_up(peers_.site_of(to)); };
  watch.worked = [this] {
    if (!node_) return;
    const NodeLoad load = node_->load();
    laws_.load({load.sessions, load.drafts, load.heap_octets});
  };
  if (options_.mutation == Mutation::stampede) watch.calls_at_once = 2;
  watch.opened = [this](const IpAddress& to) { laws_.connected(peers_.site_of(to)); };
  watch.closed = [this](const IpAddress& to) { laws_.disconnected(peers_.site_of(to)); };
  auto node = FalseNode::start(config_, {loop_, network_, peers_.resolver(), lying_},
                               std::move(watched), alarms_, std::move(watch), plan_.limits);
  if (!node) {
    laws_.break_law("acknowledged", "the node does not start: " + node.error().message);
    return false;
  }
  node_ = std::move(*node);
  lying_.lies = options_.mutation == Mutation::lying_sync;
  return true;
}

// A store that is opened and closed and opened again holds the same.
void History::compare_reopenings() {
  if (laws_.owed() > same_twice_most) return;
  std::vector<std::string> first;
  for (int round = 0; round < 2; ++round) {
    auto store = open_store();
    if (!store) return laws_.break_law("reopening", store.error().message);
    if (round == 0) {
      first = state_of(**store, laws_.seen_events());
      const bool differs = options_.mutation == Mutation::another_reopening;
      const ObjectPut extra{{"user", "ghost@local.test"}, "x", false};
      if (differs) (void)(*store)->put_objects(std::span<const ObjectPut>(&extra, 1));
      if (differs) (void)(*store)->commit();
    } else {
      laws_.same_twice(first, state_of(**store, laws_.seen_events()));
    }
  }
}

void History::die() {
  node_->kill();
  node_.reset();
  laws_.restarted();
  disk_.restart();
  faulty_ = alarms_.faulty = false;
  lying_.lies = false;
  loop_.run_for(seconds(1 + random_.below(60)));
  compare_reopenings();
  (void)start();
}

void History::power_cut() {
  ++ending_.power_cuts;
  tell("power cut");
  disk_.crash(random_.below(2) ? CrashKind::drop_unsynced : CrashKind::tear);
  die();
}

// A write or sync fails, or the power goes in the middle of one; the store seals itself, and
// somebody starts the node again.
void History::fail_disk() {
  const std::uint64_t skip = random_.below(30);
  const bool full = options_.full_disk;
  const bool cut = random_.below(2) != 0 && !full;
  tell(fmt::format("the disk will fail ({}) after {} calls", cut ? "power" : "error", skip));
  if (cut) {
    disk_.crash_at_call(skip, random_.below(2) ? CrashKind::drop_unsynced : CrashKind::tear);
  } else {
    const DiskCall call = random_.below(2) || full ? DiskCall::write : DiskCall::sync;
    const int number = full ? ENOSPC : EIO;
    tell(fmt::format("in {} with {}", call == DiskCall::write ? "write" : "sync", number));
    disk_.fail_call(call, skip, number);
  }
  faulty_ = alarms_.faulty = true;
}

bool History::is_broken() const {
  return faulty_ && (disk_.is_down() || node_->store().health().sealed);
}

void History::start_again() {
  ++ending_.seals;
  tell("broken: " + node_->store().health().sealed_reason);
  // The power goes with it: what was not synced is in doubt after a failed sync.
  disk_.crash(random_.below(2) ? CrashKind::drop_unsynced : CrashKind::tear);
  die();
}

void History::stop_in_order() {
  ++ending_.stops;
  tell("stop in order");
  struct Body {
    static Task<void> run(FalseNode& node, std::shared_ptr<bool> done) {
      co_await node.stop();
      *done = true;
    }
  };
  auto done = std::make_shared<bool>(false);
  loop_.post([node = node_.get(), done] { spawn(Body::run(*node, done)); });
  // After 10 s the process ends whatever is under way: it is in the queue.
  for (int waited = 0; waited < 10 && !*done; ++waited) loop_.run_for(seconds(1));
  die();
}

// ---------------------------------------------------------------- letters
void History::send_letter(Moment until) {
  std::vector<std::string> recipients;
  for (std::uint64_t count = random_.below(8) ? 1 : 1 + random_.below(12); count > 0; --count) {
    auto one = peers_.recipient(random_.next());
    if (std::ranges::find(recipients, one) == recipients.end()) recipients.push_back(one);
  }
  std::size_t octets = random_.below(1500);
  if (random_.below(20) == 0) octets = random_.below(60'000);
  if (random_.below(400) == 0) octets = 300'000 + random_.below(300'000);
  spawn(submit(loop_, network_, laws_,
               make_letter(++letters_, std::move(recipients), octets, random_), until));
}

// Letters come one by one, and sometimes many at once.
void History::plan_letters(Duration span) {
  const auto count = static_cast<std::uint64_t>(plan_.letters_an_hour *
                                                static_cast<std::uint64_t>(span / minutes(1)) / 60);
  const Moment now = loop_.clock().moment();
  for (std::uint64_t i = 0; i < count;) {
    const Moment at = now + Duration(random_.below(static_cast<std::uint64_t>(span.count())));
    std::uint64_t burst = random_.below(50) == 0 ? 1 + random_.below(40) : 1;
    for (; burst > 0 && i < count; --burst, ++i)
      loop_.at(at, [this] { send_letter(end_ + hours(20)); });
  }
}

// ---------------------------------------------------------------- the course
void History::look_at_store() {
  auto reader = node_->store().reader();
  if (!reader) return;
  laws_.look(**reader);
}

void History::live(Duration span) {
  end_ = loop_.clock().moment() + span;
  Moment death = Moment::max();
  auto next_death = [&] {
    if (plan_.between_deaths == Duration::zero()) return Moment::max();
    const auto most = static_cast<std::uint64_t>(2 * plan_.between_deaths.count());
    return loop_.clock().moment() + Duration(random_.below(most));
  };
  death = next_death();
  Moment hour{};
  while (loop_.clock().moment() < end_ && node_) {
    const Moment now = loop_.clock().moment();
    if (now >= hour) {  // an hour's letters at a time: timers cost memory
      plan_letters(std::min<Duration>(hours(1), end_ - now));
      hour = now + hours(1);
    }
    if (is_broken()) {
      start_again();
      continue;
    }
    if (now >= next_look_) {
      if (!faulty_) look_at_store();
      next_look_ = now + look_every;
    }
    const Moment tick = faulty_ ? now + seconds(5) : end_;
    loop_.run_for(std::min({end_, death, next_look_, hour, tick}) - now);
    if (loop_.clock().moment() < death || is_broken()) continue;
    const std::uint64_t how = random_.below(10);
    if (how < 5) {
      power_cut();
    } else if (how < 8) {
      fail_disk();
    } else {
      stop_in_order();
    }
    death = next_death();
  }
}

// The faults stop: the queue drains.
void History::quiet() {
  peers_.calm();
  SimNetworkOptions wire = plan_.wire;
  wire.resets_a_million = 0;
  network_.set_options(wire);
  if (faulty_) start_again();
  const Moment until = loop_.clock().moment() + quiet_most;
  while (node_ && loop_.clock().moment() < until) {
    loop_.run_for(minutes(30));
    look_at_store();
    if (laws_.owed() > 0) continue;
    auto reader = node_->store().reader();
    if (reader && (*reader)->list({.limit = 1})->empty()) break;
  }
}

Ending History::run() {
  if (start()) {
    live(options_.span);
    if (node_) quiet();
    if (node_) {
      auto reader = node_->store().reader();
      if (reader) laws_.finish(**reader);
      const auto letters = laws_.totals().messages;
      if (letters < letters_)
        laws_.break_law("drain", fmt::format("{} letters were never taken", letters_ - letters));
    }
  }
  if (node_) node_->kill();
  ending_.hash = laws_.hash();
  ending_.steps = loop_.steps();
  ending_.totals = laws_.totals();
  ending_.broken = laws_.broken();
  ending_.lived = loop_.clock().moment().time_since_epoch();
  return ending_;
}

}  // namespace

Ending run_history(const HistoryOptions& options) {
  // Tasks of this world still wait when it ends, and must not outlive it in the next one: worlds
  // are kept.
  static std::vector<History*> worlds;
  worlds.push_back(new History(options));
  return worlds.back()->run();
}

}  // namespace goniec
