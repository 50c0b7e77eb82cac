// See machine_loads.h.
#include "api/machine_loads.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace goniec {
namespace {

// Parts of agents, in lower case.
constexpr std::array image_proxies = {"googleimageproxy", "ggpht.com", "yahoomailproxy",
                                      "outlook-imageproxy", "duckduckgo-mail"};
constexpr std::array gateways = {"barracuda",   "mimecast",
                                 "proofpoint",  "ironport",
                                 "symantec",    "messagelabs",
                                 "fireeye",     "forcepoint",
                                 "trendmicro",  "sophos",
                                 "bitdefender", "kaspersky",
                                 "bingpreview", "safelinks",
                                 "virustotal",  "urlscan",
                                 "bot",         "crawler",
                                 "spider",      "preview",
                                 "slack",       "facebookexternalhit",
                                 "whatsapp",    "telegram",
                                 "skypeuri",    "headlesschrome",
                                 "phantomjs",   "python-",
                                 "python/",     "curl/",
                                 "wget/",       "go-http-client",
                                 "java/",       "okhttp",
                                 "libwww",      "axios",
                                 "node-fetch",  "apache-httpclient",
                                 "scanner",     "linkcheck"};

// Networks from which gateways fetch, by what their owners publish or announce.
constexpr std::array gateway_networks = {
    "17.0.0.0/8",        // Apple
    "66.249.64.0/19",    // Google: crawlers and proxies
    "40.92.0.0/14",      // Microsoft: Exchange Online
    "52.100.0.0/14",     // the same
    "104.47.0.0/17",     // the same
    "67.231.144.0/20",   // Proofpoint
    "148.163.128.0/19",  // the same
    "64.235.144.0/20",   // Barracuda
    "209.222.80.0/21",   // the same
    "205.139.110.0/23",  // Mimecast
    "207.211.30.0/23",   // the same
};

template <class List>
bool holds_any(std::string_view text, const List& words) {
  return std::ranges::any_of(
      words, [text](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

bool is_gateway_network(const IpAddress& address) {
  return std::ranges::any_of(gateway_networks, [&](std::string_view text) {
    const auto network = IpNetwork::parse(text);
    return network && network->contains(address);
  });
}

}  // namespace

std::string_view machine_rule(const LoadFacts& facts, const LoadLimits& limits) {
  if (facts.method == "HEAD") return "head";
  if (to_lower(facts.purpose).find("prefetch") != std::string::npos ||
      to_lower(facts.purpose).find("preview") != std::string::npos)
    return "prefetch";
  const std::string agent = to_lower(trim(facts.user_agent));
  if (agent == "mozilla/5.0") return "apple_privacy";
  if (holds_any(agent, image_proxies)) return "image_proxy";
  if (agent.empty() || holds_any(agent, gateways) || is_gateway_network(facts.from))
    return "gateway";
  if (facts.at - facts.accepted < limits.fast) return "too_fast";
  if (facts.other_link_at && facts.at - *facts.other_link_at < limits.burst) return "burst";
  return {};
}

}  // namespace goniec
