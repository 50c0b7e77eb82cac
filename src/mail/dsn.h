// Delivery status notifications (RFC 3461, 3464, 6522, 6533): composes the MIME report.
// Pure: facts in, message text out. Who gets one, and when, is decided in queue/notice.
#pragma once
#include <string>
#include <vector>

#include "mail/journey.h"

namespace goniec {

enum class DsnAction { failed, delayed, delivered, relayed, expanded };

struct DsnRecipient {
  EntryRecipient recipient;
  DsnAction action = DsnAction::failed;
  Reply reply;              // code 0: our own words
  std::string remote_host;  // "mx.wp.pl"; "" when no host answered
  Instant last_attempt{};
  Instant will_retry_until{};  // for delayed
  std::string hint;            // of mail/bounce_words.h: why, in the words of people
};

struct DsnFacts {
  std::string hostname;  // reporting MTA
  MessageId id;          // of the DSN
  Instant at{};
  Message original;           // sender gets the DSN; content.header is the returned header
  std::string original_body;  // for RET=FULL; cut by the caller; empty: headers only
  bool original_body_cut = false;
  std::vector<DsnRecipient> recipients;
};

struct ComposedMessage {
  std::string header;  // with the empty line
  std::string body;
  bool smtputf8 = false;  // message/global-delivery-status was used (RFC 6533)
};

// multipart/report; report-type=delivery-status: an explanation for people (English and Polish,
// first the reason in plain words, then what to do), message/delivery-status, and the original
// (RET=HDRS: text/rfc822-headers; RET=FULL: message/rfc822). Text from a peer is escaped so that it
// never adds a field or a boundary.
ComposedMessage compose_dsn(const DsnFacts& facts);

}  // namespace goniec
