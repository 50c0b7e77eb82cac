// Options of a message in its header: what the API takes as members, mail programs may give as
// fields, ours or those of the service that they were written for. They are read and taken away
// before anything is signed or sent.
//
//   option        field of ours                      read too
//   stream        X-Stream: bulk                     X-PM-Message-Stream
//   tags          X-Tag: kind=invoice, spring        X-PM-Tag, X-Mailgun-Tag, X-SES-MESSAGE-TAGS,
//                                                    "category" in X-SMTPAPI
//   metadata      X-Metadata-Order: 17               X-PM-Metadata-…, X-Mailgun-Variables,
//                                                    "unique_args" in X-SMTPAPI
//   tracking      X-Track: opens, clicks | none      X-PM-TrackOpens, X-PM-TrackLinks,
//                                                    X-Mailgun-Track[-Opens|-Clicks]
//   later         X-Send-At: RFC 3339 or 1790000000  "send_at" in X-SMTPAPI, X-Mailgun-Deliver-By
//   pool          X-Pool: bulk
//   priority      X-Queue-Priority: high | normal | bulk
//   once          X-Idempotency-Key: order-17
// A tag without "=" is named "tag". What was given otherwise (by the API, by the key) stands.
// Names are those of the field, in lower case, for a header knows no other. A field of ours that
// cannot be read refuses the message; one of others is only taken away.
// Pure. It is done for submissions alone: from strangers these fields are only text.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "mail/priority.h"
#include "mail/reply.h"
#include "mail/send_options.h"

namespace goniec {

struct TakenOptions {
  std::string header;           // without the fields that were taken
  std::string idempotency_key;  // "": none
  std::optional<MailPriority> priority;
  std::optional<Reply> refusal;
  std::string rule;  // of the refusal: "content.options"
};
// Adds to `options` what they do not say yet.
TakenOptions take_option_fields(std::string_view block, SendOptions& options);

}  // namespace goniec
