// Feedback reports (ARF: RFC 5965, failure reports RFC 6591): somebody pressed "this is spam", or
// a receiver could not verify a message of ours. Pure: octets of a mail in, facts out.
//
// Promises: a report is read as far as it goes; what is not understood is left out. Whose message
// it was is found in this order: Removal-Recipient, Original-Rcpt-To, and the returned header,
// whose Message-ID or our own Received field names the message (providers blank addresses out).
// Octets are bounded by the mail's limit, fields by `arf_fields`.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace goniec {

inline constexpr std::size_t arf_fields = 200;  // of a report

enum class FeedbackType { abuse, auth_failure, fraud, not_spam, virus, other };
std::string_view name_of(FeedbackType type);  // "auth-failure"

struct FeedbackReport {
  FeedbackType type = FeedbackType::other;
  std::uint64_t version = 1;
  std::uint64_t incidents = 1;
  std::string user_agent, reporting_mta, original_envelope_id;
  std::string source_ip;
  std::uint64_t source_port = 0;
  std::optional<Instant> arrival;
  std::string original_mail_from;                                 // as written
  std::vector<std::string> original_recipients;                   // Original-Rcpt-To
  std::vector<std::string> removal_recipients;                    // Removal-Recipient
  std::vector<std::string> authentication_results;                // unfolded
  std::vector<std::string> reported_domains, reported_uris;       //
  std::string auth_failure, delivery_result, identity_alignment;  // RFC 6591, lower case
  std::string dkim_domain, dkim_identity, dkim_selector;

  std::string returned_header;  // of the message it is about
  std::string message_id;       // of that, without <>
  // Who complained, as far as the report tells: "jan@example.pl"; "" when it does not.
  std::string recipient() const;
};

// nullopt: no such report is in this mail.
std::optional<FeedbackReport> read_feedback_report(std::string_view mail);
// The fields alone, of a part message/feedback-report.
std::optional<FeedbackReport> parse_feedback_fields(std::string_view fields);

// The queue ids under which this server had the message, by the "by HOSTNAME … id QUEUEID" of its
// Received fields; nearest first.
std::vector<std::string> queue_ids_in(std::string_view returned_header, std::string_view hostname);

}  // namespace goniec
