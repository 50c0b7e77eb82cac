// Test data of outbound TLS against what trust/ makes of them: vectors_transport SUITE PATH...
//
//   dane     TSV, any name: id, chain, TLSA records, DNS state, expectation, note. The chain is
//            chain-NAME.pem beside the file or in a folder given; "-": STARTTLS is not offered.
//            The head line names the MX host, the next hop and the time of evaluation.
//   mtasts   TSV, any name, by its head line or its first rows:
//              policy text (JSON)  expectation
//              mx line of a policy  MX host  expectation
//              situation in words  expectation in words
//
// An expectation may be several, with "|" between: one of them must be met. Folders are searched.
// A file of no known format is said; named by itself it is a failure. Prints each failing case and
// closes with "N passed, N failed".
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "mail/address.h"
#include "tests/tools/vector_kit.h"
#include "trust/tls_requirement.h"

namespace goniec {
namespace {

using vectors::read_file;
using vectors::Tally;
namespace fs = vectors::fs;

using Row = std::vector<std::string>;
struct Table {
  std::string head;  // comment lines, lower case
  std::vector<Row> rows;
};

Table table_of(const fs::path& path) {
  Table table;
  const std::string text = read_file(path);
  for (auto line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#')) table.head += to_lower(line) + "\n";
    if (line.empty() || line.starts_with('#')) continue;
    auto& row = table.rows.emplace_back();
    for (auto cell : split(line, '\t')) row.emplace_back(cell);
  }
  return table;
}

bool has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}
bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return has(text, word); });
}

// "a | b (note)" -> "a", "b"
std::vector<std::string> alternatives(const std::string& expectation) {
  const std::string plain = std::regex_replace(expectation, std::regex(R"(\([^)]*\))"), "");
  std::vector<std::string> result;
  for (auto part : split(plain, '|'))
    if (!trim(part).empty()) result.push_back(to_lower(trim(part)));
  return result;
}

// ---------------------------------------------------------------------------------------- dane
struct DaneWorld {
  std::string host = "mx1.open-vectors.example", next_hop = "next-hop.example";
  Instant now = parse_rfc3339("2027-01-01T00:00:00Z").value();
};

DaneWorld world_of(const std::string& head) {
  DaneWorld world;
  std::smatch found;
  if (std::regex_search(head, found, std::regex("mx host ([a-z0-9.-]+)"))) world.host = found[1];
  if (std::regex_search(head, found, std::regex("next hop ([a-z0-9.-]+)")))
    world.next_hop = found[1];
  if (std::regex_search(head, found, std::regex(R"(evaluate at (\d{4}-\d\d-\d\d))")))
    world.now = parse_rfc3339(found[1].str() + "T00:00:00Z").value();
  return world;
}

std::vector<DnsRecord> records_of(const std::string& text) {
  std::vector<DnsRecord> records;
  for (auto each : split(text, ';')) {
    unsigned usage = 0, selector = 0, matching = 0;
    int used = 0;
    const std::string one(trim(each));
    if (std::sscanf(one.c_str(), "%u %u %u %n", &usage, &selector, &matching, &used) < 3) continue;
    std::string hex = one.substr(static_cast<std::size_t>(used));
    std::erase(hex, ' ');
    records.push_back(DnsTlsa{static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector),
                              static_cast<std::uint8_t>(matching), from_hex(hex).value_or("")});
  }
  return records;
}

std::optional<fs::path> chain_file(const fs::path& table, const std::string& name,
                                   const std::vector<fs::path>& places) {
  std::vector<fs::path> folders{table.parent_path()};
  for (const auto& place : places)
    folders.push_back(fs::is_directory(place) ? place : place.parent_path());
  for (const auto& folder : folders)
    for (const std::string& file : {"chain-" + name + ".pem", name + ".pem", name})
      if (fs::is_regular_file(folder / file)) return folder / file;
  for (const auto& folder : folders) {
    if (folder.empty()) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.path().filename() == "chain-" + name + ".pem") return entry.path();
  }
  return std::nullopt;
}

// What DNS says in this case, behind a signed MX.
Findings findings_of(const DaneWorld& world, const std::string& state, const Row& row) {
  const bool weak_address = has_any(state, {"address-insecure", "a-insecure", "host-insecure"});
  Findings findings;
  DnsAnswer address{.status = DnsStatus::found,
                    .records = {*IpAddress::parse("192.0.2.1")},
                    .canonical_name = {},
                    .authenticated = !weak_address,
                    .ttl_seconds = 600,
                    .why = {}};
  findings.learn({world.host, DnsType::a}, address);
  DnsAnswer nothing;
  nothing.status = DnsStatus::no_data;
  nothing.authenticated = true;
  findings.learn({world.host, DnsType::aaaa}, nothing);
  DnsAnswer tlsa;
  tlsa.authenticated = !has(state, "insecure");
  tlsa.ttl_seconds = 600;
  tlsa.why = state;
  if (has(state, "bogus"))
    tlsa.status = DnsStatus::bogus;
  else if (has_any(state, {"servfail", "timeout", "temporary", "indeterminate"}))
    tlsa.status = DnsStatus::temporary;
  else if (has_any(state, {"nodata", "nxdomain", "absent", "none"}))
    tlsa.status = DnsStatus::no_data;
  else
    tlsa.status = DnsStatus::found;
  if (tlsa.status == DnsStatus::found) tlsa.records = records_of(row.at(2));
  if (tlsa.status == DnsStatus::found && tlsa.records.empty()) tlsa.status = DnsStatus::no_data;
  findings.learn({"_25._tcp." + world.host, DnsType::tlsa}, tlsa);
  return findings;
}

std::string outcome_of(const TlsRequirement& need, const TlsJudgement& judged, bool encrypted) {
  if (need.blocked || judged.refused) return "defer";
  if (judged.verified == TlsProof::dane) return "deliver-authenticated";
  if (need.level == TlsLevel::opportunistic) return "deliver-opportunistic";
  return encrypted ? "deliver-encrypted-unauthenticated" : "deliver-in-clear";
}

bool meets(const std::string& outcome, const std::string& wanted) {
  if (outcome == wanted) return true;
  if (wanted == "try-next-mx") return outcome == "defer";  // this host is not used
  return wanted == "deliver" && outcome.starts_with("deliver");
}

void run_dane_case(const fs::path& path, const Row& row, const DaneWorld& world,
                   const std::vector<fs::path>& places, Tally& tally) {
  const std::string& id = row.at(0);
  const std::string state = to_lower(row.at(3));
  const std::string words = to_lower(id + " " + (row.size() > 5 ? row[5] : ""));
  TlsSeen seen;
  std::shared_ptr<const TrustRoots> roots;
  if (row.at(1) != "-" && !row.at(1).empty()) {
    const auto file = chain_file(path, row.at(1), places);
    if (!file) return tally.check(false, fmt::format("{}: no chain-{}.pem", id, row.at(1)));
    const std::string pem = read_file(*file);
    seen.kind = TlsSeen::Kind::up;
    seen.chain = certificates_of_pem(pem);
    if (auto all = TrustRoots::of_pem(pem)) roots = *all;
  }
  if (has(words, "no-starttls")) seen.kind = TlsSeen::Kind::not_offered;
  Findings findings = findings_of(world, state, row);
  DaneTarget target{world.host, 25, world.next_hop, !has(state, "mx-insecure")};
  TlsSituation situation;
  situation.host = world.host;
  situation.domain = world.next_hop;
  const auto dane = look_up_dane(findings, target);
  if (!dane) return tally.check(false, id + ": asks more than the case knows");
  situation.dane = *dane;
  if (has_any(words, {"mtasts", "mta-sts"})) {  // one that the chain satisfies
    MtaStsPolicy policy{MtaStsMode::enforce, {world.host}, 86400};
    situation.mta_sts = MtaStsKnown{"1", policy, world.now};
  }
  const TlsRequirement need = require_tls(situation);
  const TlsJudgement judged = judge_tls(need, seen, roots.get(), world.now);
  const std::string outcome = outcome_of(need, judged, seen.kind == TlsSeen::Kind::up);
  const auto wanted = alternatives(row.at(4));
  const bool met =
      std::ranges::any_of(wanted, [&](const std::string& each) { return meets(outcome, each); });
  tally.check(met, fmt::format("{}: {} ({}), wanted {}", id, outcome,
                               judged.refused ? judged.refused->why : need.text(), row.at(4)));
}

bool is_dane_table(const Table& table) {
  return !table.rows.empty() && std::ranges::all_of(table.rows, [](const Row& row) {
    return row.size() >= 5 && has_any(row[4], {"deliver", "defer", "try-next"});
  });
}

// -------------------------------------------------------------------------------------- mtasts
bool policy_meets(const Result<MtaStsPolicy>& policy, const std::string& wanted) {
  if (has_any(wanted, {"bounded", "no crash", "either"})) return true;
  if (wanted.starts_with("invalid")) return !policy;
  if (!policy) return false;
  if (has(wanted, "clamp") && policy->max_age > MtaStsLimits{}.longest_max_age) return false;
  for (MtaStsMode mode : {MtaStsMode::none, MtaStsMode::testing, MtaStsMode::enforce})
    if (std::regex_search(wanted, std::regex(fmt::format("\\b{}\\b", name_of(mode)))))
      return policy->mode == mode;
  return wanted.starts_with("valid");
}

void run_policy_case(const Row& row, Tally& tally) {
  const auto text = JsonValue::parse(row.at(0));
  if (!text || !text->text()) return tally.check(false, "no JSON text: " + row.at(0));
  const auto policy = parse_mta_sts_policy(*text->text());
  auto wanted = alternatives(std::regex_replace(row.at(1), std::regex(" or "), " | "));
  if (has_any(row.at(1), {"no crash", "bounded"})) wanted.push_back("bounded");
  const bool met = std::ranges::any_of(
      wanted, [&](const std::string& each) { return policy_meets(policy, each); });
  bool again = true;  // what was understood can be printed and read again
  if (policy && (!policy->mx.empty() || policy->mode == MtaStsMode::none)) {
    const auto second = parse_mta_sts_policy(print_mta_sts_policy(*policy));
    again = second && *second == *policy;
  }
  tally.check(
      met && again,
      fmt::format("{}: {}, wanted {}", row.at(0).substr(0, 120),
                  policy ? std::string(name_of(policy->mode)) : policy.error().message, row.at(1)));
}

void run_mx_case(const Row& row, Tally& tally) {
  std::string lines = std::regex_replace(row.at(0), std::regex(R"(\\n)"), "\n");
  if (!lines.starts_with("mx:")) lines = "mx: " + lines;
  const auto policy =
      parse_mta_sts_policy("version: STSv1\nmode: enforce\nmax_age: 86400\n" + lines + "\n");
  std::string got = "policy-invalid";
  if (policy) got = allows_mx(*policy, row.at(1)) ? "match" : "no";
  const auto wanted = alternatives(row.at(2));
  const bool met = std::ranges::any_of(wanted, [&](const std::string& each) {
    if (has(each, "invalid")) return got == "policy-invalid" || (got == "no" && has(each, "no "));
    if (each.starts_with("no")) return got != "match";
    return each.starts_with(got);
  });
  tally.check(met, fmt::format("{} / {}: {}, wanted {}", row.at(0), row.at(1), got, row.at(2)));
}

// A situation told in words becomes arguments of the functions that the server calls.
struct Situation {
  std::string words, expect;
  Instant now = parse_rfc3339("2027-01-01T00:00:00Z").value();
  MtaStsMode mode = MtaStsMode::enforce;
  std::optional<MtaStsKnown> known;
  MtaStsRecord record{MtaStsRecord::Kind::found, "new", {}};
  std::optional<Result<MtaStsPolicy>> fetched;

  MtaStsPolicy policy(std::uint32_t max_age = 604800) const {
    return MtaStsPolicy{mode, {"mx1.open-vectors.example"}, max_age};
  }
  bool concerns_dns() const {
    return has_any(words, {"txt", "dns", "servfail", "nxdomain", "record"});
  }
};

std::string body_of(const Situation& situation) {
  const std::string valid = print_mta_sts_policy(situation.policy());
  const std::string& words = situation.words;
  if (has_any(words,
              {"endless", "over 64", "too large", "too long", "huge", "larger than", "65537"}))
    return valid + "x: " + std::string(70'000, 'x') + "\n";
  if (has_any(words, {"empty body", "no body"})) return {};
  if (has_any(words, {"invalid body", "invalid policy", "garbage", "malformed", "syntax", "html"}))
    return "<html>\n";
  return valid;
}

std::optional<Result<MtaStsPolicy>> fetch_of(const Situation& situation) {
  const std::string& words = situation.words;
  std::smatch found;
  const bool has_status = std::regex_search(words, found, std::regex(R"(\b([1-5]\d\d)\b)"));
  const bool secured = has_any(
      words, {"certificate", "self-signed", "self signed", "untrusted", "tls", "handshake"});
  const bool about_mx = has_any(words, {"mx", "testing mode", "starttls", "smtp"}) ||
                        words.starts_with("testing") || words.starts_with("enforce");
  if (secured && !about_mx && !has_status)
    return Result<MtaStsPolicy>(fail(ErrorKind::bad_data, "TLS: not verified"));
  const bool dead = has_any(words, {"timeout", "timed out", "refused", "unreachable", "slow",
                                    "hangs", "fetch fails", "fetch failure", "https down"});
  if (dead && !situation.concerns_dns() && !about_mx)
    return Result<MtaStsPolicy>(fail(ErrorKind::timed_out, "the web server does not answer"));
  const bool says = has_status || has_any(words, {"redirect", "body", "content-type", "media type",
                                                  "text/", "application/"});
  if (!says) return std::nullopt;
  MtaStsReply reply;
  reply.status = has_status ? static_cast<unsigned>(std::stoul(found[1])) : 200;
  if (has(words, "redirect") && reply.status == 200) reply.status = 301;
  reply.content_type = "text/plain";
  if (std::regex_search(words, found, std::regex(R"((text|application)/[a-z0-9.+-]+(;[^,]*)?)")))
    reply.content_type = found[0];
  if (has_any(words, {"no content-type", "without content-type"})) reply.content_type.clear();
  reply.body = body_of(situation);
  return judge_mta_sts_reply(reply);
}

Situation situation_of(const Row& row) {
  Situation it;
  it.words = to_lower(row.at(0));
  it.expect = to_lower(row.at(1));
  const std::string& words = it.words;
  if (has(words, "testing")) it.mode = MtaStsMode::testing;
  if (has_any(words, {"mode none", "mode: none", "cached none"})) it.mode = MtaStsMode::none;
  const bool cached = has_any(words, {"cache", "known policy"}) &&
                      !has_any(words, {"no cache", "not cached", "uncached", "nothing cached",
                                       "without cache", "no known", "cache empty", "empty cache"});
  const bool over =
      !has(words, "unexpired") &&
      std::regex_search(words, std::regex("(cach|polic|max_age)[^,;]*(expired|over|pass|elapsed)"
                                          "|expired (cache|policy|enforce)"));
  if (cached || has_any(it.expect, {"keep cache", "keep the cache"}))
    it.known = MtaStsKnown{"old", it.policy(), it.now - std::chrono::hours(over ? 24 * 8 : 1)};
  using Kind = MtaStsRecord::Kind;
  if (it.concerns_dns()) {
    if (has_any(words, {"removed", "absent", "missing", "gone", "no txt", "nxdomain", "not found",
                        "two", "multiple", "several", "deleted", "disappear"}))
      it.record = {Kind::absent, {}, "there is no record"};
    if (has_any(words, {"servfail", "timeout", "temporary", "unreachable", "timed out"}))
      it.record = {Kind::unknown, {}, "SERVFAIL"};
    if (has(words, "bogus")) it.record = {Kind::bogus, {}, "bogus"};
  }
  const bool same = has_any(words, {"unchanged", "same id", "id same"});
  it.fetched = fetch_of(it);
  if (same || (it.known && !it.fetched &&
               !has_any(words, {"id changed", "new id", "other id", "different id", "id differs"})))
    if (it.record.kind == Kind::found) it.record.id = "old";
  return it;
}

struct Lived {  // what became of the situation
  MtaStsDecision decision;
  bool fetch_failed = false, fetched = false;
  std::string fetch_error;
  std::optional<MtaStsKnown> before, after;
  std::set<std::string> faults;  // of certificates that fail
  TlsRequirement need;
  TlsJudgement judged;
};

Lived live(const Situation& it) {
  Lived lived;
  lived.before = it.known;
  lived.decision = decide_mta_sts(it.known, std::nullopt, it.record, it.now);
  lived.after = it.known && it.known->in_force(it.now) ? it.known : std::nullopt;
  if (it.fetched) {
    lived.fetched = it.fetched->has_value();
    lived.fetch_failed = !lived.fetched;
    if (lived.fetch_failed) lived.fetch_error = it.fetched->error().message;
    lived.after = after_fetch(it.known, it.record, *it.fetched, it.now);
  } else if (!it.known && it.record.kind == MtaStsRecord::Kind::found) {
    lived.after = MtaStsKnown{"new", it.policy(), it.now};
  }
  const std::string& words = it.words;
  TlsSituation situation;
  situation.host = has_any(words, {"not in policy", "not listed", "no mx matches", "mx mismatch",
                                   "does not match", "not in the policy"})
                       ? "mx9.elsewhere.example"
                       : "mx1.open-vectors.example";
  situation.domain = "open-vectors.example";
  situation.mta_sts = lived.after;
  lived.need = require_tls(situation);
  const std::string folder = "tests/data/dane/";
  const std::string good = read_file(folder + "chain-full.pem");
  const bool fails = has_any(words, {"fail", "wrong name", "mismatch", "untrusted", "self-signed",
                                     "expired cert", "certificate expired", "invalid cert"});
  std::string shown = good;
  if (fails) shown = read_file(folder + "chain-wrong-name.pem");
  if (fails &&
      has_any(words + it.expect, {"expired cert", "certificate expired", "certificate-expired"}))
    shown = read_file(folder + "chain-expired.pem");
  const auto roots = TrustRoots::of_pem(good);
  TlsSeen seen{TlsSeen::Kind::up, {}, certificates_of_pem(shown)};
  if (has(words, "starttls")) seen = {TlsSeen::Kind::not_offered, {}, {}};
  const bool nobodys = has_any(words + it.expect, {"not-trusted", "self-signed", "untrusted"});
  lived.judged = judge_tls(lived.need, seen, roots && !nobodys ? roots->get() : nullptr, it.now);
  return lived;
}

struct Clause {  // words of an expectation, and what they say of what became
  std::vector<std::string_view> words;
  std::function<bool(const Situation&, const Lived&)> holds;
};

const std::vector<Clause>& clauses() {
  static const std::vector<Clause> all{
      {{"redirect"},
       [](auto&, auto& l) { return l.fetch_failed && has(l.fetch_error, "redirect"); }},
      {{"64 kib", "64kib"}, [](auto&, auto& l) { return has(l.fetch_error, "65536 octets"); }},
      {{"fetch failure", "fetch error"}, [](auto&, auto& l) { return l.fetch_failed; }},
      {{"keep", "use cached", "cached policy"},
       [](auto&, auto& l) { return l.after && l.after == l.before; }},
      {{"refetch", "fetch new", "fetch the new", "fetch again"},
       [](auto&, auto& l) {
         return l.decision.step == MtaStsStep::fetch ||
                l.decision.step == MtaStsStep::apply_and_fetch;
       }},
      {{"never deliver in clear", "not in clear", "never in clear"},
       [](auto&, auto& l) { return !l.need.may_be_clear(); }},
      {{"tls-rpt"},
       [](auto& it, auto& l) {
         return l.judged.fault != TlsFault::none && has(it.expect, name_of(l.judged.fault));
       }},
      {{"defer"},
       [](auto&, auto& l) {
         return l.decision.step == MtaStsStep::wait || l.need.blocked || l.judged.refused;
       }},
      {{"report"}, [](auto&, auto& l) { return l.judged.fault != TlsFault::none; }},
      {{"deliver"}, [](auto&, auto& l) { return !l.need.blocked && !l.judged.refused; }},
      {{"no policy", "opportunistic", "as none", "none"},
       [](auto&, auto& l) { return l.need.may_be_clear() && !l.need.blocked; }},
      {{"apply", "enforce"},
       [](auto& it, auto& l) { return l.after && l.after->policy.mode == it.mode; }},
  };
  return all;
}

void run_situation(const Row& row, Tally& tally) {
  const Situation it = situation_of(row);
  const Lived lived = live(it);
  bool understood = false;
  std::string missed;
  const std::string plain = std::regex_replace(it.expect, std::regex(":"), ",");
  for (auto part : split(plain, ',')) {
    for (const Clause& clause : clauses()) {
      if (!std::ranges::any_of(clause.words, [&](auto word) { return has(part, word); })) continue;
      understood = true;
      if (!clause.holds(it, lived)) missed = part;
      break;  // the first clause of the table is the most special
    }
  }
  tally.check(understood && missed.empty(),
              fmt::format("{}: '{}' {}; {} / {} / {}", row.at(0), row.at(1),
                          understood ? "not met:" + missed : "not understood", lived.fetch_error,
                          lived.need.text(), lived.judged.why));
}

enum class MtaStsTable { unknown, policy, mx, situation };
MtaStsTable kind_of(const Table& table) {
  if (table.rows.empty() || table.rows[0].size() < 2) return MtaStsTable::unknown;
  if (has(table.head, "policy text") || table.rows[0][0].starts_with('"'))
    return MtaStsTable::policy;
  if (table.rows[0].size() >= 3 &&
      (has(table.head, "mx line") || table.rows[0][0].starts_with("mx:")))
    return MtaStsTable::mx;
  if (has(table.head, "situation")) return MtaStsTable::situation;
  return MtaStsTable::unknown;
}

bool run_mtasts(const fs::path& path, Tally& tally) {
  const Table table = table_of(path);
  const MtaStsTable kind = kind_of(table);
  if (kind == MtaStsTable::unknown) return false;
  for (const Row& row : table.rows) {
    const std::size_t needed = kind == MtaStsTable::mx ? 3 : 2;
    if (row.size() < needed) {
      tally.check(false, path.string() + ": a row is too short: " + row[0]);
    } else if (kind == MtaStsTable::policy) {
      run_policy_case(row, tally);
    } else if (kind == MtaStsTable::mx) {
      run_mx_case(row, tally);
    } else {
      run_situation(row, tally);
    }
  }
  return true;
}

bool run_dane(const fs::path& path, const std::vector<fs::path>& places, Tally& tally) {
  if (path.extension() == ".pem") return true;  // read with the table that names it
  const Table table = table_of(path);
  if (!is_dane_table(table)) return false;
  const DaneWorld world = world_of(table.head);
  for (const Row& row : table.rows) run_dane_case(path, row, world, places, tally);
  return true;
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  using goniec::vectors::fs::path;
  const std::string_view suite = count > 1 ? words[1] : "";
  if (count < 3 || (suite != "dane" && suite != "mtasts")) {
    std::fputs("usage: vectors_transport dane|mtasts PATH...\n", stderr);
    return 64;
  }
  const std::vector<path> places(words + 2, words + count);
  return goniec::vectors::run_paths(count, words, 2, [&](const path& file, auto& tally) {
    return suite == "dane" ? goniec::run_dane(file, places, tally)
                           : goniec::run_mtasts(file, tally);
  });
}
