// Fuzz target: MTA-STS. Any octets as a record and as a policy. What is read has its bounds, can
// be printed and read again, allows each MX that it lists, and never an address.
// RFC 8461 §3.1, §3.2.
#include <cstdint>

#include "trust/mta_sts.h"

using namespace goniec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto id = parse_mta_sts_record(text)) CHECK(!id->empty() && id->size() <= 32);
  const auto policy = parse_mta_sts_policy(text);
  if (!policy) return 0;
  CHECK(policy->max_age <= MtaStsLimits{}.longest_max_age);
  CHECK(policy->mx.size() <= MtaStsLimits{}.mx_patterns);
  CHECK(!allows_mx(*policy, "192.0.2.1"));
  if (!policy->mx.empty() || policy->mode == MtaStsMode::none) {
    const auto again = parse_mta_sts_policy(print_mta_sts_policy(*policy));
    CHECK(again && *again == *policy);
  }
  for (const std::string& pattern : policy->mx)
    CHECK(allows_mx(*policy, pattern.starts_with("*.") ? "a" + pattern.substr(1) : pattern));
  return 0;
}
