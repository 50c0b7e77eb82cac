// See suppression_file.h.
#include "accounts/suppression_file.h"

#include <algorithm>

#include "base/text.h"
#include "mail/csv.h"
#include "mail/date.h"

namespace goniec {
namespace {

constexpr std::size_t told_problems = 100;

struct Columns {
  std::vector<std::string> names;  // lower case, letters and digits alone
  std::optional<std::size_t> find(std::initializer_list<std::string_view> candidates) const {
    for (const std::string_view candidate : candidates) {
      const auto found = std::ranges::find(names, candidate);
      if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    }
    return std::nullopt;
  }
  bool has(std::string_view name) const { return find({name}).has_value(); }
};

std::string column_name(std::string_view text) {
  std::string name;
  for (const char c : text)
    if (is_alpha(c) || is_digit(c)) name += to_lower(c);
  return name;
}

std::string format_of(const Columns& columns) {
  if (columns.has("suppressionreason")) return "postmark";
  if (columns.has("stream") && columns.has("reason") && columns.has("createdat")) return "goniec";
  if (columns.has("address") && (columns.has("code") || columns.has("tags"))) return "mailgun";
  if (columns.has("email") && columns.has("created") &&
      (columns.has("status") || columns.has("ip")))
    return "sendgrid";
  return "list";
}

// Seconds since 1970, RFC 3339 with or without its T and zone, or a date of mail.
Instant time_of(std::string_view text) {
  text = trim(text);
  if (const auto seconds = parse_unsigned(text))
    return Instant{} + std::chrono::seconds(*seconds % 100'000'000'000);
  std::string spelled(text);
  if (const auto given = parse_rfc3339(spelled)) return *given;
  if (spelled.size() >= 19 && spelled[10] == ' ') spelled[10] = 'T';
  if (const auto given = parse_rfc3339(spelled.substr(0, 19) + "Z")) return *given;
  return Instant{};
}

std::optional<SuppressionReason> postmark_reason(std::string_view reason, std::string_view origin) {
  if (equal_ignoring_case(reason, "HardBounce")) return SuppressionReason::bad_mailbox;
  if (equal_ignoring_case(reason, "SpamComplaint")) return SuppressionReason::complained;
  if (equal_ignoring_case(reason, "ManualSuppression"))
    return equal_ignoring_case(origin, "Recipient") ? SuppressionReason::unsubscribed
                                                    : SuppressionReason::manual;
  return std::nullopt;
}

struct Table {
  std::string format;
  Columns columns;
  std::vector<std::string> row;
  std::string at(std::initializer_list<std::string_view> candidates) const {
    const auto column = columns.find(candidates);
    return column && *column < row.size() ? std::string(trim(row[*column])) : std::string();
  }
};

// What a row says beside its address.
SuppressionRow row_of(const Table& table) {
  SuppressionRow row;
  row.created = time_of(table.at({"createdat", "created"}));
  row.stream = table.at({"stream", "messagestream"});
  const std::string reason = table.at({"suppressionreason", "reason"});
  if (table.format == "goniec") {
    row.reason = suppression_reason_of(reason);
  } else if (table.format == "postmark") {
    row.reason = postmark_reason(reason, table.at({"origin"}));
  } else if (table.format == "sendgrid" && table.columns.has("status")) {
    row.reply = reason.empty() ? table.at({"status"}) : reason;
  } else if (table.format == "sendgrid") {
    row.reason = SuppressionReason::complained;
  } else if (table.format == "mailgun" && table.columns.has("code")) {
    const std::string error = table.at({"error"}), code = table.at({"code"});
    row.reply = error.starts_with(code) ? error : code + " " + error;
  } else if (table.format == "mailgun") {
    row.reason = SuppressionReason::unsubscribed;
  }
  return row;
}

}  // namespace

Result<SuppressionFile> read_suppression_file(std::string_view text) {
  CsvReader reader(text);
  auto first = TRY(reader.next());
  if (!first) return fail(ErrorKind::bad_data, "the file is empty");
  Table table;
  for (const std::string& name : *first) table.columns.names.push_back(column_name(name));
  const bool has_header = !Address::parse(trim(first->front())).has_value();
  table.format = has_header ? format_of(table.columns) : "list";
  if (!has_header) table.columns.names = {"email"};
  const auto place = table.columns.find({"email", "emailaddress", "address", "recipient", "mail"});
  if (!place)
    return fail(ErrorKind::bad_data,
                "no column of addresses; the first line must name one: email, EmailAddress, "
                "address or recipient");
  SuppressionFile file;
  file.format = table.format;
  const auto take = [&](std::vector<std::string> row) {
    table.row = std::move(row);
    const std::string name = *place < table.row.size() ? std::string(trim(table.row[*place])) : "";
    auto address = Address::parse(name);
    if (!address) {
      if (file.problems.size() < told_problems)
        file.problems.push_back(fmt::format("line {}: \"{}\": {}", reader.line(),
                                            printable(name, 80), address.error().message));
      return;
    }
    SuppressionRow made = row_of(table);
    made.line = reader.line();
    made.address = std::move(*address);
    file.rows.push_back(std::move(made));
  };
  if (!has_header) take(std::move(*first));
  while (auto row = TRY(reader.next())) take(std::move(*row));
  return file;
}

}  // namespace goniec
