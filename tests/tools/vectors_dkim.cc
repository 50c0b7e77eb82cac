// Runs messages with DKIM signatures against trust/dkim: vectors_dkim dkim PATH...
//
//   NAME.eml, .txt, .msg  with expected.tsv in its folder or above, and dns.tsv or FAKE_DNS.dat:
//                         - two or three columns: file, results in header order ("pass,fail",
//                           "permerror|fail", "*", "none"), note
//                         - four columns of Mail::DKIM: the column rfc8301_result is graded; these
//                           messages are of drafts, so that v= may be missing (RFC 6376 §3.5 else)
//   NAME.txt              without: lines "name record", an empty line, the message; the last
//                         signature passes, at the time these were made
//   NAME.msg, .eml        without: keys in *.pub (PEM), *.bind9 beside it; every signature passes
//   expected.tsv          all its files
//
// Folders are searched. Each message goes in whole and in pieces, which must agree, asks at most
// ten questions and takes at most a second. Closes with "N passed, N failed".
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include "signed_messages.h"
#include "trust/dkim.h"

namespace goniec::vectors {
namespace {

constexpr std::size_t most_questions = 10;
// The messages that carry their own records were signed before this second.
constexpr std::int64_t made_by = 1'667'843'664;
constexpr std::int64_t today = 1'795'650'000;  // November 2026

using Expectations = std::map<std::string, std::vector<std::string>>;

struct Case {
  fs::path path;
  std::string message;
  FakeDns zone;
  std::int64_t now = today;
  MissingVersion missing_version = MissingVersion::refuse;
};

std::vector<DkimResult> verify(const Case& one, std::size_t piece, std::size_t& questions) {
  Parts parts = split_message(one.message);
  DkimLimits limits;
  limits.signature.missing_version = one.missing_version;
  DkimVerifier verifier(std::move(parts.header), limits);
  for (std::size_t at = 0; at < parts.body.size(); at += piece)
    verifier.add_body(std::string_view(parts.body).substr(at, piece));
  verifier.end_body();
  Findings findings;
  for (;;) {
    if (auto results = verifier.judge(findings, from_microseconds(one.now * 1'000'000))) {
      questions = findings.size();
      return *results;
    }
    for (const DnsQuestion& question : findings.take_missing())
      findings.learn(question, one.zone.answer(question));
  }
}

std::string words(const std::vector<DkimResult>& results) {
  std::string text;
  for (const DkimResult& each : results) {
    if (!text.empty()) text += ",";
    text += name_of(each.status);
  }
  return text.empty() ? "none" : text;
}

std::string reasons(const std::vector<DkimResult>& results) {
  std::string text;
  for (const DkimResult& each : results) {
    if (!each.reason.empty()) text += " (" + each.reason + ")";
  }
  return text;
}

bool is_one_of(std::string_view result, std::string_view alternatives) {
  if (alternatives == "*") return true;
  const auto all = split(alternatives, '|');
  return std::ranges::any_of(all, [&](std::string_view each) { return trim(each) == result; });
}

bool agrees(const std::vector<DkimResult>& results, std::string_view expected) {
  if (expected == "*") return true;
  if (expected == "none") return results.empty();
  const auto wanted = split(expected, ',');
  if (wanted.size() != results.size()) return false;
  for (std::size_t at = 0; at < wanted.size(); ++at) {
    if (!is_one_of(name_of(results[at].status), trim(wanted[at]))) return false;
  }
  return true;
}

// What the whole message is, as Mail::DKIM sums up: the best of its signatures.
std::string_view sum(const std::vector<DkimResult>& results) {
  const auto has = [&](DkimStatus status) {
    return std::ranges::any_of(results, [&](const auto& each) { return each.status == status; });
  };
  if (results.empty()) return "none";
  if (has(DkimStatus::pass)) return "pass";
  return has(DkimStatus::fail) ? "fail" : "invalid";
}

bool agrees_with_grade(const std::vector<DkimResult>& results, std::string_view grade) {
  const auto result = sum(results);
  if (grade.starts_with("not-pass")) return result != "pass" && result != "none";
  return result == grade.substr(0, grade.find(' '));
}

template <class Agrees>
void run(const Case& one, Tally& tally, std::string_view wanted, Agrees agree) {
  const auto began = std::chrono::steady_clock::now();
  std::size_t questions = 0;
  const auto results = verify(one, 64 * 1024, questions);
  const auto took = std::chrono::steady_clock::now() - began;
  const auto pieces = verify(one, 7, questions);
  std::string what = fmt::format("{}: wanted {}, got {}{}", one.path.string(), wanted,
                                 words(results), reasons(results));
  bool good = agree(results);
  if (words(results) != words(pieces)) {
    good = false;
    what += "; in pieces " + words(pieces);
  }
  if (questions > most_questions || took > std::chrono::seconds(1)) {
    good = false;
    what += fmt::format("; {} questions", questions);
  }
  tally.check(good, what);
}

// "a" "b" are character-strings of one record.
std::string record_of(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text);
  std::string record;
  bool inside = false;
  for (const char c : text) {
    if (c == '"')
      inside = !inside;
    else if (inside)
      record += c;
  }
  return record;
}

void add_record(FakeDns& zone, std::string_view name, std::string_view value) {
  value = trim(value);
  if (value == "NXDOMAIN") return;
  if (value.starts_with('!') || value.starts_with("~~"))
    zone.set(name, DnsType::txt, DnsStatus::temporary);
  else
    zone.add(name, DnsType::txt, record_of(value));
}

// Lines of a name, white space, and its record.
void add_lines(FakeDns& zone, std::string_view text) {
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto name = line.substr(0, line.find_first_of(" \t"));
    if (name.empty() || name.starts_with('#') || name.size() == line.size()) continue;
    add_record(zone, name, line.substr(name.size()));
  }
}

FakeDns zone_of(const fs::path& folder) {
  FakeDns zone;
  for (const char* name : {"dns.tsv", "FAKE_DNS.dat"}) {
    if (const auto path = find_above(folder, name); !path.empty()) add_lines(zone, read_file(path));
  }
  return zone;
}

std::string without_armour(std::string_view pem) {
  std::string data;
  for (std::string_view line : split(pem, '\n')) {
    if (!line.starts_with("-----")) data += trim(line);
  }
  std::erase(data, '\r');
  return data;
}

// The keys of RFC 8463 appendix A, and of each PEM file for the domain that it is named after.
FakeDns keys_beside(const fs::path& folder, const std::string& header) {
  FakeDns zone;
  zone.add("brisbane._domainkey.football.example.com", DnsType::txt,
           "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  zone.add("test._domainkey.football.example.com", DnsType::txt,
           "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
           "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lx"
           "j+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
  for (const DnsQuestion& question : DkimVerifier(header).questions()) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const auto label = "." + entry.path().stem().string() + ".";
      if (entry.path().extension() == ".pub" && question.name.find(label) != std::string::npos)
        zone.add(question.name, DnsType::txt,
                 "v=DKIM1; p=" + without_armour(read_file(entry.path())));
    }
  }
  return zone;
}

// Records before the message: true when the first line is one.
bool has_records(const std::string& text) {
  const auto line = std::string_view(text).substr(0, text.find('\n'));
  const auto name = line.substr(0, line.find_first_of(" \t:"));
  return name.find("._domainkey.") != std::string_view::npos;
}

void run_with_records(const fs::path& path, const std::string& text, Tally& tally) {
  const std::string all = with_crlf(text);
  const auto end = all.find("\r\n\r\n");
  Case one{path, all.substr(std::min(end + 4, all.size())), {}, made_by, MissingVersion::refuse};
  add_lines(one.zone, std::string_view(all).substr(0, end));
  run(one, tally, "the last passes", [](const auto& results) {
    return !results.empty() && results.back().status == DkimStatus::pass;
  });
}

void run_expected(const fs::path& path, const std::vector<std::string>& row, Tally& tally) {
  Case one{path, with_crlf(read_file(path)), zone_of(path.parent_path()), today,
           MissingVersion::refuse};
  // Four columns are the table of Mail::DKIM; in the others the third is a note.
  if (row.size() >= 4) {
    one.missing_version = MissingVersion::allow;
    return run(one, tally, row[2],
               [&](const auto& results) { return agrees_with_grade(results, row[2]); });
  }
  run(one, tally, row.at(1), [&](const auto& results) { return agrees(results, row[1]); });
}

Expectations expectations_of(const fs::path& table) {
  Expectations all;
  for (auto& row : rows_of(table)) {
    if (row.size() >= 2) all[row[0]] = row;
  }
  return all;
}

// False: no form that is known.
bool run_message(const fs::path& path, Tally& tally) {
  const std::string text = read_file(path);
  if (has_records(text)) {
    run_with_records(path, text, tally);
    return true;
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (const auto table = find_above(folder, "expected.tsv"); !table.empty()) {
    const auto all = expectations_of(table);
    const auto found = all.find(path.filename().string());
    const auto relative = all.find(path.lexically_relative(table.parent_path()).string());
    const auto& row = relative != all.end() ? relative : found;
    if (row != all.end()) {
      run_expected(path, row->second, tally);
      return true;
    }
  }
  Case one{path, with_crlf(text), {}, today, MissingVersion::refuse};
  one.zone = keys_beside(folder, split_message(one.message).header);
  Findings findings;
  const auto questions = DkimVerifier(split_message(one.message).header).questions();
  if (questions.empty()) return false;
  run(one, tally, "every signature passes", [](const auto& results) {
    return !results.empty() && std::ranges::all_of(results, [](const auto& each) {
      return each.status == DkimStatus::pass;
    });
  });
  return true;
}

bool is_message(const fs::path& path) {
  const auto extension = path.extension();
  return extension == ".eml" || extension == ".txt" || extension == ".msg";
}

// What lies beside messages and was read with them.
bool is_companion(const fs::path& path) {
  const auto extension = path.extension();
  return path.filename() == "dns.tsv" || extension == ".dat" || extension == ".pub" ||
         extension == ".pem" || extension == ".bind9" || extension == ".tinydns";
}

bool run_path(const fs::path& path, Tally& tally, bool direct) {
  if (!direct && is_companion(path)) return true;
  if (path.filename() != "expected.tsv") return is_message(path) && run_message(path, tally);
  if (direct) {  // in a folder the messages come by themselves
    for (const auto& [name, row] : expectations_of(path))
      run_message(path.parent_path() / name, tally);
  }
  return true;
}

}  // namespace
}  // namespace goniec::vectors

int main(int count, char** words) {
  using namespace goniec::vectors;
  if (count < 3 || std::string_view(words[1]) != "dkim") {
    std::fputs("usage: vectors_dkim dkim PATH...\n", stderr);
    return 64;
  }
  return run_paths(count, words, 2, [&](const fs::path& path, Tally& tally) {
    const bool direct = std::any_of(words + 2, words + count,
                                    [&](const char* word) { return fs::path(word) == path; });
    return run_path(path, tally, direct);
  });
}
