// From the Config to the small Options structs of the engines: nobody but app sees the config
// (HOUSE §3).
#pragma once
#include "accounts/directory.h"
#include "accounts/login.h"
#include "config/config.h"
#include "duties/certificates.h"
#include "duties/maillog.h"
#include "inbound/admission.h"
#include "inbound/session.h"
#include "net/resolver.h"
#include "outbound/dispatcher.h"
#include "outbound/hosts.h"
#include "outbound/mta_sts_cache.h"
#include "queue/queue.h"
#include "reading/pop3.h"
#include "store/store.h"

namespace goniec {

StoreOptions store_options(const Config& config, LogSink& log);
QueueOptions queue_options(const Config& config, std::shared_ptr<const BounceRules> bounces);
Result<std::shared_ptr<const BounceRules>> read_bounce_rules(const Config& config);
CommitterLimits committer_limits();
DirectoryOptions directory_options(const Config& config);
LoginLimits login_limits(const Config& config);
AdmissionLimits admission_limits(const Config& config);
InboundOptions inbound_options(const Config& config, std::shared_ptr<const TlsContext> tls);
Pop3Options pop3_options(const Config& config, std::shared_ptr<const TlsContext> tls);
IntakeOptions intake_options(const Config& config);
RouteTable route_table(const Config& config);
std::string sandbox_socket(const Config& config);
MtaStsCacheOptions mta_sts_options(const Config& config);
HostsOptions hosts_options(const Config& config);
DispatcherOptions dispatcher_options(const Config& config);
ResolverOptions resolver_options(const Config& config);
std::vector<CertificateFiles> certificate_files(const Config& config);
std::uint64_t web_body_octets(const Config& config);  // of a call that sends
MaillogOptions maillog_options(const Config& config);

}  // namespace goniec
