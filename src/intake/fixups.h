// What may be changed in a header block, and what is refused (SEMANTICS §1 Headers). Pure.
//   submission: missing Date and Message-ID added, Bcc removed (RFC 6409 §8)
//   mx:         more than one From field, or several From addresses without Sender: 550 5.6.0
//   all:        Authentication-Results with our authserv-id removed in any spelling (RFC 8601 §5);
//               Return-Path removed; more than 100 Received or our own hop five times: 554 5.4.6
// Nothing else is touched: signed mail stays byte for byte.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/header.h"
#include "mail/journey.h"

namespace goniec {

bool is_submission(Source source);  // what is sent from here

struct FixupOptions {
  Source source = Source::smtp;
  std::string hostname;  // authserv-id, Message-ID domain
  MessageId id;
  Instant now{};
  HeaderLimits limits;
};

struct FixedHeader {
  std::string header;      // with the empty line at its end
  std::string message_id;  // without <>
  std::optional<Reply> refusal;
  std::string rule;  // of the refusal: "content.loop", "content.from", "content.header_size"
};
FixedHeader fix_header(std::string_view block, const FixupOptions& options);

}  // namespace goniec
