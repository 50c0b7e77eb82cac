// Postmark's message streams and their suppressions over ours (accounts/streams, suppressions).
//
//   "outbound" is our transactional, "broadcast" our bulk; others go by their own id.
//   HardBounce <- bad_mailbox, SpamComplaint <- complained, ManualSuppression <- the rest
//   Origin: Recipient <- the recipient or his server, Customer <- by us
// Refused: streams of the type Inbound. As Postmark does, a complaint is not taken back by a call;
// `goniec suppression remove` can.
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_list_streams(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_create_stream(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_stream(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_edit_stream(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_archive_stream(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_unarchive_stream(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_dump_suppressions(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_create_suppressions(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_delete_suppressions(ApiContext& context, PostmarkCall call);

// Which recipients of a message its stream does not write to, in the order of to, cc, bcc.
Task<std::vector<std::string>> postmark_inactive(ApiContext& context, std::string stream,
                                                 const OutgoingEmail& email);

}  // namespace goniec
