// Calls about the keys that mail is signed with (accounts/signing_keys.h), for `goniec dkim`, and
// about the secret of forwarded senders (accounts/forwarding.h), for `goniec srs`. No call answers
// with a private key or a secret. A body is a JSON object; an unknown member is refused by name.
// What makes or changes keys is durable when it answers.
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> list_signing_keys(ApiContext& context, ApiCall call);
// {"domain", "selector", "algorithm": "rsa|ed25519|both", "now"}: new keys, pending until their
// record is in DNS, or active at once. Answers with the keys and the records to publish.
Task<ApiReply> create_signing_keys(ApiContext& context, ApiCall call);
// {"domain", "selector", "algorithm", "now"}: the same, for a domain that has keys; "algorithm":
// as the active ones when not given
Task<ApiReply> rotate_signing_keys(ApiContext& context, ApiCall call);
// {"domain", "selector"}: the private key is deleted; "selector" not given: all that are retiring
Task<ApiReply> retire_signing_keys(ApiContext& context, ApiCall call);
Task<ApiReply> check_signing_keys(ApiContext& context, ApiCall call);  // asks DNS now, then lists
// {"drop"}: true: what was made with the older secrets is refused from now on. Answers with
// {"secrets"}, how many are known.
Task<ApiReply> rotate_srs_secret(ApiContext& context, ApiCall call);

}  // namespace goniec
