// What the search projection costs and how fast it answers: a store is filled with messages over
// some days (two to three events each: received, sometimes deferred, delivered or failed, with the
// data that the server writes), the projector reads them as fast as it can, and questions of many
// kinds are asked. Prints one JSON object:
//   events, messages, fill_s; project: events_per_second, cpu_us_per_event, resident_mib (at the
//   beginning, the most meanwhile, at the end), disk_octets_per_message; questions: of each kind
//   p50, p95, p99 and the longest in ms, cold for the first, and p95 of the processor time alone,
//   which is what stays on a machine that does nothing else; all: the same over all of them.
// Usage: sight DIRECTORY [MESSAGES] [DAYS] [QUESTIONS a kind] [keep]. The directory is emptied, and
// removed; with `keep` what a run before left in it is asked again.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "duties/projector.h"
#include "queue/event_data.h"
#include "run/disk.h"
#include "run/system.h"
#include "store/store_for_tests.h"

namespace goniec {
namespace {

namespace files = std::filesystem;

constexpr std::size_t group = 500;  // messages in a commit
const std::vector<std::string> words = {
    "faktura", "zamówienie", "rachunek",      "nowe",     "hasło",   "potwierdzenie",
    "wysyłka", "paczka",     "raport",        "tygodnia", "oferta",  "wiadomość",
    "konto",   "płatność",   "przypomnienie", "termin",   "invoice", "order",
    "reset",   "password",   "shipping",      "weekly",   "digest",  "welcome"};
const std::vector<std::string> domains = {"gmail.com",  "wp.pl",       "o2.pl",     "onet.pl",
                                          "interia.pl", "outlook.com", "yahoo.com", "icloud.com"};
const std::vector<std::string> hosts = {"gmail-smtp-in.l.google.com",
                                        "mx.wp.pl",
                                        "mx.o2.pl",
                                        "mx.onet.pl",
                                        "mx.interia.pl",
                                        "outlook.olc.protection",
                                        "mta5.am0.yahoodns.net",
                                        "mx01.mail.icloud.com"};

double seconds_of(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
}

// Few are frequent, many are rare.
std::size_t skewed(std::mt19937_64& random, std::size_t below) {
  const double part = std::uniform_real_distribution<>(0, 1)(random);
  return std::min(below - 1,
                  static_cast<std::size_t>(std::pow(static_cast<double>(below), part)) - 1);
}

struct Filler {
  std::mt19937_64 random{11};
  MessageIdMaker ids;
  Instant first{}, last{};
  std::uint64_t messages = 0;

  std::string person(std::size_t& domain) {
    domain = skewed(random, domains.size() + 200);
    const auto name = domain < domains.size() ? domains[domain] : fmt::format("firma{}.pl", domain);
    return fmt::format("user{}@{}", skewed(random, 300000), name);
  }

  SpoolRequest letter(Instant at) {
    SpoolRequest request;
    Message& message = request.message;
    std::size_t domain = 0;
    message.id = ids.next(at, random());
    message.sender.address =
        test::address(fmt::format("shop{}@example{}.pl", skewed(random, 20), skewed(random, 30)));
    message.received_at = at;
    message.message_id = message.id.text() + "@example.pl";
    message.source = Source::api;
    message.content.header = "Subject: x\r\n\r\n";
    Entry entry;
    entry.id = {message.id, 0};
    entry.recipients.resize(1);
    entry.recipients[0].recipient.address = test::address(person(domain));
    entry.domain = entry.recipients[0].recipient.address.domain();
    entry.due = at;
    entry.expires = at + std::chrono::days(5);
    Caller caller;
    caller.remote = {*IpAddress::parse("192.0.2.7"), 4444};
    Transaction transaction;
    transaction.recipients.push_back(entry.recipients[0].recipient);
    SendOptions options;
    options.stream = skewed(random, 4) == 0 ? "transactional" : "bulk";
    options.tags = {{"kind", words[skewed(random, words.size())]}};
    options.metadata = {{"order", std::to_string(random() % 1000000)}};
    options.subject = fmt::format("{} {} {}", words[skewed(random, words.size())],
                                  words[random() % words.size()], random() % 1000000);
    Event received = test::event(message.id, EventKind::received, at);
    std::vector<StageFact> stages = {
        {"connect", at, Duration(200), "listener.open", "220 ready", ""},
        {"envelope", at, Duration(300), "relay.login", "",
         entry.recipients[0].recipient.address.text()},
        {"content", at, Duration(900), "content.ok", "250 2.0.0", ""}};
    received.data = received_event_data({caller, transaction, message, stages, options});
    request.entries.push_back(std::move(entry));
    request.events.push_back(std::move(received));
    return request;
  }

  SettleRequest settle(const SpoolRequest& of, const Lease& lease) {
    const Entry& entry = of.entries[0];
    const auto& address = entry.recipients[0].recipient.address;
    const auto known = std::ranges::find(domains, address.domain().ascii());
    const std::string host = known == domains.end() ? "mx." + address.domain().ascii()
                                                    : hosts[std::size_t(known - domains.begin())];
    SettleRequest request;
    request.lease = lease;
    request.now = of.message.received_at + std::chrono::milliseconds(random() % 4000);
    Outcome outcome;
    const bool fails = random() % 100 == 0;
    outcome.state = fails ? RecipientState::failed : RecipientState::relayed;
    outcome.reply =
        fails ? Reply(550, {5, 1, 1}, "no such user here") : Reply(250, {2, 0, 0}, "Ok");
    outcome.site = host + "[198.51.100.7]:25";
    outcome.route = "mx";
    outcome.phase = "dot";
    if (random() % 33 == 0) {
      Outcome later = outcome;
      later.state = RecipientState::queued;
      later.reply = Reply(451, {4, 7, 1}, "greylisted, come again");
      add(request, of.message, entry, later);
    }
    add(request, of.message, entry, outcome);
    request.outcomes = {outcome};
    return request;
  }
  static void add(SettleRequest& request, const Message& message, const Entry& entry,
                  const Outcome& outcome) {
    Event event = test::event(message.id,
                              outcome.state == RecipientState::failed   ? EventKind::failed
                              : outcome.state == RecipientState::queued ? EventKind::deferred
                                                                        : EventKind::relayed,
                              request.now, entry.recipients[0].recipient.address.text());
    event.data = outcome_event_data(message, entry, outcome, request.now, request.now);
    request.events.push_back(std::move(event));
  }

  void fill(Store& store, std::uint64_t count) {
    const auto span = std::chrono::duration_cast<Duration>(last - first);
    while (messages < count) {
      std::vector<SpoolRequest> letters;
      for (std::size_t at = 0; at < group && messages < count; ++at, ++messages)
        letters.push_back(letter(first + span * static_cast<std::int64_t>(messages) /
                                             static_cast<std::int64_t>(count)));
      const auto spooled = store.spool(letters);
      std::vector<SettleRequest> settles;
      for (std::size_t at = 0; at < letters.size(); ++at)
        settles.push_back(settle(letters[at], spooled[at]->leases.at(0)));
      for (const auto& settled : store.settle(settles)) CHECK(settled.has_value());
      CHECK(store.commit().has_value());
    }
  }
};

struct Times {
  std::vector<double> milliseconds, cpu;
  static double at(const std::vector<double>& sorted, double part) {
    return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * part)];
  }
  std::string json(std::size_t rows) {
    const double first = milliseconds.front();
    std::ranges::sort(milliseconds);
    std::ranges::sort(cpu);
    return fmt::format(
        R"({{"asked":{},"rows":{},"first_ms":{:.2f},"p50_ms":{:.2f},"p95_ms":{:.2f},)"
        R"("p99_ms":{:.2f},"most_ms":{:.2f},"cpu_p95_ms":{:.2f}}})",
        milliseconds.size(), rows, first, at(milliseconds, 0.5), at(milliseconds, 0.95),
        at(milliseconds, 0.99), milliseconds.back(), at(cpu, 0.95));
  }
};

struct Question {
  const char* name;
  std::function<SearchFilter(std::mt19937_64&)> filter;
};

std::vector<Question> questions_of(const Filler& filled) {
  const auto some_day = [&filled](std::mt19937_64& random) {
    const auto days = std::chrono::duration_cast<std::chrono::days>(filled.last - filled.first);
    return filled.first + std::chrono::hours(random() % std::uint64_t(std::max<std::int64_t>(
                                                            1, days.count() * 24)));
  };
  const auto word = [](std::mt19937_64& random) { return words[random() % words.size()]; };
  return {
      {"newest", [](auto&) { return SearchFilter{.limit = 50}; }},
      {"a page in the middle",
       [some_day](auto& random) { return SearchFilter{.until = some_day(random), .limit = 50}; }},
      {"a person",
       [](auto& random) {
         return SearchFilter{
             .to = fmt::format("user{}@{}", skewed(random, 300000), domains[random() % 8]),
             .limit = 50};
       }},
      {"nobody",
       [](auto& random) {
         return SearchFilter{.to = fmt::format("nobody{}@wp.pl", random() % 1000), .limit = 50};
       }},
      {"a word of a subject",
       [word](auto& random) { return SearchFilter{.subject = word(random), .limit = 50}; }},
      {"two words",
       [word](auto& random) {
         return SearchFilter{.q = word(random) + " " + word(random), .limit = 50};
       }},
      {"an order's number",
       [](auto& random) {
         return SearchFilter{.q = std::to_string(random() % 1000000), .limit = 50};
       }},
      {"words that never meet",
       [word](auto& random) {
         return SearchFilter{
             .from = "shop1", .subject = word(random) + " welcome faktura order", .limit = 50};
       }},
      {"bounced", [](auto&) { return SearchFilter{.status = MailStatus::bounced, .limit = 50}; }},
      {"held (none)", [](auto&) { return SearchFilter{.status = MailStatus::held, .limit = 50}; }},
      {"a class", [](auto&) { return SearchFilter{.klass = "bad_mailbox", .limit = 50}; }},
      {"bounced at a provider",
       [](auto&) {
         return SearchFilter{.provider = "gmail", .status = MailStatus::bounced, .limit = 50};
       }},
      {"a tag and a stream",
       [word](auto& random) {
         return SearchFilter{.tag = "kind:" + word(random), .stream = "bulk", .limit = 50};
       }},
      {"a tag that bounced",
       [word](auto& random) {
         return SearchFilter{
             .tag = "kind:" + word(random), .status = MailStatus::bounced, .limit = 50};
       }},
      {"a day, a provider",
       [some_day](auto& random) {
         const auto day = some_day(random);
         return SearchFilter{
             .provider = "wp", .since = day, .until = day + std::chrono::hours(24), .limit = 50};
       }},
      {"a domain in a day",
       [some_day](auto& random) {
         const auto day = some_day(random);
         return SearchFilter{.to = fmt::format("firma{}.pl", 8 + random() % 200),
                             .since = day,
                             .until = day + std::chrono::hours(24),
                             .limit = 50};
       }},
  };
}

struct StatsQuestion {
  std::string name;
  StatsQuery query;
};

// What the dashboard and the API ask: over a day, a week and a month, by each name, and by two.
std::vector<StatsQuestion> statistics_of(const Filler& filled) {
  using enum StatsGroup;
  const std::pair<StatsGroup, StatsGroup> groups[] = {
      {none, none},           {day, none},          {hour, none},
      {provider, none},       {domain, none},       {recipient_domain, none},
      {stream, none},         {tag, none},          {pool, none},
      {klass, none},          {provider, klass},    {day, provider},
      {hour, provider},       {hour_of_week, none}, {hour_of_week, provider},
      {tag, recipient_domain}};
  std::vector<StatsQuestion> questions;
  for (const int days : {1, 7, 30}) {
    const auto since = filled.last - std::chrono::days(days);
    for (const auto& [by, then] : groups) {
      auto name = fmt::format("{} d by {}", days, name_of(by));
      if (then != none) name += fmt::format(", {}", name_of(then));
      questions.push_back(
          {name, {.group_by = by, .then_by = then, .since = since, .until = filled.last}});
    }
    questions.push_back(
        {fmt::format("{} d of a provider by hour_of_week", days),
         {.group_by = hour_of_week, .since = since, .until = filled.last, .provider = "gmail"}});
    questions.push_back(
        {fmt::format("{} d of a tag by provider", days),
         {.group_by = provider, .since = since, .until = filled.last, .tag = "kind:" + words[0]}});
  }
  return questions;
}

template <class Ask>
std::string time_questions(const char* name, std::size_t count, Times& all, Ask ask) {
  Times times;
  std::size_t rows = 0;
  for (std::size_t at = 0; at < count; ++at) {
    const double began = seconds_of(CLOCK_MONOTONIC), spent = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    rows += ask();
    times.milliseconds.push_back((seconds_of(CLOCK_MONOTONIC) - began) * 1000);
    times.cpu.push_back((seconds_of(CLOCK_THREAD_CPUTIME_ID) - spent) * 1000);
  }
  std::ranges::copy(times.milliseconds, std::back_inserter(all.milliseconds));
  std::ranges::copy(times.cpu, std::back_inserter(all.cpu));
  return fmt::format("\"{}\":{}", name, times.json(rows));
}

std::string ask_all(const Search& search, const Filler& filled, std::size_t count) {
  std::mt19937_64 random(5);
  Times all;
  std::vector<std::string> parts;
  for (const auto& question : questions_of(filled)) {
    parts.push_back(time_questions(question.name, count, all, [&] {
      const auto page = search.list(question.filter(random));
      CHECK(page.has_value());
      return page->rows.size();
    }));
  }
  for (const auto& question : statistics_of(filled)) {
    parts.push_back(time_questions(question.name.c_str(), count, all, [&] {
      const auto rows = search.statistics(question.query);
      CHECK(rows.has_value());
      return rows->size();
    }));
  }
  const auto asked = all.milliseconds.size();
  return fmt::format("\"questions\":{{{}}},\"all\":{}", fmt::join(parts, ",\n  "), all.json(asked));
}

std::uint64_t octets_in(const std::string& folder) {
  std::uint64_t octets = 0;
  for (const auto& each : files::directory_iterator(folder))
    octets += files::file_size(each.path());
  return octets;
}

BounceRules known_providers() {
  std::vector<BounceProvider> providers;
  const char* names[] = {"gmail", "wp", "o2", "onet", "interia", "outlook", "yahoo", "icloud"};
  for (std::size_t at = 0; at < domains.size(); ++at)
    providers.push_back({names[at], names[at], {hosts[at]}, {domains[at]}});
  return BounceRules(std::move(providers), {});
}

std::string project(Store& store, Search& search, Clock& clock, std::uint64_t messages,
                    const std::string& folder) {
  Metrics metrics;
  ProjectorOptions options;
  auto rules = std::make_shared<const BounceRules>(known_providers());
  options.rules = [rules] { return rules; };
  options.keep = [] {
    return ProjectorRetention{std::chrono::days(36500), std::chrono::days(36500)};
  };
  Projector projector(store, search, clock, options, metrics, null_log());
  const double began = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  const double resident = resident_mib();
  double most = resident;
  for (bool more = true; more;) {
    const auto step = projector.step();
    CHECK(step.has_value());
    more = *step;
    most = std::max(most, resident_mib());
  }
  CHECK(search.settle().has_value());
  const double took = seconds_of(CLOCK_MONOTONIC) - began;
  const double spent = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
  const auto events = static_cast<double>(search.position());
  return fmt::format(R"("project":{{"events_per_second":{:.0f},"cpu_us_per_event":{:.1f},)"
                     R"("resident_mib":[{:.0f},{:.0f},{:.0f}],"disk_octets_per_message":{:.0f}}})",
                     events / took, spent * 1e6 / events, resident, most, resident_mib(),
                     static_cast<double>(octets_in(folder)) / static_cast<double>(messages));
}

// A store that a run before left filled (`keep`) serves again: its last day is in `filled`.
void fill(Filler& filler, Store& store, const std::string& path, std::uint64_t messages, int days) {
  const auto told = path + "/filled";
  std::int64_t last = 0;
  if (std::ifstream(told) >> last) {
    filler.last = from_microseconds(last);
    filler.first = filler.last - std::chrono::days(days);
    return;
  }
  filler.first = filler.last - std::chrono::days(days);
  filler.fill(store, messages);
  CHECK(store.sweep(filler.first, filler.first - std::chrono::days(1), 1).has_value());
  CHECK(store.commit().has_value());
  std::ofstream(told) << to_microseconds(filler.last);
}

void run(const std::string& path, std::uint64_t messages, int days, std::size_t questions,
         bool keep) {
  if (!keep) files::remove_all(path);
  files::create_directories(path);
  SystemDisk disk;
  SystemClock clock;
  auto store =
      open_sqlite_store({path + "/store", {}, &null_log(), ApplyMode::with_commits}, disk, clock);
  CHECK(store.has_value());
  Filler filler;
  filler.last = clock.now();
  const double began = seconds_of(CLOCK_MONOTONIC);
  fill(filler, **store, path, messages, days);
  const double filled = seconds_of(CLOCK_MONOTONIC) - began;
  auto search = Search::open(disk, path + "/search");
  CHECK(search.has_value());
  const auto projected = project(**store, **search, clock, messages, path + "/search");
  const auto asked = ask_all(**search, filler, questions);
  fmt::print("{{\"events\":{},\"messages\":{},\"days\":{},\"fill_s\":{:.1f},\n {},\n {}}}\n",
             (*search)->position(), messages, days, filled, projected, asked);
  search->reset();
  store->reset();
  if (!keep) files::remove_all(path);
}

}  // namespace
}  // namespace goniec

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: sight DIRECTORY [MESSAGES] [DAYS] [QUESTIONS] [keep]\n");
    return 64;
  }
  const auto number = [&](int at, std::uint64_t usual) {
    return count > at ? static_cast<std::uint64_t>(std::atoll(arguments[at])) : usual;
  };
  goniec::run(arguments[1], number(2, 10000), static_cast<int>(number(3, 7)), number(4, 100),
              count > 5 && std::string_view(arguments[5]) == "keep");
}
