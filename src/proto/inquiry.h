// An Inquiry is a judgement that needs facts from elsewhere, without I/O: it asks questions, is
// answered, and ends in a verdict. net/ask drives it over the doors; a test drives it from a table.
//
// A judgement is a function `std::optional<Verdict> judge(Findings&)`: it reads what was found out
// so far; where a fact is missing, the Findings note the question and the function returns nullopt.
// Its questions are answered, and it runs again from its start: plain calls and loops, with no
// state to keep between. It promises that, with the same findings, it goes the same way; it asks
// together what it can ask together, and every way ends within its limits of questions.
//
//   std::optional<Verdict> judge(Findings& findings) {
//     const DnsAnswer* txt = findings.find(domain, DnsType::txt);
//     if (!txt) return std::nullopt;  // asked; judge() is called again
//     ...
//   }
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mail/journey.h"

namespace goniec {

enum class DnsType : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  tlsa = 52
};

struct DnsMx {
  std::uint16_t preference = 0;
  std::string exchange;  // lower case, no trailing dot; "" is the root: null MX (RFC 7505)
};
struct DnsTlsa {
  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;
};
using DnsRecord =
    std::variant<IpAddress, DnsMx, DnsTlsa, std::string>;  // string: name or joined TXT

// found: records holds at least one. no_data: the name exists, the type does not. no_such_domain:
// NXDOMAIN. temporary: SERVFAIL, timeout, refused, or a broken answer: never to be read as "no".
// bogus: DNSSEC validation failed; for routing it is temporary.
enum class DnsStatus { found, no_data, no_such_domain, temporary, bogus };

struct DnsAnswer {
  DnsStatus status = DnsStatus::temporary;
  std::vector<DnsRecord> records;
  std::string canonical_name;  // after CNAMEs; "" when the name itself answered
  bool authenticated = false;  // DNSSEC-validated, also a "no"
  std::uint32_t ttl_seconds = 0;
  std::string why;  // for people, when not found
};

struct DnsQuestion {
  std::string name;  // lower case, no last dot
  DnsType type = DnsType::a;
  auto operator<=>(const DnsQuestion&) const = default;
};

// What one Inquiry has found out, and what it lacks. `questions` bounds one Inquiry whatever its
// judgement does: beyond it every new question is answered `temporary` at once.
class Findings {
 public:
  explicit Findings(std::size_t questions = 200) : limit_(questions) {}

  // nullptr: not known yet; the question is noted. The pointer lives as long as the Findings.
  const DnsAnswer* find(std::string_view name, DnsType type);
  void learn(const DnsQuestion& question, DnsAnswer answer);
  std::vector<DnsQuestion> take_missing();  // noted since the last call, each once
  std::size_t size() const { return known_.size(); }
  bool heard_anything() const;  // something that is known is more than `temporary`

 private:
  std::size_t limit_;
  std::map<DnsQuestion, DnsAnswer> known_;
  std::vector<DnsQuestion> missing_;
};

}  // namespace goniec
