// Any octets as a DMARC world: the header block up to an empty line, then records. The judgement
// ends, asks at most 8 names a domain, and never passes without a method that passed; a record
// that parses is one by its first tag.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "trust/dmarc.h"

using namespace goniec;

namespace {

DnsAnswer answer(const DnsQuestion& question, const std::vector<std::string_view>& lines) {
  std::size_t sum = static_cast<std::size_t>(question.type);
  for (char c : question.name) sum = sum * 31 + static_cast<unsigned char>(c);
  const auto line = lines[sum % lines.size()];
  DnsAnswer answer;
  answer.status =
      line.starts_with('!') ? static_cast<DnsStatus>(1 + line.size() % 4) : DnsStatus::found;
  if (answer.status != DnsStatus::found) return answer;
  if (question.type == DnsType::txt) {
    answer.records.emplace_back(std::string(line));
  } else {
    answer.records.emplace_back(*IpAddress::parse("192.0.2.1"));
  }
  return answer;
}

DmarcVerdict judge(const DmarcQuery& query, const std::vector<std::string_view>& lines) {
  Findings findings;
  for (;;) {
    if (auto verdict = check_dmarc(findings, query)) {
      CHECK(findings.size() <= 8u * (2 + query.dkim.size()) + 1);
      return *std::move(verdict);
    }
    const auto missing = findings.take_missing();
    CHECK(!missing.empty());
    for (const auto& question : missing) findings.learn(question, answer(question, lines));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = split(text, '\n');
  for (const auto& line : lines) {
    const auto record = parse_dmarc_record(line);
    CHECK(!record || is_dmarc_record(line));
  }
  const auto block = scan_header(text, {});
  if (!block) return 0;
  const auto author = author_domains(*block);
  for (const auto& domain : author.domains) CHECK(is_ascii(domain) && to_lower(domain) == domain);
  DmarcQuery query;
  if (!author.domains.empty()) query.author = author.domains[0];
  for (std::size_t at = 1; at < author.domains.size() && at < 4; ++at)
    query.dkim.push_back({AuthenticatedDomain::State::pass, author.domains[at]});
  const auto verdict = judge(query, lines);
  if (query.dkim.empty()) CHECK(verdict.result != DmarcResult::pass);
  CHECK(!verdict.policy || verdict.record);
  return 0;
}
