// See arf.h. Field names: RFC 5965 §3, RFC 6591 §3.1, §3.2.
#include "mail/arf.h"

#include <algorithm>

#include "base/text.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/mime.h"

namespace goniec {
namespace {

constexpr std::size_t mail_octets = 4u << 20;
constexpr std::size_t header_octets = 64 * 1024;

FeedbackType type_of(std::string_view word) {
  if (equal_ignoring_case(word, "abuse")) return FeedbackType::abuse;
  if (equal_ignoring_case(word, "auth-failure")) return FeedbackType::auth_failure;
  if (equal_ignoring_case(word, "fraud")) return FeedbackType::fraud;
  if (equal_ignoring_case(word, "not-spam")) return FeedbackType::not_spam;
  if (equal_ignoring_case(word, "virus")) return FeedbackType::virus;
  return FeedbackType::other;
}

// "dns; mail.example.com" and "mail.example.com"; the type is left out.
std::string without_type(std::string_view value) {
  const auto semicolon = value.find(';');
  return std::string(
      trim(semicolon == std::string_view::npos ? value : value.substr(semicolon + 1)));
}

std::string without_brackets(std::string_view address) {
  const auto open = address.find('<'), close = address.rfind('>');
  if (open != std::string_view::npos && close != std::string_view::npos && open < close)
    address = address.substr(open + 1, close - open - 1);
  return std::string(trim(address));
}

void set_field(FeedbackReport& report, const std::string& name, std::string value) {
  const auto number = [&] { return parse_unsigned(value); };
  if (name == "feedback-type") {
    report.type = type_of(value);
  } else if (name == "version") {
    report.version = number().value_or(1);
  } else if (name == "incidents") {
    report.incidents = number().value_or(1);
  } else if (name == "user-agent") {
    report.user_agent = std::move(value);
  } else if (name == "reporting-mta") {
    report.reporting_mta = without_type(value);
  } else if (name == "original-envelope-id") {
    report.original_envelope_id = std::move(value);
  } else if (name == "source-ip") {
    report.source_ip = value.substr(0, value.find_first_of(" \t"));
  } else if (name == "source-port") {
    report.source_port = number().value_or(0);
  } else if (name == "arrival-date" || name == "received-date") {
    if (const auto at = parse_date(value)) report.arrival = *at;
  } else if (name == "original-mail-from") {
    report.original_mail_from = std::move(value);
  } else if (name == "original-rcpt-to") {
    report.original_recipients.push_back(std::move(value));
  } else if (name == "removal-recipient") {
    report.removal_recipients.push_back(std::move(value));
  } else if (name == "authentication-results") {
    report.authentication_results.push_back(std::move(value));
  } else if (name == "reported-domain") {
    report.reported_domains.push_back(std::move(value));
  } else if (name == "reported-uri") {
    report.reported_uris.push_back(std::move(value));
  } else if (name == "auth-failure") {
    report.auth_failure = to_lower(value);
  } else if (name == "delivery-result") {
    report.delivery_result = to_lower(value);
  } else if (name == "identity-alignment") {
    report.identity_alignment = to_lower(value);
  } else if (name == "dkim-domain") {
    report.dkim_domain = std::move(value);
  } else if (name == "dkim-identity") {
    report.dkim_identity = std::move(value);
  } else if (name == "dkim-selector") {
    report.dkim_selector = std::move(value);
  }
}

}  // namespace

std::string_view name_of(FeedbackType type) {
  switch (type) {
    case FeedbackType::abuse:
      return "abuse";
    case FeedbackType::auth_failure:
      return "auth-failure";
    case FeedbackType::fraud:
      return "fraud";
    case FeedbackType::not_spam:
      return "not-spam";
    case FeedbackType::virus:
      return "virus";
    case FeedbackType::other:
      return "other";
  }
  return "other";
}

std::string FeedbackReport::recipient() const {
  for (const auto* list : {&removal_recipients, &original_recipients}) {
    for (const auto& each : *list) {
      auto address = without_brackets(each);
      if (address.find('@') != std::string::npos) return address;
    }
  }
  return {};
}

std::optional<FeedbackReport> parse_feedback_fields(std::string_view fields) {
  FeedbackReport report;
  bool typed = false;
  const auto first = fields.find_first_not_of("\r\n");
  if (first == std::string_view::npos) return {};
  const auto block = scan_header(fields.substr(first), {.fields = arf_fields});
  if (!block) return {};
  for (const auto& field : block->fields) {
    const auto name = to_lower(field.name);
    auto value = unfold(field.value);
    typed = typed || (name == "feedback-type" && !value.empty());
    set_field(report, name, std::move(value));
  }
  if (!typed) return {};
  return report;
}

std::optional<FeedbackReport> read_feedback_report(std::string_view mail) {
  mail = mail.substr(0, mail_octets);
  std::optional<FeedbackReport> report;
  std::string header;
  for (const auto& part : scan_mime(mail).parts) {
    const auto body = mail.substr(part.body_begin, part.body_end - part.body_begin);
    if (part.type == "message/feedback-report" && !report) {
      report = parse_feedback_fields(decode_transfer(part.encoding, body));
    } else if ((part.type == "message/rfc822" || part.type == "text/rfc822-headers" ||
                part.type == "message/rfc822-headers") &&
               header.empty()) {
      header = decode_transfer(part.encoding, body.substr(0, header_octets));
    }
  }
  if (!report) return {};
  const auto first = header.find_first_not_of("\r\n");
  if (first == std::string::npos) return report;
  header.erase(0, first);
  if (const auto block = scan_header(header, {})) {
    if (const auto* field = find_field(*block, "Message-ID"))
      report->message_id = message_id_of(unfold(field->value));
    header.resize(std::min(header.size(), block->body_offset));
  }
  report->returned_header = std::move(header);
  return report;
}

std::vector<std::string> queue_ids_in(std::string_view returned_header, std::string_view hostname) {
  std::vector<std::string> ids;
  const auto block = scan_header(returned_header, {});
  if (!block) return ids;
  for (const auto& field : block->fields) {
    if (!equal_ignoring_case(field.name, "Received")) continue;
    auto value = unfold(field.value);
    std::ranges::replace(value, '\t', ' ');
    bool ours = false, takes_id = false, takes_host = false;
    for (auto word : split(value, ' ')) {
      if (word.ends_with(';')) word.remove_suffix(1);
      if (takes_host) ours = ours || equal_ignoring_case(word, hostname);
      if (takes_id && ours && !word.empty()) ids.emplace_back(word);
      takes_host = equal_ignoring_case(word, "by");
      takes_id = equal_ignoring_case(word, "id");
    }
  }
  return ids;
}

}  // namespace goniec
