// Calls that manage what the store holds: domains, users, aliases, and the server itself: reload,
// backup, which way an address goes. A body is a JSON object; an unknown member is refused by name.
// A change is durable when its call answers; one that fails changed nothing.
#pragma once
#include "api/call.h"

namespace goniec {

// {"domain", "relay", "recipients": "list|verify|any", "listed": […]}
Task<ApiReply> list_domains(ApiContext& context, ApiCall call);
Task<ApiReply> add_domain(ApiContext& context, ApiCall call);
Task<ApiReply> remove_domain(ApiContext& context, ApiCall call);
// {"address", "password", "quota", "send_as": […], "scram"}; never answers with a secret
Task<ApiReply> list_users(ApiContext& context, ApiCall call);
Task<ApiReply> add_user(ApiContext& context, ApiCall call);
Task<ApiReply> change_user(ApiContext& context, ApiCall call);  // password, quota, send_as, scram
Task<ApiReply> remove_user(ApiContext& context, ApiCall call);
// {"address", "targets": […]}
Task<ApiReply> list_aliases(ApiContext& context, ApiCall call);
Task<ApiReply> add_alias(ApiContext& context, ApiCall call);
Task<ApiReply> remove_alias(ApiContext& context, ApiCall call);

Task<ApiReply> reload_config(ApiContext& context, ApiCall call);
Task<ApiReply> reload_alias_files(ApiContext& context,
                                  ApiCall call);  // submit socket: root and trusted users
Task<ApiReply> create_backup(ApiContext& context, ApiCall call);  // {"directory"}
Task<ApiReply> explain_route_of(ApiContext& context, ApiCall call);
Task<ApiReply> verify_address(ApiContext& context, ApiCall call);  // sendmail -bv

}  // namespace goniec
