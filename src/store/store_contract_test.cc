// The contract of store.h, run on every engine: memory; SQLite on a real disk with its apply
// thread; SQLite on the false disk, with groups that reach the database late, or at once. What an
// engine may not do (survive a restart) is skipped by name.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>

#include "run/disk.h"
#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

enum class Engine { memory, sqlite_on_disk, sqlite_on_false_disk, sqlite_applied_at_once };

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class StoreContract : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam() == Engine::sqlite_on_disk) {
      std::string name = (std::filesystem::temp_directory_path() / "goniec-store-XXXXXX").string();
      ASSERT_NE(::mkdtemp(name.data()), nullptr);
      directory_ = name;
      disk_ = std::make_unique<SystemDisk>();
    } else {
      directory_ = "/false";
      disk_ = std::make_unique<FaultDisk>();
    }
    open();
  }
  void TearDown() override {
    store_.reset();
    if (GetParam() == Engine::sqlite_on_disk) std::filesystem::remove_all(directory_);
  }
  void open() {
    if (GetParam() == Engine::memory) {
      store_ = make_memory_store({}, clock_);
      return;
    }
    StoreOptions options{directory_ + "/store", small_journal(), &log_};
    if (GetParam() == Engine::sqlite_on_disk) options.apply = ApplyMode::own_thread;
    if (GetParam() == Engine::sqlite_applied_at_once) options.limits.apply_octets = 0;
    auto opened = open_sqlite_store(options, *disk_, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  void reopen() {
    store_.reset();
    open();
  }
  bool survives() const { return GetParam() != Engine::memory; }
  Instant now() const { return clock_.now(); }
  void commit() {
    auto mark = store_->commit();
    ASSERT_TRUE(mark) << mark.error().message;
    EXPECT_LE(*mark, store_->synced());
  }
  std::unique_ptr<Reader> reader() {
    auto opened = store_->reader();
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  // Spools and commits; the lease of its first entry.
  Lease spooled(const SpoolRequest& request) {
    auto result = spool(*store_, request);
    EXPECT_TRUE(result) << result.error().message;
    commit();
    return result && !result->leases.empty() ? result->leases[0] : Lease{};
  }
  std::vector<LeasedEntry> lease(Instant at, std::size_t limit = 100) {
    auto leased = store_->lease({.now = at, .limit = limit});
    EXPECT_TRUE(leased) << leased.error().message;
    return std::move(leased->entries);
  }
  std::vector<QueueItem> list(const QueueFilter& filter = {}) { return *reader()->list(filter); }

  FalseClock clock_;
  CountingLog log_;
  std::string directory_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Engines, StoreContract,
                         ::testing::Values(Engine::memory, Engine::sqlite_on_disk,
                                           Engine::sqlite_on_false_disk,
                                           Engine::sqlite_applied_at_once),
                         [](const auto& engine) -> std::string {
                           switch (engine.param) {
                             case Engine::memory:
                               return "Memory";
                             case Engine::sqlite_on_disk:
                               return "SqliteOnDisk";
                             case Engine::sqlite_on_false_disk:
                               return "SqliteOnFalseDisk";
                             case Engine::sqlite_applied_at_once:
                               return "SqliteAppliedAtOnce";
                           }
                           return "";
                         });

// ---------------------------------------------------------------- spool

TEST_P(StoreContract, ASpooledMessageIsListedWithAllItsFieldsAndItsContentIsRead) {
  auto request = letter(42, now(), {"b@wp.pl", "c@wp.pl", "d@onet.pl"});
  request.message.sender.envelope_id = "xyz";
  request.message.sender.declared_size = 1234;
  request.message.sender.ret = DsnReturn::headers;
  request.message.sender.requiretls = true;
  request.message.tls_policies_off = true;
  request.message.parent = MessageId{7};
  request.message.stream = "bulk";
  request.entries[0].recipients[1].recipient.notify.success = true;
  request.entries[0].recipients[1].recipient.original_recipient = "rfc822;c@wp.pl";
  const auto result = spool(*store_, request);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->leases.size(), 2u);
  commit();
  const auto items = list();
  ASSERT_EQ(items.size(), 2u);
  const auto& item = items[0];
  EXPECT_EQ(item.message.id.value, 42u);
  EXPECT_EQ(item.message.parent.value, 7u);
  EXPECT_EQ(item.message.stream, "bulk");
  EXPECT_EQ(item.message.sender.address.text(), "a@example.org");
  EXPECT_EQ(item.message.sender.envelope_id, "xyz");
  EXPECT_EQ(item.message.sender.declared_size, 1234u);
  EXPECT_EQ(item.message.sender.ret, DsnReturn::headers);
  EXPECT_TRUE(item.message.sender.requiretls);
  EXPECT_FALSE(item.message.sender.smtputf8);
  EXPECT_TRUE(item.message.tls_policies_off);
  EXPECT_FALSE(item.message.requires_8bit);
  EXPECT_EQ(item.octets, request.message.content.size());
  EXPECT_EQ(item.entry.domain.ascii(), "wp.pl");
  EXPECT_EQ(item.entry.state, EntryState::leased);
  ASSERT_EQ(item.entry.recipients.size(), 2u);
  EXPECT_TRUE(item.entry.recipients[1].recipient.notify.success);
  EXPECT_EQ(item.entry.recipients[1].recipient.original_recipient, "rfc822;c@wp.pl");
  const auto content = reader()->content(MessageId{42});
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_EQ(content->header, request.message.content.header);
  EXPECT_EQ(content->prepend, request.message.content.prepend);
  EXPECT_EQ(content->size(), request.message.content.size());
  EXPECT_EQ(reader()->chunk(MessageId{42}, 0), request.chunks[0]);
  EXPECT_EQ(store_->highest_id().value, 42u);
}

TEST_P(StoreContract, ASecondSpoolOfAnIdIsAConflictAndChangesNothing) {
  spooled(letter(1, now()));
  const auto again = spool(*store_, letter(1, now(), {"x@else.pl"}));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::conflict);
  commit();
  ASSERT_EQ(list().size(), 1u);
  EXPECT_EQ(list()[0].entry.domain.ascii(), "wp.pl");
}

TEST_P(StoreContract, ARefusedItemFailsAloneInItsBatch) {
  std::vector<SpoolRequest> batch{letter(1, now()), letter(1, now()), letter(2, now()),
                                  letter(3, now())};
  batch[2].entries.clear();
  const auto answers = store_->spool(batch);
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_TRUE(answers[0]);
  EXPECT_EQ(answers[1].error().kind, ErrorKind::conflict);
  EXPECT_EQ(answers[2].error().kind, ErrorKind::bad_data);
  EXPECT_TRUE(answers[3]);
  commit();
  EXPECT_EQ(list().size(), 2u);
}

TEST_P(StoreContract, WrongRequestsAreRefusedByTheirFault) {
  struct Case {
    const char* fault;
    void (*spoil)(SpoolRequest&);
  };
  const Case cases[] = {
      {"no id", [](SpoolRequest& request) { request.message.id = {}; }},
      {"an entry of another message",
       [](SpoolRequest& request) { request.entries[0].id.message.value = 9; }},
      {"an entry that is leased",
       [](SpoolRequest& request) { request.entries[0].state = EntryState::leased; }},
      {"no recipients", [](SpoolRequest& request) { request.entries[0].recipients.clear(); }},
      {"two entries of a number",
       [](SpoolRequest& request) { request.entries.push_back(request.entries[0]); }},
      {"a chunk too many", [](SpoolRequest& request) { request.chunks.emplace_back("x"); }},
      {"a chunk too large", [](SpoolRequest& request) { request.chunks[0].assign(65537, 'x'); }},
      {"octets that are not there",
       [](SpoolRequest& request) { ++request.message.content.body_octets; }},
  };
  std::uint64_t id = 1;
  for (const auto& wrong : cases) {
    auto request = letter(id++, now());
    wrong.spoil(request);
    const auto result = spool(*store_, request);
    ASSERT_FALSE(result) << wrong.fault;
    EXPECT_EQ(result.error().kind, ErrorKind::bad_data) << wrong.fault;
  }
  commit();
  EXPECT_TRUE(list().empty());
}

TEST_P(StoreContract, LeasesAreGivenAtSpoolOnlyToEntriesThatAreDueByNow) {
  auto request = letter(1, now(), {"b@wp.pl", "c@onet.pl", "d@o2.pl"});
  request.entries[1].state = EntryState::held;
  request.entries[2].due = now() + hours(1);
  const auto result = spool(*store_, request);
  ASSERT_TRUE(result);
  EXPECT_NE(result->leases[0].fence, 0u);
  EXPECT_EQ(result->leases[1].fence, 0u);
  EXPECT_EQ(result->leases[2].fence, 0u);
  commit();
  EXPECT_TRUE(lease(now()).empty());
  EXPECT_EQ(lease(now() + hours(1)).size(), 1u);
}

// ---------------------------------------------------------------- chunks

TEST_P(StoreContract, ALargeBodyComesInChunksBeforeItsEnvelope) {
  auto request = letter(5, now(), {"b@wp.pl"}, std::string(300000, 'x'));
  std::vector<std::string> all = request.chunks;
  for (std::uint32_t i = 0; i + 1 < all.size(); ++i) {
    ASSERT_TRUE(one(*store_, &Store::write_chunks, ChunkWrite{MessageId{5}, i, all[i]}));
    commit();
  }
  EXPECT_TRUE(list().empty());
  request.chunks = {all.back()};
  const auto lease = spooled(request);
  auto reads = reader();
  for (std::uint32_t i = 0; i < all.size(); ++i) EXPECT_EQ(*reads->chunk(MessageId{5}, i), all[i]);
  EXPECT_EQ(reads->chunk(MessageId{5}, 9).error().kind, ErrorKind::not_found);
  ASSERT_TRUE(settle(*store_, delivered(lease, 1, now())));
  commit();
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(reads->chunk(MessageId{5}, 0).error().kind, ErrorKind::not_found);
}

TEST_P(StoreContract, AMissingChunkIsFoundAtSpool) {
  auto request = letter(5, now(), {"b@wp.pl"}, std::string(200000, 'x'));
  ASSERT_TRUE(one(*store_, &Store::write_chunks, ChunkWrite{MessageId{5}, 0, request.chunks[0]}));
  request.chunks.erase(request.chunks.begin(), request.chunks.begin() + 2);
  const auto result = spool(*store_, request);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::bad_data);
  commit();
}

TEST_P(StoreContract, ChunksWithoutMessageGoByDiscardOrAtTheNextStart) {
  const ChunkWrite chunk{MessageId{5}, 0, "abc"};
  ASSERT_TRUE(one(*store_, &Store::write_chunks, chunk));
  commit();
  EXPECT_EQ(one(*store_, &Store::write_chunks, chunk).error().kind, ErrorKind::conflict);
  ASSERT_TRUE(one(*store_, &Store::discard_chunks, MessageId{5}));
  commit();
  EXPECT_TRUE(one(*store_, &Store::write_chunks, chunk));
  commit();
  reopen();
  EXPECT_TRUE(one(*store_, &Store::write_chunks, chunk));
}

// ---------------------------------------------------------------- settle

TEST_P(StoreContract, ASettledMessageLeavesOnlyItsEvents) {
  const auto lease = spooled(letter(1, now()));
  const auto result = settle(*store_, delivered(lease, 1, now()));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->entry.state, EntryState::settled);
  EXPECT_EQ(result->entry.recipients[0].state, RecipientState::delivered);
  EXPECT_EQ(result->entry.recipients[0].tries, 1u);
  EXPECT_EQ(result->entry.recipients[0].reply, "250 2.0.0 ok");
  commit();
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(reader()->content(MessageId{1}).error().kind, ErrorKind::not_found);
  const auto events = *reader()->events_of(MessageId{1});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::received);
  EXPECT_EQ(events[1].kind, EventKind::delivered);
  EXPECT_EQ(events[1].recipient, "b@wp.pl");
  EXPECT_EQ(events[1].data, R"({"rule":"test"})");
}

TEST_P(StoreContract, APartialSettleKeepsWhatIsDoneAndComesDueAgain) {
  const auto first = spooled(letter(1, now(), {"b@wp.pl", "c@wp.pl"}));
  SettleRequest request = deferred(first, now(), minutes(5));
  request.outcomes.push_back(outcome(1, RecipientState::delivered));
  request.delay_notified = {true, false};
  const auto result = settle(*store_, request);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->entry.tries, 1u);
  commit();
  EXPECT_TRUE(lease(now()).empty());
  EXPECT_EQ(store_->next_due(), now() + minutes(5));
  const auto leased = lease(now() + minutes(5));
  ASSERT_EQ(leased.size(), 1u);
  const auto& entry = leased[0].entry;
  EXPECT_EQ(entry.state, EntryState::leased);
  EXPECT_EQ(entry.recipients[0].state, RecipientState::queued);
  EXPECT_TRUE(entry.recipients[0].delay_notified);
  EXPECT_EQ(entry.recipients[0].reply, "451 4.7.1 greylisted");
  EXPECT_EQ(entry.recipients[1].state, RecipientState::delivered);
  EXPECT_EQ(leased[0].message.sender.address.text(), "a@example.org");
  EXPECT_EQ(leased[0].octets, letter(1, now(), {"b@wp.pl", "c@wp.pl"}).message.content.size());
  SettleRequest end;
  end.lease = leased[0].lease;
  end.now = now();
  end.outcomes = {outcome(0, RecipientState::failed, Reply(550, {5, 1, 1}, "no such user"))};
  EXPECT_EQ(settle(*store_, end)->entry.state, EntryState::settled);
}

TEST_P(StoreContract, AStaleFenceIsRefusedAndChangesNothing) {
  const auto old = spooled(letter(1, now()));
  store_->give_back({&old, 1});
  const auto leased = lease(now());
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_GT(leased[0].lease.fence, old.fence);
  const auto result = settle(*store_, delivered(old, 1, now()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::conflict);
  commit();
  EXPECT_EQ(reader()->events_of(MessageId{1})->size(), 1u);
  EXPECT_TRUE(settle(*store_, delivered(leased[0].lease, 1, now())));
  EXPECT_FALSE(settle(*store_, delivered(leased[0].lease, 1, now())));
}

TEST_P(StoreContract, ATryThatReachedNoHostDoesNotCount) {
  auto request = deferred(spooled(letter(1, now())), now(), minutes(1));
  request.counts_as_try = false;
  const auto result = settle(*store_, request);
  EXPECT_EQ(result->entry.tries, 0u);
  EXPECT_EQ(result->entry.recipients[0].tries, 0u);
}

TEST_P(StoreContract, AnOutcomeOfAnUnknownRecipientIsRefused) {
  auto request = delivered(spooled(letter(1, now())), 1, now());
  request.outcomes[0].recipient = 7;
  EXPECT_EQ(settle(*store_, request).error().kind, ErrorKind::bad_data);
  request.outcomes[0].recipient = 0;
  EXPECT_TRUE(settle(*store_, request));
}

TEST_P(StoreContract, NoticesAreSpooledInTheSettleThatCausesThem) {
  auto request = delivered(spooled(letter(1, now())), 1, now());
  request.notices.push_back(letter(2, now(), {"a@example.org"}));
  const auto result = settle(*store_, request);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->notices.size(), 1u);
  EXPECT_NE(result->notices[0].leases[0].fence, 0u);
  commit();
  ASSERT_EQ(list().size(), 1u);
  EXPECT_EQ(list()[0].message.id.value, 2u);
}

TEST_P(StoreContract, ANoticeWithATakenIdFailsTheWholeSettle) {
  spooled(letter(2, now()));
  auto request = delivered(spooled(letter(1, now())), 1, now());
  request.notices.push_back(letter(2, now()));
  EXPECT_EQ(settle(*store_, request).error().kind, ErrorKind::conflict);
  commit();
  EXPECT_EQ(list().size(), 2u);
  request.notices.clear();
  EXPECT_TRUE(settle(*store_, request));
}

// ---------------------------------------------------------------- lease

TEST_P(StoreContract, EntriesAreLeasedOldestDueFirstAndOnce) {
  for (std::uint64_t id = 1; id <= 5; ++id) {
    auto request = letter(id, now());
    request.lease = false;
    request.entries[0].due = now() - minutes(id);
    spooled(request);
  }
  const auto first = lease(now(), 2);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].entry.id.message.value, 5u);
  EXPECT_EQ(first[1].entry.id.message.value, 4u);
  const auto rest = lease(now());
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest[0].entry.id.message.value, 3u);
  EXPECT_TRUE(lease(now()).empty());
  EXPECT_FALSE(store_->next_due());
  EXPECT_EQ(list({.state = EntryState::leased}).size(), 5u);
  store_->give_back({&first[1].lease, 1});
  EXPECT_EQ(store_->next_due(), now() - minutes(4));
  EXPECT_EQ(lease(now())[0].entry.id.message.value, 4u);
}

TEST_P(StoreContract, WhatComesDueBehindTheWindowIsFound) {
  auto late = letter(10, now());
  late.lease = false;
  spooled(late);
  ASSERT_EQ(lease(now()).size(), 1u);
  auto early = letter(11, now());
  early.lease = false;
  early.entries[0].due = now() - hours(1);
  spooled(early);
  EXPECT_EQ(store_->next_due(), now() - hours(1));
  const auto leased = lease(now());
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].entry.id.message.value, 11u);
}

TEST_P(StoreContract, OnlyTheNamedEntriesAreLeasedByHand) {
  for (std::uint64_t id = 1; id <= 3; ++id) {
    auto request = letter(id, now());
    request.lease = false;
    spooled(request);
  }
  const auto leased = store_->lease({now(), 100, {{MessageId{2}, 0}, {MessageId{9}, 0}}})->entries;
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].entry.id.message.value, 2u);
  EXPECT_EQ(lease(now()).size(), 2u);
}

// ---------------------------------------------------------------- shares of domains

TEST_P(StoreContract, ADomainAtItsShareIsPassedOverUntilALeaseOfItEnds) {
  for (std::uint64_t id = 1; id <= 30; ++id) {
    auto request = letter(id, now() - hours(1) + seconds(id / 3), {"b@full.test"});
    request.lease = false;
    spooled(request);
  }
  auto other = letter(31, now() - minutes(1), {"b@other.test"});
  other.lease = false;
  spooled(other);
  auto leased = *store_->lease({.now = now(), .domain_most = 4});
  ASSERT_EQ(leased.entries.size(), 5u);
  EXPECT_TRUE(leased.domain_full);
  EXPECT_FALSE(leased.more);
  EXPECT_FALSE(store_->next_due()) << "what waits for its share wakes nobody";
  std::map<std::uint64_t, Lease> leases;
  for (const auto& each : leased.entries) leases[each.lease.entry.message.value] = each.lease;
  for (std::uint64_t id : {1u, 2u, 3u, 4u, 31u}) EXPECT_TRUE(leases.contains(id)) << id;
  EXPECT_TRUE(store_->lease({.now = now(), .domain_most = 4})->entries.empty());

  ASSERT_TRUE(settle(*store_, delivered(leases[2], 1, now())));
  store_->give_back({&leases[4], 1});
  commit();
  leased = *store_->lease({.now = now(), .domain_most = 4});
  ASSERT_EQ(leased.entries.size(), 2u);
  std::set<std::uint64_t> next;
  for (const auto& each : leased.entries) next.insert(each.lease.entry.message.value);
  EXPECT_EQ(next, (std::set<std::uint64_t>{4, 5}));
  EXPECT_EQ(lease(now()).size(), 25u) << "without a share, all that is left";
}

TEST_P(StoreContract, ASpoolLeasesOnlyUpToTheDomainsShare) {
  for (std::uint64_t id = 1; id <= 5; ++id) {
    auto request = letter(id, now(), {"b@full.test", fmt::format("b@d{}.test", id)});
    request.domain_most = 3;
    const auto result = spool(*store_, request);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->leases[0].fence != 0, id <= 3) << id;
    EXPECT_NE(result->leases[1].fence, 0u) << id;
  }
  commit();
  EXPECT_TRUE(store_->lease({.now = now(), .domain_most = 3})->domain_full);
  EXPECT_EQ(store_->lease({.now = now(), .domain_most = 4})->entries.size(), 1u);
}

// Few rows a second, many domains between them, an order that the ends of leases mix: whatever is
// due is leased some time, once, and no domain has more than its share.
TEST_P(StoreContract, EveryDomainGetsAllItsMailThroughItsShare) {
  std::mt19937 chance(7);
  constexpr std::uint64_t letters = 400;
  for (std::uint64_t id = 1; id <= letters; ++id) {
    const std::string domain = chance() % 2 ? "big" : fmt::format("d{}", chance() % 20);
    auto request = letter(id, now() - minutes(10) + std::chrono::milliseconds(chance() % 60000),
                          {"b@" + domain + ".test"});
    request.lease = false;
    ASSERT_TRUE(spool(*store_, request));
  }
  commit();
  std::map<std::string, std::vector<Lease>> held;
  std::size_t done = 0;
  for (int round = 0; round < 2000 && done < letters; ++round) {
    const auto leased =
        *store_->lease({.now = now(), .limit = 1 + chance() % 20, .domain_most = 5});
    for (const auto& each : leased.entries) {
      auto& of_domain = held[each.entry.domain.ascii()];
      of_domain.push_back(each.lease);
      EXPECT_LE(of_domain.size(), 5u) << each.entry.domain.ascii();
    }
    std::size_t out = 0;
    for (const auto& [domain, leases] : held) out += leases.size();
    ASSERT_TRUE(out > 0 || leased.more) << "of " << letters << " after " << done;
    for (auto& [domain, leases] : held) {
      if (leases.empty() || chance() % 3 == 0) continue;
      if (chance() % 4 == 0) {
        store_->give_back({&leases.back(), 1});
      } else {
        ASSERT_TRUE(settle(*store_, delivered(leases.back(), 1, now())));
        ++done;
      }
      leases.pop_back();
    }
    commit();
  }
  EXPECT_EQ(done, letters);
}

TEST_P(StoreContract, LeasesAreForgottenByARestart) {
  if (!survives()) GTEST_SKIP() << "nothing survives";
  const auto old = spooled(letter(1, now()));
  reopen();
  EXPECT_EQ(settle(*store_, delivered(old, 1, now())).error().kind, ErrorKind::conflict);
  const auto leased = lease(now());
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_NE(leased[0].lease.fence, old.fence);
  EXPECT_EQ(store_->highest_id().value, 1u);
}

// ---------------------------------------------------------------- changes by hand

TEST_P(StoreContract, HoldReleaseAndRetry) {
  const EntryId id{MessageId{1}, 0};
  auto request = letter(1, now());
  request.lease = false;
  request.entries[0].due = now() + hours(1);
  spooled(request);
  const auto change = [&](QueueAction action) {
    QueueChange wanted;
    wanted.entry = id;
    wanted.action = action;
    wanted.now = now();
    auto answer = one(*store_, &Store::change, wanted);
    EXPECT_TRUE(answer) << answer.error().message;
    commit();
    return *answer;
  };
  EXPECT_EQ(change(QueueAction::hold).state, EntryState::held);
  EXPECT_FALSE(store_->next_due());
  EXPECT_TRUE(lease(now() + hours(2)).empty());
  EXPECT_EQ(list({.state = EntryState::held}).size(), 1u);
  EXPECT_EQ(change(QueueAction::release).state, EntryState::due);
  EXPECT_EQ(store_->next_due(), now() + hours(1));
  EXPECT_EQ(change(QueueAction::retry).due, now());
  EXPECT_EQ(store_->next_due(), now());
  ASSERT_EQ(lease(now()).size(), 1u);
  EXPECT_EQ(change(QueueAction::retry).state, EntryState::leased);
}

TEST_P(StoreContract, AnEntryThatIsBeingDeliveredIsNotChanged) {
  spooled(letter(1, now()));
  for (const auto action :
       {QueueAction::hold, QueueAction::release, QueueAction::expire, QueueAction::remove}) {
    QueueChange change;
    change.entry = {MessageId{1}, 0};
    change.action = action;
    const auto answer = one(*store_, &Store::change, change);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::conflict);
  }
  QueueChange unknown;
  unknown.entry = {MessageId{2}, 0};
  EXPECT_EQ(one(*store_, &Store::change, unknown).error().kind, ErrorKind::not_found);
}

TEST_P(StoreContract, ExpireSettlesWithNoticesAndRemoveWithout) {
  auto first = letter(1, now(), {"b@wp.pl", "c@wp.pl"});
  first.lease = false;
  spooled(first);
  auto second = letter(2, now());
  second.lease = false;
  spooled(second);
  QueueChange expire;
  expire.entry = {MessageId{1}, 0};
  expire.action = QueueAction::expire;
  expire.now = now();
  expire.outcomes = {outcome(0, RecipientState::failed, Reply(550, {5, 4, 7}, "too old"))};
  expire.notices.push_back(letter(3, now(), {"a@example.org"}));
  const auto expired = one(*store_, &Store::change, expire);
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->recipients[0].state, RecipientState::failed);
  EXPECT_EQ(expired->recipients[1].state, RecipientState::expired);
  QueueChange remove;
  remove.entry = {MessageId{2}, 0};
  remove.action = QueueAction::remove;
  remove.now = now();
  remove.events = {event(MessageId{2}, EventKind::deleted, now())};
  ASSERT_TRUE(one(*store_, &Store::change, remove));
  commit();
  ASSERT_EQ(list().size(), 1u);
  EXPECT_EQ(list()[0].message.id.value, 3u);
  EXPECT_EQ(reader()->content(MessageId{1}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(reader()->content(MessageId{2}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(reader()->events_of(MessageId{2})->back().kind, EventKind::deleted);
}

// ---------------------------------------------------------------- list and stats

TEST_P(StoreContract, ListFilters) {
  auto first = letter(1, now(), {"Anna@wp.pl"});
  auto second = letter(2, now() + minutes(1), {"bob@onet.pl"});
  auto third = letter(3, now() + minutes(2), {"carol@onet.pl", "anna@o2.pl"});
  second.message.sender.address = address("news@lists.pl");
  second.message.stream = "bulk";
  for (auto* request : {&first, &second, &third}) {
    request->lease = false;
    spooled(*request);
  }
  const auto ids = [&](QueueFilter filter) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
    for (const auto& item : list(filter))
      found.emplace_back(item.entry.id.message.value, item.entry.id.number);
    return found;
  };
  using Ids = std::vector<std::pair<std::uint64_t, std::uint32_t>>;
  EXPECT_EQ(ids({}), (Ids{{1, 0}, {2, 0}, {3, 0}, {3, 1}}));
  EXPECT_EQ(ids({.ids = {MessageId{3}, MessageId{1}}}), (Ids{{1, 0}, {3, 0}, {3, 1}}));
  EXPECT_EQ(ids({.to = "ANNA"}), (Ids{{1, 0}, {3, 1}}));
  EXPECT_EQ(ids({.from = "news@"}), (Ids{{2, 0}}));
  EXPECT_EQ(ids({.domain = "onet.pl"}), (Ids{{2, 0}, {3, 0}}));
  EXPECT_EQ(ids({.stream = "bulk"}), (Ids{{2, 0}}));
  EXPECT_EQ(ids({.older_than = now() + minutes(1)}), (Ids{{1, 0}}));
  EXPECT_EQ(ids({.after = EntryId{MessageId{3}, 0}}), (Ids{{3, 1}}));
  EXPECT_EQ(ids({.limit = 2}), (Ids{{1, 0}, {2, 0}}));
  EXPECT_EQ(ids({.state = EntryState::held}), Ids{});
}

TEST_P(StoreContract, StatsCountEntriesMessagesAndSites) {
  spooled(letter(1, now(), {"a@wp.pl", "b@onet.pl"}));
  const auto lease = spooled(letter(2, now() - minutes(3), {"a@wp.pl"}));
  ASSERT_TRUE(settle(*store_, deferred(lease, now(), minutes(1))));
  auto held = letter(3, now(), {"a@wp.pl"});
  held.entries[0].state = EntryState::held;
  spooled(held);
  const auto stats = *reader()->stats();
  EXPECT_EQ(stats.leased, 2u);
  EXPECT_EQ(stats.due, 1u);
  EXPECT_EQ(stats.deferred, 1u);
  EXPECT_EQ(stats.held, 1u);
  EXPECT_EQ(stats.messages, 3u);
  EXPECT_EQ(stats.octets, 3 * letter(1, now()).message.content.size());
  EXPECT_EQ(stats.oldest, now() - minutes(3));
  ASSERT_EQ(stats.top.size(), 2u);
  EXPECT_EQ(stats.top[0].domain.ascii(), "wp.pl");
  EXPECT_EQ(stats.top[0].entries, 3u);
}

// ---------------------------------------------------------------- events

TEST_P(StoreContract, EventsAreOneGaplessSequence) {
  for (std::uint64_t id = 1; id <= 5; ++id) {
    const auto lease = spooled(letter(id, now()));
    ASSERT_TRUE(settle(*store_, delivered(lease, 1, now())));
  }
  commit();
  auto reads = reader();
  const auto first = *reads->events_after(0, 4);
  ASSERT_EQ(first.size(), 4u);
  const auto rest = *reads->events_after(first.back().sequence, 100);
  ASSERT_EQ(rest.size(), 6u);
  EXPECT_EQ(rest.front().sequence, first.back().sequence + 1);
  EXPECT_EQ(rest.back().sequence, first.front().sequence + 9);
}

TEST_P(StoreContract, AMessageIsFoundByItsMessageIdNewestFirst) {
  for (std::uint64_t id = 1; id <= 5; ++id) {
    auto request = letter(id, now());
    request.message.message_id = id % 2 ? "same@example.org" : "other@example.org";
    ASSERT_TRUE(settle(*store_, delivered(spooled(request), 1, now())));
  }
  commit();
  EXPECT_EQ(*reader()->find_by_message_id("same@example.org"),
            (std::vector<MessageId>{MessageId{5}, MessageId{3}, MessageId{1}}));
  EXPECT_TRUE(reader()->find_by_message_id("none@example.org")->empty());
}

TEST_P(StoreContract, SweepDropsOldEventsAndContentPastItsRetention) {
  auto kept = letter(1, now());
  kept.keep_until = now() + hours(24);
  ASSERT_TRUE(settle(*store_, delivered(spooled(kept), 1, now())));
  commit();
  EXPECT_TRUE(reader()->content(MessageId{1}));
  EXPECT_EQ(store_->sweep(now() + hours(1), now(), 100), 0u);
  commit();
  EXPECT_TRUE(reader()->content(MessageId{1}));
  EXPECT_EQ(store_->sweep(now() + hours(25), now() + hours(1), 2), 2u);
  EXPECT_EQ(store_->sweep(now() + hours(25), now() + hours(1), 100), 1u);
  commit();
  EXPECT_EQ(reader()->content(MessageId{1}).error().kind, ErrorKind::not_found);
  EXPECT_TRUE(reader()->events_of(MessageId{1})->empty());
  spooled(letter(2, now()));
  EXPECT_GT(reader()->events_of(MessageId{2})->front().sequence, 2u);
}

// ---------------------------------------------------------------- mailboxes

TEST_P(StoreContract, AMailboxHoldsTheContentUntilItsLastMessageIsRemoved) {
  const auto anna = address("anna@example.org"), bob = address("bob@example.org");
  auto request =
      delivered(spooled(letter(1, now(), {"anna@example.org", "bob@example.org"})), 2, now());
  request.appends = {{anna, "INBOX", "Return-Path: <a>\r\n", now()}, {bob, "INBOX", "", now()}};
  const auto result = settle(*store_, request);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->entry.state, EntryState::settled);
  EXPECT_EQ(result->append_uids, (std::vector<std::uint64_t>{1, 1}));
  commit();
  auto reads = reader();
  const auto messages = *reads->mailbox(anna, "INBOX");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].content.value, 1u);
  EXPECT_EQ(messages[0].prepend, "Return-Path: <a>\r\n");
  EXPECT_EQ(messages[0].octets,
            letter(1, now()).message.content.size() + messages[0].prepend.size());
  const auto usage = *reads->mailbox_usage(anna, "INBOX");
  EXPECT_EQ(usage.messages, 1u);
  EXPECT_EQ(usage.octets, messages[0].octets);
  EXPECT_EQ(usage.uid_next, 2u);
  EXPECT_NE(usage.uid_validity, 0u);
  EXPECT_EQ(*reads->mailbox_octets(anna), messages[0].octets);
  ASSERT_TRUE(one(*store_, &Store::remove_from_mailbox, MailboxRemove{anna, "INBOX", {1, 7}}));
  commit();
  EXPECT_TRUE(reads->mailbox(anna, "INBOX")->empty());
  EXPECT_TRUE(reads->content(MessageId{1}));
  ASSERT_TRUE(one(*store_, &Store::remove_from_mailbox, MailboxRemove{bob, "INBOX", {1}}));
  commit();
  EXPECT_EQ(reads->content(MessageId{1}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(reads->mailbox_usage(anna, "INBOX")->octets, 0u);
}

TEST_P(StoreContract, UidsAreNeverReused) {
  const auto anna = address("anna@example.org");
  for (std::uint64_t id = 1; id <= 3; ++id) {
    auto request = delivered(spooled(letter(id, now())), 1, now());
    request.appends = {{anna, "INBOX", "", now()}};
    EXPECT_EQ(settle(*store_, request)->append_uids[0], id);
    ASSERT_TRUE(one(*store_, &Store::remove_from_mailbox, MailboxRemove{anna, "INBOX", {id}}));
  }
}

// ---------------------------------------------------------------- objects
TEST_P(StoreContract, ObjectsArePutReadListedAndRemoved) {
  const ObjectKey key{"domain", "example.org"};
  ASSERT_TRUE(one(*store_, &Store::put_objects, ObjectPut{key, "{}", true}));
  EXPECT_EQ(one(*store_, &Store::put_objects, ObjectPut{key, "{}", true}).error().kind,
            ErrorKind::conflict);
  ASSERT_TRUE(one(*store_, &Store::put_objects, ObjectPut{key, R"({"a":1})", false}));
  ASSERT_TRUE(one(*store_, &Store::put_objects, ObjectPut{{"domain", "a.pl"}, "1", false}));
  ASSERT_TRUE(one(*store_, &Store::put_objects, ObjectPut{{"user", "a.pl"}, "2", false}));
  commit();
  EXPECT_EQ(*reader()->object(key), R"({"a":1})");
  EXPECT_EQ(*reader()->object({"domain", "none"}), std::nullopt);
  const auto objects = *reader()->objects("domain");
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].first, "a.pl");
  EXPECT_EQ(reader()->objects_after({"domain", ""}, 1)->front(), objects[0]);
  EXPECT_EQ(*reader()->objects_after({"domain", "a.pl"}, 9), std::vector{objects[1]});
  EXPECT_EQ(*one(*store_, &Store::remove_objects, key), true);
  EXPECT_EQ(*one(*store_, &Store::remove_objects, key), false);
  commit();
  EXPECT_EQ(*reader()->object(key), std::nullopt);
}

// ---------------------------------------------------------------- the group
TEST_P(StoreContract, NothingIsSeenBeforeTheCommit) {
  if (!survives()) GTEST_SKIP() << "the memory engine shows its open group";
  auto reads = reader();
  ASSERT_TRUE(spool(*store_, letter(1, now())));
  EXPECT_TRUE(reads->list({})->empty());
  EXPECT_TRUE(reads->events_after(0, 10)->empty());
  EXPECT_EQ(store_->synced(), 0u);
  commit();
  EXPECT_EQ(reads->list({})->size(), 1u);
  EXPECT_EQ(store_->synced(), 1u);
}

TEST_P(StoreContract, WhatIsCommittedIsThereAfterAReopen) {
  if (!survives()) GTEST_SKIP() << "nothing survives";
  auto request = deferred(spooled(letter(1, now(), {"b@wp.pl", "c@onet.pl"})), now(), minutes(5));
  ASSERT_TRUE(settle(*store_, request));
  commit();
  ASSERT_TRUE(spool(*store_, letter(2, now())));  // not committed
  reopen();
  const auto items = list();
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].entry.tries, 1u);
  EXPECT_EQ(items[0].entry.due, now() + minutes(5));
  EXPECT_EQ(store_->next_due(), now());
  EXPECT_EQ(reader()->find_by_message_id("1@example.org")->size(), 1u);
  EXPECT_EQ(store_->synced(), 2u);
  EXPECT_EQ(store_->highest_id().value, 1u);
}

TEST_P(StoreContract, AnEmptyGroupCostsNoMark) {
  commit();
  const auto mark = store_->synced();
  commit();
  EXPECT_EQ(store_->synced(), mark);
}

}  // namespace
}  // namespace goniec::test
