// What DKIM costs: `sign rsa|ed25519|both FILE SECONDS` signs and verifies the message in FILE on
// one thread and prints messages a second of CPU time as JSON. `./x bench sign` (bench/sign.py)
// runs it beside others.
//
// The work is that of the server: DkimSigner over header and body in pieces of 64 KiB, with
// complete fields; DkimVerifier over the signed message with its key at hand (no DNS). CPU time,
// not wall time, so that a busy machine does not change the figures much. Refuses (1) a message
// that does not verify.
#include <fmt/format.h>
#include <time.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "trust/dkim.h"
#include "trust/dkim_signer.h"

namespace goniec {
namespace {

constexpr std::size_t piece_octets = 64 * 1024;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Mail {
  std::string header, body;  // the header with its empty line
};

template <class Body>
void add(Body& whole, std::string_view octets) {
  for (std::size_t at = 0; at < octets.size(); at += piece_octets)
    whole.add_body(octets.substr(at, piece_octets));
}

std::string sign(const DkimSigning& signing, const Mail& mail) {
  DkimSigner signer(signing);
  add(signer, mail.body);
  std::string fields;
  for (const auto& each : signer.prepare(mail.header, from_microseconds(1'000'000)))
    fields += complete(each);
  return fields;
}

bool verify(const std::string& fields, const Mail& mail, const Findings& known) {
  DkimVerifier verifier(fields + mail.header);
  add(verifier, mail.body);
  verifier.end_body();
  Findings findings = known;
  const auto results = verifier.judge(findings, from_microseconds(2'000'000));
  for (const DkimResult& each : *results)
    if (each.status != DkimStatus::pass) return false;
  return !results->empty();
}

// Messages a second of CPU time, over at least `seconds` of it.
template <class Work>
double rate(double seconds, Work work) {
  const double began = cpu_seconds();
  double spent = 0;
  int count = 0;
  for (; spent < seconds; spent = cpu_seconds() - began, ++count) {
    if (!work()) std::exit(1);
  }
  return count / spent;
}

void measure(const DkimSigning& signing, const Mail& mail, double seconds) {
  Findings known;
  for (const DkimSigningKey& each : signing.keys) {
    DnsAnswer answer;
    answer.status = DnsStatus::found;
    answer.records.emplace_back(key_record_text(each.key->algorithm(), each.key->public_data()));
    known.learn({key_name(each.selector, signing.domain), DnsType::txt}, std::move(answer));
  }
  const std::string fields = sign(signing, mail);
  if (fields.empty() || !verify(fields, mail, known)) std::exit(1);
  fmt::print(R"({{"sign": {:.2f}, "verify": {:.2f}}})"
             "\n",
             rate(seconds, [&] { return !sign(signing, mail).empty(); }),
             rate(seconds, [&] { return verify(fields, mail, known); }));
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  using namespace goniec;
  const std::string_view what = count > 1 ? words[1] : "";
  if (count != 4 || (what != "rsa" && what != "ed25519" && what != "both")) {
    fmt::print(stderr, "sign rsa|ed25519|both FILE SECONDS\n");
    return 64;
  }
  std::ifstream file(words[2], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return 1;
  const auto key = [](KeyAlgorithm algorithm) {
    return std::make_shared<const PrivateKey>(*PrivateKey::generate(algorithm));
  };
  DkimSigning signing{*Domain::parse("example.com"), {}};
  if (what != "ed25519") signing.keys.push_back({"r", key(KeyAlgorithm::rsa)});
  if (what != "rsa") signing.keys.push_back({"e", key(KeyAlgorithm::ed25519)});
  measure(signing, {text.substr(0, end + 4), text.substr(end + 4)}, std::atof(words[3]));
  return 0;
}
