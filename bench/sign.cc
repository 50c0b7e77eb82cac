// What DKIM costs: `./x bench sign [SECONDS]` signs and verifies messages of 10 KiB and 1 MiB by
// RSA-2048, Ed25519 and both, on one thread, and prints messages a second of CPU time.
//
// The work is that of the server: DkimSigner over header and body in pieces of 64 KiB, with
// complete fields; DkimVerifier over the signed message with its key at hand (no DNS). CPU time,
// not wall time, so that a busy machine does not change the figures much.
#include <fmt/format.h>
#include <time.h>

#include <cstdlib>

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

const std::string header =
    "From: Anna Kowalska <anna@example.com>\r\nTo: Bob <bob@example.net>\r\n"
    "Subject: A message as there are many, with a subject of some length\r\n"
    "Date: Thu, 26 Nov 2026 01:00:00 +0000\r\nMessage-ID: <20261126.1@example.com>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n";

std::string body_of(std::size_t octets) {
  const std::string_view line =
      "A line of text with some words in it, not  all of them apart by one blank.\r\n";
  std::string body;
  while (body.size() < octets) body += line;
  return body;
}

template <class Body>
void add(Body& whole, std::string_view octets) {
  for (std::size_t at = 0; at < octets.size(); at += piece_octets)
    whole.add_body(octets.substr(at, piece_octets));
}

std::string sign(const DkimSigning& signing, std::string_view body) {
  DkimSigner signer(signing);
  add(signer, body);
  std::string fields;
  for (const auto& each : signer.prepare(header, from_microseconds(1'000'000)))
    fields += complete(each);
  return fields;
}

bool verify(const std::string& fields, std::string_view body, const Findings& known) {
  DkimVerifier verifier(fields + header);
  add(verifier, body);
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
    if (!work()) std::abort();
  }
  return count / spent;
}

void measure(const char* name, const DkimSigning& signing, double seconds) {
  Findings known;
  for (const DkimSigningKey& each : signing.keys) {
    DnsAnswer answer;
    answer.status = DnsStatus::found;
    answer.records.emplace_back(key_record_text(each.key->algorithm(), each.key->public_data()));
    known.learn({key_name(each.selector, signing.domain), DnsType::txt}, std::move(answer));
  }
  for (const std::size_t octets : {std::size_t{10} * 1024, std::size_t{1024} * 1024}) {
    const std::string body = body_of(octets);
    const std::string fields = sign(signing, body);
    fmt::print("{:<18} {:>8} {:>12.0f} {:>12.0f}\n", name, octets < 100'000 ? "10 KiB" : "1 MiB",
               rate(
                   seconds, [&] { return !sign(signing, body).empty(); }),
               rate(seconds, [&] { return verify(fields, body, known); }));
  }
}

}  // namespace
}  // namespace goniec

int main(int count, char** words) {
  using namespace goniec;
  const double seconds = count > 1 ? std::atof(words[1]) : 2;
  const auto key = [](KeyAlgorithm algorithm) {
    return std::make_shared<const PrivateKey>(*PrivateKey::generate(algorithm));
  };
  const DkimSigningKey rsa{"r", key(KeyAlgorithm::rsa)}, ed25519{"e", key(KeyAlgorithm::ed25519)};
  const Domain domain = *Domain::parse("example.com");
  fmt::print("messages a second of CPU time\n{:<18} {:>8} {:>12} {:>12}\n", "", "size", "sign",
             "verify");
  measure("rsa-2048", {domain, {rsa}}, seconds);
  measure("ed25519", {domain, {ed25519}}, seconds);
  measure("rsa-2048+ed25519", {domain, {rsa, ed25519}}, seconds);
  return 0;
}
