// See dns_facts.h.
// An address of an mx listener that the world can reach is one of ours; others are not known.
// A listener without a port of its own (0) is a laboratory's, and no service for clients.
#include "app/dns_facts.h"

#include <algorithm>

namespace goniec {
namespace {

std::optional<std::string_view> service_of(ListenerKind kind) {
  switch (kind) {
    case ListenerKind::submission:
      return "_submission._tcp";
    case ListenerKind::submissions:
      return "_submissions._tcp";
    case ListenerKind::pop3:
      return "_pop3._tcp";
    case ListenerKind::pop3s:
      return "_pop3s._tcp";
    case ListenerKind::imap:
      return "_imap._tcp";
    case ListenerKind::imaps:
      return "_imaps._tcp";
    case ListenerKind::mx:
    case ListenerKind::lmtp:
    case ListenerKind::http:
    case ListenerKind::https:
    case ListenerKind::admin:
      return std::nullopt;
  }
  return std::nullopt;
}

void read_listeners(DnsAdviceFacts& facts, const Config& config) {
  bool web = false;
  for (const auto& listener : config.listeners) {
    web = web || listener.kind == ListenerKind::http || listener.kind == ListenerKind::https;
    const auto& address = listener.address.address;
    const bool known = listener.kind == ListenerKind::mx && !address.is_private();
    if (known && std::ranges::find(facts.addresses, address) == facts.addresses.end())
      facts.addresses.push_back(address);
    if (const auto service = service_of(listener.kind); service && listener.address.port != 0)
      facts.services.push_back({std::string(*service), listener.address.port});
  }
  facts.mta_sts_served = web && config.mta_sts != MtaStsServing::off;
  facts.mta_sts_mode = config.mta_sts == MtaStsServing::enforce ? "enforce" : "testing";
}

}  // namespace

DnsAdviceFacts dns_facts(const Config& config, const Domain& domain) {
  DnsAdviceFacts facts;
  facts.domain = domain.ascii();
  facts.hostname = config.hostname.ascii();
  read_listeners(facts, config);
  facts.reports = !config.reports.address.empty() ? config.reports.address
                  : !config.admin.empty()         ? config.admin
                                                  : "postmaster@" + facts.domain;
  return facts;
}

void add_certificate(DnsAdviceFacts& facts, const std::vector<CertificateInUse>& in_use) {
  if (in_use.empty()) return;
  const CertificateInUse* ours = &in_use.front();
  for (const auto& each : in_use) {
    if (std::ranges::find(each.facts.names, facts.hostname) != each.facts.names.end()) ours = &each;
  }
  facts.tlsa = {{3, 1, 1, ours->facts.public_key_sha256}};
}

}  // namespace goniec
