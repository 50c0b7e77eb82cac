// The messages of the auditor: made from a seed, so that client and sink need no common memory.
//
// A message has the header `X-Audit: RUN-SEQ-SHA256`, where the digest is that of the body before
// dot-stuffing, and recipients s<SEQ>r<K>@<TEMPER>.audit.test. The temper is what the sink does
// with that recipient: ok, once (450 the first time), cut (closes after the final dot, before its
// 250, the first time), shut (421 to DATA the first time), slow, refuse (550), later (450 always).
// Bodies hold what servers get wrong: dots at line starts, eight-bit octets, lines of 998 octets.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace audit {

struct Mix {
  std::string run = "1";
  std::uint64_t seed = 1;
  std::uint64_t largest = 1 << 20;  // octets of a body
  unsigned most_recipients = 50;
  std::vector<std::string> tempers{"ok"};  // one is drawn for each recipient
};

struct Letter {
  std::uint64_t seq = 0;
  std::vector<std::string> recipients;
  std::string wire;  // header and body, dot-stuffed, without the final dot
};

Letter make_letter(const Mix& mix, std::uint64_t seq);

struct Address {
  std::uint64_t seq = 0, number = 0;
  std::string temper;
};
// From `s12r3@ok.audit.test` anywhere in the text; nullopt where there is none from `at` on. `at`
// is moved behind what was found.
std::optional<Address> find_address(std::string_view text, std::size_t& at);

struct Judged {
  std::uint64_t seq = 0;
  bool whole = false;  // the digest of the body is that of the header
};
std::optional<Judged> judge_text(std::string_view text);  // as it came, without dot-stuffing

std::uint64_t now_us();  // of the machine's clock, the same for all programs of a run

}  // namespace audit
