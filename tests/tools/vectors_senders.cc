// Runs files of test data about senders against the room trust: vectors_senders SUITE PATH...
//
//   spf     openspf YAML: documents of description, tests, zonedata
//   dmarc   JSON lines {name, dns, exists, from_domain, spf, dkim, expect}; TSV "header block,
//           expect"; TSV of rspamd's cases with its fake_records*.ucl and messages beside
//   psl     checkPublicSuffix('a', 'b') or "a b" lines, with the list *.dat beside (else the
//           system's)
//
// Where a suite permits several results, any of them passes. Closes with "N passed, N failed".
#include <yaml-cpp/yaml.h>

#include <set>

#include "base/json.h"
#include "mail/header.h"
#include "tests/tools/vector_kit.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/public_suffix.h"
#include "trust/spf.h"

namespace goniec {
namespace {

using namespace vectors;

// ----------------------------------------------------------------------------------------- spf
DnsType type_of(const std::string& name) {
  if (name == "A") return DnsType::a;
  if (name == "AAAA") return DnsType::aaaa;
  if (name == "MX") return DnsType::mx;
  if (name == "PTR") return DnsType::ptr;
  if (name == "CNAME") return DnsType::cname;
  if (name == "NS") return DnsType::ns;
  return DnsType::txt;
}

std::string joined(const YAML::Node& value) {
  if (value.IsScalar()) return value.as<std::string>();
  std::string text;
  for (const auto& part : value) text += part.as<std::string>();
  return text;
}

void add_record(FakeDns& dns, const std::string& name, const std::string& type,
                const YAML::Node& value) {
  const auto kind = type_of(type);
  if (value.IsScalar() && value.as<std::string>() == "TIMEOUT") {
    dns.set(name, kind, DnsStatus::temporary);
  } else if (value.IsScalar() && value.as<std::string>() == "NONE") {
    dns.set(name, kind, DnsStatus::no_data);
  } else if (kind == DnsType::mx) {
    std::string host = value[1].as<std::string>();
    if (host.ends_with('.')) host.pop_back();
    dns.add(name, kind, DnsMx{value[0].as<std::uint16_t>(), to_lower(host)});
  } else if (kind == DnsType::a || kind == DnsType::aaaa) {
    if (const auto address = IpAddress::parse(joined(value))) dns.add(name, kind, *address);
  } else {
    dns.add(name, kind, joined(value));
  }
}

// SPF records of type 99 stand for TXT, where the name has no TXT of its own.
FakeDns dns_of(const YAML::Node& zonedata) {
  FakeDns dns;
  for (const auto& zone : zonedata) {
    const auto name = zone.first.as<std::string>();
    dns.name(name);
    bool has_txt = false, timeout = false;
    std::set<std::string> types;
    for (const auto& each : zone.second) {
      if (!each.IsMap()) continue;
      for (const auto& pair : each) has_txt = has_txt || pair.first.as<std::string>() == "TXT";
    }
    for (const auto& each : zone.second) {
      if (each.IsScalar()) {
        timeout = timeout || each.as<std::string>() == "TIMEOUT";
        continue;
      }
      for (const auto& pair : each) {
        const auto type = pair.first.as<std::string>();
        if (type == "SPF" && has_txt) continue;
        const bool none = pair.second.IsScalar() && pair.second.as<std::string>() == "NONE";
        if (!none) types.insert(type == "SPF" ? "TXT" : type);
        add_record(dns, name, type == "SPF" ? "TXT" : type, pair.second);
      }
    }
    if (!timeout) continue;
    for (const std::string type : {"A", "AAAA", "MX", "PTR", "TXT"}) {
      if (!types.contains(type)) dns.set(name, type_of(type), DnsStatus::temporary);
    }
  }
  return dns;
}

std::vector<std::string> choices_of(const YAML::Node& node) {
  std::vector<std::string> choices;
  if (node.IsScalar()) choices.push_back(node.as<std::string>());
  if (node.IsSequence()) {
    for (const auto& each : node) choices.push_back(each.as<std::string>());
  }
  return choices;
}

void run_spf_case(const std::string& name, const YAML::Node& test, const FakeDns& dns,
                  Tally& tally) {
  const auto text = [&](const char* key) {
    return test[key] && test[key].IsScalar() ? test[key].as<std::string>() : std::string();
  };
  SpfQuery query;
  const auto client = IpAddress::parse(text("host"));
  if (!client) return tally.check(false, name + ": no client address");
  query.client = *client;
  query.helo = text("helo");
  const auto sender = text("mailfrom");
  const auto at = sender.rfind('@');
  if (at != std::string::npos) query.local = sender.substr(0, at);
  query.domain = at == std::string::npos ? sender : sender.substr(at + 1);
  query.receiver = "receiver.example";
  const auto verdict = dns.solve([&](Findings& findings) { return check_spf(findings, query); });
  const auto wanted = choices_of(test["result"]);
  const auto got = std::string(name_of(verdict.result));
  tally.check(std::ranges::find(wanted, got) != wanted.end(),
              fmt::format("{}: {} ({} {}), wanted {}", name, got, verdict.mechanism,
                          verdict.problem, wanted.empty() ? "?" : wanted[0]));
  const auto explanations =
      test["explanation"] ? choices_of(test["explanation"]) : std::vector<std::string>();
  if (explanations.empty() || verdict.result != SpfResult::fail) return;
  const auto& said = verdict.explanation;
  const bool right = std::ranges::any_of(explanations, [&](const std::string& each) {
    return each == "DEFAULT" ? said.empty() : each == said;
  });
  tally.check(right, fmt::format("{}: explained '{}', wanted '{}'", name, said, explanations[0]));
}

bool run_spf(const fs::path& path, Tally& tally) {
  if (path.extension() != ".yml" && path.extension() != ".yaml") return false;
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAllFromFile(path.string());
  } catch (const YAML::Exception& broken) {
    tally.check(false, path.string() + ": " + broken.what());
    return true;
  }
  bool known = false;
  for (const auto& document : documents) {
    if (!document.IsMap() || !document["tests"]) continue;
    known = true;
    const auto dns = document["zonedata"] ? dns_of(document["zonedata"]) : FakeDns();
    for (const auto& test : document["tests"])
      run_spf_case(test.first.as<std::string>(), test.second, dns, tally);
  }
  return known;
}

// --------------------------------------------------------------------------------------- dmarc
bool permits(std::string_view wanted, std::string_view got) {
  const auto choices = split(wanted, '|');
  return std::ranges::find(choices, got) != choices.end();
}

AuthenticatedDomain domain_of(const JsonValue& pair) {
  const auto items = pair.items();
  AuthenticatedDomain domain;
  if (items.size() != 2) return domain;
  const auto result = items[0].text().value_or("");
  if (result == "pass") domain.state = AuthenticatedDomain::State::pass;
  if (result == "temperror") domain.state = AuthenticatedDomain::State::temporary;
  domain.domain = items[1].text().value_or("");
  return domain;
}

void add_text(FakeDns& dns, const std::string& name, const std::string& text) {
  if (text == "!SERVFAIL" || text == "!TIMEOUT") {
    dns.set(name, DnsType::txt, DnsStatus::temporary);
  } else if (text == "!BOGUS") {
    dns.set(name, DnsType::txt, DnsStatus::bogus);
  } else if (text == "!NXDOMAIN") {
    dns.set(name, DnsType::txt, DnsStatus::no_such_domain);
  } else {
    dns.add(name, DnsType::txt, text);
  }
}

void run_dmarc_line(const JsonValue& test, Tally& tally) {
  FakeDns dns;
  if (const auto zone = test.at("dns")) {
    for (const auto& name : zone->keys()) {
      const auto value = zone->at(name);
      if (value->is_text()) add_text(dns, name, *value->text());
      for (const auto& each : value->items()) add_text(dns, name, each.text().value_or(""));
    }
  }
  if (const auto exists = test.at("exists")) {
    for (const auto& each : exists->items()) dns.name(each.text().value_or(""));
  }
  DmarcQuery query;
  query.author = test.text_at("from_domain");
  if (const auto spf = test.at("spf"); spf && spf->is_array()) query.spf = domain_of(*spf);
  if (const auto dkim = test.at("dkim")) {
    for (const auto& each : dkim->items()) query.dkim.push_back(domain_of(each));
  }
  const auto verdict = dns.solve([&](Findings& findings) { return check_dmarc(findings, query); });
  const auto expect = test.at("expect");
  const auto result = expect ? expect->text_at("result") : "";
  const auto policy = expect ? expect->text_at("policy") : "";
  const std::string got_policy(verdict.policy ? name_of(*verdict.policy) : "");
  const bool ungraded = policy.empty() && (result == "pass" || result == "fail");
  tally.check(permits(result, name_of(verdict.result)) && (ungraded || permits(policy, got_policy)),
              fmt::format("{}: {} {} ({}), wanted {} {}", test.text_at("name"),
                          name_of(verdict.result), got_policy, verdict.problem, result, policy));
}

bool run_dmarc_lines(const fs::path& path, Tally& tally) {
  const auto text = read_file(path);
  for (auto line : split(text, '\n')) {
    if (trim(line).empty()) continue;
    const auto test = JsonValue::parse(line);
    if (!test || !test->is_object()) {
      tally.check(false, path.string() + ": a line is no JSON object");
    } else {
      run_dmarc_line(*test, tally);
    }
  }
  return true;
}

// The domain in an expectation like "one: example.org" or "example.net (a note)"; "" none.
std::string expected_domain(std::string_view expect) {
  std::string best;
  expect = expect.substr(0, expect.find('('));
  for (auto word : split(expect, ' ')) {
    while (!word.empty() && (word.ends_with(',') || word.ends_with(':') || word.ends_with(';')))
      word.remove_suffix(1);
    const auto parsed = Domain::parse(word);
    if (parsed && !parsed->is_literal() && parsed->ascii().find('.') != std::string::npos)
      best = parsed->ascii();
  }
  return best;
}

void run_from_row(const std::string& header, const std::string& expect, Tally& tally) {
  const auto block = unescaped(header) + "\r\n\r\n";
  const auto scanned = scan_header(block, {});
  if (!scanned) return tally.check(false, header + ": no header");
  const auto author = author_domains(*scanned);
  const bool one = author.state == AuthorDomains::State::found && !author.domains.empty();
  const auto has = [&](std::string_view word) { return expect.find(word) != std::string::npos; };
  const auto wanted = expected_domain(expect);
  bool good = one;
  if (has("refuse") || has("permerror") || has("none")) {
    good = !one || author.domains.size() > 1;
  } else if (!wanted.empty()) {
    good = !author.domains.empty() && author.domains[0] == wanted;
  }
  tally.check(
      good, fmt::format("{}: {} domains, the first '{}', wanted {}", header, author.domains.size(),
                        author.domains.empty() ? "" : author.domains[0], expect));
}

// rspamd's fake DNS: objects { name = ..., type = ..., replies = [...], rcode = ... } in UCL.
class UclReader {
 public:
  explicit UclReader(std::string text) : text_(std::move(text)) {}
  FakeDns read();

 private:
  std::string word();
  std::string text_;
  std::size_t at_ = 0;
};

// A word, a quoted string, or one of { } [ ]; "" at the end.
std::string UclReader::word() {
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size() - 1);
    } else if (std::string_view(" \t\r\n=:;,").find(c) == std::string_view::npos) {
      break;
    }
  }
  if (at_ >= text_.size()) return "";
  const char c = text_[at_];
  if (c == '{' || c == '}' || c == '[' || c == ']') return std::string(1, text_[at_++]);
  const auto begin = c == '"' || c == '\'' ? at_ + 1 : at_;
  const auto end =
      std::min(begin > at_ ? text_.find(c, begin) : text_.find_first_of(" \t\r\n=;,{}[]", begin),
               text_.size());
  at_ = begin > at_ ? end + 1 : end;
  return "\"" + text_.substr(begin, end - begin);
}

DnsStatus status_of(std::string_view rcode) {
  if (rcode == "nxdomain") return DnsStatus::no_such_domain;
  if (rcode == "norec") return DnsStatus::no_data;
  return DnsStatus::temporary;
}

void add_ucl(FakeDns& dns, const std::map<std::string, std::vector<std::string>>& object) {
  const auto one = [&](const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->second.empty() ? std::string() : found->second[0];
  };
  const auto name = one("name");
  if (name.empty()) return;
  std::string type = one("type");
  std::ranges::transform(type, type.begin(),
                         [](char c) { return static_cast<char>(::toupper(c)); });
  const auto kind = type_of(type);
  if (const auto rcode = one("rcode"); !rcode.empty()) {
    if (status_of(rcode) == DnsStatus::no_such_domain && one("replies").empty()) {
      dns.set(name, kind, DnsStatus::no_such_domain);
    } else {
      dns.set(name, kind, status_of(rcode));
    }
    return;
  }
  const auto replies = object.find("replies");
  if (replies == object.end()) return;
  for (const auto& reply : replies->second) {
    if (kind == DnsType::mx) {
      const auto blank = reply.find(' ');
      dns.add(name, kind, DnsMx{10, reply.substr(blank + 1)});
    } else if (kind == DnsType::a || kind == DnsType::aaaa) {
      if (const auto address = IpAddress::parse(reply)) dns.add(name, kind, *address);
    } else {
      dns.add(name, kind, reply);
    }
  }
}

FakeDns UclReader::read() {
  FakeDns dns;
  std::map<std::string, std::vector<std::string>> object;
  std::string key;
  bool in_list = false;
  for (auto token = word(); !token.empty(); token = word()) {
    if (token == "{") {
      object.clear();
      key.clear();
    } else if (token == "}") {
      add_ucl(dns, object);
    } else if (token == "[" || token == "]") {
      in_list = token == "[" && !key.empty();
      if (token == "]") key.clear();
    } else if (key.empty()) {
      key = token.substr(1);
    } else {
      object[key].push_back(token.substr(1));
      if (!in_list) key.clear();
    }
  }
  return dns;
}

FakeDns dns_beside(const fs::path& path) {
  for (const auto& folder : {path.parent_path(), path.parent_path().parent_path()}) {
    if (folder.empty() || !fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".ucl" || entry.path().extension() == ".conf")
        return UclReader(read_file(entry.path())).read();
    }
  }
  return {};
}

fs::path message_beside(const fs::path& path, const std::string& name) {
  for (const auto& folder : {path.parent_path() / "messages", path.parent_path(),
                             path.parent_path().parent_path() / "messages"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  return {};
}

std::string spf_symbol(SpfResult result) {
  switch (result) {
    case SpfResult::pass:
      return "R_SPF_ALLOW";
    case SpfResult::fail:
      return "R_SPF_FAIL";
    case SpfResult::soft_fail:
      return "R_SPF_SOFTFAIL";
    case SpfResult::neutral:
      return "R_SPF_NEUTRAL";
    case SpfResult::none:
      return "R_SPF_NA";
    case SpfResult::temp_error:
      return "R_SPF_DNSFAIL";
    case SpfResult::perm_error:
      return "R_SPF_PERMFAIL";
  }
  return {};
}

std::string dmarc_symbol(const DmarcVerdict& verdict) {
  switch (verdict.result) {
    case DmarcResult::pass:
      return "DMARC_POLICY_ALLOW";
    case DmarcResult::none:
      return "DMARC_NA";
    case DmarcResult::temp_error:
      return "DMARC_DNSFAIL";
    case DmarcResult::perm_error:
      return "DMARC_BAD_POLICY";
    case DmarcResult::fail:
      break;
  }
  if (verdict.policy == DmarcPolicy::reject) return "DMARC_POLICY_REJECT";
  if (verdict.policy == DmarcPolicy::quarantine) return "DMARC_POLICY_QUARANTINE";
  return "DMARC_POLICY_SOFTFAIL";
}

SpfVerdict spf_of_row(const std::vector<std::string>& row, const FakeDns& dns) {
  const auto client = IpAddress::parse(row[3]);
  if (!client) return {};
  SpfQuery query;
  query.client = *client;
  query.helo = row[5];
  const auto at = row[4].rfind('@');
  if (at != std::string::npos) query.local = row[4].substr(0, at);
  if (at != std::string::npos) query.domain = row[4].substr(at + 1);
  return dns.solve([&](Findings& findings) { return check_spf(findings, query); });
}

// SPF passed for a domain that only the public suffix list, as RFC 7489 read it, makes one with the
// author's.
bool is_one_by_list(const DmarcQuery& query, const std::string& domain) {
  static const auto list = PublicSuffixes::load();
  return query.spf && query.spf->state == AuthenticatedDomain::State::pass &&
         list.registrable(query.author) == list.registrable(domain);
}

// The domains whose signatures in this message pass.
std::vector<AuthenticatedDomain> signatures_of(const std::string& message, const FakeDns& dns);

void run_rspamd_row(const fs::path& path, std::vector<std::string> row, const FakeDns& dns,
                    Tally& tally) {
  row.resize(8);
  const auto file = message_beside(path, row[2]);
  if (file.empty()) return tally.check(false, row[1] + ": no message " + row[2]);
  auto message = read_file(file);
  const auto spf = spf_of_row(row, dns);
  const auto scanned = scan_header(message, {.block_octets = 1 << 20});
  if (!scanned) return tally.check(false, row[1] + ": no header");
  const auto author = author_domains(*scanned);
  DmarcQuery query;
  if (!author.domains.empty()) query.author = author.domains[0];
  query.spf = AuthenticatedDomain{AuthenticatedDomain::State::fail, spf.domain};
  if (spf.result == SpfResult::pass) query.spf->state = AuthenticatedDomain::State::pass;
  if (spf.result == SpfResult::temp_error) query.spf->state = AuthenticatedDomain::State::temporary;
  query.dkim = signatures_of(message, dns);
  auto dmarc = dns.solve([&](Findings& findings) { return check_dmarc(findings, query); });
  if (query.author.empty()) dmarc.result = DmarcResult::none;
  for (auto symbol : split(row[6], ',')) {
    const bool about_spf = symbol.starts_with("R_SPF_");
    if (!about_spf && !symbol.starts_with("DMARC_")) {
      tally.explain(row[1] + " " + std::string(symbol), "the row names no symbol to be graded");
      continue;
    }
    const auto got = about_spf ? spf_symbol(spf.result) : dmarc_symbol(dmarc);
    const bool has_pct =
        dmarc.record && to_lower(dmarc.record->text).find("pct=") != std::string::npos;
    if (!about_spf && got != symbol && symbol == "DMARC_POLICY_ALLOW" &&
        is_one_by_list(query, spf.domain)) {
      tally.explain(row[1], "RFC 9989 §4.10.2: the organisation is found in DNS, not in the list");
      continue;
    }
    if (!about_spf && got != symbol && has_pct) {
      tally.explain(row[1], "RFC 9989 has no pct: the policy applies to every message");
      continue;
    }
    tally.check(got == symbol, fmt::format("{}: {} ({}{}), wanted {}", row[1], got, spf.problem,
                                           dmarc.problem, symbol));
    for (auto forbidden : split(row[7], ','))
      if (!forbidden.empty()) tally.check(got != forbidden, row[1] + ": " + got);
  }
}

bool is_known_kind(const std::string& kind) {
  return kind == "dmarc" || kind == "spf";
}

bool run_dmarc(const fs::path& path, Tally& tally) {
  if (path.extension() == ".jsonl" || path.extension() == ".json")
    return run_dmarc_lines(path, tally);
  if (path.extension() == ".eml" || path.extension() == ".ucl") return false;
  if (path.extension() != ".tsv") return false;
  const auto rows = rows_of(path);
  const bool cases = std::ranges::any_of(
      rows, [](const auto& row) { return row.size() >= 7 && is_known_kind(row[0]); });
  const auto dns = cases ? dns_beside(path) : FakeDns();
  bool known = false;
  for (const auto& row : rows) {
    const bool of_rspamd = cases && row.size() >= 7 && is_known_kind(row[0]);
    known = known || of_rspamd || row.size() == 2;
    if (of_rspamd) run_rspamd_row(path, row, dns, tally);
    if (!cases && row.size() == 2) run_from_row(row[0], row[1], tally);
  }
  return known;
}

std::vector<AuthenticatedDomain> signatures_of(const std::string& message, const FakeDns& dns) {
  std::string wire;
  for (char c : message) {
    if (c == '\n' && !wire.ends_with('\r')) wire += '\r';
    wire += c;
  }
  const auto scanned = scan_header(wire, {.block_octets = 1 << 20});
  if (!scanned) return {};
  DkimVerifier verifier(wire.substr(0, scanned->body_offset));
  verifier.add_body(std::string_view(wire).substr(scanned->body_offset));
  verifier.end_body();
  const Instant then = Instant(std::chrono::seconds(1'500'000'000));
  std::vector<AuthenticatedDomain> domains;
  for (const auto& each :
       dns.solve([&](Findings& findings) { return verifier.judge(findings, then); })) {
    auto& domain = domains.emplace_back();
    domain.domain = each.domain.ascii();
    if (each.status == DkimStatus::pass) domain.state = AuthenticatedDomain::State::pass;
    if (each.status == DkimStatus::temperror) domain.state = AuthenticatedDomain::State::temporary;
  }
  return domains;
}

// ----------------------------------------------------------------------------------------- psl
PublicSuffixes list_beside(const fs::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".dat") continue;
    if (auto list = PublicSuffixes::read(entry.path().string())) return *std::move(list);
  }
  return PublicSuffixes::load();
}

// The two names of a line; fewer: it is no case.
std::vector<std::string> names_in(std::string_view line) {
  constexpr std::string_view call = "checkPublicSuffix(";
  std::vector<std::string> names;
  std::string cleaned;
  if (line.starts_with(call)) line = line.substr(call.size(), line.rfind(')') - call.size());
  for (char c : line) {
    if (c == '\'' || c == '"') continue;
    cleaned += c == ',' || c == '\t' ? ' ' : c;
  }
  for (auto word : split(cleaned, ' ')) {
    if (!trim(word).empty()) names.emplace_back(trim(word));
  }
  return names;
}

bool run_psl(const fs::path& path, Tally& tally) {
  if (path.extension() != ".txt") return false;
  const auto list = list_beside(path);
  const auto text = read_file(path);
  bool known = false;
  for (auto line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("//") || trim(line).empty()) continue;
    const auto names = names_in(line);
    if (names.size() != 2) return known;
    known = true;
    const auto asked = names[0] == "null" ? "" : names[0];
    const auto wanted = names[1] == "null" ? "" : names[1];
    const auto got = list.registrable(asked);
    tally.check(got == wanted, fmt::format("{}: '{}', wanted '{}'", names[0], got, names[1]));
  }
  return known;
}

int run(int count, char** words) {
  const std::string_view suite = count > 2 ? words[1] : "";
  const auto go = [&](const fs::path& path, Tally& tally) {
    if (suite == "spf") return run_spf(path, tally);
    if (suite == "dmarc") return run_dmarc(path, tally);
    return run_psl(path, tally);
  };
  if (suite != "spf" && suite != "dmarc" && suite != "psl") {
    std::fputs("usage: vectors_senders spf|dmarc|psl PATH...\n", stderr);
    return 64;
  }
  return run_paths(count, words, 2, go);
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  return goniec::run(count, words);
}
