// Bodies of the native API: JSON objects whose members are all known, so that a typo never passes
// silently. Each error names the member by its path, "attachments[0].filename".
// Members that are null count as not given.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/call.h"

namespace goniec {

// "" : an empty object.
ApiResult<JsonValue> body_object(std::string_view body, const std::vector<std::string>& known);
// `path`: of the object, "" at the top.
ApiResult<> only_known(const JsonValue& object, const std::vector<std::string>& known,
                       std::string_view path = {});
std::string member_path(std::string_view path, std::string_view name);  // "a.b"

std::optional<JsonValue> member(const JsonValue& object, std::string_view name);  // null: none
ApiResult<std::optional<std::string>> text_member(const JsonValue& object, std::string_view name,
                                                  std::string_view path = {});
ApiResult<std::string> required_text(const JsonValue& object, std::string_view name,
                                     std::string_view path = {});
ApiResult<std::optional<bool>> flag_member(const JsonValue& object, std::string_view name,
                                           std::string_view path = {});
ApiResult<std::optional<Instant>> time_member(const JsonValue& object, std::string_view name,
                                              std::string_view path = {});
// One text, or a list of texts; not given: none.
ApiResult<std::vector<std::string>> texts_member(const JsonValue& object, std::string_view name,
                                                 std::string_view path = {});
// {"name": "value"}: numbers and booleans are taken as their text.
ApiResult<std::vector<std::pair<std::string, std::string>>> pairs_member(
    const JsonValue& object, std::string_view name, std::string_view path = {});

// What `work` makes of `octets` that a caller gave: much of it on the offload pool, so that nothing
// else of the loop waits for it. 503: too much waits there.
template <class Work>
Task<ApiResult<std::invoke_result_t<Work&>>> work_on(ApiContext& context, std::size_t octets,
                                                     Work work) {
  constexpr std::size_t at_once = 64 * 1024;
  if (octets <= at_once) co_return work();
  auto done = co_await context.world.offload.run(context.world.loop, std::move(work));
  if (!done)
    co_return std::unexpected(
        ApiError{503, "application_error", "too much is being sent at once, try again", {}});
  co_return *std::move(done);
}

}  // namespace goniec
