// The reconciler: reads what client, sink and killer wrote, and says what became of every
// acknowledged recipient of every message.
//
//   LOST        acknowledged, and neither at the sink, nor in a DSN, nor in the queue listing
//   CORRUPT     at the sink with a digest that is not the header's
//   GHOST       at the sink though no try, or only refused ones, can have brought it
//   duplicate   at the sink more often than once. Explained by a second try of the client after a
//               lost answer, by a cut of the sink, or by a kill that came within the window after
//               a delivery and before its repetition; what is left is UNEXPLAINED
// Prints one JSON object; ends 0 when nothing is lost, corrupt, a ghost or unexplained, else 1.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "tests/torture/letter.h"
#include "tests/torture/wire.h"

namespace audit {
namespace {

struct Sent {
  std::uint64_t tries = 0, refused = 0;
  bool acked = false;
  std::set<std::uint64_t> accepted;
};

struct Came {
  std::vector<std::uint64_t> at;
  std::uint64_t cuts = 0, bad = 0, notices = 0;
};

struct Kill {  // the moment lies between the two: the killer needs some milliseconds
  std::uint64_t begun = 0, dead = 0;
};

using Place = std::pair<std::uint64_t, std::uint64_t>;  // message, recipient

struct Books {
  std::map<std::uint64_t, Sent> sent;
  std::map<Place, Came> came;
  std::set<Place> queued;
  std::vector<Kill> kills;  // in their order
  std::vector<std::uint64_t> waits_us;
  std::uint64_t worst_recovery_us = 0, strays = 0;
};

void read_client(const std::string& path, Books& books) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string verb, list, each;
    std::uint64_t seq = 0, at = 0, wait = 0;
    words >> verb >> seq >> at;
    Sent& sent = books.sent[seq];
    if (verb == "try") ++sent.tries;
    if (verb == "no" && sent.tries > sent.refused) ++sent.refused;
    if (verb != "ack") continue;
    sent.acked = true;
    words >> wait >> list;
    books.waits_us.push_back(wait);
    std::istringstream numbers(list);
    while (std::getline(numbers, each, ',')) sent.accepted.insert(std::stoull(each));
  }
}

void read_sink(const std::string& path, Books& books) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string verb, grade;
    std::uint64_t seq = 0, number = 0, at = 0;
    words >> verb >> seq >> number >> at >> grade;
    if (verb == "stray") {
      ++books.strays;
      continue;
    }
    Came& came = books.came[{seq, number}];
    if (verb == "got") came.at.push_back(at);
    if (verb == "got" && grade != "good") ++came.bad;
    if (verb == "cut") ++came.cuts;
    if (verb == "dsn") ++came.notices;
  }
}

void read_events(const std::string& path, Books& books) {
  std::ifstream in(path);
  std::string verb;
  for (std::uint64_t at = 0, last = 0; in >> verb >> at;) {
    if (verb == "kill") books.kills.push_back({last = at, at});
    if (verb == "dead" && !books.kills.empty()) books.kills.back().dead = at;
    if (verb == "up" && last > 0) {
      books.worst_recovery_us = std::max(books.worst_recovery_us, at - last);
      last = 0;
    }
  }
}

void read_queue(const std::string& path, Books& books) {
  std::ifstream in(path);
  std::ostringstream whole;
  whole << in.rdbuf();
  const std::string text = whole.str();
  std::size_t at = 0;
  while (const auto who = find_address(text, at)) books.queued.emplace(who->seq, who->number);
}

// A busy sink notes what it took some time after the last octet came, when the sender may be dead.
constexpr std::uint64_t sink_lag_us = 1000000;

// How many repetitions of these deliveries kills explain.
std::uint64_t explained(std::vector<std::uint64_t> at, const std::vector<Kill>& kills,
                        std::uint64_t window_us) {
  std::sort(at.begin(), at.end());
  std::uint64_t count = 0;
  for (std::size_t i = 0; i + 1 < at.size(); ++i) {
    const auto kill = std::lower_bound(
        kills.begin(), kills.end(), at[i],
        [](const Kill& each, std::uint64_t time) { return each.dead + sink_lag_us < time; });
    if (kill != kills.end() && kill->begun <= at[i + 1] && kill->begun <= at[i] + window_us)
      ++count;
  }
  return count;
}

struct Verdict {
  std::vector<Place> lost, corrupt, ghosts, unexplained;
  std::uint64_t acked = 0, recipients = 0, delivered = 0, queued = 0, noticed = 0;
  std::uint64_t twice = 0, resent = 0, cut = 0, of_kills = 0;
};

void judge_acked(const Books& books, Verdict& verdict) {
  for (const auto& [seq, sent] : books.sent) {
    if (!sent.acked) continue;
    ++verdict.acked;
    for (const std::uint64_t number : sent.accepted) {
      ++verdict.recipients;
      const Place place{seq, number};
      const auto came = books.came.find(place);
      if (came != books.came.end() && !came->second.at.empty()) {
        ++verdict.delivered;
      } else if (came != books.came.end() && came->second.notices > 0) {
        ++verdict.noticed;
      } else if (books.queued.contains(place)) {
        ++verdict.queued;
      } else {
        verdict.lost.push_back(place);
      }
    }
  }
}

void judge_came(const Books& books, std::uint64_t window_us, Verdict& verdict) {
  for (const auto& [place, came] : books.came) {
    if (came.bad > 0) verdict.corrupt.push_back(place);
    if (came.at.empty()) continue;
    const auto found = books.sent.find(place.first);
    const std::uint64_t open =
        found == books.sent.end() ? 0 : found->second.tries - found->second.refused;
    if (open == 0 || (found->second.acked && !found->second.accepted.contains(place.second))) {
      verdict.ghosts.push_back(place);
      continue;
    }
    std::uint64_t more = came.at.size() - 1;
    verdict.twice += more;
    const std::uint64_t resent = std::min(more, open - 1);
    more -= resent;
    const std::uint64_t cut = std::min(more, came.cuts);
    more -= cut;
    const std::uint64_t kills = std::min(more, explained(came.at, books.kills, window_us));
    more -= kills;
    verdict.resent += resent;
    verdict.cut += cut;
    verdict.of_kills += kills;
    if (more > 0) verdict.unexplained.push_back(place);
  }
}

void print_places(const char* name, const std::vector<Place>& places) {
  std::printf(", \"%s\": %zu, \"%s_which\": [", name, places.size(), name);
  for (std::size_t i = 0; i < places.size() && i < 20; ++i) {
    std::printf("%s\"s%llur%llu\"", i ? ", " : "", static_cast<unsigned long long>(places[i].first),
                static_cast<unsigned long long>(places[i].second));
  }
  std::printf("]");
}

double wait_ms(std::vector<std::uint64_t>& waits, std::size_t percent) {
  if (waits.empty()) return 0;
  return static_cast<double>(waits[std::min(waits.size() - 1, waits.size() * percent / 100)]) / 1e3;
}

void print(Books& books, const Verdict& verdict) {
  const auto say = [](const char* name, std::uint64_t value) {
    std::printf(", \"%s\": %llu", name, static_cast<unsigned long long>(value));
  };
  std::sort(books.waits_us.begin(), books.waits_us.end());
  std::printf("{\"messages\": %llu", static_cast<unsigned long long>(verdict.acked));
  say("recipients", verdict.recipients);
  say("delivered", verdict.delivered);
  say("noticed", verdict.noticed);
  say("queued", verdict.queued);
  say("kills", books.kills.size());
  print_places("lost", verdict.lost);
  print_places("corrupt", verdict.corrupt);
  print_places("ghosts", verdict.ghosts);
  print_places("unexplained", verdict.unexplained);
  say("duplicates", verdict.twice);
  say("duplicates_of_client", verdict.resent);
  say("duplicates_of_cuts", verdict.cut);
  say("duplicates_of_kills", verdict.of_kills);
  say("strays", books.strays);
  std::printf(", \"worst_recovery_ms\": %.0f, \"p50_ms\": %.1f, \"p99_ms\": %.1f}\n",
              static_cast<double>(books.worst_recovery_us) / 1e3, wait_ms(books.waits_us, 50),
              wait_ms(books.waits_us, 99));
}

}  // namespace

int run_judge(const Options& options) {
  Books books;
  read_client(text(options, "client"), books);
  read_sink(text(options, "sink"), books);
  read_events(text(options, "events", "/dev/null"), books);
  read_queue(text(options, "queue", "/dev/null"), books);
  Verdict verdict;
  judge_acked(books, verdict);
  judge_came(books, number(options, "window-ms", 2000) * 1000, verdict);
  print(books, verdict);
  return verdict.lost.empty() && verdict.corrupt.empty() && verdict.ghosts.empty() &&
                 verdict.unexplained.empty()
             ? 0
             : 1;
}

}  // namespace audit
