// Postmark's templates over ours (accounts/templates): what is created or changed there is
// published at once, and TemplateId is the template's number.
// Understood: standard templates and layouts, aliases, validation with a suggested model.
// Not kept: InlineCss, which is accepted and does nothing (docs/decisions/mustache.md).
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_list_templates(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_template(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_create_template(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_edit_template(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_delete_template(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_validate_template(ApiContext& context, PostmarkCall call);

}  // namespace goniec
