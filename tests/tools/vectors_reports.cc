// Runs files of test data against reports and logins: vectors_reports reports|sasl|schema PATH...
//
//   reports   a mail or a file with DMARC aggregate or TLS reports (plain, gzip, zip): each report
//   in
//             it is read, written, read again as the same, and compared with NAME.json beside it
//             (the serialisation of mail-auth) where there is one; an empty file must be refused,
//             of a failure report the fields must be found. A .json alone is a TLS report.
//   sasl      TSV, told apart by their columns: mechanisms and messages, SASLprep, SCRAM exchanges,
//             bad client-first messages
//
//   schema    as reports, but each DMARC report is written by us into the folder that the
//   environment
//             variable GONIEC_SCHEMA_OUT names, for xmllint to judge
//
// Folders are searched. A file of no known format is said; named directly it is a failure. Prints
// each failing case and closes with "N passed, N failed".
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "mail/header.h"
#include "proto/sasl.h"
#include "proto/sasl_bearer.h"
#include "proto/smtp/server.h"
#include "trust/dmarc_report.h"
#include "trust/report_mail.h"
#include "trust/tls_report.h"

namespace goniec {
namespace {

namespace fs = std::filesystem;

struct Tally {
  int passed = 0, failed = 0;
  void check(bool good, const std::string& what) {
    ++(good ? passed : failed);
    if (!good) fmt::print("FAIL {}\n", printable(what, 600));
  }
};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// ------------------------------------------------------------------------------------- compare
// "TrustedForwarder", "trusted_forwarder", "TempError": letters and digits in lower case.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : to_lower(text)) {
    if (is_alpha(c) || is_digit(c)) out += c;
  }
  return out;
}

// What an expectation says of a report, member by member; a member that we do not know is left.
class Compare {
 public:
  explicit Compare(std::vector<std::string>& wrong) : wrong_(wrong) {}

  void text(const JsonValue& from, const std::string& key, const std::string& got) {
    const auto wanted = from.at(key);
    if (!wanted) return;
    const auto text = wanted->text().value_or("");
    if (spaces(text) != spaces(got)) say(key, text, got);
  }
  void word(const JsonValue& from, const std::string& key, std::string_view got) {
    const auto wanted = from.at(key);
    if (!wanted || !wanted->is_text()) return;
    auto want = plain(*wanted->text()), have = plain(got);
    if (want == "unspecified") want.clear();
    if (want == "mailfrom") want = "mfrom";
    if (want == "relaxed") want = "r";
    if (want == "strict") want = "s";
    if (want == "other" && have == "sampledout") return;  // RFC 9990 has no such word
    if (want != have) say(key, want, have);
  }
  void number(const JsonValue& from, const std::string& key, double got) {
    const auto wanted = from.at(key);
    if (!wanted || wanted->is_null()) return;
    const auto value = wanted->real();
    const double off = value ? *value - got : 1;
    if (off > 1e-6 || off < -1e-6) say(key, wanted->dump(), fmt::format("{}", got));
  }
  std::vector<JsonValue> list(const JsonValue& from, const std::string& key, std::size_t got) {
    const auto wanted = from.at(key);
    if (!wanted || !wanted->is_array()) return {};
    auto items = wanted->items();
    if (items.size() == got) return items;
    say(key, fmt::format("{} items", items.size()), fmt::format("{}", got));
    return {};
  }
  void say(const std::string& what, const std::string& wanted, const std::string& got) {
    wrong_.push_back(fmt::format("{}: wanted '{}', got '{}'", what, wanted, got));
  }

 private:
  // White space runs as one blank: how a text of an element is cut is the reader's own.
  static std::string spaces(std::string_view text) {
    std::string out;
    for (const char c : text) {
      const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
      if (!space) out += c;
      if (space && !out.empty() && out.back() != ' ') out += ' ';
    }
    while (out.ends_with(' ')) out.pop_back();
    return out;
  }
  std::vector<std::string>& wrong_;
};

JsonValue inside(const JsonValue& from, std::string_view key) {
  auto found = from.at(key);
  return found ? *found : JsonValue();
}

void compare_extensions(Compare& compare, const JsonValue& from,
                        const std::vector<ReportExtension>& got) {
  const auto wanted = compare.list(from, "extensions", got.size());
  for (std::size_t at = 0; at < wanted.size(); ++at) {
    compare.text(wanted[at], "name", got[at].name);
    compare.text(wanted[at], "definition", got[at].definition);
  }
}

void compare_record(Compare& compare, const JsonValue& from, const DmarcReportRecord& got) {
  const auto row = inside(from, "row"), evaluated = inside(row, "policy_evaluated"),
             identifiers = inside(from, "identifiers"), results = inside(from, "auth_results");
  compare.text(row, "source_ip", got.source ? got.source->text() : "");
  compare.number(row, "count", static_cast<double>(got.count));
  compare.word(evaluated, "disposition", name_of(got.disposition));
  compare.word(evaluated, "dkim", name_of(got.dkim));
  compare.word(evaluated, "spf", name_of(got.spf));
  const auto reasons = compare.list(evaluated, "reason", got.reasons.size());
  for (std::size_t at = 0; at < reasons.size(); ++at) {
    compare.word(reasons[at], "type_", name_of(got.reasons[at].kind));
    compare.word(reasons[at], "type", name_of(got.reasons[at].kind));
    compare.text(reasons[at], "comment", got.reasons[at].comment);
  }
  compare.text(identifiers, "envelope_to", got.envelope_to);
  compare.text(identifiers, "envelope_from", got.envelope_from);
  compare.text(identifiers, "header_from", got.header_from);
  const auto dkim = compare.list(results, "dkim", got.dkim_results.size());
  for (std::size_t at = 0; at < dkim.size(); ++at) {
    compare.text(dkim[at], "domain", got.dkim_results[at].domain);
    compare.text(dkim[at], "selector", got.dkim_results[at].selector);
    compare.word(dkim[at], "result", name_of(got.dkim_results[at].result));
    compare.text(dkim[at], "human_result", got.dkim_results[at].human_result);
  }
  const auto spf = compare.list(results, "spf", got.spf_results.size());
  for (std::size_t at = 0; at < spf.size(); ++at) {
    compare.text(spf[at], "domain", got.spf_results[at].domain);
    compare.word(spf[at], "scope", name_of(got.spf_results[at].scope));
    compare.word(spf[at], "result", name_of(got.spf_results[at].result));
    compare.text(spf[at], "human_result", got.spf_results[at].human_result);
  }
  compare_extensions(compare, from, got.extensions);
}

void compare_dmarc(Compare& compare, const JsonValue& from, const DmarcReport& got) {
  const auto metadata = inside(from, "report_metadata"), range = inside(metadata, "date_range"),
             policy = inside(from, "policy_published");
  compare.number(from, "version", got.version);
  compare.text(metadata, "org_name", got.organisation);
  compare.text(metadata, "email", got.email);
  compare.text(metadata, "extra_contact_info", got.extra_contact);
  compare.text(metadata, "report_id", got.report_id);
  compare.text(metadata, "generator", got.generator);
  compare.number(range, "begin", static_cast<double>(got.begin));
  compare.number(range, "end", static_cast<double>(got.end));
  const auto errors = compare.list(metadata, "error", got.errors.size());
  for (std::size_t at = 0; at < errors.size(); ++at) {
    if (errors[at].text() != got.errors[at])
      compare.say("error", errors[at].dump(), got.errors[at]);
  }
  compare.text(policy, "domain", got.policy.domain);
  compare.text(policy, "version_published", got.policy.version_published);
  compare.word(policy, "adkim", name_of(got.policy.adkim));
  compare.word(policy, "aspf", name_of(got.policy.aspf));
  compare.word(policy, "p", name_of(got.policy.p));
  compare.word(policy, "sp", name_of(got.policy.sp));
  compare.word(policy, "np", name_of(got.policy.np));
  compare.word(policy, "discovery_method", name_of(got.policy.discovery));
  compare.text(policy, "fo", got.policy.fo);
  if (const auto testing = policy.at("testing"); testing && testing->boolean()) {
    if (*testing->boolean() != got.policy.testing)
      compare.say("testing", testing->dump(), got.policy.testing ? "true" : "false");
  }
  const auto records = compare.list(from, "record", got.records.size());
  for (std::size_t at = 0; at < records.size(); ++at)
    compare_record(compare, records[at], got.records[at]);
  compare_extensions(compare, from, got.extensions);
}

void compare_tls(Compare& compare, const JsonValue& from, const TlsReport& got) {
  // The expectation is a report of the same form: read it by the same reader, compare the values.
  const auto wanted = parse_tls_report(from.dump());
  if (!wanted) return compare.say("expectation", "a TLS report", wanted.error().message);
  if (wanted->organisation != got.organisation)
    compare.say("organization-name", wanted->organisation, got.organisation);
  if (wanted->contact != got.contact) compare.say("contact-info", wanted->contact, got.contact);
  if (wanted->report_id != got.report_id)
    compare.say("report-id", wanted->report_id, got.report_id);
  if (wanted->begin != got.begin || wanted->end != got.end)
    compare.say("date-range", to_rfc3339(wanted->begin), to_rfc3339(got.begin));
  if (wanted->policies.size() != got.policies.size())
    return compare.say("policies", fmt::format("{}", wanted->policies.size()),
                       fmt::format("{}", got.policies.size()));
  for (std::size_t at = 0; at < got.policies.size(); ++at) {
    const auto &a = wanted->policies[at], &b = got.policies[at];
    if (a.type != b.type || a.domain != b.domain || a.strings != b.strings ||
        a.mx_hosts != b.mx_hosts || a.successful != b.successful || a.failed != b.failed)
      compare.say("policy", a.domain, b.domain);
    if (a.failures != b.failures)
      compare.say("failure-details", fmt::format("{}", a.failures.size()),
                  fmt::format("{}", b.failures.size()));
  }
}

// ------------------------------------------------------------------------------------- reports
void check_dmarc(const std::string& where, const FoundReport& found, const JsonValue* wanted,
                 Tally& tally) {
  const auto report = parse_dmarc_report(found.text);
  if (!report) return tally.check(false, where + ": " + report.error().message);
  for (const auto& problem : report->problems)
    fmt::print("note {}: {}\n", printable(where), printable(problem));
  tally.check(!report->policy.domain.empty() && !report->report_id.empty(),
              where + ": names no domain or no report id");
  if (wanted) {
    std::vector<std::string> wrong;
    Compare compare(wrong);
    compare_dmarc(compare, *wanted, *report);
    tally.check(wrong.empty(), fmt::format("{}: {}", where, fmt::join(wrong, "; ")));
  }
  const char* out = std::getenv("GONIEC_SCHEMA_OUT");
  if (out && !report->records.empty()) {
    const auto name = fmt::format("{}.xml", to_hex(view(sha256(where))).substr(0, 16));
    std::ofstream(fs::path(out) / name) << compose_dmarc_report(*report);
  }
  // Written by us it is the same to a reader: as far as RFC 9990 has a place for it.
  const auto again = parse_dmarc_report(compose_dmarc_report(*report));
  const auto with_source =
      std::count_if(report->records.begin(), report->records.end(),
                    [](const DmarcReportRecord& each) { return each.source.has_value(); });
  tally.check(again && again->problems.empty() == (with_source > 0) &&
                  again->report_id == report->report_id && again->begin == report->begin &&
                  again->policy.domain == report->policy.domain &&
                  std::cmp_equal(again->records.size(), with_source),
              where + ": written and read again");
}

void check_tls(const std::string& where, const FoundReport& found, const JsonValue* wanted,
               Tally& tally) {
  const auto report = parse_tls_report(found.text);
  if (!report) return tally.check(false, where + ": " + report.error().message);
  tally.check(!report->report_id.empty() && report->begin < report->end &&
                  !report->policies.empty() && !report->policies.front().domain.empty(),
              where + ": names no id, no time or no policy domain");
  if (wanted) {
    std::vector<std::string> wrong;
    Compare compare(wrong);
    compare_tls(compare, *wanted, *report);
    tally.check(wrong.empty(), fmt::format("{}: {}", where, fmt::join(wrong, "; ")));
  }
  const auto composed = compose_tls_report(*report);
  const auto again = parse_tls_report(composed);
  tally.check(again && compose_tls_report(*again) == composed, where + ": written and read again");
}

bool looks_like_mail(std::string_view text) {
  const auto block = scan_header(text.substr(0, 256 * 1024), {});
  return block && block->fields.size() >= 2 && !block->malformed;
}

enum class File { tried, unknown };

File run_report(const fs::path& path, Tally& tally) {
  auto octets = read_file(path);
  if (octets.starts_with("From ")) octets.erase(0, octets.find('\n') + 1);  // of an mbox file
  const auto where = path.string();
  const auto extension = path.extension().string();
  if (extension == ".xsd" || extension == ".md" || path.stem() == "LICENSE") return File::unknown;
  const bool mail = packing_of(octets) == Packing::none && !octets.starts_with('<') &&
                    !octets.starts_with('{') && looks_like_mail(octets);
  const auto found =
      mail ? find_reports(octets) : find_reports_in_file(octets, path.filename().string());
  if (octets.find_first_not_of(" \t\r\n") == std::string::npos) {
    tally.check(found.reports.empty() && !parse_dmarc_report(octets) && !parse_tls_report(octets),
                where + ": an empty file must be refused");
    return File::tried;
  }
  std::optional<JsonValue> wanted;
  auto beside = path;
  if (extension != ".json" && fs::exists(beside.replace_extension(".json"))) {
    auto json = JsonValue::parse(read_file(beside));
    if (!json) {
      tally.check(false, beside.string() + ": " + json.error().message);
      return File::tried;
    }
    wanted = std::move(*json);
  }
  for (const auto& problem : found.problems) fmt::print("note {}: {}\n", printable(where), problem);
  if (found.reports.empty()) {
    const bool ours = mail || wanted || packing_of(octets) != Packing::none || extension == ".xml";
    if (!ours) return File::unknown;
    tally.check(false, where + ": no report found in it");
    return File::tried;
  }
  for (const auto& report : found.reports) {
    const JsonValue* json = wanted ? &*wanted : nullptr;
    if (report.kind == ReportKind::dmarc_aggregate) check_dmarc(where, report, json, tally);
    if (report.kind == ReportKind::tls) check_tls(where, report, json, tally);
    if (report.kind == ReportKind::failure)
      tally.check(report.text.find("Feedback-Type:") != std::string::npos,
                  where + ": a failure report without its type");
  }
  return File::tried;
}

// NAME.json beside NAME.eml is what the other must give.
bool is_expectation(const fs::path& path) {
  if (path.extension() != ".json") return false;
  for (const auto& entry :
       fs::directory_iterator(path.parent_path().empty() ? fs::path(".") : path.parent_path())) {
    if (entry.path().stem() == path.stem() && entry.path().extension() != ".json") return true;
  }
  return false;
}

// ---------------------------------------------------------------------------------------- sasl
using Row = std::vector<std::string>;

// \r \n \t \\ and \xNN.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    const char kind = text[++at];
    const auto hex = kind == 'x' ? from_hex(text.substr(at + 1, 2)) : std::nullopt;
    if (hex) {
      out += *hex;
      at += 2;
    } else if (kind == 'r' || kind == 'n' || kind == 't' || kind == '0') {
      out += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == 't' ? '\t' : '\0';
    } else {
      out += kind == '\\' ? "\\" : std::string("\\") + kind;
    }
  }
  return out;
}

// A submission server in memory that takes every password: what it says to AUTH, and whether a
// password was asked for.
struct Login {
  std::string said;
  std::vector<PlainCredentials> asked;

  explicit Login(const std::vector<std::string>& lines) {
    smtp::ServerOptions options;
    options.hostname = "mx.example.test";
    options.listener = ListenerKind::submissions;
    options.tls_offered = options.tls_active = options.login_offered = true;
    options.scram_nonce = "server";
    smtp::ServerSession session(std::move(options));
    run(session);
    session.receive("EHLO client.example.test\r\n");
    run(session);
    for (const auto& line : lines) {
      said.clear();
      session.receive(line + "\r\n");
      run(session);
    }
  }

 private:
  void run(smtp::ServerSession& session) {
    for (;;) {
      auto step = session.next();
      if (std::holds_alternative<smtp::NeedInput>(step) ||
          std::holds_alternative<smtp::Close>(step))
        return;
      if (auto* send = std::get_if<smtp::Send>(&step)) said += send->bytes;
      if (auto* ask = std::get_if<smtp::Ask>(&step)) answer(session, *ask);
    }
  }
  void answer(smtp::ServerSession& session, const smtp::Ask& ask) {
    if (const auto* password = std::get_if<smtp::AskPassword>(&ask.question)) {
      asked.push_back(password->credentials);
      goniec::Login granted{Address::parse("user@example.test").value(), password->mechanism};
      return session.answer_login(ask.token, granted, Reply(235, {2, 7, 0}, "welcome"));
    }
    const bool greeting = std::holds_alternative<smtp::AskGreeting>(ask.question);
    session.answer(ask.token, Reply(greeting ? 220 : 250, {}, ""));
  }
};

// What we offer is driven through a server session; what we never offer must be refused there, and
// its message judged by its grammar where we have one.
void run_mechanism(const Row& row, const std::string& where, Tally& tally) {
  const auto &mechanism = row[0], &message = row[1], &expected = row[2];
  const auto what = fmt::format("{}: {} {} wanted {}", where, mechanism, message, expected);
  const auto octets = from_base64(message);
  if (mechanism == "PLAIN") {
    const Login login({"AUTH PLAIN", message});
    const bool good = login.said.starts_with("235") && login.asked.size() == 1;
    if (expected == "ok") return tally.check(good, what + ", said " + login.said);
    if (expected.starts_with("501"))
      return tally.check(login.said.starts_with("501"), what + ", said " + login.said);
    return tally.check(login.said.starts_with('5'), what + ", said " + login.said);
  }
  if (mechanism == "LOGIN") {
    const auto said = Login({"AUTH LOGIN", to_base64("user")}).said;
    if (expected == "server challenge 1")
      return tally.check(Login({"AUTH LOGIN"}).said == "334 " + message + "\r\n", what);
    if (expected == "server challenge 2")
      return tally.check(said == "334 " + message + "\r\n", what + ", said " + said);
    const Login login({"AUTH LOGIN", to_base64("user"), message});
    return tally.check(login.said.starts_with("235") == (expected == "ok"), what);
  }
  // Never offered: CRAM-MD5 keeps passwords in clear, EXTERNAL has no client certificates here,
  // tokens have nobody to check them yet.
  const auto refusal = Login({"AUTH " + mechanism}).said;
  tally.check(refusal.starts_with("504"), what + ": must not be offered, said " + refusal);
  if (mechanism == "OAUTHBEARER" || mechanism == "XOAUTH2") {
    const bool read = octets && (mechanism == "XOAUTH2" ? parse_xoauth2(*octets).has_value()
                                                        : parse_oauth_bearer(*octets).has_value());
    tally.check(read == (expected == "ok"), what);
  }
}

void run_saslprep(const Row& row, const std::string& where, Tally& tally) {
  const auto given = JsonValue::parse(row[0]);
  if (!given || !given->text()) return tally.check(false, where + ": not JSON: " + row[0]);
  const auto prepared = saslprep(*given->text());
  const auto what = fmt::format("{}: {} wanted {}", where, row[0], row[1]);
  if (row[1].starts_with("!ERR")) return tally.check(!prepared, what);
  const auto wanted = JsonValue::parse(row[1]);
  tally.check(prepared && wanted && wanted->text() == *prepared, what);
}

void run_scram(const Row& row, const std::string& where, Tally& tally) {
  const auto kind = row[0].starts_with("SCRAM-SHA-1")     ? DigestKind::sha1
                    : row[0].starts_with("SCRAM-SHA-512") ? DigestKind::sha512
                                                          : DigestKind::sha256;
  const auto what = fmt::format("{}: {} {}", where, row[0], row[7]);
  const auto iterations = parse_unsigned(row[4]);
  const auto salt = from_base64(row[3]);
  if (!iterations || !salt) return tally.check(false, what + ": salt or iterations");
  // What is stored is made of the prepared password.
  const auto password = saslprep(row[2]);
  if (!password) return tally.check(false, what + ": " + password.error().message);
  const auto keys =
      derive_scram_keys(*password, *salt, static_cast<std::uint32_t>(*iterations), kind);
  ScramServer server(row[6], kind);
  const auto user = server.client_first(row[7]);
  const auto first = server.server_first(keys);
  const auto last = server.client_final(row[9]);
  tally.check(user && *user == row[1] && first == row[8] && last && *last == row[10],
              what + ": the server");
  if (row.size() > 11) tally.check(to_base64(keys.stored_key) == row[11], what + ": StoredKey");
  ScramClient client(row[1], Secret(row[2]), row[5], kind);
  const auto begin = client.client_first();
  const auto answer = client.client_final(row[8]);
  constexpr std::uint64_t least = 4096;  // RFC 7677 §4: a client refuses less
  tally.check(begin == row[7] && (*iterations < least ? !answer
                                                      : answer && *answer == row[9] &&
                                                            client.check_server_final(row[10])),
              what + ": the client");
}

void run_client_first(const Row& row, const std::string& where, Tally& tally) {
  ScramServer server("servernonce");
  const bool goes_on = server.client_first(unescaped(row[1])).has_value();
  tally.check(goes_on == (row[2].starts_with("continue") || row[2].starts_with("ok")),
              fmt::format("{}: {} wanted {}", where, row[0], row[2]));
}

using RowRunner = void (*)(const Row&, const std::string&, Tally&);

RowRunner runner_of(const Row& row) {
  if (row.size() >= 11 && row[0].starts_with("SCRAM-")) return run_scram;
  if (row.size() >= 2 && row[0].starts_with('"') && row[0].ends_with('"')) return run_saslprep;
  if (row.size() < 3) return nullptr;
  const bool is_mechanism = std::all_of(row[0].begin(), row[0].end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
  });
  if (is_mechanism && !row[0].empty()) return run_mechanism;
  const bool is_verdict =
      row[2].starts_with("fail") || row[2].starts_with("continue") || row[2].starts_with("ok");
  return is_verdict && row[1].find(',') != std::string::npos ? run_client_first : nullptr;
}

File run_sasl(const fs::path& path, Tally& tally) {
  std::size_t tried = 0;
  const auto text = read_file(path);
  for (auto line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    Row row;
    for (const auto cell : split(line, '\t')) row.emplace_back(cell);
    const auto runner = runner_of(row);
    if (!runner && tried == 0) return File::unknown;
    ++tried;
    if (runner) {
      runner(row, path.filename().string(), tally);
    } else {
      tally.check(false, fmt::format("{}: a row of no known form: {}", path.string(), line));
    }
  }
  return tried == 0 ? File::unknown : File::tried;
}

int run(std::string_view suite, const std::vector<fs::path>& paths,
        const std::set<fs::path>& named) {
  Tally tally;
  for (const auto& path : paths) {
    if (suite != "sasl" && is_expectation(path) && !named.contains(path)) continue;
    auto file = path;
    if (suite != "sasl" && is_expectation(path)) {
      for (const auto& entry : fs::directory_iterator(fs::absolute(path).parent_path())) {
        if (entry.path().stem() == path.stem() && entry.path().extension() != ".json")
          file = entry.path();
      }
    }
    const auto done = suite == "sasl" ? run_sasl(file, tally) : run_report(file, tally);
    if (done == File::tried) continue;
    fmt::print("not tried: {} has no known format\n", printable(path.string()));
    if (named.contains(path)) tally.check(false, path.string() + ": no known format");
  }
  fmt::print("{} passed, {} failed\n", tally.passed, tally.failed);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  const std::string_view suite = count > 1 ? words[1] : "";
  std::vector<std::filesystem::path> paths;
  std::set<std::filesystem::path> named;
  for (int at = 2; at < count; ++at) {
    if (!std::filesystem::is_directory(words[at])) {
      paths.emplace_back(words[at]);
      named.insert(words[at]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(words[at])) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty() || (suite != "reports" && suite != "sasl" && suite != "schema")) {
    std::fputs("usage: vectors_reports reports|sasl|schema PATH...\n", stderr);
    return 64;
  }
  return goniec::run(suite, paths, named);
}
