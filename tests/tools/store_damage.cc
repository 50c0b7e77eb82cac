// Flipped bits and cut files of a store, over the false disk: store_damage --changes N --seed S
//
// A store with mail in every place (database, its log, journal; closed by itself or by a power cut)
// is written once an image; then for each change a copy gets one bit flipped, or a file cut, or a
// sector or page of noise, and is used twice: it is served (opened, everything due leased and
// read), and it is salvaged, and what was saved is served.
//
// Laws, each counted when it is broken: never a crash (the process dies, and the parent sees it);
// `corrupt`: nothing is handed out that is not octet for octet what came in; `silent`: what is
// missing when served was named by an alarm or by the refusal to open; `unnamed`: what salvage did
// not save stands in its lines, by id; `unsaved`: salvage saves every message that no changed octet
// belongs to. The self-test (--self-test) damages a known message, a known page and a known length,
// and fails unless the losses are seen and named. Closes with one line of JSON.
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "base/text.h"
#include "store/store_for_tests.h"

namespace goniec::test {
namespace {

constexpr const char* home = "/false/store";
constexpr const char* rescue = "/false/saved";

const std::string& body_of(std::uint64_t id) {
  static std::map<std::uint64_t, std::string> made;
  if (const auto found = made.find(id); found != made.end()) return found->second;
  std::mt19937_64 chance(id);
  const std::size_t octets = id % 10 == 0  ? 70000 + chance() % 70000
                             : id % 3 == 0 ? 9000 + chance() % 11000
                                           : 200 + chance() % 4000;
  std::string body(octets, '\0');
  for (char& octet : body) octet = static_cast<char>('a' + chance() % 26);
  return made[id] = std::move(body);
}

std::vector<std::string> recipients_of(std::uint64_t id) {
  std::vector<std::string> all = {fmt::format("b{}@wp.pl", id)};
  if (id % 4 == 0) all.push_back(fmt::format("c{}@onet.pl", id));
  return all;
}

class NamingLog final : public LogSink {
 public:
  void write(LogRecord record) override { text += record.event + ' ' + record.text + '\n'; }
  std::string text;
};

using Recipients = std::map<std::uint64_t, std::set<std::string>>;  // of what is queued, by message
using Files = std::map<std::string, std::string>;

struct Image {
  Files files;
  Recipients queued;
  std::string name;
};

StoreLimits limits_of() {
  StoreLimits limits;
  limits.journal_file_octets = 192 * 1024;
  limits.apply_octets = 64 * 1024;
  limits.checkpoint_octets = 300000;
  return limits;
}

struct House {
  FalseClock clock;
  NamingLog log;
  FaultDisk disk;
  std::unique_ptr<Store> store;

  Result<void> open(const std::string& path = home) {
    store.reset();
    store = TRY(open_sqlite_store({path, limits_of(), &log}, disk, clock));
    return {};
  }
};

template <class Value>
Value must(Result<Value> result, std::string_view what) {
  if (!result) {
    fmt::print("{}: {}\n", what, result.error().message);
    std::abort();
  }
  if constexpr (!std::is_void_v<Value>) return std::move(*result);
}

// ---------------------------------------------------------------- what is damaged

// Mail of all kinds: some settled, some deferred, some with a part of its recipients done.
void live(House& house, Image& image, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t id = first; id < first + count; ++id) {
    house.clock.advance(std::chrono::milliseconds(20));
    const Instant now = house.clock.now();
    const auto all = recipients_of(id);
    auto spooled = must(spool(*house.store, letter(id, now, all, body_of(id))), "spool");
    image.queued[id] = {all.begin(), all.end()};
    must(house.store->commit(), "commit");
    for (std::size_t i = 0; i < spooled.leases.size(); ++i) {
      const bool done = id % 5 == 1 || (id % 8 == 4 && i == 0);
      if (!done && id % 2 == 0) {
        must(settle(*house.store, deferred(spooled.leases[i], now, std::chrono::minutes(5))),
             "defer");
      } else if (done) {
        must(settle(*house.store, delivered(spooled.leases[i], 1, now)), "settle");
        image.queued[id].erase(all[i]);
      }
    }
    if (image.queued[id].empty()) image.queued.erase(id);
    must(house.store->commit(), "commit");
  }
}

enum class End { closed, killed, killed_with_pending, power };

Image make_image(End end, std::uint64_t first) {
  House house;
  Image image;
  constexpr const char* names[] = {"closed", "killed", "pending", "power"};
  image.name = names[static_cast<int>(end)];
  must(house.open(), "open");
  must(one(*house.store, &Store::put_objects, ObjectPut{{"domain", "a.pl"}, "{}", false}), "put");
  must(house.store->commit(), "commit");
  live(house, image, first, 50);
  if (end != End::killed_with_pending) must((*house.store->reader())->stats(), "stats");
  live(house, image, first + 50, end == End::closed ? 10 : 4);
  // After a power cut nobody can tell whether the last group was synced: it holds no mail.
  if (end == End::power) {
    must(spool(*house.store,
               letter(first + 90, house.clock.now(), {"x@wp.pl"}, body_of(first + 90))),
         "spool");
    must(house.store->commit(), "commit");
  }
  if (end != End::closed) house.disk.stop_at(1);
  house.store.reset();
  if (end == End::power) house.disk.crash(0);
  for (const auto& [name, file] : house.disk.files()) image.files[name] = file->now;
  return image;
}

// ---------------------------------------------------------------- the change

struct Change {
  std::string what, name;
  std::size_t from = 0, to = 0;  // octets of the file that are not as they were
};

// The length up to which something is written: the journal's files are mostly zeroes.
std::size_t written(const std::string& octets) {
  const auto last = octets.find_last_not_of('\0');
  return last == std::string::npos ? 1 : last + 1;
}

Change change(Files& files, std::mt19937_64& chance) {
  std::vector<std::string> names;
  for (const auto& [name, octets] : files) {
    if (octets.empty() || name.ends_with("/lock")) continue;
    const bool is_mail = octets.size() > 1000;  // the others are a line each
    names.insert(names.end(), is_mail ? 8 : 1, name);
  }
  Change made;
  made.name = names[chance() % names.size()];
  std::string& octets = files[made.name];
  const std::size_t end = written(octets);
  made.from = chance() % end;
  const std::uint64_t kind = chance() % 100;
  if (kind < 80) {
    octets[made.from] = static_cast<char>(octets[made.from] ^ (1 << (chance() % 8)));
    made.to = made.from + 1;
    made.what = "flip";
  } else if (kind < 90) {
    made.to = octets.size();
    octets.resize(made.from);
    made.what = "cut";
  } else {
    const std::size_t unit = kind < 95 ? 512 : 8192;
    made.from -= made.from % unit;
    made.to = std::min(octets.size(), made.from + unit);
    for (auto at = made.from; at < made.to; ++at) octets[at] = static_cast<char>(chance());
    made.what = unit == 512 ? "sector" : "page";
  }
  made.what +=
      fmt::format(" {} {}..{}", made.name.substr(std::strlen(home) + 1), made.from, made.to);
  return made;
}

// ---------------------------------------------------------------- the use

// What a store hands out: by message the recipients for which it is whole.
struct Served {
  Recipients whole;
  std::set<std::uint64_t> corrupt;
};

bool read_body(Reader& reader, MessageId id, std::string& body) {
  const auto content = reader.content(id);
  if (!content) return false;
  for (std::uint32_t i = 0; i < content->body_chunks; ++i) {
    auto chunk = reader.chunk(id, i);
    if (!chunk) return false;
    body += *chunk;
  }
  body = content->header + body;
  return true;
}

Served serve(House& house) {
  Served served;
  house.clock.advance(std::chrono::hours(1));
  auto reader = house.store->reader();
  if (!reader) {
    house.log.text += reader.error().message;
    return served;
  }
  for (int rounds = 0; rounds < 20; ++rounds) {
    const auto leased = house.store->lease({house.clock.now(), 50, {}});
    if (!leased || leased->entries.empty()) break;
    for (const LeasedEntry& each : leased->entries) {
      const MessageId id = each.message.id;
      std::string content;
      if (!read_body(**reader, id, content)) continue;
      const std::string wanted = fmt::format("Subject: {}\r\n\r\n", id.value) + body_of(id.value);
      if (content != wanted) served.corrupt.insert(id.value);
      for (const auto& one : each.entry.recipients)
        if (one.state == RecipientState::queued)
          served.whole[id.value].insert(one.recipient.address.text());
    }
  }
  return served;
}

void put_files(FaultDisk& disk, const Files& files) {
  for (const auto& [name, octets] : files) {
    auto file = std::make_shared<FaultFile>();
    file->now = file->synced = octets;
    file->name_synced = true;
    disk.files()[name] = std::move(file);
  }
}

// Queued messages that were not handed out to each of their recipients.
std::set<std::uint64_t> missing(const Image& image, const Served& served) {
  std::set<std::uint64_t> ids;
  for (const auto& [id, recipients] : image.queued) {
    const auto found = served.whole.find(id);
    for (const auto& one : recipients)
      if (found == served.whole.end() || !found->second.contains(one)) ids.insert(id);
  }
  return ids;
}

struct Totals {
  std::uint64_t changes = 0, refused = 0, alarmed = 0, missing_served = 0, missing_saved = 0,
                named = 0, told = 0;
  std::uint64_t corrupt = 0, silent = 0, unnamed = 0, unsaved = 0, not_salvaged = 0;
  std::vector<std::string> first;
  bool verbose = false;

  void blame(std::uint64_t& count, std::string_view law, const std::string& text) {
    ++count;
    if (first.size() < 40 || verbose) first.push_back(fmt::format("{}: {}", law, text));
  }
};

std::string ids_text(const std::set<std::uint64_t>& ids) {
  std::string text;
  for (const auto id : ids) text += fmt::format("{} ", MessageId{id}.text());
  return text.substr(0, 120);
}

void serve_it(const Image& image, const Files& files, const std::string& what, Totals& totals) {
  House house;
  put_files(house.disk, files);
  const auto opened = house.open();
  if (!opened) {
    ++totals.refused;  // and says why
    return;
  }
  const Served served = serve(house);
  const auto gone = missing(image, served);
  house.store.reset();
  for (const auto id : served.corrupt)
    totals.blame(totals.corrupt, "corrupt", fmt::format("{} message {}", what, id));
  totals.alarmed += house.log.text.find("store.damaged") != std::string::npos;
  totals.missing_served += gone.size();
  if (!gone.empty() && house.log.text.empty())
    totals.blame(totals.silent, "silent", what + ": " + ids_text(gone));
}

void salvage_it(const Image& image, const Files& files, const Change& made, Totals& totals) {
  House house;
  put_files(house.disk, files);
  const auto report =
      salvage_store({home, limits_of(), &house.log}, rescue, house.disk, house.clock);
  if (!report) {
    totals.blame(totals.not_salvaged, "not salvaged", made.what + ": " + report.error().message);
    return;
  }
  std::string lines;
  for (const auto& line : report->lines) lines += line + '\n';
  if (const auto opened = house.open(rescue); !opened) {
    totals.blame(totals.not_salvaged, "not opened", made.what + ": " + opened.error().message);
    return;
  }
  const Served served = serve(house);
  const auto gone = missing(image, served);
  for (const auto id : served.corrupt)
    totals.blame(totals.corrupt, "corrupt", fmt::format("{} saved message {}", made.what, id));
  totals.missing_saved += gone.size();
  std::set<std::uint64_t> unnamed;
  for (const auto id : gone) {
    if (lines.find(MessageId{id}.text()) == std::string::npos) unnamed.insert(id);
  }
  totals.named += gone.size() - unnamed.size();
  // What was cut off left no name; that something is missing, and where, is said.
  const bool is_said = lines.find(" lacks ") != std::string::npos;
  if (is_said) totals.told += unnamed.size();
  if (is_said) unnamed.clear();
  if (!unnamed.empty())
    totals.blame(totals.unnamed, "unnamed",
                 fmt::format("{}: {} of {}: {}| {}", made.what, unnamed.size(), gone.size(),
                             ids_text(unnamed), lines.substr(0, 300)));
  if (gone.size() > 1 && made.what.starts_with("flip"))
    totals.blame(totals.unsaved, "unsaved",
                 fmt::format("{}: {} gone: {}| {}", made.what, gone.size(), ids_text(gone),
                             lines.substr(0, 300)));
}

void run(std::uint64_t changes, std::uint64_t seed, Totals& totals) {
  std::vector<Image> images;
  for (const End end : {End::closed, End::killed, End::killed_with_pending, End::power})
    images.push_back(make_image(end, 100));
  for (std::uint64_t number = 0; number < changes; ++number) {
    std::mt19937_64 chance(seed * 1000003 + number);
    const Image& image = images[number % images.size()];
    Files files = image.files;
    Change made = change(files, chance);
    made.what = fmt::format("#{} {} {}", number, image.name, made.what);
    ++totals.changes;
    serve_it(image, files, made.what, totals);
    salvage_it(image, files, made, totals);
  }
}

// Damage whose loss is known beforehand: the laws are believed because these are seen.
bool is_seen(const Image& image, const Files& files, std::uint64_t lost, std::string_view word) {
  House house;
  put_files(house.disk, files);
  const auto opened = house.open();
  const auto gone = opened ? missing(image, serve(house)) : std::set<std::uint64_t>{};
  const bool served_well =
      !opened ||
      (gone.contains(lost) && house.log.text.find(MessageId{lost}.text()) != std::string::npos);
  house.store.reset();
  House second;
  put_files(second.disk, files);
  const auto report =
      salvage_store({home, limits_of(), &second.log}, rescue, second.disk, second.clock);
  if (!report || !second.open(rescue)) return false;
  const auto unsaved = missing(image, serve(second));
  const bool is_named = std::ranges::any_of(report->lines, [&word](const std::string& line) {
    return line.find(word) != std::string::npos;
  });
  fmt::print("self-test {}: served {}, missing {}, unsaved {}, named {}\n", word,
             opened.has_value(), gone.size(), unsaved.size(), is_named);
  return served_well && unsaved.contains(lost) && is_named;
}

int self_test() {
  Image image = make_image(End::closed, 100);
  std::erase_if(image.files, [](const auto& file) {
    return file.first.find("/journal/") != std::string::npos || file.first.ends_with("-wal");
  });
  const std::string database = std::string(home) + "/goniec.db";
  const std::uint64_t lost = 105;  // its body lies on one page
  const std::string name = MessageId{lost}.text();
  const auto at = image.files[database].find(body_of(lost).substr(0, 100));
  Files flipped = image.files, holed = image.files, cut = image.files;
  flipped[database][at + 50] ^= 1;
  holed[database].replace(at - at % 8192, 8192, std::string(8192, '\xA5'));
  cut[database].resize(at - at % 8192);
  const bool good = at != std::string::npos && is_seen(image, flipped, lost, name) &&
                    is_seen(image, holed, lost, name) && is_seen(image, cut, lost, " lacks ");
  fmt::print("{}\n", good ? "self-test ok" : "self-test FAILED");
  return good ? 0 : 1;
}

int main_of(int count, char** words) {
  std::uint64_t changes = 1000, seed = 1;
  Totals totals;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--self-test") return self_test();
    if (word == "--verbose") totals.verbose = true;
    if (i + 1 == count) break;
    if (word == "--changes") changes = parse_unsigned(words[i + 1]).value_or(1);
    if (word == "--seed") seed = parse_unsigned(words[i + 1]).value_or(1);
  }
  run(changes, seed, totals);
  for (const auto& text : totals.first) fmt::print("{}\n", printable(text, 600));
  fmt::print(
      R"({{"changes":{},"refused":{},"alarmed":{},"missing_served":{},"missing_saved":{},"named":{},)"
      R"("told":{},"corrupt":{},"silent":{},"unnamed":{},"unsaved":{},"not_salvaged":{}}})"
      "\n",
      totals.changes, totals.refused, totals.alarmed, totals.missing_served, totals.missing_saved,
      totals.named, totals.told, totals.corrupt, totals.silent, totals.unnamed, totals.unsaved,
      totals.not_salvaged);
  return 0;
}

}  // namespace
}  // namespace goniec::test

int main(int count, char** words) {
  return goniec::test::main_of(count, words);
}
