// GET /config and /config/file: what is in force, each value with the line that set it, and what a
// reload of the file would say and change. What api needs of the configuration it is handed as
// functions that give JSON (call.h).
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> show_settings(ApiContext& context, ApiCall call);
Task<ApiReply> show_config_file(ApiContext& context, ApiCall call);

}  // namespace goniec
