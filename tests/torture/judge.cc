// The reconciler: reads what client, sink and killer wrote, and says what became of every
// acknowledged recipient of every message.
//
//   LOST        acknowledged, and neither at the sink, nor in a DSN, nor in the queue listing
//   CORRUPT     at the sink with a digest that is not the header's
//   GHOST       at the sink though no try, or only refused ones, can have brought it
//   duplicate   at the sink more often than once. Explained by a second try of the client after a
//               lost answer, by a cut of the sink, or by a kill that came within the window after
//               the sink's 250 (or the delivery, when it gave none) and before the repetition; what
//               is left is UNEXPLAINED, and its moments are said
// --doubtful SEQ,SEQ…: messages that lay in a write or sync that failed. Their refusals promise
// nothing: what is on the disk after a failed sync nobody knows, and found whole it is delivered.
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
  bool acked = false, doubtful = false;
  std::set<std::uint64_t> accepted;
};

struct Came {
  std::vector<std::uint64_t> at, told;  // when it came, when the 250 for it was given
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

void read_doubtful(const std::string& list, Books& books) {
  std::istringstream numbers(list);
  for (std::string each; std::getline(numbers, each, ',');)
    books.sent[std::stoull(each)].doubtful = true;
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
    if (verb == "told") came.told.push_back(at);
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

// How many repetitions of these deliveries kills explain, when the queue can have held that many
// copies of the message: a kill lets each copy that was under way come once more. The answer to a
// delivery came before its copy came again, and of the others each at most once in between.
std::uint64_t explained(const Came& came, const std::vector<Kill>& kills, std::uint64_t window_us,
                        std::uint64_t copies) {
  std::vector<std::uint64_t> at = came.at, told = came.told;
  std::sort(at.begin(), at.end());
  std::sort(told.begin(), told.end());
  std::uint64_t count = 0;
  std::multiset<std::uint64_t> owed;  // kills whose copy has not come again yet
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (!owed.empty() && *owed.begin() <= at[i]) {
      owed.erase(owed.begin());
      ++count;
    }
    const auto kill =
        std::lower_bound(kills.begin(), kills.end(), at[i],
                         [](const Kill& each, std::uint64_t time) { return each.dead < time; });
    const auto answer = std::lower_bound(told.begin(), told.end(), at[i]);
    const bool is_own =
        answer != told.end() && (i + copies >= at.size() || *answer < at[i + copies]);
    const std::uint64_t known = is_own ? *answer : at[i];
    if (kill != kills.end() && kill->begun <= known + window_us) owed.insert(kill->begun);
  }
  return count;
}

struct Verdict {
  std::vector<Place> lost, corrupt, ghosts, unexplained;
  std::uint64_t acked = 0, recipients = 0, delivered = 0, queued = 0, noticed = 0;
  std::uint64_t twice = 0, resent = 0, cut = 0, of_kills = 0, of_failures = 0;
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
    const std::uint64_t doubted =
        found != books.sent.end() && found->second.doubtful ? found->second.refused : 0;
    if (open + doubted == 0 ||
        (found->second.acked && !found->second.accepted.contains(place.second))) {
      verdict.ghosts.push_back(place);
      continue;
    }
    std::uint64_t more = came.at.size() - 1;
    verdict.twice += more;
    const std::uint64_t copies = std::max<std::uint64_t>(open, 1);
    const std::uint64_t resent = std::min(more, copies - 1);
    more -= resent;
    const std::uint64_t cut = std::min(more, came.cuts);
    more -= cut;
    const std::uint64_t kills = std::min(more, explained(came, books.kills, window_us, copies));
    more -= kills;
    const std::uint64_t failures = std::min(more, doubted);
    more -= failures;
    verdict.of_failures += failures;
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

// What is known of a recipient that came too often, in milliseconds after it came first.
std::string moments(const Books& books, const Place& place) {
  const Came& came = books.came.at(place);
  const std::uint64_t first = *std::min_element(came.at.begin(), came.at.end());
  const auto since = [first](std::uint64_t time) {
    return " " + std::to_string(static_cast<std::int64_t>(time - first) / 1000);
  };
  const auto sent = books.sent.find(place.first);
  std::string text = "s" + std::to_string(place.first) + "r" + std::to_string(place.second);
  if (sent != books.sent.end()) {
    text += ": " + std::to_string(sent->second.tries) + " tries, " +
            std::to_string(sent->second.refused) + " refused";
  }
  text += ", " + std::to_string(came.cuts) + " cuts; came";
  for (const std::uint64_t at : came.at) text += since(at);
  text += "; told";
  for (const std::uint64_t at : came.told) text += since(at);
  text += "; kills";
  for (const Kill& kill : books.kills) {
    if (kill.dead + 60000000 < first || kill.begun > first + 600000000) continue;
    text += since(kill.begun) + ".." + since(kill.dead).substr(1);
  }
  return text;
}

void print_moments(const Books& books, const std::vector<Place>& places) {
  std::printf(", \"unexplained_facts\": [");
  for (std::size_t i = 0; i < places.size() && i < 5; ++i) {
    std::printf("%s\"%s\"", i ? ", " : "", moments(books, places[i]).c_str());
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
  print_moments(books, verdict.unexplained);
  say("duplicates", verdict.twice);
  say("duplicates_of_client", verdict.resent);
  say("duplicates_of_cuts", verdict.cut);
  say("duplicates_of_kills", verdict.of_kills);
  say("duplicates_of_failures", verdict.of_failures);
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
  read_doubtful(text(options, "doubtful"), books);
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
