// Any octets as a message with an ARC chain, its key from its own first line: the verdict comes
// inside the limits of questions, pieces say the same as the whole, and what is said is fit for a
// header field.
#include <algorithm>
#include <cstdint>

#include "base/result.h"
#include "trust/arc.h"

namespace {

goniec::ArcResult verify(std::string_view header, std::string_view body, std::string_view record,
                         std::size_t piece) {
  using namespace goniec;
  ArcVerifier verifier{std::string(header)};
  for (std::size_t at = 0; at < body.size(); at += piece) verifier.add_body(body.substr(at, piece));
  verifier.end_body();
  Findings findings;
  for (;;) {
    if (auto result = verifier.judge(findings, from_microseconds(0))) {
      CHECK(findings.size() <= ArcLimits{}.instances + ArcLimits{}.messages);
      return *result;
    }
    for (const DnsQuestion& question : findings.take_missing()) {
      DnsAnswer answer;
      answer.status = record.empty() ? DnsStatus::no_data : DnsStatus::found;
      if (!record.empty()) answer.records.emplace_back(std::string(record));
      findings.learn(question, std::move(answer));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace goniec;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto line = std::min(all.find('\n'), all.size());
  const std::string_view record = all.substr(0, line);
  const std::string_view message = all.substr(std::min(line + 1, all.size()));
  const auto end = std::min(message.find("\r\n\r\n"), message.size());
  const std::string_view header = message.substr(0, std::min(end + 4, message.size()));
  const std::string_view body = message.substr(header.size());
  const auto whole = verify(header, body, record, 65536);
  const auto pieces = verify(header, body, record, 3);
  CHECK(whole.status == pieces.status && whole.reason == pieces.reason);
  CHECK(whole.reason.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  for (const ArcSet& set : whole.sets)
    CHECK(set.results.find_first_of("\r\n") == std::string::npos);
  return 0;
}
