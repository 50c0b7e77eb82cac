// The projection: what is listed, found and counted.
#include <gtest/gtest.h>

#include "store/sqlite/search_for_tests.h"

namespace goniec::test {
namespace {

TEST_F(SearchTest, a_message_is_listed_with_what_became_of_it) {
  const auto id = history_.receive(monday, letter("shop@example.pl", {"jan@o2.pl"}, "Faktura"));
  auto& deferred = history_.event(id, EventKind::deferred, monday + seconds(1), "jan@o2.pl");
  deferred.reply = "450 4.2.0 later";
  deferred.provider = "o2";
  deferred.tries = 1;
  history_.deliver(id, monday + minutes(5), "jan@o2.pl", "o2");
  apply();
  const auto story = search_->get(id);
  ASSERT_TRUE(story && *story);
  const auto& row = (*story)->row;
  EXPECT_EQ(row.status, MailStatus::delivered);
  EXPECT_EQ(row.from, "shop@example.pl");
  EXPECT_EQ(row.to, std::vector<std::string>{"jan@o2.pl"});
  EXPECT_EQ(row.provider, "o2");
  EXPECT_EQ(row.at, monday);
  EXPECT_EQ(row.last_at, monday + minutes(5));
  ASSERT_EQ((*story)->recipients.size(), 1u);
  EXPECT_EQ((*story)->recipients[0].status, MailStatus::delivered);
  EXPECT_EQ(subjects({}), Subjects{"Faktura"});
  EXPECT_FALSE(*search_->get(MessageId{id.value + 1}));
}

TEST_F(SearchTest, its_files_are_read_by_nobody_else) {
  history_.receive(monday, letter("shop@example.pl", {"jan@o2.pl"}, "Faktura"));
  apply();
  std::size_t files = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder_.path)) {
    if (!each.is_regular_file()) continue;
    ++files;
    EXPECT_EQ(each.status().permissions() & std::filesystem::perms(077),
              std::filesystem::perms::none)
        << each.path();
  }
  EXPECT_GT(files, 1u);
}

TEST_F(SearchTest, a_message_is_as_bad_as_its_worst_recipient_and_an_alias_is_not_one) {
  const auto id = history_.receive(
      monday, letter("a@example.pl", {"b@x.pl", "c@y.pl", "team@example.pl"}, "Trio"));
  history_.event(id, EventKind::expanded, monday, "team@example.pl").targets = {"d@example.pl"};
  history_.deliver(id, monday + seconds(1), "b@x.pl", "x");
  history_.event(id, EventKind::held, monday + seconds(2)).domain = "y.pl";
  apply();
  auto row = (**search_->get(id)).row;
  EXPECT_EQ(row.status, MailStatus::held);
  EXPECT_EQ(row.recipients, 3u);
  EXPECT_EQ(subjects({.to = "d@example.pl"}), Subjects{"Trio"});
  history_.changes.clear();
  auto& failed = history_.event(id, EventKind::failed, monday + seconds(3), "c@y.pl");
  failed.sequence = 100;
  failed.reply = "550 5.1.1 no";
  history_.deliver(id, monday + seconds(3), "d@example.pl", "local");
  history_.changes.back().sequence = 101;
  apply();
  const auto story = **search_->get(id);
  EXPECT_EQ(story.row.status, MailStatus::bounced);
  EXPECT_EQ(story.recipients.size(), 3u);
  EXPECT_EQ(subjects({.status = MailStatus::bounced}), Subjects{"Trio"});
  EXPECT_EQ(subjects({.status = MailStatus::held}), Subjects{});
  EXPECT_EQ(subjects({.provider = "x"}), Subjects{"Trio"});
  EXPECT_EQ(subjects({.klass = "bad_mailbox"}), Subjects{});
  EXPECT_EQ(subjects({.provider = "local", .status = MailStatus::bounced}), Subjects{"Trio"});
}

TEST_F(SearchTest, filters_find_by_words_beginnings_marks_and_time) {
  auto first = letter("Sklep@example.pl", {"jan@o2.pl"}, "Faktura nr 17");
  first.tags = {{"kind", "Invoice"}, {"urgent", ""}};
  first.key = "k1";
  first.attachments = true;
  history_.receive(monday, first);
  auto second = letter("news@shop.Example.pl", {"anna@wp.pl", "jan@wp.pl"}, "Zażółć gęślą jaźń");
  second.stream = "bulk";
  history_.receive(monday + days(1), second);
  apply();
  const Subjects one{"Faktura nr 17"}, two{"Zażółć gęślą jaźń"};
  const Subjects none, both{two[0], one[0]};
  const std::pair<SearchFilter, Subjects> cases[] = {
      {{}, both},
      {{.q = "faktura"}, one},
      {{.q = "FAKTURA 17"}, one},
      {{.q = "fakt"}, none},
      {{.q = "fakt*"}, one},
      {{.q = "zazołc"}, two},
      {{.q = "jan"}, both},
      {{.q = "jan faktura"}, one},
      {{.q = "\" OR faktura"}, none},
      {{.to = "jan@o2.pl"}, one},
      {{.to = "wp.pl"}, two},
      {{.to = "example.pl"}, none},
      {{.from = "sklep"}, one},
      {{.subject = "jan"}, none},
      {{.message_id = "Faktura nr 17.1@example.pl"}, one},
      {{.tag = "invoice"}, one},
      {{.tag = "kind:invoice"}, one},
      {{.tag = "kind"}, one},
      {{.tag = "urgent"}, one},
      {{.tag = "voice"}, none},
      {{.stream = "bulk"}, two},
      {{.key = "k1"}, one},
      {{.domain = "example.pl"}, both},
      {{.domain = "shop.example.pl"}, two},
      {{.domain = "ample.pl"}, none},
      {{.attachments = true}, one},
      {{.attachments = false}, two},
      {{.status = MailStatus::queued}, both},
      {{.status = MailStatus::delivered}, none},
      {{.since = monday + hours(1)}, two},
      {{.until = monday + hours(1)}, one},
      {{.since = monday + days(2)}, none},
      {{.until = *parse_rfc3339("2100-01-01T00:00:00Z")}, both},
      {{.since = *parse_rfc3339("2100-01-01T00:00:00Z")}, none},
      {{.q = "Faktura – nr 17"}, one},
      {{.q = "– nr – 🎉"}, one},
      {{.q = "–", .stream = "bulk"}, two},
      {{.q = "17 –", .stream = "bulk"}, none},
  };
  int number = 0;
  for (const auto& [filter, expected] : cases) {
    EXPECT_EQ(subjects(filter), expected) << "case " << number;
    ++number;
  }
}

TEST_F(SearchTest, a_class_is_that_of_the_last_refusal_until_all_is_delivered) {
  const auto refuse = [this](MessageId id, EventKind kind, const std::string& to, int second) {
    history_.event(id, kind, monday + seconds(second), to).klass = "bad_mailbox";
  };
  const std::vector<std::string> to{"b@x.pl", "c@y.pl"};
  const auto first = history_.receive(monday, letter("a@b.pl", to, "refused first"));
  refuse(first, EventKind::failed, to[0], 1);
  history_.deliver(first, monday + seconds(2), to[1], "y");
  const auto last = history_.receive(monday, letter("a@b.pl", to, "refused last"));
  history_.deliver(last, monday + seconds(1), to[0], "x");
  refuse(last, EventKind::failed, to[1], 2);
  const auto all = history_.receive(monday, letter("a@b.pl", to, "delivered"));
  refuse(all, EventKind::deferred, to[0], 1);
  for (const auto& each : to) history_.deliver(all, monday + seconds(3), each, "x");
  apply();
  EXPECT_EQ(subjects({.klass = "bad_mailbox"}), (Subjects{"refused last", "refused first"}));
  EXPECT_EQ((**search_->get(all)).row.klass, "");
}

TEST_F(SearchTest, a_message_asked_for_by_its_id_must_fit_the_other_filters_too) {
  auto facts = letter("shop@example.pl", {"jan@o2.pl"}, "Faktura");
  const auto id = history_.receive(monday, facts);
  history_.deliver(id, monday + seconds(1), "jan@o2.pl", "o2");
  history_.receive(monday, letter("shop@example.pl", {"jan@o2.pl"}, "other"));
  history_.receive(monday + days(1), letter("shop@example.pl", {"jan@o2.pl"}, "later"));
  apply();
  const MessageId unknown{id.value + 2}, before{id.value - 1};
  const Subjects one{"Faktura"}, none;
  const std::pair<SearchFilter, Subjects> cases[] = {
      {{.id = id}, one},
      {{.id = unknown}, none},
      {{.id = MessageId{UINT64_MAX}}, none},
      {{.q = "faktura", .domain = "example.pl", .id = id}, one},
      {{.domain = "other.pl", .id = id}, none},
      {{.stream = "bulk", .id = id}, none},
      {{.status = MailStatus::delivered, .id = id}, one},
      {{.status = MailStatus::bounced, .id = id}, none},
      {{.sandbox = true, .id = id}, none},
      {{.id = id, .since = monday, .until = monday + days(30)}, one},
      {{.id = id, .since = monday + days(1)}, none},
      {{.id = id, .until = monday}, none},
      {{.id = id, .after = unknown}, one},
      {{.id = id, .after = id}, none},
      {{.id = id, .after = before}, none},
  };
  int number = 0;
  for (const auto& [filter, expected] : cases) EXPECT_EQ(subjects(filter), expected) << number++;
}

TEST_F(SearchTest, pages_follow_one_another_over_days_without_a_gap) {
  for (int at = 0; at < 25; ++at)
    history_.receive(monday + hours(6 * at), letter("a@b.pl", {"c@d.pl"}, std::to_string(at)));
  apply();
  SearchFilter filter;
  filter.limit = 10;
  std::vector<std::string> all;
  for (int pages = 1;; ++pages) {
    const auto page = *search_->list(filter);
    for (const auto& row : page.rows) all.push_back(row.subject);
    EXPECT_EQ(page.has_more, pages < 3);
    if (!page.has_more) break;
    filter.after = page.rows.back().id;
  }
  ASSERT_EQ(all.size(), 25u);
  for (int at = 0; at < 25; ++at)
    EXPECT_EQ(all[static_cast<std::size_t>(at)], std::to_string(24 - at));
}

TEST_F(SearchTest, what_happens_to_an_entry_counts_as_many_as_it_holds) {
  const auto id = history_.receive(monday, letter("a@b.pl", {"x@y.pl", "z@y.pl"}, "Two"));
  auto& held = history_.event(id, EventKind::held, monday + seconds(1));
  held.domain = "y.pl";
  held.recipients = 2;
  apply();
  const auto domains =
      *search_->statistics({.group_by = StatsGroup::recipient_domain, .recipient_domain = "y.pl"});
  ASSERT_EQ(domains.size(), 1u);
  EXPECT_EQ(domains[0].count(StatsCount::held), 2u);
}

TEST_F(SearchTest, events_are_counted_by_hour_and_every_name_with_their_times) {
  auto facts = letter("a@example.pl", {"jan@o2.pl", "ola@wp.pl"}, "x");
  facts.tags = {{"kind", "invoice"}, {"vip", ""}};
  const auto id = history_.receive(monday + minutes(10), facts);
  history_.deliver(id, monday + minutes(11), "jan@o2.pl", "o2");
  auto& failed = history_.event(id, EventKind::failed, monday + minutes(70), "ola@wp.pl");
  failed.provider = "wp";
  apply();
  const auto total = search_->statistics({})->at(0);
  EXPECT_EQ(total.count(StatsCount::messages), 1u);
  EXPECT_EQ(total.count(StatsCount::accepted), 2u);
  EXPECT_EQ(total.count(StatsCount::delivered), 1u);
  EXPECT_EQ(total.count(StatsCount::bounced), 1u);
  EXPECT_DOUBLE_EQ(*total.latency_at(1), 2.5);
  const auto rows = *search_->statistics({.group_by = StatsGroup::provider, .provider = "wp"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].group, "wp");
  EXPECT_EQ(rows[0].count(StatsCount::bounced), 1u);
  const auto domains = *search_->statistics({.group_by = StatsGroup::recipient_domain});
  ASSERT_EQ(domains.size(), 2u);
  EXPECT_EQ(domains[0].count(StatsCount::accepted), 1u);
  const auto tags = *search_->statistics({.group_by = StatsGroup::tag});
  ASSERT_EQ(tags.size(), 2u);  // each tag has all of it
  for (const auto& tag : tags) EXPECT_EQ(tag.count(StatsCount::accepted), 2u) << tag.group;
  EXPECT_EQ(search_->statistics({.tag = "vip"})->at(0).count(StatsCount::delivered), 1u);
  const auto by_hour = *search_->statistics({.group_by = StatsGroup::hour});
  ASSERT_EQ(by_hour.size(), 2u);
  EXPECT_EQ(by_hour[1].group, "2026-11-23T01:00:00Z");
  EXPECT_EQ(by_hour[1].count(StatsCount::bounced), 1u);
  const auto day = *search_->statistics({.group_by = StatsGroup::day});
  ASSERT_EQ(day.size(), 1u);
  EXPECT_EQ(day[0].group, "2026-11-23");
  EXPECT_TRUE(
      search_->statistics({.group_by = StatsGroup::day, .since = monday + days(1)})->empty());
  EXPECT_EQ(search_->statistics({.until = monday + hours(1)})->at(0).count(StatsCount::bounced),
            0u);
}

TEST_F(SearchTest, counts_of_a_domain_are_those_of_all_below_it_too) {
  for (const std::string domain :
       {"example.pl", "shop.Example.pl", "a.shop.example.pl", "ample.pl", "notexample.pl", "pl"})
    history_.receive(monday, letter("a@" + domain, {"b@o2.pl"}, "x"));
  apply();
  const auto accepted = [this](const std::string& domain) {
    std::uint64_t sum = 0;
    for (const auto& row : *search_->statistics({.domain = domain}))
      sum += row.count(StatsCount::accepted);
    return sum;
  };
  EXPECT_EQ(accepted("example.pl"), 3u);
  EXPECT_EQ(accepted("Shop.example.pl"), 2u);
  EXPECT_EQ(accepted("ample.pl"), 1u);
  EXPECT_EQ(accepted("other.pl"), 0u);
  const auto rows = *search_->statistics({.group_by = StatsGroup::domain, .domain = "example.pl"});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].group, "shop.example.pl");
}

TEST_F(SearchTest, an_hour_holds_a_bounded_number_of_names_and_loses_no_count) {
  SearchLimits limits;
  limits.combinations = 20;
  open(limits);
  for (int at = 0; at < 300; ++at) {
    auto facts = letter("a@b.pl", {fmt::format("c@d{}.pl", at)}, "x");
    facts.tags = {{fmt::format("t{}", at), ""}};
    facts.stream = fmt::format("s{}", at);
    history_.receive(monday + seconds(at), facts);
  }
  apply();
  const auto rows = *search_->statistics({.group_by = StatsGroup::recipient_domain});
  EXPECT_LE(rows.size(), 21u);
  std::uint64_t all = 0;
  for (const auto& row : rows) all += row.count(StatsCount::accepted);
  EXPECT_EQ(all, 300u);
  EXPECT_EQ(rows.back().group, "other");
  EXPECT_LE(search_->statistics({.group_by = StatsGroup::stream})->size(), 81u);
}

TEST_F(SearchTest, names_go_from_an_hour_that_is_full_in_the_order_of_their_worth) {
  SearchLimits limits;
  limits.combinations = 10;
  open(limits);
  for (int at = 0; at < 200; ++at) {
    auto facts = letter("a@b.pl", {fmt::format("c@d{}.pl", at)}, "x");
    facts.tags = {{"kind", at % 2 == 0 ? "even" : "odd"}};
    const auto id = history_.receive(monday + seconds(at), facts);
    history_.deliver(id, monday + seconds(at), facts.recipients[0], at % 4 == 0 ? "o2" : "wp");
  }
  apply();
  // Few providers, tags and senders: all keep their names when recipients' domains are many.
  const auto providers = *search_->statistics({.group_by = StatsGroup::provider});
  ASSERT_EQ(providers.size(), 3u);  // "" of what was accepted
  EXPECT_EQ(providers[1].group, "o2");
  EXPECT_EQ(providers[1].count(StatsCount::delivered), 50u);
  const auto tags = *search_->statistics({.group_by = StatsGroup::tag, .provider = "wp"});
  ASSERT_EQ(tags.size(), 2u);
  EXPECT_EQ(tags[1].group, "kind:odd");
  EXPECT_EQ(tags[1].count(StatsCount::delivered), 100u);
}

TEST_F(SearchTest, a_week_is_shown_by_its_hours_and_how_deliveries_were_kept_secret) {
  using enum SearchTls::Proof;
  const auto id = history_.receive(monday, letter("a@b.pl", {"c@d.pl"}, "x"));
  const auto deliver = [&](Instant at, SearchTls tls) {
    auto& change = history_.event(id, EventKind::relayed, at, "c@d.pl");
    change.provider = "o2";
    change.tls = std::move(tls);
  };
  deliver(monday + hours(17), {clear, ""});
  deliver(monday + days(7) + hours(17), {nothing, "TLSv1.2"});
  deliver(monday + days(6) + hours(23), {dane, "TLSv1.3"});
  deliver(monday + days(1), {mta_sts, "TLSv1.3"});
  deliver(monday + days(1), {pkix, "TLSv1.3"});
  deliver(monday + days(1), {});
  apply();
  const auto week = *search_->statistics({.group_by = StatsGroup::hour_of_week, .provider = "o2"});
  ASSERT_EQ(week.size(), 3u);
  EXPECT_EQ(week[0].group, "1-17");
  EXPECT_EQ(week[0].count(StatsCount::delivered), 2u);
  EXPECT_EQ(week[1].group, "2-00");
  EXPECT_EQ(week[2].group, "7-23");
  const auto total = search_->statistics({})->at(0);
  for (const auto which :
       {StatsCount::tls_none, StatsCount::tls_opportunistic, StatsCount::tls_pkix,
        StatsCount::tls_mta_sts, StatsCount::tls_dane, StatsCount::tls_1_2})
    EXPECT_EQ(total.count(which), 1u) << name_of(which);
  EXPECT_EQ(total.count(StatsCount::tls_1_3), 3u);
  const auto both = *search_->statistics(
      {.group_by = StatsGroup::day, .then_by = StatsGroup::hour_of_week, .provider = "o2"});
  ASSERT_EQ(both.size(), 4u);
  EXPECT_EQ(both[3].group, "2026-11-30");
  EXPECT_EQ(both[3].then, "1-17");
}

// Days that are over are summed up; what comes late for one is counted all the same.
TEST_F(SearchTest, a_sum_of_days_is_that_of_their_hours) {
  for (int at = 0; at < 100; ++at) {
    const auto id = history_.receive(monday + hours(at),
                                     letter("a@b.pl", {fmt::format("c@d{}.pl", at % 3)}, "x"));
    history_.deliver(id, monday + hours(at) + minutes(at % 90), fmt::format("c@d{}.pl", at % 3),
                     "o2");
  }
  apply();
  const StatsQuery questions[] = {
      {.group_by = StatsGroup::recipient_domain},
      {.group_by = StatsGroup::day, .then_by = StatsGroup::provider},
      {.since = monday + hours(5), .until = monday + hours(53)},
      {.group_by = StatsGroup::day, .since = monday + days(1), .until = monday + days(2)}};
  const auto all = [&] {
    std::string out;
    for (const auto& question : questions)
      for (const auto& row : *search_->statistics(question))
        out += fmt::format("{} {} {} {}\n", row.group, row.then, fmt::join(row.counts, " "),
                           fmt::join(row.latency, " "));
    return out;
  };
  const auto by_hours = all();
  ASSERT_TRUE(search_->settle());
  ASSERT_TRUE(search_->settle());
  EXPECT_EQ(all(), by_hours);
  open();
  EXPECT_EQ(all(), by_hours);
  const auto before = history_.changes.size();
  history_.event(history_.changes[0].message, EventKind::opened, monday + hours(30), "c@d0.pl");
  ASSERT_TRUE(search_->apply(std::span(history_.changes).subspan(before)));
  const auto opened = [&](const StatsQuery& question) {
    std::uint64_t sum = 0;
    for (const auto& row : *search_->statistics(question)) sum += row.count(StatsCount::opened);
    return sum;
  };
  EXPECT_EQ(opened(questions[0]), 1u);
  EXPECT_EQ(opened(questions[3]), 1u);
  ASSERT_TRUE(search_->settle());
  EXPECT_EQ(opened(questions[0]), 1u);
}

// Of every filter and of two together: what a look at each row finds, in one page, in small ones,
// and when a page ends as soon as it may.
TEST_F(SearchTest, filters_together_find_what_fits_both_and_nothing_else) {
  std::mt19937 random(9);
  const auto any = [&random](unsigned below) { return random() % below; };
  for (int at = 0; at < 250; ++at) {
    auto facts = letter(fmt::format("s{}@b.pl", any(3)), {fmt::format("u{}@d.pl", any(4))},
                        fmt::format("word{} x{}", any(4), at));
    if (any(2) == 0) facts.tags = {{"kind", std::to_string(any(3))}};
    facts.metadata = {{"order", std::to_string(any(20))}};
    facts.stream = any(5) == 0 ? "bulk" : "transactional";
    facts.sandbox = any(9) == 0;
    facts.attachments = any(3) == 0;
    const auto id = history_.receive(monday + minutes(17 * at), facts);
    if (any(4) == 0) continue;
    const bool fails = any(5) == 0;
    auto& outcome = history_.event(id, fails ? EventKind::failed : EventKind::delivered,
                                   monday + minutes(17 * at), facts.recipients[0]);
    outcome.provider = fmt::format("p{}", any(3));
    if (fails) outcome.klass = any(2) == 0 ? "bad_mailbox" : "mailbox_full";
  }
  apply();
  using Set = void (*)(SearchFilter&);
  using Fits = bool (*)(const SearchRow&);
  struct Tried {
    int member;
    Set set;
    Fits fits;
  };
  const Tried filters[] = {
      {1, [](auto& f) { f.subject = "word1"; },
       [](auto& r) { return r.subject.starts_with("word1"); }},
      {2, [](auto& f) { f.tag = "kind:1"; },
       [](auto& r) { return !r.tags.empty() && r.tags[0].second == "1"; }},
      {3, [](auto& f) { f.metadata = "order:7"; },
       [](auto& r) { return r.metadata[0].second == "7"; }},
      {4, [](auto& f) { f.stream = "bulk"; }, [](auto& r) { return r.stream == "bulk"; }},
      {5, [](auto& f) { f.status = MailStatus::bounced; },
       [](auto& r) { return r.status == MailStatus::bounced; }},
      {5, [](auto& f) { f.status = MailStatus::delivered; },
       [](auto& r) { return r.status == MailStatus::delivered; }},
      {5, [](auto& f) { f.status = MailStatus::queued; },
       [](auto& r) { return r.status == MailStatus::queued; }},
      {6, [](auto& f) { f.klass = "bad_mailbox"; },
       [](auto& r) { return r.klass == "bad_mailbox"; }},
      {7, [](auto& f) { f.provider = "p1"; }, [](auto& r) { return r.provider == "p1"; }},
      {8, [](auto& f) { f.sandbox = true; }, [](auto& r) { return r.sandbox; }},
      {8, [](auto& f) { f.sandbox = false; }, [](auto& r) { return !r.sandbox; }},
      {9, [](auto& f) { f.attachments = true; }, [](auto& r) { return r.attachments; }},
      {10, [](auto& f) { f.since = monday + hours(30); },
       [](auto& r) { return r.at >= monday + hours(30); }},
      {11, [](auto& f) { f.until = monday + hours(40); },
       [](auto& r) { return r.at < monday + hours(40); }}};
  const auto rows = search_->list({.limit = 1000})->rows;
  ASSERT_EQ(rows.size(), 250u);
  int number = 0;
  for (const auto& [member, set, fits] : filters) {
    for (const auto& [other, set_too, fits_too] : filters) {
      if (other < member || (member == other && fits != fits_too)) continue;
      ++number;
      Subjects expected;
      for (const auto& row : rows)
        if (fits(row) && fits_too(row)) expected.push_back(row.subject);
      for (const auto& [limit, effort] :
           {std::pair(1000u, std::optional<Duration>{}), std::pair(7u, std::optional<Duration>{}),
            std::pair(50u, std::optional(Duration{}))}) {
        SearchFilter filter{.limit = limit, .effort = effort};
        set(filter);
        set_too(filter);
        Subjects found;
        for (int pages = 0; pages < 1000; ++pages) {
          const auto page = *search_->list(filter);
          for (const auto& row : page.rows) found.push_back(row.subject);
          if (!page.has_more) break;
          filter.after = page.next;
        }
        EXPECT_EQ(found, expected) << number << " " << limit;
      }
    }
  }
}

}  // namespace
}  // namespace goniec::test
