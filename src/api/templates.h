// Calls about templates (accounts/templates.h). An {id} is an id, an alias or a number.
//
//   GET    /api/v1/templates           {"object":"list","data":[template…],"has_more","next"}
//   POST   /api/v1/templates           201, a draft; Resend's members, and "variants", "layout",
//                                      "is_layout"
//   POST   /api/v1/templates/render    {"id" or "subject","html","text"; "variables","language"}:
//                                      as it would be sent, and what "variables" has not
//   GET, PATCH, DELETE /api/v1/templates/{id}    "versions" counts what was published
//   POST   /api/v1/templates/{id}/publish, …/{id}/duplicate (a draft without an alias)
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> list_templates(ApiContext& context, ApiCall call);
Task<ApiReply> create_template(ApiContext& context, ApiCall call);
Task<ApiReply> show_template(ApiContext& context, ApiCall call);
Task<ApiReply> change_template(ApiContext& context, ApiCall call);
Task<ApiReply> remove_template(ApiContext& context, ApiCall call);
Task<ApiReply> publish_template(ApiContext& context, ApiCall call);
Task<ApiReply> duplicate_template(ApiContext& context, ApiCall call);
Task<ApiReply> render_template(ApiContext& context, ApiCall call);

}  // namespace goniec
