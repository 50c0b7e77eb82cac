// DMARC records (RFC 9989 §4.7, §4.8): tags as in DKIM, unknown ones (and the historic pct, rf, ri)
// ignored, what is wrong in a tag gives its default, except that a wrong policy makes a record that
// asks for nothing but reports, or for nothing at all (§4.10.1).
//
// Refused, so that there is no record: the first tag is not v=DMARC1 (by case), a tag stands twice.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

enum class DmarcPolicy { none, quarantine, reject };
std::string_view name_of(DmarcPolicy policy);
std::optional<DmarcPolicy> dmarc_policy_of(std::string_view name);  // any case

enum class DmarcAlignment { relaxed, strict };
enum class DmarcPsd { unknown, no, yes };

struct DmarcRecordLimits {
  std::size_t addresses = 10;  // of rua and of ruf that are kept (RFC 9990: at least two)
};

struct DmarcReportAddress {
  std::string uri;                           // "mailto:reports@example.org"
  std::optional<std::uint64_t> most_octets;  // historic "!10m"; read, not obeyed by all
};

struct DmarcRecord {
  std::optional<DmarcPolicy> policy, subdomain_policy, nonexistent_policy;  // p, sp, np
  bool wrong_policy = false;  // p is missing or wrong, or sp or np is wrong
  DmarcAlignment dkim = DmarcAlignment::relaxed, spf = DmarcAlignment::relaxed;
  DmarcPsd psd = DmarcPsd::unknown;
  bool testing = false;                      // t=y
  std::vector<DmarcReportAddress> rua, ruf;  // syntactically valid ones
  std::string failure_options = "0";         // fo
  std::string text;                          // the record as found

  // §4.10.1: a policy can be applied: a right one, or none, because there is somebody to report to.
  bool is_usable() const { return !wrong_policy || !rua.empty(); }
};

Result<DmarcRecord> parse_dmarc_record(std::string_view text, const DmarcRecordLimits& limits = {});
bool is_dmarc_record(std::string_view text);  // its first tag is v=DMARC1

}  // namespace goniec
