// Postmark's bulk call: one content, or a template, for many recipients.
//
//   POST /email/bulk      {"From","Subject","HtmlBody",…,"Messages":[{"To","TemplateModel",…}…]}
//                         -> {"ID","Status":"Accepted","SubmittedAt"}
//   GET  /email/bulk/{}   -> {"Id","Status":"Completed","TotalMessages","PercentageCompleted",…}
//
// What the call says holds for all, what a message says for it alone; Metadata and Headers add up.
// Subject and bodies may have {{names}} of the TemplateModel. The stream is "broadcast" when none
// is named. All are checked before the first is sent. Inactive recipients get none, as in a batch.
//
// Nothing runs later: when the call is answered all messages are on disk. So the ID needs no record
// of its own: it is the first message's and how many there were.
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_send_bulk(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_bulk(ApiContext& context, PostmarkCall call);

}  // namespace goniec
