// The SQLite engine on a disk that fails: "fail at N, N+1, … until it succeeds", crashes after
// every disk operation, power loss with torn sectors, a full disk, flipped bits. The laws: what was
// acknowledged is there and whole; what was not is absent or whole; no crash; nothing silent.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

// A life of some messages: what was acknowledged is written down as a client would know it.
struct Witness {
  std::set<std::uint64_t> queued, settled;              // acknowledged
  std::set<std::uint64_t> maybe_queued, maybe_settled;  // asked for, not answered
};

constexpr std::size_t large = 300000;

std::string body_of(std::uint64_t id) {
  return std::string(id % 5 == 0 ? large : 100 * id, static_cast<char>('a' + id % 26));
}

// Spools ten messages in groups of two and settles every second; stops at the first failure.
// True: all of it succeeded.
bool live(Store& store, Clock& clock, std::uint64_t first, Witness& witness) {
  std::vector<Lease> leases;
  for (std::uint64_t id = first; id < first + 10; id += 2) {
    for (std::uint64_t each = id; each < id + 2; ++each) {
      witness.maybe_queued.insert(each);
      auto result = spool(store, letter(each, clock.now(), {"b@wp.pl"}, body_of(each)));
      if (!result) return false;
      leases.push_back(result->leases[0]);
    }
    std::uint64_t done = 0;
    if (leases.size() > 2) {
      const Lease lease = leases[leases.size() - 4];
      done = lease.entry.message.value;
      witness.maybe_settled.insert(done);
      if (!settle(store, delivered(lease, 1, clock.now()))) return false;
    }
    const auto mark = store.commit();
    if (!mark) return false;
    EXPECT_LE(*mark, store.synced());
    witness.queued.insert({id, id + 1});
    if (done) witness.settled.insert(done);
  }
  return true;
}

// Everything that was acknowledged is there, and everything that is there is whole and known.
void judge(Store& store, const Witness& witness, const std::string& scene) {
  auto reader = store.reader();
  ASSERT_TRUE(reader) << scene << reader.error().message;
  const auto items = (*reader)->list({.limit = 100000});
  ASSERT_TRUE(items) << scene << items.error().message;
  std::set<std::uint64_t> found;
  for (const auto& item : *items) found.insert(item.message.id.value);
  for (const auto id : witness.queued) {
    if (witness.maybe_settled.contains(id)) continue;
    ASSERT_TRUE(found.contains(id)) << scene << "LOST " << id;
  }
  for (const auto id : witness.settled) ASSERT_FALSE(found.contains(id)) << scene << "GHOST " << id;
  for (const auto id : found) {
    ASSERT_TRUE(witness.maybe_queued.contains(id)) << scene << "UNKNOWN " << id;
    const auto content = (*reader)->content(MessageId{id});
    ASSERT_TRUE(content) << scene << content.error().message;
    std::string body;
    for (std::uint32_t i = 0; i < content->body_chunks; ++i) {
      auto chunk = (*reader)->chunk(MessageId{id}, i);
      ASSERT_TRUE(chunk) << scene << chunk.error().message;
      body += *chunk;
    }
    ASSERT_EQ(body, body_of(id)) << scene << "CORRUPT " << id;
    ASSERT_FALSE((*reader)->events_of(MessageId{id})->empty()) << scene;
  }
}

struct House {
  std::size_t checkpoint_octets = 400000;  // several checkpoints in a life
  FalseClock clock;
  CountingLog log;
  FaultDisk disk;
  std::unique_ptr<Store> store;

  Result<void> open() {
    store.reset();
    StoreLimits limits = small_journal();
    limits.checkpoint_octets = checkpoint_octets;
    store = TRY(open_sqlite_store({"/false/store", limits, &log}, disk, clock));
    return {};
  }
  // Closed by itself, so that the database has all of the WAL and the journal: damage to it is not
  // hidden by them.
  void close_without_wal() {
    store.reset();
    disk.files().erase("/false/store/goniec.db-wal");
    std::erase_if(disk.files(), [](const auto& file) {
      return file.first.find("/journal/") != std::string::npos;
    });
  }
};

class FailingOperation : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Errors, FailingOperation, ::testing::Values(EIO, ENOSPC));

TEST_P(FailingOperation, EveryWriteAndSyncInItsTurnLosesNothing) {
  std::uint64_t seals = 0, runs = 0;
  for (std::uint64_t at = 1; at < 2000; ++at, ++runs) {
    House house;
    Witness witness;
    ASSERT_TRUE(house.open());
    ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
    house.disk.fail_at(at, GetParam());
    const bool through = live(*house.store, house.clock, 200, witness);
    const bool sealed = house.store->health().sealed;
    if (sealed) {
      ++seals;
      EXPECT_GE(house.log.count("store.sealed"), 1u) << at;
      const auto refused = spool(*house.store, letter(999, house.clock.now()));
      ASSERT_FALSE(refused) << at;
      EXPECT_EQ(refused.error().kind, ErrorKind::try_later) << at;
    } else if (!through) {  // a full disk: the group rolls back and mail goes on
      house.disk.fail_never();
      house.clock.advance(std::chrono::milliseconds(100));  // room is looked for again
      static_cast<void>(house.store->commit());
      judge(*house.store, witness, fmt::format("after ENOSPC at {}: ", at));
      EXPECT_TRUE(live(*house.store, house.clock, 300, witness)) << at;
    }
    const bool hit = house.disk.failed();
    house.store.reset();
    house.disk.crash(0);
    const auto opened = house.open();
    ASSERT_TRUE(opened) << at << opened.error().message;
    judge(*house.store, witness, fmt::format("failure at {}: ", at));
    if (HasFatalFailure()) return;
    if (!hit) break;
  }
  EXPECT_GT(runs, 10u);
  EXPECT_GT(seals, 3u);
}

TEST(StoreCrash, AfterEveryDiskOperationAndAnyLossOfWhatWasNotSynced) {
  std::uint64_t images = 0;
  for (std::uint64_t at = 1; at < 2000; ++at) {
    bool reached = false;
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      House house;
      Witness witness;
      house.disk.stop_at(at);
      if (house.open()) live(*house.store, house.clock, 100, witness);
      reached = house.disk.operations() >= at;
      house.store.reset();
      house.disk.crash(seed);
      const auto opened = house.open();
      ASSERT_TRUE(opened) << at << "/" << seed << ": " << opened.error().message;
      judge(*house.store, witness, fmt::format("power off at {} seed {}: ", at, seed));
      ASSERT_TRUE(live(*house.store, house.clock, 300, witness)) << at << "/" << seed;
      if (HasFatalFailure()) return;
      ++images;
    }
    if (!reached) break;
  }
  EXPECT_GT(images, 100u);
}

TEST(StoreSpace, MailIsRefusedBeforeTheReserveAndSettlesGoOn) {
  House house;
  ASSERT_TRUE(house.open());
  auto first = spool(*house.store, letter(1, house.clock.now()));
  ASSERT_TRUE(house.store->commit());
  house.disk.set_space(StoreLimits{}.reserve_octets - 1);
  house.clock.advance(std::chrono::seconds(1));
  const auto refused = spool(*house.store, letter(2, house.clock.now()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::try_later);
  EXPECT_TRUE(house.store->health().full);
  EXPECT_TRUE(house.store->health().refuses_mail);
  EXPECT_FALSE(house.store->health().sealed);
  EXPECT_TRUE(settle(*house.store, delivered(first->leases[0], 1, house.clock.now())));
  EXPECT_TRUE(house.store->commit());
  house.disk.set_space(1ull << 40);
  house.clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(spool(*house.store, letter(2, house.clock.now())));
  EXPECT_FALSE(house.store->health().full);
}

// Else the sessions, which ask before a message comes, would refuse each for ever.
TEST(StoreSpace, ARefusalForLackOfRoomIsBelievedForASecond) {
  House house;
  ASSERT_TRUE(house.open());
  house.disk.set_space(StoreLimits{}.reserve_octets - 1);
  EXPECT_FALSE(house.store->health().refuses_mail) << "nobody was refused yet";
  EXPECT_FALSE(spool(*house.store, letter(1, house.clock.now())));
  EXPECT_TRUE(house.store->health().refuses_mail);
  house.clock.advance(std::chrono::milliseconds(1001));
  EXPECT_FALSE(house.store->health().refuses_mail);
  EXPECT_TRUE(house.store->health().full);
  house.disk.set_space(1ull << 40);
  EXPECT_FALSE(house.store->health().full);
}

TEST(StoreSpace, PagesThatMailHasLeftAreRoomOnADiskThatStaysFull) {
  House house;
  house.checkpoint_octets = StoreLimits{}.checkpoint_octets;  // the log has grown, and stays long
  ASSERT_TRUE(house.open());
  const auto fill = [&house](std::uint64_t id) {
    return spool(*house.store, letter(id, house.clock.now(), {"b@wp.pl"}, std::string(60000, 'x')));
  };
  std::vector<Lease> leases;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    const auto spooled = fill(id);
    ASSERT_TRUE(spooled);
    leases.push_back(spooled->leases[0]);
    ASSERT_TRUE(house.store->commit());
  }
  ASSERT_TRUE((*house.store->reader())->stats());  // all of it is in the database
  house.disk.set_space(StoreLimits{}.reserve_octets - 1);
  house.clock.advance(std::chrono::seconds(1));
  EXPECT_FALSE(fill(201)) << "no room yet";
  for (const Lease& lease : leases) {
    ASSERT_TRUE(settle(*house.store, delivered(lease, 1, house.clock.now())));
    ASSERT_TRUE(house.store->commit());
  }
  ASSERT_TRUE((*house.store->reader())->stats());
  house.clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(fill(201)) << "the disk is as full as before, the database is empty";
  EXPECT_FALSE(house.store->health().full);
  ASSERT_TRUE(house.store->commit());
}

// A disk of its own size under a store with small files: the journal, and 12 MiB for mail.
struct SmallDisk : House {
  static constexpr std::uint64_t reserve = 4 << 20;
  std::uint64_t next_id = 1;
  std::size_t large = 400000;
  std::vector<Lease> leases;

  explicit SmallDisk(StoreLimits limits = small_journal()) {
    limits.reserve_octets = reserve;
    limits.log_margin_octets = 2 << 20;
    disk.set_capacity((12 << 20) + reserve + limits.journal_files * limits.journal_file_octets);
    auto opened = open_sqlite_store({"/false/store", limits, &log}, disk, clock);
    if (opened) store = std::move(*opened);
  }
  std::uint64_t free_octets() { return disk.space("/")->free_octets; }

  // Messages of 60,000 octets, and each tenth of 400,000 in chunks, until one is refused.
  Result<void> put(std::uint64_t id) {
    auto request = letter(id, clock.now(), {"b@wp.pl"}, std::string(id % 10 ? 60000 : large, 'x'));
    std::uint32_t number = 0;
    while (request.chunks.size() > 4) {
      const ChunkWrite chunk{MessageId{id}, number++, request.chunks.front()};
      auto written = one(*store, &Store::write_chunks, chunk);
      if (!written) {
        static_cast<void>(one(*store, &Store::discard_chunks, MessageId{id}));
        static_cast<void>(store->commit());
        return written;
      }
      request.chunks.erase(request.chunks.begin());
      TRY(store->commit());
    }
    const auto spooled = spool(*store, request);
    TRY(store->commit());
    if (!spooled) return std::unexpected(spooled.error());
    leases.push_back(spooled->leases[0]);
    return {};
  }
  std::size_t fill() {
    std::size_t taken = 0;
    for (int refused = 0; refused < 3;) {
      clock.advance(std::chrono::milliseconds(30));
      const auto done = put(next_id++);
      taken += done.has_value();
      refused = done ? 0 : refused + 1;
      if (!done) EXPECT_EQ(done.error().kind, ErrorKind::try_later) << done.error().message;
      if (refused > 0) clock.advance(std::chrono::seconds(1));
      EXPECT_GE(free_octets(), reserve) << "new mail touched the reserve";
      if (taken > 2000) break;
    }
    return taken;
  }
  void drain() {
    for (const Lease& lease : leases) {
      clock.advance(std::chrono::milliseconds(5));
      ASSERT_TRUE(settle(*store, delivered(lease, 1, clock.now())));
      ASSERT_TRUE(store->commit());
    }
    leases.clear();
    ASSERT_TRUE((*store->reader())->stats());
  }
  void forget_events() {
    const Instant now = clock.now();
    for (std::size_t went = 100; went == 100;) {
      const auto swept = store->sweep(now, now, 100);
      ASSERT_TRUE(swept) << swept.error().message;
      ASSERT_TRUE(store->commit());
      went = *swept;
    }
  }
};

TEST(StoreSpace, ADiskThatIsFilledAndDrainedTakesAsMuchMailAgain) {
  SmallDisk house;
  const std::size_t first = house.fill();
  EXPECT_GT(first, 50u) << "of 12 MiB";
  for (int cycle = 1; cycle < 6; ++cycle) {
    house.drain();
    house.forget_events();
    EXPECT_GE(house.free_octets(), SmallDisk::reserve) << "what was drained gives the log back";
    const std::size_t taken = house.fill();
    EXPECT_GT(taken, first * 3 / 4) << "cycle " << cycle << ", the first " << first;
    EXPECT_FALSE(house.store->health().sealed);
  }
}

TEST(StoreSpace, WhatIsPendingInTheJournalCountsBeforeTheReserve) {
  StoreLimits limits = small_journal();
  limits.journal_file_octets = 8 << 20;
  limits.apply_octets = 64 << 20;  // nothing reaches the database by itself
  limits.apply_after = std::chrono::hours(1);
  SmallDisk house(limits);
  house.large = 60000;
  EXPECT_GT(house.fill(), 50u);
  ASSERT_TRUE((*house.store->reader())->stats());
  EXPECT_GE(house.free_octets(), SmallDisk::reserve) << "what was pending came into its log";
  house.store.reset();
  EXPECT_GE(house.free_octets(), SmallDisk::reserve) << "and from there into the database";
}

TEST(StoreSpace, WhatIsSettledGoesIntoTheDatabaseThoughLittleIsLeftOfTheReserve) {
  SmallDisk house;
  house.fill();
  ASSERT_TRUE((*house.store->reader())->stats());
  house.clock.advance(std::chrono::seconds(1));
  EXPECT_FALSE(house.put(house.next_id++));
  house.disk.set_capacity(house.disk.used() + (256 << 10));  // someone else took the rest
  house.drain();
  house.forget_events();
  EXPECT_FALSE(house.store->health().sealed);
  const auto left = (*house.store->reader())->list({});
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->empty()) << "the tables have heard of it";
  house.disk.set_capacity(1ull << 30);
  house.clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(house.put(house.next_id++));
}

TEST(StoreOpen, ADatabaseWithLessThanWasAcknowledgedIsNotServed) {
  House house;
  Witness witness;
  ASSERT_TRUE(house.open());
  std::map<std::string, std::string> old;
  ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
  house.store.reset();
  for (auto& [name, file] : house.disk.files()) old[name] = file->now;
  ASSERT_TRUE(house.open());
  ASSERT_TRUE(live(*house.store, house.clock, 200, witness));
  house.store.reset();
  for (auto& [name, file] : house.disk.files()) {
    const bool is_mail =
        name.find("goniec.db") != std::string::npos || name.find("/journal/") != std::string::npos;
    if (is_mail) file->now = old[name];  // a disk that lied
  }
  const auto opened = house.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::damaged);
  EXPECT_EQ(exit_code(opened.error().kind), 74);
  EXPECT_NE(opened.error().message.find("5 are missing"), std::string::npos)
      << opened.error().message;
  EXPECT_NE(opened.error().message.find("goniec doctor --salvage"), std::string::npos);
  house.disk.files().erase("/false/store/goniec.db");
  house.disk.files().erase("/false/store/goniec.db-wal");
  EXPECT_EQ(house.open().error().kind, ErrorKind::damaged);
}

TEST(StoreOpen, ANewerFormatIsRefusedWithItsNumber) {
  House house;
  ASSERT_TRUE(house.open());
  house.store.reset();
  house.disk.files()["/false/store/format"]->now = "5\n";
  const auto opened = house.open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("format 5"), std::string::npos) << opened.error().message;
  house.disk.files()["/false/store/format"]->now = "";
  EXPECT_EQ(house.open().error().kind, ErrorKind::damaged);
}

TEST(StoreDamage, FlippedBitsAreNeverServedAndNeverCrash) {
  std::map<std::string, std::string> whole;
  Witness witness;
  {
    House house;
    ASSERT_TRUE(house.open());
    ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
    house.close_without_wal();
    for (auto& [name, file] : house.disk.files()) whole[name] = file->now;
  }
  const std::string database = "/false/store/goniec.db";
  std::mt19937 chance(7);
  std::size_t noticed = 0;
  for (int round = 0; round < 400; ++round) {
    House house;
    for (auto& [name, octets] : whole) {
      auto file = std::make_shared<FaultFile>();
      file->now = file->synced = octets;
      house.disk.files()[name] = std::move(file);
    }
    auto& octets = house.disk.files()[database]->now;
    octets[chance() % octets.size()] ^= static_cast<char>(1u << (chance() % 8));
    const auto opened = house.open();
    if (!opened) {
      ++noticed;
      EXPECT_EQ(opened.error().kind, ErrorKind::damaged) << opened.error().message;
      continue;
    }
    auto reader = house.store->reader();
    if (!reader) continue;
    const auto items = (*reader)->list({});
    if (!items) ++noticed;
    for (const auto id : witness.maybe_queued) {
      const auto content = (*reader)->content(MessageId{id});
      if (!content) {
        noticed += content.error().kind == ErrorKind::damaged;
        continue;
      }
      EXPECT_EQ(content->header, fmt::format("Subject: {}\r\n\r\n", id));
      for (std::uint32_t i = 0; i < content->body_chunks; ++i) {
        const auto chunk = (*reader)->chunk(MessageId{id}, i);
        if (chunk) {
          EXPECT_EQ(*chunk, body_of(id).substr(i * 65536ull, 65536));
        } else {
          ++noticed;
        }
      }
    }
    static_cast<void>(house.store->lease({.now = house.clock.now()}));
    Witness ignored;
    live(*house.store, house.clock, 500, ignored);
  }
  EXPECT_GT(noticed, 50u);
}

// ---------------------------------------------------------------- copies

TEST(StoreCopy, ABackupWhileServingIsWholeAndRestores) {
  House house;
  Witness witness;
  ASSERT_TRUE(house.open());
  ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
  const Witness then = witness;
  ASSERT_TRUE(spool(*house.store, letter(777, house.clock.now())));  // an open group is not in it
  const auto made = house.store->backup("/false/backup");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(house.store->backup("/false/backup"));
  ASSERT_TRUE(house.store->commit());
  house.store.reset();
  ASSERT_FALSE(restore_backup("/false/backup", {"/false/store", {}, &house.log}, house.disk));
  const auto restored =
      restore_backup("/false/backup", {"/false/again", small_journal(), &house.log}, house.disk);
  ASSERT_TRUE(restored) << restored.error().message;
  auto again =
      open_sqlite_store({"/false/again", small_journal(), &house.log}, house.disk, house.clock);
  ASSERT_TRUE(again) << again.error().message;
  judge(**again, then, "restored: ");
}

TEST(StoreCopy, ADamagedBackupIsNotRestored) {
  House house;
  Witness witness;
  ASSERT_TRUE(house.open());
  ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
  ASSERT_TRUE(house.store->backup("/false/backup"));
  auto& octets = house.disk.files()["/false/backup/goniec.db"]->now;
  octets[octets.find(std::string(4000, 'b')) + 2000] ^= 1;  // in the body of 105
  const auto restored =
      restore_backup("/false/backup", {"/false/again", small_journal(), &house.log}, house.disk);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().kind, ErrorKind::damaged);
  EXPECT_NE(restored.error().message.find(MessageId{105}.text()), std::string::npos)
      << restored.error().message;
}

TEST(StoreSalvage, SavesEveryWholeMessageAndNamesTheDamaged) {
  House house;
  Witness witness;
  ASSERT_TRUE(house.open());
  ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
  ASSERT_TRUE(one(*house.store, &Store::put_objects, ObjectPut{{"domain", "a.pl"}, "{}", false}));
  ASSERT_TRUE(house.store->commit());
  house.close_without_wal();
  auto& octets = house.disk.files()["/false/store/goniec.db"]->now;
  const auto at = octets.find(std::string(4000, 'b'));  // in the body of 105 ('a' + 105 % 26)
  ASSERT_NE(at, std::string::npos);
  octets[at + 2000] ^= 1;
  const auto before = octets;
  const auto report =
      salvage_store({"/false/store", {}, &house.log}, "/false/saved", house.disk, house.clock);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->damaged, 1u);
  EXPECT_EQ(report->whole, witness.queued.size() - witness.settled.size() - 1);
  ASSERT_EQ(report->lines.size(), 1u);
  EXPECT_NE(report->lines[0].find(MessageId{105}.text()), std::string::npos) << report->lines[0];
  EXPECT_NE(report->lines[0].find("b@wp.pl"), std::string::npos) << report->lines[0];
  EXPECT_EQ(house.disk.files()["/false/store/goniec.db"]->now, before);
  auto saved =
      open_sqlite_store({"/false/saved", small_journal(), &house.log}, house.disk, house.clock);
  ASSERT_TRUE(saved) << saved.error().message;
  Witness expected = witness;
  expected.queued.erase(105);
  judge(**saved, expected, "saved: ");
  EXPECT_EQ((*saved)->highest_id().value, 109u);
  EXPECT_EQ(*(*(*saved)->reader())->object({"domain", "a.pl"}), "{}");
}

TEST(StoreSalvage, TakesFromTheJournalWhatTheDatabaseHasLostOrNeverHad) {
  House house;
  Witness before, witness;
  ASSERT_TRUE(house.open());
  ASSERT_TRUE(live(*house.store, house.clock, 100, before));
  ASSERT_TRUE(one(*house.store, &Store::put_objects, ObjectPut{{"domain", "a.pl"}, "{}", false}));
  ASSERT_TRUE(house.store->commit());  // in the database alone: without it, groups are missing
  ASSERT_TRUE(live(*house.store, house.clock, 200, witness));
  house.disk.stop_at(1);  // the end of the process: nothing reaches the database any more
  house.store.reset();
  house.disk.crash(0);
  for (const char* file : {"/false/store/goniec.db", "/false/store/goniec.db-wal"})
    house.disk.files().erase(file);
  const auto opened = house.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::damaged) << opened.error().message;
  for (const char* file : {"/false/store/goniec.db", "/false/store/goniec.db-wal"})
    house.disk.files().erase(file);
  const auto report = salvage_store({"/false/store", small_journal(), &house.log}, "/false/saved",
                                    house.disk, house.clock);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->damaged, 0u);
  EXPECT_GE(report->whole, witness.queued.size() - witness.settled.size());
  auto saved =
      open_sqlite_store({"/false/saved", small_journal(), &house.log}, house.disk, house.clock);
  ASSERT_TRUE(saved) << saved.error().message;
  witness.maybe_queued.insert(before.queued.begin(), before.queued.end());  // what is left of it
  judge(**saved, witness, "saved from the journal: ");
}

TEST(StoreSalvage, TakesFromTheJournalWhatABrokenLogHides) {
  for (const std::size_t at : {40u, 2208u, 9000u, 30000u}) {
    House house;
    Witness witness;
    ASSERT_TRUE(house.open());
    ASSERT_TRUE(live(*house.store, house.clock, 100, witness));
    ASSERT_TRUE((*house.store->reader())->stats());  // the log has all of it, the database little
    house.disk.stop_at(1);
    house.store.reset();
    house.disk.crash(0);
    auto& log = house.disk.files()["/false/store/goniec.db-wal"]->now;
    if (log.size() > at) log[at] ^= 0x40;
    const auto report = salvage_store({"/false/store", small_journal(), &house.log}, "/false/saved",
                                      house.disk, house.clock);
    ASSERT_TRUE(report) << at << report.error().message;
    auto saved =
        open_sqlite_store({"/false/saved", small_journal(), &house.log}, house.disk, house.clock);
    ASSERT_TRUE(saved) << at << saved.error().message;
    Witness ignored = witness;
    ignored.queued.clear();  // files of the journal were used again: not all of it is there
    ignored.settled.clear();
    judge(**saved, ignored, fmt::format("log broken at {}: ", at));
    EXPECT_GE(report->whole, 3u) << at;
  }
}

TEST(StoreSalvage, WorksWithoutTheFirstPageAndWithRandomHoles) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    House house;
    Witness witness;
    ASSERT_TRUE(house.open());
    for (std::uint64_t first = 100; first < 1000; first += 100) {
      ASSERT_TRUE(live(*house.store, house.clock, first, witness));
    }
    house.close_without_wal();
    auto& octets = house.disk.files()["/false/store/goniec.db"]->now;
    std::mt19937 chance(seed);
    const std::size_t page = seed == 0 ? 0 : chance() % (octets.size() / 8192);
    octets.replace(page * 8192, 8192, std::string(8192, '\xA5'));
    const auto report =
        salvage_store({"/false/store", {}, &house.log}, "/false/saved", house.disk, house.clock);
    ASSERT_TRUE(report) << seed << report.error().message;
    auto saved =
        open_sqlite_store({"/false/saved", small_journal(), &house.log}, house.disk, house.clock);
    ASSERT_TRUE(saved) << seed << saved.error().message;
    Witness ignored = witness;
    ignored.queued.clear();
    ignored.settled.clear();
    judge(**saved, ignored, fmt::format("hole in page {}: ", page));
    const std::size_t all = witness.queued.size() - witness.settled.size();
    EXPECT_GE(report->whole + 3, all) << "what lies on other pages is whole: page " << page;
    if (seed == 0) EXPECT_EQ(report->whole, all);
  }
}

}  // namespace
}  // namespace goniec::test
