// See options.h.
#include "app/options.h"

#include "config/bounce_rules.h"

#include <unistd.h>

#include <algorithm>

namespace goniec {
namespace {

Transport transport_of(RelayKind kind) {
  switch (kind) {
    case RelayKind::mx:
      return Transport::mx;
    case RelayKind::smtp:
      return Transport::smtp;
    case RelayKind::smtps:
      return Transport::smtps;
    case RelayKind::submission:
      return Transport::submission;
    case RelayKind::lmtp:
      return Transport::lmtp;
    case RelayKind::lmtp_unix:
      return Transport::lmtp_unix;
    case RelayKind::sink:
      return Transport::sink;
  }
  return Transport::mx;
}

RouteTls tls_of(RelayTls tls) {
  switch (tls) {
    case RelayTls::opportunistic:
      return RouteTls::opportunistic;
    case RelayTls::required:
      return RouteTls::required;
    case RelayTls::none:
      return RouteTls::none;
  }
  return RouteTls::opportunistic;
}

DmarcWay way_of(DmarcMode mode) {
  switch (mode) {
    case DmarcMode::apply:
      return DmarcWay::apply;
    case DmarcMode::observe:
      return DmarcWay::observe;
    case DmarcMode::off:
      return DmarcWay::off;
  }
  return DmarcWay::apply;
}

SpfWay way_of(SpfMode mode) {
  return mode == SpfMode::reject ? SpfWay::reject : SpfWay::observe;
}

PrivateWay way_of(PrivateMode mode) {
  switch (mode) {
    case PrivateMode::observe:
      return PrivateWay::observe;
    case PrivateMode::apply:
      return PrivateWay::apply;
    case PrivateMode::skip:
      return PrivateWay::skip;
  }
  return PrivateWay::observe;
}

std::shared_ptr<const CheckOptions> check_options(const Config& config) {
  auto options = std::make_shared<CheckOptions>();
  options->check = config.trust.check;
  options->hostname = config.hostname.ascii();
  options->check_time = config.trust.check_time;
  options->junk = config.trust.junk_folder ? JunkWay::folder : JunkWay::mark;
  TrustPolicy& policy = options->policy;
  policy.dmarc = way_of(config.trust.dmarc);
  policy.spf = way_of(config.trust.spf);
  policy.temporary = config.trust.defer_temporary ? TemporaryWay::defer : TemporaryWay::accept;
  policy.private_callers = way_of(config.trust.private_callers);
  policy.arc_trusted = config.trust.arc_sealers;
  for (const OverrideOption& given : config.trust.overrides) {
    TrustOverride& each = policy.overrides.emplace_back();
    each.domains = given.domains;
    if (given.dmarc) each.dmarc = way_of(*given.dmarc);
    if (given.spf) each.spf = way_of(*given.spf);
  }
  return options;
}

// Content in memory, in two places: not more than an eighth of what the process may have.
std::size_t share_of_memory(std::size_t wanted) {
  return std::min<std::uint64_t>(wanted, memory_limit_octets() / 8);
}

}  // namespace

QueueOptions queue_options(const Config& config, std::shared_ptr<const BounceRules> bounces) {
  QueueOptions options;
  options.bounces = std::move(bounces);
  options.retry.schedule = config.retry.schedule;
  options.retry.expire = config.retry.expire;
  options.retry.expire_notice = std::min<Duration>(config.retry.expire, std::chrono::hours(48));
  options.retry.delay_notice = config.retry.delay_notice;
  options.hostname = config.hostname.ascii();
  options.keep_bodies = config.retention.bodies;
  options.limits.window_octets = share_of_memory(options.limits.window_octets);
  return options;
}

// Where the journal is small, so is what waits for the database, and the database's log: then
// little has to be read at a start after a crash.
StoreOptions store_options(const Config& config, LogSink& log) {
  constexpr std::uint64_t block = 4096, applies_a_file = 4;
  StoreOptions options;
  options.path = config.storage.path;
  options.log = &log;
  StoreLimits& limits = options.limits;
  limits.journal_file_octets = config.storage.journal / limits.journal_files / block * block;
  limits.apply_octets =
      std::min<std::uint64_t>(limits.apply_octets, limits.journal_file_octets / applies_a_file);
  limits.checkpoint_octets =
      std::min<std::uint64_t>(limits.checkpoint_octets, limits.journal_file_octets);
  return options;
}

Result<std::shared_ptr<const BounceRules>> read_bounce_rules(const Config& config) {
  auto rules = load_bounce_rules(config.bounces.rules);
  if (!rules) return fail(ErrorKind::config, text_of(rules.error()));
  return std::make_shared<const BounceRules>(std::move(*rules));
}

CommitterLimits committer_limits() {
  CommitterLimits limits;
  limits.waiting_octets = share_of_memory(limits.waiting_octets);
  return limits;
}

DirectoryOptions directory_options(const Config& config) {
  DirectoryOptions options;
  options.hostname = config.hostname.ascii();
  if (!config.admin.empty())
    if (auto admin = Address::parse(config.admin)) options.admin = *admin;
  options.alias_files = config.local.aliases;
  return options;
}

LoginLimits login_limits(const Config& config) {
  LoginLimits limits;
  limits.messages_per_account_hour = config.limits.messages_per_account_hour;
  return limits;
}

AdmissionLimits admission_limits(const Config& config) {
  AdmissionLimits limits = limits_for(memory_limit_octets());
  limits.connections_per_address = config.limits.connections_per_address;
  return limits;
}

IntakeOptions intake_options(const Config& config) {
  IntakeOptions options;
  options.hostname = config.hostname.ascii();
  options.forward.rewrite = config.forward.srs;
  options.forward.seal = config.forward.seal;
  options.forward.days_valid =
      static_cast<unsigned>(std::chrono::ceil<std::chrono::days>(config.forward.srs_valid).count());
  return options;
}

InboundOptions inbound_options(const Config& config, std::shared_ptr<const TlsContext> tls) {
  InboundOptions options;
  options.hostname = config.hostname.ascii();
  options.intake = intake_options(config);
  options.limits.message_octets = config.limits.message_size;
  options.limits.recipients = config.limits.recipients;
  options.bare_lf_on_mx =
      config.limits.bare_lf == BareLf::normalise && config.limits.bare_lf_from.empty()
          ? smtp::LineEndPolicy::normalise
          : smtp::LineEndPolicy::reject;
  options.bare_lf_from = config.limits.bare_lf_from;
  options.idle = config.limits.idle;
  options.session = config.limits.session;
  options.tls = std::move(tls);
  options.checks = check_options(config);
  return options;
}

Pop3Options pop3_options(const Config& config, std::shared_ptr<const TlsContext> tls) {
  Pop3Options options;
  options.hostname = config.hostname.ascii();
  options.version = GONIEC_VERSION;
  options.tls = std::move(tls);
  return options;
}

ResolverOptions resolver_options(const Config& config) {
  ResolverOptions options;
  for (const Endpoint& server : config.resolver.servers) options.servers.push_back(server.text());
  options.trust_anchor_file = config.resolver.trust_anchor;
  switch (config.resolver.dnssec) {
    case DnssecMode::automatic:
      options.dnssec = Dnssec::automatic;
      break;
    case DnssecMode::require:
      options.dnssec = Dnssec::required;
      break;
    case DnssecMode::off:
      options.dnssec = Dnssec::off;
      break;
  }
  return options;
}

std::vector<CertificateFiles> certificate_files(const Config& config) {
  std::vector<CertificateFiles> files;
  for (const TlsOption& each : config.certificates) files.push_back({each.certificate, each.key});
  return files;
}

std::uint64_t web_body_octets(const Config& config) {
  // Base64 of the message (RFC 4648 §4), and JSON around it.
  constexpr std::uint64_t margin_octets = 1u << 20;
  return config.limits.message_size / 3 * 4 + margin_octets;
}

MaillogOptions maillog_options(const Config& config) {
  MaillogOptions options;
  options.to = config.log.to;
  switch (config.log.style) {
    case LogStyle::postfix:
      options.style = MaillogStyle::postfix;
      break;
    case LogStyle::json:
      options.style = MaillogStyle::json;
      break;
    case LogStyle::both:
      options.style = MaillogStyle::both;
      break;
  }
  options.hostname = config.hostname.ascii();
  options.pid = ::getpid();
  return options;
}

std::string sandbox_socket(const Config& config) {
  return config.storage.path + "/sandbox.sock";
}

RouteTable route_table(const Config& config) {
  std::vector<RouteRule> rules;
  RouteRule sandbox;
  sandbox.domains = {config.sandbox.everything ? "*" : config.sandbox.domain.ascii()};
  sandbox.transport = Transport::lmtp_unix;
  sandbox.host = sandbox_socket(config);
  sandbox.name = "sandbox";
  rules.push_back(std::move(sandbox));
  for (const RouteOption& route : config.routes) {
    RouteRule rule;
    rule.domains = route.domains;
    rule.transport = transport_of(route.relay);
    rule.host = route.host;
    rule.port = route.port;
    rule.tls = tls_of(route.tls);
    rule.user = route.user;
    rule.password_file = route.password_file;
    rule.name = route.name;
    rules.push_back(std::move(rule));
  }
  return RouteTable(std::move(rules), config.delivery.mx_port);
}

HostsOptions hosts_options(const Config& config) {
  HostsOptions options;
  options.hostname = config.hostname.ascii();
  options.private_targets = config.delivery.private_targets;
  options.dane = config.delivery.dane && config.resolver.dnssec != DnssecMode::off;
  options.mta_sts = config.delivery.mta_sts;
  for (const ListenerOption& listener : config.listeners) {
    const IpAddress unspecified{};
    const bool reached_by_mx =
        listener.kind == ListenerKind::mx && listener.address.port == config.delivery.mx_port;
    if (reached_by_mx && listener.address.address.octets != unspecified.octets)
      options.own_addresses.push_back(listener.address.address);
  }
  return options;
}

MtaStsCacheOptions mta_sts_options(const Config& config) {
  MtaStsCacheOptions options;
  options.folder = config.storage.path + "/mta-sts";
  options.port = config.delivery.mta_sts_port;
  options.only_public = !config.delivery.private_targets;
  return options;
}

DispatcherOptions dispatcher_options(const Config& config) {
  DispatcherOptions options;
  options.hostname = config.hostname.ascii();
  options.connections_per_site = config.delivery.connections_per_site;
  // An entry that waits for its next try finds the site open to a probe.
  if (!config.retry.schedule.empty())
    options.dead_pause = std::min<Duration>(options.dead_pause, config.retry.schedule.front() / 2);
  options.routes = route_table(config);
  return options;
}

}  // namespace goniec
