// See dns_command.h.
// What the server is comes from the config and its certificate; the judgement is trust/dns_advice.
#include "app/dns_command.h"

#include <algorithm>

#include "api/call.h"
#include "app/options.h"
#include "base/text.h"
#include "net/ask.h"
#include "run/disk.h"
#include "run/shard.h"
#include "run/system.h"
#include "trust/dns_advice.h"

namespace goniec {
namespace {

constexpr Duration patience = std::chrono::seconds(30);

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

// TLSA "3 1 1" of the certificate that answers for the hostname.
void read_certificate_of(DnsAdviceFacts& facts, const Config& config) {
  SystemDisk disk;
  const auto loaded = load_certificates(disk, certificate_files(config));
  if (!loaded || loaded->in_use.empty()) return;
  const CertificateInUse* ours = &loaded->in_use.front();
  for (const auto& each : loaded->in_use) {
    if (std::ranges::find(each.facts.names, facts.hostname) != each.facts.names.end()) ours = &each;
  }
  facts.tlsa = {{3, 1, 1, ours->facts.public_key_sha256}};
}

void read_keys(DnsAdviceFacts& facts, const Config& config) {
  const auto keys = ServerClient(config.admin_socket())
                        .call("GET", "/api/v1/dkim?domain=" + encode_percent(facts.domain));
  facts.keys_known = keys.has_value();
  if (!keys) return;
  for (const auto& key : keys->items()) {
    if (key.text_at("domain", facts.domain) != facts.domain) continue;
    if (key.text_at("state") == "retired") continue;
    const auto record = key.at("record");
    if (record) facts.keys.push_back({key.text_at("selector"), record->text_at("value")});
  }
}

Result<DnsAdviceFacts> facts_of_server(const Config& config, const DnsOptions& options) {
  DnsAdviceFacts facts;
  const auto domain = TRY(Domain::parse(options.domain));
  if (domain.is_literal()) return fail(ErrorKind::usage, "a domain is a name, not an address");
  facts.domain = domain.ascii();
  facts.hostname = config.hostname.ascii();
  facts.now = SystemClock().now();
  for (const auto& text : options.addresses) {
    const auto address = IpAddress::parse(text);
    if (!address)
      return fail(ErrorKind::usage,
                  fmt::format("--address {}: not an IP address", printable(text, 60)));
    facts.addresses.push_back(*address);
  }
  const bool given = !facts.addresses.empty();
  read_listeners(facts, config);
  if (given) facts.addresses.resize(options.addresses.size());
  facts.reports = !config.reports.address.empty() ? config.reports.address
                  : !config.admin.empty()         ? config.admin
                                                  : "postmaster@" + facts.domain;
  read_certificate_of(facts, config);
  read_keys(facts, config);
  return facts;
}

Result<DnsAdvice> ask_dns(const Config& config, const DnsAdviceFacts& facts) {
  Shard shard;
  auto resolver = TRY(UnboundResolver::make(shard, resolver_options(config)));
  Findings findings;
  auto judge = [&facts](Findings& known) { return advise_dns(known, facts); };
  auto advice = run_until_done(
      shard, ask(shard, *resolver, findings, shard.clock().moment() + patience, judge));
  return advice;
}

}  // namespace

int run_dns(const Common& common, const DnsOptions& options) {
  const auto loaded = config_of(common);
  if (!loaded) return loaded.error();
  const auto facts = facts_of_server(loaded->config, options);
  if (!facts) return print_error({ErrorKind::usage, facts.error().message});
  const auto advice = ask_dns(loaded->config, *facts);
  if (!advice) return print_error(advice.error());
  const auto detail = options.check ? AdviceDetail::check : AdviceDetail::records;
  if (common.json || options.format == "json") {
    print(advice_as_json(*advice, detail) + "\n");
  } else if (options.format == "zone") {
    print(advice_as_zone(*advice));
  } else {
    print(advice_as_table(*advice, detail));
  }
  return options.check && advice->is_wrong() ? exit_check_said_no : exit_done;
}

}  // namespace goniec
