// Which MTA-STS policy is in force for a domain (RFC 8461): DNS, HTTPS and what is known from
// before, joined by the pure rules of trust/mta_sts.
//
//   find(domain) -> TXT of _mta-sts.DOMAIN -> memory, disk -> decide -> perhaps fetch -> answer
//
// One for all shards. It promises: a domain's policy is fetched by one caller at a time, the others
// wait for it; a failing fetch is not tried again for five minutes (§3.3); a fetch takes a minute
// at most and 64 KiB; what was fetched is on disk before it is used, so that a restart forgets
// nothing; a policy that is due is fetched again beside the mail, never before it. Refuses:
// redirects, web servers in private networks (unless `only_public` is off), certificates that
// are not for mta-sts.DOMAIN. Files are `folder`/DOMAIN, JSON, one a domain.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "run/world.h"
#include "trust/mta_sts.h"
#include "trust/tls_requirement.h"

namespace goniec {

struct MtaStsCacheOptions {
  std::string folder;            // "": nothing is kept on disk
  std::uint16_t port = 443;      // of the web server; another one for laboratories
  bool only_public = true;       // the web server's address
  std::size_t domains = 20'000;  // in memory; the rest is on disk
  MtaStsLimits limits;
};

struct MtaStsAnswer {
  std::optional<MtaStsKnown> policy;  // in force
  bool cannot_tell = false;           // mail for the domain waits
  TlsFault fault = TlsFault::none;    // of the last fetch, for reports
  std::string why;
};

class MtaStsCache {
 public:
  MtaStsCache(MtaStsCacheOptions options, Disk& disk);
  ~MtaStsCache();
  // On any shard. Never fails: see MtaStsAnswer.
  Task<MtaStsAnswer> find(World& world, Domain domain, Moment deadline);
  // What is known without asking anybody, for `goniec route` and reports.
  std::optional<MtaStsKnown> known(const Domain& domain) const;

  struct State;  // mta_sts_cache.cc

 private:
  std::shared_ptr<State> state_;  // shared with refreshes under way
};

}  // namespace goniec
