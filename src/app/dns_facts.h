// What a server knows of itself for the advice on DNS (trust/dns_advice.h): its name, addresses and
// listeners out of the config, its keys and its certificate from who has them. Shared by `goniec
// dns`, which works before the server runs, and by the API, which asks the running one.
#pragma once
#include <vector>

#include "config/config.h"
#include "duties/certificates.h"
#include "trust/dns_advice.h"

namespace goniec {

// Without keys, certificate and time, which the caller adds.
DnsAdviceFacts dns_facts(const Config& config, const Domain& domain);
// TLSA "3 1 1" of the certificate that answers for the hostname.
void add_certificate(DnsAdviceFacts& facts, const std::vector<CertificateInUse>& in_use);

}  // namespace goniec
