// Grades refusals and complaints: vectors_bounce bounce|arf PATH...
//
//   bounce  a mail that came back (*.eml, *.msg, or an mbox), and beside or above it expected.tsv:
//             stem  number  enhanced  code  reason  hardbounce
//           in Sisimai's words: each recipient's reason is compared as a class of ours by the table
//           below, hardbounce with "permanent". A mail below a folder `not` is no report. A mail
//           without an expectation must be read; what it was taken for is said.
//           A *.tsv whose rows are  host  reply  class  permanent|temporary  [hint]  is graded as
//           answers in a session.
//   arf     a mail; NAME.json beside it (the serialisation of mail-auth) is compared field by
//           field, without it a report must be found (in a folder `not`: none).
//
// Folders are searched. A file of no known format is said; named directly it is a failure. Prints
// each failing case and closes with "N passed, N failed".
#include <map>
#include <optional>

#include "base/json.h"
#include "config/bounce_rules.h"
#include "mail/arf.h"
#include "mail/returned_mail.h"
#include "tests/tools/vector_kit.h"

namespace goniec::vectors {
namespace {

using enum BounceClass;

const BounceRules& rules() {
  static const BounceRules loaded = [] {
    auto read = load_bounce_rules("");
    if (!read) fmt::print("FAIL {}\n", text_of(read.error()));
    return read ? std::move(*read) : BounceRules();
  }();
  return loaded;
}

// A reason of Sisimai's in our classes. Where it is wider than a class of ours, it is several.
struct Reason {
  std::string_view name;
  std::vector<BounceClass> classes;  // empty: it says that nothing is known
};
const std::vector<Reason>& reasons() {
  static const std::vector<Reason> list = {
      {"userunknown", {bad_mailbox}},
      {"hasmoved", {bad_mailbox}},
      {"suspend", {bad_mailbox}},
      {"hostunknown", {bad_domain}},
      {"notaccept", {bad_domain}},
      {"mailboxfull", {mailbox_full}},
      {"mesgtoobig", {message_too_big}},
      {"emailtoolarge", {message_too_big}},
      {"exceedlimit", {message_too_big}},
      {"spamdetected", {content_blocked, spam_reputation}},
      {"contenterror", {content_blocked}},
      {"virusdetected", {content_blocked}},
      {"notcompliantrfc", {content_blocked, protocol}},
      // "by a policy of the receiver": where the text does not tell more, we say other.
      {"policyviolation", {content_blocked, auth_policy, other}},
      // "refused by the recipient's settings, after DATA": also an unknown user that is told late.
      {"filtered", {bad_mailbox, content_blocked, other}},
      // "because of the sender's address or name"
      {"rejected", {auth_policy, spam_reputation, other}},
      // "because of the client's address or name": also a server that will not talk to us at all.
      {"blocked", {ip_blocklisted, spam_reputation, auth_policy, rate_limited, other}},
      {"badreputation", {spam_reputation, ip_blocklisted}},
      {"lowreputation", {spam_reputation, ip_blocklisted}},
      {"requireptr", {auth_policy}},
      {"authfailure", {auth_policy}},
      {"norelaying", {relay_denied}},
      {"securityerror", {auth_policy, relay_denied, content_blocked, other}},
      {"toomanyconn", {rate_limited}},
      {"ratelimited", {rate_limited}},
      {"speeding", {rate_limited}},
      {"failedstarttls", {tls}},
      {"expired", {connection, dns_error}},
      // "by the network": lost connections, DNS, and loops.
      {"networkerror", {connection, dns_error, other}},
      {"systemerror", {other, connection}},
      {"systemfull", {other, mailbox_full}},
      {"mailererror", {other}},
      {"syntaxerror", {protocol}},
      {"onhold", {}},
      {"undefined", {}},
  };
  return list;
}

// Where we say otherwise, and why: docs/vectors.md.
struct Otherwise {
  std::string_view reason;
  BounceClass ours;
};
constexpr Otherwise decided_otherwise[] = {
    {"mesgtoobig", content_blocked},  // a line that is too long is a matter of form
    {"systemerror", tls},             // "does not support TLS"
    {"policyviolation", protocol},    // "protocol violation"
    {"rejected", rate_limited},       // TSS04: deferred for volume
    {"norelaying", auth_policy},      // a sender that the relay has not verified
};
// The mail itself says two things, or nothing.
constexpr std::string_view contradictory[] = {
    "lhost-exim-37",        // which domain does not exist is not told
    "lhost-v5sendmail-05",  // two answers to one recipient
    "rfc3464-01",           // its text says disk space, its fields user unknown
    "rfc3464-35",           // "not a registered gateway user": refused, or unknown
};

struct Expected {
  std::size_t number = 1;
  std::string reason;
  bool hard = false;
};
using Table = std::map<std::string, std::vector<Expected>>;  // by stem

const Table& table_of(const fs::path& file) {
  static std::map<fs::path, Table> read;
  auto [found, fresh] = read.try_emplace(file);
  if (!fresh) return found->second;
  for (const auto& row : rows_of(file)) {
    if (row.size() < 6) continue;
    const auto number = parse_unsigned(row[1]);
    if (number) found->second[row[0]].push_back({*number, row[4], row[5] == "1"});
  }
  return found->second;
}

// expected.tsv beside the file or above it.
const std::vector<Expected>* expectation_of(const fs::path& path) {
  auto folder = fs::absolute(path).parent_path();
  for (int up = 0; up < 6; ++up, folder = folder.parent_path()) {
    const auto file = folder / "expected.tsv";
    if (!fs::exists(file)) continue;
    const auto& table = table_of(file);
    const auto found = table.find(path.stem().string());
    return found == table.end() ? nullptr : &found->second;
  }
  return nullptr;
}

bool is_below_not(const fs::path& path) {
  const auto folder = fs::absolute(path).parent_path();
  return std::any_of(folder.begin(), folder.end(), [](const auto& part) { return part == "not"; });
}

std::string shown(const ReturnedRecipient& one) {
  return fmt::format("{} [{}] {}", one.address, one.phase, one.reply.one_line());
}

void grade(const std::string& where, const Expected& expected, const ReturnedMail& mail,
           Tally& tally) {
  const auto what = fmt::format("{} #{}: wanted {}{}", where, expected.number, expected.reason,
                                expected.hard ? " for good" : "");
  if (expected.reason == "feedback") return tally.check(mail.kind == ReturnedKind::complaint, what);
  if (expected.reason == "vacation")
    return tally.check(mail.kind == ReturnedKind::auto_reply, what);
  if (expected.number == 0 || expected.number > mail.recipients.size())
    return tally.check(false, fmt::format("{}, found {} recipients ({})", what,
                                          mail.recipients.size(), name_of(mail.kind)));
  const auto& one = mail.recipients[expected.number - 1];
  if (expected.reason == "delivered") return tally.check(one.ended_well(), what);
  const auto reason = std::ranges::find(reasons(), expected.reason, &Reason::name);
  if (reason == reasons().end()) return tally.check(false, what + ": a reason that is not known");
  const auto verdict = classify_returned(rules(), one);
  const bool classed = reason->classes.empty() ||
                       std::ranges::find(reason->classes, verdict.klass) != reason->classes.end();
  const bool hard = verdict.permanence == Permanence::permanent;
  // Refused after the content, is meant: nothing in the mail says when, and it says that there is
  // no such mailbox.
  if (expected.reason == "filtered" && verdict.klass == bad_mailbox && hard && one.phase.empty())
    return tally.explain(what + ": " + shown(one), "docs/vectors.md");
  if (!classed || hard != expected.hard) {
    const bool decided =
        hard == expected.hard && std::ranges::any_of(decided_otherwise, [&](const Otherwise& each) {
          return each.reason == expected.reason && each.ours == verdict.klass;
        });
    const bool unclear = std::ranges::any_of(contradictory, [&](std::string_view stem) {
      return where.find(stem) != std::string::npos;
    });
    if (decided || unclear) return tally.explain(what + ": " + shown(one), "docs/vectors.md");
  }
  tally.check(classed && hard == expected.hard,
              fmt::format("{}, got {}{} by {}: {}", what, name_of(verdict.klass),
                          hard ? " for good" : "", verdict.rule, shown(one)));
}

// A file with several mails (mbox) counts their recipients through.
ReturnedMail read_all(const std::string& octets) {
  if (!octets.starts_with("From ")) return read_returned_mail(octets);
  ReturnedMail all;
  for (std::size_t at = 0; at < octets.size();) {
    const auto next = octets.find("\nFrom MAILER-DAEMON", at + 1);
    const auto end = next == std::string::npos ? octets.size() : next + 1;
    const auto one = octets.substr(at, end - at);
    auto mail = read_returned_mail(one.substr(one.find_first_of("\r\n") + 1));
    if (at == 0) all.kind = mail.kind;
    std::move(mail.recipients.begin(), mail.recipients.end(), std::back_inserter(all.recipients));
    at = end;
  }
  return all;
}

void run_returned(const fs::path& path, const std::string& octets, Tally& tally) {
  const auto mail = read_all(octets);
  const auto where = path.string();
  if (is_below_not(path))
    return tally.check(mail.kind != ReturnedKind::delivery_report,
                       where + ": taken for a report, and is none");
  if (const auto* expected = expectation_of(path)) {
    for (const auto& each : *expected) grade(where, each, mail, tally);
    return;
  }
  fmt::print("note {}: {}", where, name_of(mail.kind));
  for (const auto& one : mail.recipients) {
    const auto verdict = classify_returned(rules(), one);
    fmt::print("; {} {} {} by {}", printable(one.address, 80), one.action, name_of(verdict.klass),
               verdict.rule);
  }
  fmt::print("\n");
  tally.check(true, where);
}

// host, reply, class, permanence, hint
bool run_answers(const fs::path& path, Tally& tally) {
  const auto rows = rows_of(path);
  if (rows.empty() || rows[0].size() < 4 || !bounce_class_of(rows[0][2])) return false;
  for (const auto& row : rows) {
    const auto what = fmt::format("{}: {} {}", path.filename().string(), row[0], row[1]);
    if (row.size() < 4) {
      tally.check(false, what + ": four columns are wanted");
      continue;
    }
    const auto verdict = rules().classify(read_reply(unescaped(row[1])), {.site = row[0]});
    const bool good = name_of(verdict.klass) == row[2] && name_of(verdict.permanence) == row[3] &&
                      (row.size() < 5 || row[4].empty() || verdict.hint == row[4]);
    tally.check(good, fmt::format("{}: wanted {} {}, got {} {} {} by {}", what, row[2], row[3],
                                  name_of(verdict.klass), name_of(verdict.permanence), verdict.hint,
                                  verdict.rule));
  }
  return true;
}

bool looks_like_mail(std::string_view octets) {
  const auto line = octets.substr(0, octets.find_first_of("\r\n"));
  const auto colon = line.find(':');
  return line.starts_with("From ") ||
         (colon != std::string_view::npos && colon > 0 && line.find(' ') > colon);
}

bool run_bounce(const fs::path& path, Tally& tally) {
  if (path.filename() == "expected.tsv") {
    // Named, it stands for its folder.
    return true;
  }
  if (path.extension() == ".tsv") return run_answers(path, tally);
  const auto octets = read_file(path);
  if (path.extension() != ".eml" && path.extension() != ".msg" && !octets.starts_with("From "))
    return false;
  if (!looks_like_mail(octets)) return false;
  const bool mbox = octets.starts_with("From ") && path.extension().empty();
  if (!mbox) {
    run_returned(path, octets, tally);
    return true;
  }
  for (std::size_t at = 0; at < octets.size();) {
    const auto next = octets.find("\nFrom ", at + 1);
    const auto end = next == std::string::npos ? octets.size() : next + 1;
    const auto one = octets.substr(at, end - at);
    const auto mail = read_returned_mail(one.substr(one.find('\n') + 1));
    tally.check(mail.kind != ReturnedKind::other_mail,
                fmt::format("{}: a mail of it is no report", path.string()));
    at = end;
  }
  return true;
}

// ----------------------------------------------------------------------------------------- arf
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : to_lower(text)) {
    if (is_alpha(c) || is_digit(c)) out += c;
  }
  return out;
}

// White space runs as one blank.
std::string spaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  return std::string(trim(out));
}

void compare(const std::string& where, const JsonValue& wanted, const FeedbackReport& got,
             Tally& tally) {
  std::string wrong;
  const auto text = [&](std::string_view key, std::string_view value) {
    const auto want = wanted.at(key);
    if (!want) return;
    const auto told = want->text().value_or("");
    if (spaces(told) != spaces(value)) wrong += fmt::format("; {}: {} / {}", key, told, value);
  };
  const auto word = [&](std::string_view key, std::string_view value) {
    const auto want = wanted.at(key);
    if (!want || !want->text()) return;
    const auto told = *want->text() == "Unspecified" ? "" : plain(*want->text());
    if (told != plain(value)) wrong += fmt::format("; {}: {} / {}", key, told, value);
  };
  const auto number = [&](std::string_view key, double value) {
    const auto want = wanted.at(key);
    if (!want || want->is_null()) return;
    if (want->real().value_or(-1) != value) wrong += fmt::format("; {}: {}", key, value);
  };
  const auto list = [&](std::string_view key, const std::vector<std::string>& values) {
    const auto want = wanted.at(key);
    if (!want || !want->is_array()) return;
    const auto items = want->items();
    bool same = items.size() == values.size();
    for (std::size_t at = 0; same && at < items.size(); ++at)
      same = spaces(items[at].text().value_or("")) == spaces(values[at]);
    if (!same) wrong += fmt::format("; {}: {}", key, want->dump());
  };
  word("feedback_type", name_of(got.type));
  number("version", static_cast<double>(got.version));
  number("incidents", static_cast<double>(got.incidents));
  number("source_port", static_cast<double>(got.source_port));
  if (got.arrival)
    number("arrival_date", static_cast<double>(got.arrival->time_since_epoch().count() / 1000000));
  text("user_agent", got.user_agent);
  text("reporting_mta", got.reporting_mta);
  text("original_envelope_id", got.original_envelope_id);
  text("original_mail_from", got.original_mail_from);
  text("original_rcpt_to", got.original_recipients.empty() ? "" : got.original_recipients[0]);
  text("source_ip", got.source_ip);
  list("authentication_results", got.authentication_results);
  list("reported_domain", got.reported_domains);
  list("reported_uri", got.reported_uris);
  word("auth_failure", got.auth_failure);
  word("delivery_result", got.delivery_result);
  word("identity_alignment", got.identity_alignment);
  text("dkim_domain", got.dkim_domain);
  text("dkim_identity", got.dkim_identity);
  text("dkim_selector", got.dkim_selector);
  tally.check(wrong.empty(), where + wrong);
}

bool run_arf(const fs::path& path, Tally& tally) {
  auto file = path;
  if (path.extension() == ".json" || path.extension() == ".tsv") return true;
  const auto octets = read_file(path);
  if (!looks_like_mail(octets)) return false;
  const auto report = read_feedback_report(octets);
  if (is_below_not(path)) {
    tally.check(!report, path.string() + ": taken for a report, and is none");
    return true;
  }
  const bool claims = octets.find("feedback-report") != std::string::npos;
  if (!report) {
    if (!claims) {
      fmt::print("note {}: no feedback report in it\n", path.string());
      return true;
    }
    tally.check(false, path.string() + ": no report found");
    return true;
  }
  const auto beside = file.replace_extension(".json");
  if (!fs::exists(beside)) {
    tally.check(true, path.string());
    return true;
  }
  const auto wanted = JsonValue::parse(read_file(beside));
  if (!wanted) {
    tally.check(false, beside.string() + ": no JSON");
    return true;
  }
  compare(path.string(), *wanted, *report, tally);
  return true;
}

}  // namespace
}  // namespace goniec::vectors

int main(int count, char** words) {
  using namespace goniec::vectors;
  const std::string_view suite = count > 1 ? words[1] : "";
  if (count < 3 || (suite != "bounce" && suite != "arf")) {
    std::fputs("usage: vectors_bounce bounce|arf PATH...\n", stderr);
    return 64;
  }
  return run_paths(count, words, 2, suite == "bounce" ? run_bounce : run_arf);
}
