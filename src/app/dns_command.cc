// See dns_command.h.
// What the server is comes from the config and its certificate; the judgement is trust/dns_advice.
#include "app/dns_command.h"

#include "api/call.h"
#include "app/dns_facts.h"
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
  const auto domain = TRY(Domain::parse(options.domain));
  if (domain.is_literal()) return fail(ErrorKind::usage, "a domain is a name, not an address");
  DnsAdviceFacts facts = dns_facts(config, domain);
  facts.now = SystemClock().now();
  if (!options.addresses.empty()) facts.addresses.clear();
  for (const auto& text : options.addresses) {
    const auto address = IpAddress::parse(text);
    if (!address)
      return fail(ErrorKind::usage,
                  fmt::format("--address {}: not an IP address", printable(text, 60)));
    facts.addresses.push_back(*address);
  }
  SystemDisk disk;
  if (const auto loaded = load_certificates(disk, certificate_files(config)))
    add_certificate(facts, loaded->in_use);
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
