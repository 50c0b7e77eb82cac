// Whatever a crash leaves, giving the events again makes the same of the projection; and what is to
// go, goes.
#include <gtest/gtest.h>

#include "base/replace_address.h"
#include "store/sqlite/search_for_tests.h"

namespace goniec::test {
namespace {

// ---------------------------------------------------------------- once
std::string dump(const Search& search) {
  std::string out;
  SearchFilter filter;
  filter.limit = 100;
  for (;;) {
    const auto page = *search.list(filter);
    for (const auto& row : page.rows) {
      out += fmt::format("{} {} {} {} {} {} {}\n", row.id.text(), name_of(row.status), row.from,
                         row.subject, row.recipients, row.provider, to_rfc3339(row.last_at));
      for (const auto& each : (**search.get(row.id)).recipients)
        out += fmt::format("  {} {} {} {}\n", each.address, name_of(each.status), each.tries,
                           each.reply);
    }
    if (!page.has_more) break;
    filter.after = page.rows.back().id;
  }
  for (const auto* word : {"d1.pl", "d2.pl", "u3", "t1@example.pl"}) {
    const auto page = *search.list({.to = word, .limit = 100});
    out += fmt::format("{}: {}\n", word, page.rows.size());
  }
  for (int group = 0; group <= static_cast<int>(StatsGroup::hour_of_week); ++group) {
    const auto rows = *search.statistics(
        {.group_by = static_cast<StatsGroup>(group), .then_by = StatsGroup::klass});
    for (const auto& row : rows)
      out += fmt::format("{} {} {} [{}] [{}]\n", group, row.group, row.then,
                         fmt::join(row.counts, " "), fmt::join(row.latency, " "));
  }
  return out;
}

// Three days of mail with all that can happen to it.
std::vector<SearchChange> random_history(unsigned seed, int events) {
  std::mt19937 random(seed);
  const auto any = [&random](int below) { return static_cast<int>(random() % unsigned(below)); };
  History history;
  std::vector<std::pair<MessageId, std::vector<std::string>>> sent;
  Instant now = monday;
  for (int at = 0; at < events; ++at) {
    now += seconds(any(200) + 1);
    if (sent.empty() || any(3) == 0) {
      std::vector<std::string> to;
      for (int n = any(4); n >= 0; --n) to.push_back(fmt::format("u{}@d{}.pl", any(9), any(5)));
      auto facts = letter("a@example.pl", to, fmt::format("s{}", at));
      if (any(2) == 0) facts.tags = {{"kind", std::to_string(any(3))}, {"x", ""}};
      sent.emplace_back(history.receive(now, facts), to);
      continue;
    }
    auto& [id, to] = sent[std::size_t(any(int(sent.size())))];
    const auto& whom = to[std::size_t(any(int(to.size())))];
    static constexpr EventKind kinds[] = {
        EventKind::delivered, EventKind::deferred, EventKind::failed,  EventKind::expired,
        EventKind::held,      EventKind::released, EventKind::deleted, EventKind::expanded,
        EventKind::dsn_sent,  EventKind::relayed};
    auto& change = history.event(id, kinds[any(10)], now, any(6) == 0 ? "" : whom);
    if (change.kind == EventKind::expanded) {
      change.recipient = whom;
      change.targets = {fmt::format("t{}@example.pl", any(3))};
    }
    change.provider = fmt::format("p{}", any(4));
    change.reply = fmt::format("450 {}", at);
    if (any(3) == 0) change.klass = "greylisted";
    change.took = seconds(any(5000));
    change.tries = unsigned(any(5));
  }
  return history.changes;
}

void copy(const std::string& from, const std::string& to) {
  files::remove_all(to);
  files::copy(from, to, files::copy_options::recursive);
}

// The first line that differs.
std::string difference(const std::string& a, const std::string& b) {
  const auto lines = split(a, '\n'), others = split(b, '\n');
  for (std::size_t at = 0; at < std::max(lines.size(), others.size()); ++at) {
    const auto one = at < lines.size() ? lines[at] : "(end)";
    const auto other = at < others.size() ? others[at] : "(end)";
    if (one != other) return fmt::format("{} | {}", one, other);
  }
  return {};
}

struct Replay {
  SystemDisk disk;
  Folder folder;
  std::string reference;
  std::vector<SearchChange> changes;

  std::unique_ptr<Search> open(const std::string& path) {
    auto opened = Search::open(disk, path, {.combinations = 30, .open_files = 2});
    CHECK(opened.has_value());
    return std::move(*opened);
  }
  void give(Search& search, std::size_t from, std::size_t batch) {
    for (std::size_t at = from; at < changes.size(); at += batch) {
      const auto count = std::min(batch, changes.size() - at);
      CHECK(search.apply(std::span(changes).subspan(at, count)).has_value());
    }
  }
};

TEST(search_once, the_size_of_batches_makes_no_difference) {
  Replay replay;
  replay.changes = random_history(1, 600);
  std::string before;
  for (const std::size_t batch : {600u, 97u, 10u, 1u}) {
    auto search = replay.open(replay.folder.path + "/" + std::to_string(batch));
    replay.give(*search, 0, batch);
    const auto now = dump(*search);
    if (!before.empty()) {
      EXPECT_EQ(difference(now, before), "") << batch;
    }
    before = now;
  }
}

// A process that dies leaves each file as its last transaction left it: of a batch, some days are
// written and others not, and the statistics come last. A power cut may take any file back to what
// it was when it was synced.
TEST(search_once, whatever_a_crash_leaves_the_same_comes_of_it) {
  Replay replay;
  replay.changes = random_history(2, 500);
  const auto path = replay.folder.path + "/live", mixed = replay.folder.path + "/mixed";
  std::vector<std::string> left;
  std::vector<std::size_t> settled;
  {
    auto search = replay.open(path);
    const std::size_t batch = 40;
    for (std::size_t at = 0; at < replay.changes.size(); at += batch) {
      const auto count = std::min(batch, replay.changes.size() - at);
      CHECK(search->apply(std::span(replay.changes).subspan(at, count)).has_value());
      if (left.size() % 3 == 1) CHECK(search->settle().has_value());
      left.push_back(fmt::format("{}/{}", replay.folder.path, left.size()));
      copy(path, left.back());
      settled.push_back(search->settled());
    }
    EXPECT_GT(search->settled(), 0u);
    replay.reference = dump(*search);
  }
  std::mt19937 random(3);
  const auto take = [&](const std::string& from, const std::string& name) {
    for (const std::string end : {"", "-wal"}) {
      if (files::exists(from + "/" + name + end))
        files::copy_file(from + "/" + name + end, mixed + "/" + name + end);
    }
  };
  for (std::size_t crash = 0; crash + 1 < left.size(); ++crash) {
    for (const bool power : {false, true}) {
      files::remove_all(mixed);
      files::create_directories(mixed);
      std::size_t counts_of = crash;
      std::size_t oldest = crash;  // no file is older than the settled mark in the statistics
      while (power && oldest > 0 && settled[oldest - 1] >= settled[counts_of]) --oldest;
      take(left[counts_of], "statistics.db");
      for (const auto& each : files::directory_iterator(left[crash + 1])) {
        const auto name = each.path().filename().string();
        if (!name.ends_with(".db") || name == "statistics.db") continue;
        const auto of = oldest + random() % (crash + 2 - oldest);
        if (files::exists(left[of] + "/" + name)) take(left[of], name);
      }
      auto search = replay.open(mixed);
      EXPECT_EQ(search->settled(), settled[counts_of]);
      replay.give(*search, search->settled(), 64);
      ASSERT_EQ(difference(dump(*search), replay.reference), "")
          << "crash " << crash << " power " << power;
    }
  }
}

TEST(search_once, it_begins_anew_when_a_file_is_missing_damaged_or_of_another_version) {
  Replay replay;
  replay.changes = random_history(4, 300);
  const auto path = replay.folder.path + "/live", kept = replay.folder.path + "/kept";
  {
    auto search = replay.open(path);
    replay.give(*search, 0, 50);
    ASSERT_TRUE(search->settle());
    replay.reference = dump(*search);
    EXPECT_EQ(search->settled(), 300u);
  }
  copy(path, kept);
  EXPECT_EQ(replay.open(path)->settled(), 300u);
  const auto break_it = [&](const std::string& name, const std::string& how) {
    copy(kept, path);
    if (how == "missing") files::remove(path + "/" + name);
    if (how == "damaged") files::resize_file(path + "/" + name, 5000);
    for (const char* end : {"-wal", "-shm"}) files::remove(path + "/" + name + end);
  };
  for (const std::string name : {"2026-11-23.db", "statistics.db"}) {
    for (const std::string how : {"missing", "damaged"}) {
      break_it(name, how);
      auto search = replay.open(path);
      EXPECT_EQ(search->settled(), 0u) << name << " " << how;
      replay.give(*search, 0, 50);
      EXPECT_EQ(difference(dump(*search), replay.reference), "") << name << " " << how;
    }
  }
}

// The log begins later than what was counted: a lost day costs its rows, and nothing else.
TEST(search_once, a_day_that_is_lost_costs_no_counts_and_no_other_day) {
  Replay replay;
  replay.changes = random_history(6, 1500);  // of two days
  const auto path = replay.folder.path + "/live", kept = replay.folder.path + "/kept";
  const auto counted = [](const Search& search) {
    std::string out;
    for (const auto& row : *search.statistics({.group_by = StatsGroup::hour}))
      out += fmt::format("{} [{}]\n", row.group, fmt::join(row.counts, " "));
    return out;
  };
  std::string counts, rows;
  {
    auto search = replay.open(path);
    replay.give(*search, 0, 50);
    ASSERT_TRUE(search->settle());
    counts = counted(*search);
  }
  copy(path, kept);
  const std::string lost = "/2026-11-24.db";
  for (const std::string how : {"missing", "damaged", "of another version"}) {
    copy(kept, path);
    if (how == "missing") files::remove(path + lost);
    if (how == "damaged") files::resize_file(path + lost, 5000);
    if (how == "of another version") {
      auto file = replay.disk.open(path + lost, OpenMode::read_write);
      CHECK((*file)->write_at(60, std::string("\0\0\0\1", 4)));
    }
    for (const char* end : {"-wal", "-shm"}) files::remove(path + lost + end);
    for (int opened = 0; opened < 2; ++opened) {  // a process may die at once
      auto search = replay.open(path);
      EXPECT_EQ(search->settled(), 0u) << how;
      EXPECT_EQ(difference(counted(*search), counts), "") << how;
      const auto first = *search->list({.until = monday + days(1), .limit = 1000});
      EXPECT_GT(first.rows.size(), 50u) << how;
      EXPECT_LT(search->list({.limit = 1000})->rows.size(), first.rows.size() + 20) << how;
    }
    auto search = replay.open(path);
    replay.give(*search, 700, 50);
    EXPECT_EQ(difference(counted(*search), counts), "") << how;
    EXPECT_GT(search->list({.since = monday + days(1), .limit = 1000})->rows.size(), 50u) << how;
    ASSERT_TRUE(search->settle());
    EXPECT_EQ(replay.open(path)->settled(), replay.changes.size()) << how;
    search.reset();
    files::remove(path + lost);
    EXPECT_EQ(replay.open(path)->settled(), 0u) << how;
  }
}

TEST(search_once, what_is_rebuilt_is_the_same_and_statistics_older_than_the_log_stay) {
  Replay replay;
  replay.changes = random_history(5, 400);
  auto search = replay.open(replay.folder.path + "/live");
  replay.give(*search, 0, 50);
  const auto before = dump(*search);
  ASSERT_TRUE(search->start_anew(replay.changes.front().at, 0));
  EXPECT_EQ(search->list({})->rows.size(), 0u);
  replay.give(*search, 0, 33);
  EXPECT_EQ(difference(dump(*search), before), "");
  // The log begins in the middle: what was counted before it is not counted again, nor lost.
  const auto totals = search->statistics({.group_by = StatsGroup::hour});
  ASSERT_TRUE(search->start_anew(replay.changes[200].at, 200));
  replay.give(*search, 200, 33);
  const auto after = search->statistics({.group_by = StatsGroup::hour});
  ASSERT_EQ(after->size(), totals->size());
  for (std::size_t at = 0; at < totals->size(); ++at)
    EXPECT_EQ((*after)[at].count(StatsCount::delivered), (*totals)[at].count(StatsCount::delivered))
        << (*after)[at].group;
}

// ---------------------------------------------------------------- what goes
TEST_F(SearchTest, days_and_hours_go_at_their_time) {
  const auto old = history_.receive(monday, letter("a@b.pl", {"c@d.pl"}, "old"));
  history_.receive(monday + days(3), letter("a@b.pl", {"c@d.pl"}, "new"));
  apply();
  EXPECT_EQ(subjects({}), (Subjects{"new", "old"}));
  EXPECT_EQ(*search_->forget(monday + days(1), monday), 1u);
  EXPECT_EQ(subjects({}), Subjects{"new"});
  EXPECT_EQ(search_->statistics({})->at(0).count(StatsCount::messages), 2u);
  EXPECT_EQ(*search_->forget(monday, monday + hours(1)), 1u);
  EXPECT_EQ(search_->statistics({})->at(0).count(StatsCount::messages), 1u);
  // What comes late for a day that went makes no file.
  history_.changes.clear();
  history_.deliver(old, monday + days(3), "c@d.pl", "d");
  history_.changes.back().sequence = 10;
  apply();
  EXPECT_EQ(subjects({}), Subjects{"new"});
  open();
  EXPECT_EQ(subjects({}), Subjects{"new"});
}

TEST_F(SearchTest, a_person_is_erased_from_rows_words_and_octets) {
  auto written = letter("Jan@o2.pl", {"anna@wp.pl", "jan@o2.pl"}, "Do Jana");
  written.message_id = "1@example.pl";
  const auto id = history_.receive(monday, written);
  history_.receive(monday, letter("shop@example.pl", {"anna@wp.pl"}, "other"));
  auto about = letter("shop@example.pl", {"ola@wp.pl"}, "Jana jan@o2.pl.");
  about.tags = {{"user", "Jan@o2.pl"}};
  const auto third = history_.receive(monday, about);
  const auto fourth = history_.receive(monday, letter("a@b.pl", {"ewa@wp.pl"}, "kept"));
  history_.event(fourth, EventKind::deferred, monday, "ewa@wp.pl").reply = "450 <jan@o2.pl> full";
  history_.receive(monday, letter("xjan@o2.pl", {"c@d.pl"}, "of another"));
  history_.event(id, EventKind::failed, monday, "jan@o2.pl").reply = "550 jan@o2.pl unknown";
  apply();
  EXPECT_EQ(search_->erase("JAN@o2.pl", "x@erased.invalid", Search::Erase::dry_run)->messages, 3u);
  EXPECT_EQ(subjects({.q = "jan"}), (Subjects{"Jana jan@o2.pl.", "Do Jana"}));
  EXPECT_EQ(search_->erase("JAN@o2.pl", "x@erased.invalid", Search::Erase::now)->messages, 3u);
  EXPECT_EQ(subjects({.q = "jan"}), Subjects{});
  EXPECT_EQ(subjects({.q = "jana"}), Subjects{});
  const auto story = **search_->get(id);
  EXPECT_EQ(story.row.from, "x@erased.invalid");
  ASSERT_EQ(story.recipients.size(), 2u);
  EXPECT_EQ(story.recipients[1].address, "x@erased.invalid");
  EXPECT_EQ(story.recipients[1].status, MailStatus::bounced);
  EXPECT_EQ(story.recipients[1].reply, "");
  EXPECT_EQ(subjects({.to = "x@erased.invalid"}), Subjects{""});
  EXPECT_EQ(subjects({.tag = "user:x@erased.invalid"}), Subjects{""});
  EXPECT_EQ(subjects({.tag = "jan@o2.pl"}), Subjects{});
  EXPECT_EQ((**search_->get(third)).recipients[0].address, "ola@wp.pl");
  const auto told = **search_->get(fourth);
  EXPECT_EQ(told.row.subject, "kept");
  EXPECT_EQ(told.row.reply, "450 <x@erased.invalid> full");
  EXPECT_EQ(told.recipients[0].reply, "450 <x@erased.invalid> full");
  EXPECT_EQ(subjects({.from = "xjan@o2.pl"}), Subjects{"of another"});
  const auto tags = *search_->statistics({.group_by = StatsGroup::tag});
  ASSERT_EQ(tags.size(), 2u);
  EXPECT_EQ(tags[1].group, "user:x@erased.invalid");
  EXPECT_EQ(subjects({.to = "anna@wp.pl"}).size(), 2u);
  ASSERT_TRUE(search_->settle());
  search_.reset();
  for (const auto& each : files::directory_iterator(folder_.path + "/search")) {
    const auto size = files::file_size(each.path());
    auto file = disk_.open(each.path().string(), OpenMode::read);
    std::string bytes(size, '\0');
    ASSERT_TRUE((*file)->read_at(0, bytes));
    if (each.path().extension() == ".db") {
      EXPECT_EQ(replace_address(bytes, "jan@o2.pl", "").size(), size) << each.path();
      EXPECT_EQ(bytes.find("Do Jana"), std::string::npos) << each.path();
    }
  }
}

// Erased while it waits, and again when it is gone: its end is known, under the new name.
TEST_F(SearchTest, a_person_is_erased_again_with_what_came_since) {
  auto facts = letter("shop@example.pl", {"anna@wp.pl", "jan@o2.pl"}, "Faktura");
  facts.tags = {{"user", "jan@o2.pl"}};
  const auto id = history_.receive(monday, facts);
  history_.deliver(id, monday + seconds(1), "anna@wp.pl", "wp");
  apply();
  ASSERT_TRUE(search_->erase("jan@o2.pl", "x@erased.invalid", Search::Erase::now));
  EXPECT_EQ(subjects({.status = MailStatus::queued}), Subjects{""});
  const auto before = history_.changes.size();
  history_.deliver(id, monday + seconds(9), "jan@o2.pl", "o2");
  history_.receive(monday + hours(1), facts);
  ASSERT_TRUE(search_->apply(std::span(history_.changes).subspan(before)));
  EXPECT_EQ((**search_->get(id)).recipients.size(), 3u);
  ASSERT_TRUE(search_->erase("jan@o2.pl", "x@erased.invalid", Search::Erase::now));
  const auto story = **search_->get(id);
  ASSERT_EQ(story.recipients.size(), 2u);
  EXPECT_EQ(story.recipients[1].address, "x@erased.invalid");
  EXPECT_EQ(story.recipients[1].status, MailStatus::delivered);
  EXPECT_EQ(story.row.status, MailStatus::delivered);
  EXPECT_EQ(story.row.recipients, 2u);
  EXPECT_EQ(subjects({.status = MailStatus::delivered}), Subjects{""});
  for (const auto& row : *search_->statistics({.group_by = StatsGroup::tag}))
    EXPECT_EQ(row.group.find("jan@"), std::string::npos) << row.group;
  history_.receive(monday + hours(2), facts);  // names in memory are not those of before
  ASSERT_TRUE(search_->apply(std::span(history_.changes).last(1)));
  EXPECT_EQ(search_->statistics({.tag = "user:jan@o2.pl"})->at(0).count(StatsCount::accepted), 2u);
}

}  // namespace
}  // namespace goniec::test
