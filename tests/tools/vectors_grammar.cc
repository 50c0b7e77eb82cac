// Runs files of record grammar against the parsers of the house: vectors_grammar grammar PATH...
//
//   TSV of "kind, valid|invalid, JSON string". The kind's first word names the parser: spf-record,
//   dmarc-record, dkim-key-record, tlsrpt-record, smtp-address, mta-sts-record-and-policy (its
//   second word tells record from policy).
//
// The rows come from a strict implementation. Where it demands more than the standard does, the row
// is explained and not counted; each such rule stands below with its section (docs/vectors.md).
#include <optional>

#include "base/json.h"
#include "mail/address.h"
#include "tests/tools/vector_kit.h"
#include "trust/dmarc_record.h"
#include "trust/mta_sts.h"
#include "trust/signature.h"
#include "trust/spf_record.h"
#include "trust/tls_report.h"

namespace goniec {
namespace {

using namespace vectors;

// "" and valid, or what is wrong.
struct Judged {
  bool valid = false;
  std::string why;
};

template <class Value>
Judged judged(const Result<Value>& result) {
  return {result.has_value(), result ? "" : result.error().message};
}

// RFC 9989 §4.10.1: a record that asks for nothing, by a policy or for reports, is none.
Judged judge_dmarc(const std::string& text) {
  const auto record = parse_dmarc_record(text);
  if (!record) return judged(record);
  return {record->is_usable(), "neither a policy nor an address for reports"};
}

Judged judge_key(const std::string& text) {
  const auto kind = read_tags(text).value("k").value_or("rsa");
  const auto record = read_key_record(
      text, equal_ignoring_case(kind, "ed25519") ? KeyAlgorithm::ed25519 : KeyAlgorithm::rsa);
  if (!record.problem) return {true, ""};
  // RFC 6376 §3.6.1: an empty p= is a key that was revoked, in a good record.
  return {record.problem->reason.find("revoked") != std::string::npos, record.problem->reason};
}

Judged judge_address(std::string_view kind, const std::string& text) {
  if (kind.find("Localpart") != std::string_view::npos)
    return judged(Address::parse(text + "@example.org"));
  if (kind.find("Path") != std::string_view::npos)
    return judged(parse_reverse_path(text, Utf8Policy::allow));
  if (kind.find("Domain") != std::string_view::npos) return judged(Domain::parse(text));
  return judged(Address::parse(text));
}

std::optional<Judged> judge(std::string_view kind, const std::string& text) {
  const auto name = kind.substr(0, kind.find(':'));
  if (name == "spf-record") return judged(parse_spf_record(text));
  if (name == "dmarc-record") return judge_dmarc(text);
  if (name == "dkim-key-record") return judge_key(text);
  if (name == "tlsrpt-record") return judged(parse_tls_report_record(text));
  if (name == "smtp-address") return judge_address(kind, text);
  if (name == "mta-sts-record-and-policy") {
    return kind.find("Policy") != std::string_view::npos ? judged(parse_mta_sts_policy(text))
                                                         : judged(parse_mta_sts_record(text));
  }
  return std::nullopt;
}

// A domain of one label in a term of SPF: "a:x".
bool has_bare_label(const std::string& text) {
  for (auto term : split(text, ' ')) {
    const auto mark = term.find_first_of(":=");
    if (mark == std::string_view::npos || starts_with_ignoring_case(term, "ip")) continue;
    const auto name = term.substr(mark + 1, term.find('/', mark) - mark - 1);
    if (!name.empty() && name.find_first_of(".%") == std::string_view::npos) return true;
  }
  return false;
}

// The p tag stands somewhere else than behind the version.
bool has_late_policy(const std::string& text) {
  const auto list = read_tags(text);
  for (std::size_t at = 2; at < list.tags.size(); ++at)
    if (equal_ignoring_case(list.tags[at].name, "p")) return true;
  return false;
}

// The section that decides where this row and the house differ; "" none.
std::string explanation(std::string_view kind, const std::string& text, bool wanted) {
  const auto name = kind.substr(0, kind.find(':'));
  if (name == "spf-record" && wanted && has_bare_label(text))
    return "RFC 7208 §7.1: a domain-spec ends in a dot and a toplabel, or a macro";
  if (name == "dmarc-record" && !wanted && has_late_policy(text))
    return "RFC 9989 §4.7: p may stand anywhere behind v";
  if (name == "dmarc-record" && !wanted && judge_dmarc(text).valid)
    return "RFC 9989 §4.7: what is wrong in a tag is ignored, the rest of the record holds";
  if (name == "dkim-key-record" && !wanted && text.ends_with(' ') && trim(text).ends_with(';'))
    return "white space behind the last ';' is read, as published records have it; RFC 6376 §3.2's "
           "grammar has none there, and no key reads otherwise for it";
  return {};
}

bool run_grammar(const fs::path& path, Tally& tally) {
  if (path.extension() != ".tsv") return false;
  bool known = false;
  for (const auto& row : rows_of(path)) {
    if (row.size() != 3 || (row[1] != "valid" && row[1] != "invalid")) continue;
    const auto text = JsonValue::parse(row[2]);
    const auto value = text ? text->text() : std::nullopt;
    known = true;
    if (!value) {
      tally.check(false, row[2] + ": no JSON string");
      continue;
    }
    const auto got = judge(row[0], *value);
    const bool wanted = row[1] == "valid";
    const auto what = fmt::format("{} {}: wanted {}, {}", row[0], row[2], row[1],
                                  got ? got->why : "no parser of that name");
    const auto section = got && got->valid != wanted ? explanation(row[0], *value, wanted) : "";
    if (section.empty()) {
      tally.check(got && got->valid == wanted, what);
    } else {
      tally.explain(what, section);
    }
  }
  return known;
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  if (count < 3 || std::string_view(words[1]) != "grammar") {
    std::fputs("usage: vectors_grammar grammar PATH...\n", stderr);
    return 64;
  }
  return goniec::vectors::run_paths(count, words, 2, goniec::run_grammar);
}
