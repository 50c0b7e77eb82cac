// Lists of suppressed addresses as files: those of other services, and our own. What a file is, its
// first line says:
//
// | format   | columns                                         | reason                      |
// |----------|-------------------------------------------------|-----------------------------|
// | goniec   | email,stream,reason,origin,created_at,event_id  | as it says                  |
// | postmark | EmailAddress,SuppressionReason,Origin,CreatedAt | as it says                  |
// | sendgrid | status,reason,email,created (bounces)           | by the reply                |
// |          | email,created,ip (spam reports)                 | complained                  |
// | mailgun  | address,code,error,created_at (bounces)         | by the reply                |
// |          | address,tags,created_at (unsubscribes)          | unsubscribed                |
// | list     | an address a line, or a column with them        | the caller must say         |
//
// Columns are found by name, in any order and case. A row without a readable address is a problem
// that names its line, and the others are taken. A row with a reply (bounces of SendGrid and
// Mailgun, which hold blocked and full mailboxes too) has no reason: the caller judges the reply.
// Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/suppressions.h"

namespace goniec {

struct SuppressionRow {
  std::size_t line = 0;
  Address address;
  std::string stream;                       // "": not said
  std::optional<SuppressionReason> reason;  // nullopt: by `reply`, or not said
  std::string reply;                        // "550 5.1.1 no such user"; "": none
  Instant created{};                        // zero: not said
};

struct SuppressionFile {
  std::string format;
  std::vector<SuppressionRow> rows;
  std::vector<std::string> problems;  // at most 100
};

// bad_data: no column of addresses, or no table at all.
Result<SuppressionFile> read_suppression_file(std::string_view text);

}  // namespace goniec
