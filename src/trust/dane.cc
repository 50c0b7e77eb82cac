// See dane.h.
#include "trust/dane.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "trust/openssl.h"

namespace goniec {

using trust::certificate_of;
using trust::CertificatePtr;
using trust::KeyPtr;

namespace {

constexpr std::uint8_t usage_ta = 2, usage_ee = 3;                          // RFC 7218 §2.1
constexpr std::uint8_t selector_cert = 0, selector_spki = 1;                // §2.2
constexpr std::uint8_t match_full = 0, match_sha256 = 1, match_sha512 = 2;  // §2.3

std::string digest_of(const EVP_MD* kind, std::string_view data) {
  unsigned char octets[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), octets, &size, kind, nullptr) != 1) return {};
  return {reinterpret_cast<const char*>(octets), size};
}

std::string public_key_of(const std::string& der) {
  const CertificatePtr certificate = certificate_of(der);
  if (!certificate) return {};
  unsigned char* octets = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &octets);
  ERR_clear_error();
  if (size <= 0) return {};
  std::string key(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
  OPENSSL_free(octets);
  return key;
}

KeyPtr key_of(std::string_view spki) {
  const auto* at = reinterpret_cast<const unsigned char*>(spki.data());
  const unsigned char* const end = at + spki.size();
  KeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  ERR_clear_error();
  if (key && at != end) return nullptr;
  return key;
}

// What the association data of a record are compared with, of each certificate of a chain.
struct Selected {
  std::string whole, key;  // DER of the certificate and of its SubjectPublicKeyInfo
  const std::string& by(std::uint8_t selector) const {
    return selector == selector_spki ? key : whole;
  }
};

bool matches(const DnsTlsa& record, const Selected& certificate) {
  const std::string& selected = certificate.by(record.selector);
  if (selected.empty()) return false;
  switch (record.matching) {
    case match_full:
      return selected == record.data;
    case match_sha256:
      return digest_of(EVP_sha256(), selected) == record.data;
    case match_sha512:
      return digest_of(EVP_sha512(), selected) == record.data;
    default:
      return false;
  }
}

// "": usable. RFC 7672 §3.1: what a client cannot use is as if it were not there, but for TLS.
std::string unusable_because(const DnsTlsa& record, const DaneLimits& limits) {
  if (record.usage != usage_ta && record.usage != usage_ee)
    return record.usage < 2 ? "its usage is not for SMTP (RFC 7672 §3.1.3)" : "unknown usage";
  if (record.selector > selector_spki) return "unknown selector";
  if (record.data.size() > limits.record_octets) return "its data are too long";
  switch (record.matching) {
    case match_full:
      if (record.selector == selector_cert && !certificate_of(record.data))
        return "its data are no certificate";
      if (record.selector == selector_spki && !key_of(record.data))
        return "its data are no public key";
      return {};
    case match_sha256:
      return record.data.size() == 32 ? "" : "its data are no SHA-256 digest";
    case match_sha512:
      return record.data.size() == 64 ? "" : "its data are no SHA-512 digest";
    default:
      return "unknown matching type";
  }
}

// RFC 7671 §9: beside SHA-512, SHA-256 of the same usage and selector does not count.
void keep_strongest_digests(std::vector<DnsTlsa>& records) {
  const auto is_beside_stronger = [&](const DnsTlsa& record) {
    return record.matching == match_sha256 &&
           std::ranges::any_of(records, [&](const DnsTlsa& other) {
             return other.matching == match_sha512 && other.usage == record.usage &&
                    other.selector == record.selector;
           });
  };
  std::vector<DnsTlsa> kept;
  for (const DnsTlsa& record : records)
    if (!is_beside_stronger(record)) kept.push_back(record);
  records = std::move(kept);
}

// ------------------------------------------------------------------------------------ lookups
struct AddressFacts {
  bool known = false;  // both answers are here
  bool found = false, secure = false, failed = false;
  std::string canonical_name, why;
  std::uint32_t ttl_seconds = 3600;
};

AddressFacts addresses_of(Findings& findings, const std::string& host) {
  AddressFacts facts;
  const DnsAnswer* answers[] = {findings.find(host, DnsType::a),
                                findings.find(host, DnsType::aaaa)};
  if (!answers[0] || !answers[1]) return facts;
  facts.known = true;
  facts.secure = true;
  for (const DnsAnswer* answer : answers) {
    if (answer->status == DnsStatus::temporary || answer->status == DnsStatus::bogus) {
      facts.failed = true;
      facts.why = answer->why;
      continue;
    }
    facts.secure = facts.secure && answer->authenticated;
    if (answer->status != DnsStatus::found) continue;
    facts.found = true;
    facts.ttl_seconds = std::min(facts.ttl_seconds, answer->ttl_seconds);
    if (!answer->canonical_name.empty()) facts.canonical_name = answer->canonical_name;
  }
  return facts;
}

DaneFinding ends(DaneState state, std::string base, std::string why) {
  DaneFinding finding;
  finding.state = state;
  finding.base = std::move(base);
  finding.why = std::move(why);
  return finding;
}

std::string owner_of(const std::string& base, std::uint16_t port) {
  return fmt::format("_{}._tcp.{}", port, base);
}

// RFC 7672 §2.2.3. does_not_apply: nothing there, try the next candidate.
std::optional<DaneFinding> ask_tlsa(Findings& findings, const std::string& base, std::uint16_t port,
                                    const DaneLimits& limits) {
  const std::string owner = owner_of(base, port);
  const DnsAnswer* answer = findings.find(owner, DnsType::tlsa);
  if (!answer) return std::nullopt;
  switch (answer->status) {
    case DnsStatus::temporary:
    case DnsStatus::bogus:  // §2.1.2: an attacker could hide the records in no other way
      return ends(DaneState::failed, base,
                  fmt::format("TLSA of {} cannot be looked up: {}", owner, answer->why));
    case DnsStatus::no_data:
    case DnsStatus::no_such_domain:
      return ends(DaneState::does_not_apply, base, owner + " has no TLSA");
    case DnsStatus::found:
      break;
  }
  if (!answer->authenticated)
    return ends(DaneState::does_not_apply, base, "TLSA of " + owner + " is not signed");
  DaneFinding finding = judge_tlsa(answer->records, limits);
  finding.base = base;
  finding.ttl_seconds = answer->ttl_seconds;
  if (finding.state == DaneState::unusable)
    finding.why = fmt::format("no TLSA record of {} can be used: {}", owner, finding.why);
  return finding;
}

// RFC 7672 §2.2.2: names under which TLSA is looked for, the best first.
std::optional<std::vector<std::string>> base_names(Findings& findings, const std::string& host,
                                                   const AddressFacts& addresses) {
  const bool is_alias = !addresses.canonical_name.empty() && addresses.canonical_name != host;
  if (addresses.secure)
    return is_alias ? std::vector{addresses.canonical_name, host} : std::vector{host};
  if (!is_alias) return std::vector<std::string>{};
  const DnsAnswer* alias = findings.find(host, DnsType::cname);
  if (!alias) return std::nullopt;
  if (alias->status == DnsStatus::found && alias->authenticated) return std::vector{host};
  return std::vector<std::string>{};
}

}  // namespace

std::string_view name_of(DaneState state) {
  switch (state) {
    case DaneState::does_not_apply:
      return "does not apply";
    case DaneState::failed:
      return "failed";
    case DaneState::unusable:
      return "unusable";
    case DaneState::usable:
      return "usable";
  }
  return "";
}

std::string DaneFinding::owner() const {
  return owner_of(base, port);
}

std::optional<DaneFinding> look_up_dane(Findings& findings, const DaneTarget& target,
                                        const DaneLimits& limits) {
  const std::string& host = target.host;
  if (!target.secure_way)
    return ends(DaneState::does_not_apply, host, "the way to this host is not signed in DNS");
  const AddressFacts addresses = addresses_of(findings, host);
  if (!addresses.known) return std::nullopt;
  if (!addresses.found)  // nothing to connect to; a failure is told by whoever asked for addresses
    return ends(addresses.failed ? DaneState::failed : DaneState::does_not_apply, host,
                addresses.failed ? fmt::format("addresses of {}: {}", host, addresses.why)
                                 : host + " has no address");
  const auto bases = base_names(findings, host, addresses);
  if (!bases) return std::nullopt;
  DaneFinding finding =
      ends(DaneState::does_not_apply, host, "the addresses of " + host + " are not signed");
  for (const std::string& base : *bases) {
    auto here = ask_tlsa(findings, base, target.port, limits);
    if (!here) return std::nullopt;
    finding = std::move(*here);
    if (finding.state != DaneState::does_not_apply) break;
  }
  finding.port = target.port;
  finding.ttl_seconds = std::min(finding.ttl_seconds, addresses.ttl_seconds);
  finding.names = {finding.base};  // RFC 7672 §3.2.2: then what led here
  for (const std::string& name : {host, target.next_hop})
    if (!name.empty() && std::ranges::find(finding.names, name) == finding.names.end())
      finding.names.push_back(name);
  return finding;
}

DaneFinding judge_tlsa(const std::vector<DnsRecord>& answer, const DaneLimits& limits) {
  DaneFinding finding;
  finding.state = DaneState::unusable;
  std::size_t looked_at = 0;
  for (const DnsRecord& record : answer) {
    const auto* tlsa = std::get_if<DnsTlsa>(&record);
    if (!tlsa || ++looked_at > limits.records) continue;
    const std::string why = unusable_because(*tlsa, limits);
    if (why.empty())
      finding.records.push_back(*tlsa);
    else if (finding.why.empty())
      finding.why = fmt::format("{}: {}", text_of(*tlsa), why);
  }
  keep_strongest_digests(finding.records);
  if (finding.records.empty()) {
    if (finding.why.empty()) finding.why = "the answer holds no TLSA record";
  } else {
    finding.state = DaneState::usable;
    finding.why.clear();
  }
  return finding;
}

namespace {

// Certificates that a DANE-TA record names: of the chain above the first one, or (RFC 7671 §5.2.2)
// carried by the record itself. A bare key is an anchor over whatever it has signed.
std::vector<std::string> anchors_of(const DnsTlsa& record,
                                    const std::vector<Selected>& certificates) {
  std::vector<std::string> anchors;
  for (const Selected& certificate : certificates) {
    if (certificate.whole == certificates.front().whole) continue;  // an end entity is no anchor
    if (matches(record, certificate)) anchors.push_back(certificate.whole);
  }
  if (record.matching != match_full || !anchors.empty()) return anchors;
  if (record.selector == selector_cert) return {record.data};
  const KeyPtr key = key_of(record.data);
  for (const Selected& certificate : certificates) {
    const CertificatePtr read = certificate_of(certificate.whole);
    if (key && read && X509_verify(read.get(), key.get()) == 1)
      anchors.push_back(certificate.whole);
  }
  ERR_clear_error();
  return anchors;
}

DaneVerdict no_match(ChainFault fault, std::string why) {
  DaneVerdict verdict;
  verdict.fault = fault;
  verdict.why = std::move(why);
  return verdict;
}

}  // namespace

DaneVerdict match_dane(const DaneFinding& finding, const std::vector<std::string>& chain,
                       Instant now, const DaneLimits& limits) {
  CHECK(finding.state == DaneState::usable);
  if (chain.empty()) return no_match(ChainFault::unreadable, "no certificate was shown");
  if (chain.size() > limits.chain.certificates)
    return no_match(ChainFault::unreadable, "too many certificates were shown");
  std::vector<Selected> certificates;
  for (const std::string& der : chain) {
    if (der.size() > limits.chain.certificate_octets)
      return no_match(ChainFault::unreadable, "a certificate is too long");
    certificates.push_back({der, public_key_of(der)});
    if (certificates.back().key.empty())
      return no_match(ChainFault::unreadable, "a certificate cannot be read");
  }
  DaneVerdict verdict =
      no_match(ChainFault::not_trusted,
               fmt::format("no certificate shown is named by TLSA of {}", finding.owner()));
  for (const DnsTlsa& record : finding.records) {
    if (record.usage == usage_ee) {  // RFC 7672 §3.1.1: neither names nor dates count
      if (!matches(record, certificates.front())) continue;
      return {true, text_of(record), ChainFault::none, {}};
    }
    const std::vector<std::string> anchors = anchors_of(record, certificates);
    if (anchors.empty()) continue;
    const ChainVerdict chained =
        verify_to_anchors(chain, anchors, finding.names, now, limits.chain);
    if (chained.good()) return {true, text_of(record), ChainFault::none, {}};
    verdict = no_match(chained.fault, chained.why);
  }
  return verdict;
}

std::string text_of(const DnsTlsa& record) {
  constexpr std::size_t shown = 32;
  std::string data = to_hex(std::string_view(record.data).substr(0, shown));
  if (record.data.size() > shown) data += "…";
  return fmt::format("{} {} {} {}", record.usage, record.selector, record.matching, data);
}

}  // namespace goniec
