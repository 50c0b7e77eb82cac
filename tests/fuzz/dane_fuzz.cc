// TLSA records and certificates of a hostile server: the input is records (usage, selector,
// matching, length, data) and, behind them, certificates (length, DER). Whatever they are, a match
// needs a record that is usable, and the same chain is refused where every record differs.
#include <algorithm>
#include <cstdint>

#include "trust/dane.h"

using namespace goniec;

namespace {

std::string take(std::string_view& rest, std::size_t octets) {
  const std::string taken(rest.substr(0, octets));
  rest.remove_prefix(taken.size());
  return taken;
}

std::size_t take_size(std::string_view& rest) {
  const std::string two = take(rest, 2);
  return two.size() < 2
             ? 0
             : static_cast<unsigned char>(two[0]) * 256u + static_cast<unsigned char>(two[1]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  std::size_t count = static_cast<unsigned char>(take(rest, 1)[0]) % 8;
  std::vector<DnsRecord> records;
  for (; count > 0 && rest.size() > 5; --count) {
    DnsTlsa record;
    record.usage = static_cast<std::uint8_t>(take(rest, 1)[0]);
    record.selector = static_cast<std::uint8_t>(take(rest, 1)[0]);
    record.matching = static_cast<std::uint8_t>(take(rest, 1)[0]);
    record.data = take(rest, take_size(rest));
    records.emplace_back(std::move(record));
  }
  std::vector<std::string> chain;
  while (!rest.empty()) chain.push_back(take(rest, take_size(rest)));
  DaneFinding finding = judge_tlsa(records);
  finding.base = "mx.example";
  finding.names = {"mx.example", "example"};
  for (const DnsTlsa& record : finding.records)
    CHECK(record.usage >= 2 && record.usage <= 3 && record.selector < 2 && record.matching < 3);
  if (finding.state != DaneState::usable) return 0;
  const Instant now = Instant(std::chrono::hours(24 * 365 * 57));
  const DaneVerdict verdict = match_dane(finding, chain, now);
  CHECK(verdict.matches == verdict.why.empty());
  CHECK(!verdict.matches || !chain.empty());
  for (DnsTlsa& record : finding.records)
    if (record.matching != 0) record.data.assign(record.data.size(), '\0');
  const bool only_digests = std::ranges::all_of(
      finding.records, [](const DnsTlsa& record) { return record.matching != 0; });
  if (only_digests) CHECK(!match_dane(finding, chain, now).matches);
  return 0;
}
