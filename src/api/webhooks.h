// Calls on webhooks (accounts/webhooks.h), what was told to them, and once more by hand.
//
//   GET|POST /api/v1/webhooks        POST {"endpoint", "events", "format", "batch", "streams",
//                                          "headers", "basic_auth": {"user", "password"}}
//   GET|PATCH|DELETE /api/v1/webhooks/{id}         PATCH also {"status": "enabled"|"disabled"}
//   POST /api/v1/webhooks/{id}/signing-secret/rotate
//   POST /api/v1/webhooks/{id}/test                an event webhook.test, now; what came of it
//   GET  /api/v1/webhooks/{id}/events?state=&limit=&after=
//   GET  /api/v1/webhooks/{id}/events/{event}/attempts
//   POST /api/v1/webhooks/{id}/events/{event}/replay
//   POST /api/v1/webhooks/{id}/replay   {"state": "failed"|"delivered", "since", "until",
//                                        "dry_run"}: all of a time
// The secret is shown when it is made, when it is asked for one webhook by who may manage, and when
// it is rotated; never in a list.
#pragma once
#include "accounts/webhooks.h"
#include "api/call.h"

namespace goniec {

// Its id, secret and beginning are made here; what happens from now on concerns it.
Task<Result<std::string>> store_new_webhook(ApiContext& context, Webhook webhook);

Task<ApiReply> list_webhooks(ApiContext& context, ApiCall call);
Task<ApiReply> create_webhook(ApiContext& context, ApiCall call);
Task<ApiReply> show_webhook(ApiContext& context, ApiCall call);
Task<ApiReply> change_webhook(ApiContext& context, ApiCall call);
Task<ApiReply> remove_webhook(ApiContext& context, ApiCall call);
Task<ApiReply> rotate_webhook_secret(ApiContext& context, ApiCall call);
Task<ApiReply> test_webhook(ApiContext& context, ApiCall call);
Task<ApiReply> list_hook_deliveries(ApiContext& context, ApiCall call);
Task<ApiReply> list_hook_attempts(ApiContext& context, ApiCall call);
Task<ApiReply> replay_hook_delivery(ApiContext& context, ApiCall call);
Task<ApiReply> replay_hook_deliveries(ApiContext& context, ApiCall call);

}  // namespace goniec
