// Any octets as an SPF world: the first line is the sender, each further line is a record of a
// name of its own. Whatever stands there, the judgement ends within its limits, asks no name that
// DNS could not carry, and says nothing that could break a reply.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "trust/iprev.h"
#include "trust/spf.h"
#include "trust/spf_record.h"

using namespace goniec;

namespace {

// Answers from the octets themselves, so that a record can lead anywhere.
DnsAnswer answer(const DnsQuestion& question, const std::vector<std::string_view>& lines) {
  std::size_t sum = static_cast<std::size_t>(question.type);
  for (char c : question.name) sum = sum * 31 + static_cast<unsigned char>(c);
  const auto line = lines[sum % lines.size()];
  DnsAnswer answer;
  answer.status = DnsStatus::found;
  if (line.starts_with('!')) {
    answer.status = static_cast<DnsStatus>(1 + line.size() % 4);
    return answer;
  }
  switch (question.type) {
    case DnsType::a:
      answer.records.emplace_back(*IpAddress::parse("192.0.2.1"));
      break;
    case DnsType::aaaa:
      answer.records.emplace_back(*IpAddress::parse("2001:db8::1"));
      break;
    case DnsType::mx:
      for (std::size_t at = 0; at < line.size() % 13; ++at)
        answer.records.emplace_back(DnsMx{1, std::string(line.substr(at, 20))});
      break;
    default:
      answer.records.emplace_back(std::string(line));
      break;
  }
  if (answer.records.empty()) answer.status = DnsStatus::no_data;
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = split(text, '\n');
  SpfQuery query;
  query.client = *IpAddress::parse(size % 2 ? "192.0.2.1" : "2001:db8::1");
  const auto at = lines[0].rfind('@');
  query.local = lines[0].substr(0, at == std::string_view::npos ? 0 : at);
  query.domain = lines[0].substr(at == std::string_view::npos ? 0 : at + 1);
  query.helo = lines.back();
  if (const auto record = parse_spf_record(lines.back())) {
    for (const auto& directive : record->directives)
      CHECK(directive.prefix4 <= 32 && directive.prefix6 <= 128);
  }
  const SpfLimits limits;
  Findings findings;
  for (std::size_t rounds = 0;; ++rounds) {
    CHECK(rounds < 200);
    if (const auto verdict = check_spf(findings, query, limits)) {
      CHECK(verdict->lookups <= limits.lookups + 1);
      CHECK(verdict->void_lookups <= limits.void_lookups + 1);
      CHECK(is_ascii(verdict->explanation) &&
            printable(verdict->explanation, 501) == verdict->explanation);
      CHECK(verdict->explanation.size() <= limits.explanation_octets);
      break;
    }
    const auto missing = findings.take_missing();
    CHECK(!missing.empty());
    for (const auto& question : missing) {
      CHECK(!question.name.empty() && question.name.size() <= 253 &&
            question.name.find('\\') == std::string::npos && is_ascii(question.name));
      findings.learn(question, answer(question, lines));
    }
  }
  CHECK(findings.size() <= 140);  // (10 terms + exp) of at most 11 questions, and macros
  return 0;
}
