// See config_calls.h.
#include "api/config_calls.h"

namespace goniec {

Task<ApiReply> show_settings(ApiContext& context, ApiCall) {
  JsonWriter w;
  w.raw(context.settings_json());
  co_return json_reply(std::move(w));
}

Task<ApiReply> show_config_file(ApiContext& context, ApiCall) {
  const auto judged = co_await context.world.offload.run(
      context.world.loop, [judge = context.config_file_json] { return judge(); });
  JsonWriter w;
  if (!judged) co_return error_reply(judged.error());
  w.raw(*judged);
  co_return json_reply(std::move(w));
}

}  // namespace goniec
