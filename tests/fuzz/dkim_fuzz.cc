// Any octets as a message with DKIM signatures, its keys from its own first line: the verdict
// comes, inside the limits of questions and signatures, and pieces say the same as the whole. What
// it says is fit for a header field.
#include <algorithm>
#include <cstdint>

#include "base/result.h"
#include "trust/dkim.h"

namespace {

std::vector<goniec::DkimResult> verify(std::string_view header, std::string_view body,
                                       std::string_view record, std::size_t piece) {
  using namespace goniec;
  DkimVerifier verifier{std::string(header)};
  for (std::size_t at = 0; at < body.size(); at += piece) verifier.add_body(body.substr(at, piece));
  verifier.end_body();
  Findings findings;
  for (;;) {
    if (auto results = verifier.judge(findings, from_microseconds(0))) {
      CHECK(findings.size() <= DkimLimits{}.verified);
      return *results;
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
  CHECK(whole.size() == pieces.size());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CHECK(whole[at].status == pieces[at].status && whole[at].reason == pieces[at].reason);
    for (const std::string& text : {whole[at].reason, whole[at].selector, whole[at].identity,
                                    whole[at].algorithm, whole[at].signature})
      CHECK(text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  return 0;
}
